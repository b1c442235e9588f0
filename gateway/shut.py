"""While the store cannot be had: every scan is refused aloud, and the store is tried again.

A disk that comes late, that was mounted read-only, that is full or does not read for a while must
not leave a station silent: its devices are opened all the same, and each scan is a not-OK by tone,
light and screen. Each scan is also a reason to try once more: the first one after the trouble is
taken. Once the store can be had the same open devices report to the benches.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import UTC, datetime
from typing import Any, TypeVar

from contract.identifiers import Rules, identify
from drivers.kit import readings
from drivers.kit.session import Verdicts
from drivers.kit.settling import Settling
from gateway.config import Station
from gateway.devices import Devices, Emit
from gateway.errors import StoreFailed
from gateway.phrases import say
from gateway.reserve import is_for_want_of_room
from gateway.signals import Signals
from gateway.stations.job import Signal
from runtime.logs import event
from runtime.sqlite import StoreInUse, StoreTooNew, StoreUnusable
from runtime.systemd import notify_ready, watchdog

log = logging.getLogger(__name__)

Opened = TypeVar("Opened")

_PATIENCE = 5.0  # seconds that opening may take before stations are told: a large log is read in 1
_FIRST_APART = 0.5  # seconds between two tries, doubled with each
_LAST_APART = 5.0  # a disk that is back must be used before the operator has found somebody
_KNOCK = 1.0  # seconds a scan waits for a try: it is answered within 1.5, whatever the disk does
_SAID = 200  # characters of a label that are shown, as at a bench

NOT_SAVED = say("NOT SAVED: the store cannot be used")
STOP = say("Stop scanning and call support. What was said to be OK before is safe.")


class Knocks:
    """Scans at a shut store: each wants one try that begins after it, and its outcome."""

    def __init__(self) -> None:
        self._heard = asyncio.Event()
        self._new: set[asyncio.Future[None]] = set()
        self._tried: set[asyncio.Future[None]] = set()

    async def knock(self) -> None:
        """Return when such a try was made, or when the operator must be answered."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._new.add(done)
        self._heard.set()
        try:
            await asyncio.wait([done], timeout=_KNOCK)
        finally:
            self._new.discard(done)
            self._tried.discard(done)

    def begin(self) -> None:
        """Take note that a try begins."""
        self._heard.clear()
        self._tried |= self._new
        self._new = set()

    def end(self) -> None:
        """Take note of its outcome."""
        for done in self._tried:
            done.set_result(None)
        self._tried = set()

    async def pause(self, seconds: float) -> None:
        """Wait for so long, or until somebody knocks."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._heard.wait()


class Refusal:
    """One station without a store. `accept` is what its devices call."""

    def __init__(self, station: Station, signals: Signals, rules: Rules, knocks: Knocks) -> None:
        self.station = station
        self._signals = signals
        self._rules = rules
        self._settling = {device.id: Settling(equal=station.settle) for device in station.devices}
        self._scales = {each.id for each in station.devices if ".scales." in each.module.__name__}
        self.live: readings.Weight | None = None
        """The scale's last word, settled or not; for the screen."""
        self._knocks = knocks
        self.taker: Emit | None = None
        """Who stores what is said here, once somebody does."""

    async def accept(self, device: str, group: list[readings.Reading]) -> Verdicts | None:
        """Refuse what one read of `device` brought, unless the store is there after all.

        It is told, or stored and told, when this returns.
        """
        said = [self._said(device, reading) for reading in group]
        if all(each is None for each in said):
            return [None for _ in said]
        if self.taker is None:
            await self._knocks.knock()
        if self.taker is not None:
            return await self.taker(device, group)
        for text in said:
            if text is not None:
                self.tell(device, text[:_SAID])
        return [None if text is None else "bad" for text in said]

    def _said(self, device: str, reading: readings.Reading) -> str | None:
        """Return what the operator wants saved; None where nothing is to be said of it."""
        match reading:
            case readings.Scan():
                return identify(reading.data, reading.symbology, self._rules, None).text
            case readings.Weight():
                self.live = reading
                settled = self._settling[device].feed(reading, time.monotonic())
                if settled is None or settled.value is None:
                    return None
                return f"{settled.value} {settled.unit or ''}".strip()
            case readings.Noise() if device not in self._scales:
                return ""
            case _:
                return None

    def tell(self, device: str | None = None, text: str = "") -> None:
        """Say aloud that nothing is saved."""
        self._signals.tell(self.station.name, Signal("not_ok", NOT_SAVED, STOP), (), device, text)

    def relent(self) -> None:
        """Say that scans are saved again, where a not-OK of ours is the last word."""
        latched = self._signals.latched.get(self.station.name)
        if latched is not None and latched.signal.text == NOT_SAVED:
            again = say("Scans are saved again")
            todo = say("Scan again what was not saved.")
            self._signals.tell(self.station.name, Signal("attention", again, todo))


