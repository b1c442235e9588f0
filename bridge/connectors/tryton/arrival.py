"""A receipt as Tryton is to read it: what is to be booked, before Tryton is asked. Pure."""

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import assert_never

from bridge.connectors.tryton.config import Config
from bridge.outcome import Posted, Refused
from contract.transactions import (
    Adjustment,
    Assembly,
    Count,
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


@dataclass(frozen=True, slots=True)
class Goods:
    """One item that came in, all labels of one lot added up. `unit` is Tryton's."""

    item: Item
    quantity: Decimal
    unit: str
    lot: str | None = None
    expiry: date | None = None
    best_before: date | None = None

    def __str__(self) -> str:
        return self.item.sku or f"GTIN {self.item.gtin}"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A receipt as Tryton is to read it: one supplier shipment for one purchase order."""

    reference: str
    order: str
    goods: tuple[Goods, ...]
    location: str | None = None
    """Code of the location the goods are put to; None is the warehouse's storage."""
    day: date | None = None


def document(transaction: Transaction, config: Config) -> Arrival | Posted | Refused:
    """Return what Tryton is to book for `transaction`.

    `Posted("")` is for what has no meaning in an ERP: a reading or weighing with no job behind it
    moves no stock. Pure.
    """
    event = transaction.event
    match event:
        case Receipt():
            return _arrival(transaction, event, config)
        case Reading() | Weighing():
            return Posted("")
        case (
            Putaway()
            | Pick()
            | Pack()
            | Shipment()
            | Transfer()
            | Count()
            | Adjustment()
            | Return()
            | Assembly()
            | Reversal()
        ):
            return Refused("unsupported", f"a {event.type} cannot be posted to Tryton yet")
        case _:
            assert_never(event)


def _arrival(
    transaction: Transaction, receipt: Receipt, config: Config
) -> Arrival | Posted | Refused:
    orders = {each.number for each in receipt.documents if each.kind == "po"}
    if len(orders) != 1:
        named = ", ".join(sorted(orders)) or "none"
        return Refused("unknown_document", f"needs one purchase order; the receipt names {named}")
    goods: dict[Goods, Decimal] = {}
    for line in receipt.lines:
        if line.quantity.unit not in config.units:
            return Refused("unsupported", f"the unit {line.quantity.unit} is not mapped to Tryton")
        key = _goods(line, config)
        goods[key] = goods.get(key, Decimal(0)) + line.quantity.value
    came = tuple(replace(key, quantity=value) for key, value in goods.items() if value)
    if not came:
        return Posted("")  # nothing came: there is no shipment of nothing
    clock = transaction.clock
    dated = config.time_zone is not None and clock.synchronised
    return Arrival(
        reference=str(transaction.id),
        order=orders.pop(),
        goods=came,
        location=receipt.to_location,
        day=clock.wall.astimezone(config.time_zone).date() if dated else None,
    )


def _goods(line: Line, config: Config) -> Goods:
    lot = line.lot if config.lots else None
    return Goods(
        item=line.item,
        quantity=Decimal(0),
        unit=config.units[line.quantity.unit],
        lot=lot,
        expiry=line.expiry if lot and config.lot_expiry_field else None,
        best_before=line.best_before if lot and config.lot_best_before_field else None,
    )
