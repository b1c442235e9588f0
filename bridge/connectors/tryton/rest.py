"""What is asked of Tryton's REST interface, and the wire to it."""

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

import aiohttp
from pydantic import BaseModel, ValidationError

from bridge import wire
from bridge.connectors.tryton.answers import Answer
from bridge.connectors.tryton.config import Config
from bridge.connectors.tryton.request import Query, Request, base64, read
from bridge.connectors.tryton.verdict import MAX_TEXT, SETTING_WRONG, Stopped, judge
from bridge.outcome import TryLater, Unknown

MAX_ANSWER = 8_000_000
"""Bytes of an answer: an order of a thousand lines is about one megabyte."""
MAX_ROWS = 20
"""Rows of an answer: every search here is for one record, and two are already too many."""
PAGE = 100
"""Rows of a page where everything is read: an order of a hundred lines is some 100 kB."""
CONNECT_WITHIN = 10.0
"""Seconds for a connection to come up: a host that takes longer is down."""


_A = TypeVar("_A", bound=Answer)
_B = TypeVar("_B", bound=BaseModel)


class Exchange(Protocol):
    """Who answers requests: a Tryton. Everything that is not a success raises `Stopped`."""

    def renew_key(self) -> None:
        """Read the key again: a new one works without a restart."""
        ...

    async def rows(self, request: Request, answer: type[_B]) -> list[_B]:
        """Return the records a search finds."""
        ...

    async def row(self, request: Request, answer: type[_B]) -> _B:
        """Return what became of a request that writes."""
        ...


