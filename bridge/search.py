"""Finds entries by what a person knows of them: a document, an item, a station, a time.

Most of it has no index, since every index makes taking in slower. So the newest entries are looked
through first, for so long and no longer; the answer says where it ended, and goes on from there.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.noted import NOTED
from bridge.schema import entry, stream

State = Literal["in line", "unclear", "posted", "noted", "dead", "discarded"]

WINDOW = 10_000
"""Numbers looked through by one statement: some 10 ms, 40 ms where bodies are read."""
LOOK_S = 0.15
"""Seconds after which no further statement is begun: a page is to be there within 300 ms."""
DISORDER = 1_000
"""Numbers that several bridges may have committed out of the order of their times."""

_COLUMNS = (
    *(column for column in entry.c if column.name not in {"turns", "stream"}),
    stream.c.gateway,
)
_STATES: dict[State, ColumnElement[bool]] = {
    # The first condition of each is that of a partial index, as small as what it is about.
    "in line": and_(entry.c.decided_at.is_(None), entry.c.state == "received"),
    "unclear": and_(entry.c.decided_at.is_(None), entry.c.state == "sending"),
    "posted": and_(entry.c.state == "posted", ~NOTED),
    "noted": NOTED,
    "dead": and_(entry.c.code.is_not(None), entry.c.code != "discarded"),
    "discarded": and_(entry.c.code.is_not(None), entry.c.code == "discarded"),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for: entries that fit every part that is given."""

    text: str = ""
    """Stands in the transaction (a document, SKU, GTIN, lot ...) or in the ERP's number."""
    id: UUID | None = None
    number: int | None = None
    gateway: str = ""
    station: str = ""
    type: str = ""
    state: State | None = None
    code: str = ""
    since: datetime | None = None
    """Received then or later."""
    until: datetime | None = None
    """Received before."""

    @property
    def condition(self) -> ColumnElement[bool]:
        """The same for `entry` joined with `stream`."""
        parts: list[ColumnElement[bool]] = [true()]
        if self.text:
            inside = json.dumps(self.text, ensure_ascii=False)[1:-1]
            document = entry.c.document.contains(self.text, autoescape=True)
            parts.append(or_(entry.c.body.contains(inside, autoescape=True), document))
        if self.id is not None:
            parts.append(entry.c.id == str(self.id))
        if self.state is not None:
            parts.append(_STATES[self.state])
        if self.since is not None:
            parts.append(entry.c.received_at >= self.since)
        if self.until is not None:
            parts.append(entry.c.received_at < self.until)
        named = (
            (self.number, entry.c.number),
            (self.gateway, stream.c.gateway),
            (self.station, entry.c.station),
            (self.type, entry.c.type),
            (self.code, entry.c.code),
        )
        parts += [column == value for value, column in named if value]
        return and_(*parts)

    @property
    def indexed(self) -> bool:
        """Whether an index finds it, however many entries there are."""
        named = self.id is not None or self.number is not None
        return named or self.state not in {None, "posted", "noted"}


@dataclass(frozen=True, slots=True)
class Page:
    """What was found, newest first. `further`: look below that number for more; None at the end."""

    rows: list[dict[str, Any]]
    further: int | None


async def search(
    connection: AsyncConnection,
    wanted: Wanted,
    limit: int,
    below: int | None = None,
    now: Callable[[], float] = time.monotonic,
) -> Page:
    """Return up to `limit` entries, newest first, as plain values with their bodies as text.

    Args:
        connection: to read with.
        wanted: which.
        limit: how many at most.
        below: of these numbers only: where the page before ended.
        now: monotonic seconds; nothing new is begun after `LOOK_S` of them.
    """
    high, low = await _range(connection, wanted)
    high = high if below is None else min(high, below - 1)
    window = high if wanted.indexed else WINDOW
    rows: list[dict[str, Any]] = []
    began = now()
    while high >= low and len(rows) <= limit and now() - began < LOOK_S:
        bottom = max(low, high - window + 1)
        query = (
            select(*_COLUMNS)
            .join(stream, stream.c.id == entry.c.stream)
            .where(wanted.condition, entry.c.number.between(bottom, high))
            .order_by(entry.c.number.desc())
            .limit(limit + 1 - len(rows))
        )
        rows += [dict(row) for row in (await connection.execute(query)).mappings()]
        high = bottom - 1
    if len(rows) > limit:
        return Page(rows[:limit], rows[limit - 1]["number"])
    return Page(rows, high + 1 if high >= low else None)


async def _range(connection: AsyncConnection, wanted: Wanted) -> tuple[int, int]:
    """Return the highest and the lowest number that may fit."""
    highest = await connection.scalar(select(func.max(entry.c.number))) or 0
    high, low = highest, 1
    if wanted.until is not None:
        high = min(highest, await _number_at(connection, wanted.until, highest) + DISORDER)
    if wanted.since is not None:
        low = max(1, await _number_at(connection, wanted.since, highest) - DISORDER)
    return high, low


async def _number_at(connection: AsyncConnection, moment: datetime, highest: int) -> int:
    """Return about the first number that was received at `moment` or later."""
    low, high = 1, highest
    while low < high:
        middle = (low + high) // 2
        received = await connection.scalar(
            select(entry.c.received_at)
            .where(entry.c.number >= middle)
            .order_by(entry.c.number)
            .limit(1)
        )
        if received is not None and received < moment:
            low = middle + 1
        else:
            high = middle
    return low
