"""Open a database so that a commit is a promise: SQLite by default, PostgreSQL by URL.

SQLite gets WAL with synchronous=FULL, one writing connection and read-only readers: an acknowledged
commit survives a power cut, and SQLite before 3.51.3 can damage a WAL file that two connections
checkpoint at the same moment. `BEGIN IMMEDIATE` takes the write lock before the first read, so what
was read is still true when it is written.
"""

import asyncio
import contextlib
import fcntl
import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, ParamSpec, TextIO, TypeVar

from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

BUSY_MS = 5_000
"""Milliseconds to wait for another program that reads or backs up the SQLite file."""
TURN_S = 10.0
"""Seconds to wait for another program to end a write of the same SQLite file."""
_LOOK_S = 0.002
STATEMENT_S = 30.0
"""Seconds after which PostgreSQL gives a statement up, and TCP a server that has vanished."""
READERS = 4
"""Connections for looking at things: a web page and a scrape at the same time, and some."""
_FULL = 2

_P = ParamSpec("_P")
_T = TypeVar("_T")


class DatabaseUnfit(Exception):
    """The database will not keep its word, or the URL names none. Tell a person."""


class DatabaseTaken(DatabaseUnfit):
    """Another process works on this database. There is one writer; stop the other one."""


def unbroken(work: Callable[_P, Coroutine[Any, Any, _T]]) -> Callable[_P, Coroutine[Any, Any, _T]]:
    """Let `work` run to its end even when its caller is cancelled, who then waits for that end.

    Cancelling in the middle leaves aiosqlite with a connection nobody owns and a transaction nobody
    ends: its thread runs the statement all the same. The end is near: every database wait inside is
    bounded.
    """

    @functools.wraps(work)
    async def whole(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        task = asyncio.create_task(work(*args, **kwargs), name=work.__qualname__)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            while not task.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([task])
            if not task.cancelled():
                task.exception()  # the caller has gone; what it wanted can be asked for again
            raise

    return whole


class Database:
    """One database: `write()` gives transactions one after the other, `read()` never writes."""

    def __init__(self, url: str | URL, *, shared: bool = False) -> None:
        """Take where it is.

        Args:
            url: of SQLAlchemy.
            shared: whether other programs may write the same SQLite file. Then each write, with the
                checkpoint that may follow its commit, waits for theirs: see the top of this file.
        """
        self._shared = shared
        try:
            self.url = make_url(url)
            self.sqlite = self.url.get_backend_name() == "sqlite"
            if self.sqlite and self.url.database in {None, "", ":memory:"}:
                raise DatabaseUnfit("name a file: a database in memory forgets")
            self._writer, self._reader = self._engines()
        except (ArgumentError, ImportError) as error:
            raise DatabaseUnfit(f"{_public(url)}: {error}") from error

    def _engines(self) -> tuple[AsyncEngine, AsyncEngine]:
        if not self.sqlite:
            # A dead server must not hold a caller for the kernel's two minutes.
            engine = create_async_engine(
                self.url, pool_pre_ping=True, pool_timeout=10, connect_args=_bounded(self.url)
            )
            return engine, engine
        writer = create_async_engine(self.url, pool_size=1, max_overflow=0, pool_timeout=30)
        reader = create_async_engine(self.url, pool_size=READERS, max_overflow=0, pool_timeout=30)
        event.listen(writer.sync_engine, "connect", _keep_its_word)
        event.listen(writer.sync_engine, "begin", _begin_immediate)
        event.listen(reader.sync_engine, "connect", _only_look)
        event.listen(reader.sync_engine, "begin", _begin)
        return writer, reader

    @contextlib.asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection in a transaction that commits at the end, or not at all."""
        async with self._turn(), self._writer.begin() as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Keep other programs from writing the SQLite file meanwhile."""
        if not (self._shared and self.sqlite):
            yield
            return
        with _opened(Path(f"{self.url.database}.turn")) as file:
            # A TimeoutError is an OSError, and goes the way of every other failure.
            async with asyncio.timeout(TURN_S):
                while not _taken(file.fileno()):  # noqa: ASYNC110 - nobody can call us from there
                    await asyncio.sleep(_LOOK_S)
            yield  # closing gives it back

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection that sees one consistent state."""
        async with self._reader.connect() as connection:
            yield connection

    @unbroken
    async def close(self) -> None:
        """Close every connection, the writing one last: closing is what checkpoints."""
        await self._reader.dispose()
        await self._writer.dispose()


def _opened(path: Path) -> TextIO:
    return path.open("w")


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.asynccontextmanager
async def sole_database(url: str | URL) -> AsyncIterator[Database]:
    """Open a database that nobody else may work on, and close it at the end.

    SQLite: an advisory lock on `<file>.lock` for as long as it is open; a command of a person may
    still write, in turn. PostgreSQL has its own ways to keep writers apart.

    Raises:
        DatabaseTaken: another process has it.
        DatabaseUnfit: the folder is missing or not ours to write.
    """
    database = Database(url, shared=True)
    with contextlib.ExitStack() as stack:
        if database.sqlite:
            stack.enter_context(_locked(Path(f"{database.url.database}.lock")))
        try:
            yield database
        finally:
            await database.close()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        file = path.open("w")
    except OSError as error:
        raise DatabaseUnfit(str(error)) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DatabaseTaken(f"{path}: another process holds it") from None
        yield


def _bounded(url: URL) -> dict[str, Any]:
    """Return libpq's parameters that bound every wait for a PostgreSQL server."""
    if not url.get_driver_name().startswith("psycopg"):
        return {}
    milliseconds = int(STATEMENT_S * 1000)
    return {
        "connect_timeout": 10,
        "tcp_user_timeout": milliseconds,
        "options": f"-c statement_timeout={milliseconds}"
        f" -c idle_in_transaction_session_timeout={2 * milliseconds}",
    }


def _keep_its_word(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # BEGIN is ours to say
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    if cursor.fetchone()[0] != "wal":
        raise DatabaseUnfit("the file system refuses WAL; use a local disk")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA synchronous")
    if cursor.fetchone()[0] != _FULL:
        raise DatabaseUnfit("synchronous=FULL was not accepted")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA foreign_keys")
    if cursor.fetchone()[0] != 1:
        raise DatabaseUnfit("this SQLite was built without foreign keys")
    cursor.close()


def _only_look(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    cursor.execute("PRAGMA query_only = ON")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _public(url: str | URL) -> str:
    """Return the URL without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "database URL"
