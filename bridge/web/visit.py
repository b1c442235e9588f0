"""What a page is asked, and what it answers: plain values, so that a page knows nothing of HTTP."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any, Literal
from uuid import UUID

from multidict import MultiDict, MultiMapping

from bridge.conditions import opening
from bridge.config import Config
from bridge.consumer import Consumer
from bridge.dispatcher import Dispatcher
from bridge.errors import BridgeError
from bridge.health import Health
from bridge.ledger import Ledger
from bridge.terms import UNTRANSLATED, Translation
from bridge.web.figures import Figures
from bridge.web.people import Role

MAX_WORDS = 500
"""Characters of one field of a form, but where a page says otherwise."""
_LONGEST_NUMBER = 18


class NotFound(BridgeError):
    """There is no such thing here, or no longer."""


class Unfit(BridgeError, ValueError):
    """What was asked for cannot be read. The text says what would be."""


@dataclass(frozen=True, slots=True)
class House:
    """The parts of a running bridge that pages look at."""

    config: Config
    ledger: Ledger
    consumer: Consumer
    dispatcher: Dispatcher
    health: Health
    now: Callable[[], float]
    """Monotonic seconds."""
    translation: Callable[[], Translation] = lambda: UNTRANSLATED
    """Gives the mapping tables that hold now."""
    figures: Figures = field(default_factory=Figures)
    reporting: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a report is drawn up: it reads much, of the ledger and of the ERP."""

    @property
    def zone(self) -> tzinfo:
        """The office's time."""
        return opening(self.config.schedule, self.config.calendar).zone


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a person who is logged in."""

    user: str
    role: Role
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    form: MultiMapping[str] = field(default_factory=MultiDict)

    @property
    def number(self) -> int:
        """The number in the path.

        Raises:
            NotFound: it is none.
        """
        return _number(self.path["number"], NotFound("there is no such number"))

    @property
    def below(self) -> int | None:
        """Where the page before this one ended; None on the first."""
        text = self.query.get("below", "")
        return _number(text, Unfit("below is a number")) if text else None

    def asked(self, name: str) -> str:
        """Return a word of the query without the blanks around it; empty where it is not there."""
        return _words(name, self.query.get(name, ""))

    def said(self, name: str, most: int = MAX_WORDS) -> str:
        """Return a word of the form without the blanks around it; empty where it is not there."""
        return _words(name, self.form.get(name, ""), most)

    def every(self, name: str, most: int = 200) -> list[str]:
        """Return every word of that name in the form, as they stand there."""
        found = self.form.getall(name, [])
        if len(found) > most:
            raise Unfit(f"at most {most} times {name}")
        for text in found:
            _words(name, text)
        return found

    def reason(self) -> str:
        """Return why, which must be said.

        Raises:
            Unfit: nothing is said.
        """
        why = self.said("why")
        if not why:
            raise Unfit("say why: it is kept in the audit trail")
        return why

    def time(self, name: str, zone: tzinfo) -> datetime | None:
        """Return a time of the query, which is in `zone` where it names none; None without one."""
        text = self.asked(name)
        if not text:
            return None
        try:
            moment = datetime.fromisoformat(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise Unfit(f"{name} is a time such as 2026-11-23T08:00") from error


@dataclass(frozen=True, slots=True)
class Shown:
    """A page: its template, what it shows, and its status."""

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True, slots=True)
class Moved:
    """Something was done: where to look now, and what to say of it there."""

    to: str
    said: str


Answer = Shown | Moved
Handler = Callable[[House, Visit], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """One door: who may go in, and what is behind it."""

    method: Literal["GET", "POST"]
    path: str
    role: Role
    handler: Handler


def unique(text: str) -> UUID | None:
    """Return the id that `text` is; None where it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None


def is_number(text: str) -> bool:
    """Return whether `text` is a number that a database has room for."""
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER


def _number(text: str, wrong: BridgeError) -> int:
    if not is_number(text):
        raise wrong
    return int(text)


def _words(name: str, text: str, most: int = MAX_WORDS) -> str:
    if len(text) > most or "\0" in text:  # PostgreSQL has no place for the latter
        raise Unfit(f"{name} has at most {most} characters, and no NUL among them")
    return text.strip()
