"""What every connector is: a pure `document()` in its own file, and a thin `deliver()`.

A connector, `bridge/connectors/<name>.py` or a folder of that name, has

- `Config`: a frozen pydantic model with `connector: Literal["<name>"]`, the `[target]` table;
- `document(transaction, config)`: pure; what the ERP wants to read, or `Refused`;
- `connect(config)`: an async context manager that yields a `Connector`.
"""

from typing import Protocol

from bridge.outcome import Outcome
from contract.transactions import Transaction


class Connector(Protocol):
    """One open target. The dispatcher calls `deliver` for one transaction at a time."""

    settle: float
    """Seconds after which a request that was given up can no longer be running at the target."""

    async def deliver(self, transaction: Transaction, *, again: bool) -> Outcome:
        """Bring `transaction` into the ERP once, however often this is called for its id.

        Args:
            transaction: to book. Its `id` is the key at the ERP.
            again: an earlier attempt may have been booked, wholly or in part; look for it first.

        Never raises for what the ERP or the network does; those are outcomes.
        """
        ...
