"""Write, sync, index, hand over: in this order, so that a power cut anywhere leaves once."""

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from bridge import wire
from bridge.connector import Call, Connector
from bridge.connectors.files.config import Config
from bridge.connectors.files.index import File, Index
from bridge.connectors.files.records import Record, document, head
from bridge.connectors.files.shelves import Folder, Server, Shelf, ShelfFailed, sync
from bridge.database import sole_database, unbroken
from bridge.http import MAX_TEXT, Stopped
from bridge.outcome import Outcome, Posted, TryLater, Unknown
from contract.transactions import Transaction
from runtime.logs import event

log = logging.getLogger(__name__)

STATE = ".scanpost"
"""Folder of what is unfinished, and of the index."""
TRY_AGAIN = 30.0
"""Seconds until a finished file that could not be brought is brought again."""


def calls(transaction: Transaction, config: Config) -> list[Call]:
    """Return what would be written, and where. Pure."""
    record = document(transaction, config)
    made = "<number>" if config.close_after is None else "<time>-<number>"
    where = str(config.folder) if config.sftp is None else f"sftp://{config.sftp.host}"
    name = f"{where}/{config.prefix}-{made}.{config.format}"
    return [Call("write to a file", "WRITE", name, record.text)]


class Files:
    """One folder, and its only writer."""

    def __init__(self, config: Config, index: Index, shelf: Shelf) -> None:
        self.settle = 0.0  # what is under way here is known here
        self._config = config
        self._state = config.folder / STATE
        self._index = index
        self._shelf = shelf
        self._one_at_a_time = asyncio.Lock()
        self._news = asyncio.Event()

    async def deliver(self, transaction: Transaction, *, again: bool) -> Outcome:
        """Write `transaction` once: the index knows by its id whether it was."""
        record = document(transaction, self._config)
        try:
            return await self._deliver(record)
        except (SQLAlchemyError, OSError) as error:
            return TryLater(f"{type(error).__name__}: {error}"[:MAX_TEXT])
        except ShelfFailed as error:
            return Unknown(str(error)[:MAX_TEXT])
        except Stopped as stopped:
            return stopped.outcome

    @unbroken
    async def _deliver(self, record: Record) -> Posted:
        async with self._one_at_a_time:
            file = await self._index.of(record.name) or await self._write(record)
            if file.state in ("closed", "brought"):
                await self._hand_over(file)
            self._news.set()
            return Posted(file.name)

    async def _write(self, record: Record) -> File:
        file = await self._open_file(record)
        text = record.text if file.length else head(self._config) + record.text
        data = text.encode()
        wire.sent(f"WRITE {file.name} at {file.length}", text)
        await asyncio.to_thread(_append, self._part(file), file.length, data)
        state = "closed" if self._config.close_after is None else "open"
        file = replace(file, length=file.length + len(data), state=state)
        await self._index.book(record.name, file)
        return file

    async def _open_file(self, record: Record) -> File:
        now = datetime.now(UTC)
        for file in await self._index.in_state("open"):
            if not self._is_due(file, now):
                return file
            await self._close(file)
        number = await self._index.last() + 1
        made = (
            f"{number:012d}-{record.name}"
            if self._config.close_after is None
            else f"{now:%Y%m%dT%H%M%SZ}-{number:08d}"
        )
        name = f"{self._config.prefix}-{made}.{self._config.format}"
        return File(number, name, now, 0, "open")

    def _is_due(self, file: File, now: datetime) -> bool:
        after = self._config.close_after
        # A file from the future is one from before the clock was set right
        return after is None or not timedelta() <= now - file.opened_at < timedelta(seconds=after)

    async def _close(self, file: File) -> None:
        await asyncio.to_thread(_append, self._part(file), file.length, b"")
        await self._index.move(file, "closed")

    async def _hand_over(self, file: File) -> None:
        async def say() -> None:
            await self._index.move(file, "brought")

        await self._shelf.bring(
            self._part(file), file.name, brought=file.state == "brought", say=say
        )
        await self._index.move(file, "there")

    def _part(self, file: File) -> Path:
        return self._state / f"{file.number:012d}.part"

    @unbroken
    async def tend(self) -> float:
        """Finish the file that is due, hand over what is finished; return seconds to the next."""
        async with self._one_at_a_time:
            now = datetime.now(UTC)
            for file in await self._index.in_state("open"):
                if self._is_due(file, now):
                    await self._close(file)
            for file in await self._index.in_state("closed", "brought"):
                await self._hand_over(file)
            left = [
                file.opened_at + timedelta(seconds=self._config.close_after or 0) - now
                for file in await self._index.in_state("open")
            ]
        return max(0.05, min((each.total_seconds() for each in left), default=3_600.0))

    async def keep_tending(self) -> None:
        """Tend until cancelled."""
        while True:
            self._news.clear()
            try:
                wait = await self.tend()
            except (SQLAlchemyError, OSError, ShelfFailed, Stopped) as error:
                event(log, logging.WARNING, "a finished file waits", why=str(error))
                wait = TRY_AGAIN
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._news.wait()


def _append(path: Path, length: int, data: bytes) -> None:
    """Let a file be `length` bytes of what it holds, and `data`, for good."""
    new = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o640)
    try:
        os.ftruncate(descriptor, length)
        os.lseek(descriptor, length, os.SEEK_SET)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if new:
        sync(path.parent)


@asynccontextmanager
async def connect(config: Config) -> AsyncIterator[Connector]:
    """Yield the connector; hand over what an earlier run left finished.

    Raises:
        OSError: the folder is not there, or not ours to write.
        DatabaseTaken: another process writes there.
    """
    state = config.folder / STATE
    await asyncio.to_thread(state.mkdir, exist_ok=True)
    shelf: Shelf = Folder(config.folder) if config.sftp is None else Server(config.sftp)
    async with sole_database(f"sqlite+aiosqlite:///{state / 'index.db'}") as database:
        index = Index(database)
        await index.prepare()
        files = Files(config, index, shelf)
        task = asyncio.create_task(files.keep_tending(), name="tend files")
        try:
            yield files
        finally:
            task.cancel()
            await asyncio.wait([task])
