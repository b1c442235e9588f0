"""What a scanned item is by its label and the reference: which, how much, what is known of it.

With a reference every item must be in it, and quantities are base units: a case counts what is in
it. Without one, labels are taken at their word.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Literal

from contract.identifiers import MAX_NAME, Gs1, Gtin, Hibc, Identifier, Mh10, Tracking, Unknown
from contract.reference import ItemRecord
from contract.values import Item, Line, Quantity
from gateway.phrases import say
from gateway.stations.job import Reference, Trade
from gateway.stations.labels import Much, OnLabel, on_label
from gateway.stations.masses import DECIMALS, convert, is_mass

MOST = Decimal(1_000_000)
"""Of anything in one scan: beyond it, a label was misread."""
_LONGEST_SKU = 64  # characters of a label that are held against the pattern

ON_GOODS = (Gtin, Gs1, Hibc, Mh10, Tracking, Unknown)
"""Kinds of identifiers that may be an item."""


@dataclass(frozen=True, slots=True)
class Goods:
    """An item that was scanned."""

    item: Item
    quantity: Quantity | None
    """In base units; None for what must be weighed: it counts by mass, and its label says none."""
    record: ItemRecord | None = None
    """What the reference knows of it; None without a reference."""
    lot: str | None = None
    serial: str | None = None
    expiry: date | None = None
    best_before: date | None = None
    sscc: str | None = None

    @property
    def name(self) -> str:
        """What to call it on the screen, short."""
        return self.item.sku or self.item.gtin or ""

    @property
    def lacks(self) -> tuple[str, ...]:
        """What the reference demands and the label did not say: `lot`, `serial`, `expiry`."""
        if self.record is None:
            return ()
        return tuple(
            what
            for what in ("lot", "serial", "expiry")
            if getattr(self.record, what) and getattr(self, what) is None
        )

    def line(self, quantity: Quantity | None = None, document_line: str | None = None) -> Line:
        """Return it as a line of a transaction.

        Args:
            quantity: in place of its own; needed where it has none.
            document_line: the line of the document it belongs to.
        """
        amount = quantity or self.quantity
        assert amount is not None  # noqa: S101 - whoever weighs it passes the weight
        return Line(
            item=self.item,
            quantity=amount,
            lot=self.lot,
            serial=self.serial,
            expiry=self.expiry,
            best_before=self.best_before,
            sscc=self.sscc,
            document_line=document_line,
        )

    def held(self) -> str | None:
        """Return why its lot must not leave the house; None where it may."""
        if self.record is None or self.lot is None:
            return None
        for held in self.record.held:
            if held.lot == self.lot:
                return held.why or "held"
        return None

    def expired(self, today: date | None) -> bool:
        """Whether its expiry date has passed; False while the day is not known."""
        return today is not None and self.expiry is not None and self.expiry < today


@dataclass(frozen=True, slots=True)
class NoGoods:
    """A scan that cannot be taken for an item, and what to tell the operator."""

    text: str
    todo: str
    unknown: bool = False
    """The code is sound, but nobody knows it: it may be put aside and booked to quarantine."""


def goods(
    found: Identifier,
    reference: Reference,
    *,
    times: Decimal | None = None,
    sku: str | None = None,
) -> Goods | NoGoods:
    """Return what `found` is.

    Args:
        found: of a kind in `ON_GOODS`; any other is no item.
        reference: what is known.
        times: from a quantity card; None for once.
        sku: pattern of the house's own codes, for a gateway without a reference.
    """
    if not isinstance(found, ON_GOODS):
        return NoGoods(say("{code}: no meaning here", code=found.text[:40]), _SCAN_ITEM)
    label = on_label(found)
    trade = _trade(found, label, reference)
    if trade is None and reference.ready:
        if found.problems:
            return NoGoods(_problems(found), _ASIDE)
        return NoGoods(say("Unknown code {code}", code=found.text[:40]), _ASIDE, unknown=True)
    own = None if trade else _own(sku, found)
    if own is None and found.problems:
        return NoGoods(_problems(found), _ASIDE)
    item = own or _item(trade, label)
    if item is None or not label.fits:
        return NoGoods(say("Unknown code {code}", code=found.text[:40]), _ASIDE, unknown=True)
    if label.serial is not None and times not in {None, Decimal(1)}:
        return NoGoods(_ONE_SERIAL, _ONE_BY_ONE)
    quantity = _quantity(trade, None if own else label.amount, times)
    if isinstance(quantity, NoGoods):
        return quantity
    return Goods(
        item,
        quantity,
        trade.item if trade else None,
        label.lot,
        label.serial,
        label.expiry,
        label.best_before,
        label.sscc,
    )


def serials_of(lines: Iterable[Line]) -> Iterator[tuple[str, str]]:
    """Yield (SKU, or GTIN where there is none; serial number) of each line that has one."""
    for line in lines:
        if line.serial is not None:
            yield line.item.sku or line.item.gtin or "", line.serial


def completed(
    what: Goods, lack: Literal["lot", "serial", "expiry"], found: Identifier
) -> Goods | None:
    """Return `what` with the one thing that a further scan says of it; None where it does not.

    A lot or serial number may stand alone as text, a date as 2027-03-31.
    """
    label = on_label(found) if isinstance(found, Gs1 | Hibc | Mh10) else None
    if lack == "expiry":
        day = label.expiry if label else _day(found.text)
        return None if day is None else replace(what, expiry=day)
    text = getattr(label, lack) if label else found.text if isinstance(found, Unknown) else None
    if text is None or not 1 <= len(text) <= MAX_NAME:
        return None
    return replace(what, lot=text) if lack == "lot" else replace(what, serial=text)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else None
    except ValueError:
        return None


_SCAN_ITEM = say("Scan an item.")
_ASIDE = say("Put the item aside; call support.")
_CHECK = say("Check the label; then scan it again.")
_ONE_SERIAL = say("Each serial number is one piece")
_ONE_BY_ONE = say("Scan CANCEL, then each piece.")


def _problems(found: Identifier) -> str:
    return say("{problems}", problems="; ".join(found.problems)[:200])


def _trade(found: Identifier, label: OnLabel, reference: Reference) -> Trade | None:
    gtin = label.item.gtin if label.item else None
    trade = reference.by_gtin(gtin) if gtin else None
    if trade is not None:
        return trade
    codes = [label.item.sku if label.item else None]
    if not isinstance(found, Gs1):
        codes.append(found.text)
    for code in codes:
        record = reference.by_code(code) if code and len(code) <= _LONGEST_SKU else None
        if record is not None:
            return Trade(record)
    return None


def _item(trade: Trade | None, label: OnLabel) -> Item | None:
    if trade is None:
        return label.item
    return Item(sku=trade.item.sku, gtin=label.item.gtin if label.item else None)


def _own(sku: str | None, found: Identifier) -> Item | None:
    """Return an item by the house's own code; digits may look like a GTIN, right or wrong."""
    if (
        sku is None
        or isinstance(found, Gs1 | Hibc | Mh10)
        or not 0 < len(found.text) <= _LONGEST_SKU
    ):
        return None
    return Item(sku=found.text) if re.fullmatch(sku, found.text, re.ASCII) else None


def _quantity(
    trade: Trade | None, amount: Much | None, times: Decimal | None
) -> Quantity | NoGoods | None:
    unit, each = ("EA", Decimal(1)) if trade is None else (trade.item.unit, trade.quantity)
    if amount is None:
        if trade is not None and is_mass(unit) and each == 1 and times is None:
            return None
        value: Decimal | None = each
    elif trade is None:
        value, unit = amount.value, amount.unit
    elif amount.unit == "EA":
        value = amount.value * each
    elif is_mass(unit):
        value = convert(amount.value, amount.unit, unit)
    else:
        value = each  # a weight on the label of what is counted in pieces is a remark
    if value is None:
        return NoGoods(say("The label's weight does not go into {unit}", unit=unit), _CHECK)
    value *= times or Decimal(1)
    if not 0 < value <= MOST or round(value, DECIMALS) != value:
        return NoGoods(say("{value} is no quantity", value=value), _CHECK)
    return Quantity(value=value, unit=unit)
