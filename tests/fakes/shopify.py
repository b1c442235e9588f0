"""A Shopify shop: stock in states at locations, orders with fulfilment orders, keys, a bucket.

Written from Shopify's introspection and its pages on idempotent requests and rate limits: a key
remembers its first answer, other content under it is a mismatch, an attempt that failed stays
failed. Whatever arrives is held against Shopify's own schema where that can be had.
"""

import itertools
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from aiohttp import web
from graphql import FieldNode, GraphQLError, OperationDefinitionNode, parse, validate
from graphql.execution.values import get_variable_values

from tests.fakes.shopify_contract import schema
from tests.fakes.vendor import Faults, Vendor

STATES = {"available", "damaged", "quality_control", "reserved", "safety_stock"}
REASONS = {
    *("correction", "cycle_count_available", "damaged", "other", "promotion", "quality_control"),
    *("received", "restock", "safety_stock", "shrinkage"),
}
LOCATION = "gid://shopify/Location/"


class _UserError(Exception):
    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.message = message or code.lower().replace("_", " ")


class Shop(Vendor):
    """One shop. Items are made by `sell`, orders by `order`."""

    def __init__(
        self, faults: Faults | None = None, token: str = "", version: str = "2026-10"
    ) -> None:
        super().__init__(faults)
        self._token = token
        self._version = version
        self._schema = schema(version)
        self.variants: list[dict[str, Any]] = []
        self.stock: Counter[tuple[str, str, str]] = Counter()
        """Pieces by item, state and location."""
        self.locations = {f"{LOCATION}{n}" for n in (1, 2, 3)}
        self.orders: list[dict[str, Any]] = []
        self.effects: Counter[str] = Counter()
        """How often each reference, or tracking number, had an effect."""
        self.shipped: Counter[tuple[str, str]] = Counter()
        """Pieces by order name and item."""
        self._answers: dict[str, tuple[str, dict[str, Any]]] = {}
        self._failed: set[str] = set()
        self._ids = itertools.count(1000)
        self.declines: list[str] = []
        """Codes of `userErrors` for the next mutations with a key, before they do anything."""
        self.errors: list[dict[str, Any]] = []
        """Errors of the whole request for the next requests."""

    # --- What the shop has ---

    def sell(self, sku: str | None, barcode: str | None = None) -> str:
        item = f"gid://shopify/InventoryItem/{next(self._ids)}"
        self.variants.append({"sku": sku, "barcode": barcode, "inventoryItem": {"id": item}})
        return item

    def item(self, sku: str) -> str:
        return str(next(v["inventoryItem"]["id"] for v in self.variants if v["sku"] == sku))

    def order(self, name: str, location: str, **pieces: int) -> dict[str, Any]:
        lines = [
            {
                "id": f"gid://shopify/FulfillmentOrderLineItem/{next(self._ids)}",
                "remainingQuantity": quantity,
                "inventoryItemId": self.item(sku),
            }
            for sku, quantity in pieces.items()
        ]
        made = {
            "name": name,
            "fulfillments": [],
            "fulfillmentOrders": {
                "pageInfo": {"hasNextPage": False},
                "nodes": [
                    {
                        "id": f"gid://shopify/FulfillmentOrder/{next(self._ids)}",
                        "status": "OPEN",
                        "assignedLocation": {"location": {"id": location}},
                        "lineItems": {"pageInfo": {"hasNextPage": False}, "nodes": lines},
                    }
                ],
            },
        }
        self.orders.append(made)
        return made

    # --- The wire ---

    def routes(self) -> list[web.RouteDef]:
        return [web.post(f"/admin/api/{self._version}/graphql.json", self.graphql)]

    def writes(self, request: web.Request, body: bytes) -> bool:
        return b'"mutation ' in body

    def may_come_twice(self, body: bytes) -> bool:
        return b"@idempotent" in body

    def expired(self) -> web.Response:
        return web.json_response({"errors": "[API] Invalid API key or access token"}, status=401)

    def refused_with_200(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}],
                "extensions": {
                    "cost": {
                        "requestedQueryCost": 102,
                        "actualQueryCost": None,
                        "throttleStatus": {
                            "maximumAvailable": 2000.0,
                            "currentlyAvailable": 2,
                            "restoreRate": 2000.0,
                        },
                    }
                },
            }
        )

    async def graphql(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("X-Shopify-Access-Token") != self._token:
            return self.expired()
        if self.errors:
            return web.json_response({"errors": [self.errors.pop(0)]})
        asked = await request.json()
        try:
            field, key = self._operation(asked)
        except (GraphQLError, _UserError) as error:
            self.problems.append(str(error))
            return web.json_response({"errors": [{"message": str(error)}]})
        alias = field.alias.value if field.alias else field.name.value
        values = asked["variables"]
        data: dict[str, Any]
        match field.name.value:
            case "productVariants":
                data = {alias: {"nodes": self._search(self.variants, values["query"])}}
            case "orders":
                data = {alias: {"nodes": self._named(values["query"])}}
            case "shop":
                there = values["location"] in self.locations
                data = {
                    "shop": {"name": "Bolts", "myshopifyDomain": "bolts.example"},
                    "location": {"name": "House", "isActive": True} if there else None,
                }
            case "fulfillmentCreate":
                data = {alias: self._done(self._fulfil, values["fulfillment"])}
            case name:
                data = {alias: self._once(key, name, values["input"])}
        return web.json_response({"data": data})

    def _operation(self, asked: dict[str, Any]) -> tuple[FieldNode, str]:
        """Return the one root field and its key, after Shopify's schema has had its say."""
        document = parse(asked["query"])
        [operation] = document.definitions
        assert isinstance(operation, OperationDefinitionNode)
        if self._schema is not None:
            if wrong := validate(self._schema, document):
                raise wrong[0]
            variables = operation.variable_definitions or ()
            got = get_variable_values(self._schema, variables, asked["variables"])
            if isinstance(got, list):
                raise got[0]
        field = operation.selection_set.selections[0]
        assert isinstance(field, FieldNode)
        key = ""
        for directive in field.directives or ():
            if directive.name.value == "idempotent":
                key = str(asked["variables"]["key"])
        if field.name.value.startswith("inventory") and not key.strip():
            raise _UserError("", "The @idempotent directive is required for this mutation")
        return field, key

    def _search(self, rows: list[dict[str, Any]], query: str) -> list[dict[str, Any]]:
        """Find as Shopify does, only roughly: whoever asks must look again."""
        found = []
        for term in query.split(" OR "):
            name, _, quoted = term.partition(":")
            value = json.loads(quoted).lower()
            found += [row for row in rows if value in str(row[name] or "").lower()]
        return found[:20]

    def _named(self, query: str) -> list[dict[str, Any]]:
        return self._search(self.orders, query)[:3]

    # --- What changes ---

    def _once(self, key: str, name: str, values: dict[str, Any]) -> dict[str, Any]:
        content = json.dumps([name, values], sort_keys=True)
        if key in self._answers:
            known, answer = self._answers[key]
            if known != content:
                return _declined("IDEMPOTENCY_KEY_PARAMETER_MISMATCH")
            return (
                answer
                if key not in self._failed
                else _declined("IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED")
            )
        work = {
            "inventoryAdjustQuantities": self._adjust,
            "inventoryMoveQuantities": self._move,
            "inventorySetQuantities": self._set,
        }[name]
        answer = self._done(work, values)
        codes = {error["code"] for error in answer["userErrors"]}
        if "IDEMPOTENCY_CONCURRENT_REQUEST" not in codes:
            self._answers[key] = (content, answer)
            if answer["userErrors"]:
                self._failed.add(key)
        return answer

    def _done(
        self, work: Callable[[dict[str, Any]], str], values: dict[str, Any]
    ) -> dict[str, Any]:
        try:
            if self.declines:
                raise _UserError(self.declines.pop(0))
            made = work(values)
        except _UserError as error:
            return _declined(error.code, error.message)
        return {"made": {"id": made}, "userErrors": []}

    def _group(self, values: dict[str, Any]) -> str:
        if values["reason"] not in REASONS:
            raise _UserError("INVALID_REASON")
        self.effects[values["referenceDocumentUri"]] += 1
        return f"gid://shopify/InventoryAdjustmentGroup/{next(self._ids)}"

    def _place(self, item: str, location: str) -> None:
        if location not in self.locations:
            raise _UserError("INVALID_LOCATION")
        if item not in {each["inventoryItem"]["id"] for each in self.variants}:
            raise _UserError("INVALID_INVENTORY_ITEM")

    def _state(self, name: str, ledger: str | None) -> None:
        if name not in STATES:
            raise _UserError("INVALID_QUANTITY_NAME")
        if name == "available" and ledger is not None:
            raise _UserError("INVALID_AVAILABLE_DOCUMENT")
        if name != "available" and ledger is None:
            raise _UserError("INVALID_QUANTITY_DOCUMENT")

    def _adjust(self, values: dict[str, Any]) -> str:
        for each in values["changes"]:
            self._place(each["inventoryItemId"], each["locationId"])
            self._state(values["name"], each.get("ledgerDocumentUri"))
        made = self._group(values)
        for each in values["changes"]:
            key = (each["inventoryItemId"], values["name"], each["locationId"])
            self.stock[key] += each["delta"]
        return made

    def _move(self, values: dict[str, Any]) -> str:
        for each in values["changes"]:
            if each["from"]["locationId"] != each["to"]["locationId"]:
                raise _UserError("DIFFERENT_LOCATIONS")
            for end in (each["from"], each["to"]):
                self._place(each["inventoryItemId"], end["locationId"])
                self._state(end["name"], end.get("ledgerDocumentUri"))
        made = self._group(values)
        for each in values["changes"]:
            for end, sign in ((each["from"], -1), (each["to"], 1)):
                key = (each["inventoryItemId"], end["name"], end["locationId"])
                self.stock[key] += sign * each["quantity"]
        return made

    def _set(self, values: dict[str, Any]) -> str:
        seen = set()
        for each in values["quantities"]:
            self._place(each["inventoryItemId"], each["locationId"])
            if (place := (each["inventoryItemId"], each["locationId"])) in seen:
                raise _UserError("NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR")
            seen.add(place)
        made = self._group(values)
        for each in values["quantities"]:
            item, location = each["inventoryItemId"], each["locationId"]
            others = sum(
                pieces
                for (its, state, at), pieces in self.stock.items()
                if (its, at) == (item, location) and state != "available"
            )
            self.stock[item, "available", location] = each["quantity"] - others
        return made

    def _fulfil(self, values: dict[str, Any]) -> str:
        taken: list[tuple[dict[str, Any], dict[str, Any], int]] = []
        for part in values["lineItemsByFulfillmentOrder"]:
            order, node = next(
                (order, node)
                for order in self.orders
                for node in order["fulfillmentOrders"]["nodes"]
                if node["id"] == part["fulfillmentOrderId"]
            )
            wanted = {
                each["id"]: each["quantity"] for each in part.get("fulfillmentOrderLineItems") or []
            }
            for line in node["lineItems"]["nodes"]:
                pieces = wanted.get(line["id"], 0) if wanted else line["remainingQuantity"]
                if pieces > line["remainingQuantity"]:
                    raise _UserError("", "Invalid fulfillment order line item quantity requested.")
                taken.append((order, line, pieces))
        if not any(pieces for _, _, pieces in taken):
            raise _UserError("", "nothing to fulfil")
        made = f"gid://shopify/Fulfillment/{next(self._ids)}"
        numbers = values["trackingInfo"]["numbers"]
        for order, line, pieces in taken:
            line["remainingQuantity"] -= pieces
            self.shipped[order["name"], line["inventoryItemId"]] += pieces
        info = [{"number": number} for number in numbers]
        taken[0][0]["fulfillments"].append({"id": made, "status": "SUCCESS", "trackingInfo": info})
        self.effects[numbers[0]] += 1
        return made


def _declined(code: str, message: str = "") -> dict[str, Any]:
    words = message or code.lower().replace("_", " ")
    return {"made": None, "userErrors": [{"code": code or None, "field": None, "message": words}]}
