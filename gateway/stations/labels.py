"""What a label says of an item, whichever standard it follows."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from contract.identifiers import MAX_NAME, Gs1, Gtin, Hibc, Identifier, Measure, Mh10
from contract.values import Item


class Much(NamedTuple):
    """How much a label says there is; not checked for sense: that is the job's to do."""

    value: Decimal
    unit: str = "EA"


@dataclass(frozen=True, slots=True)
class OnLabel:
    """What a label says; None for what it does not say."""

    item: Item | None = None
    amount: Much | None = None
    lot: str | None = None
    serial: str | None = None
    expiry: date | None = None
    best_before: date | None = None
    sscc: str | None = None

    @property
    def fits(self) -> bool:
        """Whether lot and serial are of a length that can be booked."""
        return _fits(self.lot) and _fits(self.serial)


def _fits(text: str | None) -> bool:
    return text is None or 1 <= len(text) <= MAX_NAME


def on_label(found: Identifier) -> OnLabel:
    """Return what `found` says of an item; nothing for what does not stand on goods.

    An item without a GTIN is named by the number its standard has: the supplier's part number, or
    labeler and product of an HIBC label.
    """
    match found:
        case Gtin():
            # An in-store number with a weight or price in it is another number on each label.
            return OnLabel(
                Item(gtin=found.item or found.gtin), _amount(found.net_weight, found.count)
            )
        case Gs1():
            gtin = found.gtin or found.content
            return OnLabel(
                _named(None, gtin),
                _amount(found.net_weight, found.count),
                found.lot,
                found.serial,
                found.expiry,
                found.best_before,
                found.sscc,
            )
        case Hibc():
            product = found.product and f"{found.labeler or ''}{found.product}"
            return OnLabel(
                _named(product),
                _pieces(found.quantity),
                found.lot,
                found.serial,
                found.expiry,
            )
        case Mh10():
            return OnLabel(
                _named(found.part or found.supplier_part, found.gtin),
                _pieces(found.quantity) if found.unit in {None, "EA", "PC"} else None,
                found.lot,
                found.serial,
                found.expiry,
            )
        case _:
            return OnLabel()


def _named(sku: str | None, gtin: str | None = None) -> Item | None:
    if sku is not None and not 1 <= len(sku) <= MAX_NAME:
        return None
    return Item(gtin=gtin, sku=sku) if gtin or sku else None


def _amount(weight: Measure | None, count: int | None) -> Much | None:
    if weight is not None:
        return Much(weight.value, weight.unit)
    return None if count is None else Much(Decimal(count))


def _pieces(quantity: Decimal | None) -> Much | None:
    return None if quantity is None else Much(quantity)
