"""Keeps devices alive: opens, listens, waits and opens again, and says how each is."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from drivers.kit.errors import (
    DeviceBusy,
    DeviceDenied,
    DeviceMisconfigured,
    DeviceSilent,
    StreamLost,
)
from drivers.kit.hotplug import Hotplug, Trace
from drivers.kit.readings import Noise, Reading, ScaleCommand
from drivers.kit.session import Orders, Verdicts, converse
from drivers.kit.streams import open_stream
from gateway.config import Device, Station
from gateway.errors import GatewayError
from runtime.backoff import Backoff
from runtime.logs import event

log = logging.getLogger(__name__)

_FIRST_RETRY = 0.5  # seconds
_LAST_RETRY = 5.0  # a device that is plugged in again must be there before the operator wonders
_FAULTY_RETRY = 30.0  # a person has to act; look now and then whether one has
_PAUSE = 0.05  # seconds before what was plugged in is opened, should it come and go all the time
_HOUR = 3600.0
_MOST = 100  # losses that are remembered: far more than it takes to act

Emit = Callable[[str, list[Reading]], Awaitable[Verdicts | None]]


Word = Literal["waiting", "open", "busy", "denied", "faulty", "silent"]
"""Not there; working; held by another program; not permitted; wrong; there, but without a word."""


@dataclass(frozen=True, slots=True)
class DeviceState:
    """How one device is."""

    id: str
    driver: str
    state: Word = "waiting"
    why: str = ""
    readings: int = 0
    noise: int = 0
    opened: int = 0
    """How often it was opened: a loose cable shows here."""
    reopened: int = 0
    """How often it was lost and came back within the last hour: too little power shows here."""
    what: str = ""
    """What was there when it was last opened, ``0c2e:0b61 Xenon 1900``; empty if nobody can say."""


class Supervisor:
    """Looks after one device. `run` it as a task."""

    def __init__(
        self,
        device: Device,
        emit: Emit,
        changed: Callable[[], None],
        hotplug: Hotplug | None = None,
    ) -> None:
        self._device = device
        self._emit = emit
        self._changed = changed
        self._hotplug = hotplug or Hotplug()
        self._state = DeviceState(device.id, device.driver)
        # Counted beside it: what `state` counts up for display is not asked for with each scan.
        self._readings = self._noise = 0
        self._lost = False
        """Whether it went away while it was open, and has not come back."""
        self._returns: deque[float] = deque(maxlen=_MOST)
        """When it came back, in seconds of the monotonic clock."""
        self._commands: Mapping[ScaleCommand, bytes] = {}
        self._orders: Orders | None = None

    @property
    def state(self) -> DeviceState:
        """How the device is now."""
        since = time.monotonic() - _HOUR
        return replace(
            self._state,
            readings=self._readings,
            noise=self._noise,
            reopened=sum(at > since for at in self._returns),
        )

    @state.setter
    def state(self, state: DeviceState) -> None:
        self._state = state

    def report_to(self, emit: Emit, changed: Callable[[], None]) -> None:
        """Pass what the device says on to `emit` from now on, open as it is."""
        self._emit = emit
        self._changed = changed

    async def run(self) -> None:
        """Keep the device open and pass on what it says, until cancelled."""
        backoff = Backoff(_FIRST_RETRY, _LAST_RETRY)
        url = self._device.url
        async with self._hotplug as hotplug:
            while True:
                heard = self._readings
                before = await hotplug.look(url)
                wait = await self._once(backoff, before)
                if self._readings > heard:
                    backoff.reset()
                if await hotplug.changed(url, before, wait):
                    backoff.reset()
                    await asyncio.sleep(_PAUSE)

    async def _once(self, backoff: Backoff, before: Trace) -> float:
        """Hold one conversation, and return how many seconds to wait after it."""
        opened = self._state.opened
        try:
            # A new dialogue for each connection: what was half heard is forgotten.
            dialogue = self._device.module.dialogue(self._device.settings)
            async with await open_stream(self._device.url) as stream:
                self._opened(before.what)
                self._commands, self._orders = dialogue.commands, Orders()
                await converse(dialogue, stream, self._pass_on, self._orders)
        except DeviceBusy as busy:
            self._set(self.state, "busy", str(busy) or type(busy).__doc__ or "")
        except StreamLost as lost:
            self._lost = self._lost or self._state.opened > opened
            self._set(self.state, "waiting", str(lost) or type(lost).__doc__ or "")
        except DeviceSilent as silent:
            self._set(self.state, "silent", str(silent) or type(silent).__doc__ or "")
        except DeviceDenied as denied:
            self._set(self.state, "denied", str(denied))
            return _FAULTY_RETRY
        except DeviceMisconfigured as wrong:
            self._set(self.state, "faulty", str(wrong))
            return _FAULTY_RETRY
        except GatewayError:
            raise  # the store's trouble is not the device's
        except Exception:
            log.exception("driver %s of device %s failed", self._device.driver, self._device.id)
            self._set(self.state, "faulty", f"the driver {self._device.driver} failed; see the log")
            return _FAULTY_RETRY
        return backoff.next()

    def command(self, word: ScaleCommand) -> bool:
        """Tell the device to do something; False where its protocol cannot, or it is not open."""
        data = self._commands.get(word)
        if data is None or self._orders is None or self._state.state != "open":
            return False
        return self._orders.give(data)

    def _opened(self, what: str) -> None:
        if self._lost:
            self._lost = False
            self._returns.append(time.monotonic())
        last = self._state.what
        state = replace(self._state, opened=self._state.opened + 1, what=what or last)
        if state.state == "silent":
            # A port that opens proves nothing of a scale that is switched off: it must answer.
            self.state = state
        elif what and last and what != last:
            why = f"here is {what} now, where {last} was: do the driver and its settings fit?"
            event(log, logging.WARNING, "another kind of device", device=self._device.id, why=why)
            self._set(state, "open", why)
        else:
            self._set(state, "open", "")

    async def _pass_on(self, readings: list[Reading]) -> Verdicts | None:
        noise = sum([isinstance(reading, Noise) for reading in readings])
        self._readings += len(readings) - noise
        self._noise += noise
        if self._state.state != "open" and noise < len(readings):
            self._set(self.state, "open", "")
        return await self._emit(self._device.id, readings)

    def _set(
        self,
        state: DeviceState,
        word: Word,
        why: str,
    ) -> None:
        if (word, why) != (self.state.state, self.state.why):
            level = logging.INFO if word == "open" else logging.WARNING
            event(log, level, f"device {word}", device=self._device.id, why=why)
        self.state = replace(state, state=word, why=why)
        self._changed()


class Devices:
    """All devices of a gateway: opened once, whoever they report to."""

    def __init__(self, supervisors: Sequence[Supervisor], tasks: asyncio.TaskGroup) -> None:
        """Take what looks after each, and who looks after these: one that dies is heard there."""
        self.supervisors = supervisors
        self._tasks = tasks
        self._running: list[asyncio.Task[None]] = []

    def of(self, station: Station) -> list[Supervisor]:
        """Return what looks after the devices of one station."""
        ids = {device.id for device in station.devices}
        return [each for each in self.supervisors if each.state.id in ids]

    def open(self) -> None:
        """Open them. Does nothing where they are."""
        if not self._running:
            self._running = [
                self._tasks.create_task(each.run(), name=f"device {each.state.id}")
                for each in self.supervisors
            ]

    async def attend(self) -> None:
        """Keep them open until cancelled, and close them then."""
        self.open()
        try:
            await asyncio.Event().wait()
        finally:
            for task in self._running:
                task.cancel()
            if self._running:
                await asyncio.wait(self._running)
