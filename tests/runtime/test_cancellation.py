"""What was told to stop stops, whatever asyncio forgets."""

import asyncio
import contextlib

import pytest

from runtime.cancellation import apart, staying_cancelled


async def test_a_cancellation_that_was_swallowed_inside_is_raised_after_all() -> None:
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        with staying_cancelled(), contextlib.suppress(asyncio.CancelledError):
            await answer  # as `asyncio.wait_for` of Python 3.11 does when the answer is there too
        raise AssertionError("it went on")

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_timeout_that_was_handled_is_no_cancellation() -> None:
    with staying_cancelled(), contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0):
            await asyncio.Event().wait()


async def test_a_loop_stops_though_its_try_swallows_the_cancellation_once() -> None:
    started = asyncio.Event()

    async def stubborn() -> None:
        started.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    async def loop() -> None:
        while True:
            await apart(stubborn())

    task = asyncio.create_task(loop())
    await started.wait()
    task.cancel()
    async with asyncio.timeout(60):
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_loop_goes_on_after_a_task_group_that_failed_and_still_stops() -> None:
    tries = 0
    again = asyncio.Event()

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ConnectionError

    async def session() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail())

    async def loop() -> None:
        nonlocal tries
        while True:
            tries += 1
            if tries == 3:
                again.set()
                await asyncio.Event().wait()
            try:
                await apart(session())
            except* ConnectionError:
                pass

    task = asyncio.create_task(loop())
    async with asyncio.timeout(60):
        await again.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_what_runs_apart_gives_its_result_and_its_error() -> None:
    async def add(a: int, b: int) -> int:
        return a + b

    async def fail() -> None:
        raise KeyError("x")

    assert await apart(add(1, 2)) == 3
    with pytest.raises(KeyError):
        await apart(fail())
