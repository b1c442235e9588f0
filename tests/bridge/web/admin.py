"""An admin page over a real ledger, served on loopback, and people who use it without a browser."""

import contextlib
import functools
import html
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from bridge.config import Config, load
from bridge.consumer import Consumer
from bridge.dispatcher import Dispatcher
from bridge.health import Health, Others
from bridge.ledger import Ledger, open_ledger
from bridge.metrics import Metrics
from bridge.terms import UNTRANSLATED, Terms
from bridge.web.door import Door
from bridge.web.people import ROLES, Role, User
from bridge.web.server import application, door_of, serve
from bridge.web.staff import Staff
from bridge.web.trail import AT_THE_DOOR
from bridge.web.visit import House
from runtime.clock import Clock
from runtime.mqtt import Broker
from runtime.passwords import Work, hashed
from tests.bridge.targets import ScriptedTarget

PASSWORD = "correct horse battery"
NAMES: Mapping[str, Role] = {"vera": "viewer", "olga": "operator", "anna": "admin"}
TRIFLING = Work(2, 8, 3)
"""Of a password that takes no time to try, for tests of other things."""
_HELD = hashed(PASSWORD, TRIFLING)
USERS = {name: User(name=name, role=role, password=_HELD) for name, role in NAMES.items()}
assert tuple(NAMES.values()) == ROLES

CONFIG = """
site = "north"
ledger = "{folder}/ledger.db"
[target]
connector = "sql"
url = "sqlite+aiosqlite:///{folder}/stock.db"
"""


def configured(folder: Path, more: str = "") -> Config:
    file = folder / "bridge.toml"
    file.write_text(CONFIG.format(folder=folder) + more, "utf-8")
    return load(file)


class Person:
    """Somebody with a browser that has no JavaScript."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.session = session
        self.page = ""
        self.status = 0
        self.at = ""
        self.headers: Mapping[str, str] = {}

    async def get(self, path: str, **headers: str) -> str:
        async with self.session.get(URL(self.url + path, encoded=True), headers=headers) as reply:
            return await self._seen(reply)

    async def post(self, path: str, headers: Mapping[str, str] | None = None, **form: Any) -> str:
        """Send a form as the last page would: with its token, from this site."""
        token = re.search(r'name="csrf" value="([^"]*)"', self.page)
        data = ({"csrf": token[1]} if token else {}) | form
        said = {"Origin": self.url} | dict(headers or {})
        async with self.session.post(self.url + path, data=data, headers=said) as reply:
            return await self._seen(reply)

    async def _seen(self, reply: aiohttp.ClientResponse) -> str:
        self.page, self.status, self.headers = await reply.text(), reply.status, reply.headers
        self.at = reply.url.path_qs
        words = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", self.page))
        return html.unescape(re.sub(r" ([:;,.])", r"\1", words))

    async def log_in(self, name: str, password: str = PASSWORD, to: str = "") -> str:
        return await self.post("/login", name=name, password=password, to=to)


@dataclass
class Site:
    """The page and what it shows."""

    url: str
    house: House
    target: ScriptedTarget
    file: Path
    """With the users."""
    door: Door | None

    async def decided(self) -> list[dict[str, Any]]:
        """Return what people decided, newest first, without who came and went."""
        return [deed for deed in await self.ledger.audit_trail() if deed["what"] not in AT_THE_DOOR]

    @property
    def ledger(self) -> Ledger:
        return self.house.ledger

    @contextlib.asynccontextmanager
    async def person(self, name: str = "") -> AsyncIterator[Person]:
        jar = aiohttp.CookieJar(unsafe=True)  # an address is a site here
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            one = Person(self.url, session)
            if name:
                await one.log_in(name)
                assert one.status == 200, one.page
            yield one


_blank: list[bytes] = []
"""A ledger with nothing in it, made once: to migrate one takes longer than most tests."""


async def _begun(folder: Path) -> None:
    file = folder / "ledger.db"
    if not _blank:
        made = folder / "blank.db"
        async with open_ledger(f"sqlite+aiosqlite:///{made}"):
            pass
        _blank.append(made.read_bytes())
    if not file.exists():
        file.write_bytes(_blank[0])


@contextlib.asynccontextmanager
async def site(
    folder: Path,
    more: str = "",
    users: Mapping[str, User] = USERS,
    now: Callable[[], float] | None = None,
    target: ScriptedTarget | None = None,
) -> AsyncIterator[Site]:
    """Serve the page of a bridge that is not running: nothing changes but by what a test does."""
    config = configured(folder, more)
    await _begun(folder)
    clock, metrics, target = Clock(), Metrics(), target or ScriptedTarget()
    async with open_ledger(config.ledger.full_url, clock) as ledger:
        consumer = Consumer(ledger, Broker(), site="north", name="1", metrics=metrics)
        dispatcher = Dispatcher(
            ledger, target.connect, metrics=metrics, terms=Terms(modes=config.modes.modes)
        )
        file = folder / "users.toml"
        staff = _staff(file, users, ledger, metrics) if users else None
        others = Others() if staff is None else Others(users=staff.failure)
        health = Health(ledger, consumer, dispatcher, metrics, clock, others)
        tables = config.mapping.read() or UNTRANSLATED
        house = House(
            config, ledger, consumer, dispatcher, health, now or clock.monotonic, lambda: tables
        )
        door = None if staff is None else door_of(house, staff)
        host = config.web.address[0]
        async with serve(application(house, metrics, door), host, 0) as (_, port):
            yield Site(f"http://127.0.0.1:{port}", house, target, file, door)


def _staff(file: Path, users: Mapping[str, User], ledger: Ledger, metrics: Metrics) -> Staff:
    write_users(file, users.values())
    return Staff(file, users, functools.partial(ledger.note, "bridge 1", "users"), metrics)


def write_users(file: Path, users: Iterable[User], more: str = "") -> None:
    """Write a users' file, as an editor that puts it in its place whole."""
    lines = [
        f'[[user]]\nname = "{user.name}"\nrole = "{user.role}"\npassword = "{user.password}"\n'
        for user in users
    ]
    new = file.with_suffix(".new")
    new.touch(0o600)
    new.write_text("".join(lines) + more, "utf-8")
    new.replace(file)
