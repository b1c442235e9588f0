"""What the ledger holds and the ERP may not have yet: the moves that are added to its documents."""

import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import ValidationError
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge import schema
from bridge.database import Database, unbroken
from bridge.errors import LedgerFailed
from bridge.inspection import storable
from bridge.reference.counting import TYPES, Move, documents_of, parts_of
from contract.transactions import Event, Reversal, Transaction

PAGE = 500
"""Entries read at once: some 20 ms of reading."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of the ledger, and how far it goes."""

    id: int
    site: str
    gateway: str
    epoch: str
    upto: int


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of an entry. `sending`: the ERP may have it."""

    state: Literal["received", "sending", "posted", "dead"]
    discarded: bool
    decided_at: datetime | None


class Booked:
    """Reads the ledger, and nothing else. Raises `LedgerFailed`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @unbroken
    async def streams(self) -> list[Stream]:
        """Return every stream, oldest first."""
        table = schema.stream.c
        query = select(table.id, table.site, table.gateway, table.epoch, table.upto)
        async with self._reading() as connection:
            rows = (await connection.execute(query.order_by(table.id))).all()
        return [Stream(*row) for row in rows]

    @unbroken
    async def newest(self) -> int:
        """Return the highest number of an entry."""
        async with self._reading() as connection:
            return await connection.scalar(select(func.max(schema.entry.c.number))) or 0

    @unbroken
    async def moves(
        self, stream: Stream, after: int, *, skip_posted: bool = False
    ) -> tuple[int, list[Move]]:
        """Return how far a page goes, and what the rows of it move.

        Args:
            stream: of the ledger.
            after: the seq before the page.
            skip_posted: leave out what the ERP has: it is read after this.
        """
        table = schema.entry.c
        last = min(stream.upto, after + PAGE)
        query = (
            select(table.number, table.body, table.station, table.state, table.type)
            .where(
                table.stream == stream.id,
                table.seq > after,
                table.seq <= last,
                table.type.in_([*TYPES, "reversal"]),
            )
            .order_by(table.seq)
        )
        found: list[Move] = []
        async with self._reading() as connection:
            for row in (await connection.execute(query)).all():
                if skip_posted and row.state == "posted":
                    continue
                found += await _moves(connection, row.number, row.body, stream.gateway)
        return last, found

    @unbroken
    async def fates(self, entries: Iterable[int]) -> dict[int, Fate]:
        """Return what became of entries, by number."""
        table, wanted = schema.entry.c, sorted(set(entries))
        found: dict[int, Fate] = {}
        async with self._reading() as connection:
            for start in range(0, len(wanted), PAGE):
                query = select(table.number, table.state, table.code, table.decided_at).where(
                    table.number.in_(wanted[start : start + PAGE])
                )
                for row in await connection.execute(query):
                    found[row.number] = Fate(row.state, row.code == "discarded", row.decided_at)
        return found

    @contextlib.asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._database.read() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            raise LedgerFailed(str(error).partition("\n")[0]) from error


async def _moves(
    connection: AsyncConnection, number: int, body: str, gateway: str
) -> Sequence[Move]:
    transaction = _read(body)
    if transaction is None:
        return ()
    event: Event = transaction.event
    sign, kind = 1, event.type
    if isinstance(event, Reversal):
        undone = await connection.scalar(
            select(schema.entry.c.body).where(schema.entry.c.id == str(event.reverses))
        )
        original = None if undone is None else _read(undone)
        if original is None or original.gateway != gateway:
            return ()
        event, sign, kind = original.event, -1, original.event.type
    parts = parts_of(event, sign)
    return [
        Move(number, storable(document), gateway, transaction.station, kind, parts)
        for document in documents_of(event)
    ]


def _read(body: str) -> Transaction | None:
    """Return a stored transaction; None for a row that is none, which moves nothing."""
    try:
        return Transaction.model_validate_json(body)
    except ValidationError:
        return None


def posted(fates: Mapping[int, Fate], as_of: datetime | None = None) -> set[int]:
    """Return the entries the ERP had then."""
    return {
        number
        for number, fate in fates.items()
        if fate.state == "posted"
        and (as_of is None or (fate.decided_at is not None and fate.decided_at <= as_of))
    }
