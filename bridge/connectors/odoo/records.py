"""What Odoo must have before anything can be booked: warehouse, products, units, places, lots."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, TypeVar

from bridge.connectors.odoo.config import Config
from bridge.connectors.odoo.json2 import Json2
from bridge.http import SETTING_WRONG, Stopped
from bridge.outcome import Refused, TryLater
from bridge.tally import Goods, plain
from contract.values import Item

MAX_KNOWN = 5_000
"""Products, places and lots kept by name, each: a house's, some MB."""
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class Product:
    """A product of Odoo, with the unit it is kept in."""

    id: int
    unit: int
    unit_name: str
    step: Decimal
    """The smallest quantity Odoo keeps; it would round what is finer."""
    tracking: str
    loss: int | None
    """The location that inventory differences of it go to."""


@dataclass(frozen=True, slots=True)
class Thing:
    """Goods as Odoo knows them."""

    goods: Goods
    product: Product
    lot: int | None = None

    @property
    def line(self) -> dict[str, Any]:
        """The part of a detailed operation that says what and how much."""
        said = {"product_id": self.product.id, "product_uom_id": self.product.unit}
        lot = {} if self.lot is None else {"lot_id": self.lot}
        return {**said, "quantity": self.goods.amount, **lot}


@dataclass(frozen=True, slots=True)
class Warehouse:
    """The one the bridge books in: its operation types and root locations, by id."""

    id: int
    view: int
    types: dict[str, int]
    """Operation type of `in`, `pick`, `pack`, `out` and `int`; those that are off are not there."""


class _Known(Generic[_V]):
    """What was found, by name; the least used goes first."""

    def __init__(self) -> None:
        self._found: OrderedDict[Any, _V] = OrderedDict()

    def get(self, name: Any) -> _V | None:
        if name in self._found:
            self._found.move_to_end(name)
        return self._found.get(name)

    def put(self, name: Any, value: _V) -> _V:
        self._found[name] = value
        if len(self._found) > MAX_KNOWN:
            self._found.popitem(last=False)
        return value


