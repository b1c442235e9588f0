"""What NetSuite calls what stands on a label: items, lots, bins and orders, by SuiteQL."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, TypeVar

from bridge.connectors.netsuite.config import Config
from bridge.connectors.netsuite.plan import Part, Place, Source
from bridge.connectors.netsuite.rest import Rest
from bridge.http import Stopped
from bridge.outcome import Refused
from bridge.tally import Goods

MAX_KNOWN = 10_000
"""Items and bins that are kept: some MB."""
_T = TypeVar("_T")
_TYPES: dict[Source, str] = {
    "purchaseOrder": "PurchOrd",
    "returnAuthorization": "RtnAuth",
    "salesOrder": "SalesOrd",
}


@dataclass(frozen=True, slots=True)
class Item:
    """An item, and whether NetSuite wants its lot or serial number."""

    id: str
    tracked: bool


class Names:
    """The account's own ids. What is not there once, or twice, raises `Stopped`."""

    def __init__(self, rest: Rest, config: Config) -> None:
        self._rest = rest
        self._config = config
        self._items: OrderedDict[str, Item] = OrderedDict()
        self._bins: OrderedDict[str, str] = OrderedDict()

    def forget(self) -> None:
        """Look everything up anew: somebody may have changed it."""
        self._items.clear()
        self._bins.clear()

    async def order(self, plan: Part) -> str:
        """Return the id of the order of a part."""
        sought = f"tranid = {literal(plan.order)} AND type = '{_TYPES[plan.source]}'"
        rows = await self._rest.query(f"SELECT id FROM transaction WHERE {sought}")  # noqa: S608
        return _only(rows, Refused("unknown_document", f"{plan.source} {plan.order}"))

    async def item(self, goods: Goods) -> Item:
        """Return the item that goods are."""
        if str(goods) in self._items:
            self._items.move_to_end(str(goods))
            return self._items[str(goods)]
        sku, gtin = goods.item.sku, goods.item.gtin or ""
        field = self._config.sku_field if sku is not None else "upccode"
        # NetSuite keeps a code as somebody typed it, mostly without the zeros of a GTIN
        forms = [sku] if sku is not None else [gtin, *_shorter(gtin)]
        sought = f"{field} IN ({', '.join(map(literal, forms))}) AND isinactive = 'F'"
        rows = await self._rest.query(
            f"SELECT id, islotitem, isserialitem FROM item WHERE {sought}"  # noqa: S608
        )
        number = _only(rows, Refused("unknown_sku", str(goods)))
        tracked = "T" in (rows[0].get("islotitem"), rows[0].get("isserialitem"))
        return _kept(self._items, str(goods), Item(number, tracked))

    async def bin(self, place: Place) -> str | None:
        """Return the id of a bin, or None where a place is a whole location."""
        if place.bin is None:
            return None
        if place.bin in self._bins:
            self._bins.move_to_end(place.bin)
            return self._bins[place.bin]
        sought = f"binnumber = {literal(place.bin)} AND location = {place.location}"
        rows = await self._rest.query(f"SELECT id FROM bin WHERE {sought}")  # noqa: S608
        return _kept(self._bins, place.bin, _only(rows, Refused("unknown_location", str(place))))

    async def number(self, item: Item, goods: Goods) -> str | None:
        """Return the lot or serial number of goods; None where NetSuite wants none."""
        if not item.tracked:
            return None
        number = goods.serial or goods.lot
        if number is None:
            why = f"NetSuite wants a lot or serial number of {goods}"
            raise Stopped(Refused("lot_required", why))
        return number

    async def lot(self, item: Item, goods: Goods) -> str | None:
        """Return the id of the lot or serial number of goods that are there."""
        number = await self.number(item, goods)
        if number is None:
            return None
        sought = f"inventorynumber = {literal(number)} AND item = {item.id}"
        rows = await self._rest.query(f"SELECT id FROM inventorynumber WHERE {sought}")  # noqa: S608
        return _only(rows, Refused("lot_required", f"lot or serial number {number} of {goods}"))


def literal(text: str) -> str:
    """Return a text as SQL writes it.

    >>> print(literal("7'30 cable"))
    '7''30 cable'
    """
    return "'" + text.replace("'", "''") + "'"


def _shorter(gtin: str) -> list[str]:
    """Return the forms of a GTIN with fewer leading zeros.

    >>> _shorter("00012345678905")
    ['0012345678905', '012345678905']
    """
    return [gtin[-size:] for size in (13, 12, 8) if not gtin[:-size].strip("0")]


def _only(rows: list[dict[str, Any]], refused: Refused) -> str:
    match rows:
        case [{"id": str() | int() as number}]:
            return str(number)
    why = f"NetSuite has {len(rows) or 'no'} {refused.text}"
    raise Stopped(Refused(refused.code, why))


def _kept(known: OrderedDict[str, _T], name: str, value: _T) -> _T:
    known[name] = value
    if len(known) > MAX_KNOWN:
        known.popitem(last=False)
    return value
