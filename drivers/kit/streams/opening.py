"""Opening a device node: off the event loop, and patient with udev."""

import asyncio
import errno
from collections.abc import Callable
from functools import partial
from typing import TypeVar

T = TypeVar("T")

PERMISSION_WITHIN = 2.0
"""Seconds udev may take to set the permissions of a node that has just appeared."""
_AGAIN_AFTER = 0.1

DENIED = {errno.EACCES, errno.EPERM}


async def opened(opener: Callable[[], T], shut: Callable[[T], None]) -> T:
    """Return what `opener` opens, called in a thread: a wedged USB adapter takes seconds.

    Args:
        opener: opens the device; its exceptions are passed on, a lacking permission only after
            `PERMISSION_WITHIN` seconds of trying again.
        shut: closes what was opened after the caller had been cancelled.
    """
    loop = asyncio.get_running_loop()
    give_up = loop.time() + PERMISSION_WITHIN
    while True:
        try:
            return await _in_thread(opener, shut)
        except OSError as error:
            if error.errno not in DENIED or loop.time() >= give_up:
                raise
        await asyncio.sleep(_AGAIN_AFTER)


async def _in_thread(opener: Callable[[], T], shut: Callable[[T], None]) -> T:
    opening = asyncio.get_running_loop().run_in_executor(None, opener)
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(partial(_unwanted, shut))
        raise


def _unwanted(shut: Callable[[T], None], opening: asyncio.Future[T]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        shut(opening.result())