class Rest:
    """Tryton's REST interface. Everything that is not a success raises `Stopped`."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.renew_key = exchange.renew_key
        self.company: int | None = None

    async def find(
        self,
        model: str,
        answer: type[_A],
        domain: list[Any],
        fields: Iterable[str] = ("id",),
        context: dict[str, Any] | None = None,
    ) -> list[_A]:
        """Return the records that match, with `fields` read; at most `MAX_ROWS`."""
        query = (("d", domain), ("s", str(MAX_ROWS)), *_fields(fields))
        return await self._rows(model, answer, query, context)

    async def pages(
        self,
        model: str,
        answer: type[_A],
        domain: list[Any],
        fields: Iterable[str],
        context: dict[str, Any] | None = None,
    ) -> AsyncIterator[_A]:
        """Yield all records that match, a page at a time, by their id."""
        after, fields = 0, tuple(fields)
        while True:
            query = (
                ("d", [*domain, ["id", ">", after]]),
                *(("o", [["id", "ASC"]]), ("s", str(PAGE)), *_fields(fields)),
            )
            rows = await self._rows(model, answer, query, context)
            for row in rows:
                after = row.id
                yield row
            if len(rows) < PAGE:
                return

    async def latest(
        self, model: str, answer: type[_A], domain: list[Any], fields: Iterable[str]
    ) -> list[_A]:
        """Return the records that match, the newest first; at most `PAGE`."""
        query = (("d", domain), ("o", [["id", "DESC"]]), ("s", str(PAGE)), *_fields(fields))
        return await self._rows(model, answer, query)

    async def _rows(
        self, model: str, answer: type[_A], query: Query, context: dict[str, Any] | None = None
    ) -> list[_A]:
        request = Request("GET", model, query, context=self._context(context))
        return await self._exchange.rows(request, answer)

    async def make(
        self, model: str, answer: type[_A], values: dict[str, Any], fields: Iterable[str]
    ) -> _A:
        """Make a record, and return it with `fields` read."""
        return await self._row(model, answer, values, fields)

    async def change(self, model: str, number: int, values: dict[str, Any]) -> None:
        """Change a record.

        Not by PUT: aiohttp sends one twice where an answer is lost.
        """
        await self._row(f"{model}/{number}/write", Answer, {"values": values}, ("id",))

    async def act(
        self, model: str, number: int, button: str, answer: type[_A], fields: Iterable[str]
    ) -> _A:
        """Press a button on a record, and return it with `fields` read."""
        return await self._row(f"{model}/{number}/{button}", answer, {}, fields)

    async def ask(self, model: str, method: str, answer: type[_B], values: dict[str, Any]) -> _B:
        """Call a method of a model that writes, and return its answer."""
        return await self._row(f"{model}/{method}", answer, values, ())

    async def _row(
        self, path: str, answer: type[_B], values: dict[str, Any], fields: Iterable[str]
    ) -> _B:
        request = Request("POST", path, _fields(fields), values, self._context(None))
        return await self._exchange.row(request, answer)

    def _context(self, more: dict[str, Any] | None) -> dict[str, Any] | None:
        return None if self.company is None else {"company": self.company, **(more or {})}


def _fields(names: Iterable[str]) -> Query:
    return tuple(("f", name) for name in names)


class Http:
    """The wire to a running Tryton."""

    def __init__(self, session: aiohttp.ClientSession, config: Config) -> None:
        self._session = session
        self._config = config
        self._key = ""

    def renew_key(self) -> None:
        """Read the key again: a new one works without a restart."""
        try:
            key = self._config.key()
        except (OSError, KeyError, ValueError) as error:
            raise Stopped(
                TryLater(f"the API key cannot be read: {error!r}", SETTING_WRONG)
            ) from None
        if not re.fullmatch(r"[!-~]{1,1024}", key):
            raise Stopped(TryLater("the API key is empty or no key", SETTING_WRONG))
        self._key = key

    async def rows(self, request: Request, answer: type[_B]) -> list[_B]:
        """Return the records a search finds."""
        rows = await self._call(request)
        if not isinstance(rows, list):
            why = f"Tryton answered no list of {request.path}"
            raise Stopped(TryLater(why, SETTING_WRONG))
        return [_read(answer, row, writes=False) for row in rows]

    async def row(self, request: Request, answer: type[_B]) -> _B:
        """Return what became of a request that writes."""
        return _read(answer, await self._call(request), writes=True)

    async def _call(self, request: Request) -> Any:
        headers = {"Authorization": f"bearer {self._key}"}
        if request.context is not None:
            headers["X-Tryton-Context"] = base64(request.context)
        data = None
        if request.values is not None:
            headers["Content-Type"] = "application/json"
            data = request.body.encode()
        # The key is in a header, and no header is told
        wire.sent(request.line, request.body)
        try:
            async with self._session.request(
                request.method,
                f"{self._config.endpoint}/{request.path}",
                params=request.parameters,
                data=data,
                headers=headers,
                allow_redirects=False,  # a redirected POST would turn into a GET
            ) as response:
                body = await _body(response)
                wire.heard(str(response.status), (body or b"").decode(errors="replace"))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Stopped(TryLater(f"Tryton is not reachable: {error}"[:MAX_TEXT])) from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            why = f"{request.method} {request.path}: no answer: {error!r}"[:MAX_TEXT]
            wire.heard(why)
            raise Stopped(Unknown(why) if request.writes else TryLater(why)) from error
        if response.status == 200 and body is not None:
            try:
                return read(body)
            except ValueError:
                pass  # a 200 that is not JSON comes from something in between
        after = _seconds(response.headers.get("Retry-After"))
        body = b"too long an answer" if body is None else body
        raise Stopped(judge(response.status, body, writes=request.writes, after=after))


@asynccontextmanager
async def opened(config: Config) -> AsyncIterator[Rest]:
    """Yield the interface. Nothing is connected until the first call."""
    async with aiohttp.ClientSession(
        headers={"Accept-Language": "en", "Accept": "application/json"},
        timeout=aiohttp.ClientTimeout(total=config.timeout, sock_connect=CONNECT_WITHIN),
        connector=aiohttp.TCPConnector(limit=1),
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        yield Rest(Http(session, config))


async def _body(response: aiohttp.ClientResponse) -> bytes | None:
    body = bytearray()
    async for chunk in response.content.iter_chunked(65_536):
        body += chunk
        if len(body) > MAX_ANSWER:
            return None
    return bytes(body)


def _read(answer: type[_B], row: Any, *, writes: bool) -> _B:
    try:
        return answer.model_validate(row)
    except ValidationError as error:
        why = f"Tryton's answer is not as expected: {error}"[:MAX_TEXT]
        raise Stopped(Unknown(why) if writes else TryLater(why, SETTING_WRONG)) from error


def _seconds(header: str | None) -> float | None:
    found = re.fullmatch(r"[0-9]{1,4}", header or "")
    return float(found[0]) if found else None
