"""Attaches what the configuration names to the signals, for as long as the daemon runs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from gateway.config import Outputs
from gateway.outputs.beep import Beep
from gateway.outputs.light import StackLight
from gateway.signals import Signals


@contextlib.asynccontextmanager
async def attached(outputs: Outputs, signals: Signals) -> AsyncIterator[None]:
    """Tell every signal to the loudspeaker and the lamps there are."""
    async with contextlib.AsyncExitStack() as stack:
        if outputs.light is not None:
            light = StackLight(outputs.light, outputs.lamps, active_low=outputs.active_low)
            signals.listen(stack.enter_context(light).tell)
        if outputs.beep is not None:
            beep = Beep(outputs.beep)
            signals.listen(beep.tell)
            playing = asyncio.create_task(beep.run(), name="beep")
            stack.push_async_callback(_end, playing)
        yield


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
