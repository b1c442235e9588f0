"""The ledger's tables. `bridge/migrations` makes them; a test holds the two against each other."""

from sqlalchemy import (
    DDL,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
    text,
)

from bridge.columns import Exact, Utc

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

_Number = BigInteger().with_variant(Integer, "sqlite")

stream = Table(
    "stream",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("site", String(32), nullable=False),
    Column("gateway", String(32), nullable=False),
    Column("epoch", String(36), nullable=False),
    Column("upto", BigInteger, nullable=False),
    Column("conflict", BigInteger),
    Column("forgiven", BigInteger, nullable=False),
    Column("first_seen", Utc, nullable=False),
    Column("last_seen", Utc, nullable=False),
    Column("gap_since", Utc),
    UniqueConstraint("gateway", "epoch"),
    sqlite_autoincrement=True,
)
"""One gateway's stream.

`upto`: every row to here is in `entry`. `conflict`: see `contract.envelope`. `forgiven`: differing
repeats to here were looked at by a person and count no more. `last_seen`: when it last brought
something new; what the broker repeats is none. `gap_since`: rows beyond a gap have been waiting
since then.
"""

_UNDECIDED = text("decided_at IS NULL")
_DEAD = text("code IS NOT NULL")
# Partial: they stay as small as what is open, however large the ledger grows. The last two are for
# windows of time, and hold what is asked of them: the rows, with their bodies, stay unread.
_INDEXES = (
    Index("ix_entry_undecided", "number", sqlite_where=_UNDECIDED, postgresql_where=_UNDECIDED),
    Index("ix_entry_open", "stream", "seq", sqlite_where=_UNDECIDED, postgresql_where=_UNDECIDED),
    Index("ix_entry_dead", "stream", "seq", sqlite_where=_DEAD, postgresql_where=_DEAD),
    Index("ix_entry_received", "received_at"),
    Index("ix_entry_decided", "decided_at", "received_at", "code"),
)

