"""What was told to stop stops, whatever asyncio forgets."""

import asyncio

import pytest

from runtime.cancellation import stay_cancelled


async def test_a_cancellation_that_wait_for_swallowed_is_raised_after_all() -> None:
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        try:
            await answer
        except asyncio.CancelledError:
            pass  # as `asyncio.wait_for` of Python 3.11 does when the answer is there too
        stay_cancelled()
        raise AssertionError("it went on")

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_timeout_that_was_handled_is_no_cancellation() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await asyncio.Event().wait()
    stay_cancelled()


async def test_a_task_group_that_failed_is_no_cancellation() -> None:
    async def fail() -> None:
        raise ConnectionError

    with pytest.raises(ExceptionGroup):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail())
            await asyncio.Event().wait()
    stay_cancelled()
