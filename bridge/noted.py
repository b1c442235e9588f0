"""Entries that need no posting: closed as such, for types or stations the ERP has no place for.

That is what mode `noted` says. Such an entry is `posted` with no document at all, while what was
sent has one, if only an empty text. What the ERP may have is left in line: only the ERP can say. A
reversal goes the way of what it reverses: it is closed with it, also where it is live itself, and
stays in line where it is `noted` and the ERP has what it reverses.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.modes import Modes
from bridge.schema import entry, stream

NOTED = and_(entry.c.state == "posted", entry.c.document.is_(None))
"""The condition on an entry that was closed so."""
WHY = "needs no posting: its mode was noted"
PAGE = 500
"""Entries closed in one transaction: some 10 ms, so that what arrives need not wait."""
_IS_REVERSAL = entry.c.type == "reversal"
_DUE = (
    select(entry.c.number, stream.c.gateway, stream.c.epoch)
    .join(stream, stream.c.id == entry.c.stream)
    .where(entry.c.decided_at.is_(None), entry.c.state == "received")
    .order_by(entry.c.number)
)


@dataclass(frozen=True, slots=True)
class Closed:
    """What was closed, of which streams. `more`: there may be others."""

    entries: int
    streams: frozenset[tuple[str, UUID]]
    more: bool


async def close(connection: AsyncConnection, modes: Modes, now: datetime) -> Closed:
    """Close entries that need no posting, by number: up to `PAGE`, and the reversals of such."""
    rows: list[Any] = []
    if modes.says("noted"):
        query = _DUE.where(~_IS_REVERSAL, modes.where("noted")).limit(PAGE)
        rows += (await connection.execute(query)).all()
    more = len(rows) == PAGE
    rows += await _undoing(connection, modes)
    await _write(connection, [row.number for row in rows], now)
    return Closed(len(rows), frozenset((row.gateway, UUID(row.epoch)) for row in rows), more)


async def _undoing(connection: AsyncConnection, modes: Modes) -> list[Any]:
    """Return the reversals in line of what needed no posting; few wait at any time."""
    open_ones = or_(modes.where("noted"), modes.where("live"))
    query = _DUE.add_columns(entry.c.body).where(_IS_REVERSAL, open_ones)
    found: list[Any] = []
    after: int | None = 0
    while after is not None:
        page = (await connection.execute(query.where(entry.c.number > after).limit(PAGE))).all()
        undone = {row.number: _reversed(row.body) for row in page}
        noted = select(entry.c.id).where(NOTED, entry.c.id.in_(undone.values()))
        there = set(await connection.scalars(noted)) if undone else set()
        found += [row for row in page if undone[row.number] in there]
        after = page[-1].number if len(page) == PAGE else None
    return found


async def _write(connection: AsyncConnection, numbers: Sequence[int], now: datetime) -> None:
    if numbers:
        await connection.execute(
            update(entry)
            .where(entry.c.number.in_(numbers))
            .values(state="posted", document=None, text=WHY, next_try=None, decided_at=now)
        )


def _reversed(body: str) -> str:
    return str(json.loads(body)["event"]["reverses"])