entry = Table(
    "entry",
    metadata,
    Column("number", _Number, primary_key=True),
    Column("stream", _Number, ForeignKey("stream.id"), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("id", String(36), unique=True),
    Column("digest", String(64), nullable=False),
    Column("body", Text, nullable=False),
    Column("type", String(32)),
    Column("station", String(32)),
    Column("turns", Text, nullable=False),
    Column("received_at", Utc, nullable=False),
    Column("state", String(8), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_try", Utc),
    Column("document", Text),
    Column("code", String(16)),
    Column("text", String(500)),
    Column("decided_at", Utc),
    UniqueConstraint("stream", "seq"),
    CheckConstraint("state IN ('received', 'sending', 'posted', 'dead')", name="state"),
    CheckConstraint("(state IN ('posted', 'dead')) = (decided_at IS NOT NULL)", name="decided"),
    CheckConstraint("(state = 'dead') = (code IS NOT NULL)", name="code"),
    *_INDEXES,
    sqlite_autoincrement=True,
)
"""One row of a stream and what became of it.

`number` orders the ledger. `id` is the transaction's, empty where the row is not a valid one.
`turns`: JSON list of the keys it keeps its turn for, see `bridge.turns`. `state`: `sending` means
that the ERP may have it. `text`: why it is dead, or why the last attempt did not end it.
`next_try`: for people to read; the dispatcher counts monotonic seconds of its own. `document`: of
what is posted, as the ERP calls it, an empty text where it has no name for it; none at all where no
posting was needed, see `bridge.noted`.
"""

parked = Table(
    "parked",
    metadata,
    Column("stream", _Number, ForeignKey("stream.id"), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", String(64), nullable=False),
    Column("body", Text, nullable=False),
)
"""Rows that came before an earlier one did."""

repeat = Table(
    "repeat",
    metadata,
    Column("stream", _Number, ForeignKey("stream.id"), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", String(64), nullable=False),
    Column("entry", _Number, ForeignKey("entry.number"), nullable=False),
    Index("ix_repeat_entry", "stream", "entry"),
)
"""Rows that say what an entry says already: a gateway that had to begin a new stream sends again
what it is not sure of. They advance the watermark, and nothing is booked."""

poison = Table(
    "poison",
    metadata,
    Column("number", _Number, primary_key=True),
    Column("received_at", Utc, nullable=False),
    Column("topic", String(256), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("size", Integer, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
"""Messages that can never be read: the newest of them, each cut to a bound."""

attempt = Table(
    "attempt",
    metadata,
    Column("entry", _Number, ForeignKey("entry.number"), primary_key=True, autoincrement=False),
    Column("count", Integer, primary_key=True, autoincrement=False),
    Column("round", String(40), nullable=False),
    Column("began_at", Utc, nullable=False),
    Column("ended_at", Utc),
    Column("outcome", String(8)),
    Column("text", String(500)),
    Column("mapping", String(64)),
    Column("translated", Text),
    Column("wire", Text),
)
"""One delivery of one entry, written before it is made; `ended_at` is empty where it never ended.

`round`: deliveries made in one call have it in common; `wire` is with the first of them, as JSON.
`translated`: what the connector was given, where that was not the body. `mapping`: the version of
the tables that made it.
"""

audit = Table(
    "audit",
    metadata,
    Column("number", _Number, primary_key=True),
    Column("at", String(32), nullable=False),
    Column("who", String(100), nullable=False),
    Column("what", String(32), nullable=False),
    Column("entry", BigInteger),
    Column("detail", Text, nullable=False),
    Column("previous", String(64), nullable=False, unique=True),
    Column("digest", String(64), nullable=False),
    sqlite_autoincrement=True,
)
"""What people and configurations decided: only ever added to, each row bound to the one before."""

amendment = Table(
    "amendment",
    metadata,
    Column("number", _Number, primary_key=True),
    Column("entry", _Number, ForeignKey("entry.number"), nullable=False),
    Column("changes", Text, nullable=False),
    Index("ix_amendment_entry", "entry"),
    sqlite_autoincrement=True,
)
"""What a person changed of an entry, beside its body; later ones are put upon earlier ones."""

mode = Table(
    "mode",
    metadata,
    Column("gateway", String(32), primary_key=True),
    Column("station", String(32), primary_key=True),
    Column("type", String(32), primary_key=True),
    Column("mode", String(8), nullable=False),
    Column("at", Utc, nullable=False),
)
"""Modes set at run time; `*` stands for any. They stand above those of the configuration."""

lease = Table(
    "lease",
    metadata,
    Column("target", String(64), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("expires_at", Utc, nullable=False),
)
"""Who delivers to a target, until when by the database's own clock."""

budget = Table(
    "budget",
    metadata,
    Column("target", String(64), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("calls", BigInteger, nullable=False),
)
"""Calls made to a target on a day (UTC)."""

plan = Table(
    "plan",
    metadata,
    Column("entry", _Number, ForeignKey("entry.number"), primary_key=True, autoincrement=False),
    Column("at", Utc, nullable=False),
    Column("mapping", String(64)),
    Column("calls", Text, nullable=False),
    Column("code", String(16)),
    Column("text", String(500)),
)
"""What would have been sent for an entry in shadow: calls as JSON, or why it would be refused."""

boot = Table(
    "boot",
    metadata,
    Column("gateway", String(32), primary_key=True),
    Column("boot", String(36), primary_key=True),
    Column("began_at", Utc, nullable=False),
)
"""When a boot of a gateway began, by the first of its rows whose clock was synchronised."""

_STANDS = text("closed_at IS NULL")

finding = Table(
    "finding",
    metadata,
    Column("number", _Number, primary_key=True),
    Column("target", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("subject", String(300), nullable=False),
    Column("entry", BigInteger),
    Column("detail", Text, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("opened_at", Utc, nullable=False),
    Column("last_seen", Utc, nullable=False),
    Column("gone_at", Utc),
    Column("closed_at", Utc),
    Column("closed_by", String(100)),
    Column("why", String(500)),
    Index(
        "ix_finding_open",
        "target",
        "kind",
        "subject",
        unique=True,
        sqlite_where=_STANDS,
        postgresql_where=_STANDS,
    ),
    Index("ix_finding_subject", "target", "subject"),
    sqlite_autoincrement=True,
)
"""What was found to differ between the ledger and the ERP: one row from its opening to its closing.

`subject`: the transaction's id, or item and place. `fingerprint`: of what differs; a person who
closes a row closes just that. `gone_at`: when it was first no longer found. `closed_by` is empty
where it closed by itself.
"""

reconciliation = Table(
    "reconciliation",
    metadata,
    Column("number", _Number, primary_key=True),
    Column("target", String(64), nullable=False),
    Column("began_at", Utc, nullable=False),
    Column("ended_at", Utc, nullable=False),
    Column("since", Utc, nullable=False),
    Column("errors", Text, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("documents", Integer),
    Column("levels", Integer),
    Column("drifting", Integer),
    Column("stock_from", Utc),
    Column("stock_to", Utc),
    sqlite_autoincrement=True,
)
"""When the ledger was held against a target, and how far that came; the newest of them are kept.

`errors`: JSON list of what could not be read. `documents`, `levels`: how many were read; empty
where they were not, or not to the end. `stock_from`, `stock_to`: when its stock was read.
"""

stock_level = Table(
    "stock_level",
    metadata,
    Column("target", String(64), primary_key=True),
    Column("item", String(128), primary_key=True),
    Column("location", String(128), primary_key=True),
    Column("unit", String(16), primary_key=True),
    Column("expected", Exact, nullable=False),
    Column("read_from", Utc),
    Column("read_to", Utc),
)
"""What should be on hand at a target, see `bridge.reconciliation.drift`: as of its last reading, or
of the one between those times. What is not here should be none."""

uptime = Table(
    "uptime",
    metadata,
    Column("bridge", String(32), primary_key=True),
    Column("hour", Utc, primary_key=True),
    Column("alive_s", Integer, nullable=False),
    Column("target_s", Integer, nullable=False),
)
"""Seconds of an hour a bridge was at work, and of these, how long its target was open."""

_NEVER = "the audit trail is only added to"
GUARDS = {
    "sqlite": [
        f"CREATE TRIGGER audit_no_{what.lower()} BEFORE {what} ON audit"
        f" BEGIN SELECT RAISE(ABORT, '{_NEVER}'); END"
        for what in ("UPDATE", "DELETE")
    ],
    "postgresql": [
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{_NEVER}'; END $$;"
        f" CREATE TRIGGER {name} BEFORE UPDATE OR DELETE OR TRUNCATE ON audit"
        f" FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        for name in ("audit_is_kept",)
    ],
}
"""What keeps everybody from changing a row of `audit`, by dialect."""
for _dialect, _guards in GUARDS.items():
    for _guard in _guards:
        event.listen(
            audit,
            "after_create",
            DDL(_guard).execute_if(dialect=_dialect),  # type: ignore[no-untyped-call]
        )
