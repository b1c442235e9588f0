"""The copy is kept up to date over a real broker, and survives whatever comes over it."""

import asyncio
import contextlib
import json
import logging
import sqlite3
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from contract.reference import Ask, Change, Newest, Page
from contract.topics import Topics
from gateway.reference import subscription
from gateway.reference.binder import find_binders
from gateway.reference.subscription import MAX_PAGE, Stream, Subscription
from runtime.clock import Clock
from runtime.mqtt import Broker, Connection, Message, connect
from tests.gateway.reference.stock import gone, item, order, put
from tests.gateway.rig import TurnedClock
from tests.mosquitto import Mosquitto

CEILING = 30.0
TOPICS = Topics("north", "dock-1")
EPOCH = uuid.uuid4()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(CEILING):
        while not true():
            await asyncio.sleep(0.005)


@dataclass
class Office:
    """The bridge's side: one set of changes, served a few at a time."""

    connection: Connection
    set: str = "s1"
    changes: list[Change] = field(default_factory=list)
    size: int = 100
    epoch: uuid.UUID | None = EPOCH
    includes: int = 0
    asks: list[Ask] = field(default_factory=list)
    silent: int = 0
    """So many questions are not answered."""
    instead: list[Any] = field(default_factory=list)
    """Said in place of the next pages."""
    when: dict[int, Callable[[], None]] = field(default_factory=dict)
    """What is done at the how-manieth question, before it is answered."""

    async def tell(self, *changes: Change, retain: bool = True) -> None:
        """Make changes, and say what is newest."""
        self.changes += changes
        newest = Newest(
            set=self.set, version=len(self.changes), epoch=self.epoch, includes=self.includes
        )
        await self.connection.publish(TOPICS.newest, newest.model_dump_json(), retain=retain)

    def page(self, ask: Ask) -> Page:
        known = ask.set == self.set and ask.after <= len(self.changes)
        after = ask.after if known else 0
        part = tuple(self.changes[after : after + self.size])
        return Page(
            set=self.set,
            after=after,
            upto=after + len(part),
            newest=len(self.changes),
            epoch=self.epoch,
            includes=self.includes,
            changes=part,
            restart=ask.set is not None and not known,
        )

    async def answer(self) -> None:
        async for message in self.connection.messages:
            ask = Ask.model_validate_json(message.payload)
            self.asks.append(ask)
            self.when.get(len(self.asks), lambda: None)()
            if self.silent:
                self.silent -= 1
            elif self.instead:
                words = self.instead.pop(0)
                self.connection.publish(
                    TOPICS.page, words if isinstance(words, bytes) else json.dumps(words)
                )
            else:
                self.connection.publish(TOPICS.page, self.page(ask).model_dump_json())


@contextlib.asynccontextmanager
async def serving(broker: Broker) -> AsyncIterator[Office]:
    async with connect(broker, client_id="bridge") as connection:
        await connection.subscribe(TOPICS.ask)
        office = Office(connection)
        task = asyncio.create_task(office.answer())
        try:
            yield office
        finally:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled() and (error := task.exception()):
                raise error


@dataclass
class Desk:
    """The gateway's side."""

    subscription: Subscription
    included: list[int] = field(default_factory=list)
    stream: Stream = field(default_factory=lambda: Stream(EPOCH, 100))

    @property
    def version(self) -> int:
        return self.subscription.state.version

    async def at(self, office: Office) -> None:
        """Wait until it has what the office has."""
        newest = len(office.changes)
        await until(lambda: (self.subscription.state.set, self.version) == (office.set, newest))


@contextlib.asynccontextmanager
async def desk(
    folder: Path, broker: Broker | None, clock: Clock | None = None, **more: Any
) -> AsyncIterator[Desk]:
    """A subscription; without a broker it is offline."""
    found: Desk
    keeper = Subscription(folder, TOPICS, clock or Clock(), stream=lambda: found.stream, **more)
    found = Desk(keeper)
    keeper.included = found.included.append
    keeper.open()
    tasks: list[asyncio.Task[Any]] = [asyncio.create_task(keeper.run())]
    if broker is not None:
        tasks.append(asyncio.create_task(_listen(keeper, broker)))
    try:
        yield found
    finally:
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        keeper.close()
        assert all(isinstance(each, asyncio.CancelledError) for each in outcomes), outcomes


