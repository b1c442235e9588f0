"""The reading side: items, open documents with what was booked of them, locations, stock."""

import contextlib
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection, Select, Table, or_, select
from sqlalchemy.exc import SQLAlchemyError

from bridge.connector import Found, Stock
from bridge.connectors.sql import tables
from bridge.connectors.sql.config import Config
from bridge.database import Database, unbroken
from bridge.errors import SourceFailed
from bridge.reference.counting import TYPES, Move, Part, Progress, by_gtin
from contract.codes.gtin import canonical_gtin
from contract.reference import DocumentRecord, ItemRecord, LocationRecord

PAGE = 200
"""Rows of a table read at once."""


class SqlSource:
    """The tables of one database, read a page at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def items(self) -> AsyncIterator[ItemRecord]:
        """Yield every item with its packs."""
        async for rows in self._pages(tables.items, "sku"):
            for record in await self._items(rows):
                yield record

    async def documents(self) -> AsyncIterator[DocumentRecord]:
        """Yield every document that is not closed; `done` is what is booked and not undone."""
        async for rows in self._pages(tables.documents, "number"):
            wanted = [row for row in rows if not row["closed"]]
            numbers = [row["number"] for row in wanted]
            line = tables.document_lines.c
            lines = await self._all(
                select(tables.document_lines)
                .where(line.number.in_(numbers))
                .order_by(line.number, line.line)
            )
            moves = await self._moves(numbers)
            trades = await self._trades(lines) if moves else {}
            for row in wanted:
                mine = [_said(each, "number") for each in lines if each["number"] == row["number"]]
                record = _made(DocumentRecord, {**_said(row, "closed"), "lines": mine})
                progress = Progress(record, trades)
                for move in moves.get(row["number"], ()):
                    progress.add(move)
                yield progress.record()

    async def locations(self) -> AsyncIterator[LocationRecord]:
        """Yield every location."""
        async for rows in self._pages(tables.locations, "name"):
            for row in rows:
                yield _made(LocationRecord, _said(row))

    async def stock(self) -> AsyncIterator[Stock]:
        """Yield what is on hand; `sku` is the item as it was booked."""
        for row in await self._all(select(tables.stock_on_hand)):
            yield Stock(
                row["item"], row["location"], row["quantity"], row["unit"], row["lot"] or None
            )

    async def booked(self, since: datetime) -> AsyncIterator[Found]:
        """Yield every posting of what happened since then; its id is its number here.

        What a station with a clock that was not set says is yielded whenever it was, since nobody
        here knows better; and so is what has no movement that says when.
        """
        posting, moved = tables.postings.c, tables.movements.c
        recent = or_(
            moved.occurred_at >= since,
            moved.clock_synchronised.is_(False),
            moved.occurred_at.is_(None),
        )
        ids = (
            select(posting.transaction_id)
            .outerjoin(tables.movements, moved.transaction_id == posting.transaction_id)
            .where(recent)
            .distinct()
            .order_by(posting.transaction_id)
            .limit(PAGE)
        )
        after = ""
        while page := [
            row["transaction_id"]
            for row in await self._all(ids.where(posting.transaction_id > after))
        ]:
            rows: dict[str, list[dict[str, Any]]] = {name: [] for name in page}
            lines = select(moved.transaction_id, moved.quantity, moved.counted, moved.occurred_at)
            for row in await self._all(lines.where(moved.transaction_id.in_(page))):
                rows[row["transaction_id"]].append(row)
            for name, mine in rows.items():
                at = mine[0]["occurred_at"] if mine else None
                yield Found(name, name, "booked", _amount(mine), at)
            after = page[-1]

    async def _items(self, rows: Iterable[dict[str, Any]]) -> list[ItemRecord]:
        rows = list(rows)
        pack = tables.packs.c
        packs = await self._all(
            select(tables.packs)
            .where(pack.sku.in_([row["sku"] for row in rows]))
            .order_by(pack.gtin)
        )
        return [
            _made(
                ItemRecord,
                {
                    **_said(row, "codes"),
                    "codes": (row["codes"] or "").split(),
                    "packs": [
                        _said(each, "sku") | {"gtin": canonical_gtin(each["gtin"]) or each["gtin"]}
                        for each in packs
                        if each["sku"] == row["sku"]
                    ],
                },
            )
            for row in rows
        ]

    async def _trades(self, lines: Iterable[dict[str, Any]]) -> dict[str, tuple[str, Decimal]]:
        skus = sorted({line["sku"] for line in lines})
        found: dict[str, tuple[str, Decimal]] = {}
        for start in range(0, len(skus), PAGE):
            query = select(tables.items).where(tables.items.c.sku.in_(skus[start : start + PAGE]))
            found |= by_gtin(await self._items(await self._all(query)))
        return found

    async def _moves(self, numbers: list[str]) -> dict[str, list[Move]]:
        """Return what is booked and not undone.

        A movement out of a bin says the same as its twin into another, so only what is positive
        counts; of a count it is what was found.
        """
        moved, posting = tables.movements, tables.postings.c
        query = (
            select(moved)
            .join(tables.postings, posting.transaction_id == moved.c.transaction_id)
            .where(
                moved.c.document.in_(numbers),
                moved.c.type.in_(sorted(TYPES)),
                posting.reversed_by.is_(None),
            )
            .order_by(moved.c.transaction_id, moved.c.line)
        )
        found: dict[str, list[Move]] = {}
        for row in await self._all(query):
            amount = row["counted"] if row["type"] == "count" else row["quantity"]
            if amount is None or amount <= 0:
                continue
            part = Part(row["document_line"], row["sku"], row["gtin"], amount, row["lot"])
            where = (row["document"], row["gateway"], row["station"], row["type"])
            found.setdefault(row["document"], []).append(Move(0, *where, (part,)))
        return found

    async def _pages(self, table: Table, key: str) -> AsyncIterator[list[dict[str, Any]]]:
        column, after = table.c[key], ""
        while rows := await self._all(
            select(table).where(column > after).order_by(column).limit(PAGE)
        ):
            yield rows
            after = rows[-1][key]

    @unbroken
    async def _all(self, query: Select[Any]) -> list[dict[str, Any]]:
        try:
            async with self._database.read() as connection:
                return [dict(row) for row in (await connection.execute(query)).mappings()]
        except (SQLAlchemyError, OSError) as error:
            raise SourceFailed(str(error).partition("\n")[0]) from error


def _amount(rows: Iterable[dict[str, Any]]) -> Decimal | None:
    """Return how much was booked: what was counted, or what came in, or else what went out."""
    counted = [row["counted"] for row in rows if row["counted"] is not None]
    if counted:
        return sum(counted, Decimal(0))
    amounts = [row["quantity"] for row in rows if row["quantity"] is not None]
    came = [amount for amount in amounts if amount > 0]
    return abs(sum(came or amounts, Decimal(0))) if amounts else None


def _make(connection: Connection) -> None:
    tables.metadata.create_all(connection)
    tables.known.create_all(connection)
    tables.by_document.create(connection, checkfirst=True)


def _said(row: dict[str, Any], *without: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None and name not in without}


def _made(model: type[BaseModel], said: dict[str, Any]) -> Any:
    try:
        return model.model_validate(said)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        name = said.get("sku") or said.get("number") or said.get("name")
        raise SourceFailed(f"{model.__name__} {name}: {where}: {problem['msg']}") from error


@contextlib.asynccontextmanager
async def read(config: Config) -> AsyncIterator[SqlSource]:
    """Open the database to read; make the tables that are missing where that is asked for."""
    database = Database(config.full_url, shared=True)
    try:
        if config.create_tables:
            try:
                async with database.write() as connection:
                    await connection.run_sync(_make)
            except (SQLAlchemyError, OSError) as error:
                raise SourceFailed(str(error).partition("\n")[0]) from error
        yield SqlSource(database)
    finally:
        await database.close()
