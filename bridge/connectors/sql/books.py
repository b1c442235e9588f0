"""One database transaction: postings, movements and stock on hand together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any
from uuid import UUID

from sqlalchemy import (
    bindparam,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.connectors.sql.calls import INSERT, written
from bridge.connectors.sql.config import Config
from bridge.connectors.sql.movements import Movement, StockKey, columns, document, negative
from bridge.connectors.sql.tables import movements, postings, stock_on_hand
from bridge.outcome import Outcome, Posted, Refused
from bridge.wire import sent
from contract.transactions import (
    Reversal,
    Transaction,
)

_CHUNK = 500  # stock keys in one question: SQLite takes 32,766 parameters, four each
_SUM = Context(prec=60, traps=[Inexact, InvalidOperation])  # exact, or an exception


@dataclass(slots=True)
class _Posting:
    gateway: str
    type: str
    reversed_by: str | None
    new: bool


class Books:
    """What some transactions touch of the three tables, inside one database transaction."""

    def __init__(self, connection: AsyncConnection, config: Config) -> None:
        self._connection = connection
        self._config = config
        self._postings: dict[str, _Posting] = {}
        self._movements: dict[str, list[Movement]] = {}
        self._stock: dict[StockKey, Decimal] = {}
        self._stored: set[StockKey] = set()
        self._touched: set[StockKey] = set()
        self._posted: list[Transaction] = []
        self._undone: set[str] = set()

    async def open(self, transactions: Sequence[Transaction]) -> None:
        """Read, and on PostgreSQL lock, what `transactions` touch; in one order for everybody."""
        named = sorted({name for transaction in transactions for name in _names(transaction)})
        for row in await self._connection.execute(
            select(postings)
            .where(postings.c.transaction_id.in_(named))
            .order_by(postings.c.transaction_id)
            .with_for_update()
        ):
            self._postings[row.transaction_id] = _Posting(
                row.gateway, row.type, row.reversed_by, new=False
            )
        undone = [name for transaction in transactions for name in _names(transaction)[1:]]
        for found in (
            await self._connection.execute(
                select(movements)
                .where(movements.c.transaction_id.in_(undone))
                .order_by(movements.c.transaction_id, movements.c.line)
            )
        ).mappings():
            known = Movement(**{name: found[name] for name in Movement.__slots__})
            self._movements.setdefault(found["transaction_id"], []).append(known)
        for transaction in transactions:
            if str(transaction.id) not in self._postings:
                planned = document(transaction, self._config)
                self._movements[str(transaction.id)] = list(planned)
        rows = (row for known in self._movements.values() for row in known)
        await self._read_stock(sorted({row.key for row in rows if row.key is not None}))

    async def _read_stock(self, keys: list[StockKey]) -> None:
        table = stock_on_hand.c
        columns = (table.item, table.location, table.lot, table.unit)
        for start in range(0, len(keys), _CHUNK):
            query = (
                select(stock_on_hand)
                .where(tuple_(*columns).in_(keys[start : start + _CHUNK]))
                .order_by(*columns)
                .with_for_update()
            )
            for row in await self._connection.execute(query):
                key = StockKey(row.item, row.location, row.lot, row.unit)
                self._stock[key] = row.quantity
                self._stored.add(key)

    def book(self, transaction: Transaction) -> Outcome:
        """Book one transaction, in memory; `close` writes it."""
        name = str(transaction.id)
        if name in self._postings:
            return Posted("")
        if isinstance(transaction.event, Reversal):
            rows = self._opposite(transaction, transaction.event.reverses)
            if isinstance(rows, Refused):
                return rows
        else:
            rows = self._counted(self._movements[name])
        for row in rows:
            if row.key is not None and row.quantity is not None:
                self._stock[row.key] = _SUM.add(self._on_hand(row.key), row.quantity)
                self._touched.add(row.key)
        self._movements[name] = rows
        self._postings[name] = _Posting(transaction.gateway, transaction.event.type, None, new=True)
        self._posted.append(transaction)
        return Posted("")

    def _on_hand(self, key: StockKey) -> Decimal:
        return self._stock.get(key, Decimal(0))

    def _counted(self, planned: Sequence[Movement]) -> list[Movement]:
        """Give each count its difference: all lines of one stock together, on the first of them."""
        found: dict[StockKey, Decimal] = {}
        for row in planned:
            if row.key is not None and row.counted is not None:
                found[row.key] = _SUM.add(found.get(row.key, Decimal(0)), row.counted)
        rows = []
        for row in planned:
            if row.key is None or row.counted is None:
                rows.append(row)
                continue
            counted = found.pop(row.key, None)
            difference = (
                Decimal(0) if counted is None else _SUM.subtract(counted, self._on_hand(row.key))
            )
            rows.append(replace(row, quantity=difference))
        return rows

    def _opposite(self, transaction: Transaction, reverses: UUID) -> list[Movement] | Refused:
        name = str(reverses)
        original = self._postings.get(name)
        if original is None:
            return Refused("unknown_document", f"{name} is not booked here, so nothing is undone")
        if original.gateway != transaction.gateway:
            return Refused("forbidden", f"{name} is of gateway {original.gateway}")
        if original.type == "reversal":
            return Refused("unsupported", f"{name} is a reversal: book what it undid again")
        if original.reversed_by is not None:
            return Refused("refused", f"{name} was undone before, by {original.reversed_by}")
        original.reversed_by = str(transaction.id)
        self._undone.add(name)
        reason = getattr(transaction.event, "reason", None)
        return [
            replace(
                row,
                quantity=negative(row.quantity),
                counted=None,
                reason=reason,
                note=f"undoes {name}",
            )
            for row in self._movements.get(name, [])
        ]

    async def close(self) -> None:
        """Write what was booked."""
        if not self._posted:
            return
        for transaction in self._posted:
            sent(INSERT, written(transaction, self._movements[str(transaction.id)]))
        await self._connection.execute(
            insert(postings),
            [
                {
                    "transaction_id": str(transaction.id),
                    "gateway": transaction.gateway,
                    "epoch": str(transaction.epoch),
                    "seq": transaction.seq,
                    "type": transaction.event.type,
                    "reversed_by": self._postings[str(transaction.id)].reversed_by,
                }
                for transaction in self._posted
            ],
        )
        undone = [name for name in self._undone if not self._postings[name].new]
        if undone:
            await self._connection.execute(
                update(postings)
                .where(postings.c.transaction_id == bindparam("of"))
                .values(reversed_by=bindparam("by")),
                [{"of": name, "by": self._postings[name].reversed_by} for name in undone],
            )
        rows = [
            row
            for transaction in self._posted
            for row in _records(transaction, self._movements[str(transaction.id)])
        ]
        if rows:
            await self._connection.execute(insert(movements), rows)
        await self._write_stock()

    async def _write_stock(self) -> None:
        table = stock_on_hand.c
        new = [
            {**key._asdict(), "quantity": self._stock[key]}
            for key in sorted(self._touched - self._stored)
        ]
        if new:
            await self._connection.execute(insert(stock_on_hand), new)
        old = [
            {
                **{f"its_{name}": value for name, value in key._asdict().items()},
                "now": self._stock[key],
            }
            for key in sorted(self._touched & self._stored)
        ]
        if old:
            mine = [column == bindparam(f"its_{column.name}") for column in table][:-1]
            await self._connection.execute(
                update(stock_on_hand).where(*mine).values(quantity=bindparam("now")), old
            )


def _names(transaction: Transaction) -> tuple[str, ...]:
    match transaction.event:
        case Reversal(reverses=other):
            return (str(transaction.id), str(other))
        case _:
            return (str(transaction.id),)


def _records(transaction: Transaction, rows: Iterable[Movement]) -> list[dict[str, Any]]:
    wall = transaction.clock.wall
    shared = {
        "transaction_id": str(transaction.id),
        "type": transaction.event.type,
        "biz_step": transaction.event.biz_step,
        "gateway": transaction.gateway,
        "station": transaction.station,
        "operator": transaction.operator and transaction.operator.replace("\0", "\u2400"),
        "occurred_at": wall if wall.tzinfo else wall.replace(tzinfo=UTC),
        "clock_synchronised": transaction.clock.synchronised,
    }
    return [{**shared, "line": line, **columns(row)} for line, row in enumerate(rows, start=1)]
