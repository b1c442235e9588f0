"""A bridge that delivers one transaction and says what came of it: something for tests to kill.

Reads a JSON object with `config` and `transaction` from standard input.
"""

import asyncio
import json
import sys

from bridge.connectors import tryton
from contract.transactions import Transaction


async def main() -> None:
    """Deliver, and print the outcome."""
    given = json.load(sys.stdin)
    transaction = Transaction.model_validate(given["transaction"])
    async with tryton.connect(tryton.Config.model_validate(given["config"])) as connector:
        outcome = await connector.deliver(transaction, again=False)
    sys.stdout.write(f"{outcome}\n")


if __name__ == "__main__":
    asyncio.run(main())
