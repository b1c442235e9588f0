"""What is written for one transaction, in words: for the wire, and for a person who asks before."""

import json
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import Any

from bridge.connector import Call
from bridge.connectors.sql.config import Config
from bridge.connectors.sql.movements import Movement, document
from contract.transactions import Count, Reversal, Transaction

INSERT = "INSERT INTO postings, movements; UPDATE stock_on_hand"
"""One database transaction."""


def written(transaction: Transaction, movements: list[Movement]) -> str:
    """Return the rows as JSON, without what is empty. Quantities are exact, as text."""
    rows = [
        {name: _plain(value) for name, value in asdict(row).items() if value is not None}
        for row in movements
    ]
    posting = {"transaction_id": str(transaction.id), "type": transaction.event.type}
    return json.dumps({"posting": posting, "movements": rows}, ensure_ascii=False, indent=1)


def calls(transaction: Transaction, config: Config) -> list[Call]:
    """Return what would be written. Pure.

    What only the books know stands in angle brackets: how far a count is off, and what a reversal
    takes back.
    """
    event = transaction.event
    body = written(transaction, list(document(transaction, config)))
    if isinstance(event, Reversal):
        body += f"\n<and the opposite of each movement of {event.reverses}>"
    elif isinstance(event, Count):
        body += "\n<and the quantity of each: what was counted, less what is on hand>"
    return [Call("write the posting and its movements", "INSERT", INSERT, body)]


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, date) else value
