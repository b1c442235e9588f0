"""The ledger: streams, entries, rows beyond a gap, unreadable messages."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_UTC = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "poison",
        sa.Column("number", _NUMBER, nullable=False),
        sa.Column("received_at", _UTC, nullable=False),
        sa.Column("topic", sa.String(length=256), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_poison")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "stream",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("site", sa.String(length=32), nullable=False),
        sa.Column("gateway", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.String(length=36), nullable=False),
        sa.Column("upto", sa.BigInteger(), nullable=False),
        sa.Column("conflict", sa.BigInteger(), nullable=True),
        sa.Column("forgiven", sa.BigInteger(), nullable=False),
        sa.Column("first_seen", _UTC, nullable=False),
        sa.Column("last_seen", _UTC, nullable=False),
        sa.Column("gap_since", _UTC, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stream")),
        sa.UniqueConstraint("gateway", "epoch", name=op.f("uq_stream_gateway_epoch")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "entry",
        sa.Column("number", _NUMBER, nullable=False),
        sa.Column("stream", _NUMBER, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=True),
        sa.Column("station", sa.String(length=32), nullable=True),
        sa.Column("turns", sa.Text(), nullable=False),
        sa.Column("received_at", _UTC, nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try", _UTC, nullable=True),
        sa.Column("document", sa.Text(), nullable=True),
        sa.Column("code", sa.String(length=16), nullable=True),
        sa.Column("text", sa.String(length=500), nullable=True),
        sa.Column("decided_at", _UTC, nullable=True),
        sa.CheckConstraint("(state = 'dead') = (code IS NOT NULL)", name=op.f("ck_entry_code")),
        sa.CheckConstraint(
            "(state IN ('posted', 'dead')) = (decided_at IS NOT NULL)",
            name=op.f("ck_entry_decided"),
        ),
        sa.CheckConstraint(
            "state IN ('received', 'sending', 'posted', 'dead')", name=op.f("ck_entry_state")
        ),
        sa.ForeignKeyConstraint(["stream"], ["stream.id"], name=op.f("fk_entry_stream")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_entry")),
        sa.UniqueConstraint("id", name=op.f("uq_entry_id")),
        sa.UniqueConstraint("stream", "seq", name=op.f("uq_entry_stream_seq")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_entry_dead",
        "entry",
        ["stream", "seq"],
        sqlite_where=sa.text("code IS NOT NULL"),
        postgresql_where=sa.text("code IS NOT NULL"),
    )
    op.create_index(
        "ix_entry_open",
        "entry",
        ["stream", "seq"],
        sqlite_where=sa.text("decided_at IS NULL"),
        postgresql_where=sa.text("decided_at IS NULL"),
    )
    op.create_index(
        "ix_entry_undecided",
        "entry",
        ["number"],
        sqlite_where=sa.text("decided_at IS NULL"),
        postgresql_where=sa.text("decided_at IS NULL"),
    )
    op.create_table(
        "parked",
        sa.Column("stream", _NUMBER, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["stream"], ["stream.id"], name=op.f("fk_parked_stream")),
        sa.PrimaryKeyConstraint("stream", "seq", name=op.f("pk_parked")),
    )
