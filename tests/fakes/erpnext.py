"""An ERPNext site: Frappe's resources, drafts that are submitted and cancelled, stock, batches.

Written from Frappe's page on its REST API, `frappe/api/v1.py` and ERPNext's document types as
published. Not the product: what this and the connector both misunderstand, it cannot show.
"""

import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from aiohttp import web

from tests.fakes.vendor import Faults, Vendor

Row = dict[str, Any]
ID, MARK = "custom_scanpost_id", "custom_scanpost_mark"
_HEAD = {"company", "remarks", ID, MARK}
_STOCK = {"item_code", "qty", "uom", "use_serial_batch_fields", "batch_no", "serial_no"}
_SOLD = {*_STOCK, "rate", "warehouse"}
FIELDS: Mapping[str, tuple[set[str], set[str]]] = {
    "Stock Entry": (
        {*_HEAD, "stock_entry_type"},
        {*_STOCK, "s_warehouse", "t_warehouse", "allow_zero_valuation_rate", "is_finished_item"},
    ),
    "Purchase Receipt": (
        {*_HEAD, "supplier", "currency", "conversion_rate"},
        {*_SOLD, "purchase_order", "purchase_order_item"},
    ),
    "Delivery Note": (
        {*_HEAD, "customer", "currency", "conversion_rate", "is_return", "return_against"},
        {*_SOLD, "against_sales_order", "so_detail", "dn_detail"},
    ),
    "Stock Reconciliation": (
        {*_HEAD, "purpose"},
        {"item_code", "warehouse", "qty", "allow_zero_valuation_rate"},
    ),
}
"""Fields of the head and of a row. Frappe passes over what it does not know; this one complains."""
_ORDERS = {
    "Purchase Receipt": ("Purchase Order", "purchase_order_item", "received_qty"),
    "Delivery Note": ("Sales Order", "so_detail", "delivered_qty"),
}


class _Thrown(Exception):
    def __init__(self, kind: str, words: str, status: int = 417) -> None:
        super().__init__(words)
        self.kind = kind
        self.words = words
        self.status = status


