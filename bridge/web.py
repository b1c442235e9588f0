"""What people and monitors may ask: JSON and Prometheus text, on loopback, without a password.

A person's two decisions are POSTs. They are taken on loopback only, and need the content type
`application/json` and our own name as host: a page of another site can send neither.
"""

import contextlib
import ipaddress
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import version
from typing import Any, Protocol, runtime_checkable
from uuid import UUID

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from bridge.consumer import Consumer
from bridge.dispatcher import Dispatcher
from bridge.errors import LedgerFailed
from bridge.health import Health
from bridge.ledger import Ledger
from bridge.metrics import Metrics

MOST = 1_000
"""Rows in one answer."""
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@runtime_checkable
class StockView(Protocol):
    """A connector that can say what is on hand."""

    async def on_hand(self, limit: int) -> list[dict[str, str]]:
        """Return rows with item, location, lot, unit and quantity."""
        ...


class Web:
    """The pages of one bridge."""

    def __init__(
        self,
        ledger: Ledger,
        consumer: Consumer,
        dispatcher: Dispatcher,
        health: Health,
        metrics: Metrics,
    ) -> None:
        self._ledger = ledger
        self._consumer = consumer
        self._dispatcher = dispatcher
        self._health = health
        self._metrics = metrics

    def app(self, host: str) -> web.Application:
        """Return the application, to be served at `host`."""
        loopback = _is_loopback(host)
        app = web.Application(middlewares=[_failures, *([_at_home] if loopback else [])])
        app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/metrics", self._scrape),
                web.get("/api/status", self._status),
                web.get("/api/entries", self._entries),
                web.get("/api/stock", self._stock),
            ]
        )
        if loopback:
            app.add_routes(
                [
                    web.post(r"/api/entries/{number:[0-9]{1,18}}/retry", self._retry),
                    web.post(r"/api/streams/{gateway}/{epoch}/forgive", self._forgive),
                ]
            )
        return app

    async def _healthz(self, _request: web.Request) -> web.Response:
        await self._health.look()
        troubles = self._health.troubles()
        reasons = [asdict(trouble) for trouble in troubles]
        return _json({"ok": not troubles, "reasons": reasons}, status=503 if troubles else 200)

    async def _scrape(self, _request: web.Request) -> web.Response:
        await self._health.look()
        return web.Response(body=self._metrics.text(), headers={"Content-Type": _PROMETHEUS})

    async def _status(self, _request: web.Request) -> web.Response:
        await self._health.look()
        standing = self._health.standing
        return _json(
            {
                "version": version("scanpost"),
                "broker_connected": self._consumer.connected,
                "target_connected": self._dispatcher.connector is not None,
                "troubles": [asdict(trouble) for trouble in self._health.troubles()],
                "standing": None if standing is None else asdict(standing),
                "stuck": [
                    {"number": number, "why": why}
                    for number, why in list(self._dispatcher.stuck.items())[:MOST]
                ],
                "streams": await self._ledger.streams(),
            }
        )

    async def _entries(self, request: web.Request) -> web.Response:
        return _json({"entries": await self._ledger.entries(_limit(request))})

    async def _stock(self, request: web.Request) -> web.Response:
        connector = self._dispatcher.connector
        if connector is None:
            raise web.HTTPServiceUnavailable(text="the target is not open")
        if not isinstance(connector, StockView):
            raise web.HTTPNotFound(text="this target does not say what is on hand")
        try:
            return _json(await connector.on_hand(_limit(request)))
        except SQLAlchemyError as error:
            raise web.HTTPServiceUnavailable(text=str(error).partition("\n")[0]) from error

    async def _retry(self, request: web.Request) -> web.Response:
        _is_ours(request)
        done = await self._ledger.revive(int(request.match_info["number"]))
        return _json({"done": done}, status=200 if done else 409)

    async def _forgive(self, request: web.Request) -> web.Response:
        _is_ours(request)
        try:
            epoch = UUID(request.match_info["epoch"])
        except ValueError:
            raise web.HTTPNotFound from None
        done = await self._ledger.forgive(request.match_info["gateway"], epoch)
        return _json({"done": done}, status=200 if done else 409)


@contextlib.asynccontextmanager
async def serve(app: web.Application, host: str, port: int) -> AsyncIterator[tuple[str, int]]:
    """Serve, and yield the address; end at the end, without waiting for who is slow.

    Raises:
        OSError: the address is taken or not ours.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        bound: tuple[str, int] = runner.addresses[0][:2]
        yield bound
    finally:
        await runner.cleanup()


@web.middleware
async def _failures(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except LedgerFailed as error:
        return _json({"error": f"the ledger fails: {error}"}, status=503)


@web.middleware
async def _at_home(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Refuse a foreign name that someone pointed at this machine (DNS rebinding)."""
    if not _is_loopback(request.url.host or ""):
        raise web.HTTPForbidden(text="ask by an address of this machine")
    return await handler(request)


def _is_ours(request: web.Request) -> None:
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="send Content-Type: application/json")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _limit(request: web.Request) -> int:
    text = request.query.get("limit", "100")
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise web.HTTPBadRequest(text="limit is a number")
    return max(1, min(MOST, int(text)))


def _json(value: Mapping[str, Any] | list[Any], *, status: int = 200) -> web.Response:
    return web.json_response(text=json.dumps(value, default=_plain), status=status)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
