"""The tables of the copy: beside the ledger's in PostgreSQL, a file of their own for SQLite.

They hold nothing that cannot be read again, so another layout is made by dropping the old one.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

from bridge.columns import Utc

LAYOUT = 1
"""Changes with any change of the tables below."""

metadata = MetaData()

copy = Table(
    "reference_copy",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("layout", Integer, nullable=False),
    Column("set", String(36), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("round", BigInteger, nullable=False),
    Column("began_at", Utc),
    Column("read_at", Utc),
    Column("wanted", BigInteger, nullable=False),
    Column("problems", Text, nullable=False),
)
"""One row. `round`: of the reading that may write. `wanted`: a person asked for that many."""

record = Table(
    "reference_record",
    metadata,
    Column("kind", String(8), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("base", Text),
    Column("body", Text),
    Index("ix_reference_record_version", "version"),
)
"""Each record in its newest form, JSON. `body` is empty where it is gone; `base` is of documents:
as the ERP says it, without what the ledger adds."""

stream = Table(
    "reference_stream",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("gateway", String(32), nullable=False),
    Column("epoch", String(36), nullable=False),
    Column("upto", BigInteger, nullable=False),
    Index("ix_reference_stream_gateway", "gateway", "id"),
)
"""How far the ledger's streams are counted into the documents. `id` is the ledger's."""

move = Table(
    "reference_move",
    metadata,
    Column("entry", BigInteger, primary_key=True, autoincrement=False),
    Column("document", String(128), primary_key=True),
    Column("gateway", String(32), nullable=False),
    Column("station", String(32), nullable=False),
    Column("type", String(32), nullable=False),
    Column("parts", Text, nullable=False),
    Column("settled", Boolean, nullable=False),
    Index("ix_reference_move_document", "document"),
)
"""What an entry of the ledger moves of a document. `settled`: the document as read has it."""

gateway = Table(
    "reference_gateway",
    metadata,
    Column("gateway", String(32), primary_key=True),
    Column("site", String(32), nullable=False),
)
"""Who has asked, ever: these are told what is newest."""
