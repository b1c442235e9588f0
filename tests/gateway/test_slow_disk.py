"""A disk that is slow, held by somebody, or full: not-OK in time, and nothing untrue is said."""

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from contract.envelope import Ack
from gateway.errors import StoreFull, StoreSlow
from gateway.group import Write
from gateway.outbox import Outbox, Settings, open_outbox
from tests.stopwatch import Stopwatch

CEILING = 30.0


def body(text: str) -> Write:
    return lambda epoch, seq: f'{{"seq":{seq},"text":"{text}"}}'


@asynccontextmanager
async def running(path: Path, settings: Settings | None = None) -> AsyncIterator[Outbox]:
    async with open_outbox(path, settings) as outbox:
        writer = asyncio.create_task(outbox.write())
        try:
            yield outbox
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)


@asynccontextmanager
async def hanging(outbox: Outbox, within: float = 0.2) -> AsyncIterator[threading.Event]:
    """Let the next statement hang in its thread until the event is set.

    The outbox waits `within` seconds for it: only here, as an honest disk may take longer too.
    """
    settings = outbox._settings
    outbox._settings = replace(settings, within=within)
    go_on = threading.Event()
    armed = [True]

    def hang(statement: str) -> None:
        if armed and statement.startswith("INSERT"):
            armed.clear()
            go_on.wait(CEILING)

    await outbox._writer.set_trace_callback(hang)
    try:
        yield go_on
    finally:
        go_on.set()
        outbox._settings = settings
        await outbox._writer.set_trace_callback(None)  # type: ignore[arg-type]


def on_disk(path: Path) -> list[int]:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
        return [seq for (seq,) in store.execute("SELECT seq FROM outbox ORDER BY seq")]


async def until_written(outbox: Outbox) -> None:
    async with asyncio.timeout(CEILING):
        while outbox.writing_since is not None:
            await asyncio.sleep(0.01)


