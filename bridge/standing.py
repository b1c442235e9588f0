"""Where the ledger stands: counts and ages, for a scrape and the page."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.clocks import age_s
from bridge.schema import entry, parked, poison, stream


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the ledger stands. Ages in seconds."""

    undecided: int
    dead: int
    oldest_undecided_s: float
    streams: int
    conflicts: int
    gaps: int
    oldest_gap_s: float
    parked: int
    poison: int


async def standing(connection: AsyncConnection, now: datetime) -> Standing:
    """Return counts and ages. Costs grow with what is open, not with what was ever booked."""
    undecided, oldest = (
        await connection.execute(
            select(func.count(), func.min(entry.c.number)).where(entry.c.decided_at.is_(None))
        )
    ).one()
    since = await connection.scalar(select(entry.c.received_at).where(entry.c.number == oldest))
    streams, conflicts, gaps, gap_since = (
        await connection.execute(
            select(
                func.count(),
                func.count(stream.c.conflict),
                func.count(stream.c.gap_since),
                func.min(stream.c.gap_since),
            )
        )
    ).one()
    dead, waiting, poisoned = [
        await connection.scalar(query)
        for query in (
            select(func.count()).where(entry.c.code.is_not(None), entry.c.code != "discarded"),
            select(func.count()).select_from(parked),
            select(func.max(poison.c.number)),
        )
    ]
    return Standing(
        undecided=undecided,
        dead=dead or 0,
        oldest_undecided_s=age_s(now, since),
        streams=streams,
        conflicts=conflicts,
        gaps=gaps,
        oldest_gap_s=age_s(now, gap_since),
        parked=waiting or 0,
        poison=poisoned or 0,
    )
