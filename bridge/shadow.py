"""Shadow mode: what would be sent is planned and kept, and held against what the ERP shows."""

import json
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.amendment import amend
from bridge.connector import Call, Found, Stock
from bridge.inspection import MAX_TEXT, storable
from bridge.modes import Modes
from bridge.outcome import Refused
from bridge.posting import Attempt, amendments
from bridge.schema import entry, plan, stream
from bridge.terms import Planner, Translation
from contract.transactions import Transaction

log = logging.getLogger(__name__)

MAX_CALLS = 64_000
"""Characters kept of one plan: as much as one round of deliveries keeps of its wire."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What would be sent for an entry, or why it would be refused."""

    number: int
    calls: Sequence[Call] | Refused
    mapping: str | None = None


async def unplanned(connection: AsyncConnection, limit: int, modes: Modes) -> list[Attempt]:
    """Return entries in shadow that have no plan yet, by number, as they would be sent."""
    query = (
        select(entry.c.number, entry.c.body, entry.c.attempts, entry.c.received_at)
        .join(stream, stream.c.id == entry.c.stream)
        .outerjoin(plan, plan.c.entry == entry.c.number)
        .where(entry.c.decided_at.is_(None), plan.c.entry.is_(None), modes.where("shadow"))
        .order_by(entry.c.number)
        .limit(limit)
    )
    rows = (await connection.execute(query)).all()
    changes = await amendments(connection, [row.number for row in rows]) if rows else {}
    return [
        Attempt(
            row.number,
            amend(Transaction.model_validate_json(row.body), changes.get(row.number, ())),
            again=False,
            count=row.attempts,
            received_at=row.received_at,
        )
        for row in rows
    ]


def planned(attempt: Attempt, tables: Translation, plan: Planner) -> Planned:
    """Return what would be sent for an entry; a connector that breaks has no plan, and says so."""
    given = tables.apply(attempt.transaction)
    version = tables.version or None
    if isinstance(given, Refused):
        return Planned(attempt.number, given, version)
    try:
        return Planned(attempt.number, plan(given), version)
    except Exception as error:
        log.exception("the connector broke while planning")
        return Planned(attempt.number, Refused("refused", f"cannot be planned: {error!r}"))


async def keep(connection: AsyncConnection, plans: Sequence[Planned], now: datetime) -> None:
    """Write plans down."""
    if plans:
        await connection.execute(insert(plan), [_row(one, now) for one in plans])


def _row(planned: Planned, now: datetime) -> dict[str, Any]:
    row = {"entry": planned.number, "at": now, "mapping": planned.mapping}
    if isinstance(planned.calls, Refused):
        text = storable(planned.calls.text)[:MAX_TEXT]
        return row | {"calls": "[]", "code": planned.calls.code, "text": text}
    calls: list[dict[str, Any]] = []
    room = MAX_CALLS
    for call in planned.calls:
        room -= len(call.body)
        calls.append(asdict(call) if room >= 0 else asdict(call) | {"body": "[not kept]"})
    return row | {"calls": storable(json.dumps(calls)), "code": None, "text": None}


@dataclass(frozen=True, slots=True)
class Shown:
    """What the ERP shows, as far as the connector reads it; None where it does not."""

    booked: Sequence[Found] | None = None
    stock: Sequence[Stock] | None = None


async def collected(rows: AsyncIterator[Any], limit: int) -> list[Any]:
    """Return up to `limit` rows of a source."""
    found: list[Any] = []
    async for row in rows:
        found.append(row)
        if len(found) >= limit:
            break
    return found


def report(plans: Iterable[Mapping[str, Any]], shown: Shown) -> dict[str, Any]:
    """Hold plans against what the ERP shows.

    Returns:
        `planned`, `would_refuse`, `already_there` (the ERP has a document with that reference:
        going live would find it, not book it twice), and `stock`: for each item and place that
        plans touch, how much they would change, and what the ERP says is there now.
    """
    booked = None if shown.booked is None else {row.reference: row for row in shown.booked}
    there: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []
    change: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    count = 0
    for planned in plans:
        count += 1
        name = {"entry": planned["entry"], "id": planned["id"]}
        if planned["code"]:
            refused.append(name | {"code": planned["code"], "text": planned["text"]})
            continue
        found = (booked or {}).get(planned["id"])
        if found is not None:
            there.append(name | {"document": found.document, "state": found.state})
        for sku, place, unit, quantity in moved(planned["body"]["event"]):
            change[sku, place, unit] += quantity
    return {
        "planned": count,
        "would_refuse": refused,
        "already_there": None if booked is None else there,
        "stock": _stock(change, shown.stock),
    }


def _stock(
    change: Mapping[tuple[str, str, str], Decimal], shown: Sequence[Stock] | None
) -> list[dict[str, Any]]:
    now: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for row in shown or ():
        now[row.sku, row.location, row.unit] += row.quantity
    return [
        {
            "sku": key[0],
            "location": key[1],
            "unit": key[2],
            "would_change": quantity,
            "shown": None if shown is None else now.get(key, Decimal(0)),
        }
        for key, quantity in sorted(change.items())
        if quantity
    ]


def moved(event: Mapping[str, Any]) -> list[tuple[str, str, str, Decimal]]:
    """Return what an event moves: item, place, unit, quantity with its sign. Counts move nothing.

    `event` is plain JSON values. A place it does not name is `?`.
    """
    rows: list[tuple[str, str, str, Decimal]] = []

    def add(lines: Sequence[Mapping[str, Any]], place: str | None, sign: int) -> None:
        for line in lines:
            item, quantity = line["item"], line["quantity"]
            name = item.get("sku") or item["gtin"]
            amount = sign * Decimal(quantity["value"])
            rows.append((name, place or "?", quantity.get("unit", "EA"), amount))

    lines, where = event.get("lines", ()), event.get("location")
    match event["type"]:
        case "receipt" | "return":
            add(lines, event.get("to_location"), 1)
        case "putaway" | "transfer" | "pick":
            add(lines, event.get("from_location"), -1)
            add(lines, event.get("to_location"), 1)
        case "shipment":
            add(lines, event.get("from_location"), -1)
        case "adjustment":
            add(lines, where, 1 if event["direction"] == "increase" else -1)
        case "assembly":
            add(event["consumed"], where, -1)
            add(event["produced"], where, 1)
    return rows
