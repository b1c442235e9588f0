"""The demo's page: one picture of the whole way, and buttons to break it."""

import asyncio
import contextlib
import importlib.resources
import itertools
from collections.abc import Awaitable, Callable
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from scanpost.demo.goods import DOCUMENTS, GOODS, label
from scanpost.demo.operator import Operator
from scanpost.demo.shifts import SCANS, Busy, Shift
from scanpost.demo.stack import ANY, BENCH, DOCK, Stack

_ASK_WITHIN = aiohttp.ClientTimeout(total=2)  # seconds for an answer of a daemon on this machine
_MOST = Decimal(300)  # kg the virtual scale takes
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline';"
    " script-src 'self' 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Page:
    """What the page shows and does."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._session: aiohttp.ClientSession | None = None
        self._serials = itertools.count(1)
        self._rows: list[Any] = []
        self._busy = asyncio.Lock()
        self._auto: asyncio.Event | None = None
        self._operators: list[asyncio.Task[None]] = []
        self._acts: dict[str, Callable[[dict[str, Any]], Awaitable[None]]] = {
            "scan": self._scan,
            "document": self._document,
            "unknown": self._unknown,
            "load": self._load,
            "pull": self._pull,
            "plug": self._plug,
            "auto": self._set_auto,
            "kill": self._kill,
            "play": self._play,
        }

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application(client_max_size=16 * 1024)
        app.router.add_get("/", self._page)
        app.router.add_get("/api/state", self._state)
        app.router.add_post("/api/do/{act}", self._do)
        app.cleanup_ctx.append(self._with_session)
        app.on_response_prepare.append(_safe)
        return app

    async def _with_session(self, app: web.Application) -> Any:
        del app
        async with aiohttp.ClientSession(timeout=_ASK_WITHIN) as self._session:
            await self._set_auto({"on": True})
            yield
            await self._set_auto({"on": False})

    async def _page(self, request: web.Request) -> web.Response:
        del request
        page = importlib.resources.files("scanpost.demo") / "page.html"
        return web.Response(text=page.read_text("utf-8"), content_type="text/html")

    async def _state(self, request: web.Request) -> web.Response:
        del request
        stack = self._stack
        status, rows, stock = await asyncio.gather(
            self._ask(stack.gateway.port, "/api/status"),
            self._ask(stack.gateway.port, "/api/rows?limit=12"),
            self._ask(stack.bridge.port, "/api/stock"),
        )
        if rows is not None:
            self._rows = rows["rows"]
        feed = stack.feed
        return web.json_response(
            {
                "broker_kind": stack.broker_kind,
                "running": {
                    part.name: part.running()
                    for part in (stack.gateway, stack.broker, stack.bridge)
                },
                "cable": stack.network.plugged,
                "auto": self._auto is not None,
                "load": str(stack.dock_scale.load),
                "status": status,
                "rows": self._rows,
                "stock": stock,
                "elsewhere": stack.elsewhere,
                "jobs": self._jobs(status),
                "told": [
                    {"station": heard.station, "kind": heard.kind, "text": heard.text}
                    for heard in feed.heard[-8:]
                ],
                "saved": len(feed.saved),
                "goods": [{"name": good.name, "gtin": good.gtin} for good in GOODS],
                "documents": list(DOCUMENTS),
                "gateway_page": f"http://127.0.0.1:{stack.gateway.port}/",
            }
        )

    def _jobs(self, status: Any) -> dict[str, Any] | None:
        """Return what there is to play at the station of every job, and what came of it."""
        shifts = self._stack.shifts
        if shifts is None:
            return None
        return {
            "scans": SCANS,
            "playing": shifts.playing,
            "screen": f"http://127.0.0.1:{self._stack.gateway.port}/?station={ANY}",
            "shifts": [
                _told(job, shifts.played.get(job, Shift()), status["upto"] if status else 0)
                for job in shifts.jobs
            ],
        }

    async def _ask(self, port: int, path: str) -> Any:
        if self._session is None:
            return None
        try:
            async with self._session.get(f"http://127.0.0.1:{port}{path}") as response:
                return await response.json() if response.status == 200 else None
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None  # it is dead, which is what this page is about

    async def _do(self, request: web.Request) -> web.Response:
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            raise web.HTTPForbidden(text="only the demo's own page may do that")
        act = self._acts.get(request.match_info["act"])
        try:
            wish = await request.json()
        except ValueError:
            raise web.HTTPBadRequest(text="send a JSON object") from None
        if act is None or not isinstance(wish, dict):
            raise web.HTTPBadRequest(text=f"one of {', '.join(self._acts)} with a JSON object")
        await act(wish)
        return web.json_response({"done": True})

    async def _scan(self, wish: dict[str, Any]) -> None:
        good = next((good for good in GOODS if good.gtin == wish.get("gtin")), GOODS[0])
        scanner = (
            self._stack.bench_scanner if wish.get("station") == BENCH else self._stack.dock_scanner
        )
        await scanner.send(label(good, f"HAND{next(self._serials):05}"))

    async def _document(self, wish: dict[str, Any]) -> None:
        known = wish.get("document") in DOCUMENTS
        await self._stack.dock_scanner.send(wish["document"] if known else DOCUMENTS[0])

    async def _unknown(self, wish: dict[str, Any]) -> None:
        del wish
        await self._stack.dock_scanner.send("SMUDGED-LABEL")

    async def _load(self, wish: dict[str, Any]) -> None:
        try:
            load = Decimal(str(wish.get("kg", "0"))).quantize(Decimal("0.001"))
        except InvalidOperation:
            raise web.HTTPBadRequest(text="kg is a number") from None
        if not 0 <= load <= _MOST:
            raise web.HTTPBadRequest(text=f"kg is from 0 to {_MOST}")
        self._stack.dock_scale.load = load

    async def _pull(self, wish: dict[str, Any]) -> None:
        del wish
        await self._stack.network.pull()

    async def _plug(self, wish: dict[str, Any]) -> None:
        del wish
        self._stack.network.plug()

    async def _kill(self, wish: dict[str, Any]) -> None:
        """Kill a part, and start it again two seconds later, as systemd would."""
        parts = {
            part.name: part
            for part in (self._stack.gateway, self._stack.broker, self._stack.bridge)
        }
        part = parts.get(str(wish.get("part")))
        if part is None:
            raise web.HTTPBadRequest(text=f"part is one of {', '.join(parts)}")
        async with self._busy:
            async with self._between_scans():
                await part.kill()
            await asyncio.sleep(2)
            await part.start()

    def _between_scans(self) -> contextlib.AbstractAsyncContextManager[None]:
        shifts = self._stack.shifts
        return contextlib.nullcontext() if shifts is None else shifts.hands

    async def _play(self, wish: dict[str, Any]) -> None:
        shifts = self._stack.shifts
        if shifts is None:
            raise web.HTTPConflict(text="there is no station for every job here")
        try:
            shifts.start(str(wish.get("job")))
        except KeyError:
            raise web.HTTPBadRequest(text=f"job is one of {', '.join(shifts.jobs)}") from None
        except Busy as busy:
            raise web.HTTPConflict(text=str(busy)) from None

    async def _set_auto(self, wish: dict[str, Any]) -> None:
        if self._auto is not None:
            self._auto.set()
            self._auto = None
            for working in self._operators:
                working.cancel()
            await asyncio.wait(self._operators)
            self._operators = []
        if not wish.get("on"):
            return
        self._auto = asyncio.Event()
        stack = self._stack
        pace, seed = (0.6, 1.8), next(self._serials)
        for operator in (
            Operator(DOCK, stack.dock_scanner, stack.feed, pace, stack.dock_scale, seed),
            Operator(BENCH, stack.bench_scanner, stack.feed, pace, seed=seed),
        ):
            work = asyncio.create_task(operator.work(self._auto), name=operator.station)
            self._operators.append(work)


def _told(job: str, shift: Shift, upto: int) -> dict[str, Any]:
    """Return what came of the shifts of a job; `upto` is the last seq that is booked."""
    return {
        "job": job,
        "scans": shift.scans,
        "ok": shift.heard.get("ok", 0),
        "refused": shift.heard.get("not_ok", 0),
        "asked": shift.heard.get("attention", 0),
        "saved": len(shift.saved),
        "booked": sum(1 for seq in shift.saved if seq <= upto),
        "trouble": shift.trouble,
    }


async def _safe(request: web.Request, response: web.StreamResponse) -> None:
    del request
    response.headers.update(_HEADERS)


async def show(
    stack: Stack, listen: str, seconds: float | None, say: Callable[[str], None]
) -> None:
    """Serve the page until cancelled, or for `seconds`."""
    host, _, port = listen.rpartition(":")
    runner = web.AppRunner(Page(stack).app(), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, int(port)).start()
        say(f"open http://{listen}/ in a browser; Ctrl-C ends the demo")
        say(f"the operator's own screen: http://127.0.0.1:{stack.gateway.port}/")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.Event().wait()
    finally:
        await runner.cleanup()
