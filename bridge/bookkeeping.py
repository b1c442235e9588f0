"""What a transaction means to a system that keeps accounts and no warehouse. Pure.

Such a system (Xero, QuickBooks Online) knows what was ordered, billed and credited, and one
quantity on hand of each item. So a receipt is a bill for goods of a purchase order, a shipment an
invoice for goods of a sales order or quote, a return a credit for goods of an invoice, and
adjustments and counts change the one quantity. What happens between bins it has no place for.

Money is never made up: every price is that of the document the goods belong to.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, tzinfo
from decimal import Decimal
from typing import Annotated, Literal, assert_never
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator

from bridge.http import HttpSettings
from bridge.outcome import Posted, Refused
from contract.envelope import Reason
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
from contract.values import Document, Line, Text, UnitCode

BOOKS = frozenset({"receipt", "shipment", "return", "adjustment", "count"})
"""Types that such a system has a place for."""
LIMITS = (
    "No bins, no locations, no receipts: what moves within the house is refused.",
    "A receipt needs its purchase order, a shipment its quote, a return its invoice: for prices.",
    "No lots, serial numbers, expiry dates or weights.",
    "Assemblies and reversals are refused: their value would have to be made up.",
    "Items are known by SKU only: map GTINs.",
    "A count only of a place that is all the stock there is.",
)
"""What all such systems have no place for."""
DIGITS = 15
"""Significant digits that every JSON reader keeps of a number."""

Goods = tuple[tuple[str, Decimal], ...]
"""SKUs, each once, and how much in the item's own unit."""


class Settings(BaseModel):
    """What the `[target]` table of every such system has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    units: Annotated[tuple[UnitCode, ...], Field(min_length=1)] = ("EA", "C62")
    """Units that mean one of an item as the accounts count it."""
    counted_whole: Annotated[tuple[Text, ...], Field(max_length=1_000)] = ()
    """Places that hold all the stock there is: only these may be counted, since the accounts have
    one quantity for the whole house."""
    timezone: str = "UTC"
    """Where the books are kept: it decides which day a scan belongs to."""
    http: HttpSettings = HttpSettings()

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            _zone(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"there is no time zone {name!r}") from error
        return name

    @property
    def zone(self) -> tzinfo:
        """The time zone itself."""
        return _zone(self.timezone)


def _zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)  # known where no list of zones is installed


class Unfit(Exception):
    """A transaction cannot become a document there; a person acts."""

    def __init__(self, code: Reason, text: str) -> None:
        super().__init__(text)
        self.refused = Refused(code, text)


@dataclass(frozen=True, slots=True)
class Against:
    """Goods of one document that is there already: to bill, to invoice, or to credit."""

    key: str
    """The transaction's id."""
    day: date | None
    """None where the clock was not set; the day it is booked, then."""
    what: Literal["bill", "invoice", "credit"]
    order: str
    """Number of the document the goods, and so the prices, belong to."""
    goods: Goods
    parcels: tuple[str, ...] = ()
    """Tracking numbers, or SSCCs where there are none."""


@dataclass(frozen=True, slots=True)
class Adjust:
    """So much more (or less) on hand, for a reason."""

    key: str
    day: date | None
    reason: str
    goods: Goods
    """Signed."""


@dataclass(frozen=True, slots=True)
class Found:
    """So much is on hand."""

    key: str
    day: date | None
    goods: Goods


Plan = Against | Adjust | Found


@dataclass(frozen=True, slots=True)
class Open:
    """One line of a document that is there already."""

    line: str
    """What tells it from the document's other lines."""
    sku: str
    quantity: Decimal
    """Ordered or invoiced, and not taken yet as far as the system says."""


def plan(transaction: Transaction, settings: Settings, who: str) -> Plan | Posted | Refused:
    """Return what `transaction` is to the accounts of `who`."""
    wall = transaction.clock.wall.astimezone(settings.zone)
    day = wall.date() if transaction.clock.synchronised else None
    try:
        return _plan(transaction.event, str(transaction.id), day, settings, who)
    except Unfit as unfit:
        return unfit.refused


def _plan(
    event: Event, key: str, day: date | None, settings: Settings, who: str
) -> Plan | Posted | Refused:
    match event:
        case Receipt():
            number = _order(event.documents, ("po", "unknown"), "a purchase order")
            return Against(key, day, "bill", number, _goods(event.lines, settings))
        case Shipment():
            return _sent(event, key, day, settings)
        case Return():
            number = _order(event.documents, ("rma", "so", "unknown"), "the invoice it came with")
            return Against(key, day, "credit", number, _goods(event.lines, settings))
        case Adjustment():
            sign = 1 if event.direction == "increase" else -1
            goods = tuple((sku, sign * each) for sku, each in _goods(event.lines, settings))
            return Adjust(key, day, event.reason, goods)
        case Count():
            if event.location not in settings.counted_whole:
                text = f"{event.location} is not all the stock {who} knows: see counted_whole"
                return Refused("unsupported", text)
            return Found(key, day, _goods(event.lines, settings, zero=True))
        case Reading() | Weighing():
            return Posted("")
        case Assembly() | Pack() | Pick() | Putaway() | Reversal() | Transfer():
            return Refused("unsupported", f"{who} has no place for a {event.type}")
        case _:
            assert_never(event)


