"""What machines may ask: JSON and Prometheus text.

`/healthz` answers 503 while this process cannot do its part, and tells what wants a person beside
that without failing: `scanpost_bridge_alert` is there to call one.

Health and metrics are open. The rest is as well without a users' file, as on a machine of one's
own; then two decisions are POSTs, taken on loopback only, and need the content type
`application/json` and our own name as host: a page of another site can send neither. Where there
is one, users are asked for what is in the ledger, and decide on the admin page.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import version
from typing import Any, Protocol, runtime_checkable
from uuid import UUID

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from bridge.errors import LedgerFailed
from bridge.metrics import Metrics
from bridge.web.visit import House

MOST = 1_000
"""Rows in one answer."""
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@runtime_checkable
class StockView(Protocol):
    """A connector that can say what is on hand."""

    async def on_hand(self, limit: int) -> list[dict[str, str]]:
        """Return rows with item, location, lot, unit and quantity."""
        ...


class Machines:
    """The answers of one bridge to machines."""

    def __init__(self, house: House, metrics: Metrics) -> None:
        self._ledger = house.ledger
        self._consumer = house.consumer
        self._dispatcher = house.dispatcher
        self._health = house.health
        self._metrics = metrics

    def add_to(
        self,
        router: web.UrlDispatcher,
        guarded: Callable[[Handler], Handler],
        *,
        decisions: bool,
    ) -> None:
        """Add the routes.

        Args:
            router: to add them to.
            guarded: makes a handler that answers only whom it may.
            decisions: whether decisions are taken here too.
        """
        router.add_get("/healthz", self._healthz)
        router.add_get("/metrics", self._scrape)
        router.add_get("/api/status", guarded(self._status))
        router.add_get("/api/entries", guarded(self._entries))
        router.add_get("/api/stock", guarded(self._stock))
        if decisions:
            router.add_post(r"/api/entries/{number:[0-9]{1,18}}/retry", self._retry)
            router.add_post(r"/api/streams/{gateway}/{epoch}/forgive", self._forgive)

    async def _healthz(self, _request: web.Request) -> web.Response:
        await self._health.look()
        troubles = self._health.troubles()
        reasons = [asdict(trouble) for trouble in troubles]
        down = any(trouble.severity == "critical" for trouble in troubles)
        return _json({"ok": not troubles, "reasons": reasons}, status=503 if down else 200)

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


@web.middleware
async def failures(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 503 where the ledger fails, instead of a traceback."""
    try:
        return await handler(request)
    except LedgerFailed as error:
        return _json({"error": f"the ledger fails: {error}"}, status=503)


def _is_ours(request: web.Request) -> None:
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="send Content-Type: application/json")


def _limit(request: web.Request) -> int:
    text = request.query.get("limit", "100")
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise web.HTTPBadRequest(text="limit is a number")
    return max(1, min(MOST, int(text)))


def _json(value: Mapping[str, Any] | list[Any], *, status: int = 200) -> web.Response:
    return web.json_response(text=json.dumps(value, default=_plain), status=status)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
