"""The reading side: materials, open orders and deliveries, stock, and what carries a reference."""

import contextlib
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal

from pydantic import ValidationError

from bridge.connector import Found, Stock
from bridge.connectors.sap_s4 import counts, deliveries, materials
from bridge.connectors.sap_s4.config import Config
from bridge.connectors.sap_s4.goods import amount, plain
from bridge.connectors.sap_s4.odata import (
    MATERIALS,
    OData,
    Query,
    Service,
    connected,
    day_of,
    listed,
    moment,
    text,
)
from bridge.connectors.sap_s4.reference import named
from bridge.errors import SourceFailed
from bridge.http import Stopped
from contract.reference import DocumentLine, DocumentRecord, ItemRecord, LocationRecord, Pack

log = logging.getLogger(__name__)

UNRESTRICTED = "01"
"""InventoryStockType of stock that may be used; quality inspection and blocked are others."""
_NOWHERE: tuple[LocationRecord, ...] = ()


class SapSource:
    """One system, read a page at a time. Problems are `SourceFailed`."""

    def __init__(self, sap: OData, config: Config) -> None:
        self._sap = sap
        self._config = config
        self._units = {unit: code for code, unit in reversed(config.units.items())}
        self._places = {config.at(name): name for name in reversed(config.locations)}

    async def items(self) -> AsyncIterator[ItemRecord]:
        """Yield every material of the plant whose base unit is mapped."""
        plant = f"Plant eq {text(self._config.plant)} and IsMarkedForDeletion eq false"
        here = {
            str(row.get("Product")): row
            async for row in self._pages(
                "API_PRODUCT_SRV", "A_ProductPlant", "Product", (("$filter", plant),)
            )
        }
        trade: dict[str, list[tuple[str, str]]] = defaultdict(list)
        async for row in self._pages(
            "API_PRODUCT_SRV",
            "A_ProductUnitsOfMeasureEAN",
            "Product,AlternativeUnit,ConsecutiveNumber",
        ):
            code = str(row.get("ProductStandardID") or "")
            trade[str(row.get("Product"))].append((str(row.get("AlternativeUnit")), code))
        async for row in self._pages("API_PRODUCT_SRV", "A_Product", "Product"):
            name = str(row.get("Product"))
            if name in here and not row.get("IsMarkedForDeletion"):
                record = self._item(row, here[name], trade[name])
                if record is not None:
                    yield record

    async def documents(self) -> AsyncIterator[DocumentRecord]:
        """Yield open purchase orders (`po`), and deliveries to pick (`pick_list`) or receive.

        SAP does not say here how much of an order has come: `done` is nothing, or all of an item.
        """
        orders: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        plant = f"Plant eq {text(self._config.plant)} and IsCompletelyDelivered eq false"
        async for row in self._pages(
            "API_PURCHASEORDER_PROCESS_SRV",
            "A_PurchaseOrderItem",
            "PurchaseOrder,PurchaseOrderItem",
            (("$filter", plant),),
        ):
            if not row.get("PurchasingDocumentDeletionCode") and row.get("Material"):
                orders[str(row.get("PurchaseOrder"))].append(row)
        for number, rows in orders.items():
            names = ("PurchaseOrderItem", "OrderQuantity", "PurchaseOrderQuantityUnit")
            record = self._document("po", number, rows, names)
            if record is not None:
                yield record
        for way, kind in (("inbound", "desadv"), ("outbound", "pick_list")):
            async for record in self._deliveries(deliveries.WAYS[way], kind):
                yield record

    async def _deliveries(self, way: deliveries.Way, kind: Any) -> AsyncIterator[DocumentRecord]:
        still = (("$filter", "OverallGoodsMovementStatus ne 'C'"),
                 ("$expand", "to_DeliveryDocumentItem"))  # fmt: skip
        names = ("DeliveryDocumentItem", "ActualDeliveryQuantity", "DeliveryQuantityUnit")
        async for row in self._pages(way.service, way.header, "DeliveryDocument", still):
            rows = [
                each
                for each in listed(row.get("to_DeliveryDocumentItem"))
                if each.get("Plant") == self._config.plant
            ]
            number = str(row.get("DeliveryDocument"))
            record = self._document(kind, number, rows, names) if rows else None
            if record is not None:
                yield record

    async def locations(self) -> AsyncIterator[LocationRecord]:
        """Yield nothing: none of these services lists storage locations."""
        for each in _NOWHERE:
            yield each

    async def stock(self) -> AsyncIterator[Stock]:
        """Yield unrestricted stock of the house's own at the plants and places configured."""
        plants = sorted({self._config.plant, *(plant for plant, _ in self._places)})
        for plant in plants:
            said = f"Plant eq {text(plant)} and InventoryStockType eq '{UNRESTRICTED}'"
            order = "Material,StorageLocation,Batch"
            async for row in self._pages(
                "API_MATERIAL_STOCK_SRV", "A_MatlStkInAcctMod", order, (("$filter", said),)
            ):
                unit = self._units.get(str(row.get("MaterialBaseUnit")))
                storage = str(row.get("StorageLocation") or "")
                if unit is None or row.get("InventorySpecialStockType") or not storage:
                    continue
                yield Stock(
                    str(row.get("Material")),
                    self._places.get((plant, storage), f"{plant}/{storage}"),
                    amount(row.get("MatlWrhsStkQtyInMatlBaseUnit")),
                    unit,
                    str(row.get("Batch") or "") or None,
                )

    async def booked(self, since: datetime) -> AsyncIterator[Found]:
        """Yield material documents, deliveries and counts that carry a transaction's reference."""
        first = (since.astimezone(UTC) - timedelta(days=1)).date().isoformat()
        made = (("$filter", f"CreationDate ge {moment(first)}"),
                ("$expand", "to_MaterialDocumentItem"))  # fmt: skip
        order = "MaterialDocumentYear,MaterialDocument"
        async for row in self._pages(MATERIALS, materials.HEADERS, order, made):
            if (found := _material(row)) is not None:
                yield found
        for way in deliveries.WAYS.values():
            # Claiming one changes it, however long ago it was made
            changed = (("$filter", f"LastChangeDate ge {moment(first)}"),)
            async for row in self._pages(way.service, way.header, "DeliveryDocument", changed):
                if (found := self._delivery(row)) is not None:
                    yield found
        new = (("$filter", f"DocumentDate ge {moment(first)}"),
               ("$expand", "to_PhysicalInventoryDocumentItem"))  # fmt: skip
        order = "FiscalYear,PhysicalInventoryDocument"
        async for row in self._pages(counts.INVENTORY, counts.HEADERS, order, new):
            if (found := _count(row)) is not None:
                yield found

    def _delivery(self, row: Mapping[str, Any]) -> Found | None:
        name = named(str(row.get(self._config.delivery_mark) or ""))
        if name is None:
            return None
        gone = row.get("OverallGoodsMovementStatus") == "C"
        number = str(row.get("DeliveryDocument"))
        return Found(str(name), number, "booked" if gone else "draft")

    def _item(
        self, row: Mapping[str, Any], here: Mapping[str, Any], trade: list[tuple[str, str]]
    ) -> ItemRecord | None:
        base = str(row.get("BaseUnit"))
        if base not in self._units:
            return None
        # A code of another unit is a pack, of a size that stands elsewhere: it is left out
        codes = [code for unit, code in trade if unit == base and _is_gtin(code)]
        own = str(row.get("ProductStandardID") or "")
        codes = list(dict.fromkeys(each.zfill(14) for each in (own, *codes) if _is_gtin(each)))
        record: ItemRecord | None = _record(
            ItemRecord,
            sku=row.get("Product"),
            unit=self._units[base],
            packs=tuple(Pack(gtin=code) for code in codes[:50]),
            lot=bool(here.get("IsBatchManagementRequired")),
            serial=self._config.serial_numbers and bool(here.get("SerialNumberProfile")),
        )
        return record

    def _document(
        self,
        kind: Literal["po", "desadv", "pick_list"],
        number: str,
        rows: list[Any],
        names: tuple[str, str, str],
    ) -> DocumentRecord | None:
        line, quantity, unit = names
        if any(str(row.get(unit)) not in self._units for row in rows):
            log.warning("document %s is not read: its unit is not mapped", number)
            return None
        lines = tuple(
            _record(
                DocumentLine,
                line=str(row.get(line)),
                sku=row.get("Material"),
                quantity=plain(amount(row.get(quantity))),
                lot=row.get("Batch") or None,
            )
            for row in rows
        )
        if None in lines:
            return None
        record: DocumentRecord | None = _record(
            DocumentRecord, document=kind, number=number, lines=lines
        )
        return record

    async def _pages(
        self, service: Service, path: str, order: str, query: Query = ()
    ) -> AsyncIterator[dict[str, Any]]:
        try:
            async for row in self._sap.pages(service, path, order, query):
                yield row
        except Stopped as stopped:
            raise SourceFailed(str(stopped.outcome)) from stopped


