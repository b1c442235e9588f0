"""SAP's OData V2 services over HTTP: logging in, the CSRF token, reading and writing.

SAP takes a change only with a token it gave to the same session, which it knows by its cookies. The
token is asked for before the first change, one request at a time, and again when SAP says that it
wants another: such a change was not made, and is sent once more.

Source: SAP Gateway, "Cross-Site Request Forgery Protection"; OData 2.0.
"""

import asyncio
import json
import logging
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import Any, Literal
from urllib.parse import quote

from bridge.connectors.sap_s4.changeset import BATCH, Change, packed, unpacked
from bridge.connectors.sap_s4.config import Config
from bridge.connectors.sap_s4.verdict import WHO, judged, messages, strange, warnings
from bridge.http import SETTING_WRONG, Answer, Http, Stopped, opened, read_secret
from bridge.oauth import App, ClientCredentials
from bridge.outcome import TryLater, Unknown
from runtime.logs import event

log = logging.getLogger(__name__)

Service = Literal[
    "API_MATERIAL_DOCUMENT_SRV",
    "API_INBOUND_DELIVERY_SRV",
    "API_OUTBOUND_DELIVERY_SRV",
    "API_PHYSICAL_INVENTORY_DOC_SRV",
    "API_PURCHASEORDER_PROCESS_SRV",
    "API_PRODUCT_SRV",
    "API_MATERIAL_STOCK_SRV",
]
Query = Sequence[tuple[str, str]]
MATERIALS: Service = "API_MATERIAL_DOCUMENT_SRV"
FETCH = "Fetch"
QUOTE = "'"
PAGE = 500
"""Entities read at once; SAP may send fewer and say where the rest begins."""
MAX_PAGES = 10_000
"""Pages of one reading: a server that never ends is no reason to read for ever."""
_NO_HEADERS: Mapping[str, str] = {}
_DATE = re.compile(r"/Date\(([0-9]{1,14})([+-][0-9]{4})?\)/")