class Records:
    """What there is, by the names the office and the labels know it by.

    Every method raises `Stopped` where it is not there, or not as it must be.
    """

    def __init__(self, odoo: Json2, config: Config) -> None:
        self._odoo = odoo
        self._config = config
        self.forget()

    def forget(self) -> None:
        """Look everything up again: a record may have been archived and made anew."""
        self._warehouse: Warehouse | None = None
        self._products: _Known[Product] = _Known()
        self._places: _Known[int] = _Known()
        self._lots: _Known[int] = _Known()

    async def warehouse(self) -> Warehouse:
        """Return the configured warehouse."""
        if self._warehouse is None:
            types = {"in", "pick", "pack", "out", "int"}
            fields = ["view_location_id", *(f"{each}_type_id" for each in sorted(types))]
            domain = [["code", "=", self._config.warehouse]]
            rows = await self._odoo.find("stock.warehouse", domain, fields)
            if len(rows) != 1:
                text = f"Odoo has {len(rows) or 'no'} warehouses {self._config.warehouse}"
                raise Stopped(TryLater(text, SETTING_WRONG))
            row = rows[0]
            known = {each: row[f"{each}_type_id"] for each in types if row[f"{each}_type_id"]}
            self._warehouse = Warehouse(row["id"], row["view_location_id"], known)
        return self._warehouse

    async def manufacturing(self) -> int:
        """Return the operation type of manufacturing; needs Odoo's module mrp."""
        if not await self._odoo.has("stock.warehouse", "manu_type_id"):
            raise Stopped(Refused("unsupported", "Odoo has no module for manufacturing"))
        domain = [["code", "=", self._config.warehouse], ["manu_type_id", "!=", False]]
        rows = await self._odoo.find("stock.warehouse", domain, ["manu_type_id"])
        if len(rows) != 1:
            raise Stopped(Refused("unsupported", "the warehouse in Odoo does not manufacture"))
        return int(rows[0]["manu_type_id"])

    async def ends(self, operation: int) -> tuple[int, int]:
        """Return the default source and destination of an operation type."""
        fields = ["default_location_src_id", "default_location_dest_id"]
        [row] = await self._odoo.find("stock.picking.type", [["id", "=", operation]], fields)
        return row[fields[0]], row[fields[1]]

    async def place(self, name: str) -> int:
        """Return the location of the warehouse that a label names."""
        known = self._places.get(name)
        if known is not None:
            return known
        here = (await self.warehouse()).id
        domain = [
            [self._config.location_by, "=", name],
            ["usage", "=", "internal"],
            ["warehouse_id", "=", here],
        ]
        rows = await self._odoo.find("stock.location", domain, ["id"])
        if len(rows) != 1:
            text = f"Odoo has {len(rows) or 'no'} locations {name} in {self._config.warehouse}"
            raise Stopped(Refused("unknown_location", text))
        return self._places.put(name, int(rows[0]["id"]))

    async def loss(self, full_name: str) -> int:
        """Return an inventory loss location by its full name."""
        domain = [["complete_name", "=", full_name], ["usage", "=", "inventory"]]
        rows = await self._odoo.find("stock.location", domain, ["id"])
        if len(rows) != 1:
            text = f"Odoo has {len(rows) or 'no'} inventory loss locations {full_name}"
            raise Stopped(TryLater(text, SETTING_WRONG))
        return int(rows[0]["id"])

    async def things(self, goods: Iterable[Goods], *, makes_lots: bool) -> list[Thing]:
        """Return goods as Odoo knows them.

        Args:
            goods: as they were scanned.
            makes_lots: whether a lot that Odoo has not seen is to be made, as of goods that come.
        """
        found = []
        for each in goods:
            product = await self._product(each.item)
            self._fits(each, product)
            lot = self._lot_of(each, product)
            there = None
            if lot is not None:
                there = await self._lot(each, product, lot, make=makes_lots)
            found.append(Thing(each, product, there))
        return found

    def _fits(self, goods: Goods, product: Product) -> None:
        if goods.unit != product.unit_name:
            text = f"Odoo keeps {goods} in {product.unit_name}, not in {goods.unit}"
            raise Stopped(Refused("unsupported", text))
        if goods.quantity % product.step:
            text = f"Odoo would round {plain(goods.quantity)} of {goods} to {plain(product.step)}"
            raise Stopped(Refused("contract", text))

    def _lot_of(self, goods: Goods, product: Product) -> str | None:
        match product.tracking:
            case "serial":
                lot = goods.serial
            case "lot":
                lot = goods.lot
            case _:
                return None
        if lot is None:
            raise Stopped(Refused("lot_required", f"Odoo keeps {goods} by {product.tracking}"))
        if product.tracking == "serial" and goods.quantity not in (0, 1):
            text = f"serial number {lot} of {goods} can be there once only"
            raise Stopped(Refused("contract", text))
        return lot

    async def _product(self, item: Item) -> Product:
        name = (item.sku, None if item.sku else item.gtin)
        known = self._products.get(name)
        if known is not None:
            return known
        field = self._config.sku_field if item.sku else "barcode"
        domain = [field, "=", item.sku] if item.sku else [field, "in", spellings(item.gtin or "")]
        fields = ["uom_id", "tracking", "property_stock_inventory"]
        rows = await self._odoo.find("product.product", [domain], fields)
        if len(rows) != 1:
            text = f"Odoo has {len(rows) or 'no'} products with {field} {item.sku or item.gtin}"
            raise Stopped(Refused("unknown_sku", text))
        row = rows[0]
        units = [["id", "=", row["uom_id"]]]
        [unit] = await self._odoo.find("uom.uom", units, ["name", "rounding"])
        product = Product(
            row["id"],
            unit["id"],
            unit["name"],
            Decimal(str(unit["rounding"])),
            row["tracking"],
            row["property_stock_inventory"] or None,
        )
        return self._products.put(name, product)

    async def _lot(self, goods: Goods, product: Product, lot: str, *, make: bool) -> int:
        known = self._lots.get((product.id, lot))
        if known is not None:
            return known
        domain = [["name", "=", lot], ["product_id", "=", product.id]]
        rows = await self._odoo.find("stock.lot", domain, ["id"])
        if len(rows) > 1 or not (rows or make):
            text = f"Odoo has {len(rows) or 'no'} lots {lot} of {goods}"
            raise Stopped(Refused("refused", text))
        if rows:
            found = rows[0]["id"]
        else:
            [found] = await self._odoo.make("stock.lot", [{"name": lot, "product_id": product.id}])
        return self._lots.put((product.id, lot), int(found))


def spellings(gtin: str) -> list[str]:
    """Return a GTIN as a database may have it: with or without the zeros in front.

    >>> spellings("04012345678901")
    ['04012345678901', '4012345678901']
    """
    return [gtin[cut:] for cut in (0, 1, 2, 6) if gtin.startswith("0" * cut)]
