"""The ledger's side: entries of a window, what each was sent with, and what each moves."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.connector import Capabilities
from bridge.reconciliation.comparison import Known
from bridge.reconciliation.drift import Key, Move
from bridge.schema import attempt, entry
from contract.transactions import Reversal, Transaction

PAGE = 500
"""Entries read at once: some 15 ms of this process' time."""
MOST_UNDONE = 10_000
"""Reversals looked at: a hundredth of a busy week."""
_WHOLE = frozenset(
    {"receipt", "return", "putaway", "transfer", "pick", "pack", "adjustment", "count", "shipment"}
)
"""Types whose documents hold just the lines of the transaction."""

Moves = Callable[[Transaction], Iterable[tuple[str, str, str, Decimal | None]]]
"""What booking a transaction adds to stock; see `bridge.connector`."""

_ROWS = (
    select(
        entry.c.number,
        entry.c.id,
        entry.c.type,
        entry.c.state,
        entry.c.document,
        entry.c.received_at,
        entry.c.decided_at,
        entry.c.body,
        attempt.c.count,
        attempt.c.translated,
    )
    .outerjoin(attempt, (attempt.c.entry == entry.c.number) & (attempt.c.count == entry.c.attempts))
    .where(entry.c.id.is_not(None))
    .order_by(entry.c.number)
)
_earlier = attempt.alias("earlier")
_BEGAN = (
    select(func.min(_earlier.c.began_at))
    .where(_earlier.c.entry == entry.c.number)
    .correlate(entry)
    .scalar_subquery()
    .label("began_at")
)


@dataclass(frozen=True, slots=True)
class Window:
    """Which entries are looked at, and how."""

    since: datetime
    can: Capabilities
    undone: Collection[str] = frozenset()
    """Ids of transactions that are undone, or about to be."""


async def undone(connection: AsyncConnection, since: datetime) -> frozenset[str]:
    """Return the ids of what reversals received since then undo, booked or under way."""
    query = (
        select(entry.c.body)
        .where(
            entry.c.received_at >= since,
            entry.c.type == "reversal",
            or_(entry.c.state == "posted", entry.c.decided_at.is_(None)),
        )
        .limit(MOST_UNDONE)
    )
    bodies = await connection.scalars(query)
    return frozenset(json.loads(body)["event"]["reverses"] for body in bodies)


async def first(connection: AsyncConnection, since: datetime) -> int | None:
    """Return the number of the first entry received then or later."""
    return await connection.scalar(
        select(entry.c.number)
        .where(entry.c.received_at >= since)
        .order_by(entry.c.received_at, entry.c.number)
        .limit(1)
    )


async def page(connection: AsyncConnection, after: int, window: Window) -> list[Known]:
    """Return up to `PAGE` entries beyond a number, in order."""
    return await _known(connection, _ROWS.where(entry.c.number > after).limit(PAGE), window)


async def named(
    connection: AsyncConnection, references: Sequence[str], window: Window
) -> list[Known]:
    """Return the entries of these ids, `PAGE` of them at most, as far as there are any."""
    return await _known(connection, _ROWS.where(entry.c.id.in_(references[:PAGE])), window)


async def _known(connection: AsyncConnection, query: Select[Any], window: Window) -> list[Known]:
    return [_entry(row, window) for row in await connection.execute(query)]


def _entry(row: Any, window: Window) -> Known:
    body = json.loads(row.body)
    sent = body if row.translated is None else json.loads(row.translated)
    quantity, unit = amount(sent["event"]) if row.count is not None else (None, "")
    clock = body["clock"]
    # After its ledger was lost a gateway sends again what the ERP booked long before.
    old = clock["synchronised"] and datetime.fromisoformat(clock["wall"]) < window.since
    return Known(
        number=row.number,
        reference=row.id,
        state=row.state,
        decided_at=row.decided_at,
        document=row.document or "",
        quantity=quantity,
        unit=unit,
        due=row.received_at >= window.since and not old,
        shown=_is_shown(row, window.can),
        undone=row.id in window.undone,
    )


