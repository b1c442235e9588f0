"""Statements that are run in the connection's thread and answered in the loop."""

import asyncio
import importlib.resources
import threading
from pathlib import Path

import aiosqlite

from runtime.sqlite import open_store, submit

MIGRATIONS = importlib.resources.files("gateway") / "migrations"
INSERT = "INSERT INTO outbox (seq, body, digest) VALUES (?, ?, ?)"


async def test_the_answer_comes_in_the_loop_in_order_and_behind_the_statement(
    tmp_path: Path,
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

            submit(connection, INSERT, (1 if name != "last" else 2, "{}", b"d" * 32), hear)

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


async def test_what_was_given_before_closing_is_carried_out(tmp_path: Path) -> None:
    connection = await open_store(tmp_path / "o.db", MIGRATIONS)
    heard: list[Exception | None] = []
    submit(connection, INSERT, (1, "{}", b"d" * 32), heard.append)
    await connection.close()
    assert heard == [None]
