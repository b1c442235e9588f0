"""Ordinary goods, and a clerk who adds up by hand what each transaction does to them.

The clerk knows places only as transactions name them; where one names none he takes the defaults of
a house with one dock: `RECEIVING`, `STORAGE`, `STAGING`, `RETURNS`. He shares no code with any
connector.
"""

import random
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

from contract.transactions import (
    Adjustment,
    Assembly,
    Count,
    Event,
    Pack,
    Package,
    Pick,
    Putaway,
    Reading,
    Receipt,
    Return,
    Reversal,
    Shipment,
    Transaction,
    Transfer,
    Weighing,
)
from contract.values import Document, Item, Line, Quantity, Weight

SKUS = ("BOLT-8", "NUT-8", "WASHER")
COUNTED = "SCREW"
"""Only counts touch it: a count is absolute, so order would matter for the others."""
WEIGHT = Weight(value=Decimal("1.500"), unit="kg", unit_code="KGM")


def line(rng: random.Random, sku: str | None = None) -> Line:
    quantity = Quantity(value=Decimal(rng.randint(1, 40)))
    return Line(item=Item(sku=sku or rng.choice(SKUS)), quantity=quantity)


def some(rng: random.Random) -> tuple[Line, ...]:
    return tuple(line(rng) for _ in range(rng.randint(1, 3)))


def order(rng: random.Random, kind: str = "po") -> tuple[Document, ...]:
    """One of a few orders, or none: a stuck one must not hold up the others."""
    number = rng.choice([None, "1001", "1002", "1003", "1004", "1005"])
    return () if number is None else (Document.model_validate({"kind": kind, "number": number}),)


def event_of(kind: str, rng: random.Random) -> Event:  # noqa: C901 - a case for each type
    """Return an event of that type, of whole pieces of a few items at a few places."""
    a, b = rng.sample(["DOCK", "A-01", "A-02", "B-01"], 2)
    match kind:
        case "receipt":
            return Receipt(lines=some(rng), documents=order(rng), to_location=a)
        case "putaway":
            return Putaway(lines=some(rng), from_location=a, to_location=b)
        case "pick":
            return Pick(lines=some(rng), documents=order(rng, "so"), from_location=a)
        case "pack":
            return Pack(lines=some(rng), documents=order(rng, "so"), sscc="340123450000000017")
        case "shipment":
            parcels = (Package(tracking=f"1Z{rng.randrange(10**10)}", weight=WEIGHT),)
            return Shipment(packages=parcels, lines=some(rng), documents=order(rng, "so"))
        case "transfer":
            return Transfer(lines=some(rng), from_location=a, to_location=b)
        case "count":
            return Count(lines=(line(rng, COUNTED),), location="B-01")
        case "adjustment":
            direction = rng.choice(["increase", "decrease"])
            return Adjustment.model_validate(
                {"lines": some(rng), "location": a, "direction": direction, "reason": "found"}
            )
        case "return":
            return Return(lines=some(rng), documents=order(rng, "rma"), to_location=a)
        case "assembly":
            made = (line(rng, "KIT"),)
            return Assembly(produced=made, consumed=some(rng), location=a)
        case "weighing":
            return Weighing(weight=WEIGHT, sscc="340123450000000017")
        case "reading":
            return Reading(text=f"HELLO {rng.randrange(100)}")
        case "reversal":
            return Reversal(reverses=UUID(int=rng.getrandbits(128)), reason="mistake")
    raise AssertionError(f"no such type: {kind}")


def moves(event: Event) -> Iterable[tuple[str, str, Decimal]]:
    """Yield what an event adds to an item at a place. A count's is what was found there."""
    match event:
        case Receipt():
            yield from _at(event.lines, event.to_location or "RECEIVING", 1)
        case Return():
            yield from _at(event.lines, event.to_location or "RETURNS", 1)
        case Putaway():
            yield from _at(event.lines, event.from_location or "RECEIVING", -1)
            yield from _at(event.lines, event.to_location, 1)
        case Transfer():
            yield from _at(event.lines, event.from_location, -1)
            yield from _at(event.lines, event.to_location, 1)
        case Pick():
            yield from _at(event.lines, event.from_location or "STORAGE", -1)
            yield from _at(event.lines, event.to_location or "STAGING", 1)
        case Shipment():
            yield from _at(event.lines, event.from_location or "STAGING", -1)
        case Adjustment():
            sign = 1 if event.direction == "increase" else -1
            yield from _at(event.lines, event.location or "STORAGE", sign)
        case Assembly():
            yield from _at(event.consumed, event.location or "STORAGE", -1)
            yield from _at(event.produced, event.location or "STORAGE", 1)
        case Count():
            yield from _at(event.lines, event.location, 1)


def _at(lines: Iterable[Line], place: str, sign: int) -> Iterable[tuple[str, str, Decimal]]:
    for each in lines:
        yield each.item.sku or each.item.gtin or "", place, sign * each.quantity.value


def clerk(given: Iterable[Transaction]) -> dict[str, Decimal]:
    """Return what is on hand after all of them, as `item at place`; nothing where it is zero."""
    hand: dict[str, Decimal] = defaultdict(Decimal)
    for each in given:
        for item, place, quantity in moves(each.event):
            if isinstance(each.event, Count):
                hand[f"{item} at {place}"] = quantity
            else:
                hand[f"{item} at {place}"] += quantity
    return {name: quantity for name, quantity in hand.items() if quantity}
