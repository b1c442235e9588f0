"""One device of a test: opened, talked to in a task of its own, heard through `expect`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from drivers.kit import registry
from drivers.kit.readings import Dialogue, Reading
from drivers.kit.session import converse
from drivers.kit.streams import open_stream

CEILING = 60.0
"""Seconds after which a test stops waiting: far above anything that is right."""


def dialogue(driver: str, **settings: Any) -> Dialogue:
    """A fresh dialogue of `driver`."""
    module = registry.load(driver)
    return module.dialogue(module.Config.model_validate({"driver": driver, **settings}))


class Heard:
    """What one device said, chunk by chunk."""

    def __init__(self) -> None:
        self.chunks: list[list[Reading]] = []
        self.task: asyncio.Task[None] | None = None
        self._more = asyncio.Event()

    async def emit(self, readings: list[Reading]) -> None:
        self.chunks.append(readings)
        self._more.set()

    @property
    def readings(self) -> list[Reading]:
        return [reading for chunk in self.chunks for reading in chunk]

    async def expect(self, wanted: Callable[[Reading], bool]) -> Reading:
        """Wait for a reading that is `wanted`; fail with the session's own error if it ends."""
        assert self.task is not None
        async with asyncio.timeout(CEILING):
            while True:
                for reading in self.readings:
                    if wanted(reading):
                        return reading
                self._more.clear()
                waiter = asyncio.ensure_future(self._more.wait())
                await asyncio.wait({waiter, self.task}, return_when=asyncio.FIRST_COMPLETED)
                waiter.cancel()
                if self.task.done():
                    self.task.result()

    async def ended(self) -> None:
        """Wait for the session to end, and raise what it ended with."""
        assert self.task is not None
        async with asyncio.timeout(CEILING):
            await self.task


@asynccontextmanager
async def talking(url: str, talk: Dialogue) -> AsyncIterator[Heard]:
    """Open `url` and converse with it until the block ends."""
    heard = Heard()
    async with await open_stream(url) as stream:
        heard.task = asyncio.create_task(converse(talk, stream, heard.emit))
        try:
            yield heard
        finally:
            heard.task.cancel()
            await asyncio.wait([heard.task])
