"""The station screen while the store cannot be had: that nothing is saved, and why."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

from aiohttp import web

from gateway.config import Gateway
from gateway.health import Alert
from gateway.languages import catalogue
from gateway.phrases import say, translate
from gateway.shut import NOT_SAVED, Refusal, Shut
from gateway.signals import Signals
from gateway.web import wording
from gateway.web.server import page, safe, serve
from gateway.web.stream import pump
from runtime.clock import Clock

CODE = "store-unusable"
_TODO = (
    "Look at the disk that holds the outbox: whether it is there, may be written to, and has room."
    " The gateway tries again by itself. If the disk stays broken, stop the gateway;"
    " `scanpost outbox new-epoch` takes what can be read."
)


class ShutPage:
    """The routes of a gateway that takes no scan. Every other one is answered with 503."""

    def __init__(self, config: Gateway, signals: Signals, shut: Shut, clock: Clock) -> None:
        self._config = config
        self._signals = signals
        self._shut = shut
        self._clock = clock

    def app(self) -> web.Application:
        """Return the application; `gateway.web.server.serve` listens for it."""
        app = web.Application(client_max_size=64 * 1024)
        app.router.add_get("/", self._page)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/api/status", self._status)
        app.router.add_get("/api/rows", self._rows)
        app.router.add_get("/api/events", self._events)
        app.router.add_route("*", "/{rest:.*}", self._nothing)
        app.on_response_prepare.append(safe)
        return app

    @property
    def _alert(self) -> Alert:
        since = self._shut.since
        when = since.isoformat(timespec="seconds") if since else None
        text = f"the store cannot be used: {self._shut.why}"
        return Alert(CODE, "critical", text, _TODO, when)

    def _named(self, station: str | None) -> Refusal | None:
        found = (each for each in self._shut.refusals if each.station.name == station)
        return next(found, None)

    def _refusal(self, request: web.Request) -> Refusal | None:
        return self._named(request.query.get("station"))

    def _words(self, request: web.Request, refusal: Refusal | None) -> wording.Catalogue:
        return catalogue(wording.language_of(request.query.get("lang"), refusal))

    async def _page(self, request: web.Request) -> web.Response:
        shown = self._refusal(request) or next(iter(self._shut.refusals), None)
        language = wording.language_of(request.query.get("lang"), shown)
        return web.Response(text=page("station.html", language), content_type="text/html")

    async def _healthz(self, request: web.Request) -> web.Response:
        del request
        return web.json_response({"ok": False, "alerts": [asdict(self._alert)]}, status=503)

    async def _status(self, request: web.Request) -> web.Response:
        words = self._words(request, self._refusal(request))
        return web.json_response(
            {
                "site": self._config.site,
                "gateway": self._config.gateway,
                "broker": "offline",
                "offline_since": self._alert.since,
                # What waits lies in the store.
                "waiting": None,
                "oldest_s": None,
                "clock_synchronised": self._clock.synchronised(),
                "devices": [asdict(each.state) for each in self._shut.devices.supervisors],
                "alerts": [wording.alert(self._alert, words)],
                "stations": [self._station(each, request) for each in self._shut.refusals],
            }
        )

    def _station(self, refusal: Refusal, request: web.Request) -> dict[str, Any]:
        words = self._words(request, refusal)
        latched = self._signals.latched.get(refusal.station.name)
        job = refusal.station.modes[0].job
        return {
            "station": refusal.station.name,
            "job": job,
            "job_name": translate(say(job.replace("_", " ")), words),
            "operator": None,
            "headline": translate(NOT_SAVED, words),
            "question": "",
            "facts": [[translate(say("Reason"), words), self._shut.why]],
            "document": "",
            "lines": [],
            "latched": wording.told(latched, words) if latched else None,
            "live_weight": wording.live_weight(refusal),
        }

    async def _rows(self, request: web.Request) -> web.Response:
        del request
        return web.json_response({"rows": []})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await pump(
            response,
            self._signals,
            self._refusal(request),
            lambda station: self._words(request, self._named(station)),
        )
        return response

    async def _nothing(self, request: web.Request) -> web.Response:
        del request
        return web.Response(status=503, text=self._alert.text)


@contextlib.asynccontextmanager
async def shown(config: Gateway, signals: Signals, shut: Shut, clock: Clock) -> AsyncIterator[str]:
    """Show on the station's screen that the store cannot be had; yield the address.

    Raises:
        OSError: the port is taken or the address is not ours.
    """
    async with serve(ShutPage(config, signals, shut, clock).app(), config.web.listen) as address:
        yield address
