"""The wire to Tryton's REST interface, and the JSON it speaks."""

import json
import re
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import urlencode

import aiohttp
from pydantic import BaseModel, ValidationError

from bridge import wire
from bridge.connectors.tryton.answers import Answer
from bridge.connectors.tryton.config import Config
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


class Rest:
    """Tryton's REST interface. Everything that is not a success raises `Stopped`."""

    def __init__(self, session: aiohttp.ClientSession, config: Config) -> None:
        self._session = session
        self._config = config
        self._base = f"{config.url.rstrip('/')}/{config.database}/rest/model"
        self._key = ""
        self.company: int | None = None

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

    async def find(
        self,
        model: str,
        answer: type[_A],
        domain: list[Any],
        fields: Iterable[str] = ("id",),
        context: dict[str, Any] | None = None,
    ) -> list[_A]:
        """Return the records that match, with `fields` read; at most `MAX_ROWS`."""
        query = [("d", _base64(domain)), ("s", str(MAX_ROWS)), *(("f", name) for name in fields)]
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
            query = [
                ("d", _base64([*domain, ["id", ">", after]])),
                *(("o", _base64([["id", "ASC"]])), ("s", str(PAGE))),
                *(("f", name) for name in fields),
            ]
            rows = await self._rows(model, answer, query, context)
            for row in rows:
                after = max(after, row.id)
                yield row
            if len(rows) < PAGE:
                return

    async def latest(
        self, model: str, answer: type[_A], domain: list[Any], fields: Iterable[str]
    ) -> list[_A]:
        """Return the records that match, the newest first; at most `PAGE`."""
        query = [("d", _base64(domain)), ("o", _base64([["id", "DESC"]])), ("s", str(PAGE))]
        query += [("f", name) for name in fields]
        return await self._rows(model, answer, query)

    async def _rows(
        self,
        model: str,
        answer: type[_A],
        query: list[tuple[str, str]],
        context: dict[str, Any] | None = None,
    ) -> list[_A]:
        rows = await self._call("GET", model, query, writes=False, context=context)
        if not isinstance(rows, list):
            raise Stopped(TryLater(f"Tryton answered no list of {model}", SETTING_WRONG))
        return [_read(answer, row, writes=False) for row in rows]

    async def make(
        self, model: str, answer: type[_A], values: dict[str, Any], fields: Iterable[str]
    ) -> _A:
        """Make a record, and return it with `fields` read."""
        query = [("f", name) for name in fields]
        return _read(answer, await self._call("POST", model, query, values), writes=True)

    async def change(self, model: str, number: int, values: dict[str, Any]) -> None:
        """Change a record.

        Not by PUT: aiohttp sends one twice where an answer is lost.
        """
        await self._call("POST", f"{model}/{number}/write", [("f", "id")], {"values": values})

    async def act(
        self, model: str, number: int, button: str, answer: type[_A], fields: Iterable[str]
    ) -> _A:
        """Press a button on a record, and return it with `fields` read."""
        query = [("f", name) for name in fields]
        row = await self._call("POST", f"{model}/{number}/{button}", query, {})
        return _read(answer, row, writes=True)

    async def ask(self, model: str, method: str, answer: type[_B], values: dict[str, Any]) -> _B:
        """Call a method of a model that writes, and return its answer."""
        return _read(answer, await self._call("POST", f"{model}/{method}", [], values), writes=True)

    async def _call(
        self,
        method: str,
        path: str,
        query: list[tuple[str, str]],
        values: dict[str, Any] | None = None,
        *,
        writes: bool = True,
        context: dict[str, Any] | None = None,
    ) -> Any:
        headers = {"Authorization": f"bearer {self._key}"}
        if self.company is not None:
            headers["X-Tryton-Context"] = _base64({"company": self.company, **(context or {})})
        data = None
        if values is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(values, default=_encode).encode()
        # The key is in a header, and no header is told
        wire.sent(f"{method} {path}?{urlencode(query)}", data.decode() if data else "")
        try:
            async with self._session.request(
                method,
                f"{self._base}/{path}",
                params=query,
                data=data,
                headers=headers,
                allow_redirects=False,  # a redirected POST would turn into a GET
            ) as response:
                body = await _body(response)
                wire.heard(str(response.status), (body or b"").decode(errors="replace"))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Stopped(TryLater(f"Tryton is not reachable: {error}"[:MAX_TEXT])) from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            why = f"{method} {path}: no answer: {error!r}"[:MAX_TEXT]
            wire.heard(why)
            raise Stopped(Unknown(why) if writes else TryLater(why)) from error
        if response.status == 200 and body is not None:
            try:
                return json.loads(body, parse_float=Decimal, object_hook=_decode)
            except ValueError:
                pass  # a 200 that is not JSON comes from something in between
        after = _seconds(response.headers.get("Retry-After"))
        body = b"too long an answer" if body is None else body
        raise Stopped(judge(response.status, body, writes=writes, after=after))


@asynccontextmanager
async def opened(config: Config) -> AsyncIterator[Rest]:
    """Yield the interface. Nothing is connected until the first call."""
    async with aiohttp.ClientSession(
        headers={"Accept-Language": "en", "Accept": "application/json"},
        timeout=aiohttp.ClientTimeout(total=config.timeout, sock_connect=CONNECT_WITHIN),
        connector=aiohttp.TCPConnector(limit=1),
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        yield Rest(session, config)


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


def _base64(value: Any) -> str:
    return urlsafe_b64encode(json.dumps(value, default=_encode).encode()).decode()


def _encode(value: object) -> dict[str, Any]:
    match value:
        case Decimal():
            return {"__class__": "Decimal", "decimal": str(value)}
        case datetime():
            there = value.astimezone(UTC)
            names = ("year", "month", "day", "hour", "minute", "second", "microsecond")
            return {"__class__": "datetime"} | {name: getattr(there, name) for name in names}
        case date():
            return {
                "__class__": "date",
                "year": value.year,
                "month": value.month,
                "day": value.day,
            }
    raise TypeError(f"{value!r} has no JSON form in Tryton")


def _decode(value: dict[str, Any]) -> Any:
    match value:
        case {"__class__": "Decimal", "decimal": str(number)}:
            return Decimal(number)
        case {"__class__": "date", "year": int(year), "month": int(month), "day": int(day)}:
            return date(year, month, day)
        case {"__class__": "datetime", "year": int(year), "month": int(month), "day": int(day)}:
            clock = [value.get(name, 0) for name in ("hour", "minute", "second", "microsecond")]
            return datetime(year, month, day, *clock)  # noqa: DTZ001 - Tryton's own have no zone
    return value


def _seconds(header: str | None) -> float | None:
    found = re.fullmatch(r"[0-9]{1,4}", header or "")
    return float(found[0]) if found else None
