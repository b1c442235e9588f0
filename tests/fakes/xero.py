"""A Xero organisation: orders, quotes, invoices, credit notes, items whose stock it tracks.

Written from Xero's OpenAPI and its guides to tracked inventory and limits. A key remembers its
first answer; other content under it is an error. Only authorised documents move stock. Whatever
arrives is held against Xero's own contract, and so is what is answered.
"""

import itertools
import json
import re
import uuid
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from aiohttp import web

from tests.fakes.authorization import Authorization
from tests.fakes.vendor import Faults, Vendor
from tests.fakes.xero_contract import wrong_request, wrong_value

TENANT = "a1b2c3d4-0000-4000-8000-0000000000aa"
CONTACT = "0cc0cc00-0000-4000-8000-0000000000cc"
ASSETS, SALES, WRITE_OFF = "630", "200", "401"
NAMESPACE = uuid.UUID(int=7)
_STRING = r'"((?:[^"\\]|\\.)*)"'
_TERM = re.compile(
    rf"(\w+)(?:(==){_STRING}|>=DateTime\((\d+), (\d+), (\d+)\)"
    rf"|!=null AND \1\.StartsWith\({_STRING}\))(?: AND |$)"
)
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class _Invalid(Exception):
    pass


class Organisation(Vendor):
    """One organisation of one app."""

    def __init__(self, faults: Faults | None = None, server: Authorization | None = None) -> None:
        super().__init__(faults)
        self.server = server or Authorization()
        self.tenant: str | None = TENANT
        self.today = datetime.now(UTC).date()
        self.locked_until: date | None = None
        self.problem = "minute"
        """What a 429 says is reached."""
        self.invalid: list[str] = []
        """Validation messages for the next documents, before they do anything."""
        self.quiet_errors: list[str] = []
        """The same, said in an answer 200."""
        self.effects: Counter[str] = Counter()
        self.tables: dict[str, list[dict[str, Any]]] = {
            name: [] for name in ("PurchaseOrders", "Quotes", "Invoices", "CreditNotes", "Items")
        }
        self._answers: dict[str, tuple[str, dict[str, Any]]] = {}
        self._judged: Counter[str] = Counter()
        self._numbers = itertools.count(1)

    # --- What the organisation has ---

    def item(
        self, code: str, price: str | None = "2.5", *, tracked: bool = True, hand: int = 0
    ) -> dict[str, Any]:
        made: dict[str, Any] = {"ItemID": self._id(), "Code": code, "Name": f"A {code}"}
        made["IsTrackedAsInventory"] = tracked
        if tracked:
            made |= {"QuantityOnHand": Decimal(hand), "InventoryAssetAccountCode": ASSETS}
        if price is not None:
            made["PurchaseDetails"] = {"UnitPrice": Decimal(price)}
        self.tables["Items"].append(made)
        return made

    def has(
        self, table: str, number: str, goods: Mapping[str, tuple[str, str]], **more: Any
    ) -> dict[str, Any]:
        """Put a document there that was made in Xero: quantity and price by item."""
        fields = {"PurchaseOrders": "PurchaseOrderNumber", "Quotes": "QuoteNumber"}
        lines = [
            {
                "LineItemID": self._id(),
                "ItemCode": code,
                "Description": f"A {code}",
                "Quantity": Decimal(quantity),
                "UnitAmount": Decimal(price),
                "AccountCode": ASSETS if table == "PurchaseOrders" else SALES,
                "TaxType": "NONE",
            }
            for code, (quantity, price) in goods.items()
        ]
        made = {
            fields.get(table, "InvoiceNumber"): number,
            "Status": "ACCEPTED" if table == "Quotes" else "AUTHORISED",
            "Contact": {"ContactID": CONTACT, "Name": "Somebody"},
            "LineAmountTypes": "EXCLUSIVE" if table == "Quotes" else "Exclusive",
            "CurrencyCode": "NZD",
            "Date": self.today.isoformat(),
            "LineItems": lines,
            **({"Type": "ACCREC", "InvoiceID": self._id()} if table == "Invoices" else {}),
            **more,
        }
        self.tables[table].append(made)
        return made

    def on_hand(self) -> dict[str, Decimal]:
        return {
            row["Code"]: row["QuantityOnHand"]
            for row in self.tables["Items"]
            if row.get("QuantityOnHand")
        }

    def _id(self) -> str:
        return str(uuid.uuid5(NAMESPACE, str(next(self._numbers))))

    # --- The wire ---

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/token", self.server.token),
            web.get("/connections", self.connections),
            web.get("/api/{table}", self.ask),
            web.get("/api/{table}/{number}", self.ask),
            web.put("/api/{table}", self.create),
        ]

    def writes(self, request: web.Request, body: bytes) -> bool:
        return request.method == "PUT"

    def throttled(self) -> web.Response:
        answer = super().throttled()
        answer.headers["X-Rate-Limit-Problem"] = self.problem
        return answer

    def expired(self) -> web.Response:
        said = {"Type": None, "Title": "Unauthorized", "Status": 401, "Detail": "TokenExpired"}
        return web.json_response(said, status=401)

    def _stopped(self, request: web.Request, body: Any) -> web.Response | None:
        if not self.server.check(request):
            return self.expired()
        if request.headers.get("xero-tenant-id") != self.tenant:
            said = {"Title": "Forbidden", "Status": 403, "Detail": "AuthenticationUnsuccessful"}
            return web.json_response(said, status=403)
        path = request.path.removeprefix("/api")
        if path.startswith("/PurchaseOrders/"):
            path = "/PurchaseOrders/{PurchaseOrderNumber}"
        self.problems += wrong_request(
            request.method, path, request.query, dict(request.headers), body
        )
        return None

    async def connections(self, request: web.Request) -> web.StreamResponse:
        if not self.server.check(request):
            return self.expired()
        return web.json_response([{"tenantId": self.tenant, "tenantName": "Bolts Ltd"}])

    async def ask(self, request: web.Request) -> web.StreamResponse:
        stopped = self._stopped(request, None)
        if stopped is not None:
            return stopped
        name = request.match_info["table"]
        if name == "Organisation":
            row = {"Name": "Bolts Ltd", "BaseCurrency": "NZD", "CountryCode": "NZ"}
            return _answer("Organisations", [row])
        rows = self.tables[name]
        number = request.match_info.get("number")
        if number is not None:
            rows = [row for row in rows if row["PurchaseOrderNumber"] == number]
            if not rows:
                return web.json_response({"Title": "The resource cannot be found"}, status=404)
        rows = [row for row in rows if self._fits(row, request.query)]
        if name in ("Invoices", "CreditNotes") and "page" not in request.query:
            rows = [{**row, "LineItems": []} for row in rows]
        if "page" in request.query:
            start = 100 * (int(request.query["page"]) - 1)
            rows = rows[start : start + 100]
        fresh = self.tables[name][self._judged[name] :]
        self._judged[name] += len(fresh)
        self.problems += wrong_value(name, {name: json.loads(_text(fresh))})
        return _answer(name, rows)

    def _fits(self, row: dict[str, Any], query: Mapping[str, str]) -> bool:
        wanted = [
            query.get("QuoteNumber", "") in str(row.get("QuoteNumber", "")),  # a part is enough
            (query.get("status") or query.get("Status") or row.get("Status")) == row.get("Status"),
        ]
        where = query.get("where", "")
        place = 0
        while place < len(where):
            term = _TERM.match(where, place)
            if term is None:
                self.problems.append(f"where that Xero does not read: {where}")
                return False
            place = term.end()
            if term[2]:
                wanted.append(str(row.get(term[1], "")) == _plain(term[3]))
            elif term[4]:
                day = datetime(int(term[4]), int(term[5]), int(term[6]), tzinfo=UTC)
                wanted.append(_when(row.get(term[1], "1970-01-01")) >= day)
            else:
                wanted.append(str(row.get(term[1], "")).startswith(_plain(term[7])))
        return all(wanted)

    async def create(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["table"]
        text = (await request.read()).decode()
        plain, body = json.loads(text), json.loads(text, parse_float=Decimal)
        stopped = self._stopped(request, plain)
        if stopped is not None:
            return stopped
        key = request.headers.get("Idempotency-Key", "")
        if not key:
            self.problems.append("a document without a key")
        known = self._answers.get(key)
        if known is not None:
            if known[0] != text:
                return web.json_response({"Title": "Idempotency key reused"}, status=400)
            return _answer(name, [known[1]])
        [given] = body[name]
        try:
            row = self._made(name, given)
        except _Invalid as invalid:
            return _rejected(str(invalid))
        if self.quiet_errors:
            message = self.quiet_errors.pop(0)
            errors = [{"Message": message}]
            return _answer(name, [{"HasErrors": True, "ValidationErrors": errors}])
        self._answers[key] = (text, row)
        self.tables[name].append(row)
        if row["Status"] == "AUTHORISED":
            self._move(row)
        self.problems += wrong_value(name, {name: json.loads(_text([row]))})
        return _answer(name, [row])

    # --- What changes ---

    def _made(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        if self.invalid:
            raise _Invalid(self.invalid.pop(0))
        if self.locked_until is not None and date.fromisoformat(given["Date"]) <= self.locked_until:
            raise _Invalid("The document date cannot be before the end of year lock date")
        if given["Status"] == "AUTHORISED" and name == "Invoices" and "DueDate" not in given:
            raise _Invalid("The due date is required")
        codes = {row["Code"]: row for row in self.tables["Items"]}
        for line in given["LineItems"]:
            if line.get("ItemCode", next(iter(codes), None)) not in codes:
                raise _Invalid(f"Item code '{line['ItemCode']}' is not valid")
            if not line.get("AccountCode"):
                raise _Invalid("Account code must be specified")
        row = {
            **given,
            "UpdatedDateUTC": f"/Date({int(datetime.now(UTC).timestamp() * 1000)}+0000)/",
        }
        field, own = ("CreditNoteNumber", "CreditNoteID")
        if name == "Invoices":
            field, own = ("InvoiceNumber", "InvoiceID")
        row.setdefault(field, f"X-{next(self._numbers):04}")
        row[own] = self._id()
        reference = given.get("Reference") or given.get(field) or "nothing"
        if row["Type"] in ("ACCPAY", "ACCPAYCREDIT") and given.get(field) is None:
            self.problems.append("a document of a supplier without a number")
        mark = _ID.search(str(reference))
        self.effects[mark[0] + str(reference)[mark.end() :] if mark else "nobody"] += 1
        return row

    def _move(self, row: dict[str, Any]) -> None:
        sign = 1 if row["Type"] in ("ACCPAY", "ACCRECCREDIT") else -1
        codes = {each["Code"]: each for each in self.tables["Items"]}
        for line in row["LineItems"]:
            item = codes.get(line.get("ItemCode", ""))
            if item is not None and item["IsTrackedAsInventory"]:
                item["QuantityOnHand"] += sign * Decimal(line["Quantity"])


def _when(said: str) -> datetime:
    if said.startswith("/Date("):
        return datetime.fromtimestamp(int(said[6:-7]) / 1000, UTC)
    return datetime.fromisoformat(said).replace(tzinfo=UTC)


def _plain(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted)


def _rejected(message: str) -> web.Response:
    said = {
        "ErrorNumber": 10,
        "Type": "ValidationException",
        "Message": "A validation exception occurred",
        "Elements": [{"ValidationErrors": [{"Message": message}]}],
    }
    return web.json_response(said, status=400)


def _answer(name: str, rows: list[dict[str, Any]]) -> web.Response:
    return web.Response(text=f'{{"{name}": {_text(rows)}}}', content_type="application/json")


def _text(rows: list[dict[str, Any]]) -> str:
    return json.dumps(rows, default=float)
