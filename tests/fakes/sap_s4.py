"""A SAP S/4HANA system: material documents, deliveries, counts and stock behind SAP Gateway.

Written from SAP's models of the services and its pages on the Gateway: a change needs the CSRF
token of its own session, an entity that changed meanwhile answers 412 to an old ETag, a posting
that fails says why in `innererror`, a changeset is all or nothing. Whatever arrives is held against
SAP's own model where that can be had.
"""

import base64
import json
import re
import urllib.parse
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from tests.fakes.sap_s4_books import (
    COUNTS,
    WAYS,
    Books,
    Failed,
    Row,
    now,
)
from tests.fakes.sap_s4_contract import PACKAGES, Model, model
from tests.fakes.vendor import Faults, Vendor

OWN = {"etag", "came", "picked", "books"}
"""What a row knows that no property of SAP's says."""
SESSION = "SAP_SESSIONID_S4H_100"
_TERM = re.compile(r"(\w+) (eq|ne|ge) ('(?:[^']|'')*'|datetime'[^']+'|true|false)")
_KEYED = re.compile(r"(\w+)\((.*)\)")
_KEY = re.compile(r"(?:(\w+)=)?'((?:[^']|'')*)'")


class System(Vendor, Books):
    """One system, with its stock, orders and deliveries in `plant` 1010."""

    def __init__(
        self,
        faults: Faults | None = None,
        user: str = "",
        password: str = "",
        token: str = "",
        *,
        repeatable: bool = False,
        session_lasts: int = 25,
    ) -> None:
        Vendor.__init__(self, faults)
        Books.__init__(self)
        self._basic = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._bearer = token
        self._repeatable = repeatable
        self._lasts = session_lasts
        self.errors: list[Failed | None] = []
        """For the next changes, before they do anything; None lets one through."""
        self.meanwhile: Callable[[], object] | None = None
        """What a person does just before the next change arrives."""
        self.at_once = 10**6
        """Rows that are sent at once, whatever is asked for."""
        self.closed: set[str] = set()
        """Services the user has no right to."""
        self.answers: list[web.Response] = []
        """In place of the next answers to changes, that are carried out."""
        self.warning = ""
        """Goes with every success, in the header `sap-message`."""
        self._sessions: dict[str, tuple[str, int]] = {}
        self._known: dict[str, tuple[int, bytes]] = {}
        self.fetches = 0

    # --- The wire ---

    def routes(self) -> list[web.RouteDef]:
        path = "/sap/opu/odata/sap/{service}/{path:.*}"
        return [web.route("*", path, self.gateway), web.post("/oauth/token", self.login)]

    def writes(self, request: web.Request, body: bytes) -> bool:
        return request.method != "GET" and request.path != "/oauth/token"

    def may_come_twice(self, body: bytes) -> bool:
        return self._repeatable and b"MaterialDocumentHeaderText" in body

    def throttled(self) -> web.Response:
        return self._later(429, "Too many requests")

    def expired(self) -> web.Response:
        return web.Response(status=401, text="<html>Logon failed</html>")

    async def login(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Basic {self._basic}":
            return web.json_response({"error": "invalid_client"}, status=401)
        return web.json_response({"access_token": self._bearer, "expires_in": 3600})

    async def gateway(self, request: web.Request) -> web.StreamResponse:
        allowed = {f"Basic {self._basic}", *([f"Bearer {self._bearer}"] if self._bearer else [])}
        if request.headers.get("Authorization") not in allowed:
            return self.expired()
        service, path = request.match_info["service"], request.match_info["path"]
        if service not in PACKAGES or service in self.closed:
            error = Failed(403, ("/IWFND/MED/170", f"No service found for {service}"))
            return _json(error.status, error.body())
        if request.method == "GET":
            return self._read(request, service, path)
        if not self._has_token(request):
            refused = Failed(403, ("/IWFND/CM_MGW/096", "CSRF token validation failed"))
            return _json(403, refused.body(), {"x-csrf-token": "Required"})
        name = request.headers.get("RequestID")
        if name is not None and not self._repeatable:
            self.problems.append("RequestID, and the service is not set up for it")
        if name in self._known:
            return _json(*self._known[name], {"RepeatabilityResult": "accepted"})
        if self.meanwhile is not None:
            self.meanwhile()
            self.meanwhile = None
        status, body, headers = await self._write(request, service, path)
        if name is not None:
            self._known[name] = (status, body)
        if self.answers:
            return self.answers.pop(0)
        if self.warning and status < 300:
            headers["sap-message"] = self.warning
        return _json(status, body, headers)

    def _has_token(self, request: web.Request) -> bool:
        session = request.cookies.get(SESSION, "")
        token, left = self._sessions.get(session, ("", 0))
        if not left or request.headers.get("X-CSRF-Token") != token:
            return False
        self._sessions[session] = (token, left - 1)
        return True

    def _read(self, request: web.Request, service: str, path: str) -> web.Response:
        headers = {}
        if request.headers.get("X-CSRF-Token") == "Fetch":
            self.fetches += 1
            session, token = (f"{next(self._numbers):024d}" for _ in range(2))
            self._sessions[session] = (token, self._lasts)
            headers = {"x-csrf-token": token, "Set-Cookie": f"{SESSION}={session}; path=/"}
        if not path:
            sets: Row = {"d": {"EntitySets": []}}
            return _json(200, json.dumps(sets).encode(), headers)
        try:
            said = self._found(service, path, dict(request.query))
        except Failed as failed:
            return _json(failed.status, failed.body(), headers)
        return _json(200, json.dumps({"d": said}).encode(), headers)

    async def _write(
        self, request: web.Request, service: str, path: str
    ) -> tuple[int, bytes, dict[str, str]]:
        body = await request.read()
        if path == "$batch":
            return self._batch(service, request.headers["Content-Type"], body)
        try:
            said = self._changed(service, request.method, path, request, body)
        except Failed as failed:
            return failed.status, failed.body(), {}
        if said is None:
            return 204, b"", {}
        status = 201 if request.method == "POST" and body else 200
        return status, json.dumps({"d": said}).encode(), {}

    def _changed(
        self, service: str, method: str, path: str, request: web.Request, body: bytes
    ) -> Row | None:
        self._fail()
        etag = request.headers.get("If-Match")
        if method == "PATCH":
            self._patch(service, path, etag, json.loads(body))
            return None
        if not body:
            return self._function(service, path, dict(request.query), etag)
        self._judge(service, lambda judge: judge.wrong(path, json.loads(body)))
        if path == "A_MaterialDocumentHeader":
            return self._shown(service, path, self._post(json.loads(body)), everything=True)
        if path == "A_PhysInventoryDocHeader":
            return self._shown(service, path, self._sheet(json.loads(body)), everything=True)
        raise Failed(405, ("/IWFND/CM_BEC/026", f"nobody creates {path}"))

    def _fail(self) -> None:
        if self.errors and (error := self.errors.pop(0)) is not None:
            raise error

    def _judge(self, service: str, ask: Callable[[Model], list[str]]) -> None:
        judge = model(service)
        if judge is not None and (wrong := ask(judge)):
            self.problems += wrong
            raise Failed(400, ("/IWCOR/CX_DS_EDM_ERROR", "; ".join(wrong)))

    def _batch(self, service: str, kind: str, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        boundary = kind.partition("boundary=")[2]
        if not body.startswith(f"--{boundary}\r\n".encode()):
            self.problems.append("a batch does not begin with its boundary")
        parts = re.split(rb"\r\n(?=PATCH )", body)[1:]
        before = deepcopy(self.tables)
        answers: list[bytes] = []
        for part in parts:
            head, _, rest = part.partition(b"\r\n\r\n")
            first, *lines = head.decode().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            content = rest.partition(b"\r\n--")[0]
            if int(headers["Content-Length"]) != len(content):
                self.problems.append(f"Content-Length is {headers['Content-Length']}")
            try:
                self._fail()
                path = urllib.parse.unquote(first.split(" ")[1])
                self._patch(service, path, headers.get("If-Match"), json.loads(content))
            except Failed as failed:
                self.tables = before
                return 202, _mixed([_part(failed.status, failed.body())], nested=False), _MIXED
            answers.append(_part(204, b""))
        return 202, _mixed(answers, nested=True), _MIXED

    # --- Reading ---

    def _found(self, service: str, path: str, query: dict[str, str]) -> Row:
        keyed = _KEYED.fullmatch(path)
        entity = keyed[1] if keyed else path
        self._judge(service, lambda judge: _wrong_query(judge, entity, query))
        expand = query.get("$expand", "").split(",")
        if keyed:
            row = self._entity(service, path)
            return self._shown(service, entity, row, expand)
        found = [row for row in self._rows(service, entity) if _matches(row, query.get("$filter"))]
        for name in reversed(query.get("$orderby", "").split(",")):
            if name:
                found.sort(key=lambda row: str(row.get(name, "")))
        skip, top = int(query.get("$skip", 0)), int(query.get("$top", 10**6))
        most = min(top, self.at_once)
        page = found[skip : skip + most]
        said: Row = {"results": [self._shown(service, entity, row, expand) for row in page]}
        if len(page) == self.at_once < top:
            said["__next"] = f"{entity}?$skiptoken={skip + most}"
        return said

    def _entity(self, service: str, path: str) -> Row:
        keyed = _KEYED.fullmatch(path)
        assert keyed is not None
        judge = model(service)
        parts = {name: value.replace("''", "'") for name, value in _KEY.findall(keyed[2])}
        if judge is not None and sorted(parts) != sorted(judge.keys(keyed[1])):
            self.problems.append(f"{path} has not the keys {judge.keys(keyed[1])}")
        for row in self._rows(service, keyed[1]):
            if all(str(row[name]) == value for name, value in parts.items()):
                return row
        raise Failed(404, ("/IWBEP/CM_MGW_RT/020", f"Resource not found for {path}"))

    def _shown(
        self, service: str, entity: str, row: Row, expand: Any = (), *, everything: bool = False
    ) -> Row:
        said: Row = {"__metadata": {"type": f"{service}.{entity}Type"}}
        if "etag" in row:
            said["__metadata"]["etag"] = row["etag"]
        for name, value in row.items():
            if name in OWN:
                continue
            if isinstance(value, list):
                inside = [self._shown(service, name, each) for each in value]
                said[name] = (
                    {"results": inside}
                    if name in expand or everything
                    else {"__deferred": {"uri": f"{entity}/{name}"}}
                )
            else:
                said[name] = _date(value) if isinstance(value, datetime) else value
        return said

    # --- Changing ---

    def _patch(self, service: str, path: str, etag: str | None, body: Row) -> None:
        row = self._entity(service, path)
        entity = path.partition("(")[0]
        self._judge(service, lambda judge: judge.wrong(entity, body))
        self._unchanged(row, etag)
        if entity == "A_PhysInventoryDocItem":
            zero = body.get("PhysicalInventoryItemIsZero") is True
            if zero == ("QuantityInUnitOfEntry" in body):
                raise Failed(400, ("M7/716", "Enter a quantity or the zero count indicator"))
            place = (row["Material"], row["Plant"], row["StorageLocation"], row["Batch"])
            body = {"PhysicalInventoryItemIsCounted": True, "QuantityInUnitOfEntry": "0", **body}
            row["books"] = str(self.stock[place])
        row.update(body, etag=self._etag())
        for header in self.tables[service, entity.replace("Item", "Header")]:
            if row is header or row in header.get("to_DeliveryDocumentItem", ()):
                header.update(etag=self._etag(), LastChangeDate=now())

    def _unchanged(self, row: Row, etag: str | None) -> None:
        if etag is None:
            raise Failed(428, ("/IWFND/CM_MGW/056", "Data service request must be conditional"))
        if etag not in ("*", row["etag"]):
            raise Failed(412, ("/IWBEP/CM_MGW_RT/083", "Precondition failed"))

    def _function(self, service: str, name: str, query: dict[str, str], etag: str | None) -> Row:
        self._judge(service, lambda judge: judge.wrong_call(name, query))
        said = {each: value.strip("'") for each, value in query.items()}
        if name == "Cancel":
            made = self._shown(service, "A_MaterialDocumentHeader", self._cancel(said))
            return {"Cancel": made}
        if name == "PostDifferences":
            [sheet] = [
                row
                for row in self.tables[COUNTS, "A_PhysInventoryDocHeader"]
                if row["PhysicalInventoryDocument"] == said["PhysicalInventoryDocument"]
            ]
            self._unchanged(sheet, etag)
            return self._differences(sheet)
        [header] = [
            row
            for row in self.tables[service, f"A_{WAYS[service]}DeliveryHeader"]
            if row["DeliveryDocument"] == said["DeliveryDocument"]
        ]
        self._unchanged(header, etag)
        if name in ("PickAllItems", "PutawayAllItems"):
            header.update(OverallPickingStatus="C", etag=self._etag())
            for item in header["to_DeliveryDocumentItem"]:
                item["picked"] = item["ActualDeliveryQuantity"]
            return {"results": []}
        self._goods_issue(header, -1 if name == "PostGoodsIssue" else 1)
        return {"results": []}


_MIXED = {"Content-Type": "multipart/mixed; boundary=answer"}


def _json(status: int, body: bytes, headers: dict[str, str] | None = None) -> web.Response:
    said = {"Content-Type": "application/json;charset=utf-8", **(headers or {})}
    return web.Response(status=status, body=body, headers=said)


def _part(status: int, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\n"
    return head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body + b"\r\n"


def _mixed(parts: list[bytes], *, nested: bool) -> bytes:
    http = b"Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    if not nested:
        return b"--answer\r\n" + http + parts[0] + b"\r\n--answer--\r\n"
    inner = b"".join(b"--inner\r\n" + http + part + b"\r\n" for part in parts)
    head = b"--answer\r\nContent-Type: multipart/mixed; boundary=inner\r\n\r\n"
    return head + inner + b"--inner--\r\n\r\n--answer--\r\n"


def _date(moment: datetime) -> str:
    return f"/Date({int(moment.timestamp() * 1000)})/"


def _terms(said: str | None) -> Iterator[tuple[str, str, Any]]:
    for term in (said or "").split(" and ") if said else ():
        found = _TERM.fullmatch(term)
        if found is None:
            raise Failed(400, ("/IWCOR/CX_OD_EXPR_PARSER", f"Invalid filter: {term}"))
        yield found[1], found[2], found[3]


def _matches(row: Row, said: str | None) -> bool:
    for name, how, literal in _terms(said):
        value: Any
        there = row.get(name, "")
        if literal.startswith("datetime"):
            value = datetime.fromisoformat(literal.split("'")[1]).replace(tzinfo=UTC)
        elif literal in ("true", "false"):
            value = literal == "true"
        else:
            value = literal[1:-1].replace("''", "'")
        if how == "ge":
            fits = there is not None and there >= value
        else:
            fits = (there == value) == (how == "eq")
        if not fits:
            return False
    return True


def _wrong_query(judge: Model, entity: str, query: dict[str, str]) -> list[str]:
    if entity not in judge.entities:
        return [f"{judge.service} has no {entity}"]
    names = [name for name, _, _ in _terms(query.get("$filter"))]
    names += [each for each in query.get("$orderby", "").split(",") if each]
    found = [f"{entity} has no {name}" for name in names if name not in judge.entities[entity]]
    expands = [each for each in query.get("$expand", "").split(",") if each]
    return found + [
        f"{entity} leads to no {each}"
        for each in expands
        if judge.association(entity, each) is None
    ]
