"""Messages that can never be read: kept for a person, the oldest give way."""

from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.inspection import MAX_PAYLOAD, MAX_TEXT, storable
from bridge.schema import poison

KEPT = 1_000
"""Messages kept."""
KEPT_BYTES = 64_000
"""Bytes kept of each."""


async def keep(
    connection: AsyncConnection, topic: str, payload: bytes, reason: str, now: datetime
) -> None:
    """Keep a message, and let the oldest beyond `KEPT` go."""
    values = {
        "received_at": now,
        "topic": storable(topic)[:256],
        "reason": storable(reason)[:MAX_TEXT],
        "size": len(payload),
        "payload": payload[: min(KEPT_BYTES, MAX_PAYLOAD)],
    }
    made = await connection.execute(insert(poison).values(values))
    number = made.inserted_primary_key[0] if made.inserted_primary_key else 0
    await connection.execute(delete(poison).where(poison.c.number <= number - KEPT))


async def newest(
    connection: AsyncConnection, limit: int, below: int | None = None
) -> list[dict[str, Any]]:
    """Return messages, newest first, without what they say.

    Args:
        connection: to read with.
        limit: how many at most.
        below: of these numbers only, where it is given.
    """
    query = (
        select(*(column for column in poison.c if column.name != "payload"))
        .where(true() if below is None else poison.c.number < below)
        .order_by(poison.c.number.desc())
        .limit(limit)
    )
    return [dict(row) for row in (await connection.execute(query)).mappings()]


async def one(connection: AsyncConnection, number: int) -> dict[str, Any] | None:
    """Return one message with what is kept of it; None if there is none of that number."""
    query = select(poison).where(poison.c.number == number)
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else dict(row)
