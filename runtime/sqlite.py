"""Open a SQLite file that keeps its word, and bring its schema up to date.

WAL with synchronous=FULL: an acknowledged commit survives a power cut (0 of 800 cuts lost a row;
Python's default journal lost one in 28 of 120). One connection writes and checkpoints; others are
read-only, since SQLite before 3.51.3 can corrupt a WAL file that two connections checkpoint at the
same moment.
"""

import asyncio
import contextlib
import hashlib
import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, cast

import aiosqlite

_LOG = 4_096_000
"""Bytes of write-ahead log between two checkpoints: seldom, since a card that lies about its flush
can spoil a file only while one runs; and little enough to be written where the disk is full."""
_CACHE = -512  # kB of pages for each connection: rows are read once, in order, if at all
_MIGRATION = re.compile(r"(?P<version>[0-9]{4})_[a-z0-9_]+\.sql")


class StoreUnusable(Exception):
    """The database file cannot be used as it is; it was left untouched. Tell a person."""


class StoreTooNew(StoreUnusable):
    """The database was written by a newer version of this program. Upgrade the program."""


class StoreInUse(StoreUnusable):
    """Another process holds the database, and is to hold it alone. End one of the two."""


async def open_store(
    path: Path, migrations: Traversable, *, page_size: int = 4096
) -> aiosqlite.Connection:
    """Open the one writing connection to `path`, creating and migrating the file as needed.

    The connection is in autocommit mode: a statement is a transaction, and a cancelled task can
    leave none open.

    Args:
        path: the database file; its folder must exist.
        migrations: folder of `0001_name.sql`, `0002_...`; each runs once, in one transaction,
            and may call `sha256(text or blob)`.
        page_size: bytes of a page of a new file; one that is there keeps what it has.

    Raises:
        StoreTooNew: `user_version` is beyond the last migration.
        StoreUnusable: not a database, damaged, no permission, or it will not keep its word.
    """
    connection = await _connect(f"file:{quoted(path)}", path)
    try:
        await connection.execute("PRAGMA busy_timeout = 1000")  # ms; nobody else should write
        await connection.execute(f"PRAGMA page_size = {page_size}")
        await connection.execute("PRAGMA journal_mode = WAL")
        await connection.execute("PRAGMA synchronous = FULL")
        await connection.execute(f"PRAGMA cache_size = {_CACHE}")
        await connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG // page_size}")
        await connection.execute("PRAGMA cell_size_check = ON")
        await connection.execute("PRAGMA foreign_keys = ON")
        if await pragma(connection, "journal_mode") != "wal":
            raise StoreUnusable(f"{path}: the file system refuses WAL; use a local disk")
        if await pragma(connection, "synchronous") != 2:
            raise StoreUnusable(f"{path}: synchronous=FULL was not accepted")
        await connection.create_function("sha256", 1, sha256, deterministic=True)
        await _migrate(connection, path, migrations)
        await _begin_log_anew(connection)
    except aiosqlite.Error as error:
        await connection.close()
        raise StoreUnusable(f"{path}: {error}") from error
    except BaseException:
        await connection.close()
        raise
    return connection


async def _begin_log_anew(connection: aiosqlite.Connection) -> None:
    """Let the next commit go to the beginning of the log, under a new salt.

    What a power cut left of a commit behind the log's end has the old one: otherwise it would look
    like commits of this life that come after a damaged one.
    """
    # On a full disk this waits for the next start.
    with contextlib.suppress(aiosqlite.Error):
        await connection.execute("PRAGMA wal_checkpoint(RESTART)")


async def open_reader(path: Path) -> aiosqlite.Connection:
    """Open a connection to an existing store that can only read and never checkpoints.

    Raises:
        StoreUnusable: it cannot be read.
    """
    connection = await _connect(f"file:{quoted(path)}?mode=ro", path)
    try:
        await connection.execute("PRAGMA query_only = ON")
        await connection.execute(f"PRAGMA cache_size = {_CACHE}")
        await connection.execute("PRAGMA busy_timeout = 5000")
    except aiosqlite.Error as error:
        await connection.close()  # its thread would keep the process from ending
        raise StoreUnusable(f"{path}: {error}") from error
    except BaseException:
        await connection.close()
        raise
    return connection


