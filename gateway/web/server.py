"""Serves the station screen and what it reads; it knows the gateway, never the disk.

Everything but one thing is read-only. Rows are sent again by a POST that is taken from this machine
only, and needs the content type `application/json` and our own name as host: a page of another site
can send neither.
"""

import asyncio
import contextlib
import importlib.resources
import ipaddress
import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from contract.commands import MAX_AGAIN
from gateway.bench import Bench, label
from gateway.errors import StoreDamaged
from gateway.forwarder import Forwarder
from gateway.health import Health, alerts, station_view
from gateway.metrics import exposition
from gateway.outbox import Outbox
from gateway.signals import Fallen, Signals, Told
from gateway.whereabouts import REACH, Whereabout, Whereabouts

_PING = 15.0  # seconds between two signs of life on a quiet event stream
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline';"
    " script-src 'self' 'unsafe-inline'; connect-src 'self'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


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
        self, health: Health, signals: Signals, outbox: Outbox, forwarder: Forwarder
    ) -> None:
        self._health = health
        self._signals = signals
        self._outbox = outbox
        self._forwarder = forwarder
        self._whereabouts = Whereabouts(outbox, forwarder)

    def app(self) -> web.Application:
        """Return the application; `serve` listens for it."""
        app = web.Application(client_max_size=64 * 1024)
        app.router.add_get("/", self._page)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/api/status", self._status)
        app.router.add_get("/api/rows", self._rows)
        app.router.add_get("/api/transactions", self._transactions)
        app.router.add_get("/api/transactions/{which}", self._transaction)
        app.router.add_post("/api/resend", self._resend)
        app.router.add_get("/api/events", self._events)
        app.on_response_prepare.append(_safe)
        return app

    async def _page(self, request: web.Request) -> web.Response:
        del request
        page = importlib.resources.files("gateway.web") / "station.html"
        return web.Response(text=page.read_text("utf-8"), content_type="text/html")

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
        del request
        snapshot = await self._health.snapshot()
        return web.json_response(
            {
                **asdict(snapshot),
                "alerts": [asdict(alert) for alert in alerts(snapshot)],
                "stations": [self._station(bench) for bench in self._health.benches],
            }
        )

    def _station(self, bench: Bench) -> dict[str, Any]:
        live = bench.live
        latched = self._signals.latched.get(bench.station.name)
        return {
            **station_view(bench),
            "latched": told(latched) if latched else None,
            "live_weight": None
            if live is None
            else {
                "value": None if live.value is None else str(live.value),
                "unit": live.unit,
                "stable": live.stable,
                "range": live.range,
            },
        }

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
        found = await self._whereabouts.recent(limit)
        return web.json_response({name: [asdict(each) for each in found]})

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
        _is_local(request)
        try:
            again = Again.model_validate_json(await request.read())
        except ValidationError as error:
            raise web.HTTPBadRequest(text=error.errors()[0]["msg"]) from None
        first = again.first or self._outbox.standing.upto - (again.last or 0) + 1
        sent = self._forwarder.send_again(first)
        if sent is None:
            raise web.HTTPConflict(text="no row there is booked, or a conflict stopped the stream")
        return web.json_response({"first": sent[0], "last": sent[1]}, status=202)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Signals as server-sent events: first the last ones given, then each as it is given."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **_HEADERS})
        with self._signals.subscribe() as coming:
            past = list(self._signals.history)
            await response.prepare(request)
            for each in past:
                await response.write(_sse(each, past=True))
            with contextlib.suppress(Fallen, ConnectionError):
                await self._pump(response, coming)
        return response

    async def _pump(self, response: web.StreamResponse, coming: AsyncIterator[Told]) -> None:
        pending = asyncio.ensure_future(anext(coming))
        try:
            while True:
                await asyncio.wait([pending], timeout=_PING)
                if not pending.done():
                    await response.write(b": here\n\n")
                    continue
                await response.write(_sse(pending.result(), past=False))
                pending = asyncio.ensure_future(anext(coming))
        finally:
            pending.cancel()
            with contextlib.suppress(asyncio.CancelledError, Fallen):
                await pending


def told(each: Told) -> dict[str, Any]:
    """Return one signal as JSON shows it."""
    return {
        "number": each.number,
        "station": each.station,
        "kind": each.signal.kind,
        "text": each.signal.text,
        "todo": each.signal.todo,
        "device": each.device,
        "said": each.text,
        "booked": [
            {"seq": booked.seq, "id": str(booked.id), "label": label(booked.event)}
            for booked in each.booked
        ],
    }


def _sse(each: Told, *, past: bool) -> bytes:
    return f"data: {json.dumps({**told(each), 'past': past})}\n\n".encode()


def _is_local(request: web.Request) -> None:
    """Refuse another machine, and a page of another site in a browser of this one."""
    if not (_is_loopback(request.remote or "") and _is_loopback(request.url.host or "")):
        raise web.HTTPForbidden(text="ask on this machine, by an address of it")
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="send Content-Type: application/json")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _safe(request: web.Request, response: web.StreamResponse) -> None:
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
