"""A vendor that lives in this test: a real HTTP server on loopback, with a memory and with faults.

A fake of a vendor is a subclass in a file of its own here. It adds routes, keeps what a real one
would keep (keys, documents, stock), checks each body against the vendor's own contract where one
can be had, and says what it found wrong in `problems`. It never imports anything of
`bridge.connectors`: it is written from the vendor's documents, not from what is to be tested.

    class Parcels(Vendor):
        def routes(self) -> list[web.RouteDef]:
            return [web.post("/parcels", self.parcel)]

        async def parcel(self, request: web.Request) -> web.StreamResponse:
            ...                       # book, once for each key
            return web.json_response({"id": 7})

`async with Parcels(Faults(seed=7, lost=0.1)).serving() as vendor:` serves it at `vendor.url`.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, fields
from typing import Literal, Self, get_args

from aiohttp import web

Fault = Literal[
    "throttled", "unavailable", "lost", "slow", "doubled", "refused_with_200", "expired", "broken"
]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Faults:
    """How often each fault befalls a request that writes: from 0 to 1, drawn from `seed`."""

    seed: int = 0
    throttled: float = 0.0
    """429 with `Retry-After`; nothing is done."""
    unavailable: float = 0.0
    """503 with `Retry-After`; nothing is done."""
    lost: float = 0.0
    """Done, and then the line is cut before the answer."""
    slow: float = 0.0
    """Done, and the answer comes after `slow_by` seconds, when nobody waits for it any more."""
    doubled: float = 0.0
    """The request arrives twice, as a proxy that tries again makes it; the second is answered."""
    refused_with_200: float = 0.0
    """200 with the vendor's own words for "try again" in the body; nothing is done."""
    expired: float = 0.0
    """401, once for each draw: the token was taken back; nothing is done."""
    broken: float = 0.0
    """500 with a page of HTML; nothing is done, though nobody can know."""
    retry_after: float = 0.05
    """Seconds that `Retry-After` says; vendors send whole ones, fractions keep a test short."""
    slow_by: float = 30.0
    """Seconds; longer than any client under test waits."""
    next: list[Fault | Literal[""]] = field(default_factory=list)
    """Faults of the next requests that write, in order, before any is drawn; `""` is none."""

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self.seen: Counter[str] = Counter()

    def draw(self) -> str:
        """Return the fault of the next request that writes, or nothing."""
        if self.next:
            fault: str = self.next.pop(0)
        else:
            point = self._random.random()
            fault = ""
            for each in fields(self):
                if each.name not in get_args(Fault):
                    continue
                point -= getattr(self, each.name)
                if point < 0:
                    fault = each.name
                    break
        if fault:
            self.seen[fault] += 1
        return fault


@dataclass(frozen=True)
class Seen:
    """One request that arrived, as it arrived."""

    method: str
    path: str
    """With the query."""
    headers: dict[str, str] = field(repr=False)
    body: bytes


class Vendor:
    """The server. A subclass has `routes`, and overrides what its vendor does otherwise."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self.seen: list[Seen] = []
        """Every request, in order; those that a fault kept from being done, too."""
        self.problems: list[str] = []
        """What arrived against the vendor's contract. The suite fails on any."""
        self.url = ""

    def routes(self) -> list[web.RouteDef]:
        """Return what is served."""
        raise NotImplementedError

    def writes(self, request: web.Request, body: bytes) -> bool:
        """Say whether a request may change something: only those are struck by faults."""
        return request.method not in {"GET", "HEAD", "OPTIONS"}

    def may_come_twice(self, body: bytes) -> bool:
        """Say whether a request that arrives twice is one this vendor has a key for."""
        return True

    def throttled(self) -> web.Response:
        """Answer that there were too many requests."""
        return self._later(429, "too many requests")

    def unavailable(self) -> web.Response:
        """Answer that nobody is there to take it."""
        return self._later(503, "<html>maintenance</html>")

    def expired(self) -> web.Response:
        """Answer that the token is no longer good."""
        return web.json_response({"message": "the access token expired"}, status=401)

    def refused_with_200(self, request: web.Request) -> web.Response:
        """Answer 200 and say in the body that it is to be tried again, as this vendor does."""
        raise NotImplementedError

    def _later(self, status: int, text: str) -> web.Response:
        after = f"{self.faults.retry_after:g}"
        return web.Response(status=status, text=text, headers={"Retry-After": after})

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        body = await request.read()
        self.seen.append(Seen(request.method, request.path_qs, dict(request.headers), body))
        fault = self.faults.draw() if self.writes(request, body) else ""
        match fault:
            case "throttled":
                return self.throttled()
            case "unavailable":
                return self.unavailable()
            case "expired":
                return self.expired()
            case "broken":
                return web.Response(status=500, text="<html>oops</html>")
            case "refused_with_200":
                return self.refused_with_200(request)
        answer = await handler(request)
        if fault == "doubled" and self.may_come_twice(body):
            answer = await handler(request)
        if fault == "slow":
            with contextlib.suppress(asyncio.CancelledError):  # the client went away
                await asyncio.sleep(self.faults.slow_by)
        if fault in {"lost", "slow"} and request.transport is not None:
            request.transport.abort()
        return answer

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[Self]:
        """Serve on a free port of loopback, at `url`."""

        @web.middleware
        async def faulty(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._answer(request, handler)

        app = web.Application(middlewares=[faulty], client_max_size=32 * 2**20)
        app.add_routes(self.routes())
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            self.url = f"http://{host}:{port}"
            yield self
        finally:
            await runner.cleanup()
