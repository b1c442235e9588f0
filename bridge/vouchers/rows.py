"""Which lines of an order goods belong to, and the rows of vouchers. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bridge.outcome import Refused
from bridge.tally import exact
from bridge.vouchers.plan import Goods

Values = dict[str, Any]
"""A voucher, or a row of one, as JSON."""


@dataclass(frozen=True, slots=True)
class Article:
    """An item as the ERP knows it."""

    code: str
    unit: str
    lots: bool = False
    """Whether every movement must name a lot."""
    serials: bool = False
    """Whether every movement must name its serial numbers."""


@dataclass(frozen=True, slots=True)
class Known:
    """Goods whose item was found in the ERP."""

    goods: Goods
    article: Article

    @property
    def row(self) -> Values:
        """What every row of a voucher says."""
        row: Values = {
            "item_code": self.article.code,
            "qty": exact(self.goods.quantity),
            "uom": self.article.unit,
        }
        if self.article.lots or self.article.serials:
            row["use_serial_batch_fields"] = 1
        if self.article.lots:
            row["batch_no"] = self.goods.lot
        if self.article.serials:
            row["serial_no"] = "\n".join(self.goods.serials)
        return row


@dataclass(frozen=True, slots=True)
class OrderLine:
    """A line of an order, or of a Delivery Note that goods came back from."""

    name: str
    item: str
    unit: str
    owed: Decimal
    """What is left of it."""
    rate: Decimal
    warehouse: str | None

    @classmethod
    def read(cls, row: Mapping[str, Any], done: str | None, decimals: int) -> "OrderLine":
        """Read a line as the ERP writes it. Raises KeyError, ArithmeticError or ValueError.

        Args:
            row: the line.
            done: the field that says how much of it is done; None where there is none.
            decimals: the ERP keeps of a quantity.
        """
        owed = meant(row["qty"], decimals) - meant(row.get(done) if done else 0, decimals)
        return cls(
            name=str(row["name"]),
            item=str(row["item_code"]),
            unit=str(row["uom"]),
            owed=max(owed, Decimal(0)),
            rate=Decimal(str(row.get("rate") or 0)),
            warehouse=row.get("warehouse") or None,
        )


@dataclass(frozen=True, slots=True)
class Take:
    """So much of some goods, for one line."""

    known: Known
    quantity: Decimal
    line: OrderLine


def take(goods: Sequence[Known], lines: Sequence[OrderLine], order: str) -> list[Take] | Refused:
    """Spread goods over an order's lines, in the order they stand. Pure.

    What is more than ordered goes to the last line of its item: whether so much is allowed is the
    ERP's to say.
    """
    left = {line.name: line.owed for line in lines}
    takes: list[Take] = []
    for known in goods:
        mine = [line for line in lines if line.item == known.article.code]
        if not mine:
            return Refused("unknown_sku", f"{order} has no line for {known.goods}")
        if known.article.serials and len(mine) > 1:
            text = f"{order} has several lines for {known.goods}, whose serial numbers are of one"
            return Refused("unsupported", text)
        for line in mine:
            if line.unit != known.article.unit:
                text = f"{order} counts {known.goods} in {line.unit}, not in {known.article.unit}"
                return Refused("contract", text)
        rest = known.goods.quantity
        for line in mine:
            part = rest if line is mine[-1] else min(rest, left[line.name])
            if part > 0:
                takes.append(Take(known, part, line))
                left[line.name] -= part
                rest -= part
    return takes


def row_of(taken: Take, fields: tuple[str, str], order: str, warehouse: str) -> Values:
    """Return the row of a voucher for a part of an order.

    Args:
        taken: the part.
        fields: names of the fields for the order and its line.
        order: its name.
        warehouse: the ERP's.
    """
    return {
        **taken.known.row,
        "qty": exact(taken.quantity),
        "rate": float(taken.line.rate),
        "warehouse": warehouse,
        fields[0]: order,
        fields[1]: taken.line.name,
    }


def all_owed(lines: Iterable[OrderLine], items: Mapping[str, Known]) -> list[Take]:
    """Return all that an order still owes. Pure."""
    return [Take(items[line.item], line.owed, line) for line in lines if line.owed > 0]


def meant(quantity: object, decimals: int) -> Decimal:
    """Return a quantity the ERP says as it was meant: some add up binary fractions.

    >>> meant(Decimal("0.30000000000000004"), 3)
    Decimal('0.300')
    """
    return round(Decimal(str(quantity or 0)), decimals)
