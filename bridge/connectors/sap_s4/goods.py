"""Goods of a transaction, as SAP is to read them. Pure.

Source of the lengths: SAP's own model of API_MATERIAL_DOCUMENT_SRV.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation

from bridge.connectors.sap_s4.config import Config
from bridge.outcome import Refused
from contract.values import Line

MATERIAL, BATCH, SERIAL = 40, 10, 18
"""Characters of a material, a batch and a serial number."""
MOST = Decimal(10) ** 10
"""Quantities are below: 13 digits, of which 3 stand behind the point."""
STEP = Decimal("0.001")


class Unfit(Exception):
    """SAP has no place for it, as `refused` says."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused)
        self.refused = refused


@dataclass(frozen=True, slots=True)
class Goods:
    """One material that was moved, all labels of one batch added up. `unit` is SAP's."""

    material: str
    unit: str
    batch: str = ""
    expiry: date | None = None
    item: str = ""
    """Of the document it belongs to, where the station knew."""
    quantity: Decimal = Decimal(0)
    serials: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.material} {self.batch}".strip()


def gathered(
    lines: Iterable[Line],
    config: Config,
    *,
    items: bool = False,
    dates: bool = False,
    zeros: bool = False,
) -> tuple[Goods, ...]:
    """Add up the lines of one material, batch and item; what is nothing is left out.

    Args:
        lines: of a transaction.
        config: which of it goes to SAP.
        items: keep the items of a document apart, where the document is SAP's own.
        dates: keep expiry dates, which only a receipt has a field for.
        zeros: keep what is nothing: for a count it is a finding.

    Raises:
        Unfit: SAP has no place for one of them.
    """
    goods: dict[Goods, tuple[Decimal, tuple[str, ...]]] = {}
    for line in lines:
        key = _key(line, config, items=items, dates=dates)
        value, serials = goods.get(key, (Decimal(0), ()))
        if config.serial_numbers and line.serial is not None:
            if line.quantity.value != 1:
                raise Unfit(Refused("contract", f"serial number {line.serial} is not one piece"))
            serials = (*serials, _text(line.serial, SERIAL, "serial number"))
        goods[key] = (value + line.quantity.value, serials)
    found = [replace(key, quantity=value, serials=rest) for key, (value, rest) in goods.items()]
    for each in found:
        if each.quantity >= MOST or each.quantity % STEP:
            text = f"SAP keeps no {plain(each.quantity)} {each.unit}: 3 decimals, 10 digits before"
            raise Unfit(Refused("contract", text))
        if each.serials and len(set(each.serials)) != each.quantity:
            text = f"{plain(each.quantity)} of {each} came with {len(set(each.serials))} serials"
            raise Unfit(Refused("contract", text))
    return tuple(each for each in found if each.quantity or zeros)


def _key(line: Line, config: Config, *, items: bool, dates: bool) -> Goods:
    if line.item.sku is None:
        text = f"SAP books materials, and {line.item.gtin} is a GTIN that is mapped to none"
        raise Unfit(Refused("unknown_sku", text))
    unit = config.units.get(line.quantity.unit)
    if unit is None:
        text = f"the unit {line.quantity.unit} is not mapped to SAP"
        raise Unfit(Refused("unsupported", text))
    item = (line.document_line or "") if items else ""
    if item and not (item.isascii() and item.isdigit() and len(item) <= 6):
        raise Unfit(Refused("contract", f"{item!r} is no item number of SAP's"))
    batch = line.lot if config.batches else None
    return Goods(
        _text(line.item.sku, MATERIAL, "material"),
        unit,
        _text(batch, BATCH, "batch").upper() if batch else "",
        line.expiry if dates else None,
        item.lstrip("0"),
    )


def _text(said: str, length: int, what: str) -> str:
    if len(said) > length or not said.isprintable() or said != said.strip():
        raise Unfit(Refused("contract", f"SAP has no {what} {said!r}: {length} characters"))
    return said


def plain(quantity: Decimal) -> str:
    """Return a quantity as SAP writes it, exact and without an exponent.

    >>> plain(Decimal("1E+3")), plain(Decimal("2.500"))
    ('1000', '2.5')
    """
    text = f"{quantity:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def amount(said: object) -> Decimal:
    """Return a quantity as SAP said it; nothing where it said none."""
    try:
        found = Decimal(str(said or 0))
    except InvalidOperation:
        return Decimal(0)
    return found if found.is_finite() else Decimal(0)


def is_material(said: object, material: str) -> bool:
    """Whether SAP's name is that material: it knows no small letters, and may pad with zeros."""
    return _bare(str(said)) == _bare(material)


def _bare(name: str) -> str:
    return (name.lstrip("0") or "0").upper() if name.isdigit() else name.upper()
