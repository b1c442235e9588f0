"""Statements that are run in the connection's thread and answered in the loop."""

import asyncio
import importlib.resources
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import aiosqlite
import pytest

from runtime.sqlite import Bell, bell, open_store, submit

MIGRATIONS = importlib.resources.files("gateway") / "migrations"
INSERT = "INSERT INTO outbox (seq, body, digest) VALUES (?, ?, ?)"


@pytest.fixture
async def rung() -> AsyncIterator[Bell]:
    with bell() as made:
        yield made


async def test_the_answer_comes_in_the_loop_in_order_and_behind_the_statement(
    tmp_path: Path, rung: Bell
) -> None:
    connection = await open_store(tmp_path / "o.db", MIGRATIONS)
    try:
        heard: list[tuple[str, Exception | None]] = []
        done = asyncio.Event()
        loops = threading.get_ident()

        def answer(name: str) -> None:
            def hear(error: Exception | None) -> None:
                assert threading.get_ident() == loops
                heard.append((name, error))
                if name == "last":
                    done.set()

            submit(connection, rung, INSERT, (1 if name != "last" else 2, "{}", b"d" * 32), hear)

        for name in ("first", "twice", "last"):
            answer(name)
        assert not heard, "nothing is answered before it was carried out"
        async with asyncio.timeout(30):
            await done.wait()
        assert [name for name, _ in heard] == ["first", "twice", "last"]
        assert [type(error) for _, error in heard] == [
            type(None),
            aiosqlite.IntegrityError,
            type(None),
        ]
        async with connection.execute("SELECT seq FROM outbox ORDER BY seq") as cursor:
            assert [seq for (seq,) in await cursor.fetchall()] == [1, 2]
    finally:
        await connection.close()


async def test_what_was_given_before_closing_is_carried_out(tmp_path: Path, rung: Bell) -> None:
    connection = await open_store(tmp_path / "o.db", MIGRATIONS)
    heard: list[Exception | None] = []
    submit(connection, rung, INSERT, (1, "{}", b"d" * 32), heard.append)
    await connection.close()
    assert heard == [None]


async def test_a_call_that_raises_does_not_keep_the_others_waiting(rung: Bell) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: complaints.append(context["exception"])
    )
    called = asyncio.Event()

    def ring() -> None:
        rung.call_soon_threadsafe(int, "x")
        rung.call_soon_threadsafe(called.set)

    await asyncio.to_thread(ring)
    async with asyncio.timeout(30):
        await called.wait()
    assert [type(each) for each in complaints] == [ValueError]
