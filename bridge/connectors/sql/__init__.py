"""A database of one's own: every movement as a row, and what is on hand, by SQLAlchemy URL.

Three tables. `postings` has the transaction's id as its primary key and is written in the same
database transaction as the rest: that, and nothing else, is what makes it once. `movements` has
one row for each line and location it touches, with a signed quantity: what goes into a location is
positive. `stock_on_hand` is their sum for each item, location, lot and unit, kept up to date; it
may fall below zero, which is a finding.

What stations may know is read from five more, which belong to whoever fills them: `items`, `packs`,
`documents`, `document_lines`, `locations`.

Quantities are exact: NUMERIC on PostgreSQL, decimal digits as text on SQLite, added up here.
"""

from bridge.connector import Capabilities
from bridge.connectors.sql.calls import calls
from bridge.connectors.sql.config import Config
from bridge.connectors.sql.movements import Movement, document, moves
from bridge.connectors.sql.source import SqlSource, read
from bridge.connectors.sql.target import SqlTarget, connect

_BOOKS = frozenset(
    {
        *("receipt", "putaway", "pick", "pack", "shipment", "transfer", "count"),
        *("adjustment", "return", "assembly", "weighing", "reading", "reversal"),
    }
)
CAPABILITIES = Capabilities(
    evidence="real",
    key="unique",
    books=_BOOKS,
    limits=(
        "Documents are kept by number; nothing is checked against an order.",
        "What a transaction of several documents does to each is not told from its movements.",
    ),
    reads=frozenset({"items", "documents", "locations", "stock", "booked"}),
    shows=_BOOKS,
)

__all__ = [
    "CAPABILITIES",
    "Config",
    "Movement",
    "SqlSource",
    "SqlTarget",
    "calls",
    "connect",
    "document",
    "moves",
    "read",
]
