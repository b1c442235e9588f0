"""What is known of the gateways' streams, and the word each gateway is given of its own."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import desc, func, select
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.schema import entry, repeat, stream
from contract.envelope import Ack, Rejected

MAX_REJECTED = 50
"""Rejections in one `Ack`, as in the contract."""

_HEARD_LAST = (stream.c.last_seen.desc(), stream.c.id.desc())
"""Not the newest first: a store that comes back from a backup goes on with its older stream."""


@dataclass(frozen=True, slots=True)
class Word:
    """What one gateway is to be told. `current`: no other stream of it brought a row later."""

    site: str
    gateway: str
    ack: Ack
    current: bool


async def word(connection: AsyncConnection, gateway: str, epoch: UUID) -> Word:
    """Return what the gateway of a known stream is to be told now."""
    mine = (
        await connection.execute(
            select(stream).where(stream.c.gateway == gateway, stream.c.epoch == str(epoch))
        )
    ).one()
    heard_last = await connection.scalar(
        select(stream.c.id).where(stream.c.gateway == gateway).order_by(*_HEARD_LAST).limit(1)
    )
    first_open = await _first_open(connection, mine.id)
    ack = Ack(
        epoch=epoch,
        upto=mine.upto,
        digest=await _last_digest(connection, mine),
        posted=mine.upto if first_open is None else first_open - 1,
        rejected=await _rejected(connection, mine.id),
        conflict=mine.conflict,
    )
    return Word(mine.site, gateway, ack, current=mine.id == heard_last)


async def _first_open(connection: AsyncConnection, stream_id: int) -> int | None:
    """Return the first row that is undecided, None where all are decided."""
    # A row that came again in a new stream is as far as the entry it is the same as.
    undecided = select(entry.c.number).where(entry.c.decided_at.is_(None))
    found = [
        await connection.scalar(query)
        for query in (
            select(func.min(entry.c.seq)).where(
                entry.c.stream == stream_id, entry.c.decided_at.is_(None)
            ),
            select(func.min(repeat.c.seq)).where(
                repeat.c.stream == stream_id, repeat.c.entry.in_(undecided)
            ),
        )
    ]
    return min((seq for seq in found if seq is not None), default=None)


async def _rejected(connection: AsyncConnection, stream_id: int) -> tuple[Rejected, ...]:
    """Return the newest rejections, by number."""
    dead = await connection.execute(
        select(entry.c.seq, entry.c.code, entry.c.text)
        .where(entry.c.stream == stream_id, entry.c.code.is_not(None))
        .union_all(
            select(repeat.c.seq, entry.c.code, entry.c.text)
            .join(entry, entry.c.number == repeat.c.entry)
            .where(repeat.c.stream == stream_id, entry.c.code.is_not(None))
        )
        .order_by(desc("seq"))
        .limit(MAX_REJECTED)
    )
    return tuple(
        Rejected(seq=row.seq, code=row.code, text=row.text) for row in reversed(dead.all())
    )


async def _last_digest(connection: AsyncConnection, mine: Row[Any]) -> str | None:
    """Return the digest of the last row, None where a person decided about it."""
    if mine.upto <= mine.forgiven:
        return None
    found: str | None = await connection.scalar(
        select(entry.c.digest)
        # A row that was given up has none.
        .where(entry.c.stream == mine.id, entry.c.seq == mine.upto, entry.c.body != "")
        .union_all(
            select(repeat.c.digest).where(repeat.c.stream == mine.id, repeat.c.seq == mine.upto)
        )
    )
    return found


async def recent(connection: AsyncConnection, limit: int) -> list[tuple[str, UUID]]:
    """Return the stream of each gateway that brought a row last, the latest first."""
    place = func.row_number().over(partition_by=stream.c.gateway, order_by=_HEARD_LAST)
    ranked = select(stream, place.label("place")).subquery()
    query = (
        select(ranked.c.gateway, ranked.c.epoch)
        .where(ranked.c.place == 1)
        .order_by(ranked.c.last_seen.desc())
        .limit(limit)
    )
    return [(row.gateway, UUID(row.epoch)) for row in await connection.execute(query)]


async def heard_last(connection: AsyncConnection, limit: int) -> list[dict[str, Any]]:
    """Return the streams that brought a row last, the latest first, as plain values."""
    query = select(stream).order_by(stream.c.last_seen.desc()).limit(limit)
    return [dict(row) for row in (await connection.execute(query)).mappings()]
