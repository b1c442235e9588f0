"""A dispatcher at work, which says when something was decided."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

from bridge.dispatcher import Dispatcher
from bridge.ledger import Ledger
from bridge.metrics import Metrics
from bridge.terms import Terms
from runtime.clock import Clock
from tests.bridge.streams import EPOCH
from tests.bridge.targets import ScriptedTarget

LONG = 60.0  # s: far beyond what any of it takes on a busy machine


class Running:
    """A dispatcher and what it says."""

    def __init__(
        self, ledger: Ledger, target: ScriptedTarget, terms: Terms | None, clock: Clock | None
    ) -> None:
        self.ledger = ledger
        self.metrics = Metrics()
        self.news = asyncio.Event()
        self.dispatcher = Dispatcher(
            ledger,
            target.connect,
            metrics=self.metrics,
            progress=self._progress,
            stuck_after=3,
            terms=terms,
            clock=clock,
        )

    def _progress(self, _gateway: str, _epoch: UUID) -> None:
        self.news.set()

    async def until(self, true: Callable[[], Awaitable[bool]]) -> None:
        """Wait for a state of the ledger; looks at it a hundred times a second."""
        async with asyncio.timeout(LONG):
            while not await true():
                self.news.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.01):
                        await self.news.wait()

    async def until_posted(self, seq: int, gateway: str = "dock-1", epoch: UUID = EPOCH) -> None:
        async def posted() -> bool:
            return (await self.ledger.word(gateway, epoch)).ack.posted >= seq

        await self.until(posted)


@contextlib.asynccontextmanager
async def running(
    ledger: Ledger,
    target: ScriptedTarget,
    terms: Terms | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Running]:
    made = Running(ledger, target, terms, clock)
    task = asyncio.create_task(made.dispatcher.run())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.wait([task])
