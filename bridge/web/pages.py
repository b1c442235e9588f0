"""The admin page as HTTP: guards each door, lets pages answer, and draws what they say."""

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlencode

from aiohttp import web
from multidict import MultiDict

from bridge.errors import BridgeError, LedgerFailed, NotDone
from bridge.web.callers import Caller, Callers
from bridge.web.door import Busy, Door, comes_from_here, hand_over, is_meant, take_back, way_back
from bridge.web.machines import Handler
from bridge.web.paper import Paper
from bridge.web.people import may
from bridge.web.routes import ROUTES
from bridge.web.sessions import Session
from bridge.web.visit import Answer, House, Moved, NotFound, Route, Shown, Unfit, Visit
from runtime.logs import event

log = logging.getLogger(__name__)

_SAID: Mapping[type[BridgeError], HTTPStatus] = {
    NotFound: HTTPStatus.NOT_FOUND,
    Unfit: HTTPStatus.BAD_REQUEST,
    NotDone: HTTPStatus.CONFLICT,
    LedgerFailed: HTTPStatus.SERVICE_UNAVAILABLE,
}


class Pages:
    """The pages of one bridge, for the people who may log in."""

    def __init__(self, house: House, door: Door, callers: Callers, paper: Paper) -> None:
        self._house = house
        self._door = door
        self._callers = callers
        self._paper = paper

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        router.add_get("/login", self._login_page)
        router.add_post("/login", self._login)
        router.add_post("/logout", self._logout)
        for route in ROUTES:
            router.add_route(route.method, route.path, self._behind(route))

    def inside(self, handler: Handler) -> Handler:
        """Return a handler for machines that answers who is logged in."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            session = await self._door.session(request, self._callers.caller(request))
            if session is None:
                raise web.HTTPUnauthorized(text="log in at /login")
            return await handler(request)

        return guarded

    # --- In and out ---

    async def _login_page(self, request: web.Request) -> web.Response:
        await self._door.look()
        if not self._door.anybody:
            return self._paper.drawn(Shown("how_to_begin.html"))
        return self._login_form(request)

    def _login_form(
        self, request: web.Request, said: str = "", status: int = 200, to: str = ""
    ) -> web.Response:
        back = way_back(to or request.query.get("to", ""))
        caller = self._callers.caller(request)
        bare = not (caller.secure or self._callers.loopback)
        values = {"problem": said, "to": back, "bare": bare}
        return self._paper.drawn(Shown("login.html", values, status))

    async def _login(self, request: web.Request) -> web.Response:
        caller = self._callers.caller(request)
        if not comes_from_here(request, caller):
            return self._login_form(request, _NOT_FROM_HERE.format(caller.origin), 403)
        form = await _form(request)
        to = form.get("to", "")
        try:
            name = form.get("name", "").strip()
            token = await self._door.enter(name, form.get("password", ""), caller)
        except Busy as busy:
            seconds = math.ceil(busy.after)
            said = f"Too many tries. Try again in {seconds} s."
            response = self._login_form(request, said, 429, to)
            response.headers["Retry-After"] = str(seconds)
            return response
        except LedgerFailed as error:
            said = f"A log-in is written down first, and the ledger fails: {error}"
            return self._login_form(request, said, 503, to)
        if token is None:
            return self._login_form(request, "Name or password is wrong.", 403, to)
        await self._door.leave(request, caller)  # of who was there before
        response = _see(way_back(to))
        hand_over(response, token, caller)
        return response

    async def _logout(self, request: web.Request) -> web.Response:
        caller = self._callers.caller(request)
        session = await self._door.session(request, caller)
        if session is not None:
            form = await _form(request)
            if not (comes_from_here(request, caller) and is_meant(session, form.get("csrf", ""))):
                return self._refused(session, _NOT_FROM_HERE.format(caller.origin), 403)
            await self._door.leave(request, caller)
        response = _see("/login")
        take_back(response, caller)
        return response

    # --- Everything else ---

    def _behind(self, route: Route) -> Handler:
        async def answered(request: web.Request) -> web.Response:
            caller = self._callers.caller(request)
            session = await self._door.session(request, caller)
            if session is None:
                back = request.path_qs if route.method == "GET" else "/"
                return _see("/login?" + urlencode({"to": back}))
            if not may(session.user.role, route.role):
                said = f"For this one must be {route.role}; {session.user.name} is not."
                return self._refused(session, said, 403)
            try:
                visit = await self._visit(request, route, session, caller)
                answer = await route.handler(self._house, visit)
            except _NotMeant as error:
                return self._refused(session, str(error), 403)
            except tuple(_SAID) as error:
                status = next(code for kind, code in _SAID.items() if isinstance(error, kind))
                return self._refused(session, str(error), status)
            return self._answered(request, answer, session)

        return answered

    async def _visit(
        self, request: web.Request, route: Route, session: Session, caller: Caller
    ) -> Visit:
        form: MultiDict[str] = MultiDict()
        if route.method == "POST":
            if not comes_from_here(request, caller):
                raise _NotMeant(_NOT_FROM_HERE.format(caller.origin))
            form = await _form(request)
            if not is_meant(session, form.get("csrf", "")):
                raise _NotMeant("This form is of an earlier login. Go back, load the page anew.")
            event(log, logging.INFO, "asked for", who=session.user.name, path=request.path)
        user = session.user
        return Visit(user.name, user.role, dict(request.match_info), request.query, form)

    def _answered(self, request: web.Request, answer: Answer, session: Session) -> web.Response:
        if isinstance(answer, Moved):
            session.said = answer.said
            return _see(answer.to)
        said = ""
        if "X-Live" not in request.headers:
            said, session.said = session.said, ""
        return self._paper.drawn(answer, session, said, request.path)

    def _refused(self, session: Session, said: str, status: int) -> web.Response:
        return self._paper.drawn(Shown("refused.html", {"problem": said}, status), session)


_NOT_FROM_HERE = (
    "This did not come from a page of {}. Where a proxy stands before this page: let it pass on the"
    " header Host, and name it in [web] proxies."
)


class _NotMeant(BridgeError):
    """A form that this session did not get from us."""


def _see(to: str) -> web.Response:
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": to})


async def _form(request: web.Request) -> MultiDict[str]:
    """Return the fields of a form that are text."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise web.HTTPUnsupportedMediaType(text="send a form")
    found: MultiDict[str] = MultiDict()
    for name, value in (await request.post()).items():
        if isinstance(value, str):
            found.add(name, value)
    return found
