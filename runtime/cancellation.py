"""Stay cancelled: before Python 3.12 asyncio forgets some cancellations, and daemons must stop.

`asyncio.wait_for` returns the result where that comes together with a cancellation
(python/cpython#86296), and a `TaskGroup` that is ending because of an error does not pass a
cancellation on (python/cpython#116720), nor take back its own.
"""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

Result = TypeVar("Result")

_ASK_AGAIN = 1.0  # seconds until a task that went on is told again


@contextlib.contextmanager
def staying_cancelled() -> Iterator[None]:
    """Raise at the end the cancellation that was asked for inside and swallowed there."""
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0
    yield
    if task is not None and task.cancelling() > before:
        raise asyncio.CancelledError


async def apart(work: Coroutine[Any, Any, Result]) -> Result:
    """Run `work` in a task of its own, and return or raise what it does.

    A loop that tries again runs each try this way: however the try takes a cancellation, the loop
    is cancelled, and the try has ended before it.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=_ASK_AGAIN)
        if not task.cancelled():
            task.exception()
        raise
    return task.result()
