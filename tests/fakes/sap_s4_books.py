"""The books of a SAP system: stock, orders, deliveries, documents and counts, and its rules.

What goes over the wire is in `tests.fakes.sap_s4`; here is what a posting does, and why one fails.
"""

import itertools
import json
from collections import Counter, defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

Row = dict[str, Any]
Place = tuple[str, str, str, str]
"""Material, plant, storage location, batch."""
PLANT = "1010"
MORE = {"101", "501", "701", "451"}
LESS = {"702", "551", "261", "601"}
ACROSS = {"311", "301"}
MATERIAL, ORDERS = "API_MATERIAL_DOCUMENT_SRV", "API_PURCHASEORDER_PROCESS_SRV"
COUNTS, STOCK = "API_PHYSICAL_INVENTORY_DOC_SRV", "API_MATERIAL_STOCK_SRV"
PRODUCTS = "API_PRODUCT_SRV"
INBOUND, OUTBOUND = "API_INBOUND_DELIVERY_SRV", "API_OUTBOUND_DELIVERY_SRV"
WAYS = {INBOUND: "Inb", OUTBOUND: "Outb"}


class Failed(Exception):
    """An error as SAP words it: code and text of the outer one, and of what was wrong."""

    def __init__(self, status: int, *said: tuple[str, str]) -> None:
        super().__init__(said)
        self.status = status
        self.said = said

    def body(self) -> bytes:
        (code, text), *inner = self.said
        details = [
            {"code": code, "message": text, "propertyref": "", "severity": "error", "target": ""}
            for code, text in inner
        ]
        error = {
            "code": code,
            "message": {"lang": "en", "value": text},
            "innererror": {"transactionid": "0" * 32, "errordetails": details},
        }
        return json.dumps({"error": error}).encode()


def unposted(code: str, text: str) -> Failed:
    """The way a posting fails: the reason is inside."""
    return Failed(
        400, ("MM_IM_ODATA_API_MDOC/014", "Material Document processing failed"), (code, text)
    )