async def test_a_disk_that_hangs_is_not_ok_in_time_and_keeps_nothing(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    async with running(path, Settings(within=CEILING)) as outbox:
        await outbox.put([body("a")], [("s", "one")])
        async with hanging(outbox) as go_on:
            with Stopwatch() as stopwatch, pytest.raises(StoreSlow, match="not answered"):
                await outbox.put([body("late")], [("s", "two")])
            assert stopwatch.waited < 2
            with pytest.raises(StoreSlow):  # and who comes while it hangs
                await outbox.put([body("later")])
            assert outbox.writing_since is not None, "the watchdog must see it hang"
            go_on.set()
            await until_written(outbox)
        assert on_disk(path) == [1]
        assert await outbox.sessions() == {"s": "one"}
        [row] = await outbox.put([body("b")], [("s", "three")])
        assert row.seq == 2
        assert [row.body for row in await outbox.newest(9)] == [
            '{"seq":1,"text":"a"}',
            '{"seq":2,"text":"b"}',
        ]
    async with running(path) as outbox:
        assert await outbox.sessions() == {"s": "three"}
        assert outbox.standing.last == 2


async def test_all_who_share_a_late_statement_are_told_the_same(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    async with running(path, Settings(within=CEILING)) as outbox:
        async with hanging(outbox) as go_on:
            puts = [asyncio.create_task(outbox.put([body(str(n))])) for n in range(5)]
            results = await asyncio.gather(*puts, return_exceptions=True)
            assert all(isinstance(result, StoreSlow) for result in results), results
            go_on.set()
            await until_written(outbox)
        assert on_disk(path) == []
        assert outbox.standing.last == 0


async def test_a_row_that_may_be_taken_back_is_not_given_out(tmp_path: Path) -> None:
    """The statement has committed, the caller was told not-OK, and it is not undone yet."""
    path = tmp_path / "o.db"
    async with running(path, Settings(within=CEILING)) as outbox:
        await outbox.put([body("a")])
        outbox._recent.clear()
        with contextlib.closing(sqlite3.connect(path)) as store, store:
            store.execute("INSERT INTO outbox VALUES (2, 'not yet', x'00')")
        assert [row.seq for row in await outbox.after(0, 10, 10_000)] == [1]
        assert [row.seq for row in await outbox.newest(10)] == [1]


async def test_a_slow_disk_that_answers_in_time_is_ok(tmp_path: Path) -> None:
    async with running(tmp_path / "o.db", Settings(within=CEILING)) as outbox:
        async with hanging(outbox, within=CEILING) as go_on:
            put = asyncio.create_task(outbox.put([body("a")]))
            asyncio.get_running_loop().call_later(0.3, go_on.set)
            assert [row.seq for row in await put] == [1]
        assert on_disk(tmp_path / "o.db") == [1]


async def test_who_holds_the_file_is_waited_for_and_then_said(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    async with running(path, Settings(within=CEILING)) as outbox:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with Stopwatch() as stopwatch, pytest.raises(StoreFull):
                await outbox.put([body("a")])
            assert stopwatch.waited < 2
            other.execute("ROLLBACK")
        await until_written(outbox)
        assert [row.seq for row in await outbox.put([body("b")])] == [1]
        assert on_disk(path) == [1]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a disk that can be filled needs root and mount")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(place: Path) -> Path:
    """Another program takes all the room there is."""
    junk = place / "junk"
    with junk.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return junk


async def put_until_full(outbox: Outbox) -> int:
    """Put rows until one is refused; return how many were stored."""
    for stored in range(2000):
        try:
            await outbox.put([body("x" * 2000)])
        except StoreFull:
            return stored
    raise AssertionError("the disk is not full")


async def until_room_is_put_by(outbox: Outbox) -> None:
    async with asyncio.timeout(CEILING):
        while not outbox.room_put_by:
            await asyncio.sleep(0.01)


async def test_when_the_disk_is_full_the_room_put_by_takes_the_scans(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = small_disk / "o.db"
    async with running(path, Settings(reserve=500_000)) as outbox:
        await until_room_is_put_by(outbox)
        assert (small_disk / "o.db.reserve").stat().st_blocks * 512 >= 500_000
        await outbox.put([body("before")])
        junk = fill(small_disk)
        stored = await put_until_full(outbox)  # until that is gone too
        assert stored > 60
        assert "room put by is in use" in caplog.text
        assert not outbox.room_put_by
        assert on_disk(path) == list(range(1, stored + 2)), "an OK for what is not on disk"
        junk.unlink()
        assert (await outbox.put([body("after")]))[0].seq == stored + 2
        outbox._fill_at = 0.0
        await outbox.put([body("and on")])
        await until_room_is_put_by(outbox)


async def test_a_full_disk_takes_the_bridges_word_and_what_it_frees_later(
    small_disk: Path,
) -> None:
    """Nothing can be deleted on a full disk either; what the bridge says is kept in memory."""
    path = small_disk / "o.db"
    async with running(path) as outbox:
        await outbox.put([body("x" * 1000) for _ in range(300)])
        junk = fill(small_disk)
        await put_until_full(outbox)
        last = outbox.standing.last
        assert outbox.confirm(Ack(epoch=outbox.standing.epoch, upto=last))
        for _ in range(3):
            outbox._word_at = float("-inf")
            await outbox.keep(ring=10)
        assert outbox.standing.upto == last
        junk.unlink()
        outbox._word_at = float("-inf")
        await outbox.keep(ring=10)
        assert len(on_disk(path)) == 10
        assert (await outbox.put([body("after")]))[0].seq == last + 1


async def test_with_little_room_confirmed_rows_give_way(tmp_path: Path) -> None:
    async with running(tmp_path / "o.db", Settings(floor=1 << 60)) as outbox:
        await outbox.put([body(str(n)) for n in range(400)])
        outbox.confirm(Ack(epoch=outbox.standing.epoch, upto=350))
        await outbox.keep(ring=10_000)
        assert on_disk(tmp_path / "o.db") == list(range(251, 401))
