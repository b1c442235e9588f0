"""Keeps devices alive: opens, listens, waits and opens again, and says how each is."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal

from drivers.kit.errors import DeviceMisconfigured, DeviceSilent, StreamLost
from drivers.kit.readings import Noise, Reading
from drivers.kit.session import Verdicts, converse
from drivers.kit.streams import open_stream
from gateway.config import Device
from gateway.errors import GatewayError
from runtime.backoff import Backoff
from runtime.logs import event

log = logging.getLogger(__name__)

_FIRST_RETRY = 0.5  # seconds
_LAST_RETRY = 5.0  # a device that is plugged in again must be there before the operator wonders
_FAULTY_RETRY = 30.0  # a person has to act; look now and then whether one has

Emit = Callable[[str, list[Reading]], Awaitable[Verdicts | None]]


@dataclass(frozen=True, slots=True)
class DeviceState:
    """How one device is."""

    id: str
    driver: str
    state: Literal["waiting", "open", "silent", "faulty"] = "waiting"
    why: str = ""
    readings: int = 0
    noise: int = 0
    opened: int = 0
    """How often it was opened: a loose cable shows here."""


class Supervisor:
    """Looks after one device. `run` it as a task."""

    def __init__(self, device: Device, emit: Emit, changed: Callable[[], None]) -> None:
        self._device = device
        self._emit = emit
        self._changed = changed
        self.state = DeviceState(device.id, device.driver)

    async def run(self) -> None:
        """Keep the device open and pass on what it says, until cancelled."""
        backoff = Backoff(_FIRST_RETRY, _LAST_RETRY)
        while True:
            heard = self.state.readings
            wait = await self._once(backoff)
            if self.state.readings > heard:
                backoff.reset()
            await asyncio.sleep(wait)

    async def _once(self, backoff: Backoff) -> float:
        """Hold one conversation, and return how many seconds to wait after it."""
        try:
            # A new dialogue for each connection: what was half heard is forgotten.
            dialogue = self._device.module.dialogue(self._device.settings)
            async with await open_stream(self._device.url) as stream:
                self._opened()
                await converse(dialogue, stream, self._pass_on)
        except StreamLost as lost:
            self._set(self.state, "waiting", str(lost) or type(lost).__doc__ or "")
        except DeviceSilent as silent:
            self._set(self.state, "silent", str(silent) or type(silent).__doc__ or "")
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

    def _opened(self) -> None:
        state = replace(self.state, opened=self.state.opened + 1)
        if state.state == "silent":
            # A port that opens proves nothing of a scale that is switched off: it must answer.
            self.state = state
        else:
            self._set(state, "open", "")

    async def _pass_on(self, readings: list[Reading]) -> Verdicts | None:
        noise = sum(1 for reading in readings if isinstance(reading, Noise))
        self.state = replace(
            self.state,
            readings=self.state.readings + len(readings) - noise,
            noise=self.state.noise + noise,
        )
        if self.state.state != "open" and noise < len(readings):
            self._set(self.state, "open", "")
        return await self._emit(self._device.id, readings)

    def _set(
        self,
        state: DeviceState,
        word: Literal["waiting", "open", "silent", "faulty"],
        why: str,
    ) -> None:
        if (word, why) != (self.state.state, self.state.why):
            level = logging.INFO if word == "open" else logging.WARNING
            event(log, level, f"device {word}", device=self._device.id, why=why)
        self.state = replace(state, state=word, why=why)
        self._changed()
