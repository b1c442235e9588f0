"""What the two stores ask of the disk: an acknowledged commit survives a power cut.

Read back from the connections that write and from the files, not from the code that sets it.
`tests/power` shows what becomes of stores that ask for less.
"""

from pathlib import Path
from typing import Any

from sqlalchemy import text

from bridge.ledger import open_ledger
from gateway.outbox import open_outbox

_WAL = b"\x02\x02"  # read and write version of the file format: 2 is WAL (fileformat2.html, 1.3.3)
_FULL = 2


def is_wal(file: Path) -> bool:
    return file.read_bytes()[18:20] == _WAL


async def test_the_outbox_flushes_every_commit(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    async with open_outbox(path) as outbox:
        writer: Any = outbox._writer
        async with writer.execute("PRAGMA synchronous") as cursor:
            assert await cursor.fetchone() == (_FULL,)
        async with writer.execute("PRAGMA journal_mode") as cursor:
            assert await cursor.fetchone() == ("wal",)
    assert is_wal(path)


async def test_the_ledger_flushes_every_commit(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    async with (
        open_ledger(f"sqlite+aiosqlite:///{path}") as ledger,
        ledger._database.write() as connection,
    ):
        assert await connection.scalar(text("PRAGMA synchronous")) == _FULL
        assert await connection.scalar(text("PRAGMA journal_mode")) == "wal"
    assert is_wal(path)
