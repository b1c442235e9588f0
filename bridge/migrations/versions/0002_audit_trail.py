"""The audit trail: attempts, what people decided and changed, modes, plans, who delivers."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_UTC = sa.DateTime(timezone=True)
_NEVER = "the audit trail is only added to"
_SQLITE = [
    f"CREATE TRIGGER audit_no_{what.lower()} BEFORE {what} ON audit"
    f" BEGIN SELECT RAISE(ABORT, '{_NEVER}'); END"
    for what in ("UPDATE", "DELETE")
]
_POSTGRESQL = (
    "CREATE FUNCTION audit_is_kept() RETURNS trigger LANGUAGE plpgsql AS"
    f" $$ BEGIN RAISE EXCEPTION '{_NEVER}'; END $$;"
    " CREATE TRIGGER audit_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit"
    " FOR EACH STATEMENT EXECUTE FUNCTION audit_is_kept()"
)


def upgrade() -> None:
    _of_entries()
    _of_people()
    _of_targets()
    sqlite = op.get_bind().dialect.name == "sqlite"
    for guard in _SQLITE if sqlite else [_POSTGRESQL]:
        op.execute(guard)


def _of_entries() -> None:
    op.create_table(
        "attempt",
        sa.Column("entry", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("count", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("round", sa.String(length=40), nullable=False),
        sa.Column("began_at", _UTC, nullable=False),
        sa.Column("ended_at", _UTC, nullable=True),
        sa.Column("outcome", sa.String(length=8), nullable=True),
        sa.Column("text", sa.String(length=500), nullable=True),
        sa.Column("mapping", sa.String(length=64), nullable=True),
        sa.Column("translated", sa.Text(), nullable=True),
        sa.Column("wire", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["entry"], ["entry.number"], name=op.f("fk_attempt_entry")),
        sa.PrimaryKeyConstraint("entry", "count", name=op.f("pk_attempt")),
    )
    op.create_table(
        "amendment",
        sa.Column("number", _NUMBER, nullable=False),
        sa.Column("entry", _NUMBER, nullable=False),
        sa.Column("changes", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["entry"], ["entry.number"], name=op.f("fk_amendment_entry")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_amendment")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_amendment_entry", "amendment", ["entry"])
    op.create_table(
        "plan",
        sa.Column("entry", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("at", _UTC, nullable=False),
        sa.Column("mapping", sa.String(length=64), nullable=True),
        sa.Column("calls", sa.Text(), nullable=False),
        sa.Column("code", sa.String(length=16), nullable=True),
        sa.Column("text", sa.String(length=500), nullable=True),
        sa.ForeignKeyConstraint(["entry"], ["entry.number"], name=op.f("fk_plan_entry")),
        sa.PrimaryKeyConstraint("entry", name=op.f("pk_plan")),
    )


def _of_people() -> None:
    op.create_table(
        "audit",
        sa.Column("number", _NUMBER, nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.Column("who", sa.String(length=100), nullable=False),
        sa.Column("what", sa.String(length=32), nullable=False),
        sa.Column("entry", sa.BigInteger(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit")),
        sa.UniqueConstraint("previous", name=op.f("uq_audit_previous")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "mode",
        sa.Column("gateway", sa.String(length=32), nullable=False),
        sa.Column("station", sa.String(length=32), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("mode", sa.String(length=8), nullable=False),
        sa.Column("at", _UTC, nullable=False),
        sa.PrimaryKeyConstraint("gateway", "station", "type", name=op.f("pk_mode")),
    )


def _of_targets() -> None:
    op.create_table(
        "lease",
        sa.Column("target", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("expires_at", _UTC, nullable=False),
        sa.PrimaryKeyConstraint("target", name=op.f("pk_lease")),
    )
    op.create_table(
        "budget",
        sa.Column("target", sa.String(length=64), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("target", "day", name=op.f("pk_budget")),
    )
    op.create_table(
        "boot",
        sa.Column("gateway", sa.String(length=32), nullable=False),
        sa.Column("boot", sa.String(length=36), nullable=False),
        sa.Column("began_at", _UTC, nullable=False),
        sa.PrimaryKeyConstraint("gateway", "boot", name=op.f("pk_boot")),
    )
