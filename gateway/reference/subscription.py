"""Keeps the copy up to date: hears what is newest, asks when behind, takes pages in their order.

One question is open at a time and one page answers it, so that the gateway sets the pace. What
does not fit where it stands is dropped. Pages are read and written in a thread; the thread then
rests as long as it worked, so that a scan never waits behind a page.
"""

import asyncio
import contextlib
import logging
import os
import random
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn
from uuid import UUID

from pydantic import ValidationError

from contract.reference import Ask, Newest, Page
from contract.topics import Topics
from contract.values import Clock as Moment
from gateway.reference.binder import Binder, Standing, find_binders, new_binder
from gateway.reference.catalog import Catalog
from runtime.backoff import Backoff
from runtime.clock import Clock
from runtime.logs import event
from runtime.mqtt import BrokerRefused, Connection, Message, PublishRefused

log = logging.getLogger(__name__)

MAX_PAGE = 131_072
"""Bytes: the bridge sends half of it at most, and our broker takes no larger packet."""
_WAITING = 4  # pages not looked at yet: one question is open, and an answer may come twice
_ANSWER_WITHIN = 20.0  # seconds: a bridge that serves a whole fleet takes its time
_UNHEARD = 1.0  # seconds after which a live word of the bridge shows that a question was not heard
_AGAIN, _AGAIN_CEILING = 2.0, 300.0  # seconds to wait after a question without a good answer
_FIRST_WITHIN = 2.0  # seconds in which a gateway asks after it connected: not all at once
_CONFIRM_EVERY = 300.0  # seconds after which it asks whether its copy is still the newest
_NOTE_EVERY = 600.0  # seconds between two writes of that alone: losing it costs an age only
_SETTLE_EVERY = 50  # pages, some 10 MB of log
_ROOM = 50_000_000
"""Bytes of free disk beyond the floor of the store: with less no page is written; scans first."""


@dataclass(frozen=True, slots=True)
class CopyState:
    """The copy at one moment, for people."""

    set: str | None = None
    """None where there is no copy."""
    version: int = 0
    newest: int | None = None
    """What the bridge has; None if it was not heard of since the start."""
    items: int = 0
    documents: int = 0
    locations: int = 0
    age_s: float | None = None
    """Seconds since the bridge said last that it is the newest; None where no clock can tell."""
    stale: bool = False
    """Whether that is longer ago than is good."""
    trouble: str | None = None
    """Why it cannot be brought up to date, where that is not the network."""


@dataclass(frozen=True, slots=True)
class Stream:
    """How far the outbox has come, as far as it matters here."""

    epoch: UUID
    last: int


