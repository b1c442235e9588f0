"""A QuickBooks Online company: orders, estimates, invoices, receipts, items whose stock it keeps.

Written from Intuit's XML schema and its pages on queries, errors, throttling and `requestid`: the
first answer is given again to what comes twice. Whatever arrives is held against Intuit's own
contract, and so is what is answered.
"""

import itertools
import json
import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from aiohttp import web

from tests.fakes.authorization import Authorization
from tests.fakes.quickbooks_contract import wrong_value
from tests.fakes.vendor import Faults, Vendor

COMPANY = "9130347957983546"
SHRINKAGE = "81"
MADE = ("Bill", "Invoice", "CreditMemo", "RefundReceipt", "InventoryAdjustment")
DETAILS = {
    "PurchaseOrder": "ItemBasedExpenseLineDetail",
    "Bill": "ItemBasedExpenseLineDetail",
    "InventoryAdjustment": "ItemAdjustmentLineDetail",
}
SIGNS = {"Bill": 1, "Invoice": -1, "CreditMemo": 1, "RefundReceipt": 1, "InventoryAdjustment": 1}
_QUERY = re.compile(
    r"select \* from (\w+)(?: where (.+?))? startposition ([1-9][0-9]*) maxresults ([1-9][0-9]*)"
)
_STRING = r"'((?:[^'\\]|\\.)*)'"
_TERM = re.compile(rf"([\w.]+) (?:(=|>=) {_STRING}|in \(((?:{_STRING}(?:, )?)+)\))(?: and |$)")
_ID = re.compile(r"scanpost ([0-9a-f-]{36})")


class _Fault(Exception):
    def __init__(self, code: str, message: str, detail: str = "") -> None:
        super().__init__(code)
        self.code, self.message, self.detail = code, message, detail


