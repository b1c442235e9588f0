"""The reading side: items, open orders with what was booked of them, places, stock, bookings."""

import contextlib
import logging
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from pydantic import ValidationError

from bridge.connector import Found, Stock
from bridge.connectors.odoo.config import Config
from bridge.connectors.odoo.json2 import Json2
from bridge.connectors.odoo.plan import MARK
from bridge.connectors.odoo.records import Records
from bridge.errors import SourceFailed
from bridge.http import Stopped, opened
from contract.codes.gtin import canonical_gtin
from contract.reference import DocumentLine, DocumentRecord, ItemRecord, LocationRecord, Pack

log = logging.getLogger(__name__)

_LINES = {
    "po": ("purchase.order.line", "product_qty", "qty_received"),
    "so": ("sale.order.line", "product_uom_qty", "qty_delivered"),
}
Rows = list[dict[str, Any]]


class OdooSource:
    """One database, read a page at a time. Problems are `SourceFailed`."""

    def __init__(self, odoo: Json2, config: Config) -> None:
        self._odoo = odoo
        self._config = config
        self._records = Records(odoo, config)
        self._codes = {name: code for code, name in reversed(config.units.items())}

    async def items(self) -> AsyncIterator[ItemRecord]:
        """Yield every product that is kept in stock, has a SKU, and a unit that is mapped."""
        sku = self._config.sku_field
        domain = [["is_storable", "=", True], [sku, "!=", False]]
        fields = [sku, "display_name", "barcode", "uom_id", "tracking"]
        async for rows in self._pages("product.product", domain, fields):
            units = await self._units(row["uom_id"] for row in rows)
            for row in rows:
                if (unit := self._codes.get(units.get(row["uom_id"], ""))) is not None:
                    record = _record(ItemRecord, **_item(row, sku, unit))
                    if record is not None:
                        yield record

    async def documents(self) -> AsyncIterator[DocumentRecord]:
        """Yield the confirmed orders of which the warehouse still has something to move."""
        config = self._config
        for model, kind, state, by in (
            ("purchase.order", "po", "purchase", config.purchase_by),
            ("sale.order", "so", "sale", config.sale_by),
        ):
            domain = [["state", "=", state], [by, "!=", False]]
            fields = [by, "partner_id", "picking_ids", "order_line"]
            async for rows in self._pages(model, domain, fields):
                for record in await self._orders(kind, by, rows):
                    yield record

    async def locations(self) -> AsyncIterator[LocationRecord]:
        """Yield every internal place of the warehouse that has a label."""
        by = self._config.location_by
        async for rows in self._pages("stock.location", [*await self._here(), [by, "!=", False]],
                                      [by]):  # fmt: skip
            for row in rows:
                record = _record(LocationRecord, name=row[by])
                if record is not None:
                    yield record

    async def stock(self) -> AsyncIterator[Stock]:
        """Yield what is on hand, for each product, place and lot; what has no name is left out."""
        by, sku = self._config.location_by, self._config.sku_field
        domain = [["location_id.usage", "=", "internal"],
                  ["location_id.warehouse_id.code", "=", self._config.warehouse]]  # fmt: skip
        fields = ["product_id", "location_id", "lot_id", "quantity"]
        async for rows in self._pages("stock.quant", domain, fields):
            skus = await self._names("product.product", sku, (row["product_id"] for row in rows))
            places = await self._names("stock.location", by, (row["location_id"] for row in rows))
            lots = await self._names("stock.lot", "name", (row["lot_id"] for row in rows))
            units = await self._product_units(row["product_id"] for row in rows)
            for row in rows:
                name, where = skus.get(row["product_id"]), places.get(row["location_id"])
                if name and where:
                    unit = self._codes.get(units[row["product_id"]], "EA")
                    lot = lots.get(row["lot_id"])
                    yield Stock(name, where, Decimal(str(row["quantity"])), unit, lot)

    async def booked(self, since: datetime) -> AsyncIterator[Found]:
        """Yield the transfers, counts and manufacturing orders since then that bear the mark."""
        at = since.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        news = ["write_date", ">=", at]
        models = (
            ("stock.picking", "name", [["name", "like", MARK], news]),
            ("stock.move", "inventory_name", [["inventory_name", "like", MARK], news]),
        )
        seen: set[str] = set()
        for model, field, domain in models:
            async for rows in self._pages(model, domain, [field, "state", "write_date"]):
                for row in rows:
                    _, mark, reference = str(row[field]).rpartition(MARK)
                    # A count is one move for each product
                    if mark and not (model == "stock.move" and reference in seen):
                        seen.add(reference)
                        yield _found(row, reference, str(row[field]))
        if not await self._manufactures():
            return
        async for rows in self._pages(
            "mrp.production", [["name", "like", MARK], news], ["name", "state", "write_date"]
        ):
            for row in rows:
                yield _found(row, str(row["name"]).removeprefix(MARK), str(row["name"]))

    async def _manufactures(self) -> bool:
        """Whether Odoo's module mrp is there."""
        try:
            return await self._odoo.has("stock.warehouse", "manu_type_id")
        except Stopped as stopped:
            raise SourceFailed(str(stopped.outcome)) from stopped

    async def _orders(self, kind: str, by: str, rows: Rows) -> list[DocumentRecord]:
        """Return the orders of a page that wait for this warehouse."""
        pickings = [number for row in rows for number in row["picking_ids"]]
        domain = [
            ["id", "in", pickings],
            ["state", "not in", ["done", "cancel"]],
            ["picking_type_id.warehouse_id.code", "=", self._config.warehouse],
        ]
        waiting = {row["id"] for row in await self._find("stock.picking", domain, ["id"])}
        open_ = [row for row in rows if waiting & set(row["picking_ids"])]
        model, ordered, done = _LINES[kind]
        wanted = [number for row in open_ for number in row["order_line"]]
        fields = ["order_id", "product_id", ordered, done, "product_uom_id"]
        lines = await self._find(model, [["id", "in", wanted], ["product_id", "!=", False]], fields)
        products = [line["product_id"] for line in lines]
        skus = await self._names("product.product", self._config.sku_field, products)
        kept = await self._product_units(products)
        counted = await self._units(line["product_uom_id"] for line in lines)
        partners = await self._names(
            "res.partner", "display_name", (row["partner_id"] for row in open_)
        )
        records = []
        for row in open_:
            mine = [line for line in lines if line["order_id"] == row["id"]]
            if any(counted[line["product_uom_id"]] != kept[line["product_id"]] for line in mine):
                log.warning("order %s is not read: it counts in other units", row[by])
                continue
            records.append(
                _record(
                    DocumentRecord,
                    document=kind,
                    number=row[by],
                    partner=partners.get(row["partner_id"], "")[:200],
                    lines=[_line(line, skus, ordered, done) for line in mine],
                )
            )
        return [record for record in records if record is not None]

    async def _here(self) -> list[Any]:
        return [["usage", "=", "internal"], ["warehouse_id.code", "=", self._config.warehouse]]

    async def _product_units(self, products: Iterable[Any]) -> dict[int, str]:
        """Return the unit each product is kept in, by name."""
        domain = [["id", "in", _ids(products)]]
        rows = await self._find("product.product", domain, ["uom_id"])
        units = await self._units(row["uom_id"] for row in rows)
        return {row["id"]: units[row["uom_id"]] for row in rows}

    async def _units(self, numbers: Iterable[Any]) -> dict[int, str]:
        return await self._names("uom.uom", "name", numbers)

    async def _names(self, model: str, field: str, numbers: Iterable[Any]) -> dict[int, str]:
        wanted = _ids(numbers)
        if not wanted:
            return {}
        rows = await self._find(model, [["id", "in", wanted]], [field])
        return {row["id"]: row[field] for row in rows if row[field]}

    async def _find(self, model: str, domain: list[Any], fields: list[str]) -> Rows:
        return [row async for rows in self._pages(model, domain, fields) for row in rows]

    async def _pages(self, model: str, domain: list[Any], fields: list[str]) -> AsyncIterator[Rows]:
        try:
            async for rows in self._odoo.pages(model, domain, fields):
                yield rows
        except Stopped as stopped:
            raise SourceFailed(str(stopped.outcome)) from stopped


