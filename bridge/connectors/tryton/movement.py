"""Goods that stay in the house, as Tryton is to read them: moved, counted, corrected. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any

from bridge.connectors.tryton.answers import Article
from bridge.connectors.tryton.config import Config
from bridge.connectors.tryton.goods import Goods, day_of, gathered
from bridge.outcome import Posted, Refused
from bridge.tally import number
from contract.transactions import Adjustment, Count, Putaway, Transaction, Transfer


class Spot(Enum):
    """A place of the warehouse that has no label."""

    STORAGE = "the warehouse's storage"
    """Where a receipt that names no location puts its goods."""
    LOST = "lost and found"


Place = str | Spot
"""The code on a location's label, or a place without one."""


@dataclass(frozen=True, slots=True)
class Relocation:
    """Goods that went from one place to another: one internal shipment."""

    reference: str
    goods: tuple[Goods, ...]
    source: Place
    target: Place
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What lay at a location when it was counted, zeros included."""

    reference: str
    goods: tuple[Goods, ...]
    location: str
    day: date | None = None


def relocation(
    transaction: Transaction, event: Transfer | Putaway | Adjustment, config: Config
) -> Relocation | Posted | Refused:
    """Return what went where, or why it cannot be booked. Pure.

    What an adjustment takes away goes to lost and found, and what it adds comes from there.
    """
    source: Place
    target: Place
    match event:
        case Adjustment(direction="increase"):
            source, target = Spot.LOST, event.location or Spot.STORAGE
        case Adjustment():
            source, target = event.location or Spot.STORAGE, Spot.LOST
        case _:
            source, target = event.from_location or Spot.STORAGE, event.to_location
    adds = source is Spot.LOST
    goods = gathered(event.lines, config, dates=adds)
    if isinstance(goods, Refused):
        return goods
    if not goods:
        return Posted("")  # nothing moved
    if source == target:
        return Refused("unknown_location", f"goods cannot go from {source} to where they are")
    return Relocation(str(transaction.id), goods, source, target, day_of(transaction, config))


def finding(transaction: Transaction, event: Count, config: Config) -> Finding | Refused:
    """Return what was found, or why it cannot be booked. Pure."""
    goods = gathered(event.lines, config, zeros=True)
    if isinstance(goods, Refused):
        return goods
    return Finding(str(transaction.id), goods, event.location, day_of(transaction, config))


def internal(
    plan: Relocation,
    articles: Mapping[Goods, Article],
    lots: Mapping[Goods, int],
    *,
    ends: tuple[int, int],
    company: int,
) -> dict[str, Any]:
    """Return the internal shipment to create: one call, so it is whole or absent. Pure."""
    source, target = ends
    way = {"company": company, "from_location": source, "to_location": target}
    moves = [
        {
            **way,
            "product": articles[goods].id,
            "unit": articles[goods].default_uom.id,
            "quantity": number(goods.quantity),
            **({"lot": lots[goods]} if goods in lots else {}),
        }
        for goods in plan.goods
    ]
    return {
        **way,
        "reference": plan.reference,
        "effective_date": plan.day,
        "planned_date": plan.day,
        "planned_start_date": plan.day,
        "moves": [["create", moves]],
    }


def inventory(
    plan: Finding,
    articles: Mapping[Goods, Article],
    lots: Mapping[Goods, int],
    *,
    location: int,
    company: int,
) -> dict[str, Any]:
    """Return the count to create. Pure.

    Tryton writes down what it expects to be there as it makes the record, and books the difference
    later: what moves in between is not counted twice.
    """
    lines = [
        {
            "product": articles[goods].id,
            "quantity": number(goods.quantity),
            **({"lot": lots[goods]} if goods in lots else {}),
        }
        for goods in plan.goods
    ]
    values: dict[str, Any] = {
        "company": company,
        "location": location,
        "empty_quantity": "keep",
        "lines": [["create", lines]],
    }
    return values | {"date": plan.day} if plan.day is not None else values
