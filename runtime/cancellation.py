"""Stay cancelled: what asyncio forgets before Python 3.12, a daemon that was told to stop must not."""

import asyncio


def stay_cancelled() -> None:
    """Raise the cancellation that was asked for and swallowed on the way here, if there is one.

    `asyncio.wait_for` returns the result when that comes together with a cancellation
    (python/cpython#86296), and a `TaskGroup` that is ending because of an error does not pass a
    cancellation on (python/cpython#116720). A loop that tries again calls this first.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
