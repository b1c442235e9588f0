"""A real outbox that can be stopped, killed and filled up."""

import asyncio
import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

from gateway.group import Write
from gateway.outbox import Outbox, open_outbox
from gateway.rows import Row


def body(mark: str) -> Write:
    """Return what writes a row that can be told from every other one."""
    return lambda epoch, seq: json.dumps({"epoch": str(epoch), "mark": mark, "seq": seq})


class Store:
    """An outbox in a folder of its own, at work."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lives = 0
        self._stack = contextlib.AsyncExitStack()
        self._writing: asyncio.Task[None] | None = None
        self.outbox: Outbox
        self.path = folder / "life-0" / "outbox.db"

    async def start(self) -> None:
        """Open it."""
        self.path.parent.mkdir(exist_ok=True)
        self.outbox = await self._stack.enter_async_context(open_outbox(self.path))
        self._writing = asyncio.create_task(self.outbox.write())

    async def stop(self) -> None:
        """Close it as a daemon that was told to."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
            self._writing = None
        await self._stack.aclose()

    async def kill(self) -> None:
        """Go on with what was on disk at this moment, as after SIGKILL.

        The files are copied as they are. The log goes first: nothing is moved out of it in a store
        as small as this, so the copy is one a kill could have left.
        """
        self._lives += 1
        there = self._folder / f"life-{self._lives}"
        there.mkdir()
        for file in sorted(self.path.parent.glob("outbox.db*"), reverse=True):
            if not file.name.endswith(("-shm", ".lock")):
                shutil.copy(file, there / file.name)
        await self.stop()
        shutil.rmtree(self.path.parent)
        self.path = there / "outbox.db"
        await self.start()

    async def rows(self) -> list[Row]:
        """Return all rows that are not confirmed, by as many reads as it takes."""
        found: list[Row] = []
        seq = self.outbox.standing.upto
        while seq < self.outbox.standing.last:
            some = await self.outbox.after(seq, 7, 400)
            assert some, f"nothing after {seq}"
            found += some
            seq = found[-1].seq
        return found

    async def fill(self, *, full: bool) -> None:
        """Let the file grow no more, or again."""
        writer: Any = self.outbox._writer
        async with writer.execute("PRAGMA page_count") as cursor:
            row = await cursor.fetchone()
        pages = row[0] if full else 1_000_000
        async with writer.execute(f"PRAGMA max_page_count = {pages}"):
            pass
