"""What a transaction is to an ERP of vouchers, before the ERP is asked. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import assert_never

from bridge.outcome import Posted, Refused
from bridge.vouchers.settings import VoucherSettings
from contract.canonical import canonical, digest
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
from contract.values import Document, Item, Line

MARK = 16
"""Hexadecimal digits that tell the content of a transaction from what it was before a person
changed it: two versions of one transaction, not millions of transactions."""

MOST_DIGITS = 15
"""Digits of a quantity and of every part of it that binary fractions keep. Source: IEEE 754."""


@dataclass(frozen=True, slots=True)
class Goods:
    """So much of one item, in the ERP's unit; all labels of one lot added up."""

    item: Item
    quantity: Decimal
    unit: str
    lot: str | None = None
    serials: tuple[str, ...] = ()
    expiry: date | None = None
    """Of the lot, where a label says it."""

    def __str__(self) -> str:
        return self.item.sku or f"GTIN {self.item.gtin}"


@dataclass(frozen=True, slots=True)
class Purchased:
    """Goods came for a purchase order: a Purchase Receipt."""

    order: str
    goods: tuple[Goods, ...]
    into: str | None


@dataclass(frozen=True, slots=True)
class Delivered:
    """Goods left for a sales order: a Delivery Note. No goods means all that it still owes."""

    order: str
    goods: tuple[Goods, ...]
    out_of: str | None


@dataclass(frozen=True, slots=True)
class Returned:
    """Goods of a Delivery Note came back: a Delivery Note against it."""

    note: str
    goods: tuple[Goods, ...]
    into: str


@dataclass(frozen=True, slots=True)
class Moved:
    """Goods came (no `out_of`), went (no `into`) or moved: a Stock Entry."""

    goods: tuple[Goods, ...]
    out_of: str | None
    into: str | None


@dataclass(frozen=True, slots=True)
class Counted:
    """What was found at a place. Absolute."""

    goods: tuple[Goods, ...]
    at: str


@dataclass(frozen=True, slots=True)
class Assembled:
    """Components became something else, at one place."""

    consumed: tuple[Goods, ...]
    produced: tuple[Goods, ...]
    at: str


@dataclass(frozen=True, slots=True)
class Undone:
    """What was booked for an earlier transaction is cancelled."""

    earlier: str


Booking = Purchased | Delivered | Returned | Moved | Counted | Assembled
Work = Booking | Undone
BOOKS = frozenset(
    {
        *("receipt", "putaway", "pick", "shipment", "transfer", "count", "adjustment"),
        *("return", "assembly", "reversal"),
    }
)
"""Types of transactions that become work; a pack is refused."""


@dataclass(frozen=True, slots=True)
class Task:
    """One transaction to book."""

    reference: str
    """The transaction's id."""
    mark: str
    """Tells this content from another under the same id."""
    note: str
    """For people who look at the voucher: station, operator, reason."""
    work: Work


class _Unfit(Exception):
    def __init__(self, refused: Refused) -> None:
        super().__init__(refused)
        self.refused = refused


def document(transaction: Transaction, settings: VoucherSettings) -> Task | Posted | Refused:
    """Return what the ERP is to book. Pure.

    `Posted("")` is for what moves no stock: a reading or weighing with no job behind it, goods
    that stay in one warehouse of the ERP, and a movement of nothing.
    """
    try:
        work = _work(transaction.event, settings)
    except _Unfit as unfit:
        return unfit.refused
    if isinstance(work, Posted | Refused):
        return work
    event = transaction.event.model_dump(mode="json", exclude_none=True)
    mark = digest(canonical(event))[:MARK]
    return Task(str(transaction.id), mark, _note(transaction), work)


def _work(event: Event, settings: VoucherSettings) -> Work | Posted | Refused:
    match event:
        case Receipt():
            return _received(event, settings)
        case Putaway() | Pick() | Transfer() | Adjustment():
            return _moved(event, settings)
        case Return():
            return _came_back(event, settings)
        case Count():
            return _counted(event, settings)
        case Assembly():
            return _assembled(event, settings)
        case Shipment():
            return _delivered(event, settings)
        case Reversal():
            return Undone(str(event.reverses))
        case Reading() | Weighing():
            return Posted("")
        case Pack():
            return Refused("unsupported", "it keeps no cartons: a pack has no voucher")
        case _:
            assert_never(event)


def _received(event: Receipt, settings: VoucherSettings) -> Work | Posted:
    goods = _goods(event.lines, settings)
    into = settings.place(event.to_location) or settings.receiving
    order = _one(event.documents, ("po",), "purchase order")
    if not goods:
        return Posted("")
    if order is None:
        return Moved(goods, None, into or settings.warehouse)
    return Purchased(order, goods, into)


def _came_back(event: Return, settings: VoucherSettings) -> Work | Posted:
    goods = _goods(event.lines, settings)
    into = settings.place(event.to_location) or settings.returns or settings.warehouse
    note = _one(event.documents, ("desadv",), "delivery note")
    if not goods:
        return Posted("")
    return Moved(goods, None, into) if note is None else Returned(note, goods, into)


