"""What a transaction changes in Shopify, by the names on the labels. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from bridge.connectors.shopify.config import Config, State, Why
from bridge.outcome import Posted, Refused
from contract.transactions import (
    Adjustment,
    Assembly,
    Count,
    Event,
    Pack,
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
from contract.values import Item, Line

MOST = 2_000_000_000
"""Pieces Shopify takes, as its error `INVALID_QUANTITY_TOO_HIGH` says."""


@dataclass(frozen=True, slots=True)
class Change:
    """So many pieces more (or fewer) of one item at one location."""

    item: Item
    location: str
    pieces: int


@dataclass(frozen=True, slots=True)
class Adjust:
    """Differences: `inventoryAdjustQuantities`."""

    reference: str
    why: Why
    state: State
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class SetAside:
    """Pieces that stay in the house but cannot be sold: `inventoryMoveQuantities`."""

    reference: str
    why: Why
    state: State
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What was found: `inventorySetQuantities` of what is on hand."""

    reference: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Fulfil:
    """Parcels of one order: `fulfillmentCreate`."""

    order: str
    numbers: tuple[str, ...]
    """Tracking numbers, or SSCCs where there are none: what tells it from another fulfilment."""
    changes: tuple[Change, ...]
    """Pieces of each item; none means all that is left of the order at the location."""
    location: str


Plan = Adjust | SetAside | Found | Fulfil


class _Unfit(Exception):
    def __init__(self, refused: Refused) -> None:
        super().__init__(refused)
        self.refused = refused


def document(transaction: Transaction, config: Config) -> Plan | Posted | Refused:
    """Return what Shopify is to change for `transaction`. Pure.

    `Posted("")` is for what Shopify has no eyes for: a reading or weighing with no job behind it,
    and goods that stay within one Shopify location.
    """
    try:
        return _plan(transaction.event, f"gid://scanpost/Transaction/{transaction.id}", config)
    except _Unfit as unfit:
        return unfit.refused


def _plan(event: Event, reference: str, config: Config) -> Plan | Posted | Refused:
    match event:
        case Receipt():
            into = _changes(event.lines, config.at(event.to_location), 1, config)
            return Adjust(reference, "received", "available", into)
        case Return():
            state = config.returned.get(event.disposition, "quality_control")
            why: Why = "restock" if state == "available" else "received"
            into = _changes(event.lines, config.at(event.to_location), 1, config)
            return Adjust(reference, why, state, into)
        case Putaway() | Transfer():
            return _moved(event, reference, config)
        case Adjustment():
            return _adjusted(event, reference, config)
        case Count():
            return _found(event, reference, config)
        case Assembly():
            where = config.at(event.location)
            out = _changes(event.consumed, where, -1, config)
            into = _changes(event.produced, where, 1, config)
            return Adjust(reference, "other", "available", _summed((*out, *into)))
        case Shipment():
            return _fulfilled(event, config)
        case Reading() | Weighing():
            return Posted("")
        case Pick() | Pack() | Reversal():
            return Refused("unsupported", f"Shopify has no place for a {event.type}")
        case _:
            assert_never(event)


def _moved(event: Putaway | Transfer, reference: str, config: Config) -> Plan | Posted:
    source, goal = config.at(event.from_location), config.at(event.to_location)
    if source == goal:
        return Posted("")
    out = _changes(event.lines, source, -1, config)
    into = _changes(event.lines, goal, 1, config)
    return Adjust(reference, "other", "available", (*out, *into))


def _adjusted(event: Adjustment, reference: str, config: Config) -> Plan:
    why = config.reasons.get(event.reason, "correction")
    where = config.at(event.location)
    state = config.set_aside.get(event.reason)
    if event.direction == "decrease" and state is not None and state != "available":
        return SetAside(reference, why, state, _changes(event.lines, where, 1, config))
    sign = 1 if event.direction == "increase" else -1
    return Adjust(reference, why, "available", _changes(event.lines, where, sign, config))


def _found(event: Count, reference: str, config: Config) -> Plan | Refused:
    if event.location not in config.counted_whole:
        text = f"{event.location} is not all of its Shopify location: see counted_whole"
        return Refused("unsupported", text)
    found = _changes(event.lines, config.at(event.location), 1, config, zero=True)
    return Found(reference, found)


def _fulfilled(event: Shipment, config: Config) -> Plan | Refused:
    orders = {each.number for each in event.documents if each.kind in ("so", "unknown")}
    if len(orders) != 1:
        said = ", ".join(sorted(orders)) or "none"
        return Refused("unknown_document", f"a fulfilment is of one order, and this names {said}")
    numbers = dict.fromkeys(
        number for each in event.packages if (number := each.tracking or each.sscc) is not None
    )
    if not numbers:
        text = "a parcel without a tracking number or SSCC cannot be told from another"
        return Refused("contract", text)
    where = config.at(event.from_location)
    changes = _changes(event.lines, where, 1, config) if event.lines else ()
    return Fulfil(orders.pop().removeprefix("#"), tuple(numbers), changes, where)


def _changes(
    lines: Iterable[Line], location: str, sign: int, config: Config, *, zero: bool = False
) -> tuple[Change, ...]:
    changes = (Change(each.item, location, sign * _pieces(each, config)) for each in lines)
    found = _summed(changes, zero=zero)
    if not found:
        raise _Unfit(Refused("contract", "there is nothing in it to book"))
    return found


def _summed(changes: Iterable[Change], *, zero: bool = False) -> tuple[Change, ...]:
    """Add up each item at each location: Shopify takes each once."""
    pieces: dict[tuple[str, str, str], int] = {}
    items: dict[tuple[str, str, str], Item] = {}
    for change in changes:
        # The house's own name wins: Shopify may know a SKU and not the GTIN of every pack
        key = (change.item.sku or "", "" if change.item.sku else change.item.gtin or "",
               change.location)  # fmt: skip
        pieces[key] = pieces.get(key, 0) + change.pieces
        items.setdefault(key, change.item)
    if any(abs(each) > MOST for each in pieces.values()):
        raise _Unfit(Refused("contract", f"Shopify takes {MOST:,} pieces at most"))
    return tuple(Change(items[key], key[2], each) for key, each in pieces.items() if each or zero)


def _pieces(line: Line, config: Config) -> int:
    quantity = line.quantity
    if quantity.unit not in config.units or quantity.value != quantity.value.to_integral_value():
        text = f"Shopify counts whole pieces, not {quantity.value} {quantity.unit}"
        raise _Unfit(Refused("contract", text))
    return int(quantity.value)
