"""A bridge's reference data at work, and a gateway that reads all of it."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy.engine import URL, make_url

from bridge.database import Database
from bridge.ledger import Ledger, open_ledger
from bridge.metrics import Metrics
from bridge.reference.booked import Booked
from bridge.reference.conflicts import Conflicts
from bridge.reference.copy import Copy, open_copy
from bridge.reference.files import reader
from bridge.reference.keeper import Keeper
from bridge.reference.server import Server
from bridge.reference.source import Reader
from contract.envelope import MAX_ENVELOPE
from contract.reference import Ask, DocumentRecord, ItemRecord, LocationRecord, Newest, Page
from contract.topics import Topics
from runtime.clock import Clock
from runtime.mqtt import Broker, Connection, Message, connect

LONG = 60.0
both = pytest.mark.parametrize("ledger_url", ["sqlite", "postgresql"], indirect=True)


def put(folder: Path, name: str, text: str) -> None:
    """Write a file the way an export should: under another name, then renamed."""
    (folder / "new").write_text(text, "utf-8")
    os.replace(folder / "new", folder / name)


class Room:
    """The parts of one bridge."""

    def __init__(self, ledger: Ledger, copy: Copy, booked: Booked, reader_: Reader) -> None:
        self.ledger = ledger
        self.copy = copy
        self.booked = booked
        self.server: Server | None = None
        self.keeper = Keeper(
            copy, booked, reader_, every=3600.0, clock=Clock(), changed=self._changed
        )
        self.conflicts = Conflicts(copy, booked, self.keeper)

    def _changed(self) -> None:
        if self.server is not None:
            self.server.tell()

    async def document(self, number: str) -> DocumentRecord | None:
        body = (await self.copy.stored("document", [number]))[number].body
        return None if body is None else DocumentRecord.model_validate_json(body)

    async def done(self, number: str, line: str = "1") -> str:
        record = await self.document(number)
        assert record is not None
        return next(f"{each.done:f}" for each in record.lines if each.line == line)

    @contextlib.asynccontextmanager
    async def running(self, url: str, name: str = "1") -> AsyncIterator[None]:
        """Keep and serve; once it does, whoever asks is heard."""
        broker = Broker(url=url)
        client_id = f"bridge-north-{name}-ref"
        self.server = Server(self.copy, self.booked, broker, client_id=client_id, metrics=Metrics())
        tasks = [asyncio.create_task(self.keeper.run()), asyncio.create_task(self.server.run())]
        try:
            async with asyncio.timeout(LONG):
                while not self.server.connected:
                    await asyncio.sleep(0.01)
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


@contextlib.asynccontextmanager
async def room(ledger: str | URL, source: Path | Reader) -> AsyncIterator[Room]:
    """Open a ledger and the copy that goes with it."""
    url = make_url(ledger)
    async with open_ledger(url) as books, open_copy(url) as copy:
        database = Database(url, shared=True)
        try:
            made = reader(source) if isinstance(source, Path) else source
            yield Room(books, copy, Booked(database), made)
        finally:
            await database.close()


@dataclass
class Dock:
    """A gateway as far as reference data goes: it takes pages in order, and asks when behind."""

    connection: Connection
    topics: Topics
    set: str | None = None
    at: int = 0
    newest: Newest | None = None
    includes: int = 0
    pages: list[int] = field(default_factory=list)
    restarts: int = 0
    records: dict[tuple[str, str], ItemRecord | DocumentRecord | LocationRecord] = field(
        default_factory=dict
    )

    def ask(self) -> None:
        self.connection.publish(
            self.topics.ask, Ask(set=self.set, after=self.at).model_dump_json(exclude_none=True)
        )

    async def until(self, true: Callable[["Dock"], bool]) -> None:
        async with asyncio.timeout(LONG):
            while not true(self):
                for message in await self._heard():
                    assert len(message.payload) <= MAX_ENVELOPE
                    if message.topic == self.topics.newest:
                        self._hear(Newest.model_validate_json(message.payload))
                    elif message.topic == self.topics.page:
                        self._take(Page.model_validate_json(message.payload))

    async def _heard(self) -> list[Message]:
        """Wait for messages; ask again now and then as long as no bridge has answered at all."""
        while True:
            try:
                async with asyncio.timeout(1.0 if self.newest is None else LONG):
                    return await self.connection.receive()
            except TimeoutError:
                self.ask()

    def _hear(self, newest: Newest) -> None:
        self.newest = newest
        if (newest.set, newest.version) != (self.set, self.at):
            self.ask()

    def _take(self, page: Page) -> None:
        if page.restart or self.set is None:
            self.restarts += page.restart
            self.set, self.at = page.set, 0
            self.records.clear()
        if (page.set, page.after) != (self.set, self.at):
            return
        self.pages.append(len(page.changes))
        for change in page.changes:
            self.records.pop((change.kind, change.key), None)
            if change.record is not None:
                assert change.record.key == change.key
                self.records[change.kind, change.key] = change.record
        self.at = page.upto
        if self.at < page.newest:
            self.ask()
        else:
            self.includes = page.includes

    def whole(self) -> bool:
        """Whether it has what it was last told of."""
        return self.newest is not None and (self.set, self.at) == (
            self.newest.set,
            self.newest.version,
        )

    def done(self, number: str, line: str = "1") -> str | None:
        record = self.records.get(("document", number))
        if not isinstance(record, DocumentRecord):
            return None
        return next(f"{each.done:f}" for each in record.lines if each.line == line)


@contextlib.asynccontextmanager
async def dock(url: str, gateway: str = "dock-1") -> AsyncIterator[Dock]:
    """Connect a gateway; it asks at once, since it may never have been heard of."""
    topics = Topics("north", gateway)
    async with connect(Broker(url=url), client_id=gateway) as connection:
        await connection.subscribe(topics.newest)
        await connection.subscribe(topics.page)
        made = Dock(connection, topics)
        made.ask()
        yield made
