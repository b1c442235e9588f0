"""The reading side: what the index says is written, and in which file."""

import contextlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from bridge.connector import Found, Stock
from bridge.connectors.files.config import Config
from bridge.connectors.files.index import Index
from bridge.connectors.files.target import STATE
from bridge.database import Database, unbroken
from bridge.errors import SourceFailed
from contract.reference import DocumentRecord, ItemRecord, LocationRecord

PAGE = 500
"""Transactions read at once."""
_NOTHING: tuple[Any, ...] = ()


class FilesSource:
    """The index of one folder, beside its only writer."""

    def __init__(self, index: Index, close_after: float) -> None:
        self._index = index
        self._longest = timedelta(seconds=close_after)

    async def booked(self, since: datetime) -> AsyncIterator[Found]:
        """Yield what is in files that were still written to since then."""
        after = ""
        while page := await self._page(since - self._longest, after):
            for name, file, opened_at in page:
                yield Found(name, file, "booked", at=opened_at)
            after = page[-1][0]

    @unbroken
    async def _page(self, since: datetime, after: str) -> list[tuple[str, str, datetime]]:
        try:
            return await self._index.written(since, after, PAGE)
        except (SQLAlchemyError, OSError) as error:
            raise SourceFailed(str(error).partition("\n")[0]) from error

    async def items(self) -> AsyncIterator[ItemRecord]:
        """Yield nothing: files are written, and not read."""
        for each in _NOTHING:
            yield each

    async def documents(self) -> AsyncIterator[DocumentRecord]:
        """Yield nothing."""
        for each in _NOTHING:
            yield each

    async def locations(self) -> AsyncIterator[LocationRecord]:
        """Yield nothing."""
        for each in _NOTHING:
            yield each

    async def stock(self) -> AsyncIterator[Stock]:
        """Yield nothing."""
        for each in _NOTHING:
            yield each


@contextlib.asynccontextmanager
async def read(config: Config) -> AsyncIterator[FilesSource]:
    """Open the index to read it.

    Raises:
        SourceFailed: there is none, so that nothing was written yet, or it was deleted.
    """
    path = config.folder / STATE / "index.db"
    if not path.exists():
        raise SourceFailed(f"{path} is not there")
    database = Database(f"sqlite+aiosqlite:///{path}", shared=True)
    try:
        yield FilesSource(Index(database), config.close_after or 0.0)
    finally:
        await database.close()
