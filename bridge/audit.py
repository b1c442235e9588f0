"""The audit trail: who decided what, when. Only added to, each row bound to the one before.

A row's digest is that of its own content and of the digest before it, so nobody can change, insert
or take out a row without breaking every later one. What the chain alone cannot show is that its
newest rows were cut off: keep a head that `verify` gave somewhere else, and ask for it again.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, text, true
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.inspection import storable
from bridge.schema import audit
from contract.canonical import canonical, digest

BEGINNING = "0" * 64
"""What the first row is bound to."""
MAX_WHO = 100
MAX_DETAIL = 16_000
"""Characters of one row's detail: a hundred amendments of one document, or a whole mode table."""
_PAGE = 1_000
_NEWEST = select(func.max(audit.c.number))
_ONE_AT_A_TIME = 7_205_759_403  # any number nobody else uses for an advisory lock on this database


@dataclass(frozen=True, slots=True)
class Deed:
    """One decision. `detail` is plain JSON values; `entry` the number it is about, if one."""

    who: str
    what: str
    detail: Mapping[str, Any]
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found. `broken` is the first row that does not fit, and `why`."""

    rows: int
    head: str
    broken: int | None = None
    why: str = ""

    @property
    def whole(self) -> bool:
        """Whether every row fits the one before it."""
        return self.broken is None


async def record(connection: AsyncConnection, now: datetime, *deeds: Deed) -> None:
    """Add rows, in the caller's own transaction: the deed and its trace are one commit."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text(f"SELECT pg_advisory_xact_lock({_ONE_AT_A_TIME})"))
    newest = select(audit.c.number, audit.c.digest).order_by(audit.c.number.desc()).limit(1)
    last = (await connection.execute(newest)).one_or_none()
    number, head = (0, BEGINNING) if last is None else (last.number, last.digest)
    for deed in deeds:
        detail = storable(canonical(dict(deed.detail)))
        row: dict[str, Any] = {
            "number": (number := number + 1),
            "at": now.isoformat(timespec="microseconds"),
            "who": storable(deed.who)[:MAX_WHO] or "nobody",
            "what": deed.what,
            "entry": deed.entry,
            "detail": detail if len(detail) <= MAX_DETAIL else canonical({"cut": detail[:1_000]}),
            "previous": head,
        }
        head = _digest(row)
        await connection.execute(insert(audit).values(row | {"digest": head}))


async def record_new(connection: AsyncConnection, now: datetime, deed: Deed) -> bool:
    """Add a row unless the newest one of its kind says the same; return whether it was added."""
    last = await connection.scalar(
        select(audit.c.detail)
        .where(audit.c.what == deed.what)
        .order_by(audit.c.number.desc())
        .limit(1)
    )
    if last == storable(canonical(dict(deed.detail))):
        return False
    await record(connection, now, deed)
    return True


async def newest(connection: AsyncConnection) -> int:
    """Return the number of the newest row: it tells that something was decided."""
    return await connection.scalar(_NEWEST) or 0


async def verify(connection: AsyncConnection, expected: str | None = None) -> Verdict:
    """Read the whole trail and hold each row against the one before.

    Args:
        connection: that sees one consistent state.
        expected: a head that an earlier call gave; without it in the trail rows were cut off.
    """
    head, rows, met = BEGINNING, 0, expected in {None, BEGINNING}
    while True:
        page = await connection.execute(
            select(audit).where(audit.c.number > rows).order_by(audit.c.number).limit(_PAGE)
        )
        found = page.mappings().all()
        for row in found:
            values = dict(row)
            claimed = values.pop("digest")
            if values["number"] != rows + 1:
                return Verdict(rows, head, rows + 1, "a row is missing")
            if values["previous"] != head:
                return Verdict(rows, head, rows + 1, "it is not bound to the row before")
            if _digest(values) != claimed:
                return Verdict(rows, head, rows + 1, "its content was changed")
            head, rows = claimed, rows + 1
            met |= head == expected
        if len(found) < _PAGE:
            break
    if not met:
        return Verdict(rows, head, rows + 1, "the head that was expected is not there")
    return Verdict(rows, head)


async def of_entry(connection: AsyncConnection, number: int, limit: int) -> list[dict[str, Any]]:
    """Return what was decided of one entry, oldest first, as plain values."""
    query = select(audit).where(audit.c.entry == number).order_by(audit.c.number).limit(limit)
    return [plain(dict(row)) for row in (await connection.execute(query)).mappings()]


async def latest(
    connection: AsyncConnection, limit: int, below: int | None = None
) -> list[dict[str, Any]]:
    """Return the newest rows, newest first, as plain values; of those below a number if given."""
    query = (
        select(audit)
        .where(true() if below is None else audit.c.number < below)
        .order_by(audit.c.number.desc())
        .limit(limit)
    )
    return [plain(dict(row)) for row in (await connection.execute(query)).mappings()]


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with its detail parsed."""
    return row | {"detail": json.loads(row["detail"])}


def _digest(row: Mapping[str, Any]) -> str:
    return digest(canonical(dict(row)))
