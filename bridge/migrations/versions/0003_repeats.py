"""Repeats: rows that came again under another epoch, and the entry each is the same as."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "repeat",
        sa.Column("stream", _NUMBER, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("entry", _NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["entry"], ["entry.number"], name=op.f("fk_repeat_entry")),
        sa.ForeignKeyConstraint(["stream"], ["stream.id"], name=op.f("fk_repeat_stream")),
        sa.PrimaryKeyConstraint("stream", "seq", name=op.f("pk_repeat")),
    )
    op.create_index("ix_repeat_entry", "repeat", ["stream", "entry"])