Page = Callable[["Shut"], AbstractAsyncContextManager[None]]
Release = Callable[[], bool]


class Shut:
    """A gateway whose store cannot be had. `until_open` makes use of it where it must."""

    def __init__(
        self, refusals: Sequence[Refusal], knocks: Knocks, devices: Devices, page: Page
    ) -> None:
        """Take the parts.

        Args:
            refusals: of every station.
            knocks: theirs.
            devices: report to them until they are told otherwise.
            page: shows that the store cannot be had, for as long as it is entered.
        """
        self.knocks = knocks
        self.refusals = refusals
        self.devices = devices
        self.since: datetime | None = None
        """When the store was first found to be out of reach; None while it is not."""
        self.why = ""
        self._page = page
        self._open = AsyncExitStack()

    async def begin(self, why: str) -> None:
        """Open the devices and refuse what they say; only the reason is new the second time."""
        if why != self.why:
            event(log, logging.ERROR, "the store cannot be used", why=why)
        self.why = why
        if self.since is not None:
            return
        self.since = datetime.now(UTC)
        self.devices.open()
        for refusal in self.refusals:
            refusal.tell()
        await self._open.enter_async_context(self._page(self))
        alive = asyncio.create_task(watchdog(lambda: True), name="watchdog without a store")
        self._open.push_async_callback(asyncio.wait, [alive])
        self._open.callback(alive.cancel)
        notify_ready(f"no scan is taken: {why}")

    async def close(self) -> None:
        """Take the page down; the devices stay open, and what they say is still refused."""
        await self._open.aclose()

    def over(self, takers: Mapping[str, Emit]) -> None:
        """Have what is said at each station, by its name, stored from now on."""
        for refusal in self.refusals:
            refusal.taker = takers[refusal.station.name]
        self.knocks.begin()
        self.knocks.end()
        if self.since is None:
            return
        event(log, logging.WARNING, "the store can be used again", since=str(self.since))
        self.since, self.why = None, ""
        for refusal in self.refusals:
            refusal.relent()


@contextlib.asynccontextmanager
async def until_open(
    opening: Callable[[], AbstractAsyncContextManager[Opened]], shut: Shut, release: Release
) -> AsyncIterator[Opened]:
    """Enter `opening` as often as it takes, and yield what it gives.

    Args:
        opening: returns a new try.
        shut: answers at the stations meanwhile.
        release: gives the store the room put by, and says whether there was any.

    Raises:
        StoreTooNew: no waiting mends that. The store was left as it is.
        StoreInUse: another gateway runs; the same.
    """
    async with AsyncExitStack() as stack:
        try:
            opened = await _tried(lambda: stack.enter_async_context(opening()), shut, release)
        finally:
            await shut.close()
        yield opened


async def _tried(
    enter: Callable[[], Coroutine[Any, Any, Opened]], shut: Shut, release: Release
) -> Opened:
    apart = _FIRST_APART
    while True:
        shut.knocks.begin()
        trying = asyncio.create_task(enter(), name="open the store")
        try:
            if not (await asyncio.wait([trying], timeout=_PATIENCE))[0]:
                await shut.begin("the disk has not answered yet")
            await asyncio.wait([trying])
        finally:
            trying.cancel()
            await asyncio.wait([trying])
        try:
            return trying.result()
        except StoreTooNew:
            raise
        except (StoreUnusable, StoreFailed, OSError) as error:
            if is_for_want_of_room(error) and release():
                continue
            if isinstance(error, StoreInUse) and shut.since is None:
                raise  # two gateways; later it is somebody who mends the store
            await shut.begin(str(error) or type(error).__doc__ or "")
        shut.knocks.end()
        await shut.knocks.pause(apart)
        apart = min(apart * 2, _LAST_APART)
