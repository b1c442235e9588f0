"""The three tables that are written, and the five that are read."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

from bridge.columns import Exact, Utc

metadata = MetaData()

postings = Table(
    "postings",
    metadata,
    Column("transaction_id", String(36), primary_key=True),
    Column("gateway", String(32), nullable=False),
    Column("epoch", String(36), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("type", String(32), nullable=False),
    Column("reversed_by", String(36)),
)

movements = Table(
    "movements",
    metadata,
    Column("transaction_id", String(36), primary_key=True),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("type", String(32), nullable=False),
    Column("biz_step", String(32), nullable=False),
    Column("document", Text),
    Column("document_line", Text),
    Column("item", Text),
    Column("gtin", String(14)),
    Column("sku", Text),
    Column("lot", Text),
    Column("serial", Text),
    Column("expiry", Date),
    Column("best_before", Date),
    Column("sscc", String(18)),
    Column("location", Text),
    Column("quantity", Exact),
    Column("unit", String(3)),
    Column("counted", Exact),
    Column("from_location", Text),
    Column("to_location", Text),
    Column("weight", Exact),
    Column("weight_unit", String(8)),
    Column("reason", Text),
    Column("note", Text),
    Column("gateway", String(32), nullable=False),
    Column("station", String(32), nullable=False),
    Column("operator", Text),
    Column("occurred_at", Utc, nullable=False),
    Column("clock_synchronised", Boolean, nullable=False),
    Index("ix_movements_item", "item", "location"),
)
"""Every movement. `location` is where `quantity` counts; empty for what moves no stock.

`counted`: what a count found. `note`: what else a transaction says: a carrier's number, the text
of a reading.
"""

stock_on_hand = Table(
    "stock_on_hand",
    metadata,
    Column("item", Text, primary_key=True),
    Column("location", Text, primary_key=True),
    Column("lot", Text, primary_key=True),
    Column("unit", String(3), primary_key=True),
    Column("quantity", Exact, nullable=False),
)

known = MetaData()
"""What stations may know; made only where it is read."""

items = Table(
    "items",
    known,
    Column("sku", String(128), primary_key=True),
    Column("name", Text),
    Column("unit", String(3)),
    Column("lot", Boolean),
    Column("serial", Boolean),
    Column("expiry", Boolean),
    Column("weight_g", Exact),
    Column("tolerance_g", Exact),
    Column("codes", Text),
)
"""What stations may know of items; filled by whoever owns the database, read here. `codes`:
other texts found on it, separated by blanks."""

packs = Table(
    "packs",
    known,
    Column("gtin", String(14), primary_key=True),
    Column("sku", String(128), nullable=False),
    Column("quantity", Exact),
    Index("ix_packs_sku", "sku"),
)

documents = Table(
    "documents",
    known,
    Column("number", String(128), primary_key=True),
    Column("document", String(16), nullable=False),
    Column("partner", Text),
    Column("over_percent", Exact),
    Column("from_location", Text),
    Column("to_location", Text),
    Column("blind", Boolean),
    Column("closed", Boolean),
)
"""Business documents, of kinds as in `contract.reference`; those that are not `closed` are read."""

document_lines = Table(
    "document_lines",
    known,
    Column("number", String(128), primary_key=True),
    Column("line", String(128), primary_key=True),
    Column("sku", String(128), nullable=False),
    Column("quantity", Exact, nullable=False),
    Column("lot", Text),
    Column("expiry", Date),
    Column("location", Text),
)
"""What was done of them is added up from `movements`."""

locations = Table(
    "locations",
    known,
    Column("name", String(128), primary_key=True),
    Column("gln", String(13)),
    Column("extension", Text),
    Column("purpose", String(16)),
)

by_document = Index("ix_movements_document", movements.c.document)
"""Made where it is missing, also in a database that is older than it."""
