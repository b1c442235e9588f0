"""Where a station stood: kept with the rows it comes from, or not at all."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from gateway.errors import StoreFull
from gateway.group import Write
from gateway.outbox import MAX_SESSION, Outbox, open_outbox


def body(text: str) -> Write:
    return lambda epoch, seq: f'{{"seq":{seq},"text":"{text}"}}'


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[Outbox]:
    async with open_outbox(path) as outbox:
        writer = asyncio.create_task(outbox.write())
        try:
            yield outbox
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)


async def statements_of(outbox: Outbox, *puts: tuple[list[Write], list[tuple[str, str]]]) -> int:
    """Put one after the other, and return how many statements that took."""
    seen: list[str] = []
    await outbox._writer.set_trace_callback(seen.append)
    for writes, sessions in puts:
        await outbox.put(writes, sessions)
    await outbox._writer.set_trace_callback(None)  # type: ignore[arg-type]
    # One that goes through a view is said again for each of the view's triggers.
    return len({text for text in seen if text.startswith("INSERT INTO")})


async def test_a_session_is_there_after_a_restart_as_it_was_last_put(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    async with running(path) as outbox:
        assert await outbox.sessions() == {}
        await outbox.put([body("a")], [("door-1", "one"), ("door-2", "zwei")])
        await outbox.put([body("b")], [("door-1", "two")])
        assert await outbox.put((), [("door-2", "drei")]) == []
    async with running(path) as outbox:
        assert await outbox.sessions() == {"door-1": "two", "door-2": "drei"}
        assert outbox.standing.last == 2


async def test_rows_and_sessions_are_one_statement(tmp_path: Path) -> None:
    async with running(tmp_path / "o.db") as outbox:
        both: tuple[list[Write], list[tuple[str, str]]] = ([body("a"), body("b")], [("s", "1")])
        assert await statements_of(outbox, both) == 1
        assert [row.seq for row in await outbox.newest(10)] == [1, 2]


async def test_a_session_that_did_not_change_costs_no_write(tmp_path: Path) -> None:
    async with running(tmp_path / "o.db") as outbox:
        await outbox.put((), [("s", "same")])
        assert await statements_of(outbox, ([], [("s", "same")])) == 0
        assert await statements_of(outbox, ([], [("s", "other")]), ([], [("s", "same")])) == 2
        assert await outbox.sessions() == {"s": "same"}


async def test_of_sessions_that_come_together_the_last_one_stays(tmp_path: Path) -> None:
    async with running(tmp_path / "o.db") as outbox:
        puts = [asyncio.create_task(outbox.put([body("x")], [("s", str(n))])) for n in range(20)]
        rows = [row.seq for put in puts for row in await put]
        assert rows == list(range(1, 21))
        assert await outbox.sessions() == {"s": "19"}


async def test_a_full_disk_keeps_neither_row_nor_session(tmp_path: Path) -> None:
    async with running(tmp_path / "o.db") as outbox:
        await outbox.put([body("a")], [("s", "before")])
        cursor = await outbox._writer.execute("PRAGMA page_count")
        row = await cursor.fetchone()
        assert row is not None
        await outbox._writer.execute(f"PRAGMA max_page_count = {row[0]}")
        with pytest.raises(StoreFull):
            await outbox.put([body("b")], [("s", "x" * 50_000)])
        with pytest.raises(StoreFull):
            await outbox.put([body("x" * 50_000)], [("s", "after")])
        assert await outbox.sessions() == {"s": "before"}
        await outbox._writer.execute("PRAGMA max_page_count = 1000000")
        [stored] = await outbox.put([body("c")], [("s", "after")])
        assert stored.seq == 2
        assert await outbox.sessions() == {"s": "after"}


async def test_a_session_of_the_largest_size_fits_and_a_larger_one_is_refused(
    tmp_path: Path,
) -> None:
    async with running(tmp_path / "o.db") as outbox:
        await outbox.put((), [("s", "x" * MAX_SESSION)])
        with pytest.raises(ValueError, match="session of s"):
            await outbox.put([body("a")], [("s", "x" * (MAX_SESSION + 1))])
        assert outbox.standing.last == 0
        assert (await outbox.sessions())["s"] == "x" * MAX_SESSION


async def test_a_damaged_session_is_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "o.db"
    async with running(path) as outbox:
        await outbox.put((), [("good", "1"), ("bad", "2")])
    with closing(sqlite3.connect(path)) as store, store:
        store.execute("UPDATE session SET body = '3' WHERE station = 'bad'")
    async with running(path) as outbox:
        assert await outbox.sessions() == {"good": "1"}
    assert "a session is damaged" in caplog.text


async def test_a_killed_commit_leaves_row_and_session_together_or_neither(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    async with running(path) as outbox:
        for n in range(1, 30):
            put = asyncio.create_task(outbox.put([body(str(n))], [("s", str(n))]))
            if n % 3 == 0:
                await asyncio.sleep(0)
                put.cancel()  # stored all the same
            await asyncio.gather(put, return_exceptions=True)
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as other:
                [(last, session)] = other.execute(
                    "SELECT (SELECT max(seq) FROM outbox), (SELECT body FROM session)"
                )
            assert str(last) == session
