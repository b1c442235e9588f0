"""What a round found, written down: the same is one finding, and not one a night.

A finding closes by itself when it was looked at and holds no more. One that a person closed stays
closed for as long as it stays as it is; when it changes, or goes and comes again, it is a new one.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, bindparam, delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.inspection import MAX_TEXT, storable
from bridge.reconciliation.differences import Difference
from bridge.reconciliation.findings import written
from bridge.schema import finding, reconciliation

MOST_OPEN = 10_000
"""Findings that are open at a time; what more there is comes when some of them are closed."""
KEPT_ROUNDS = 1_000
"""Rounds kept: a year of three a day."""
_ONE_AT_A_TIME = 7_205_759_404  # any number nobody else uses for an advisory lock on this database
_CHUNK = 500  # numbers in one statement: SQLite takes 32,766 parameters

Watched = Mapping[tuple[str, str], Any]
"""Rows by kind and subject: open ones, and those a person closed that have not gone since."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one round has to say. Counts and times are as in the table `reconciliation`."""

    target: str
    began_at: datetime
    since: datetime
    differences: Collection[Difference]
    judged: Collection[str]
    """Subjects that were looked at, of those that were asked after at least."""
    errors: Collection[str]
    entries: int
    documents: int | None = None
    levels: int | None = None
    drifting: int | None = None
    stock_from: datetime | None = None
    stock_to: datetime | None = None


def _watched(target: str) -> ColumnElement[bool]:
    return (finding.c.target == target) & finding.c.gone_at.is_(None)


async def watched(connection: AsyncConnection, target: str) -> Watched:
    """Return what is to be looked at again."""
    query = select(finding).where(_watched(target)).order_by(finding.c.number)
    return {(row.kind, row.subject): row for row in await connection.execute(query)}


async def keep(connection: AsyncConnection, now: datetime, outcome: Outcome) -> int:
    """Write a round down; return how many findings were opened."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text(f"SELECT pg_advisory_xact_lock({_ONE_AT_A_TIME})"))
    known = await watched(connection, outcome.target)
    found = {
        (difference.kind, _subject(difference)): difference for difference in outcome.differences
    }
    judged = set(outcome.judged)
    gone = [key for key in known if key not in found and key[1] in judged]
    seen: list[int] = []
    new: list[dict[str, Any]] = []
    room = MOST_OPEN - sum(row.closed_at is None for row in known.values())
    for key, difference in found.items():
        row = known.get(key)
        if row is None:
            new.append(_row(outcome.target, difference, now))
        elif row.fingerprint == difference.fingerprint:
            seen.append(row.number)
        elif row.closed_at is None:
            await _say_anew(connection, row.number, difference, now)
        else:
            gone.append(key)
            new.append(_row(outcome.target, difference, now))
    await _let_go(connection, [known[key].number for key in gone], now)
    for start in range(0, len(seen), _CHUNK):
        mine = finding.c.number.in_(seen[start : start + _CHUNK])
        await connection.execute(update(finding).where(mine).values(last_seen=now))
    opened = new[: max(0, room)]
    if opened:
        await connection.execute(insert(finding), opened)
    await _note(connection, outcome, now)
    return len(opened)


async def _say_anew(
    connection: AsyncConnection, number: int, difference: Difference, now: datetime
) -> None:
    await connection.execute(
        update(finding)
        .where(finding.c.number == number)
        .values(detail=written(difference), fingerprint=difference.fingerprint, last_seen=now)
    )


async def _let_go(connection: AsyncConnection, numbers: list[int], now: datetime) -> None:
    """Close what holds no more; what a person closed is only no longer watched."""
    if not numbers:
        return
    its = [{"its": number} for number in numbers]
    mine = finding.c.number == bindparam("its")
    await connection.execute(update(finding).where(mine).values(gone_at=now), its)
    await connection.execute(
        update(finding).where(mine, finding.c.closed_at.is_(None)).values(closed_at=now), its
    )


async def _note(connection: AsyncConnection, outcome: Outcome, now: datetime) -> None:
    made = await connection.execute(
        insert(reconciliation).values(
            target=outcome.target,
            began_at=outcome.began_at,
            ended_at=now,
            since=outcome.since,
            errors=json.dumps([storable(error)[:MAX_TEXT] for error in outcome.errors]),
            entries=outcome.entries,
            documents=outcome.documents,
            levels=outcome.levels,
            drifting=outcome.drifting,
            stock_from=outcome.stock_from,
            stock_to=outcome.stock_to,
        )
    )
    number = made.inserted_primary_key[0] if made.inserted_primary_key else 0
    old = reconciliation.c.number <= number - KEPT_ROUNDS
    await connection.execute(delete(reconciliation).where(old))


def _subject(difference: Difference) -> str:
    return storable(difference.subject)[:300]


def _row(target: str, difference: Difference, now: datetime) -> dict[str, Any]:
    return {
        "target": target,
        "kind": difference.kind,
        "subject": _subject(difference),
        "entry": difference.entry,
        "detail": written(difference),
        "fingerprint": difference.fingerprint,
        "opened_at": now,
        "last_seen": now,
    }
