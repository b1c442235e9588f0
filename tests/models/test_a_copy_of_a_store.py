"""A store restored from a backup gives numbers twice; nobody may take the first for the second."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.inspection import unpack
from bridge.ledger import Ledger, open_ledger
from contract.envelope import Ack, Rows, seal
from contract.topics import Topics
from gateway.forwarder import Forwarder
from gateway.outbox import Outbox, open_outbox
from runtime.clock import Clock
from runtime.mqtt import Broker, Message
from tests.models.test_stream_history import scan

TOPICS = Topics("north", "dock-1")


@contextlib.asynccontextmanager
async def writing(path: Path) -> AsyncIterator[Outbox]:
    async with open_outbox(path) as outbox:
        task = asyncio.create_task(outbox.write())
        try:
            yield outbox
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with open_ledger(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}") as opened:
        yield opened


async def book(outbox: Outbox, ledger: Ledger, after: int) -> Ack:
    """Bring what follows `after` into the ledger."""
    rows = await outbox.after(after, 100, 60_000)
    bodies = [row.body for row in rows]
    epoch = outbox.standing.epoch
    text = seal("north", "dock-1", epoch, rows[0].seq, bodies, Clock().utc())
    envelope = unpack(TOPICS.tx, text.encode())
    assert isinstance(envelope, Rows)
    [ack] = await ledger.apply(envelope)
    return ack


async def restored(tmp_path: Path, ledger: Ledger) -> tuple[Path, Ack]:
    """Return a store of five rows from a backup, where the bridge has eight of that stream."""
    path, backup = tmp_path / "outbox.db", tmp_path / "backup.db"
    async with writing(path) as outbox:
        await outbox.put([scan() for _ in range(5)])
        with (
            contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as source,
            contextlib.closing(sqlite3.connect(backup)) as copy,
        ):
            source.backup(copy)
        await outbox.put([scan() for _ in range(3)])
        ack = await book(outbox, ledger, after=0)
    assert ack.upto == 8
    return backup, ack


async def test_a_word_about_rows_that_were_numbered_again_is_not_taken_for_ours(
    tmp_path: Path, ledger: Ledger
) -> None:
    backup, ack = await restored(tmp_path, ledger)
    async with writing(backup) as outbox:
        await outbox.put([scan() for _ in range(4)])  # offline: 6 to 9, for the second time
        forwarder = Forwarder(outbox, Broker(), TOPICS, Clock())
        payload = ack.model_dump_json().encode()
        await forwarder._hear(Message(TOPICS.ack, payload, 1, retain=True, mid=1))
        assert outbox.standing.upto == 0, "none of the four is at the bridge"
        assert outbox.standing.conflict == 8


async def test_a_word_about_our_own_rows_is_taken(tmp_path: Path, ledger: Ledger) -> None:
    path = tmp_path / "outbox.db"
    async with writing(path) as outbox:
        await outbox.put([scan() for _ in range(5)])
        ack = await book(outbox, ledger, after=0)
        assert await outbox.agrees(ack)
        assert outbox.confirm(ack)
        assert await outbox.agrees(ack), "nothing is compared twice"


async def test_a_bridge_that_does_not_say_its_digest_is_believed(tmp_path: Path) -> None:
    async with writing(tmp_path / "outbox.db") as outbox:
        await outbox.put([scan()])
        assert await outbox.agrees(Ack(epoch=outbox.standing.epoch, upto=1))


async def test_what_a_person_has_decided_is_not_compared_again(
    tmp_path: Path, ledger: Ledger
) -> None:
    backup, _ = await restored(tmp_path, ledger)
    async with writing(backup) as outbox:
        await outbox.put([scan() for _ in range(3)])
        assert (await book(outbox, ledger, after=5)).conflict == 6
        assert await ledger.forgive("dock-1", outbox.standing.epoch)
        word = await ledger.word("dock-1", outbox.standing.epoch)
        assert word.ack.digest is None
