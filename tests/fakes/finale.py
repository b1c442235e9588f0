"""A Finale account: products, sublocations, orders with shipments, inventory variances.

Written from Finale's developer pages: collections come by columns and take a filter of ranges in
base64; a resource is changed by POST to its own address; an action address is there only while the
action is possible. Only what the pages and public examples show is taken; anything else is a
problem, as it would be a guess.
"""

import itertools
import json
from base64 import b64decode, b64encode
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from tests.fakes.vendor import Faults, Vendor

Resource = dict[str, Any]

VARIANCE = {
    *("physicalInventoryTypeId", "statusId", "facilityUrl", "generalComments"),
    *("physicalInventoryDate", "inventoryItemVarianceList"),
}
VARIANCE_ROW = {
    *("productUrl", "facilityUrl", "lotId", "varianceReasonId"),
    *("quantityOnHandVar", "quantityOnHandCount"),
}
SHIPMENT = {
    *("shipmentTypeId", "primaryOrderUrl", "shipmentItemList"),
    *("userFieldDataList", "trackingCode"),
}
SHIPMENT_ROW = {"productUrl", "facilityUrl", "quantity", "lotId"}
"""Fields the pages show in what is posted."""
NOW = "2026-11-23T08:00:00"


class Account(Vendor):
    """One account, `bolts`."""

    def __init__(self, faults: Faults | None = None, key: str = "", secret: str = "") -> None:
        super().__init__(faults)
        self._key = b64encode(f"{key}:{secret}".encode()).decode()
        self._ids = itertools.count(100_001)
        self.products: dict[str, Resource] = {}
        self.facilities: dict[str, Resource] = {}
        self.orders: dict[str, Resource] = {}
        self.shipments: dict[str, Resource] = {}
        self.variances: dict[str, Resource] = {}
        self.stock: Counter[str] = Counter()
        """Pieces by `product at place`, with the lot behind a slash."""
        self.moved: Counter[str] = Counter()
        """Pieces by `product of order`."""
        self.effects: Counter[str] = Counter()
        self.collections = 0
        """Requests to whole collections, of which Finale grants some hundred an hour."""
        self.blocked = False
        """Whether shipments lose their action addresses."""

    # --- What there is ---

    def sell(self, sku: str, own: str | None = None) -> str:
        """Add a product, with an address made of another id where `own` says so."""
        address = f"/bolts/api/product/{own or sku}"
        self.products[address] = {"productId": sku, "productUrl": address}
        return address

    def shelve(self, *names: str) -> None:
        for name in names:
            address = f"/bolts/api/facility/{next(self._ids)}"
            self.facilities[address] = {"facilityUrl": address, "facilityName": name}

    def order(self, name: str, kind: str, **pieces: int) -> Resource:
        address = f"/bolts/api/order/{name}"
        rows = [
            {"productUrl": f"/bolts/api/product/{sku}", "quantity": quantity}
            for sku, quantity in pieces.items()
        ]
        self.orders[address] = {
            "orderId": name,
            "orderUrl": address,
            "orderTypeId": kind,
            "statusId": "ORDER_LOCKED",
            "orderItemList": rows,
            "shipmentUrlList": [],
        }
        return self.orders[address]

    # --- The wire ---

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/bolts/api/{collection}/", self.listed),
            web.get("/bolts/api/{collection}/{id}", self.one),
            web.post("/bolts/api/inventoryvariance/", self.vary),
            web.post("/bolts/api/shipment/", self.ship),
            web.post("/bolts/api/shipment/{id}/{action}", self.act),
        ]

    def may_come_twice(self, body: bytes) -> bool:
        return False  # there is no key that would tell

    def expired(self) -> web.Response:
        return web.json_response({"msg": "not authorized"}, status=401)

    def _known(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Basic {self._key}"

    async def listed(self, request: web.Request) -> web.StreamResponse:
        if not self._known(request):
            return self.expired()
        self.collections += 1
        there: dict[str, dict[str, Resource]] = {
            "product": self.products,
            "facility": self.facilities,
            "inventoryvariance": self.variances,
        }
        rows = list(there[request.match_info["collection"]].values())
        for field, (low, high) in json.loads(
            b64decode(request.query.get("filter", "e30="))
        ).items():
            if field == "lastUpdatedDate":
                span = datetime.fromisoformat(high) - datetime.fromisoformat(low)
                if span > timedelta(days=30):
                    return web.json_response({"msg": "more than 30 days"}, status=400)
            rows = [row for row in rows if low <= str(row.get(field)) <= high]
        fields = {field for row in rows for field in row}
        return web.json_response({field: [row.get(field) for row in rows] for field in fields})

    async def one(self, request: web.Request) -> web.StreamResponse:
        if not self._known(request):
            return self.expired()
        for there in (self.products, self.orders, self.shipments):
            if request.path in there:
                return web.json_response(self._shown(there[request.path]))
        return web.json_response({"msg": "not found"}, status=404)

    def _shown(self, resource: Resource) -> Resource:
        address = resource.get("shipmentUrl")
        if address is None:
            return resource
        ended = resource["receiveDate"] or resource["shipDate"] or resource["cancelDate"]
        action, verb = (
            ("actionUrlReceive", "receive")
            if resource["shipmentTypeId"] == "PURCHASE_SHIPMENT"
            else ("actionUrlShip", "ship")
        )
        return {**resource, action: None if ended or self.blocked else f"{address}/{verb}"}

    def _wrong(self, said: Resource, fields: set[str], rows: str, of_row: set[str]) -> str | None:
        strange = {*said} - fields
        for row in said.get(rows, []):
            strange |= {*row} - of_row
            quantities = [value for name, value in row.items() if name.startswith("quantity")]
            if [type(value) for value in quantities] != [int]:
                strange.add(f"quantity {quantities}")
            if row["productUrl"] not in self.products or row["facilityUrl"] not in self.facilities:
                strange.add("an unknown address")
        if strange:
            self.problems.append(f"Finale's pages do not show {sorted(strange)}")
            return f"unknown: {sorted(strange)}"
        return None

    # --- What changes ---

    async def vary(self, request: web.Request) -> web.StreamResponse:
        if not self._known(request):
            return self.expired()
        said = await request.json()
        rows = "inventoryItemVarianceList"
        wrong = self._wrong(said, VARIANCE, rows, VARIANCE_ROW)
        if wrong or any(row["facilityUrl"] != said["facilityUrl"] for row in said[rows]):
            return web.json_response({"msg": wrong or "another facility"}, status=400)
        number = str(next(self._ids))
        made = {"physicalInventoryId": number, "lastUpdatedDate": NOW, **said}
        self.variances[f"/bolts/api/inventoryvariance/{number}"] = made
        for row in said[rows]:
            name = self._name(row)
            if said["physicalInventoryTypeId"] == "FACILITY_COUNT":
                self.stock[name] = row["quantityOnHandCount"]
            else:
                self.stock[name] += row["quantityOnHandVar"]
        self.effects[said["generalComments"]] += 1
        return web.json_response(made)

    def _name(self, row: Resource) -> str:
        sku = self.products[row["productUrl"]]["productId"]
        lot = f"/{row['lotId']}" if "lotId" in row else ""
        return f"{sku}{lot} at {self.facilities[row['facilityUrl']]['facilityName']}"

    async def ship(self, request: web.Request) -> web.StreamResponse:
        if not self._known(request):
            return self.expired()
        said = await request.json()
        wrong = self._wrong(said, SHIPMENT, "shipmentItemList", SHIPMENT_ROW)
        if wrong or said["primaryOrderUrl"] not in self.orders:
            return web.json_response({"msg": wrong or "no such order"}, status=400)
        order = self.orders[said["primaryOrderUrl"]]
        number = str(next(self._ids))
        address = f"/bolts/api/shipment/{number}"
        self.shipments[address] = {
            "shipmentId": number,
            "shipmentIdUser": f"{order['orderId']}-{len(order['shipmentUrlList']) + 1}",
            "shipmentUrl": address,
            **dict.fromkeys(("receiveDate", "shipDate", "cancelDate")),
            **said,
        }
        order["shipmentUrlList"].append(address)
        return web.json_response(self._shown(self.shipments[address]))

    async def act(self, request: web.Request) -> web.StreamResponse:
        if not self._known(request):
            return self.expired()
        shipment = self.shipments[f"/bolts/api/shipment/{request.match_info['id']}"]
        action = request.match_info["action"]
        date = {"receive": "receiveDate", "ship": "shipDate"}[action]
        said = await request.json()
        if {*said} != {date} or request.path not in self._shown(shipment).values():
            self.problems.append(f"{action} is not possible, or was told {said}")
            return web.json_response({"msg": "not possible"}, status=400)
        shipment[date] = said[date]
        sign = 1 if action == "receive" else -1
        order = self.orders[shipment["primaryOrderUrl"]]["orderId"]
        for row in shipment["shipmentItemList"]:
            self.stock[self._name(row)] += sign * row["quantity"]
            sku = self.products[row["productUrl"]]["productId"]
            self.moved[f"{sku} of {order}"] += row["quantity"]
        [field] = shipment["userFieldDataList"]
        self.effects[field["attrValue"]] += 1
        return web.json_response(self._shown(shipment))

    def totals(self) -> dict[str, int]:
        return (
            {name: pieces for name, pieces in (self.stock + Counter()).items() if pieces}
            | {name: pieces for name, pieces in self.stock.items() if pieces < 0}
            | dict(self.moved)
        )
