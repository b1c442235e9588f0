"""What was written where: the one place that says a transaction is in a file.

A row here is the booking. A file beside it may hold more than its row says, when the power went
before the row was there: what is beyond is cut off before anything else is written.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    insert,
    select,
    update,
)

from bridge.columns import Utc
from bridge.database import Database

_metadata = MetaData()

_files = Table(
    "files",
    _metadata,
    Column("number", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("opened_at", Utc, nullable=False),
    Column("length", BigInteger, nullable=False),
    Column("state", String(8), nullable=False, index=True),
)
_records = Table(
    "records",
    _metadata,
    Column("transaction_id", String(36), primary_key=True),
    Column("file", Integer, nullable=False),
)


@dataclass(frozen=True, slots=True)
class File:
    """One file: `open`, `closed`, `brought` to the server under a passing name, or `there`."""

    number: int
    name: str
    opened_at: datetime
    length: int
    state: str


class Index:
    """The index, in a database of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def prepare(self) -> None:
        """Make the tables where they are missing."""
        async with self._database.write() as connection:
            await connection.run_sync(_metadata.create_all)

    async def of(self, name: str) -> File | None:
        """Return the file a transaction is in."""
        query = (
            select(_files)
            .join(_records, _records.c.file == _files.c.number)
            .where(_records.c.transaction_id == name)
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else File(*row)

    async def in_state(self, *states: str) -> list[File]:
        """Return the files in these states, oldest first."""
        query = select(_files).where(_files.c.state.in_(states)).order_by(_files.c.number)
        async with self._database.read() as connection:
            return [File(*row) for row in await connection.execute(query)]

    async def written(
        self, since: datetime, after: str, limit: int
    ) -> list[tuple[str, str, datetime]]:
        """Return transactions beyond an id, each with its file's name and when that was begun."""
        query = (
            select(_records.c.transaction_id, _files.c.name, _files.c.opened_at)
            .join(_files, _records.c.file == _files.c.number)
            .where(_files.c.opened_at >= since, _records.c.transaction_id > after)
            .order_by(_records.c.transaction_id)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [(row[0], row[1], row[2]) for row in await connection.execute(query)]

    async def last(self) -> int:
        """Return the number of the newest file; 0 if there is none."""
        query = select(_files.c.number).order_by(_files.c.number.desc()).limit(1)
        async with self._database.read() as connection:
            return await connection.scalar(query) or 0

    async def book(self, name: str, file: File) -> None:
        """Write down that a transaction is in `file`, which is as long as it says now."""
        async with self._database.write() as connection:
            found = await connection.execute(
                update(_files)
                .where(_files.c.number == file.number)
                .values(length=file.length, state=file.state)
            )
            if not found.rowcount:
                await connection.execute(
                    insert(_files).values(
                        number=file.number,
                        name=file.name,
                        opened_at=file.opened_at,
                        length=file.length,
                        state=file.state,
                    )
                )
            await connection.execute(insert(_records).values(transaction_id=name, file=file.number))

    async def move(self, file: File, state: str) -> None:
        """Write down the state a file is in now."""
        async with self._database.write() as connection:
            await connection.execute(
                update(_files).where(_files.c.number == file.number).values(state=state)
            )
