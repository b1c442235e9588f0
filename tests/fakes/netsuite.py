"""A NetSuite account: items, bins, lots, orders, and the records made of them.

Written from NetSuite's help and its REST API Browser. A token is given for an assertion signed by
the certificate it knows; SuiteQL takes the plain questions a connector asks; a record's external id
is taken once; a transformation knows the order's open lines, and says so where it is told more.
"""

import itertools
import json
import re
from base64 import urlsafe_b64decode
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from tests.fakes.netsuite_contract import COLUMNS, strange
from tests.fakes.vendor import Faults, Vendor

Row = dict[str, Any]
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

API = "/services/rest"
MADE = {
    ("purchaseOrder", "itemReceipt"),
    ("returnAuthorization", "itemReceipt"),
    ("salesOrder", "itemFulfillment"),
}
_CONDITION = re.compile(
    r"(\w+) (=|IN) ('(?:[^']|'')*'|\d+|\((?:[^'()]|'(?:[^']|'')*')*\))( AND |$)"
)


class Account(Vendor):
    """One account. What it says no to, it says with NetSuite's own codes."""

    def __init__(
        self,
        faults: Faults | None = None,
        key: PublicKey | None = None,
        client: str = "",
        certificate: str = "",
    ) -> None:
        super().__init__(faults)
        self._key = key
        self._who = (client, certificate)
        self._ids = itertools.count(101)
        self._tokens: set[str] = set()
        self.tables: dict[str, list[Row]] = {name: [] for name in COLUMNS}
        self.orders: dict[tuple[str, str], Row] = {}
        self.records: dict[tuple[str, str], Row] = {}
        """By kind and external id."""
        self.stock: Counter[str] = Counter()
        """Pieces by `item at place`: a bin, or a location's number; a lot behind a slash."""
        self.moved: Counter[str] = Counter()
        """Pieces by `item of order`."""
        self.effects: Counter[str] = Counter()
        self.no: list[tuple[int, str, str]] = []
        """Status, code and words of what the next records are answered."""
        self.astray = False
        """Whether something else answers where records were."""

    # --- What there is ---

    def row(self, table: str, **columns: Any) -> str:
        number = str(next(self._ids))
        self.tables[table].append({"id": number, **columns})
        return number

    def sell(self, sku: str, lots: str = "F", **more: Any) -> str:
        plain = {"isinactive": "F", "isserialitem": "F", "islotitem": lots}
        return self.row("item", itemid=sku, **plain, **more)

    def order(self, kind: str, number: str, **pieces: int) -> Row:
        type_ = {"purchaseOrder": "PurchOrd", "salesOrder": "SalesOrd"}.get(kind, "RtnAuth")
        own = self.row("transaction", tranid=number, type=type_)
        done = "quantityFulfilled" if kind == "salesOrder" else "quantityReceived"
        rows = [
            {"line": line, "item": {"id": self.id_of(sku)}, "quantity": float(often), done: 0}
            for line, (sku, often) in enumerate(pieces.items(), start=1)
        ]
        self.orders[kind, own] = {"id": own, "tranId": number, "item": {"items": rows}}
        return self.orders[kind, own]

    def id_of(self, sku: str) -> str:
        return next(str(row["id"]) for row in self.tables["item"] if row["itemid"] == sku)

    def sku_of(self, number: str) -> str:
        return next(str(row["itemid"]) for row in self.tables["item"] if row["id"] == number)

    # --- The wire ---

    def routes(self) -> list[web.RouteDef]:
        record = f"{API}/record/v1"
        return [
            web.post(f"{API}/auth/oauth2/v1/token", self.token),
            web.post(f"{API}/query/v1/suiteql", self.asked),
            web.get(f"{record}/{{kind}}/{{id}}", self.shown),
            web.post(f"{record}/{{kind}}", self.made),
            web.post(f"{record}/{{source}}/{{id}}/!transform/{{kind}}", self.made),
        ]

    def writes(self, request: web.Request, body: bytes) -> bool:
        return request.method == "POST" and "/record/" in request.path

    def expired(self) -> web.Response:
        self._tokens.clear()
        return self._error(401, "INVALID_LOGIN", "Invalid login attempt.")

    def throttled(self) -> web.Response:
        words = "Concurrent request limit exceeded. Request blocked."
        answer = self._error(429, "CONCURRENCY_LIMIT_EXCEEDED", words)
        answer.headers["Retry-After"] = f"{self.faults.retry_after:g}"
        return answer

    def _error(self, status: int, code: str, words: str) -> web.Response:
        details = [{"detail": words, "o:errorCode": code}]
        return web.json_response(
            {"title": words, "status": status, "o:errorDetails": details},
            status=status,
            content_type="application/vnd.oracle.resource+json",
        )

    def _known(self, request: web.Request) -> bool:
        return request.headers.get("Authorization", "").removeprefix("Bearer ") in self._tokens

    # --- Tokens ---

    async def token(self, request: web.Request) -> web.StreamResponse:
        fields = await request.post()
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        wanted = {"grant_type": "client_credentials", "client_assertion_type": kind}
        assertion = str(fields.get("client_assertion"))
        if dict(fields) != {**wanted, "client_assertion": assertion} or not self._signed(assertion):
            return web.json_response({"error": "invalid_client"}, status=400)
        token = f"token-of-netsuite-{next(self._ids)}"
        self._tokens.add(token)
        return web.json_response(
            {"access_token": token, "expires_in": "3600", "token_type": "bearer"}
        )

    def _signed(self, assertion: str) -> bool:
        head, claims, signature = (_bytes(each) for each in assertion.split("."))
        said, claimed = json.loads(head), json.loads(claims)
        now = datetime.now(UTC).timestamp()
        client, certificate = self._who
        held = (
            said == {"typ": "JWT", "alg": said["alg"], "kid": certificate}
            and claimed["iss"] == client
            and claimed["scope"] in ("rest_webservices", ["rest_webservices"])
            and claimed["aud"] == f"{self.url}{API}/auth/oauth2/v1/token"
            and claimed["iat"] <= now < claimed["exp"] <= claimed["iat"] + 3600
        )
        return held and self._verified(said["alg"], assertion.rpartition(".")[0], signature)

    def _verified(self, algorithm: str, text: str, signature: bytes) -> bool:
        try:
            if isinstance(self._key, rsa.RSAPublicKey) and algorithm == "PS256":
                pss = padding.PSS(padding.MGF1(SHA256()), 32)
                self._key.verify(signature, text.encode(), pss, SHA256())
            elif isinstance(self._key, ec.EllipticCurvePublicKey) and algorithm == "ES256":
                halves = (int.from_bytes(each, "big") for each in (signature[:32], signature[32:]))
                self._key.verify(encode_dss_signature(*halves), text.encode(), ec.ECDSA(SHA256()))
            else:
                return False
        except InvalidSignature:
            return False
        return True

    # --- Questions ---

    async def asked(self, request: web.Request) -> web.StreamResponse:
        if not self._known(request):
            return self.expired()
        question = (await request.json())["q"]
        parts = re.fullmatch(r"SELECT ([a-z, ]+) FROM (\w+) WHERE (.*)", question)
        if parts is None or request.headers.get("Prefer") != "transient":
            self.problems.append(f"no question: {question}")
            return self._error(400, "INVALID_PARAMETER", "Invalid search query.")
        columns, table, where = parts.groups()
        conditions = [each.groups() for each in _CONDITION.finditer(where)]
        fields = {*columns.split(", "), *(field for field, *_ in conditions)}
        if fields - COLUMNS[table] or sum(map(len, map("".join, conditions))) + sum(
            2 for _ in conditions
        ) != len(where):
            self.problems.append(f"NetSuite cannot be asked {question}")
            return self._error(400, "INVALID_PARAMETER", "Invalid search query.")
        rows = self.tables[table]
        for field, _, wanted, _ in conditions:
            values = [one.replace("''", "'") for one in re.findall(r"'((?:[^']|'')*)'", wanted)]
            rows = [row for row in rows if str(row.get(field)) in (values or [wanted])]
            if not values and "(" in wanted:
                numbers = re.findall(r"\d+", wanted)
                rows = [row for row in self.tables[table] if row[field] in numbers]
        shown = [{each: row.get(each) for each in columns.split(", ")} for row in rows]
        return web.json_response({"items": shown, "hasMore": False, "count": len(shown)})

    async def shown(self, request: web.Request) -> web.StreamResponse:
        if not self._known(request):
            return self.expired()
        if self.astray:
            return web.Response(status=404, text="<html>no such page")
        kind, number = request.match_info["kind"], request.match_info["id"]
        if number.startswith("eid:"):
            found = self.records.get((kind, number.removeprefix("eid:")))
            found = found and {"id": found["id"]}
        else:
            found = self.orders.get((kind, number))
        if found is None:
            return self._error(404, "NONEXISTENT_ID", "The record instance does not exist.")
        return web.json_response(found)

    # --- What changes ---

    async def made(self, request: web.Request) -> web.StreamResponse:
        if not self._known(request):
            return self.expired()
        kind, said = request.match_info["kind"], json.loads(await request.read())
        problems = list(strange(kind, said))
        if problems or request.headers.get("X-NetSuite-PropertyNameValidation") != "Error":
            self.problems.append(f"NetSuite has no {problems}")
            return self._error(400, "INVALID_CONTENT", f"Unknown property {problems}")
        if self.no:
            return self._error(*self.no.pop(0))
        key = (kind, said["externalId"])
        if key in self.records:
            return self._error(400, "USER_ERROR", "This record already exists")
        wrong = self._booked(kind, said, request.match_info)
        if wrong:
            return self._error(400, "USER_ERROR", wrong)
        number = str(next(self._ids))
        self.records[key] = {"id": number, **said}
        self.effects[said["externalId"]] += 1
        address = f"{self.url}{API}/record/v1/{kind}/{number}"
        return web.Response(status=204, headers={"Location": address})

    def _booked(self, kind: str, said: Row, where: Any) -> str | None:
        if "source" in where:
            assert (where["source"], kind) in MADE
            return self._transformed(self.orders[where["source"], where["id"]], kind, said)
        rows = said["inventory"]["items"]
        missing = {"item"} - set.intersection(*({*row} for row in rows))
        if missing or not said.get("subsidiary"):
            return "Please enter value(s) for: Subsidiary, Item"
        here = said["location" if "location" in said else "adjLocation"]["id"]
        there = said.get("transferLocation", {"id": here})["id"]
        for row in rows:
            if kind == "inventoryAdjustment":
                assert said["account"]["id"].isdigit()
                self._moves(row, here, row["adjustQtyBy"])
            else:
                often = row["quantity"] if kind == "binTransfer" else row["adjustQtyBy"]
                self._moves(row, here, -often)
                self._moves(row, there, often, "toBinNumber")
        return None

    def _transformed(self, order: Row, kind: str, said: Row) -> str | None:
        done = "quantityFulfilled" if kind == "itemFulfillment" else "quantityReceived"
        sign = -1 if kind == "itemFulfillment" else 1
        open_ = {row["line"]: row for row in order["item"]["items"] if row["quantity"] > row[done]}
        whole = [
            {"orderLine": line, "quantity": row["quantity"] - row[done], "location": {"id": "1"}}
            for line, row in open_.items()
        ]
        told = said["item"]["items"] if "item" in said else whole
        if {row["orderLine"] for row in told} != {*open_} or not told:
            return "The order's lines are others, or there is nothing to be received"
        for row in told:
            if row.get("itemReceive", True):
                line = open_[row["orderLine"]]
                line[done] += row["quantity"]
                given = {**row, "item": line["item"]}
                self._moves(given, row["location"]["id"], sign * row["quantity"])
                name = f"{self.sku_of(line['item']['id'])} of {order['tranId']}"
                self.moved[name] += row["quantity"]
        return None

    def _moves(self, row: Row, location: str, often: Any, bin_: str = "binNumber") -> None:
        sku = self.sku_of(row["item"]["id"])
        parts = [{"quantity": often}]
        if "inventoryDetail" in row:
            parts = row["inventoryDetail"]["inventoryAssignment"]["items"]
            told = row["adjustQtyBy"] if "adjustQtyBy" in row else row["quantity"]
            if sum(part["quantity"] for part in parts) != told:
                self.problems.append(f"the inventory detail of {sku} is not complete: {parts}")
        for part in parts:
            lot = part.get("receiptInventoryNumber") or self._name(part, "issueInventoryNumber")
            place = self._name(part, bin_) or location
            name = f"{sku}/{lot} at {place}" if lot else f"{sku} at {place}"
            self.stock[name] += abs(part["quantity"]) if often > 0 else -abs(part["quantity"])

    def _name(self, part: Row, field: str) -> str:
        tables = {"issueInventoryNumber": "inventorynumber"}
        table = tables.get(field, "bin")
        column = "inventorynumber" if table == "inventorynumber" else "binnumber"
        wanted = part.get(field, {}).get("id")
        return next((str(row[column]) for row in self.tables[table] if row["id"] == wanted), "")

    def totals(self) -> dict[str, Any]:
        return {name: often for name, often in self.stock.items() if often} | dict(self.moved)


def _bytes(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))
