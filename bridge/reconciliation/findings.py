"""What was found to differ, for people: what is open, what mends it, how it is closed."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, get_args

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge import audit
from bridge.audit import MAX_WHO, Deed
from bridge.inspection import MAX_TEXT, storable
from bridge.ledger import Ledger
from bridge.reconciliation.differences import Case, Difference, Kind, Step, repair, words
from bridge.schema import finding, reconciliation

MOST = 1_000
"""Findings shown: more than that is one cause, and a person sees it by the first of them."""
RECENT = 50
"""Closed findings shown."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference, from the round that found it to its closing."""

    number: int
    target: str
    kind: Kind
    subject: str
    """The transaction's id; of stock, item and place."""
    entry: int | None
    """The ledger's number of the transaction."""
    documents: tuple[str, ...]
    """The ERP's numbers."""
    text: str
    """A sentence that says what differs."""
    plan: tuple[Step, ...]
    """What a person can do about it, the likeliest first."""
    opened_at: datetime
    last_seen: datetime
    closed_at: datetime | None = None
    closed_by: str | None = None
    """Who closed it; None where it closed by itself."""
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """One time the ledger was held against a target."""

    number: int
    target: str
    began_at: datetime
    ended_at: datetime
    since: datetime
    """Entries received then or later were looked at."""
    errors: tuple[str, ...]
    """What could not be read, and why; nothing is said to be missing from that."""
    entries: int
    documents: int | None
    """Documents of the ERP that carry an id; None where they were not read to the end."""
    levels: int | None
    """Stock levels held against the last reading; None where stock is not read."""
    drifting: int | None
    """Of these, how many are not what they should be."""

    @property
    def whole(self) -> bool:
        """Whether everything that was to be read could be read."""
        return not self.errors


@dataclass(frozen=True, slots=True)
class Reconciled:
    """How the ledger and the ERP stand to each other, as of the last round."""

    findings: tuple[Finding, ...]
    """What is open, oldest first, at most `MOST`."""
    open: int
    """How many are open in all."""
    closed: tuple[Finding, ...]
    """What was closed last, newest first."""
    run: Round | None
    """The last round; None before the first."""
    whole_at: datetime | None
    """When the last round ended that could read everything."""

    @property
    def errors(self) -> tuple[str, ...]:
        """What the last round could not read."""
        return () if self.run is None else self.run.errors


async def latest(ledger: Ledger) -> Reconciled:
    """Return what is open, what was closed last, and how the last round went.

    Raises:
        LedgerFailed: the database did not do its part.
    """
    return await ledger.ask(_latest)


async def close(ledger: Ledger, number: int, who: str, why: str) -> bool:
    """Close an open finding, as a person decided; it stays closed as long as it stays as it is.

    Args:
        ledger: that holds it.
        number: of the finding.
        who: decides.
        why: kept beside it and in the audit trail.

    Returns:
        False where there is no open finding of that number.

    Raises:
        LedgerFailed: the database did not do its part.
        ValueError: no reason was given.
    """
    if not why.strip():
        raise ValueError("say why it is right as it is")

    async def work(connection: AsyncConnection, now: datetime) -> bool:
        row = (
            await connection.execute(
                select(finding)
                .where(finding.c.number == number, finding.c.closed_at.is_(None))
                .with_for_update()
            )
        ).one_or_none()
        if row is None:
            return False
        await connection.execute(
            update(finding)
            .where(finding.c.number == number)
            .values(
                closed_at=now,
                closed_by=storable(who)[:MAX_WHO] or "nobody",
                why=storable(why)[:MAX_TEXT],
            )
        )
        detail = {"why": why, "finding": number, "kind": row.kind, "subject": row.subject}
        await audit.record(connection, now, Deed(who, "close finding", detail, row.entry))
        return True

    return await ledger.put(work)


async def _latest(connection: AsyncConnection) -> Reconciled:
    stands = finding.c.closed_at.is_(None)
    opened = select(finding).where(stands).order_by(finding.c.number).limit(MOST)
    closed = select(finding).where(~stands).order_by(finding.c.number.desc()).limit(RECENT)
    runs = select(reconciliation).order_by(reconciliation.c.number.desc())
    run = (await connection.execute(runs.limit(1))).mappings().one_or_none()
    whole_at = await connection.scalar(
        runs.with_only_columns(reconciliation.c.ended_at)
        .where(reconciliation.c.errors == "[]")
        .limit(1)
    )
    count = await connection.scalar(select(func.count()).select_from(finding).where(stands))
    return Reconciled(
        findings=tuple([_finding(row) for row in (await connection.execute(opened)).mappings()]),
        open=count or 0,
        closed=tuple([_finding(row) for row in (await connection.execute(closed)).mappings()]),
        run=None if run is None else _round(run),
        whole_at=whole_at,
    )


def _finding(row: Any) -> Finding:
    difference = read(row["detail"])
    return Finding(
        number=row["number"],
        target=row["target"],
        kind=row["kind"],
        subject=row["subject"],
        entry=row["entry"],
        documents=difference.documents,
        text=words(difference),
        plan=repair(difference, row["number"] if row["closed_at"] is None else None),
        opened_at=row["opened_at"],
        last_seen=row["last_seen"],
        closed_at=row["closed_at"],
        closed_by=row["closed_by"],
        why=row["why"],
    )


def _round(row: Any) -> Round:
    columns = ("number", "target", "began_at", "ended_at", "since", "entries", "documents")
    more = ("levels", "drifting")
    said = {name: row[name] for name in (*columns, *more)}
    return Round(**said, errors=tuple(json.loads(row["errors"])))


def written(difference: Difference) -> str:
    """Return a difference as JSON text, so that its words can be put better later."""
    said = asdict(difference) | {
        name: None if amount is None else format(amount, "f")
        for name, amount in (("ours", difference.ours), ("theirs", difference.theirs))
    }
    said["made_at"] = None if difference.made_at is None else difference.made_at.isoformat()
    return storable(json.dumps(said, ensure_ascii=False))


def read(detail: str) -> Difference:
    """Return a difference as it was written."""
    said = json.loads(detail)
    if said["case"] not in get_args(Case):
        raise ValueError(f"a finding of an unknown case: {said['case']}")
    for name in ("ours", "theirs"):
        said[name] = None if said[name] is None else Decimal(said[name])
    if said["made_at"] is not None:
        said["made_at"] = datetime.fromisoformat(said["made_at"])
    for name in ("documents", "kept"):
        said[name] = tuple(said[name])
    return Difference(**said)
