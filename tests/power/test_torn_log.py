"""What a power cut leaves of the last commit is the end of the log, and no damage in its middle."""

import asyncio
import random
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.damage import broken_log, wal_of
from gateway.outbox import Outbox
from tests.power.tape import SECTOR
from tests.power.workload import NAME, row, running


class Log:
    """The write-ahead log of a store that is at work."""

    def __init__(self, path: Path, outbox: Outbox) -> None:
        self._wal = wal_of(path)
        self._outbox = outbox

    async def put(self, *lengths: int) -> bytes:
        """Commit rows together; return the log as it is then."""
        await self._outbox.put([row("x" * length) for length in lengths])
        return self._wal.read_bytes()

    async def begin_anew(self) -> None:
        """Let the next commit go to the log's beginning, over what stands there."""
        await self._outbox._writer.execute("PRAGMA wal_checkpoint(RESTART)")


@asynccontextmanager
async def at_work(path: Path) -> AsyncIterator[Log]:
    async with running(path) as outbox:
        yield Log(path, outbox)


def torn(before: bytes, after: bytes, dice: random.Random) -> bytes:
    """Return what a cut may leave of the change from one content of a file to another."""
    size = dice.choice((len(before), len(after)))
    before, after = before.ljust(len(after), b"\0"), after.ljust(len(before), b"\0")
    share = dice.choice((0.1, 0.5, 0.9))
    sectors = [
        (after if dice.random() < share else before)[at : at + SECTOR]
        for at in range(0, len(after), SECTOR)
    ]
    return b"".join(sectors)[:size]


@pytest.mark.parametrize("shift", range(3))
async def test_a_commit_torn_over_an_older_log_is_no_damage(shift: int, tmp_path: Path) -> None:
    # Heads of frames lie across two sectors here and there. At one of these shifts a commit's does.
    async with at_work(tmp_path / NAME) as log:
        await log.put(2000 * shift + 1)
        for _ in range(60):
            await log.put(20)
        await log.begin_anew()
        before = await log.put(100)
        after = await log.put(*[2000] * 60)
    dice = random.Random(shift)
    copy = tmp_path / "cut" / NAME
    copy.parent.mkdir()
    copy.touch()
    for _ in range(200):
        wal_of(copy).write_bytes(torn(before, after, dice))
        assert broken_log(copy) is None


async def test_the_last_commits_of_two_lives_both_torn_are_no_damage(tmp_path: Path) -> None:
    first, second, third = (tmp_path / life / NAME for life in ("first", "second", "third"))
    first.parent.mkdir()
    async with at_work(first) as log:
        before = await log.put(100)
        after = await log.put(*[9000] * 12)
        await cut(first, second, without_a_sector(before, after))
    async with at_work(second) as log:
        before = await log.put(300)
        after = await log.put(*[9000] * 3)
        await cut(second, third, without_a_sector(before, after))
    assert broken_log(third) is None
    async with running(third) as outbox:
        assert [each.seq for each in await outbox.newest(100)] in ([1], [1, 2])


def changed(before: bytes, after: bytes) -> int:
    """Return where the change from one content to another begins."""
    pairs = enumerate(zip(before.ljust(len(after), b"\0"), after, strict=False))
    return next(at for at, (old, new) in pairs if old != new)


def without_a_sector(before: bytes, after: bytes) -> bytes:
    """Return `after`, but for the sector in which the change begins."""
    first = changed(before, after) // SECTOR * SECTOR
    left = bytearray(after)
    left[first : first + SECTOR] = before[first : first + SECTOR].ljust(SECTOR, b"\0")
    return bytes(left)


async def cut(live: Path, left: Path, log: bytes) -> None:
    """Copy a store that is at work, with another log."""
    await asyncio.to_thread(left.parent.mkdir)
    shutil.copyfile(live, left)
    wal_of(left).write_bytes(log)


@pytest.mark.parametrize("sector", [0, 3, 6])
async def test_a_spoilt_sector_in_the_middle_of_the_log_is_damage(
    sector: int, tmp_path: Path
) -> None:
    copy = tmp_path / "copy" / NAME
    async with at_work(tmp_path / NAME) as log:
        before = await log.put(3000)
        await log.put(3000)
        spoilt = bytearray(await log.put(3000))
        spoilt[changed(before, bytes(spoilt)) + sector * SECTOR] ^= 1
        await cut(tmp_path / NAME, copy, bytes(spoilt))
    assert broken_log(copy) is not None