async def _listen(keeper: Subscription, broker: Broker) -> None:
    async with connect(broker, client_id="gateway") as connection:
        serve = asyncio.create_task(keeper.serve(connection))
        try:
            async for message in connection.messages:
                assert keeper.hear(message)
        finally:
            serve.cancel()
            await asyncio.wait([serve])


@pytest.fixture
def broker(mosquitto: Mosquitto) -> Broker:
    return Broker(url=mosquitto.url)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "reference"


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes seconds, so that a fleet does not come at once, takes none."""
    monkeypatch.setattr(subscription, "_FIRST_WITHIN", 0.0)
    monkeypatch.setattr(subscription, "_AGAIN", 0.1)


ITEMS = [put(item(n)) for n in range(1, 951)]


async def test_the_whole_copy_is_fetched_page_by_page_and_kept_true(
    folder: Path, broker: Broker
) -> None:
    async with serving(broker) as office, desk(folder, broker) as gateway:
        await office.tell(*ITEMS, put(order(1)))
        await gateway.at(office)
        catalog = gateway.subscription.catalog
        assert [ask.after for ask in office.asks] == list(range(0, 1000, 100))
        assert catalog.by_code("ITEM-000950") == item(950)
        assert catalog.document("PO-1") == order(1)
        await office.tell(put(order(1, done=4)), gone(item(950)))
        await gateway.at(office)
        assert catalog.document("PO-1") == order(1, done=4)
        assert catalog.by_code("ITEM-000950") is None
        state = gateway.subscription.state
        assert (state.items, state.documents, state.newest) == (949, 1, 953)
        assert state.age_s is not None
        assert state.age_s < CEILING
        assert state.trouble is None


async def test_a_bridge_that_has_read_nothing_yet_has_no_copy_to_show(
    folder: Path, broker: Broker
) -> None:
    async with serving(broker) as office, desk(folder, broker) as gateway:
        await until(lambda: bool(office.asks) and gateway.subscription._asked is None)
        assert not gateway.subscription.catalog.ready
        assert gateway.subscription.state.set is None
        await asyncio.sleep(0)
        assert len(office.asks) == 1  # and it does not ask again and again
        await office.tell(*ITEMS)
        await gateway.at(office)
        assert gateway.subscription.state.items == 950


async def test_a_restart_goes_on_where_it_stood(folder: Path, broker: Broker) -> None:
    async with serving(broker) as office:
        office.changes = list(ITEMS)
        office.when[4] = lambda: setattr(office, "silent", 1)
        async with desk(folder, broker) as gateway:
            await until(lambda: len(office.asks) == 4)
            assert not gateway.subscription.catalog.ready
        async with desk(folder, broker) as gateway:
            await gateway.at(office)
        resumed = office.asks[4]
        assert resumed.set == "s1"
        assert resumed.after == 300
        assert office.asks[-1].after == 900


async def test_without_a_network_the_copy_is_there_at_once(folder: Path, broker: Broker) -> None:
    async with serving(broker) as office, desk(folder, broker) as gateway:
        await office.tell(*ITEMS)
        await gateway.at(office)
    async with desk(folder, None) as gateway:
        assert gateway.subscription.catalog.by_code("SUP-17") == item(17)
        assert gateway.subscription.state.age_s is not None


async def test_another_set_replaces_the_old_one_at_one_moment(folder: Path, broker: Broker) -> None:
    async with serving(broker) as office, desk(folder, broker) as gateway:
        await office.tell(*ITEMS[:300])
        await gateway.at(office)
        catalog = gateway.subscription.catalog
        renamed = [put(item(n, name="new")) for n in range(1, 301)]
        office.set, office.changes, office.size = "s2", [], 50
        seen = set()

        def done() -> bool:
            names = {
                found.name == "new"
                for n in (1, 150, 300)
                if (found := catalog.by_code(f"ITEM-{n:06}")) is not None
            }
            assert len(names) == 1  # never of both
            seen.update(names)
            return gateway.subscription.state.set == "s2"

        await office.tell(*renamed)
        await until(done)
        done()
        assert seen == {False, True}
        assert [ask.after for ask in office.asks if ask.set == "s2"] == [50, 100, 150, 200, 250]
        await until(lambda: len([path for path in folder.iterdir() if path.suffix == ".db"]) == 1)


async def test_a_set_that_changes_while_it_is_fetched_is_fetched_anew(
    folder: Path, broker: Broker
) -> None:
    async with serving(broker) as office, desk(folder, broker) as gateway:

        def change() -> None:
            office.set, office.changes = "s2", ITEMS[:250]

        office.changes = list(ITEMS)
        office.when[3] = change
        await until(lambda: office.set == "s2")
        await gateway.at(office)
        assert gateway.subscription.state.items == 250


async def test_a_bridge_restored_from_a_backup_is_believed(folder: Path, broker: Broker) -> None:
    async with serving(broker) as office, desk(folder, broker) as gateway:
        await office.tell(*ITEMS[:300])
        await gateway.at(office)
        del office.changes[200:]
        await office.tell()
        await gateway.at(office)
        assert gateway.subscription.state.items == 200


async def test_a_question_without_an_answer_is_asked_again(
    folder: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "_ANSWER_WITHIN", 0.1)
    async with serving(broker) as office, desk(folder, broker) as gateway:
        office.silent = 2
        await office.tell(*ITEMS[:10])
        await gateway.at(office)
        assert len(office.asks) >= 3


def _said(**more: Any) -> dict[str, Any]:
    return {"set": "s1", "after": 0, "upto": 1, "newest": 1, **more}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (b"\xff\x00", "valid"),
        (b"{}", "set: Field required"),
        (b"[" * 60_000, "recursion"),
        (b" " * (MAX_PAGE + 1), "too long"),
        (_said(upto=0), "leads nowhere"),
        (_said(newest=0), "in no order"),
        (_said(upto=2**60), "upto"),
        (_said(changes=[{"kind": "item", "key": "A"}] * 501), "changes"),
        (
            _said(changes=[{"kind": "item", "key": "A", "record": {"kind": "item", "sku": "B"}}]),
            "called something else",
        ),
        (
            _said(
                changes=[{"kind": "item", "key": "A", "record": {"kind": "location", "name": "A"}}]
            ),
            "called something else",
        ),
        (_said(surprise=1), "surprise"),
    ],
)
async def test_a_hostile_page_is_refused_and_the_next_one_taken(
    folder: Path,
    broker: Broker,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    words: Any,
    why: str,
) -> None:
    monkeypatch.setattr(subscription, "_ANSWER_WITHIN", 0.3)  # what is too long is no answer
    with caplog.at_level(logging.WARNING):
        async with serving(broker) as office, desk(folder, broker) as gateway:
            office.instead = [words]
            await office.tell(*ITEMS[:10])
            await gateway.at(office)
            assert gateway.subscription.state.items == 10
    refused = [record for record in caplog.records if "refused" in record.message]
    assert len(refused) == 1
    assert why in str(refused[0].__dict__)


async def test_pages_that_nobody_asked_for_are_dropped(folder: Path, broker: Broker) -> None:
    async with serving(broker) as office, desk(folder, broker) as gateway:
        await office.tell(*ITEMS[:10])
        await gateway.at(office)
        await until(lambda: gateway.subscription._asked is None)
        other = Page(set="evil", after=0, upto=1, newest=1, changes=(put(item(5)),), restart=True)
        for _ in range(20):
            await office.connection.publish(TOPICS.page, other.model_dump_json())
        await office.tell(put(item(11)))
        await gateway.at(office)
        assert gateway.subscription.state.items == 11


async def test_what_it_includes_counts_once_the_copy_is_the_newest(
    folder: Path, broker: Broker
) -> None:
    async with serving(broker) as office, desk(folder, broker) as gateway:
        office.includes = 7
        await office.tell(*ITEMS[:250])
        await gateway.at(office)
        assert gateway.included[0] == 7
        assert gateway.subscription.includes == 7
        office.includes = 9
        await office.tell()  # the same version has more of ours
        await until(lambda: gateway.included[-1] == 9)
        office.includes = 2**50  # never stored here
        await office.tell()
        office.includes, office.epoch = 20, uuid.uuid4()  # of another stream
        await office.tell(put(item(900)))
        await gateway.at(office)
        assert max(gateway.included) == 9
        assert gateway.subscription.includes == 0
    async with desk(folder, None) as gateway:
        assert gateway.subscription.includes == 0
        gateway.stream = Stream(office.epoch, 100)
        assert gateway.subscription.includes == 20


async def test_a_full_disk_keeps_the_old_copy_and_says_so(
    folder: Path, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(broker) as office, desk(folder, broker) as gateway:
        await office.tell(*ITEMS[:100])
        await gateway.at(office)
        live = gateway.subscription._live
        assert live is not None
        [(pages,)] = live._connection.execute("PRAGMA page_count")
        live._connection.execute(f"PRAGMA max_page_count = {pages}")
        with caplog.at_level(logging.ERROR):
            await office.tell(*ITEMS[100:])
            await until(lambda: gateway.subscription.state.trouble is not None)
        assert "full" in str(gateway.subscription.state.trouble)
        assert gateway.subscription.catalog.by_code("SUP-5") == item(5)
        assert gateway.version == 100
        live._connection.execute("PRAGMA max_page_count = 1000000")
        await gateway.at(office)
        assert gateway.subscription.state.trouble is None


async def test_no_page_is_written_into_the_room_that_scans_need(
    folder: Path, broker: Broker
) -> None:
    async with serving(broker) as office, desk(folder, broker, floor=2**62) as gateway:
        await office.tell(*ITEMS[:100])
        await until(lambda: gateway.subscription.state.trouble is not None)
        assert "no room" in str(gateway.subscription.state.trouble)
        assert not folder.exists()


async def test_a_folder_that_cannot_be_made_is_no_reason_to_stop(
    tmp_path: Path, broker: Broker
) -> None:
    (tmp_path / "file").touch()
    async with (
        serving(broker) as office,
        desk(tmp_path / "file" / "reference", broker) as gateway,
    ):
        await office.tell(*ITEMS[:100])
        await until(lambda: gateway.subscription.state.trouble is not None)
        assert not gateway.subscription.catalog.ready


async def test_a_damaged_copy_is_fetched_again(folder: Path, broker: Broker) -> None:
    async with serving(broker) as office, desk(folder, broker) as gateway:
        await office.tell(*ITEMS[:300])
        await gateway.at(office)
        [path] = [path for path in folder.iterdir() if path.suffix == ".db"]
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE record SET mark = 1 WHERE key = 'ITEM-000200'")
        catalog = gateway.subscription.catalog
        live = gateway.subscription._live
        assert live is not None
        catalog.show(live)
        assert catalog.by_code("ITEM-000200") is None
        assert "damaged" in str(gateway.subscription.state.trouble)
        await gateway.at(office)
        assert catalog.by_code("ITEM-000200") == item(200)
        assert gateway.subscription.state.trouble is None


async def test_a_copy_that_nobody_confirms_grows_old(folder: Path, broker: Broker) -> None:
    clock = TurnedClock()
    async with (
        serving(broker) as office,
        desk(folder, broker, clock, stale_after=60) as gateway,
    ):
        await office.tell(*ITEMS[:10])
        await gateway.at(office)
        clock.now += 61
        assert gateway.subscription.state.stale
        await office.tell()  # retained by the broker, but said just now
        await until(lambda: not gateway.subscription.state.stale)


async def test_of_another_boot_the_age_is_known_if_both_clocks_were_right(
    folder: Path, broker: Broker
) -> None:
    class Right(Clock):
        right = True

        def synchronised(self) -> bool:
            return self.right

    async with serving(broker) as office, desk(folder, broker) as gateway:
        gateway.subscription._clock = Right()
        await office.tell(*ITEMS[:10])
        await gateway.at(office)
    async with desk(folder, None) as gateway:
        other = Right()
        other.boot = uuid.uuid4()
        gateway.subscription._clock = other
        age = gateway.subscription.state.age_s
        assert age is not None
        assert 0 <= age < CEILING
        other.right = False
        assert gateway.subscription.state.age_s is None
        assert not gateway.subscription.state.stale


async def test_the_broker_may_go_and_come_back_in_the_middle(
    folder: Path, mosquitto: Mosquitto
) -> None:
    broker = Broker(url=mosquitto.url)
    async with serving(broker) as office:
        office.changes = list(ITEMS)
        for _ in range(3):
            asked = len(office.asks)
            async with desk(folder, broker):
                await until(lambda asked=asked: len(office.asks) >= asked + 2)  # type: ignore[misc]
        async with desk(folder, broker) as gateway:
            await gateway.at(office)
    complete, begun = find_binders(folder)
    assert complete is not None
    assert begun is None
    assert complete.standing.items == 950
    complete.close()


async def test_other_topics_are_left_to_others(folder: Path) -> None:
    async with desk(folder, None) as gateway:
        assert not gateway.subscription.hear(Message(TOPICS.command("ping"), b"{}", 1, False, 1))
