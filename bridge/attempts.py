"""Deliveries as they were made: written before each, completed after it, kept for a time.

What went over the wire is kept with the first delivery of a round; the others of the same round
name it. What is kept is bounded three ways: one round, the attempts at one entry, and days.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import String, bindparam, delete, insert, literal, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.inspection import storable
from bridge.schema import attempt, entry, plan
from bridge.wire import Note

MAX_WIRE = 64_000
"""Characters kept of one round: more than an envelope brings; the rest is counted."""
KEPT_FIRST = 10
KEPT_LAST = 90
"""Attempts kept of one entry, first and newest: a locked document is tried 288 times a day."""
PRUNED = 1_000
"""Attempts taken out in one transaction: some milliseconds."""


def wire_text(notes: Sequence[Note]) -> str | None:
    """Return notes as JSON text, a list of [way, text], within `MAX_WIRE` characters."""
    if not notes:
        return None
    kept: list[tuple[str, str]] = []
    room = MAX_WIRE
    for place, note in enumerate(notes):
        room -= len(note.text)
        if room < 0:
            kept.append(("heard", f"[{len(notes) - place} messages more; they are not kept]"))
            break
        kept.append((note.way, storable(note.text)))
    return json.dumps(kept, ensure_ascii=False)


def wire_of(text: str | None) -> list[dict[str, str]]:
    """Return stored notes as plain values."""
    return [{"way": way, "text": said} for way, said in json.loads(text)] if text else []


_BEGIN = insert(attempt).from_select(
    ["entry", "count", "round", "began_at"],
    select(
        entry.c.number,
        entry.c.attempts,
        bindparam("together", type_=String),
        bindparam("now", type_=attempt.c.began_at.type),
    ).where(entry.c.number.in_(bindparam("numbers", expanding=True))),
)
_END = (
    update(attempt)
    .where(
        attempt.c.entry.in_(bindparam("numbers", expanding=True)),
        attempt.c.count == bindparam("at"),
    )
    .values(
        {
            name: bindparam(name)
            for name in ("ended_at", "outcome", "text", "mapping", "translated", "wire")
        }
    )
)


async def open_rows(
    connection: AsyncConnection, numbers: Sequence[int], together: str, now: datetime
) -> None:
    """Write down that deliveries begin, in one round, of entries that count them already."""
    await connection.execute(_BEGIN, {"numbers": list(numbers), "together": together, "now": now})


async def close_rows(
    connection: AsyncConnection, rows: Sequence[tuple[int, int, dict[str, Any]]]
) -> None:
    """Write down what came of them: entry, count, and every column that was open.

    Most of a batch say the same: those are one statement.
    """
    alike: dict[tuple[int, tuple[Any, ...]], list[int]] = {}
    for number, count, values in rows:
        alike.setdefault((count, tuple(values.items())), []).append(number)
    for (count, said), numbers in alike.items():
        await connection.execute(_END, {"numbers": numbers, "at": count} | dict(said))
    for number, count, _ in rows:
        if count > KEPT_FIRST + KEPT_LAST:
            await connection.execute(
                delete(attempt).where(
                    attempt.c.entry == number,
                    attempt.c.count > KEPT_FIRST,
                    attempt.c.count <= count - KEPT_LAST,
                )
            )


async def of_entry(connection: AsyncConnection, number: int) -> list[dict[str, Any]]:
    """Return the attempts at one entry, oldest first, each with the wire notes of its round."""
    rows = (
        await connection.execute(
            select(attempt).where(attempt.c.entry == number).order_by(attempt.c.count)
        )
    ).mappings()
    found = [dict(row) for row in rows]
    heads = [tuple(map(int, row["round"].split("."))) for row in found]
    query = select(attempt.c.round, attempt.c.wire).where(
        tuple_(attempt.c.entry, attempt.c.count).in_(heads)
    )
    wires = {row.round: row.wire for row in await connection.execute(query)} if heads else {}
    return [row | {"wire": wire_of(wires.get(row["round"]))} for row in found]


async def prune(
    connection: AsyncConnection, before: datetime, after: tuple[int, int] = (0, 0)
) -> tuple[int, int] | None:
    """Take out attempts, and plans, of entries done with before then, a page at a time.

    Done with is posted or discarded. What is undecided, and dead letters that wait for a person,
    keep theirs.

    Args:
        connection: to write with.
        before: of which time.
        after: where the last page ended.

    Returns:
        Where this page ended; None where later attempts are all too new.
    """
    page = (
        await connection.execute(
            select(
                attempt.c.entry,
                attempt.c.count.label("at"),
                attempt.c.began_at,
                entry.c.decided_at,
                entry.c.code,
            )
            .join(entry, entry.c.number == attempt.c.entry)
            .where(tuple_(attempt.c.entry, attempt.c.count) > tuple_(*map(literal, after)))
            .order_by(attempt.c.entry, attempt.c.count)
            .limit(PRUNED)
        )
    ).all()
    done = sorted(
        {
            row.entry
            for row in page
            if row.decided_at is not None
            and row.decided_at < before
            and row.code in {None, "discarded"}
        }
    )
    if done:
        await connection.execute(delete(attempt).where(attempt.c.entry.in_(done)))
        await connection.execute(delete(plan).where(plan.c.entry.in_(done)))
    if len(page) < PRUNED or page[-1].began_at >= before:
        return None
    return page[-1].entry, page[-1].at
