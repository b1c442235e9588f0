"""The outbox: what it returned from is on disk, in order, once."""

import asyncio
import sqlite3
import subprocess
import sys
import textwrap
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from contract.envelope import Ack, Rejected
from gateway.errors import StoreDamaged, StoreFull
from gateway.group import Write
from gateway.outbox import Outbox, open_outbox
from runtime.sqlite import StoreTooNew, StoreUnusable


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


async def test_rows_get_gapless_numbers_from_one_in_the_order_they_were_put(
    tmp_path: Path,
) -> None:
    async with running(tmp_path / "o.db") as outbox:
        rows = await outbox.put([body("a"), body("b")])
        rows += await outbox.put([body("c")])
        assert [row.seq for row in rows] == [1, 2, 3]
        assert await outbox.after(0, 10, 10_000) == rows
        assert outbox.standing.waiting == 3


async def test_a_row_that_was_put_is_in_the_file_for_anyone_who_opens_it(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    async with running(path) as outbox:
        await outbox.put([body("a")])
        with sqlite3.connect(path) as other:
            assert other.execute("SELECT seq, body FROM outbox").fetchall() == [
                (1, '{"seq":1,"text":"a"}')
            ]
        other.close()


async def test_puts_that_come_together_are_one_transaction(tmp_path: Path) -> None:
    async with running(tmp_path / "o.db") as outbox:
        statements: list[str] = []
        await outbox._writer.set_trace_callback(statements.append)
        puts = [asyncio.create_task(outbox.put([body(str(n))])) for n in range(50)]
        rows = [row for put in puts for row in await put]
        await outbox._writer.set_trace_callback(None)  # type: ignore[arg-type]
    assert [row.seq for row in rows] == list(range(1, 51))
    assert len([text for text in statements if text.startswith("INSERT")]) <= 2


async def test_the_stream_goes_on_where_it_was_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    async with running(path) as outbox:
        await outbox.put([body("a"), body("b")])
        epoch = outbox.standing.epoch
        assert outbox.confirm(Ack(epoch=epoch, upto=1))
        await outbox.keep(ring=100)
    async with running(path) as outbox:
        assert outbox.standing.epoch == epoch
        assert (outbox.standing.last, outbox.standing.upto) == (2, 1)
        [row] = await outbox.put([body("c")])
        assert row.seq == 3


async def test_a_number_is_never_used_again_when_all_rows_are_gone(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    async with running(path) as outbox:
        await outbox.put([body(str(n)) for n in range(5)])
        outbox.confirm(Ack(epoch=outbox.standing.epoch, upto=5))
        await outbox.keep(ring=0)
        assert await outbox.newest(10) == []
    async with running(path) as outbox:
        [row] = await outbox.put([body("next")])
        assert row.seq == 6


async def test_a_new_file_is_a_new_epoch(tmp_path: Path) -> None:
    epochs = set()
    for name in ("a.db", "b.db"):
        async with running(tmp_path / name) as outbox:
            epochs.add(outbox.standing.epoch)
    assert len(epochs) == 2


async def test_the_word_of_another_epoch_is_not_ours(tmp_path: Path) -> None:
    async with running(tmp_path / "o.db") as outbox:
        await outbox.put([body("a")])
        assert not outbox.confirm(Ack(epoch=uuid.uuid4(), upto=1))
        assert not outbox.confirm(Ack(epoch=outbox.standing.epoch, upto=2))
        assert outbox.standing.upto == 0


async def test_the_watermark_never_goes_back(tmp_path: Path) -> None:
    async with running(tmp_path / "o.db") as outbox:
        await outbox.put([body("a"), body("b")])
        epoch = outbox.standing.epoch
        assert outbox.confirm(Ack(epoch=epoch, upto=2, posted=1))
        assert not outbox.confirm(Ack(epoch=epoch, upto=1))
        assert (outbox.standing.upto, outbox.standing.posted) == (2, 1)


async def test_unconfirmed_rows_are_never_deleted(tmp_path: Path) -> None:
    async with running(tmp_path / "o.db") as outbox:
        await outbox.put([body(str(n)) for n in range(300)])
        outbox.confirm(Ack(epoch=outbox.standing.epoch, upto=250))
        await outbox.keep(ring=10)
        left = await outbox.newest(1000)
        assert [row.seq for row in left] == list(range(241, 301))


async def test_rejections_are_kept_with_their_reason(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    async with running(path) as outbox:
        await outbox.put([body("a"), body("b")])
        ack = Ack(
            epoch=outbox.standing.epoch,
            upto=2,
            rejected=(Rejected(seq=2, code="unknown_sku", text="no such item"),),
        )
        outbox.confirm(ack)
        assert await outbox.rejections(10) == [(2, "unknown_sku", "no such item")]
        await outbox.keep(ring=10)
    async with running(path) as outbox:
        assert await outbox.rejections(10) == [(2, "unknown_sku", "no such item")]


async def test_rejections_go_when_their_rows_are_old(tmp_path: Path) -> None:
    async with running(tmp_path / "o.db") as outbox:
        await outbox.put([body(str(n)) for n in range(30)])
        rejected = tuple(Rejected(seq=n, code="refused", text="") for n in (5, 25))
        ack = Ack(epoch=outbox.standing.epoch, upto=30, rejected=rejected)
        outbox.confirm(ack)
        await outbox.keep(ring=10)
        assert [seq for seq, _, _ in await outbox.rejections(10)] == [25]


async def test_a_copy_of_an_older_day_hears_of_the_conflict_and_of_nothing_else(
    tmp_path: Path,
) -> None:
    async with running(tmp_path / "o.db") as outbox:
        await outbox.put([body("a")])
        epoch = outbox.standing.epoch
        assert outbox.confirm(Ack(epoch=epoch, upto=9, posted=9, conflict=1))
        standing = outbox.standing
        assert (standing.upto, standing.posted, standing.conflict) == (0, 0, 1)
        assert not outbox.confirm(Ack(epoch=epoch, upto=9))
        assert outbox.standing.conflict == 1
        assert outbox.confirm(Ack(epoch=epoch, upto=1))
        assert outbox.standing.conflict is None


async def test_a_store_has_one_owner_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    async with open_outbox(path):
        with pytest.raises(StoreUnusable, match="in use by another process"):
            async with open_outbox(path):
                pass
    async with open_outbox(path):
        pass


async def test_rows_older_than_memory_are_read_from_disk_without_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    async with running(path) as outbox:
        await outbox.put([body(str(n)) for n in range(1500)])
    async with running(path) as outbox:
        await outbox.put([body("new")])
        seqs: list[int] = []
        while batch := await outbox.after(seqs[-1] if seqs else 0, 100, 1_000_000):
            seqs += [row.seq for row in batch]
        assert seqs == list(range(1, 1502))


async def test_a_batch_is_bounded_in_bytes_but_never_empty(tmp_path: Path) -> None:
    async with running(tmp_path / "o.db") as outbox:
        await outbox.put([body("x" * 1000) for _ in range(10)])
        assert len(await outbox.after(0, 10, 3_100)) == 3
        assert len(await outbox.after(0, 10, 10)) == 1


async def test_a_full_disk_says_so_stores_nothing_and_heals(tmp_path: Path) -> None:
    async with running(tmp_path / "o.db") as outbox:
        await outbox.put([body("a")])
        pages = await outbox._writer.execute("PRAGMA page_count")
        row = await pages.fetchone()
        assert row is not None
        await outbox._writer.execute(f"PRAGMA max_page_count = {row[0]}")
        with pytest.raises(StoreFull):
            await outbox.put([body("x" * 20_000)])
        assert outbox.standing.last == 1
        await outbox._writer.execute("PRAGMA max_page_count = 1000000")
        [stored] = await outbox.put([body("b")])
        assert stored.seq == 2
        assert [row.seq for row in await outbox.newest(10)] == [1, 2]


async def test_a_cancelled_put_is_stored_all_the_same_and_holds_up_nobody(tmp_path: Path) -> None:
    async with running(tmp_path / "o.db") as outbox:
        put = asyncio.create_task(outbox.put([body("a")]))
        await asyncio.sleep(0)
        put.cancel()
        await asyncio.gather(put, return_exceptions=True)
        [row] = await outbox.put([body("b")])
        assert row.seq == 2


async def test_a_store_of_a_newer_version_is_left_untouched(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    async with running(path):
        pass
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    before = path.read_bytes()
    with pytest.raises(StoreTooNew, match="schema 99"):
        async with open_outbox(path):
            pass
    assert path.read_bytes() == before


WRITER = textwrap.dedent("""
    import asyncio, sys
    from pathlib import Path
    from gateway.outbox import open_outbox

    async def main():
        async with open_outbox(Path(sys.argv[1])) as outbox:
            writer = asyncio.create_task(outbox.write())
            while True:
                rows = await outbox.put([lambda epoch, seq: '{"a":1}'])
                print(rows[-1].seq, flush=True)

    asyncio.run(main())
""")


def test_what_was_acknowledged_survives_sigkill(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    told = 0
    for kill_after in (1, 7, 40, 150):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for _ in range(kill_after):
                told = int(process.stdout.readline())
            process.kill()
            told = max([told, *(int(line) for line in process.stdout if line.endswith("\n"))])
        with sqlite3.connect(path) as store:
            seqs = [seq for (seq,) in store.execute("SELECT seq FROM outbox ORDER BY seq")]
        store.close()
        assert seqs == list(range(1, len(seqs) + 1))
        assert len(seqs) >= told


def tamper(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as store:
        store.execute(statement)
    store.close()


async def test_a_row_that_was_altered_on_disk_is_not_given_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "o.db"
    async with open_outbox(path) as outbox:
        writer = asyncio.create_task(outbox.write())
        await outbox.put([body("a"), body("b"), body("c")])
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
        outbox._recent.clear()
        tamper(path, "UPDATE outbox SET body = replace(body, 'b', 'B') WHERE seq = 2")
        with pytest.raises(StoreDamaged, match="row 2"):
            await outbox.after(0, 10, 10_000)
        assert [row.seq for row in await outbox.newest(10)] == [1, 3]
        assert "a row is damaged" in caplog.text


async def test_a_missing_row_is_not_skipped(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    async with running(path) as outbox:
        await outbox.put([body(str(n)) for n in range(6)])
        outbox.confirm(Ack(epoch=outbox.standing.epoch, upto=2))
        outbox._recent.clear()
        tamper(path, "DELETE FROM outbox WHERE seq = 1")
        assert [row.seq for row in await outbox.after(0, 9, 9_999)] == [2, 3, 4, 5, 6]
        tamper(path, "DELETE FROM outbox WHERE seq = 5")
        with pytest.raises(StoreDamaged, match="row 5 is missing"):
            await outbox.after(2, 9, 9_999)
        tamper(path, "DELETE FROM outbox WHERE seq <= 3")
        with pytest.raises(StoreDamaged, match="row 3 is missing"):
            await outbox.after(0, 1, 9_999)


async def test_a_put_that_changes_nothing_does_not_take_the_bridges_word_for_written(
    tmp_path: Path,
) -> None:
    path = tmp_path / "o.db"
    async with running(path) as outbox:
        await outbox.put([body("a")], [("bench", "open")])
        assert outbox.confirm(Ack(epoch=outbox.standing.epoch, upto=1))
        assert await outbox.put([], [("bench", "open")]) == []
        await outbox.keep(100)
        with sqlite3.connect(path) as other:
            assert other.execute("SELECT upto FROM stream").fetchall() == [(1,)]
        other.close()
