"""Reconciliation: what was found to differ, when it was looked, what stock should be, uptime."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_UTC = sa.DateTime(timezone=True)
_EXACT = sa.Numeric(38, 9).with_variant(sa.Text(), "sqlite")
_OPEN = sa.text("closed_at IS NULL")


def upgrade() -> None:
    _findings()
    _stock()
    op.create_index("ix_entry_received", "entry", ["received_at"])
    op.create_index("ix_entry_decided", "entry", ["decided_at", "received_at", "code"])


def _findings() -> None:
    op.create_table(
        "finding",
        sa.Column("number", _NUMBER, nullable=False),
        sa.Column("target", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("entry", sa.BigInteger(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("opened_at", _UTC, nullable=False),
        sa.Column("last_seen", _UTC, nullable=False),
        sa.Column("gone_at", _UTC, nullable=True),
        sa.Column("closed_at", _UTC, nullable=True),
        sa.Column("closed_by", sa.String(length=100), nullable=True),
        sa.Column("why", sa.String(length=500), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_finding")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_finding_open",
        "finding",
        ["target", "kind", "subject"],
        unique=True,
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )
    op.create_index("ix_finding_subject", "finding", ["target", "subject"])
    op.create_table(
        "reconciliation",
        sa.Column("number", _NUMBER, nullable=False),
        sa.Column("target", sa.String(length=64), nullable=False),
        sa.Column("began_at", _UTC, nullable=False),
        sa.Column("ended_at", _UTC, nullable=False),
        sa.Column("since", _UTC, nullable=False),
        sa.Column("errors", sa.Text(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("documents", sa.Integer(), nullable=True),
        sa.Column("levels", sa.Integer(), nullable=True),
        sa.Column("drifting", sa.Integer(), nullable=True),
        sa.Column("stock_from", _UTC, nullable=True),
        sa.Column("stock_to", _UTC, nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_reconciliation")),
        sqlite_autoincrement=True,
    )


def _stock() -> None:
    op.create_table(
        "stock_level",
        sa.Column("target", sa.String(length=64), nullable=False),
        sa.Column("item", sa.String(length=128), nullable=False),
        sa.Column("location", sa.String(length=128), nullable=False),
        sa.Column("unit", sa.String(length=16), nullable=False),
        sa.Column("expected", _EXACT, nullable=False),
        sa.Column("read_from", _UTC, nullable=True),
        sa.Column("read_to", _UTC, nullable=True),
        sa.PrimaryKeyConstraint("target", "item", "location", "unit", name=op.f("pk_stock_level")),
    )
    op.create_table(
        "uptime",
        sa.Column("bridge", sa.String(length=32), nullable=False),
        sa.Column("hour", _UTC, nullable=False),
        sa.Column("alive_s", sa.Integer(), nullable=False),
        sa.Column("target_s", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("bridge", "hour", name=op.f("pk_uptime")),
    )
