"""Lines of a transaction added up for an ERP, and amounts as the JSON numbers ERPs read. Pure.

>>> number(Decimal("25.50")), number(Decimal("3.000")), number(Decimal("0.1234567890123456789"))
(25.5, 3, None)
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from bridge.outcome import Refused
from contract.values import Item, Line

MAX_WHOLE = 2**53
"""The largest whole number every JSON reader keeps exactly. Source: RFC 8259 6."""


@dataclass(frozen=True, slots=True)
class Goods:
    """One item that was moved: all its labels of one lot or serial number added up."""

    item: Item
    quantity: Decimal
    unit: str
    """As the ERP calls it."""
    lot: str | None = None
    serial: str | None = None

    def __str__(self) -> str:
        return self.item.sku or f"GTIN {self.item.gtin}"

    @property
    def amount(self) -> int | float:
        """The quantity as a JSON number; `tally` has seen that it is one."""
        return exact(self.quantity)


def tally(
    lines: Iterable[Line], units: Mapping[str, str], who: str, *, zero: bool = False
) -> tuple[Goods, ...] | Refused:
    """Add up the lines of one item, lot and serial number, in the order they came.

    Args:
        lines: of a transaction.
        units: the ERP's name for each unit code; another unit is refused, nothing is converted.
        who: the ERP, in words.
        zero: whether nothing is a finding, as it is of a count; else it is left out.

    Returns:
        At least one; or why the ERP cannot be told.
    """
    summed: dict[Goods, Decimal] = {}
    for line in lines:
        unit = units.get(line.quantity.unit)
        if unit is None:
            why = f"the unit {line.quantity.unit} is not mapped to {who}"
            return Refused("unsupported", why)
        key = Goods(line.item, Decimal(0), unit, line.lot, line.serial)
        summed[key] = summed.get(key, Decimal(0)) + line.quantity.value
    goods = tuple(replace(key, quantity=sum_) for key, sum_ in summed.items() if sum_ or zero)
    if not goods:
        return Refused("contract", "there is nothing in it to book")
    for each in goods:
        if number(each.quantity) is None:
            why = f"{each.quantity} of {each} has more digits than {who} reads exactly"
            return Refused("contract", why)
    return goods


def number(amount: Decimal) -> int | float | None:
    """Return the JSON number that is exactly `amount`, or None where a reader would round it."""
    if amount == amount.to_integral_value():
        return int(amount) if abs(amount) <= MAX_WHOLE else None
    near = float(amount)
    return near if Decimal(repr(near)) == amount else None


def exact(amount: Decimal) -> int | float:
    """Return the JSON number that is exactly `amount`. Raises ValueError where there is none."""
    found = number(amount)
    if found is None:
        raise ValueError(f"no JSON number is exactly {amount}")
    return found


def plain(amount: Decimal) -> str:
    """Write an amount for people: no exponent, no trailing zeros."""
    return f"{amount.normalize():f}"
