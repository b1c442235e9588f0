"""Serves the station screen and what it reads; it knows the gateway, never the disk.

What is stored is only read. A not-OK can be acknowledged and rows sent again by a POST that is
taken from this machine only, and needs the content type `application/json` and our own name as
host: a page of another site can send neither. The bench page, behind its PIN, is in
`gateway.web.admin`.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from contract.commands import MAX_AGAIN
from contract.identifiers import Rules
from gateway.bench import Bench
from gateway.errors import StoreDamaged
from gateway.forwarder import Forwarder
from gateway.health import Health, alerts
from gateway.languages import catalogue
from gateway.metrics import exposition
from gateway.outbox import Outbox
from gateway.phrases import say
from gateway.signals import Signals
from gateway.stations.job import Signal
from gateway.web import wording
from gateway.web.admin import Admin
from gateway.web.checks import is_local
from gateway.web.stream import pump
from gateway.whereabouts import REACH, Whereabout, Whereabouts

_LOOK = 1.0  # seconds between two looks at whether the broker is there
_ROWS = 100  # newest rows looked through for those of one station
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline';"
    " script-src 'self' 'unsafe-inline'; connect-src 'self'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class _Acknowledged(BaseModel):
    """Which not-OK or question somebody has seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    station: str
    number: int


class Again(BaseModel):
    """Which booked rows to send once more."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: Annotated[int, Field(ge=1)] | None = None
    """Begin at this seq."""
    last: Annotated[int, Field(ge=1, le=MAX_AGAIN)] | None = None
    """Or send this many of the last ones that are booked."""

    @model_validator(mode="after")
    def _one_of_both(self) -> "Again":
        if (self.first is None) == (self.last is None):
            raise ValueError("say either first or last")
        return self


class Server:
    """The routes, over the parts of a running gateway."""

    def __init__(
        self,
        health: Health,
        signals: Signals,
        outbox: Outbox,
        forwarder: Forwarder,
        *,
        pin: str | None = None,
        codes: Rules | None = None,
    ) -> None:
        """Take the parts.

        Args:
            health: knows the benches and devices.
            signals: what is told at the stations.
            outbox: where rows are.
            forwarder: sends them.
            pin: hash of the bench page's PIN; None: nobody may use that page.
            codes: what the site's cards begin with.
        """
        self._health = health
        self._signals = signals
        self._outbox = outbox
        self._forwarder = forwarder
        self._whereabouts = Whereabouts(outbox, forwarder)
        self._offline_since: datetime | None = datetime.now(UTC)
        self._admin = Admin(health, signals, self._whereabouts, self._send_again, pin, codes)

    def app(self) -> web.Application:
        """Return the application; `serve` listens for it."""
        app = web.Application(client_max_size=64 * 1024)
        app.router.add_get("/", self._page)
        app.router.add_get("/bench", self._bench_page)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/api/status", self._status)
        app.router.add_get("/api/rows", self._rows)
        app.router.add_get("/api/transactions", self._transactions)
        app.router.add_get("/api/transactions/{which}", self._transaction)
        app.router.add_post("/api/resend", self._resend)
        app.router.add_post("/api/ack", self._acknowledge)
        app.router.add_get("/api/events", self._events)
        self._admin.add_to(app.router)
        app.on_response_prepare.append(safe)
        app.cleanup_ctx.append(self._watching)
        return app

    async def _watching(self, app: web.Application) -> AsyncIterator[None]:
        del app
        task = asyncio.create_task(self._watch(), name="watch the broker for the screen")
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _watch(self) -> None:
        """Know since when the broker is not there."""
        while True:
            if self._forwarder.connected:
                self._offline_since = None
            elif self._offline_since is None:
                self._offline_since = datetime.now(UTC)
            await asyncio.sleep(_LOOK)

    def _bench(self, request: web.Request) -> Bench | None:
        """Return the bench asked for by `station`."""
        wanted = request.query.get("station")
        return next((each for each in self._health.benches if each.station.name == wanted), None)

    def _words(self, request: web.Request, station: str | None = None) -> wording.Catalogue:
        """Return the catalogue of `lang`, of that station, or of the station asked for."""
        benches = self._health.benches
        named = station or request.query.get("station")
        bench = next((each for each in benches if each.station.name == named), None)
        return catalogue(wording.language_of(request.query.get("lang"), bench))

    async def _page(self, request: web.Request) -> web.Response:
        bench = self._bench(request) or next(iter(self._health.benches), None)
        language = wording.language_of(request.query.get("lang"), bench)
        return web.Response(text=page("station.html", language), content_type="text/html")

    async def _bench_page(self, request: web.Request) -> web.Response:
        first = next(iter(self._health.benches), None)
        language = wording.language_of(request.query.get("lang"), first)
        return web.Response(text=page("bench.html", language), content_type="text/html")

    async def _healthz(self, request: web.Request) -> web.Response:
        del request
        raised = alerts(await self._health.snapshot())
        return web.json_response(
            {"ok": not raised, "alerts": [asdict(alert) for alert in raised]},
            status=503 if any(alert.severity == "critical" for alert in raised) else 200,
        )

    async def _metrics(self, request: web.Request) -> web.Response:
        del request
        return web.Response(
            body=exposition(await self._health.snapshot()),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    async def _status(self, request: web.Request) -> web.Response:
        snapshot = await self._health.snapshot()
        return web.json_response(
            {
                **asdict(snapshot),
                "offline_since": self._since(),
                "alerts": [
                    wording.alert(alert, self._words(request)) for alert in alerts(snapshot)
                ],
                "stations": [
                    wording.station(
                        bench,
                        self._signals.latched.get(bench.station.name),
                        request.query.get("lang"),
                    )
                    for bench in self._health.benches
                ],
            }
        )

    def _since(self) -> str | None:
        if self._forwarder.connected or self._offline_since is None:
            return None
        return self._offline_since.isoformat(timespec="seconds")

    async def _rows(self, request: web.Request) -> web.Response:
        """Newest rows first, each with how far it has come."""
        return await self._recent(request, "limit", "rows")

    async def _transactions(self, request: web.Request) -> web.Response:
        return await self._recent(request, "recent", "transactions")

    async def _recent(self, request: web.Request, asked: str, name: str) -> web.Response:
        try:
            limit = min(200, max(1, int(request.query.get(asked, "50"))))
        except ValueError:
            raise web.HTTPBadRequest(text=f"{asked} is a number from 1 to 200") from None
        station = request.query.get("station")
        found = await self._whereabouts.recent(max(limit, _ROWS) if station else limit)
        if station:
            found = [each for each in found if (each.transaction or {}).get("station") == station]
        words = self._words(request)
        return web.json_response({name: [wording.row(each, words) for each in found[:limit]]})

    async def _transaction(self, request: web.Request) -> web.Response:
        """Where is my scan: by its id, or by its seq."""
        try:
            found = await self._find(request.match_info["which"])
        except ValueError:
            raise web.HTTPBadRequest(text="ask by an id or a seq") from None
        except StoreDamaged as damage:
            raise web.HTTPInternalServerError(text=f"a row is damaged: {damage}") from damage
        if found is None:
            raise web.HTTPNotFound(text=f"not among the newest {REACH} rows that are kept here")
        return web.json_response(asdict(found))

    async def _find(self, which: str) -> Whereabout | None:
        if which.isascii() and which.isdigit() and len(which) <= 16:
            return await self._whereabouts.by_seq(int(which))
        return await self._whereabouts.by_id(UUID(which))

    async def _resend(self, request: web.Request) -> web.Response:
        """Send booked rows once more: `{"last": 50}` or `{"first": 1200}`."""
        is_local(request)
        try:
            again = Again.model_validate_json(await request.read())
        except ValidationError as error:
            raise web.HTTPBadRequest(text=error.errors()[0]["msg"]) from None
        sent = self._send_again(again.first, again.last)
        if sent is None:
            raise web.HTTPConflict(text="no row there is booked, or a conflict stopped the stream")
        return web.json_response({"first": sent[0], "last": sent[1]}, status=202)

    def _send_again(self, first: int | None, last: int | None) -> tuple[int, int] | None:
        """Send booked rows from `first` on, or the `last` ones; None where there is none."""
        return self._forwarder.send_again(first or self._outbox.standing.upto - (last or 0) + 1)

    async def _acknowledge(self, request: web.Request) -> web.Response:
        """Take note of a not-OK or a question; what it was about stays as it is."""
        is_local(request)
        try:
            seen = _Acknowledged.model_validate_json(await request.read())
        except ValidationError as error:
            raise web.HTTPBadRequest(text=error.errors()[0]["msg"]) from None
        latched = self._signals.latched.get(seen.station)
        if latched is None or latched.number != seen.number:
            raise web.HTTPConflict(text="that is not what is shown now")
        self._signals.tell(seen.station, Signal("ok", say("Acknowledged")))
        return web.json_response({}, status=202)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Signals as server-sent events: first the last ones given, then each as it is given."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **_HEADERS})
        await response.prepare(request)
        await pump(
            response,
            self._signals,
            self._bench(request),
            lambda station: self._words(request, station),
        )
        return response


def page(name: str, language: str) -> str:
    """Return a page of ours, with the words of `language` in it."""
    text = (Path(__file__).parent / name).read_text("utf-8")
    # `<` would end the script that holds them.
    words = json.dumps(dict(catalogue(language)), ensure_ascii=False).replace("<", "\\u003c")
    if words != "{}":
        text = text.replace('<html lang="en">', f'<html lang="{language}">', 1)
        text = text.replace(' id="words">{}<', f' id="words">{words}<', 1)
    return text


async def safe(request: web.Request, response: web.StreamResponse) -> None:
    """Give every answer the headers that keep a page of ours to itself."""
    del request
    response.headers.update(_HEADERS)


@contextlib.asynccontextmanager
async def serve(app: web.Application, listen: str) -> AsyncIterator[str]:
    """Listen on `host:port` and yield the address that was bound.

    Raises:
        OSError: the port is taken or the address is not ours.
    """
    host, _, port = listen.rpartition(":")
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=0.5,
        handle_signals=False,
        # A screen that goes away must not be kept in mind until the next sign of life.
        handler_cancellation=True,
    )
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host.strip("[]"), int(port)).start()
        except OSError as error:
            raise OSError(error.errno, f"cannot listen at {listen}: {error.strerror}") from error
        bound = runner.addresses[0]
        yield f"http://{host}:{bound[1]}"
    finally:
        await runner.cleanup()
