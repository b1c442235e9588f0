"""Serves the station screen and what it reads. Read-only; it knows the gateway, never the disk."""

import asyncio
import contextlib
import importlib.resources
import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

from aiohttp import web

from gateway.bench import Bench, label
from gateway.health import Health, alerts, station_view
from gateway.metrics import exposition
from gateway.outbox import Outbox
from gateway.signals import Fallen, Signals, Told

_PING = 15.0  # seconds between two signs of life on a quiet event stream
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline';"
    " script-src 'self' 'unsafe-inline'; connect-src 'self'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Server:
    """The routes, over the parts of a running gateway."""

    def __init__(self, health: Health, signals: Signals, outbox: Outbox) -> None:
        self._health = health
        self._signals = signals
        self._outbox = outbox

    def app(self) -> web.Application:
        """Return the application; `serve` listens for it."""
        app = web.Application(client_max_size=64 * 1024)
        app.router.add_get("/", self._page)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/api/status", self._status)
        app.router.add_get("/api/rows", self._rows)
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
        try:
            limit = min(200, max(1, int(request.query.get("limit", "50"))))
        except ValueError:
            raise web.HTTPBadRequest(text="limit is a number from 1 to 200") from None
        snapshot = await self._health.snapshot()
        rejected = {seq: (code, text) for seq, code, text in await self._outbox.rejections(200)}
        rows = []
        for row in reversed(await self._outbox.newest(limit)):
            code, text = rejected.get(row.seq, (None, None))
            if code is not None:
                state = "rejected"
            elif row.seq <= snapshot.posted:
                state = "posted"
            elif row.seq <= snapshot.upto:
                state = "booked"
            else:
                state = "at broker" if row.seq <= snapshot.at_broker else "saved"
            rows.append(
                {
                    "seq": row.seq,
                    "state": state,
                    "code": code,
                    "why": text,
                    "transaction": json.loads(row.body),
                }
            )
        return web.json_response({"rows": rows})

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
