"""Streams that stand still: rows that never came, and what a person decides about them.

A gateway that is there sends what is missing within seconds. Where its disk is gone nobody will;
then a person closes the gap: each missing row becomes a dead letter that says so, what came after
it goes on to the ERP, and should the row come after all it is booked as if nothing had been.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.audit import Deed, record
from bridge.decisions import By
from bridge.inspection import MAX_TEXT, Inspected
from bridge.intake import Intake, find_stream
from bridge.schema import parked, stream

MOST = 10_000
"""Rows given up by one decision; a longer gap takes several, each of them thought about."""


@dataclass(frozen=True, slots=True)
class Standstill:
    """A stream that does not go on by itself."""

    gateway: str
    epoch: UUID
    upto: int
    """Its rows to here are in the ledger."""
    conflict: int | None
    """Seq that came with two contents."""
    first_parked: int | None
    """Seq of the first row that waits behind a gap."""
    parked: int
    since: datetime | None

    @property
    def missing(self) -> int:
        """Rows that must come before those that wait."""
        return 0 if self.first_parked is None else self.first_parked - self.upto - 1


@dataclass(frozen=True, slots=True)
class Closed:
    """Rows that were given up. `left`: more are missing before those that wait can go on."""

    first: int
    last: int
    left: int


async def standstills(connection: AsyncConnection) -> list[Standstill]:
    """Return the streams in conflict and those with a gap, at most a thousand."""
    query = (
        select(
            stream.c.gateway,
            stream.c.epoch,
            stream.c.upto,
            stream.c.conflict,
            stream.c.gap_since,
            func.min(parked.c.seq).label("first"),
            func.count(parked.c.seq).label("parked"),
        )
        .outerjoin(parked, parked.c.stream == stream.c.id)
        .where(or_(stream.c.conflict.is_not(None), stream.c.gap_since.is_not(None)))
        .group_by(stream.c.id)
        .order_by(stream.c.gateway, stream.c.id)
        .limit(1_000)
    )
    return [
        Standstill(
            row.gateway,
            UUID(row.epoch),
            row.upto,
            row.conflict,
            row.first,
            row.parked,
            row.gap_since,
        )
        for row in await connection.execute(query)
    ]


async def close(connection: AsyncConnection, gateway: str, epoch: UUID, by: By) -> Closed | None:
    """Give up the rows that are missing before those that wait; None where none are.

    What becomes free is applied by the next `Intake.close` of the stream.
    """
    found = await find_stream(connection, gateway, epoch)
    if found is None or found["conflict"] is not None:
        return None
    first_parked = await connection.scalar(
        select(func.min(parked.c.seq)).where(parked.c.stream == found["id"])
    )
    first = found["upto"] + 1
    if first_parked is None or first_parked <= first:
        return None
    last = min(first_parked - 1, first + MOST - 1)
    intake = Intake(connection, found, by.now)
    await intake.take(_given_up(first, last, by))
    await intake.close()
    closed = Closed(first, last, first_parked - 1 - last)
    detail = {
        "why": by.why,
        "gateway": gateway,
        "epoch": str(epoch),
        "first": closed.first,
        "last": closed.last,
    }
    await record(connection, by.now, Deed(by.who, "close-gap", detail))
    return closed


def _given_up(first: int, last: int, by: By) -> Sequence[Inspected]:
    text = f"never came; {by.who} closed the gap: {by.why}"[:MAX_TEXT]
    # As damage on the way is kept: the row itself, should it come, takes its place.
    return [Inspected(seq, "0" * 64, "", None, "corrupt", text) for seq in range(first, last + 1)]
