"""A relay before a real ERP, with the faults of `tests.fakes.vendor`: done, and the answer lost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Self

import aiohttp
from aiohttp import web
from yarl import URL

from tests.fakes.vendor import Faults, Vendor

WITHIN = 60.0
"""Seconds the ERP behind it has for one answer."""


class Relay(Vendor):
    """Hands every request on to `behind` and its answer back, but for the faults."""

    def __init__(self, behind: str, faults: Faults | None = None) -> None:
        super().__init__(faults)
        self._behind = behind
        self._session: aiohttp.ClientSession | None = None
        self._under_way: set[asyncio.Task[web.Response]] = set()

    def routes(self) -> list[web.RouteDef]:
        return [web.route("*", "/{path:.*}", self.forward)]

    async def forward(self, request: web.Request) -> web.StreamResponse:
        """Hand it on; the ERP goes on with it even when who asked has gone away."""
        asked = asyncio.create_task(self._asked(request, await request.read()))
        self._under_way.add(asked)
        asked.add_done_callback(self._done)
        try:
            return await asyncio.shield(asked)
        except (aiohttp.ClientError, TimeoutError):  # it was killed: the line breaks here, too
            if request.transport is not None:
                request.transport.abort()
            raise web.HTTPBadGateway from None

    async def settled(self) -> None:
        """Wait until the ERP has answered all that it was asked."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _asked(self, request: web.Request, given: bytes) -> web.Response:
        assert self._session is not None
        names = ("Authorization", "Content-Type", "Accept", "Accept-Language", "X-Tryton-Context")
        headers = {name: request.headers[name] for name in names if name in request.headers}
        url = URL(f"{self._behind}{request.rel_url.raw_path_qs}", encoded=True)
        async with self._session.request(
            request.method, url, data=given or None, headers=headers
        ) as answer:
            body = await answer.read()
            return web.Response(status=answer.status, body=body, content_type=answer.content_type)

    def _done(self, asked: "asyncio.Task[web.Response]") -> None:
        self._under_way.discard(asked)
        if not asked.cancelled():
            asked.exception()  # who asked may have gone away

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[Self]:
        timeout = aiohttp.ClientTimeout(total=WITHIN)
        async with aiohttp.ClientSession(timeout=timeout) as session, super().serving():
            self._session = session
            try:
                yield self
            finally:
                await self.settled()