def _ids(numbers: Iterable[Any]) -> list[int]:
    return sorted({number for number in numbers if number})


def _item(row: dict[str, Any], sku: str, unit: str) -> dict[str, Any]:
    code = row["barcode"] or ""
    gtin = canonical_gtin(code)
    return {
        "sku": row[sku],
        "name": row["display_name"][:200],
        "unit": unit,
        "packs": () if gtin is None else (Pack(gtin=gtin),),
        "codes": (code,) if code and gtin is None else (),
        "lot": row["tracking"] == "lot",
        "serial": row["tracking"] == "serial",
    }


def _line(line: dict[str, Any], skus: dict[int, str], ordered: str, done: str) -> Any:
    return _record(
        DocumentLine,
        line=str(line["id"]),
        sku=skus.get(line["product_id"]),
        quantity=Decimal(str(line[ordered])),
        done=Decimal(str(line[done])),
    )


def _found(row: dict[str, Any], reference: str, document: str) -> Found:
    state: Literal["draft", "booked", "cancelled"] = "draft"
    if row["state"] in ("done", "cancel"):
        state = "booked" if row["state"] == "done" else "cancelled"
    at = datetime.strptime(row["write_date"][:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    return Found(reference, document, state, at=at)


def _record(model: type[Any], **said: Any) -> Any:
    try:
        return model.model_validate(said)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        log.warning("%s %s is not read: %s", model.__name__, said, problem["msg"])
        return None


@contextlib.asynccontextmanager
async def read(config: Config) -> AsyncIterator[OdooSource]:
    """Yield the reading side for `config`. Opens nothing until the first question."""
    async with opened(config.http, who="Odoo") as http:
        yield OdooSource(Json2(http, config), config)
