"""SQLite without threads: each statement takes the world's time, and can fail as disks do.

The statements are real and run on real files. What is simulated is when they run, whether one that
is under way when the process dies still happens, and errors: a full disk, a failed write before or
after it took place, a disk that is slow.
"""

import asyncio
import contextlib
import fcntl
import os
import random
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import aiosqlite.core

from tests.worlds.loop import HERE, Loop, Process

_WRITES = ("INSERT", "UPDATE", "DELETE", "COMMIT", "REPLACE")
_FULL = (13, "SQLITE_FULL", "database or disk is full")
_BROKEN = (10, "SQLITE_IOERR", "disk I/O error")


@dataclass(eq=False)
class Disk:
    """The disk under one daemon's files."""

    name: str
    seed: int
    slow: float = 0.0
    """Seconds a statement may take longer."""
    full: bool = False
    failing: int = 0
    """Writes that fail from now on; whether they took place is open."""
    counts: dict[str, int] = field(default_factory=lambda: {"full": 0, "failed": 0, "cut": 0})

    def __post_init__(self) -> None:
        self.doubted: Callable[[], None] = lambda: None
        """Called when a write failed that took place all the same."""
        self.dice = random.Random(f"{self.seed}/{self.name}")

    def carry_out(self, function: Callable[[], Any], *, dying: bool = False) -> Any:
        """Run one statement, or let it fail."""
        sql = _sql(function)
        writing = sql.startswith(_WRITES)
        if dying:
            # What was on its way to the disk when the process died got there, or did not.
            self.counts["cut"] += writing
            if not writing or self.dice.random() < 0.5:
                return None
        if writing and self.full and not sql.startswith("DELETE"):
            return self._without_room(function, sql)
        if writing and self.failing:
            self.failing -= 1
            self.counts["failed"] += 1
            if sql != "COMMIT" and self.dice.random() < 0.5:
                function()
                self.doubted()
            raise _error(*_BROKEN)
        return function()

    def _without_room(self, function: Callable[[], Any], sql: str) -> Any:
        """Run a statement on a full disk: it fails where it would write a page."""
        connection = _connection(function)
        if sql == "COMMIT":
            self.counts["full"] += 1
            raise _error(*_FULL)
        if connection.in_transaction:
            return function()  # its pages are in memory until the commit
        before = connection.total_changes
        connection.execute("SAVEPOINT page")
        try:
            result = function()
            if connection.total_changes == before:
                return result
            connection.execute("ROLLBACK TO page")
        finally:
            connection.execute("RELEASE page")
        self.counts["full"] += 1
        raise _error(*_FULL)

    def takes(self, function: Callable[[], Any]) -> float:
        """Return the seconds one statement takes."""
        usual = (0.002, 0.012) if _sql(function).startswith(_WRITES) else (0.0, 0.001)
        return self.dice.uniform(*usual) + self.dice.uniform(0, self.slow)


def _sql(function: Callable[[], Any]) -> str:
    if isinstance(function, partial):
        if function.args and isinstance(function.args[0], str):
            return str(function.args[0]).lstrip()
        if getattr(function.func, "__name__", "") == "commit":
            return "COMMIT"
    return ""


def _connection(function: Callable[[], Any]) -> sqlite3.Connection:
    owner: Any = getattr(function.func, "__self__", None) if isinstance(function, partial) else None
    connection = getattr(owner, "connection", owner)
    assert isinstance(connection, sqlite3.Connection)
    return connection


def _error(code: int, name: str, text: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode, error.sqlite_errorname = code, name
    return error


class _Line:
    """Stands where aiosqlite has a queue to its thread: one statement after the other."""

    disks: ClassVar[Callable[[Process], Disk]]

    def __init__(self) -> None:
        self._waiting: list[tuple[asyncio.Future[Any] | None, Callable[[], Any]]] = []
        self._process = HERE.get()
        self._connection: sqlite3.Connection | None = None
        self._busy = False
        assert self._process is not None
        self._disk = _Line.disks(self._process)
        self._process.at_death.append(self._die)

    def put_nowait(self, item: tuple[asyncio.Future[Any] | None, Callable[[], Any]]) -> None:
        self._waiting.append(item)
        if not self._busy:
            self._next()

    def _next(self) -> None:
        self._busy = bool(self._waiting)
        if self._busy:
            loop = asyncio.get_running_loop()
            loop.call_later(self._disk.takes(self._waiting[0][1]), self._run)

    def _run(self) -> None:
        future, function = self._waiting.pop(0)
        try:
            result = self._disk.carry_out(function)
        except BaseException as error:  # as aiosqlite's own thread does
            if future is not None and not future.done():
                future.set_exception(error)
                if isinstance(future, asyncio.Future):
                    future.exception()
        else:
            if isinstance(result, sqlite3.Connection):
                self._connection = result
            if future is not None and not future.done():
                future.set_result(result)
        self._next()

    def _die(self) -> None:
        if self._busy and self._connection is not None:
            with contextlib.suppress(sqlite3.Error):  # nobody is left to be told
                self._disk.carry_out(self._waiting[0][1], dying=True)
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.rollback()
                self._connection.close()
            self._connection = None


class _NoThread:
    daemon = False

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def start(self) -> None: ...


class Locks:
    """The kernel's own locks, given back when a process of the world ends without closing files."""

    def __init__(self) -> None:
        self._flock = fcntl.flock
        self._held: list[tuple[Process, int, tuple[int, int]]] = []
        self.refused = 0

    def flock(self, file: Any, operation: int) -> None:
        """Take or give back the lock of one open file."""
        descriptor = file if isinstance(file, int) else file.fileno()
        try:
            self._flock(descriptor, operation)
        except BlockingIOError:
            self.refused += 1
            raise
        process = HERE.get()
        if process is not None:
            self._held.append((process, descriptor, _identity(descriptor)))

    def end(self, process: Process) -> None:
        """Give back what `process` holds: it was killed, and its files stay open in this one."""
        for holder, descriptor, identity in self._held:
            with contextlib.suppress(OSError):
                if holder is process and _identity(descriptor) == identity:
                    self._flock(descriptor, fcntl.LOCK_UN)
        self._held = [each for each in self._held if each[0] is not process]


def _identity(descriptor: int) -> tuple[int, int]:
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino


def install(disks: Callable[[Process], Disk], locks: Locks) -> None:
    """Put all this under aiosqlite and `fcntl`, for the rest of this operating system process."""
    _Line.disks = staticmethod(disks)
    core: Any = aiosqlite.core
    core.SimpleQueue = _Line
    core.Thread = _NoThread
    fcntl.flock = locks.flock


def loop_of_this() -> Loop:
    """Return the running loop, which is a world's."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Loop)
    return loop