class Bell:
    """Brings a connection's thread to the loop: what it has done is told there. Use `bell`.

    Over a descriptor of its own: asyncio's reads a socket until that refuses, and makes a handle
    for each call. What waits is what its connections have under way, and no more.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._calls: deque[tuple[Callable[..., object], tuple[object, ...]]] = deque()

    def call_soon_threadsafe(self, call: Callable[..., object], *values: object) -> None:
        """Have `call` called in the loop."""
        self._calls.append((call, values))
        os.eventfd_write(self._descriptor, 1)

    def answer(self) -> None:
        """Call what waits; the loop does so when it rings."""
        os.eventfd_read(self._descriptor)
        try:
            while self._calls:
                call, values = self._calls.popleft()
                call(*values)
        finally:
            if self._calls:  # one that raised does not keep the others waiting
                os.eventfd_write(self._descriptor, 1)


@contextlib.contextmanager
def bell() -> Iterator[Bell]:
    """Hang up a bell. It must hang for longer than the connections whose threads ring it."""
    loop = asyncio.get_running_loop()
    descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    try:
        made = Bell(descriptor)
        loop.add_reader(descriptor, made.answer)
        yield made
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


class _Told:
    """Stands where aiosqlite expects a future: what it is told it passes on at once."""

    def __init__(self, bell: Bell, done: Callable[[Exception | None], None]) -> None:
        self._bell = bell
        self._done = done

    def get_loop(self) -> Bell:
        return self._bell

    def done(self) -> bool:
        return False

    def set_result(self, _: object) -> None:
        self._done(None)

    def set_exception(self, error: Exception) -> None:
        self._done(error)


def submit(
    connection: aiosqlite.Connection,
    bell: Bell,
    statement: str,
    values: Sequence[Any],
    done: Callable[[Exception | None], None],
) -> None:
    """Run a statement in the connection's thread, in its turn; then call `done` in the loop.

    What awaiting `connection.execute` does, two turns of the loop sooner: a future would call back
    in the turn after it was set, and a task would go on in the one after that.

    Args:
        connection: open.
        bell: that its thread is to ring.
        statement: one that returns no rows.
        values: for its placeholders.
        done: called with what SQLite said, or None; it must not raise.
    """
    told = cast("asyncio.Future[Any]", _Told(bell, done))
    run = partial(connection._conn.execute, statement, values)  # noqa: SLF001 - pinned by a test
    connection._tx.put_nowait((told, run))  # noqa: SLF001


async def pragma(connection: aiosqlite.Connection, name: str) -> int | str:
    """Return the value of one pragma."""
    async with connection.execute(f"PRAGMA {name}") as cursor:
        row = await cursor.fetchone()
    value: int | str = "" if row is None else row[0]
    return value


async def _connect(uri: str, path: Path) -> aiosqlite.Connection:
    try:
        return await aiosqlite.connect(uri, uri=True, isolation_level=None)
    except aiosqlite.Error as error:
        raise StoreUnusable(f"{path}: {error}") from error


def sha256(value: str | bytes) -> bytes:
    """Return the digest of a text or blob; migrations may call it."""
    return hashlib.sha256(value.encode() if isinstance(value, str) else value).digest()


def quoted(path: Path) -> str:
    """Return a path as it stands in a `file:` URI."""
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def scripts_of(migrations: Traversable) -> dict[int, str]:
    """Return the scripts of a folder of `0001_name.sql`, `0002_...` by their number."""
    return {
        int(match["version"]): file.read_text("utf-8")
        for file in migrations.iterdir()
        if (match := _MIGRATION.fullmatch(file.name))
    }


async def _migrate(connection: aiosqlite.Connection, path: Path, migrations: Traversable) -> None:
    scripts = scripts_of(migrations)
    version = int(await pragma(connection, "user_version"))
    newest = max(scripts)
    if version > newest:
        raise StoreTooNew(
            f"{path}: written by a newer version (schema {version}, this program knows {newest})"
        )
    for number in range(version + 1, newest + 1):
        await connection.executescript(
            f"BEGIN IMMEDIATE;\n{scripts[number]}\nPRAGMA user_version = {number};\nCOMMIT;"
        )
