"""Puts the pages and the answers for machines behind one address."""

import contextlib
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.typedefs import Middleware

from bridge.audit import Deed, record
from bridge.metrics import Metrics
from bridge.web.callers import Callers, is_loopback
from bridge.web.door import Door
from bridge.web.doorbook import Doorbook
from bridge.web.machines import Handler, Machines, failures
from bridge.web.pages import Pages
from bridge.web.paper import Paper
from bridge.web.sessions import Sessions
from bridge.web.staff import Staff
from bridge.web.visit import House, Shown

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self';"
    " connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not "no-referrer": a browser would then call the origin of our own forms "null".
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Of every answer: nothing from elsewhere, nothing inline, in no frame."""
MOST_BODY = 256 * 1024
"""Bytes of a form: 200 renamed items of 200 characters each, percent-encoded."""


_OPEN = {"/healthz", "/metrics"}
"""Asked by whatever name a monitor knows, where it is another machine."""


def door_of(house: House, staff: Staff) -> Door:
    """Return the door through which `staff` come in. Somebody is to `watch` it."""
    table, ledger = house.config.web, house.ledger

    async def write(deed: Deed) -> None:
        await ledger.put(lambda connection, now: record(connection, now, deed))

    sessions = Sessions(table.session_hours * 3_600.0, table.idle_minutes * 60.0, house.now)
    return Door(staff, sessions, Doorbook(write, house.now), house.now)


def application(house: House, metrics: Metrics, door: Door | None) -> web.Application:
    """Return what is served at `[web] listen`.

    Args:
        house: what there is to see.
        metrics: told to Prometheus.
        door: lets people in; None where there is no users' file.
    """
    table = house.config.web
    loopback = is_loopback(table.address[0])
    callers = Callers(table.proxies, {name.lower() for name in table.hosts}, loopback)
    app = web.Application(middlewares=[failures, _at_home(callers)], client_max_size=MOST_BODY)
    machines, paper = Machines(house, metrics), Paper(house)
    paper.add_to(app.router)
    if door is not None:
        pages = Pages(house, door, callers, paper)
        pages.add_to(app.router)
        machines.add_to(app.router, pages.inside, decisions=False)
    else:
        for path in ("/", "/login"):
            app.router.add_get(path, _how_to_begin(paper))
        machines.add_to(app.router, lambda handler: handler, decisions=loopback)
    app.on_response_prepare.append(_safe)
    return app


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


async def _safe(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


def _how_to_begin(paper: Paper) -> Handler:
    async def shown(_request: web.Request) -> web.StreamResponse:
        return paper.drawn(Shown("how_to_begin.html"))

    return shown


def _at_home(callers: Callers) -> Middleware:
    @web.middleware
    async def named(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse a foreign name that someone pointed at this machine (DNS rebinding)."""
        if not (callers.knows(request) or (request.path in _OPEN and not callers.loopback)):
            raise web.HTTPForbidden(
                text="ask by an address of this machine, or by a name in [web] hosts"
            )
        return await handler(request)

    return named