def _delivered(event: Shipment, settings: VoucherSettings) -> Work | Refused:
    order = _one(event.documents, ("so", "unknown"), "sales order")
    if order is None:
        return Refused("unknown_document", "a shipment needs its sales order; this names none")
    goods = _goods(event.lines, settings)
    if not goods and not settings.whole_orders:
        text = "it names no goods, and the ERP knows no cartons: see whole_orders"
        return Refused("contract", text)
    return Delivered(order, goods, settings.place(event.from_location) or settings.staging)


def _moved(
    event: Putaway | Pick | Transfer | Adjustment, settings: VoucherSettings
) -> Work | Posted:
    goods = _goods(event.lines, settings)
    out_of, into = _ends(event, settings)
    return Posted("") if out_of == into or not goods else Moved(goods, out_of, into)


def _ends(
    event: Putaway | Pick | Transfer | Adjustment, settings: VoucherSettings
) -> tuple[str | None, str | None]:
    place, house = settings.place, settings.warehouse
    match event:
        case Putaway():
            out_of = place(event.from_location) or settings.receiving or house
            return out_of, place(event.to_location)
        case Pick():
            into = place(event.to_location) or settings.staging or house
            return place(event.from_location) or house, into
        case Transfer():
            return place(event.from_location), place(event.to_location)
        case Adjustment(direction="decrease"):
            return place(event.location) or house, None
        case Adjustment():
            return None, place(event.location) or house
        case _:
            assert_never(event)


def _counted(event: Count, settings: VoucherSettings) -> Work:
    if settings.lots and any(line.lot or line.serial for line in event.lines):
        text = "a count of lots or serial numbers is left to a person"
        raise _Unfit(Refused("unsupported", text))
    at = settings.place(event.location) or settings.warehouse
    return Counted(_goods(event.lines, settings, zero=True), at)


def _assembled(event: Assembly, settings: VoucherSettings) -> Work:
    at = settings.place(event.location) or settings.warehouse
    consumed, produced = _goods(event.consumed, settings), _goods(event.produced, settings)
    if not (consumed and produced):
        text = "an assembly of nothing, or into nothing, has no voucher"
        raise _Unfit(Refused("contract", text))
    return Assembled(consumed, produced, at)


def _one(documents: Iterable[Document], kinds: tuple[str, ...], what: str) -> str | None:
    named = {each.number for each in documents if each.kind in kinds}
    if len(named) > 1:
        text = f"a voucher is of one {what}, and this names {', '.join(sorted(named))}"
        raise _Unfit(Refused("unknown_document", text))
    return named.pop() if named else None


def _goods(
    lines: Iterable[Line], settings: VoucherSettings, *, zero: bool = False
) -> tuple[Goods, ...]:
    """Add up the lines of one item and lot. What is nothing is left out, but for a count."""
    labels: dict[tuple[Item, str, str | None], list[Line]] = {}
    for line in lines:
        unit = settings.units.get(line.quantity.unit)
        if unit is None:
            text = f"the unit {line.quantity.unit} has no unit of the ERP: see units"
            raise _Unfit(Refused("contract", text))
        # The house's own name wins: a GTIN is of one pack of an item, a SKU of all of them
        item = Item(sku=line.item.sku) if line.item.sku else line.item
        key = (item, unit, line.lot if settings.lots else None)
        labels.setdefault(key, []).append(line)
    goods = [_added_up(*key, mine) for key, mine in labels.items()]
    for each in goods:
        _check_exact(each.item, each.quantity, settings.decimals)
    return tuple(each for each in goods if each.quantity or zero)


def _added_up(item: Item, unit: str, lot: str | None, labels: list[Line]) -> Goods:
    quantity = sum((label.quantity.value for label in labels), Decimal(0))
    serials = tuple(label.serial for label in labels if label.serial)
    expiries = [label.expiry for label in labels if label.expiry and lot]
    return Goods(item, quantity, unit, lot, serials, min(expiries, default=None))


def _check_exact(item: Item, quantity: Decimal, decimals: int) -> None:
    digits = len(quantity.normalize().as_tuple().digits)
    if digits > MOST_DIGITS or quantity != round(quantity, decimals):
        text = f"{quantity} of {item.sku or item.gtin} would be rounded: see decimals"
        raise _Unfit(Refused("contract", text))


def _note(transaction: Transaction) -> str:
    event = transaction.event
    said = [f"station {transaction.station}"]
    if transaction.operator:
        said.append(f"operator {transaction.operator}")
    if reason := getattr(event, "reason", None):
        said.append(f"reason {reason}")
    said += [f"{each.kind} {each.number}" for each in getattr(event, "documents", ())]
    said += [parcel.tracking for parcel in getattr(event, "packages", ()) if parcel.tracking]
    return f"Scanpost {event.type}: {', '.join(said)}"
