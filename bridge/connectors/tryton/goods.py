"""Goods of a transaction, as Tryton is to read them. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from bridge.connectors.tryton.answers import Entry, Outgoing, Unit
from bridge.connectors.tryton.config import Config
from bridge.outcome import Refused
from bridge.tally import number, plain
from contract.transactions import Transaction
from contract.values import Item, Line


@dataclass(frozen=True, slots=True)
class Goods:
    """One item that was moved, all labels of one lot added up. `unit` is Tryton's."""

    item: Item
    quantity: Decimal
    unit: str
    lot: str | None = None
    expiry: date | None = None
    best_before: date | None = None

    def __str__(self) -> str:
        return self.item.sku or f"GTIN {self.item.gtin}"


def gathered(
    lines: Iterable[Line], config: Config, *, dates: bool = True, zeros: bool = False
) -> tuple[Goods, ...] | Refused:
    """Add up the lines of one item and lot; what is nothing is left out. Pure.

    Args:
        lines: of a transaction.
        config: which of it Tryton has a place for.
        dates: keep the dates of labels apart, to be written to lots that are new.
        zeros: keep what is nothing: for a count it is a finding.
    """
    goods: dict[Goods, Decimal] = {}
    for line in lines:
        if line.quantity.unit not in config.units:
            return Refused("unsupported", f"the unit {line.quantity.unit} is not mapped to Tryton")
        lot = line.lot if config.lots else None
        dated = dates and lot is not None
        key = Goods(
            item=line.item,
            quantity=Decimal(0),
            unit=config.units[line.quantity.unit],
            lot=lot,
            expiry=line.expiry if dated and config.lot_expiry_field else None,
            best_before=line.best_before if dated and config.lot_best_before_field else None,
        )
        goods[key] = goods.get(key, Decimal(0)) + line.quantity.value
    return tuple(replace(key, quantity=value) for key, value in goods.items() if value or zeros)


def day_of(transaction: Transaction, config: Config) -> date | None:
    """Return the day to book on, None for the day it reaches Tryton. Pure."""
    clock = transaction.clock
    if config.time_zone is None or not clock.synchronised:
        return None
    return clock.wall.astimezone(config.time_zone).date()


def fits(quantity: Decimal, step: Decimal) -> bool:
    """Whether Tryton keeps `quantity` in whole steps, and JSON carries it exactly."""
    try:
        return quantity % step == 0 and number(quantity) is not None
    except ArithmeticError:  # more digits than a Decimal divides, or a step of zero
        return False


def misfit(goods: Goods, unit: Unit, keeper: str, what: str) -> Refused | None:
    """Return why `goods` cannot be written down in `unit`, None if they can. Pure.

    Args:
        goods: of a transaction.
        unit: Tryton's, of the order's line or of the product.
        keeper: who counts in it: the order, or Tryton itself.
        what: counted otherwise: the receipt, the carton ...
    """
    if not unit.is_(goods.unit):
        why = f"{keeper} counts {goods} in {unit.name}, the {what} in {goods.unit}"
        return Refused("unsupported", why)
    if not fits(goods.quantity, unit.rounding):
        return Refused(
            "unsupported",
            f"Tryton keeps {unit.name} in steps of {plain(unit.rounding)}: "
            f"{plain(goods.quantity)} of {goods} would be rounded",
        )
    return None


def holds(
    entries: Sequence[Entry] | Sequence[Outgoing], goods: Iterable[Goods], sku_field: str
) -> bool:
    """Whether a document still says what it was made for: a person may have changed it. Pure."""
    here: dict[tuple[int, str | None], Decimal] = defaultdict(Decimal)
    meant: dict[tuple[int, str | None], Decimal] = defaultdict(Decimal)
    for entry in entries:
        if entry.quantity is None:
            return False
        here[entry.product.id, entry.lot.number if entry.lot else None] += entry.quantity
    for each in goods:
        products = {
            entry.product.id
            for entry in entries
            if entry.product.is_(each.item, sku_field) and entry.unit.is_(each.unit)
        }
        if len(products) != 1:
            return False
        meant[products.pop(), each.lot] += each.quantity
    return here == meant
