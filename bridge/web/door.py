"""The door: passwords, sessions, and that a request is what a person meant.

A request that changes something must come from a page of ours (`Origin`) and from this session
(the token in its form). The cookie goes with no request that begins at another site.
"""

import asyncio
import contextlib
import hmac
import logging
import re
from collections.abc import Callable, Iterator
from typing import NoReturn

from aiohttp import web

from bridge.errors import LedgerFailed
from bridge.web.callers import Caller
from bridge.web.doorbook import Doorbook
from bridge.web.sessions import Session, Sessions
from bridge.web.staff import Staff
from bridge.web.tries import Tries
from runtime.logs import event
from runtime.passwords import Held

log = logging.getLogger(__name__)

COOKIE = "scanpost"
MOST_WAITING = 8
"""Logins that wait for their turn, each for a quarter of a second of one core and 32 MB."""
MOST_PASSWORD = 256
"""Characters of a password."""
LOOK_EVERY_S = 5.0
"""Seconds between two looks at the users' file while nobody asks for a page."""
_HERE = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,500}", re.ASCII)


class Busy(Exception):
    """Too many people log in at once, or too often in vain. `after`: seconds until one may."""

    def __init__(self, after: float) -> None:
        super().__init__(after)
        self.after = after


class Door:
    """Lets people in."""

    def __init__(
        self, staff: Staff, sessions: Sessions, book: Doorbook, now: Callable[[], float]
    ) -> None:
        self._staff = staff
        self._known = staff.users
        self._book = book
        self._sessions = sessions
        self._tries = Tries(now)
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._nobody = Held.of_nobody()

    async def watch(self) -> NoReturn:
        """Look at the users' file, and at the hour of refused log-ins, until cancelled."""
        try:
            while True:
                await self.look()
                await self._staff.write_down()
                with _logged():
                    await self._book.sum_up()
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            with _logged():
                await self._book.sum_up(at_once=True)

    async def look(self) -> None:
        """Take up a change of the users' file; who is not as before in it is out."""
        await self._staff.look()
        if self._staff.users is self._known:
            return
        self._known = self._staff.users
        for user in self._sessions.end_others(self._staff.users):
            event(log, logging.WARNING, "sessions ended", who=user.name)
            with _logged():
                await self._book.sent_away(user, "changed in the users' file, or taken out of it")

    @property
    def anybody(self) -> bool:
        """Whether there is anybody who may log in."""
        return bool(self._staff.users)

    async def enter(self, name: str, password: str, caller: Caller) -> str | None:
        """Log a person in.

        Returns:
            The token of a new session; None where name or password is wrong.

        Raises:
            Busy: it was not looked at.
            LedgerFailed: it could not be written down, so nobody is let in.
        """
        if self._waiting >= MOST_WAITING:
            raise Busy(1.0)
        self._waiting += 1
        try:
            async with self._turn:  # so that a hundred at once are not a hundred free tries
                return await self._try(name, password, caller)
        finally:
            self._waiting -= 1

    async def _try(self, name: str, password: str, caller: Caller) -> str | None:
        wait = self._tries.wait(caller.address, name)
        if wait > 0.0:
            raise Busy(wait)
        await self.look()
        user = self._staff.find(name)
        held = self._nobody if user is None else Held.parse(user.password)
        right = await asyncio.to_thread(held.opens, password[:MOST_PASSWORD])
        await self.look()  # so that nobody comes in who was taken out meanwhile
        if user is None or not right or self._staff.find(name) != user:
            self._tries.wrong(caller.address, name)
            event(log, logging.WARNING, "login refused", who=name[:64], address=caller.address)
            await self._book.refused(user, caller)
            return None
        self._tries.right(caller.address, name)
        event(log, logging.INFO, "login", who=user.name, address=caller.address)
        token = self._sessions.begin(user)  # now, so that a change of the file finds it
        try:
            await self._book.came(user, caller)
        except LedgerFailed:
            self._sessions.end(token)
            raise
        return token

    async def session(self, request: web.Request, caller: Caller) -> Session | None:
        """Return the session of a request; None where nobody is logged in."""
        await self.look()
        token = request.cookies.get(cookie_name(caller))
        return self._sessions.find(token, used="X-Live" not in request.headers)

    async def leave(self, request: web.Request, caller: Caller) -> None:
        """Log out; a ledger that fails keeps nobody in."""
        user = self._sessions.end(request.cookies.get(cookie_name(caller)))
        if user is not None:
            event(log, logging.INFO, "logout", who=user.name, address=caller.address)
            with _logged():
                await self._book.left(user, caller)


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    """Go on where the ledger fails: its own alert tells of that."""
    try:
        yield
    except LedgerFailed as error:
        event(log, logging.ERROR, "the door's book cannot be written", why=str(error))


def cookie_name(caller: Caller) -> str:
    """Return the cookie's name; encrypted, its prefix lets no other site of the domain set it."""
    return f"__Host-{COOKIE}" if caller.secure else COOKIE


def hand_over(response: web.Response, token: str, caller: Caller) -> None:
    """Give the browser its session; it keeps it until it is closed."""
    response.set_cookie(
        cookie_name(caller),
        token,
        path="/",
        httponly=True,
        samesite="Strict",
        secure=caller.secure,
    )


def take_back(response: web.Response, caller: Caller) -> None:
    """Let the browser forget its session."""
    response.del_cookie(cookie_name(caller), path="/", secure=caller.secure, samesite="Strict")


def comes_from_here(request: web.Request, caller: Caller) -> bool:
    """Return whether a page of this site sent it; browsers say so of every form."""
    return request.headers.get("Origin") == caller.origin


def is_meant(session: Session, token: str) -> bool:
    """Return whether a form is one this session was given."""
    return hmac.compare_digest(session.csrf.encode(), token.encode("utf-8", "surrogatepass"))


def way_back(wanted: str) -> str:
    """Return a place of this site to go to after the login; the first page for anything else.

    >>> way_back("/entries?text=PO-1"), way_back("//evil.example"), way_back("https://evil.example")
    ('/entries?text=PO-1', '/', '/')
    """
    return wanted if _HERE.fullmatch(wanted) else "/"