def _sent(event: Shipment, key: str, day: date | None, settings: Settings) -> Against:
    number = _order(event.documents, ("so", "unknown"), "a sales order or quote")
    if not event.lines:
        raise Unfit("contract", "a shipment that does not name its goods cannot be invoiced")
    parcels = dict.fromkeys(
        name for each in event.packages if (name := each.tracking or each.sscc) is not None
    )
    return Against(key, day, "invoice", number, _goods(event.lines, settings), tuple(parcels))


def _order(documents: Sequence[Document], kinds: Sequence[str], wanted: str) -> str:
    """Return the one number that is meant: a document of a known kind beats one of an unknown."""
    for kind in kinds:
        numbers = {each.number for each in documents if each.kind == kind}
        if len(numbers) == 1:
            return numbers.pop()
        if numbers:
            said = ", ".join(sorted(numbers))
            raise Unfit("unknown_document", f"it must name one document, and names {said}")
    raise Unfit("unknown_document", f"it names no document: its prices are those of {wanted}")


def _goods(lines: Iterable[Line], settings: Settings, *, zero: bool = False) -> Goods:
    found: dict[str, Decimal] = {}
    for line in lines:
        if line.item.sku is None:
            raise Unfit("unknown_sku", f"GTIN {line.item.gtin} has no SKU: map it to one")
        if line.quantity.unit not in settings.units:
            text = f"{line.quantity.value} {line.quantity.unit} is not in the unit of the accounts"
            raise Unfit("contract", text)
        found[line.item.sku] = found.get(line.item.sku, Decimal(0)) + line.quantity.value
    goods = tuple((sku, each) for sku, each in found.items() if each or zero)
    if not goods:
        raise Unfit("contract", "there is nothing in it to book")
    for _, each in goods:
        number(each)
    return goods


def taken(goods: Goods, order: Sequence[Open], name: str, *, over: Reason) -> Goods:
    """Return how much of each line of a document the goods are, by `Open.line`, first lines first.

    Raises:
        Unfit: the document has no such item, or not so much of it (`over` is the reason then).
    """
    found: list[tuple[str, Decimal]] = []
    for sku, wanted in goods:
        rest = wanted
        lines = [line for line in order if line.sku == sku]
        if not lines:
            raise Unfit("unknown_sku", f"{name} has no {sku}")
        for line in lines:
            part = min(rest, max(line.quantity, Decimal(0)))
            if part:
                found.append((line.line, part))
                rest -= part
        if rest:
            text = f"{rest:f} of {sku} more than {name} has left, which is {wanted - rest:f}"
            raise Unfit(over, text)
    return tuple(found)


def left(order: Sequence[Open], before: Mapping[str, Decimal]) -> list[Open]:
    """Return the lines of a document with what was taken of it before left out, first lines first.

    Args:
        order: its lines.
        before: how much was taken, by SKU.
    """
    owed = dict(before)
    found: list[Open] = []
    for line in order:
        part = min(owed.get(line.sku, Decimal(0)), max(line.quantity, Decimal(0)))
        if part:
            owed[line.sku] -= part
        found.append(replace(line, quantity=line.quantity - part))
    return found


def moved(
    made: Plan | Posted | Refused, settings: Settings, unclear: Container[str] = ()
) -> list[tuple[str, str, str, Decimal | None]]:
    """Return what booking a plan adds to what is on hand: item, place, unit, quantity.

    Args:
        made: the plan.
        settings: of the target. There is one place, and items are counted in the first unit.
        unclear: kinds of documents (`Against.what`) that only the system knows the effect of.
    """
    unit = settings.units[0]
    match made:
        case Against(what=what):
            sign = -1 if what == "invoice" else 1
            known = what not in unclear
            return [(sku, "", unit, sign * each if known else None) for sku, each in made.goods]
        case Adjust():
            return [(sku, "", unit, each) for sku, each in made.goods]
        case Found():
            return [(sku, "", unit, None) for sku, _ in made.goods]
    return []


def differences(found: Goods, on_hand: dict[str, Decimal]) -> Goods:
    """Return what must change, signed, for what was found to be on hand."""
    changes = ((sku, each - on_hand[sku]) for sku, each in found)
    return tuple((sku, each) for sku, each in changes if each)


def number(value: Decimal) -> int | float:
    """Return a JSON number with the very digits of an amount. Raises Unfit for too many."""
    if len(value.normalize().as_tuple().digits) > DIGITS:
        raise Unfit("contract", f"{value} has more digits than a JSON number keeps")
    whole = value.to_integral_value()
    return int(whole) if value == whole else float(value)
