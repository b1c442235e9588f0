"""What waits in line for the ERP, as the dispatcher takes it up."""

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.clocks import age_s
from bridge.modes import Modes
from bridge.schema import entry, stream


@dataclass(frozen=True, slots=True)
class Undecided:
    """An entry in line for the ERP. `ambiguous`: an earlier attempt may have been booked."""

    number: int
    keys: tuple[str, ...]
    ambiguous: bool
    share: str
    """Gateway and station: whose line it stands in, where lines share a target."""
    age_s: float
    """Seconds since it was received."""


async def undecided(
    connection: AsyncConnection, after: int, limit: int, modes: Modes | None, now: datetime
) -> list[Undecided]:
    """Return up to `limit` entries in line, by number, beyond number `after`.

    With `modes`, only those that are live.
    """
    query = (
        select(
            entry.c.number,
            entry.c.turns,
            entry.c.state,
            entry.c.station,
            entry.c.received_at,
            stream.c.gateway,
        )
        .join(stream, stream.c.id == entry.c.stream)
        .where(entry.c.decided_at.is_(None), entry.c.number > after)
        .where(true() if modes is None else modes.where("live"))
        .order_by(entry.c.number)
        .limit(limit)
    )
    return [
        Undecided(
            row.number,
            tuple(json.loads(row.turns)),
            row.state == "sending",
            f"{row.gateway}/{row.station}",
            age_s(now, row.received_at),
        )
        for row in await connection.execute(query)
    ]