class Books(Vendor):
    """One company of one app."""

    def __init__(self, faults: Faults | None = None, server: Authorization | None = None) -> None:
        super().__init__(faults)
        self.server = server or Authorization()
        self.closed_until: date | None = None
        self.complaints: list[tuple[str, str]] = []
        """Codes and words of faults for the next documents, before they do anything."""
        self.effects: Counter[str] = Counter()
        self.tables: dict[str, list[dict[str, Any]]] = {
            name: [] for name in (*MADE, "Item", "PurchaseOrder", "Estimate", "SalesReceipt")
        }
        self.tables["CompanyInfo"] = [{"CompanyName": "Bolts Inc", "Country": "US"}]
        self._answers: dict[str, dict[str, Any]] = {}
        self._judged: set[str | None] = set()
        self._numbers = itertools.count(1)

    # --- What the company has ---

    def item(self, sku: str, hand: int = 0, *, tracked: bool = True) -> dict[str, Any]:
        made = {**self._born(), "Name": f"A {sku}", "Sku": sku, "TrackQtyOnHand": tracked}
        made["Type"] = "Inventory" if tracked else "NonInventory"
        if tracked:
            made["QtyOnHand"] = Decimal(hand)
        self.tables["Item"].append(made)
        return made

    def has(
        self, table: str, number: str, goods: Mapping[str, tuple[str, str]], **more: Any
    ) -> dict[str, Any]:
        """Put a document there that was made in QuickBooks: quantity and price by item."""
        detail = DETAILS.get(table, "SalesItemLineDetail")
        ids = {row["Sku"]: row["Id"] for row in self.tables["Item"]}
        lines: list[dict[str, Any]] = [
            {
                "Id": str(place),
                "DetailType": detail,
                "Amount": Decimal(quantity) * Decimal(price),
                "Description": f"A {sku}",
                detail: {
                    "ItemRef": {"value": ids[sku], "name": f"A {sku}"},
                    "Qty": Decimal(quantity),
                    "UnitPrice": Decimal(price),
                    "TaxCodeRef": {"value": "NON"},
                },
            }
            for place, (sku, (quantity, price)) in enumerate(goods.items(), start=1)
        ]
        partner = "VendorRef" if table == "PurchaseOrder" else "CustomerRef"
        made = {
            **self._born(),
            "DocNumber": number,
            partner: {"value": "58", "name": "Somebody"},
            "CurrencyRef": {"value": "USD", "name": "United States Dollar"},
            "Line": lines,
            **({"POStatus": "Open"} if table == "PurchaseOrder" else {}),
            **({"TxnStatus": "Accepted"} if table == "Estimate" else {}),
            **({"DepositToAccountRef": {"value": "4"}} if table == "SalesReceipt" else {}),
            **more,
        }
        self.tables[table].append(made)
        return made

    def on_hand(self) -> dict[str, Decimal]:
        rows = self.tables["Item"]
        return {row["Sku"]: row["QtyOnHand"] for row in rows if row.get("QtyOnHand")}

    def _born(self) -> dict[str, Any]:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        times = {"CreateTime": now, "LastUpdatedTime": now}
        return {"Id": str(next(self._numbers)), "SyncToken": "0", "MetaData": times}

    # --- The wire ---

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/token", self.server.token),
            web.get(f"/v3/company/{COMPANY}/query", self.query),
            web.post(f"/v3/company/{COMPANY}/{{entity}}", self.create),
        ]

    def writes(self, request: web.Request, body: bytes) -> bool:
        return request.method == "POST" and request.path != "/token"

    def throttled(self) -> web.Response:
        answer = _faulty(429, "003001", "ThrottleExceeded", "", "ThrottlingFault")
        answer.headers["Retry-After"] = f"{self.faults.retry_after:g}"
        return answer

    def expired(self) -> web.Response:
        words = "message=AuthenticationFailed; errorCode=003200; statusCode=401"
        return _faulty(401, "3200", words, "Token expired", "AUTHENTICATION")

    async def query(self, request: web.Request) -> web.StreamResponse:
        if not self.server.check(request):
            return self.expired()
        self._versioned(request)
        asked = _QUERY.fullmatch(request.query["query"])
        if asked is None or asked[1] not in self.tables or int(asked[4]) > 1000:
            self.problems.append(f"no query of QuickBooks: {request.query['query']}")
            return _faulty(400, "4000", "Error parsing query")
        rows = [row for row in self.tables[asked[1]] if self._fits(row, asked[2] or "")]
        start = int(asked[3]) - 1
        rows = rows[start : start + int(asked[4])]
        for row in rows:
            if row.get("Id") not in self._judged:
                self._judged.add(row.get("Id"))
                self.problems += wrong_value(asked[1], json.loads(_text(row)))
        said = {asked[1]: rows, "startPosition": start + 1, "maxResults": len(rows)} if rows else {}
        return _answer({"QueryResponse": said, "time": "2026-11-23T00:00:00.000-08:00"})

    def _fits(self, row: dict[str, Any], where: str) -> bool:
        place, fits = 0, True
        while place < len(where):
            term = _TERM.match(where, place)
            if term is None:
                self.problems.append(f"no condition of QuickBooks: {where}")
                return False
            place = term.end()
            fits = fits and _holds(row, term)
        return fits

    def _versioned(self, request: web.Request) -> None:
        if not request.query.get("minorversion", "").isdigit():
            self.problems.append("no minor version")

    async def create(self, request: web.Request) -> web.StreamResponse:
        if not self.server.check(request):
            return self.expired()
        self._versioned(request)
        text = (await request.read()).decode()
        entity = next(name for name in MADE if name.lower() == request.match_info["entity"])
        key = request.query.get("requestid", "")
        if not 0 < len(key) <= 50:
            self.problems.append(f"no request id: {key!r}")
        if key in self._answers:
            return _answer(self._answers[key])
        self.problems += wrong_value(entity, json.loads(text))
        try:
            row = self._made(entity, json.loads(text, parse_float=Decimal))
        except _Fault as fault:
            return _faulty(400, fault.code, fault.message, fault.detail)
        self._answers[key] = {entity: row, "time": "2026-11-23T00:00:00.000-08:00"}
        return _answer(self._answers[key])

    # --- What changes ---

    def _made(self, entity: str, given: dict[str, Any]) -> dict[str, Any]:
        if self.complaints:
            code, words = self.complaints.pop(0)
            raise _Fault(code, words, "more of it")
        if self.closed_until and date.fromisoformat(given["TxnDate"]) <= self.closed_until:
            raise _Fault("6210", "Account Period Closed", "The account period has closed")
        detail = DETAILS.get(entity, "SalesItemLineDetail")
        items = {row["Id"]: row for row in self.tables["Item"]}
        for line in given["Line"]:
            self._checked(entity, line, line[detail], items)
        row = {**self._born(), **given}
        if entity != "Bill":
            row["DocNumber"] = f"{1000 + int(row['Id'])}"
        for line in given["Line"]:
            item = items[line[detail]["ItemRef"]["value"]]
            quantity = Decimal(line[detail].get("Qty", line[detail].get("QtyDiff", 0)))
            if item["TrackQtyOnHand"]:
                item["QtyOnHand"] += SIGNS[entity] * quantity
        self.tables[entity].append(row)
        name = _ID.match(given.get("PrivateNote", ""))
        self.effects[name[1] if name else "nobody"] += 1
        return row

    def _checked(
        self, entity: str, line: dict[str, Any], said: dict[str, Any], items: dict[str, Any]
    ) -> None:
        if said["ItemRef"]["value"] not in items:
            raise _Fault("2500", "Invalid Reference Id", "Items element id not found")
        if entity == "InventoryAdjustment":
            return
        worth = Decimal(said["Qty"]) * Decimal(said["UnitPrice"])
        if abs(worth - Decimal(line["Amount"])) > Decimal("0.005"):
            raise _Fault("6070", "Amount calculation incorrect in the request")
        for link in line.get("LinkedTxn", ()):
            orders = {row["Id"]: row for row in self.tables[link["TxnType"]]}
            lines = orders.get(link["TxnId"], {}).get("Line", ())
            if link["TxnLineId"] not in {each["Id"] for each in lines}:
                raise _Fault("2500", "Invalid Reference Id", "no such line")


def _holds(row: dict[str, Any], term: re.Match[str]) -> bool:
    value: Any = row
    for part in term[1].split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if term[4] is not None:
        return value in [_plain(each) for each in re.findall(_STRING, term[4])]
    if term[2] == "=":
        return bool((value.get("value") if isinstance(value, dict) else value) == _plain(term[3]))
    return datetime.fromisoformat(str(value)) >= datetime.fromisoformat(_plain(term[3]))


def _plain(quoted: str | tuple[str, ...]) -> str:
    return re.sub(r"\\(.)", r"\1", quoted if isinstance(quoted, str) else quoted[0])


def _faulty(
    status: int, code: str, message: str, detail: str = "", kind: str = "ValidationFault"
) -> web.Response:
    error = {"Message": message, "code": code, **({"Detail": detail} if detail else {})}
    said = {"Fault": {"Error": [error], "type": kind}, "time": "2026-11-23T00:00:00.000-08:00"}
    return web.json_response(said, status=status)


def _answer(value: dict[str, Any]) -> web.Response:
    return web.Response(text=_text(value), content_type="application/json")


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, default=float)