def _is_shown(row: Any, can: Capabilities) -> bool:
    if _is_noted(row):
        return False
    if can.shows is not None:
        return row.type in can.shows
    return bool(row.document) and row.type != "reversal"


def _is_noted(row: Any) -> bool:
    """Whether it needed no posting, see `bridge.noted`: the ERP never heard of it."""
    return row.state == "posted" and row.document is None


def amount(event: Mapping[str, Any]) -> tuple[Decimal | None, str]:
    """Return the sum over the lines of an event and its unit; None where that says nothing.

    >>> amount({"type": "receipt", "lines": [{"quantity": {"value": "2", "unit": "EA"}}]})
    (Decimal('2'), 'EA')
    """
    quantities = [line["quantity"] for line in event.get("lines", ())]
    units = {quantity.get("unit", "EA") for quantity in quantities}
    if event["type"] not in _WHOLE or len(units) != 1:
        return None, ""
    return sum((Decimal(quantity["value"]) for quantity in quantities), Decimal(0)), units.pop()


async def moves(
    connection: AsyncConnection, since: datetime, after: int, says: Moves
) -> tuple[list[Move], int | None]:
    """Return what entries move that were under way then or since, a page at a time.

    Args:
        connection: to read with.
        since: the beginning of the oldest reading that counts.
        after: number of the last entry that was returned; 0 at first.
        says: what each adds to stock.

    Returns:
        With the moves, the `after` of the next page; None where this is the last.
    """
    booked = (entry.c.decided_at >= since) & entry.c.code.is_(None)
    under_way = entry.c.decided_at.is_(None) & (entry.c.state == "sending")
    # From the index alone: the rows before it, with their bodies, stay unread.
    low = [
        await connection.scalar(
            select(func.min(entry.c.number)).where(each, entry.c.number > after)
        )
        for each in (booked, under_way)
    ]
    start = min((number for number in low if number is not None), default=None)
    if start is None:
        return [], None
    query = (
        _ROWS.add_columns(_BEGAN).where(entry.c.number >= start, or_(booked, under_way)).limit(PAGE)
    )
    rows = (await connection.execute(query)).all()
    last = rows[-1].number if len(rows) == PAGE else None
    return await _moves(connection, rows, says), last


async def _moves(connection: AsyncConnection, rows: Sequence[Any], says: Moves) -> list[Move]:
    sent = [Transaction.model_validate_json(row.translated or row.body) for row in rows]
    undoing = {str(each.event.reverses) for each in sent if isinstance(each.event, Reversal)}
    originals = await _originals(connection, sorted(undoing))
    found: list[Move] = []
    for row, each in zip(rows, sent, strict=True):
        if _is_noted(row):
            continue
        if isinstance(each.event, Reversal):
            original = originals.get(str(each.event.reverses))
            touched, unclear = ({}, set()) if original is None else _effect(original, says)
            move = Move(row.began_at, row.decided_at, unclear=frozenset({*touched, *unclear}))
        else:
            changes, unclear = _effect(each, says)
            move = Move(row.began_at, row.decided_at, changes, frozenset(unclear))
        found.append(move)
    return found


async def _originals(
    connection: AsyncConnection, references: Sequence[str]
) -> dict[str, Transaction]:
    rows = await connection.execute(_ROWS.where(entry.c.id.in_(references)))
    return {row.id: Transaction.model_validate_json(row.translated or row.body) for row in rows}


def _effect(given: Transaction, says: Moves) -> tuple[dict[Key, Decimal], set[Key]]:
    """Return what a transaction adds to levels, and the levels only the ERP can tell of."""
    changes: dict[Key, Decimal] = {}
    unclear: set[Key] = set()
    for item, place, unit, quantity in says(given):
        key = Key(item, place, unit)
        if quantity is None:
            unclear.add(key)
        else:
            changes[key] = changes.get(key, Decimal(0)) + quantity
    return changes, unclear
