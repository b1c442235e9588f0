"""A scan at a shut store has the store tried once more, and is stored if that is there."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from drivers.kit.readings import Noise, Reading
from drivers.kit.session import Verdicts
from gateway import shut
from gateway.devices import Devices
from gateway.shut import Knocks, Refusal, Shut, until_open
from gateway.signals import Signals, Told
from runtime.sqlite import StoreTooNew, StoreUnusable
from tests.gateway.rig import gateway, scan

CEILING = 30.0


class Store:
    """One that can be had or not, as a test wants it."""

    def __init__(self) -> None:
        self.there = False
        self.error: Exception = StoreUnusable("no disk")
        self.tries = 0
        self.reading = asyncio.Event()
        """Set where a try is over at once."""
        self.reading.set()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        self.tries += 1
        there = self.there
        await self.reading.wait()
        if not there:
            raise self.error
        yield "the store"


class Gateway:
    """A station without a store; `taken` is what was given on once there was one."""

    def __init__(self, store: Store, tasks: asyncio.TaskGroup) -> None:
        [station] = gateway().stations
        self.store = store
        self.signals = Signals()
        self.told: list[Told] = []
        self.signals.listen(self.told.append)
        self.taken: list[Reading] = []
        knocks = Knocks()
        self.refusal = Refusal(station, self.signals, gateway().codes, knocks)
        self.shut = Shut([self.refusal], knocks, Devices([], tasks), _no_page)

    async def run(self) -> None:
        async with until_open(self.store.open, self.shut, lambda: False):
            self.shut.over({self.refusal.station.name: self._take})
            await asyncio.Event().wait()

    async def _take(self, device: str, group: list[Reading]) -> Verdicts:
        assert device == "scanner-1"
        self.taken += group
        return ["good" for _ in group]

    async def refused(self) -> None:
        """Wait until the first try has failed."""
        async with asyncio.timeout(CEILING):
            while not self.told:
                await asyncio.sleep(0)

    async def scan(self, text: str) -> Verdicts | None:
        async with asyncio.timeout(CEILING):
            return await self.refusal.accept("scanner-1", [scan(text)])

    @property
    def heard(self) -> list[tuple[str, str]]:
        return [(each.signal.kind, each.text) for each in self.told]


@contextlib.asynccontextmanager
async def _no_page(_: Shut) -> AsyncIterator[None]:
    yield


@pytest.fixture
async def shut_gateway(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gateway]:
    """A gateway that would not try again for an hour."""
    monkeypatch.setattr(shut, "_FIRST_APART", 3600.0)
    monkeypatch.setattr(shut, "_KNOCK", CEILING)
    async with asyncio.TaskGroup() as tasks:
        made = Gateway(Store(), tasks)
        running = tasks.create_task(made.run())
        await made.refused()
        yield made
        running.cancel()


async def test_a_scan_is_refused_by_a_try_of_its_own(shut_gateway: Gateway) -> None:
    assert shut_gateway.store.tries == 1
    assert await shut_gateway.scan("ONE") == ["bad"]
    assert shut_gateway.store.tries == 2
    assert shut_gateway.heard == [("not_ok", ""), ("not_ok", "ONE")]
    assert shut_gateway.taken == []


async def test_the_first_scan_after_the_trouble_is_taken(shut_gateway: Gateway) -> None:
    shut_gateway.store.there = True
    assert await shut_gateway.scan("ONE") == ["good"]
    assert shut_gateway.taken == [scan("ONE")]
    assert shut_gateway.heard == [("not_ok", ""), ("attention", "")], "and told by who takes it"


async def test_a_try_that_began_before_the_scan_does_not_speak_for_it(
    shut_gateway: Gateway,
) -> None:
    store = shut_gateway.store
    store.reading.clear()
    first = asyncio.create_task(shut_gateway.scan("ONE"))
    async with asyncio.timeout(CEILING):
        while store.tries < 2:
            await asyncio.sleep(0)
    store.there = True
    second = asyncio.create_task(shut_gateway.scan("TWO"))
    await asyncio.sleep(0)
    store.reading.set()
    assert await first == ["bad"]
    assert await second == ["good"]
    assert shut_gateway.taken == [scan("TWO")]


async def test_a_try_that_takes_long_leaves_no_scan_without_an_answer(
    shut_gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shut, "_KNOCK", 0.01)
    shut_gateway.store.reading.clear()
    shut_gateway.store.there = True
    assert await shut_gateway.scan("ONE") == ["bad"]
    shut_gateway.store.reading.set()
    monkeypatch.setattr(shut, "_KNOCK", CEILING)
    assert await shut_gateway.scan("TWO") == ["good"]
    assert shut_gateway.taken == [scan("TWO")], "what was refused is not stored after all"


async def test_what_nobody_meant_is_not_refused(shut_gateway: Gateway) -> None:
    group: list[Reading] = [Noise(b"?", "nothing")]
    assert await shut_gateway.refusal.accept("scale-1", group) == [None]
    assert await shut_gateway.refusal.accept("scanner-1", group) == ["bad"]
    assert shut_gateway.store.tries == 2


async def test_what_no_waiting_mends_is_raised_at_once() -> None:
    store = Store()
    store.error = StoreTooNew("of next year")
    async with asyncio.TaskGroup() as tasks:
        made = Gateway(store, tasks)
        with pytest.raises(StoreTooNew):
            await made.run()
    assert (store.tries, made.told) == (1, [])
