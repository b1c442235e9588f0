"""The one loop that talks to devices. It knows no device; a `Dialogue` says how each one talks."""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import zip_longest

from drivers.kit.errors import DeviceError, DeviceSilent
from drivers.kit.readings import Dialogue, Noise, Reading, Send, Step, Verdict
from drivers.kit.streams import Stream

Verdicts = Sequence[Verdict | None]
"""One for each reading, in their order; None where there is nothing to say, and nothing at all
where there is nothing to say of any."""

Emit = Callable[[list[Reading]], Awaitable[Verdicts | None]]

WRITE_WITHIN = 2.0
"""Seconds a device may refuse to take a few bytes: they go out in milliseconds."""


MAX_ORDERS = 4
"""Commands that wait for a device at once: more than a hand can scan before the first is out."""


class Orders:
    """What a station tells a device beside its readings: zero, tare, print."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self.wake: Callable[[], None] = lambda: None
        """Called when something came; the session sets it."""

    def give(self, data: bytes) -> bool:
        """Hand over one command; False if too many wait already."""
        if len(self._waiting) >= MAX_ORDERS:
            return False
        self._waiting.append(data)
        self.wake()
        return True

    def take(self) -> bytes:
        """Return everything that waits, in order; nothing where nothing does."""
        data = b"".join(self._waiting)
        self._waiting.clear()
        return data


async def converse(
    dialogue: Dialogue, stream: Stream, emit: Emit, orders: Orders | None = None
) -> None:
    """Talk to one device until its stream is lost, and hand on what it says.

    Args:
        dialogue: how this device talks; it serves this connection only.
        stream: open; the caller closes it.
        emit: takes all readings of one chunk, at least one, and returns what became of them, which
            the device is told if it can be. Nothing more is read until it returns: that is the
            back-pressure, and there is no queue.
        orders: what the station has for the device; sent between two readings.

    Raises:
        StreamLost: the far end is gone.
        DeviceSilent: the device was asked and said nothing it could mean for `dialogue.within`.
    """
    await _Session(dialogue, stream, emit, orders or Orders()).run()


class _Session:
    def __init__(self, dialogue: Dialogue, stream: Stream, emit: Emit, orders: Orders) -> None:
        self._dialogue = dialogue
        self._stream = stream
        self._emit = emit
        self._orders = orders
        self._orders.wake = self._wake
        self._reading: asyncio.Timeout | None = None
        self._loop = asyncio.get_running_loop()
        self._clock = self._loop.time
        self._deadline = math.inf
        self._timer: asyncio.TimerHandle | None = None
        """Fires at the deadline or before it: it is not taken back with each chunk of bytes."""
        self._ask_at = self._clock() if dialogue.ask else math.inf
        self._asked = False
        self._answer_by = math.inf
        self._quiet_at = math.inf
        self._speaks = bool(dialogue.good or dialogue.bad)
        self._said = dialogue.bad
        """What the device was last told."""

    async def run(self) -> None:
        try:
            await self._run()
        finally:
            if self._timer is not None:
                self._timer.cancel()

    async def _run(self) -> None:
        decoder, gap = self._dialogue.decoder, self._dialogue.gap
        if self._dialogue.hello:
            await self._write(self._dialogue.hello)
        while True:
            if self._clock() >= self._ask_at:
                await self._ask()
            if order := self._orders.take():
                await self._write(order)
            data = await self._read_until(min(self._ask_at, self._answer_by, self._quiet_at))
            if data:
                if gap is not None:
                    self._quiet_at = self._clock() + gap
                await self._hand_on(decoder.feed(data))
                continue
            now = self._clock()
            if now >= self._quiet_at:
                self._quiet_at = math.inf
                await self._hand_on(decoder.quiet())
            elif now >= self._answer_by:
                raise DeviceSilent(
                    f"{self._stream.description} did not answer within {self._dialogue.within:g} s"
                )

    async def _ask(self) -> None:
        every = self._dialogue.every or math.inf
        # On schedule; but turns that were missed are left out, not made up for in a burst.
        self._ask_at = max(self._ask_at + every, self._clock() + every / 2)
        if self._asked and self._dialogue.within is not None:
            return
        self._asked = True
        await self._write(self._dialogue.ask)
        if self._dialogue.within is not None and self._answer_by == math.inf:
            self._answer_by = self._clock() + self._dialogue.within

    async def _read_until(self, deadline: float) -> bytes:
        """Return what arrives before `deadline` or an order, or nothing."""
        self._deadline = deadline
        if deadline < math.inf and (self._timer is None or self._timer.when() > deadline):
            self._look_again_at(deadline)
        try:
            async with asyncio.timeout(None) as limit:
                self._reading = limit
                return await self._stream.read()
        except TimeoutError:
            pass
        finally:
            self._reading = None
        # If this process was late itself, the bytes may have been in time: look once more.
        try:
            async with asyncio.timeout(0):
                return await self._stream.read()
        except TimeoutError:
            return b""

    def _look_again_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        """End the waiting for bytes if it has lasted until its deadline."""
        self._timer = None
        if self._reading is None:
            return
        if self._clock() >= self._deadline:
            self._wake()
        elif self._deadline < math.inf:
            self._look_again_at(self._deadline)

    def _wake(self) -> None:
        """End the waiting for bytes, so that an order goes out now."""
        if self._reading is not None:
            self._reading.reschedule(self._clock())

    async def _hand_on(self, steps: list[Step]) -> None:
        readings: list[Reading] = []
        for step in steps:
            if isinstance(step, Send):
                await self._write(step.data)
            else:
                readings.append(step)
                # A garbled answer ends the question, but only a clear one shows a working device.
                self._asked = False
                if not isinstance(step, Noise):
                    self._answer_by = math.inf
        if readings:
            await self._pass_on(readings)

    async def _pass_on(self, readings: list[Reading]) -> None:
        try:
            verdicts = await self._emit(readings)
        except Exception:
            # The device waits for its answer all the same, and must not take it for stored.
            with suppress(DeviceError):
                await self._tell(["bad"] * len(readings))
            raise
        if not self._speaks:
            return
        await self._tell(
            [verdict for _, verdict in zip_longest(readings, (verdicts or ())[: len(readings)])]
        )

    async def _tell(self, verdicts: Verdicts) -> None:
        """Tell the device what became of what it sent: a few bytes, within `WRITE_WITHIN`."""
        if words := b"".join(self._word(verdict) for verdict in verdicts):
            await self._write(words)

    def _word(self, verdict: Verdict | None) -> bytes:
        waits = self._dialogue.blocks
        match verdict:
            case "good":
                self._said = self._dialogue.good
            case "bad":
                self._said = self._dialogue.bad
            case "ignored":
                # It came a second time; one that waits hears again what it heard of the first.
                return self._said if waits else b""
            case None:
                return self._dialogue.bad if waits else b""
        return self._said

    async def _write(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(WRITE_WITHIN):
                await self._stream.write(data)
        except TimeoutError as error:
            raise DeviceSilent(
                f"{self._stream.description} took no bytes for {WRITE_WITHIN:g} s"
            ) from error