class OData:
    """One system. Everything that is no success raises `Stopped`."""

    def __init__(self, http: Http, config: Config) -> None:
        self._http = http
        self._config = config
        self._login = _oauth(http, config)
        self._token = ""
        self._turn = asyncio.Lock()

    async def read(self, service: Service, path: str, query: Query = ()) -> dict[str, Any] | None:
        """Return an entity; None where SAP itself says that it is not there."""
        answer = await self._call("GET", service, path, query=query, writes=False)
        if answer.status == 404 and messages(answer):
            return None
        if not answer.ok:
            raise Stopped(judged(answer, writes=False))
        return _content(answer, writes=False)

    async def rows(self, service: Service, entity: str, query: Query = ()) -> list[dict[str, Any]]:
        """Return a collection that is small, or as much of it as SAP sends at once."""
        rows, _ = await self._page(service, entity, query)
        return rows

    async def named(
        self, service: Service, entity: str, field: str, name: str, more: Query = ()
    ) -> list[dict[str, Any]]:
        """Return the rows whose `field` is `name`: what is to be made once is looked for by it.

        Raises:
            Stopped: SAP sent others, too. What is not among them may then be there all the same.
        """
        rows = await self.rows(service, entity, (equal(field, name), *more))
        if any(row.get(field) != name for row in rows):
            why = f"{WHO} was asked for {field} {name} and sent others: {entity} is not filtered"
            raise Stopped(TryLater(why, SETTING_WRONG, "person"))
        return rows

    async def pages(
        self, service: Service, entity: str, order: str, query: Query = ()
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield every row of a collection, in an order that does not change between two pages."""
        skip = 0
        for _ in range(MAX_PAGES):
            page = (("$orderby", order), ("$top", str(PAGE)), ("$skip", str(skip)))
            found, more = await self._page(service, entity, (*query, *page))
            for row in found:
                yield row
            if not found or (len(found) < PAGE and not more):
                return
            skip += len(found)

    async def _page(
        self, service: Service, entity: str, query: Query
    ) -> tuple[list[dict[str, Any]], bool]:
        """Return rows, and whether SAP kept some back. A collection that is not there is none."""
        answer = await self._call("GET", service, entity, query=query, writes=False)
        if not answer.ok:
            raise Stopped(judged(answer, writes=False))
        match _content(answer, writes=False):
            case {"results": list(rows)} as said if all(isinstance(row, dict) for row in rows):
                return rows, "__next" in said
        raise Stopped(strange(answer, writes=False))

    async def token(self, service: Service) -> str:
        """Return the session's CSRF token, which shows that changes could be made."""
        return await self._csrf(service)

    async def create(
        self, service: Service, path: str, body: str, headers: Mapping[str, str] = _NO_HEADERS
    ) -> dict[str, Any]:
        """Create an entity, and return it."""
        answer = await self._write("POST", service, path, headers=headers, body=body)
        return _content(answer, writes=True)

    async def act(
        self,
        service: Service,
        function: str,
        query: Query,
        headers: Mapping[str, str],
    ) -> dict[str, Any]:
        """Call a function that changes something, and return what it says, if anything."""
        answer = await self._write("POST", service, function, query=query, headers=headers)
        return _content(answer, writes=True) if answer.body.strip() else {}

    async def change(self, service: Service, changes: Sequence[Change]) -> None:
        """Change entities: one after the other, or all at once where the house wants that."""
        if self._config.changesets and len(changes) > 1:
            await self._together(service, changes)
            return
        for each in changes:
            await self._write(
                "PATCH", service, each.path, headers={"If-Match": each.etag}, body=each.body
            )

    async def _together(self, service: Service, changes: Sequence[Change]) -> None:
        kind = {"Content-Type": f"multipart/mixed; boundary={BATCH}", "Accept": "multipart/mixed"}
        answer = await self._write("POST", service, "$batch", headers=kind, body=packed(changes))
        inside = unpacked(answer)
        if inside is None:
            raise Stopped(strange(answer, writes=True))
        for each in inside:
            if not each.ok:
                raise Stopped(judged(each, writes=True))
        if len(inside) != len(changes):
            text = f"{WHO} answered {len(changes)} changes with {len(inside)} answers"
            raise Stopped(Unknown(text))

    async def _write(
        self,
        method: str,
        service: Service,
        path: str,
        *,
        query: Query = (),
        headers: Mapping[str, str] | None = None,
        body: str = "",
    ) -> Answer:
        said = {**({"Content-Type": "application/json"} if body else {}), **(headers or {})}

        async def send(token: str) -> Answer:
            full = {**said, "X-CSRF-Token": token}
            return await self._call(
                method, service, path, query=query, headers=full, body=body, writes=True
            )

        token = await self._csrf(service)
        answer = await send(token)
        if _wants_token(answer):
            answer = await send(await self._csrf(service, instead_of=token))
        if _wants_token(answer):
            why = f"{WHO} takes none of its own CSRF tokens: does something keep cookies from it?"
            raise Stopped(TryLater(why, SETTING_WRONG))
        if not answer.ok:
            raise Stopped(judged(answer, writes=True))
        for each in warnings(answer):
            event(log, logging.INFO, "SAP says besides", code=each.code, text=each.text)
        return answer

    async def _csrf(self, service: Service, *, instead_of: str = "") -> str:
        """Return the session's token; one request for it at a time."""
        async with self._turn:
            if self._token == instead_of:
                answer = await self._call(
                    "GET", service, "", headers={"X-CSRF-Token": FETCH}, writes=False
                )
                if not answer.ok:
                    raise Stopped(judged(answer, writes=False))
                self._token = answer.headers.get("x-csrf-token") or ""
            if not self._token or self._token == "Required":  # noqa: S105 - SAP's word for none
                self._token = ""
                raise Stopped(TryLater(f"{WHO} gives no CSRF token", SETTING_WRONG))
            return self._token

    async def _call(
        self,
        method: str,
        service: Service,
        path: str,
        *,
        query: Query = (),
        headers: Mapping[str, str] | None = None,
        body: str = "",
        writes: bool,
    ) -> Answer:
        url = f"{self._config.url.rstrip('/')}/sap/opu/odata/sap/{service}/{path}"
        if self._config.client is not None:
            query = (*query, ("sap-client", self._config.client))
        said = dict(headers or {})
        if self._login is not None:
            answer = await self._login.call(
                method, url, query=query, headers=said, body=body, writes=writes
            )
        else:
            secrets = self._basic(said)
            answer = await self._http.call(
                method, url, query=query, headers=said, body=body, secrets=secrets, writes=writes
            )
        if answer.status == 401:
            why = f"{WHO} does not take the user's password"
            raise Stopped(TryLater(why, SETTING_WRONG, "login"))
        return answer

    def _basic(self, headers: dict[str, str]) -> list[str]:
        login = self._config.login
        if login.user is None or login.password_file is None:
            return []
        password = read_secret(login.password_file, f"{WHO}'s password")
        pair = b64encode(f"{login.user}:{password}".encode()).decode()
        headers["Authorization"] = f"Basic {pair}"
        return [password, pair]


def _oauth(http: Http, config: Config) -> ClientCredentials | None:
    login = config.login
    if login.token_url is None or login.client_id is None:
        return None
    app = App(WHO, login.token_url, login.client_id, login.client_secret_file, scope=login.scope)
    return ClientCredentials(http, app)


def _wants_token(answer: Answer) -> bool:
    return answer.status == 403 and (answer.headers.get("x-csrf-token") or "") == "Required"


def _content(answer: Answer, *, writes: bool) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        said = None
    match said:
        case {"d": dict(content)}:
            return content
    raise Stopped(strange(answer, writes=writes))


def listed(said: Any) -> list[dict[str, Any]]:
    """Return the rows of a collection, or of an expanded association; empty where there is none."""
    rows = said.get("results") if isinstance(said, dict) else said
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def key(entity: str, **parts: str) -> str:
    """Return the path of one entity.

    >>> key("A_OutbDeliveryItem", DeliveryDocument="80000001", DeliveryDocumentItem="10")
    "A_OutbDeliveryItem(DeliveryDocument='80000001',DeliveryDocumentItem='10')"
    """
    said = (f"{name}={quote(text(value), safe=QUOTE)}" for name, value in parts.items())
    return f"{entity}({','.join(said)})"


def text(value: str) -> str:
    """Return a string literal: `O'Neil` is `'O''Neil'`."""
    return "'" + value.replace("'", "''") + "'"


def equal(field: str, value: str) -> tuple[str, str]:
    """Return the query for rows whose `field` is a text."""
    return ("$filter", f"{field} eq {text(value)}")


def moment(day: str) -> str:
    """Return the literal of midnight of a day."""
    return f"datetime'{day}T00:00:00'"


def etag(row: Mapping[str, Any]) -> str:
    """Return what tells this state of an entity from a later one; `*` where SAP says nothing."""
    said = row.get("__metadata")
    found = said.get("etag") if isinstance(said, dict) else None
    return found if isinstance(found, str) and found else "*"


def day_of(value: object) -> date | None:
    """Return the day of an `Edm.DateTime`, such as `/Date(1700000000000)/`; None without one."""
    found = _DATE.fullmatch(str(value))
    return found and datetime.fromtimestamp(int(found[1]) / 1000, UTC).date()


def written(body: Mapping[str, Any]) -> str:
    """Return the body of a request, the same each time."""
    return json.dumps(body, ensure_ascii=False)


@asynccontextmanager
async def connected(config: Config) -> AsyncIterator[OData]:
    """Yield a session with the system. Opens nothing until the first question."""
    async with opened(config.http, who=WHO, cookies=True) as http:
        yield OData(http, config)
