"""The ledger's database as its rooms see it: what is read, what is written, how it fails."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.database import Database, unbroken
from bridge.errors import LedgerFailed, LedgerRaced
from runtime.clock import Clock

_T = TypeVar("_T")


class Store:
    """One open database. Its methods raise `LedgerFailed` when it does not do its part."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        # SQLite has one writer: waiting here is fair and silent, waiting there is neither.
        self._turnstile = asyncio.Lock()

    @property
    def alone(self) -> bool:
        """Whether this process alone has it open, but for commands of people."""
        return self._database.sqlite

    @unbroken
    async def ask(self, question: Callable[[AsyncConnection], Awaitable[_T]]) -> _T:
        """Return what `question` reads, of one consistent state: for rooms with tables here."""
        async with self._reading() as connection:
            return await question(connection)

    @unbroken
    async def put(self, work: Callable[[AsyncConnection, datetime], Awaitable[_T]]) -> _T:
        """Do `work` in one transaction, given the time now: for rooms with tables here."""
        async with self._writing() as connection:
            return await work(connection, self._clock.utc())

    @contextlib.asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        async with self._turnstile:
            try:
                async with self._database.write() as connection:
                    yield connection
            except (SQLAlchemyError, OSError) as error:
                kind = LedgerRaced if _is_race(error) else LedgerFailed
                raise kind(_first_line(error)) from error

    @contextlib.asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._database.read() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            raise LedgerFailed(_first_line(error)) from error


def _is_race(error: Exception) -> bool:
    """Whether PostgreSQL says that two did the same: unique, serialization, deadlock."""
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    return state in {"23505", "40001", "40P01"}


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
