"""What is in the ledger, for people: entries, one entry with its whole story, plans, totals.

Every answer is plain values, bounded, and of one consistent state of the database.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge import attempts, audit, clocks
from bridge.dead_letters import ACTIONS
from bridge.decisions import Which, transaction_of
from bridge.modes import Modes
from bridge.posting import amendments
from bridge.schema import entry, plan, stream
from contract.envelope import plain
from contract.transactions import Transaction

MOST_DEEDS = 1_000

_SHOWN = (
    *(column for column in entry.c if column.name not in {"body", "turns", "stream"}),
    stream.c.site,
    stream.c.gateway,
    stream.c.epoch,
)


@dataclass(frozen=True, slots=True)
class Queue:
    """Entries in line of one mode, gateway, station and type."""

    mode: str
    gateway: str
    station: str
    type: str
    entries: int
    unclear: int
    """Of these, how many the ERP may have already."""
    oldest: datetime


def _entries(*conditions: ColumnElement[bool]) -> Select[Any]:
    return (
        select(*_SHOWN)
        .join(stream, stream.c.id == entry.c.stream)
        .where(true(), *conditions)
        .order_by(entry.c.number.desc())
    )


async def entries(
    connection: AsyncConnection, which: Which, limit: int, text: str = ""
) -> list[dict[str, Any]]:
    """Return the newest entries, newest first, without their bodies.

    Args:
        connection: to read with.
        which: of them.
        limit: how many at most.
        text: where given, it must stand in the body, or be the ERP's document number.
    """
    conditions = [which.condition]
    if text:
        found = entry.c.body.contains(text, autoescape=True)
        conditions.append(or_(found, entry.c.document == text))
    rows = await connection.execute(_entries(*conditions).limit(limit))
    return [dict(row) for row in rows.mappings()]


async def dead_letters(
    connection: AsyncConnection, which: Which, limit: int
) -> list[dict[str, Any]]:
    """Return dead entries that wait for a person, newest first, each with what can be done."""
    query = _entries(which.condition, entry.c.code.is_not(None), entry.c.code != "discarded").limit(
        limit
    )
    return [
        dict(row) | {"actions": list(ACTIONS.get(row["code"], ("retry", "discard")))}
        for row in (await connection.execute(query)).mappings()
    ]


async def find(connection: AsyncConnection, name: str) -> int | None:
    """Return the number of an entry by its number, its id, or the ERP's document."""
    if name.isascii() and name.isdigit() and len(name) <= 18:
        condition = entry.c.number == int(name)
    else:
        try:
            condition = entry.c.id == str(UUID(name))
        except ValueError:
            condition = entry.c.document == name
    return await connection.scalar(
        select(entry.c.number).where(condition).order_by(entry.c.number.desc()).limit(1)
    )


async def explain(connection: AsyncConnection, number: int) -> dict[str, Any] | None:
    """Return the whole story of one entry; None if there is none of that number."""
    row = (
        (
            await connection.execute(
                select(*_SHOWN, entry.c.body, entry.c.turns)
                .join(stream, stream.c.id == entry.c.stream)
                .where(entry.c.number == number)
            )
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        return None
    shown = {name: value for name, value in row.items() if name not in {"body", "turns"}}
    original, amended = await transaction_of(connection, number)
    changed = (await amendments(connection, [number])).get(number, [])
    return {
        "entry": shown,
        "turns": json.loads(row["turns"]),
        "came": json.loads(row["body"]),
        "occurred": await _occurred(connection, original, row["received_at"]),
        "changes": [change.model_dump(mode="json", exclude_defaults=True) for change in changed],
        "as_changed": plain(amended) if changed and amended is not None else None,
        "plan": await _plan(connection, number),
        "attempts": await attempts.of_entry(connection, number),
        "decisions": await audit.of_entry(connection, number, MOST_DEEDS),
        "actions": list(ACTIONS.get(row["code"], ())) if row["code"] else [],
    }


async def _occurred(
    connection: AsyncConnection, transaction: Transaction | None, received: datetime
) -> dict[str, Any] | None:
    if transaction is None:
        return None
    name = (transaction.gateway, str(transaction.clock.boot))
    known = await clocks.beginnings(connection, [name])
    at, how = clocks.occurred(transaction, known, received)
    return {"at": at, "by": how}


async def _plan(connection: AsyncConnection, number: int) -> dict[str, Any] | None:
    row = (
        (await connection.execute(select(plan).where(plan.c.entry == number)))
        .mappings()
        .one_or_none()
    )
    return None if row is None else dict(row) | {"calls": json.loads(row["calls"])}


async def plans(connection: AsyncConnection, limit: int, after: int = 0) -> list[dict[str, Any]]:
    """Return planned entries that are still in line, by number, each with body and calls."""
    query = (
        select(plan, entry.c.id, entry.c.body, entry.c.type, entry.c.station, stream.c.gateway)
        .join(entry, entry.c.number == plan.c.entry)
        .join(stream, stream.c.id == entry.c.stream)
        .where(entry.c.decided_at.is_(None), entry.c.number > after)
        .order_by(entry.c.number)
        .limit(limit)
    )
    rows = (await connection.execute(query)).mappings()
    return [
        dict(row) | {"calls": json.loads(row["calls"]), "body": json.loads(row["body"])}
        for row in rows
    ]


async def queues(connection: AsyncConnection, modes: Modes) -> list[Queue]:
    """Return what is in line, by mode, gateway, station and type."""
    groups = (stream.c.gateway, entry.c.station, entry.c.type)
    query = (
        select(
            *groups,
            func.count().label("entries"),
            func.sum(_one_if(entry.c.state == "sending")).label("unclear"),
            func.min(entry.c.number).label("first"),
        )
        .join(stream, stream.c.id == entry.c.stream)
        .where(entry.c.decided_at.is_(None))
        .group_by(*groups)
        .order_by(*groups)
    )
    rows = (await connection.execute(query)).all()
    since = await _received(connection, [row.first for row in rows])
    return [
        Queue(
            modes.of(row.gateway, row.station, row.type),
            row.gateway,
            row.station,
            row.type,
            row.entries,
            int(row.unclear),
            since[row.first],
        )
        for row in rows
    ]


async def _received(connection: AsyncConnection, numbers: Sequence[int]) -> dict[int, datetime]:
    query = select(entry.c.number, entry.c.received_at).where(entry.c.number.in_(numbers))
    return {row.number: row.received_at for row in await connection.execute(query)}


def _one_if(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, 1), else_=0)