class Books:
    """What one system knows. Items stand in their header's row, under the association."""

    def __init__(self) -> None:
        self.stock: defaultdict[Place, Decimal] = defaultdict(Decimal)
        self.effects: Counter[str] = Counter()
        """How often each reference had an effect."""
        self.tables: dict[tuple[str, str], list[Row]] = defaultdict(list)
        """Rows by service and entity."""
        self._numbers = itertools.count(1)
        self._version = itertools.count(1)

    # --- What there is ---

    def material(self, name: str, gtin: str = "", unit: str = "EA") -> None:
        row = {"Product": name, "BaseUnit": unit, "ProductStandardID": gtin}
        self.tables[PRODUCTS, "A_Product"].append({**row, "IsMarkedForDeletion": False})
        here = {"Product": name, "Plant": PLANT, "IsMarkedForDeletion": False}
        self.tables[PRODUCTS, "A_ProductPlant"].append(here)

    def order(self, number: str, *materials: str, quantity: int = 10_000) -> Row:
        items = [
            {
                "PurchaseOrder": number,
                "PurchaseOrderItem": str(10 * place),
                "Material": each,
                "Plant": PLANT,
                "OrderQuantity": str(quantity),
                "PurchaseOrderQuantityUnit": "EA",
                "PurchasingDocumentDeletionCode": "",
                "IsCompletelyDelivered": False,
            }
            for place, each in enumerate(materials, start=1)
        ]
        made = {"PurchaseOrder": number, "to_PurchaseOrderItem": items}
        self.tables[ORDERS, "A_PurchaseOrder"].append(made)
        return made

    def delivery(
        self, service: str, number: str, *materials: str, quantity: int = 100, batch: str = ""
    ) -> Row:
        items = [
            {
                "DeliveryDocument": number,
                "DeliveryDocumentItem": str(10 * place),
                "Material": each,
                "Plant": PLANT,
                "StorageLocation": "0001",
                "Batch": batch,
                "ActualDeliveryQuantity": str(quantity),
                "OriginalDeliveryQuantity": str(quantity),
                "DeliveryQuantityUnit": "EA",
                "etag": self._etag(),
            }
            for place, each in enumerate(materials, start=1)
        ]
        made = {
            "DeliveryDocument": number,
            "BillOfLading": "",
            "DeliveryDocumentBySupplier": "",
            "OverallPickingStatus": "A",
            "OverallGoodsMovementStatus": "A",
            "CreationDate": now(),
            "LastChangeDate": None,
            "to_DeliveryDocumentItem": items,
            "etag": self._etag(),
        }
        self.tables[service, f"A_{WAYS[service]}DeliveryHeader"].append(made)
        return made

    def find(self, service: str, number: str) -> Row:
        """Return a delivery."""
        rows = self.tables[service, f"A_{WAYS[service]}DeliveryHeader"]
        return next(row for row in rows if row["DeliveryDocument"] == number)

    def items(self) -> list[Row]:
        """Return the items of all material documents."""
        return self._rows(MATERIAL, "A_MaterialDocumentItem")

    def _etag(self) -> str:
        return f"W/\"'{next(self._version)}'\""

    def _rows(self, service: str, entity: str) -> list[Row]:
        parents = {
            "A_MaterialDocumentItem": ("A_MaterialDocumentHeader", "to_MaterialDocumentItem"),
            "A_PurchaseOrderItem": ("A_PurchaseOrder", "to_PurchaseOrderItem"),
            "A_PhysInventoryDocItem": (
                "A_PhysInventoryDocHeader",
                "to_PhysicalInventoryDocumentItem",
            ),
            "A_InbDeliveryItem": ("A_InbDeliveryHeader", "to_DeliveryDocumentItem"),
            "A_OutbDeliveryItem": ("A_OutbDeliveryHeader", "to_DeliveryDocumentItem"),
        }
        if entity == "A_MatlStkInAcctMod":
            return [_stock_row(place, value) for place, value in sorted(self.stock.items())]
        if entity in parents:
            parent, name = parents[entity]
            return [item for row in self.tables[service, parent] for item in row[name]]
        return self.tables[service, entity]

    # --- What becomes of it ---

    def _goods_issue(self, header: Row, sign: int) -> None:
        name = header["DeliveryDocument"]
        if header["OverallGoodsMovementStatus"] == "C":
            raise Failed(400, ("VL/602", f"Goods movement of {name} is posted already"))
        items = header["to_DeliveryDocumentItem"]
        if any(item.get("picked") != item["ActualDeliveryQuantity"] for item in items):
            raise Failed(400, ("VL/609", f"Delivery {name} has not been picked completely"))
        for item in items:
            if item.get("IsNotGoodsMovementsRelevant"):
                continue
            place = (item["Material"], item["Plant"], item["StorageLocation"], item["Batch"])
            self._move(place, sign * Decimal(item["ActualDeliveryQuantity"]))
        header.update(OverallGoodsMovementStatus="C", etag=self._etag())
        mark = header["BillOfLading"] or header["DeliveryDocumentBySupplier"]
        self.effects[mark] += 1

    def _move(self, place: Place, quantity: Decimal) -> None:
        if self.stock[place] + quantity < 0:
            raise unposted("M7/021", f"Deficit of SL Unrestricted-use {-quantity} EA : {place[0]}")
        self.stock[place] += quantity

    def _post(self, body: Row) -> Row:
        known = {row["Product"] for row in self.tables[PRODUCTS, "A_Product"]}
        before = dict(self.stock)
        try:
            for item in body["to_MaterialDocumentItem"]:
                if item["Material"] not in known:
                    text = f"The material {item['Material']} does not exist or is not activated"
                    raise unposted("M3/305", text)
                self._item(item, body["GoodsMovementCode"])
        except Failed:
            self.stock = defaultdict(Decimal, before)
            raise
        return self._document(body, body["to_MaterialDocumentItem"])

    def _document(self, head: Row, items: list[Row]) -> Row:
        number, year = f"49{next(self._numbers):08d}", head["PostingDate"][:4]
        rows = [
            {
                "MaterialDocument": number,
                "MaterialDocumentYear": year,
                "MaterialDocumentItem": str(place),
                "GoodsMovementIsCancelled": False,
                "ReversedMaterialDocument": "",
                "ReversedMaterialDocumentYear": "",
                **{name: value for name, value in item.items() if not isinstance(value, list)},
            }
            for place, item in enumerate(items, start=1)
        ]
        made = {
            "MaterialDocument": number,
            "MaterialDocumentYear": year,
            "MaterialDocumentHeaderText": head.get("MaterialDocumentHeaderText", ""),
            "ReferenceDocument": head.get("ReferenceDocument", "").upper(),
            "CreationDate": now(),
            "to_MaterialDocumentItem": rows,
        }
        self.tables[MATERIAL, "A_MaterialDocumentHeader"].append(made)
        slip = head.get("ReferenceDocument", "")
        self.effects[f"{made['MaterialDocumentHeaderText']} {slip}".strip()] += 1
        return made

    def _item(self, item: Row, code: str) -> None:
        kind, quantity = item["GoodsMovementType"], Decimal(item["QuantityInEntryUnit"])
        if quantity <= 0:
            raise unposted("M7/064", "Enter a quantity")
        place = (item["Material"], item["Plant"], item["StorageLocation"], item.get("Batch", ""))
        if "PurchaseOrder" in item:
            self._received(item, quantity, code)
        if kind in ACROSS:
            self._move(place, -quantity)
            goal = (item["IssuingOrReceivingPlant"], item["IssuingOrReceivingStorageLoc"])
            same_plant = goal[0] == item["Plant"]
            if code != "04" or same_plant != (kind == "311"):
                raise unposted("M7/098", f"Movement type {kind} is not possible here")
            self._move((place[0], *goal, place[3]), quantity)
        elif kind in MORE or kind in LESS:
            self._move(place, quantity if kind in MORE else -quantity)
        else:
            raise unposted("M7/098", f"Movement type {kind} is not possible here")

    def _received(self, item: Row, quantity: Decimal, code: str) -> None:
        if code != "01" or item.get("GoodsMovementRefDocType") != "B":
            raise unposted("MM_IM_ODATA_API_MDOC/012", "PurchaseOrder is not supported here")
        number, name = item["PurchaseOrder"], item.get("PurchaseOrderItem")
        rows = [
            row
            for row in self._rows(ORDERS, "A_PurchaseOrderItem")
            if (row["PurchaseOrder"], row["PurchaseOrderItem"]) == (number, name)
        ]
        if not rows:
            raise unposted("06/019", f"Document {number} does not exist")
        [row] = rows
        if (row["Material"], row["Plant"]) != (item["Material"], item["Plant"]):
            raise unposted("M7/360", "Material does not match the purchase order item")
        row["came"] = row.get("came", Decimal(0)) + quantity
        if row["came"] > Decimal(row["OrderQuantity"]):
            row["came"] -= quantity
            raise unposted("M7/022", f"PU Ordered quantity exceeded by {quantity} EA")

    def _cancel(self, said: dict[str, str]) -> Row:
        [document] = [
            row
            for row in self.tables[MATERIAL, "A_MaterialDocumentHeader"]
            if row["MaterialDocument"] == said["MaterialDocument"]
        ]
        items = document["to_MaterialDocumentItem"]
        if all(item["GoodsMovementIsCancelled"] for item in items):
            raise unposted("M7/063", "The document is cancelled already")
        for item in items:
            place = (
                item["Material"],
                item["Plant"],
                item["StorageLocation"],
                item.get("Batch", ""),
            )
            kind, quantity = item["GoodsMovementType"], Decimal(item["QuantityInEntryUnit"])
            self._move(place, -quantity if kind in MORE else quantity)
            if kind in ACROSS:
                goal = (item["IssuingOrReceivingPlant"], item["IssuingOrReceivingStorageLoc"])
                self._move((place[0], *goal, place[3]), -quantity)
            item["GoodsMovementIsCancelled"] = True
        day = said["PostingDate"].removeprefix("datetime'")
        # SAP may take over the header text; whoever looks for it must tell the two apart
        head = {**document, "PostingDate": day, "ReferenceDocument": "cancelled"}
        back = {
            "ReversedMaterialDocument": document["MaterialDocument"],
            "ReversedMaterialDocumentYear": document["MaterialDocumentYear"],
        }
        return self._document(head, [{"GoodsMovementType": "102", **back} for _ in items])

    def _sheet(self, body: Row) -> Row:
        number, year = f"1{next(self._numbers):08d}", body["DocumentDate"][:4]
        items = [
            {
                "FiscalYear": year,
                "PhysicalInventoryDocument": number,
                "PhysicalInventoryDocumentItem": str(place),
                "Batch": "",
                "PhysicalInventoryItemIsCounted": False,
                "PhysInvtryDifferenceIsPosted": False,
                "etag": self._etag(),
                **item,
            }
            for place, item in enumerate(body["to_PhysicalInventoryDocumentItem"], start=1)
        ]
        made = {
            "FiscalYear": year,
            "PhysicalInventoryDocument": number,
            "PhysicalInventoryDocumentDesc": body["PhysicalInventoryDocumentDesc"],
            "PhysInvtryDeletionStatus": "",
            "DocumentDate": now(),
            "to_PhysicalInventoryDocumentItem": items,
            "etag": self._etag(),
        }
        self.tables[COUNTS, "A_PhysInventoryDocHeader"].append(made)
        return made

    def _differences(self, sheet: Row) -> Row:
        items = sheet["to_PhysicalInventoryDocumentItem"]
        if not all(item["PhysicalInventoryItemIsCounted"] for item in items):
            raise Failed(400, ("M7/710", "No items to be posted were found"))
        if all(item["PhysInvtryDifferenceIsPosted"] for item in items):
            raise Failed(400, ("M7/710", "No items to be posted were found"))
        for item in items:
            place = (item["Material"], item["Plant"], item["StorageLocation"], item["Batch"])
            self.stock[place] += Decimal(item["QuantityInUnitOfEntry"]) - Decimal(item["books"])
            item.update(PhysInvtryDifferenceIsPosted=True, etag=self._etag())
        sheet["etag"] = self._etag()
        self.effects[sheet["PhysicalInventoryDocumentDesc"]] += 1
        return {}


def now() -> datetime:
    return datetime.now(UTC)


def _stock_row(place: Place, value: Decimal) -> Row:
    material, plant, storage, batch = place
    return {
        "Material": material,
        "Plant": plant,
        "StorageLocation": storage,
        "Batch": batch,
        "InventorySpecialStockType": "",
        "InventoryStockType": "01",
        "MaterialBaseUnit": "EA",
        "MatlWrhsStkQtyInMatlBaseUnit": str(value),
    }