class Site(Vendor):
    """One site. Items, warehouses and orders are made by the methods up to `order`."""

    def __init__(self, faults: Faults | None = None, key: str = "", *, unique: bool = True) -> None:
        super().__init__(faults)
        self._key = key
        self.unique = unique
        """Whether the custom field for the id is."""
        self.documents: dict[str, dict[str, Row]] = defaultdict(dict)
        self.stock: Counter[tuple[str, str]] = Counter()
        self.effects: Counter[str] = Counter()
        """How often each id moved stock; what was cancelled moved it back."""
        self._numbers = itertools.count(1)

    # --- What the site has ---

    def item(self, code: str, unit: str = "Nos", *barcodes: str, **more: Any) -> None:
        self.documents["Item"][code] = {
            "name": code,
            "item_name": code.title(),
            "stock_uom": unit,
            "disabled": 0,
            "is_stock_item": 1,
            "has_batch_no": 0,
            "has_serial_no": 0,
            "barcodes": list(barcodes),
            "cost": 2,
            **more,
        }

    def warehouse(self, name: str, company: str) -> None:
        head = {"name": name, "company": company, "is_group": 0, "disabled": 0}
        self.documents["Warehouse"][name] = head

    def order(self, kind: str, name: str, company: str, *rows: tuple[str, int, str]) -> None:
        buys = kind == "Purchase Order"
        partner = {"supplier": "ACME"} if buys else {"customer": "SHOP"}
        done = "received_qty" if buys else "delivered_qty"
        items = [
            {"name": f"{name}-{number}", "item_code": code, "qty": float(quantity), "rate": 3.5,
             "uom": self.documents["Item"][code]["stock_uom"], "warehouse": place, done: 0.0}
            for number, (code, quantity, place) in enumerate(rows)
        ]  # fmt: skip
        self.documents[kind][name] = {
            "name": name,
            "company": company,
            "docstatus": 1,
            "status": "To Receive",
            "currency": "EUR",
            "conversion_rate": 1.0,
            "items": items,
            **partner,
        }

    # --- The wire ---

    def routes(self) -> list[web.RouteDef]:
        one, many = "/api/resource/{kind}/{name}", "/api/resource/{kind}"
        return [
            web.get(many, self._guarded(self.list_)),
            web.post(many, self._guarded(self.insert)),
            web.get(one, self._guarded(self.read)),
            web.put(one, self._guarded(self.update)),
            web.delete(one, self._guarded(self.delete)),
        ]

    def expired(self) -> web.Response:
        return web.json_response({"exc_type": "AuthenticationError"}, status=401)

    def _guarded(self, handler: Any) -> Any:
        async def guarded(request: web.Request) -> web.Response:
            try:
                if request.headers.get("Authorization") != f"token {self._key}":
                    raise _Thrown("AuthenticationError", "Invalid token", 401)
                return web.json_response({"data": await handler(request)})
            except _Thrown as thrown:
                words = json.dumps({"message": f"<b>{thrown.words}</b>"})
                page = {
                    "exc_type": thrown.kind,
                    "exception": f"frappe.exceptions.{thrown.kind}: {thrown.words}",
                    "_server_messages": json.dumps([words]),
                }
                return web.json_response(page, status=thrown.status)

        return guarded

    def _one(self, request: web.Request) -> Row:
        kind, name = request.match_info["kind"], request.match_info["name"]
        if name not in self.documents[kind]:
            raise _Thrown("DoesNotExistError", f"{kind} {name} not found", 404)
        return self.documents[kind][name]

    async def read(self, request: web.Request) -> Row:
        return self._one(request)

    async def list_(self, request: web.Request) -> list[Row]:
        kind, asked = request.match_info["kind"], request.query
        rows = list(self.documents[kind].values())
        if kind == "Bin":
            rows = [
                {"item_code": item, "warehouse": place, "actual_qty": float(quantity)}
                for (item, place), quantity in self.stock.items()
            ]
        for each in json.loads(asked["filters"]):
            rows = [row for row in rows if _fits(row, *each[-3:])]
        fields = json.loads(asked["fields"])
        start, length = int(asked["limit_start"]), int(asked["limit_page_length"])
        return [{name: row.get(name) for name in fields} for row in rows[start : start + length]]

    async def insert(self, request: web.Request) -> Row:
        kind, said = request.match_info["kind"], await request.json()
        if kind == "Batch":
            return self._batch(said)
        self._known_fields(kind, said)
        self._unique(kind, said)
        self._links(said)
        name = f"{kind[:3].upper()}-{next(self._numbers):05}"
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        rows = [{**row, "name": f"{name}-{n}"} for n, row in enumerate(said["items"])]
        made = {**said, "name": name, "docstatus": 0, "creation": now, "items": rows}
        self.documents[kind][name] = made
        return made

    def _batch(self, said: Row) -> Row:
        if said["batch_id"] in self.documents["Batch"]:
            raise _Thrown("DuplicateEntryError", f"Batch {said['batch_id']} already exists", 409)
        self.documents["Batch"][said["batch_id"]] = {**said, "name": said["batch_id"]}
        return self.documents["Batch"][said["batch_id"]]

    async def update(self, request: web.Request) -> Row:
        kind, said, document = request.match_info["kind"], await request.json(), self._one(request)
        was, will = document["docstatus"], said.get("docstatus", document["docstatus"])
        if (was, will) not in {(0, 0), (0, 1), (1, 1), (1, 2)}:
            raise _Thrown("ValidationError", f"Cannot change docstatus from {was} to {will}")
        if was == will == 1:
            return document
        if "items" in said:
            self._known_fields(kind, said)
            self._links(said)
        changed = {**document, **said}
        if will == 1:
            self._post(kind, changed, 1)
        elif will == 2:
            self._post(kind, changed, -1)
        document.update(changed)  # all of it or, where something was thrown, nothing
        return document

    async def delete(self, request: web.Request) -> str:
        document = self._one(request)
        if document["docstatus"] == 1:
            raise _Thrown("ValidationError", "Submitted Record cannot be deleted")
        del self.documents[request.match_info["kind"]][document["name"]]
        return "ok"

    # --- What ERPNext looks at ---

    def _known_fields(self, kind: str, said: Row) -> None:
        head, row = FIELDS[kind]
        unknown = set(said) - head - {"items"}
        unknown |= {name for each in said["items"] for name in each} - row
        if unknown:
            self.problems.append(f"{kind} has no {sorted(unknown)}")
        if any(isinstance(each["qty"], str) for each in said["items"]):
            self.problems.append("a quantity is a number")

    def _unique(self, kind: str, said: Row) -> None:
        if self.unique and any(each.get(ID) == said[ID] for each in self.documents[kind].values()):
            raise _Thrown("UniqueValidationError", f"{ID} must be unique")

    def _links(self, said: Row) -> None:
        for number, row in enumerate(said["items"], start=1):
            for field, kind in (
                ("item_code", "Item"),
                ("warehouse", "Warehouse"),
                ("s_warehouse", "Warehouse"),
                ("t_warehouse", "Warehouse"),
                ("batch_no", "Batch"),
            ):
                if row.get(field) and row[field] not in self.documents[kind]:
                    words = f"Could not find Row #{number}: {kind}: {row[field]}"
                    raise _Thrown("LinkValidationError", words)

    # --- What moves stock ---

    def _post(self, kind: str, document: Row, sign: int) -> None:
        moves = list(self._moves(kind, document))
        if sign > 0:
            self._short(moves)
            self._over(kind, document)
            self._worth(kind, document)
        for item, place, quantity in moves:
            self.stock[item, place] += sign * quantity
        self._progress(kind, document, sign)
        self.effects[document[ID]] += sign

    def _moves(self, kind: str, document: Row) -> Any:
        for row in document["items"]:
            item, quantity = row["item_code"], Decimal(str(row["qty"]))
            match kind:
                case "Stock Entry":
                    if row.get("s_warehouse"):
                        yield item, row["s_warehouse"], -quantity
                    if row.get("t_warehouse"):
                        yield item, row["t_warehouse"], quantity
                case "Purchase Receipt":
                    yield item, row["warehouse"], quantity
                case "Delivery Note":
                    yield item, row["warehouse"], -quantity
                case _:
                    yield item, row["warehouse"], quantity - self.stock[item, row["warehouse"]]

    def _short(self, moves: list[tuple[str, str, Decimal]]) -> None:
        for item, place, quantity in moves:
            if quantity < 0 and self.stock[item, place] + quantity < 0:
                words = f"{-quantity} units of {item} needed in {place} to complete this"
                raise _Thrown("NegativeStockError", words)

    def _over(self, kind: str, document: Row) -> None:
        if kind not in _ORDERS:
            return
        order, field, done = _ORDERS[kind]
        for row in document["items"]:
            line = self._line(order, row.get(field))
            if line is not None and line[done] + row["qty"] > line["qty"]:
                words = f"This document is over limit by {line[done] + row['qty'] - line['qty']}"
                raise _Thrown("OverAllowanceError", words)

    def _worth(self, kind: str, document: Row) -> None:
        if document.get("stock_entry_type") != "Material Receipt":
            return
        for row in document["items"]:
            free = row.get("allow_zero_valuation_rate")
            if not self.documents["Item"][row["item_code"]]["cost"] and not free:
                words = f"Valuation Rate for the Item {row['item_code']}, is required"
                raise _Thrown("ValidationError", words)

    def _progress(self, kind: str, document: Row, sign: int) -> None:
        if kind in _ORDERS:
            order, field, done = _ORDERS[kind]
            for row in document["items"]:
                line = self._line(order, row.get(field))
                if line is not None:
                    line[done] += sign * row["qty"]

    def _line(self, kind: str, name: str | None) -> Row | None:
        for order in self.documents[kind].values():
            for line in order["items"]:
                if line["name"] == name:
                    found: Row = line
                    return found
        return None


def _fits(row: Row, field: str, how: str, value: Any) -> bool:
    match how:
        case "=":
            return bool(row.get(field) == value)
        case "!=":
            return bool(row.get(field) != value)
        case "in" if field == "barcode":
            return bool(set(row["barcodes"]) & set(value))
        case "in":
            return row.get(field) in value
        case "not in":
            return row.get(field) not in value
        case "is":
            return row.get(field) is not None
        case ">=":
            return bool(row[field] >= value)
    raise AssertionError(f"no such filter: {how}")