class Subscription:
    """The copy in a folder. `run` it as a task; `serve` beside each connection."""

    def __init__(
        self,
        folder: Path,
        topics: Topics,
        clock: Clock,
        *,
        stream: Callable[[], Stream],
        floor: int = 0,
        stale_after: float = 43_200.0,
    ) -> None:
        """Prepare it; `open` looks at the disk.

        Args:
            folder: the copy's own; made when there is something to keep.
            topics: of this gateway.
            clock: to tell ages with.
            stream: of this gateway, to hold against what pages say they include.
            floor: bytes of free disk that belong to the store.
            stale_after: seconds without a word of the bridge that make a copy stale.
        """
        self._folder = folder
        self._topics = topics
        self.catalog = Catalog()
        """For look-ups."""
        self.catalog.damaged = self._damaged
        self._clock = clock
        self._stream = stream
        self._floor = floor
        self._stale_after = stale_after
        self._live: Binder | None = None
        self._begun: Binder | None = None
        self._heard: deque[Message] = deque()
        self._told: Message | None = None
        """What was said to be the newest, and not looked at yet."""
        self._opening = threading.Lock()
        self._closed = False
        self._connection: Connection | None = None
        self._woken = asyncio.Event()
        self._newest: Newest | None = None
        self._asked: Ask | None = None
        self._ask_at = 0.0
        self._backoff = Backoff(_AGAIN, _AGAIN_CEILING)
        self._noted_at = 0.0
        self._pages = 0
        self._lost = False
        self._complaint = ""
        self.trouble: str | None = None
        self.included: Callable[[int], None] = lambda _: None
        """Called with the seq to which what was stored here is in the documents by now."""
        self.changed: Callable[[], None] = lambda: None
        """Called when there is something new to display."""

    # --- what is on disk ---

    def open(self) -> None:
        """Show what is there. A folder that cannot be used is no reason not to take scans."""
        try:
            self._live, self._begun = find_binders(self._folder)
            if self._live is not None:
                self.catalog.show(self._live)
        except (sqlite3.Error, OSError) as error:
            self._say_trouble(f"{self._folder}: {error}")
            self._lost = self._live is not None

    def close(self) -> None:
        """Close the files; what is half written is undone."""
        self.catalog.close()
        with self._opening:  # a thread may be about to open one
            self._closed = True
        for binder in (self._live, self._begun):
            if binder is not None:
                with contextlib.suppress(sqlite3.Error):
                    binder.close()
        self._live = self._begun = None

    @property
    def includes(self) -> int:
        """Seq to which what was stored here is in the documents of the copy."""
        standing = self.catalog.standing
        stream = self._stream()
        if standing is None or standing.epoch != stream.epoch:
            return 0
        return standing.includes if standing.includes <= stream.last else 0

    @property
    def state(self) -> CopyState:
        """How the copy is."""
        standing = self.catalog.standing
        newest = self._newest.version if self._newest else None
        if standing is None:
            return CopyState(newest=newest, trouble=self.trouble)
        age = self._age(standing.confirmed)
        return CopyState(
            standing.set,
            standing.version,
            newest,
            standing.items,
            standing.documents,
            standing.locations,
            None if age is None else round(age, 1),
            age is not None and age > self._stale_after,
            self.trouble,
        )

    def _age(self, confirmed: Moment | None) -> float | None:
        if confirmed is None:
            return None
        if confirmed.boot == self._clock.boot:
            return max(0.0, self._clock.monotonic() - float(confirmed.monotonic))
        if not (confirmed.synchronised and self._clock.synchronised()):
            return None
        return max(0.0, (self._clock.utc() - confirmed.wall).total_seconds())

    # --- what comes and goes ---

    def hear(self, message: Message) -> bool:
        """Take a message on one of our topics; False where it is none."""
        if message.topic not in {self._topics.newest, self._topics.page}:
            return False
        if len(message.payload) > MAX_PAGE:
            self._refuse(message.topic, "it is too long")
        elif message.topic == self._topics.newest:
            self._told = message  # the last word counts
            self._woken.set()
        elif self._asked is None:
            event(log, logging.DEBUG, "a page is dropped", why="nobody asked")
        elif len(self._heard) >= _WAITING:
            self._refuse(message.topic, "too many at once")
        else:
            self._heard.append(message)
            self._woken.set()
        return True

    async def serve(self, connection: Connection) -> NoReturn:
        """Subscribe, and let `run` ask over this connection while it lasts."""
        with contextlib.suppress(BrokerRefused):
            # Without: everything else works.
            await connection.subscribe(self._topics.page)
            await connection.subscribe(self._topics.newest)
        self._connection = connection
        self._asked = None
        self._backoff.reset()
        self._ask_at = self._clock.monotonic() + random.uniform(0, _FIRST_WITHIN)  # noqa: S311
        self._woken.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._connection = None
        raise AssertionError  # the future has no end but the cancellation

    async def run(self) -> NoReturn:
        """Bring the copy up to date whenever there is a connection, until cancelled."""
        while True:
            message = await self._next_message()
            told, self._told = self._told, None
            if message is not None:
                await self._take(message)
            if told is not None:
                await self._take_newest(told)
            self._begin_again_if_lost()
            if self._connection is not None and self._clock.monotonic() >= self._ask_at:
                self._put_question(self._connection)

    async def _next_message(self) -> Message | None:
        """Return a page that was heard; None when it is time to ask, or to look again."""
        if not self._heard and self._told is None:
            late = None
            if self._connection is not None:
                left = max(0.0, self._ask_at - self._clock.monotonic())
                late = asyncio.get_running_loop().call_later(left, self._woken.set)
            try:
                await self._woken.wait()
            finally:
                if late is not None:
                    late.cancel()
            self._woken.clear()
        return self._heard.popleft() if self._heard else None

    # --- asking ---

    def _put_question(self, connection: Connection) -> None:
        if self._asked is not None:
            self._wait_longer()  # nobody answered
            if self._clock.monotonic() < self._ask_at:
                return
        target = self._begun or self._live
        ask = Ask()
        if target is not None:
            ask = Ask(set=target.standing.set, after=target.standing.fetched)
        self._asked = ask
        self._ask_at = self._clock.monotonic() + _ANSWER_WITHIN
        future = connection.publish(self._topics.ask, ask.model_dump_json())
        future.add_done_callback(self._question_sent)

    def _question_sent(self, done: "asyncio.Future[bool]") -> None:
        if done.cancelled():
            return
        error = done.exception()
        if isinstance(error, PublishRefused):
            self._refuse(self._topics.ask, f"the broker refuses questions: {error}")

    def _wait_longer(self) -> None:
        self._asked = None
        self._ask_at = self._clock.monotonic() + _AGAIN / 2 + self._backoff.next()

    def _ask_soon(self) -> None:
        """Go on where there is more; else ask now and then whether there is."""
        self._asked = None
        self._backoff.reset()
        wait = 0.0 if self._behind else _CONFIRM_EVERY * random.uniform(0.8, 1.2)  # noqa: S311
        self._ask_at = self._clock.monotonic() + wait

    @property
    def _behind(self) -> bool:
        target = self._begun or self._live
        if target is None:
            return True
        if self._newest is None:
            return False
        at = target.standing
        return (at.set, at.fetched) != (self._newest.set, self._newest.version)

    # --- taking ---

    async def _take(self, message: Message) -> None:
        if self._asked is None:
            event(log, logging.DEBUG, "a page is dropped", why="nobody asked")
            return
        began = time.monotonic()
        try:
            page = await asyncio.to_thread(Page.model_validate_json, message.payload)
        except ValidationError as error:
            self._refuse(message.topic, _first(error))
            self._wait_longer()
            return
        if why := self._misfit(page):
            event(log, logging.DEBUG, "a page is dropped", why=why)
            return
        if why := _wrong(page):
            self._refuse(message.topic, why)
            self._wait_longer()
            return
        await self._write(page)
        # As long a rest as it was work: scans and the rest of the machine come first.
        await asyncio.sleep(min(1.0, time.monotonic() - began))

    async def _take_newest(self, message: Message) -> None:
        if not message.payload:
            return  # nobody keeps it for us any more
        try:
            newest = Newest.model_validate_json(message.payload)
        except ValidationError as error:
            self._refuse(message.topic, _first(error))
            return
        self._newest = newest
        live = self._live
        if live is None or self._behind:
            now = self._clock.monotonic()
            if self._asked is None:
                self._ask_at = min(self._ask_at, now)
            elif not message.retain and now > self._ask_at - _ANSWER_WITHIN + _UNHEARD:
                # The bridge is there now; when the question was put, nobody may have listened.
                self._asked, self._ask_at = None, now
            return
        # What is retained may have been said long ago, but it is said of just this version.
        update: dict[str, Any] = {"epoch": newest.epoch, "includes": newest.includes}
        if not message.retain:
            update["confirmed"] = self._moment()
        await self._confirmed(live.standing.model_copy(update=update))

    async def _confirmed(self, standing: Standing) -> None:
        """Take note that the copy is the newest, on disk now and then."""
        live = self._live
        if live is None:
            return
        now = self._clock.monotonic()
        if now - self._noted_at > _NOTE_EVERY:
            self._noted_at = now
            with contextlib.suppress(sqlite3.Error):  # losing it costs an age only
                await asyncio.to_thread(live.note, standing)
        live.standing = standing
        self.catalog.standing = standing
        self._include(standing)
        self.changed()

    def _misfit(self, page: Page) -> str | None:
        """Say why a page does not fit where the copy stands; None where it does."""
        if self._asked is None:
            return "nobody asked"
        if page.restart or self._asked.set is None:
            return None if page.after == 0 else "another place was asked for"
        target = self._begun or self._live
        assert target is not None  # noqa: S101 - a set was asked for
        if (page.set, page.after) != (target.standing.set, target.standing.fetched):
            return "another place was asked for"
        return None

    async def _write(self, page: Page) -> None:
        if not self._room():
            self._say_trouble("there is no room on the disk")
            self._ask_at, self._asked = self._clock.monotonic() + _CONFIRM_EVERY / 5, None
            return
        live = self._live
        try:
            if page.restart or (self._asked and self._asked.set is None):
                await self._begin(page.set)
            target = self._begun or live
            assert target is not None  # noqa: S101 - just begun, or asked for
            if target is live and not page.changes and page.upto == live.standing.version:
                await self._confirmed(
                    live.standing.model_copy(
                        update={
                            "epoch": page.epoch,
                            "includes": page.includes,
                            "confirmed": self._moment(),
                        }
                    )
                )
            else:
                await self._store(target, page)
        except (sqlite3.Error, OSError) as error:
            self._say_trouble(str(error))
            self._wait_longer()
            if "SQLITE_CORRUPT" in getattr(error, "sqlite_errorname", ""):
                self._lost = True
            return
        self.trouble = None
        self._newest = Newest(
            set=page.set, version=page.newest, epoch=page.epoch, includes=page.includes
        )
        self._ask_soon()

    async def _begin(self, set_: str) -> None:
        begun, self._begun = self._begun, None
        if begun is not None:
            await asyncio.to_thread(begun.remove)
        await asyncio.to_thread(self._open_new, set_)

    def _open_new(self, set_: str) -> None:
        with self._opening:
            if not self._closed:
                self._begun = new_binder(self._folder, set_)

    async def _store(self, target: Binder, page: Page) -> None:
        taken = await asyncio.to_thread(target.take, page, self._moment())
        self._pages += 1
        newest = page.upto >= page.newest
        before = None
        if target is not self._live and taken.standing.complete:
            await asyncio.to_thread(target.settle)
            before, self._live, self._begun = self._live, target, None
            self.catalog.show(target)
            event(log, logging.INFO, "reference copy complete", **_said(taken.standing))
        elif target is self._live:
            self.catalog.follow(taken.standing, taken.changed)
        if newest:
            # Before anything is waited for: what the lines say is done has it from now on.
            if target is self._live:
                self._include(taken.standing)
            self._noted_at = self._clock.monotonic()
            self.changed()
        if before is not None:
            await asyncio.to_thread(before.remove)
        if target is self._live and (newest or self._pages % _SETTLE_EVERY == 0):
            await asyncio.to_thread(target.settle)
            self.catalog.follow(taken.standing, frozenset())  # so that the log can begin anew

    def _include(self, standing: Standing) -> None:
        stream = self._stream()
        if standing.epoch is None or standing.epoch != stream.epoch:
            return
        if standing.includes > stream.last:
            self._refuse(self._topics.page, "it includes what was never stored here")
            return
        self.included(standing.includes)

    def _room(self) -> bool:
        folder = self._folder if self._folder.is_dir() else self._folder.parent
        try:
            disk = os.statvfs(folder)
        except OSError:
            return True  # writing will say why not
        return disk.f_bavail * disk.f_frsize > self._floor + _ROOM

    def _damaged(self, why: str) -> None:
        """Have the copy fetched again; called in the middle of a look-up."""
        self._say_trouble(f"the copy was damaged ({why}); it is fetched again")
        self._lost = True
        self._woken.set()

    def _begin_again_if_lost(self) -> None:
        if not self._lost:
            return
        self._lost = False
        self.catalog.close()
        for binder in (self._live, self._begun):
            if binder is not None:
                with contextlib.suppress(sqlite3.Error, OSError):
                    binder.remove()
        self._live = self._begun = None
        self._asked, self._ask_at = None, self._clock.monotonic()

    def _moment(self) -> Moment:
        return Moment(
            wall=self._clock.utc(),
            boot=self._clock.boot,
            monotonic=Decimal(self._clock.monotonic_us()).scaleb(-6),
            synchronised=self._clock.synchronised(),
        )

    # --- what is said ---

    def _say_trouble(self, why: str) -> None:
        if self.trouble != why:
            self.trouble = why
            event(log, logging.ERROR, "the reference copy cannot be kept", why=why)
            self.changed()

    def _refuse(self, topic: str, why: str) -> None:
        """Log once what may come again and again."""
        if self._complaint != topic + why:
            self._complaint = topic + why
            event(log, logging.WARNING, "reference data is refused", topic=topic, why=why)


def _said(standing: Standing) -> dict[str, int]:
    return standing.model_dump(include={"items", "documents", "locations", "version"})


def _wrong(page: Page) -> str | None:
    """Say what is wrong about a page in itself; None where nothing is."""
    if not page.after <= page.upto <= page.newest:
        return "its versions are in no order"
    if page.upto == page.after and (page.changes or page.upto < page.newest):
        return "it leads nowhere"
    for change in page.changes:
        record = change.record
        if record is not None and (record.kind, record.key) != (change.kind, change.key):
            return f"{change.kind} {change.key[:40]!r} is called something else inside"
    return None


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:200]
