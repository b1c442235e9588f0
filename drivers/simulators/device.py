"""What all simulated devices have: a cable, an ear, and faults that can be switched on."""

import asyncio
import contextlib
from decimal import Decimal
from typing import Self

from drivers.simulators.cable import Cable, Pty

MAX_HEARD = 65536
"""Bytes from the host that are kept for tests to look at: hours of polling."""


def finite(text: str) -> Decimal:
    """Return the number in `text`.

    Raises:
        ValueError, ArithmeticError: it is none, or not finite.
    """
    number = Decimal(text)
    if not number.is_finite():
        raise ValueError(text)
    return number


class Device:
    """A device made of bytes, alive inside its `async with`.

    A subclass says in `answer` what the device replies to what it hears.
    """

    def __init__(self, cable: Cable | None = None) -> None:
        """Prepare a device on `cable`; without one it gets a pseudo-terminal of its own."""
        self.cable: Cable = cable or Pty()
        self.mute = False
        """Whether it takes everything and says nothing, as with a broken wire."""
        self.heard = b""
        """What the host has said, the last `MAX_HEARD` bytes."""
        self._turns = 0
        self._turn_taken = asyncio.Event()
        self._ear: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The host's address of this device, such as ``serial:///dev/pts/7``."""
        return self.cable.url

    async def __aenter__(self) -> Self:
        await self.cable.__aenter__()
        self._ear = asyncio.create_task(self._listen(), name=f"simulator {self.url}")
        return self

    async def __aexit__(self, *error: object) -> None:
        try:
            if self._ear is not None:
                self._ear.cancel()
                await asyncio.wait([self._ear])
        finally:
            await self.cable.__aexit__(*error)

    async def _listen(self) -> None:
        while True:
            data = await self.cable.read()
            self.heard = (self.heard + data)[-MAX_HEARD:]
            if reply := self.answer(data):
                await self.say(reply)
            self._turns += 1
            self._turn_taken.set()

    async def spoken_to(self, times: int, within: float) -> bool:
        """Wait until the host has spoken `times` times more and has had its answers.

        Args:
            times: 1 and more.
            within: seconds to wait at most.

        Returns:
            Whether it has.
        """
        wanted = self._turns + times
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self._turns < wanted:
                    self._turn_taken.clear()
                    await self._turn_taken.wait()
        return self._turns >= wanted

    def answer(self, data: bytes) -> bytes:
        """Return what the device says to `data`, which may be cut anywhere."""
        del data
        return b""

    async def take(self, text: str) -> None:
        """Do what the device is for with `text`: weigh a load, scan a code."""
        await self.say(text.encode())

    async def say(self, data: bytes) -> None:
        """Send `data` to the host as it is, unless the device is mute."""
        if not self.mute:
            await self.cable.write(data)

    def unplug(self) -> None:
        """Pull the cable."""
        self.cable.unplug()

    def replug(self) -> None:
        """Put the cable back in."""
        self.cable.replug()


PERIOD = 0.1
"""Seconds between two frames of a device that speaks unasked: ten a second is usual."""


class StreamingDevice(Device):
    """A device that also speaks unasked; a subclass says in `unasked` what."""

    def __init__(self, cable: Cable | None = None) -> None:
        """Prepare a device on `cable`; without one it gets a pseudo-terminal of its own."""
        super().__init__(cable)
        self._mouth: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._mouth = asyncio.create_task(self._speak(), name=f"simulator {self.url} speaking")
        return self

    async def __aexit__(self, *error: object) -> None:
        try:
            if self._mouth is not None:
                self._mouth.cancel()
                await asyncio.wait([self._mouth])
        finally:
            await super().__aexit__(*error)

    async def _speak(self) -> None:
        while True:
            await asyncio.sleep(PERIOD)
            if said := self.unasked():
                await self.say(said)

    def unasked(self) -> bytes:
        """Return what the device says now, all by itself; nothing for silence."""
        return b""

    async def say(self, data: bytes) -> None:
        """Send `data` to the host after what is being sent, unless the device is mute."""
        async with self._turn:
            await super().say(data)