def _material(row: Mapping[str, Any]) -> Found | None:
    name = named(str(row.get("MaterialDocumentHeaderText") or ""))
    items = materials.items_of(row)
    if name is None or any(each.get("ReversedMaterialDocument") for each in items):
        return None
    cancelled = bool(items) and all(each.get("GoodsMovementIsCancelled") is True for each in items)
    day = day_of(row.get("CreationDate"))
    return Found(
        str(name),
        f"{row.get('MaterialDocument')}/{row.get('MaterialDocumentYear')}",
        "cancelled" if cancelled else "booked",
        # What SAP adds by itself is the other side of a transfer
        sum(
            (amount(each.get("QuantityInEntryUnit")) for each in items if not _is_made(each)),
            Decimal(0),
        ),
        None if day is None else datetime.combine(day, time(), UTC),
    )


def _is_made(item: Mapping[str, Any]) -> bool:
    return bool(item.get("IsAutomaticallyCreated"))


def _count(row: Mapping[str, Any]) -> Found | None:
    name = named(str(row.get("PhysicalInventoryDocumentDesc") or ""))
    if name is None:
        return None
    items = listed(row.get("to_PhysicalInventoryDocumentItem"))
    posted = bool(items) and all(each.get("PhysInvtryDifferenceIsPosted") is True for each in items)
    number = f"{row.get('PhysicalInventoryDocument')}/{row.get('FiscalYear')}"
    return Found(str(name), number, "booked" if posted else "draft")


def _is_gtin(code: str) -> bool:
    return code.isascii() and code.isdigit() and len(code) in (8, 12, 13, 14)


def _record(model: type[Any], **said: Any) -> Any:
    try:
        return model.model_validate(said)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        log.warning("%s %s is not read: %s", model.__name__, said, problem["msg"])
        return None


@contextlib.asynccontextmanager
async def read(config: Config) -> AsyncIterator[SapSource]:
    """Yield the reading side for `config`. Opens nothing until the first question."""
    async with connected(config) as sap:
        yield SapSource(sap, config)
