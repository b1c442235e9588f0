"""A database of one's own: every movement as a row, and what is on hand, by SQLAlchemy URL.

Three tables. `postings` has the transaction's id as its primary key and is written in the same
database transaction as the rest: that, and nothing else, is what makes it once. `movements` has
one row for each line and location it touches, with a signed quantity: what goes into a location is
positive. `stock_on_hand` is their sum for each item, location, lot and unit, kept up to date; it
may fall below zero, which is a finding.

Quantities are exact: NUMERIC on PostgreSQL, decimal digits as text on SQLite, added up here.
"""

import contextlib
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date
from decimal import Context, Decimal, Inexact, InvalidOperation
from pathlib import Path
from typing import Any, Literal, NamedTuple, assert_never
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    SQLAlchemyError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.columns import Exact, Utc
from bridge.database import Database, unbroken
from bridge.outcome import Outcome, Posted, Refused, TryLater, Unknown
from contract.transactions import (
    Adjustment,
    Assembly,
    Count,
    Event,
    Pack,
    Pick,
    Putaway,
    Reading,
    Receipt,
    Return,
    Reversal,
    Shipment,
    Transaction,
    Transfer,
    Weighing,
)
from contract.values import Item, Line, Weight

_Moving = Receipt | Return | Putaway | Transfer | Pick | Pack
_DRIVERS = {"sqlite+aiosqlite", "postgresql+psycopg"}
_CHUNK = 500  # stock keys in one question: SQLite takes 32,766 parameters, four each
_GTIN = re.compile(r"[0-9]{14}")
_SUM = Context(prec=60, traps=[Inexact, InvalidOperation])  # exact, or an exception

metadata = MetaData()

postings = Table(
    "postings",
    metadata,
    Column("transaction_id", String(36), primary_key=True),
    Column("gateway", String(32), nullable=False),
    Column("epoch", String(36), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("type", String(32), nullable=False),
    Column("reversed_by", String(36)),
)

movements = Table(
    "movements",
    metadata,
    Column("transaction_id", String(36), primary_key=True),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("type", String(32), nullable=False),
    Column("biz_step", String(32), nullable=False),
    Column("document", Text),
    Column("document_line", Text),
    Column("item", Text),
    Column("gtin", String(14)),
    Column("sku", Text),
    Column("lot", Text),
    Column("serial", Text),
    Column("expiry", Date),
    Column("best_before", Date),
    Column("sscc", String(18)),
    Column("location", Text),
    Column("quantity", Exact),
    Column("unit", String(3)),
    Column("counted", Exact),
    Column("from_location", Text),
    Column("to_location", Text),
    Column("weight", Exact),
    Column("weight_unit", String(8)),
    Column("reason", Text),
    Column("note", Text),
    Column("gateway", String(32), nullable=False),
    Column("station", String(32), nullable=False),
    Column("operator", Text),
    Column("occurred_at", Utc, nullable=False),
    Column("clock_synchronised", Boolean, nullable=False),
    Index("ix_movements_item", "item", "location"),
)
"""Every movement. `location` is where `quantity` counts; empty for what moves no stock.

`counted`: what a count found. `note`: what else a transaction says: a carrier's number, the text
of a reading.
"""

stock_on_hand = Table(
    "stock_on_hand",
    metadata,
    Column("item", Text, primary_key=True),
    Column("location", Text, primary_key=True),
    Column("lot", Text, primary_key=True),
    Column("unit", String(3), primary_key=True),
    Column("quantity", Exact, nullable=False),
)


class Config(BaseModel):
    """The `[target]` table of a database of one's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connector: Literal["sql"]
    url: SecretStr
    """`sqlite+aiosqlite:///path/stock.db` or `postgresql+psycopg://user@host/database`."""
    password_file: Path | None = None
    """File that holds the database password and nothing else."""
    create_tables: bool = True
    """Whether to create tables that are missing; one that is there is used as it is."""
    item_key: Literal["gtin", "sku"] = "gtin"
    """What names an item where a line says both."""
    receiving: str = Field(default="RECEIVING", min_length=1, max_length=128)
    """Where a receipt without a location goes, and where a putaway without one comes from."""
    storage: str = Field(default="STORAGE", min_length=1, max_length=128)
    """Where goods are that no transaction gives a location."""
    staging: str = Field(default="STAGING", min_length=1, max_length=128)
    """Where picked goods wait, and where a shipment takes its lines from."""
    returns: str = Field(default="RETURNS", min_length=1, max_length=128)
    """Where a return without a location goes."""
    packing_takes_from: str | None = Field(default=None, min_length=1, max_length=128)
    """Where packing takes goods from if nobody picks before; empty: packing moves no stock."""

    @field_validator("url")
    @classmethod
    def _has_a_known_driver(cls, url: SecretStr) -> SecretStr:
        try:
            driver = make_url(url.get_secret_value()).drivername
        except ArgumentError:
            driver = "nothing of the kind"
        if driver not in _DRIVERS:
            raise ValueError(f"begin it with one of {', '.join(sorted(_DRIVERS))}, not {driver}")
        return url

    @property
    def full_url(self) -> URL:
        """The URL with its password."""
        url = make_url(self.url.get_secret_value())
        if self.password_file is None:
            return url
        return url.set(password=self.password_file.read_text("utf-8").strip())


class StockKey(NamedTuple):
    """What one row of `stock_on_hand` is about. `lot` is empty where there is none."""

    item: str
    location: str
    lot: str
    unit: str


@dataclass(frozen=True, slots=True)
class Movement:
    """One row of `movements`, without what all rows of a transaction share.

    `quantity` is signed; it counts at `location`, and nowhere if there is none. For a count,
    `counted` is what was found and `quantity` is known only when it is booked.
    """

    item: str | None = None
    gtin: str | None = None
    sku: str | None = None
    lot: str | None = None
    serial: str | None = None
    expiry: date | None = None
    best_before: date | None = None
    sscc: str | None = None
    document: str | None = None
    document_line: str | None = None
    location: str | None = None
    quantity: Decimal | None = None
    unit: str | None = None
    counted: Decimal | None = None
    from_location: str | None = None
    to_location: str | None = None
    weight: Decimal | None = None
    weight_unit: str | None = None
    reason: str | None = None
    note: str | None = None

    @property
    def key(self) -> StockKey | None:
        """The stock it touches."""
        if self.item is None or self.location is None or self.unit is None:
            return None
        return StockKey(self.item, self.location, self.lot or "", self.unit)


def document(transaction: Transaction, config: Config) -> tuple[Movement, ...]:
    """Return the movements of a transaction; for a `Reversal` none: they follow from the original.

    Pure. The quantity of a count's movement is None until it is booked.
    """
    rows = _rows(transaction.event, config)
    documents = getattr(transaction.event, "documents", ())
    named = ", ".join(document.number for document in documents) or None
    return tuple(_clean(replace(row, document=named)) for row in rows)


def _rows(event: Event, config: Config) -> list[Movement]:
    match event:
        case Receipt() | Return() | Putaway() | Transfer() | Pick() | Pack():
            return _moved(event, config)
        case Shipment():
            return _shipped(event, config)
        case Count():
            lines = [_line(line, config) for line in event.lines]
            return _weighed(
                [
                    replace(row, location=event.location, counted=row.quantity, quantity=None)
                    for row in lines
                ],
                event.weight,
            )
        case Adjustment():
            where = event.location or config.storage
            rows = [_at(_line(line, config), where, event.direction) for line in event.lines]
            return _weighed([replace(row, reason=event.reason) for row in rows], event.weight)
        case Assembly():
            where = event.location or config.storage
            return [
                *(_at(_line(line, config), where, "decrease") for line in event.consumed),
                *(_at(_line(line, config), where, "increase") for line in event.produced),
            ]
        case Weighing():
            item = _named(event.item, config)
            return _weighed([replace(item, sscc=event.sscc)], event.weight)
        case Reading():
            row = replace(
                _named(event.item, config),
                lot=event.lot,
                serial=event.serial,
                sscc=event.sscc,
                quantity=event.quantity.value if event.quantity else None,
                unit=event.quantity.unit if event.quantity else None,
                note=event.text,
            )
            return _weighed([row], event.weight)
        case Reversal():
            return []
        case _:
            assert_never(event)


def _moved(event: _Moving, config: Config) -> list[Movement]:
    """Return a row out of where a line comes from, and one into where it goes."""
    source, goal = _way(event, config)
    rows: list[Movement] = []
    for line in event.lines:
        row = replace(
            _line(line, config), from_location=source, to_location=goal, reason=event.reason
        )
        row = replace(row, sscc=row.sscc or event.sscc)
        if isinstance(event, Return):
            row = replace(row, note=event.disposition)
        if source is not None:
            rows.append(_at(row, source, "decrease"))
        if goal is not None:
            rows.append(_at(row, goal, "increase"))
        if source is None and goal is None:
            rows.append(row)
    return _weighed(rows, event.weight)


def _way(event: _Moving, config: Config) -> tuple[str | None, str | None]:
    """Return where goods come from and where they go; None is outside the house."""
    match event:
        case Receipt():
            return None, event.to_location or config.receiving
        case Return():
            return None, event.to_location or config.returns
        case Putaway():
            return event.from_location or config.receiving, event.to_location
        case Transfer():
            return event.from_location, event.to_location
        case Pick():
            return event.from_location or config.storage, event.to_location or config.staging
        case Pack():
            taken = config.packing_takes_from
            return taken, config.staging if taken else None
        case _:
            assert_never(event)


def _shipped(event: Shipment, config: Config) -> list[Movement]:
    where = event.from_location or config.staging
    lines = [
        replace(_at(_line(line, config), where, "decrease"), from_location=where)
        for line in event.lines
    ]
    parcels = [
        row
        for package in event.packages
        for row in _weighed([Movement(sscc=package.sscc, note=package.tracking)], package.weight)
    ]
    return lines + parcels


def _named(item: Item | None, config: Config) -> Movement:
    if item is None:
        return Movement()
    first, second = (item.gtin, item.sku) if config.item_key == "gtin" else (item.sku, item.gtin)
    return Movement(item=first or second, gtin=item.gtin, sku=item.sku)


def _line(line: Line, config: Config) -> Movement:
    return replace(
        _named(line.item, config),
        lot=line.lot,
        serial=line.serial,
        expiry=line.expiry,
        best_before=line.best_before,
        sscc=line.sscc,
        document_line=line.document_line,
        quantity=line.quantity.value,
        unit=line.quantity.unit,
    )


def _at(row: Movement, where: str, direction: Literal["increase", "decrease"]) -> Movement:
    quantity = row.quantity if direction == "increase" else _negative(row.quantity)
    return replace(row, location=where, quantity=quantity)


def _negative(quantity: Decimal | None) -> Decimal | None:
    """Return the opposite, digit for digit; zero has none."""
    return quantity.copy_negate() if quantity else quantity


def _weighed(rows: list[Movement], weight: Weight | None) -> list[Movement]:
    """Put the weight, which is of all the rows together, on the first."""
    if weight is None:
        return rows
    unit = weight.unit_code or weight.unit
    return [replace(rows[0], weight=weight.value, weight_unit=unit), *rows[1:]]


def _clean(row: Movement) -> Movement:
    """Replace NUL, which PostgreSQL takes in no text."""
    texts: dict[str, Any] = {
        name: value.replace("\0", "\u2400")
        for name, value in _columns(row).items()
        if isinstance(value, str) and "\0" in value
    }
    return replace(row, **texts) if texts else row


def _columns(row: Movement) -> dict[str, Any]:
    return {name: getattr(row, name) for name in Movement.__slots__}


@dataclass(slots=True)
class _Posting:
    gateway: str
    type: str
    reversed_by: str | None
    new: bool


class _Books:
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
                quantity=_negative(row.quantity),
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
    return [{**shared, "line": line, **_columns(row)} for line, row in enumerate(rows, start=1)]


class SqlTarget:
    """One open database."""

    def __init__(self, database: Database, config: Config) -> None:
        self._database = database
        self._config = config
        # An attempt that still runs holds the key: the next waits for it, or finds it booked.
        self.settle = 0.0

    async def deliver(self, transaction: Transaction, *, again: bool) -> Outcome:
        """Book one transaction; the key in `postings` makes a repeat harmless."""
        [outcome] = await self.deliver_many([transaction], again=False)
        return outcome

    async def deliver_many(
        self,
        transactions: Sequence[Transaction],
        *,
        again: bool,
    ) -> list[Outcome]:
        """Book several transactions in one of the database, or one by one if one of them spoils it.

        After the first that could not be decided none of the rest is booked.
        """
        try:
            return await self._book(transactions)
        except (SQLAlchemyError, OSError, _CommitFailedError) as error:
            outcome = _outcome(error)
        if len(transactions) == 1 or isinstance(outcome, Unknown):
            return [outcome] * len(transactions)
        outcomes: list[Outcome] = []
        for transaction in transactions:
            [outcome] = await self.deliver_many([transaction], again=False)
            outcomes.append(outcome)
            if isinstance(outcome, TryLater | Unknown):
                rest = len(transactions) - len(outcomes)
                return outcomes + [TryLater("one before it could not be decided")] * rest
        return outcomes

    @unbroken
    async def _book(self, transactions: Sequence[Transaction]) -> list[Outcome]:
        committing = False
        try:
            async with self._database.write() as connection:
                books = _Books(connection, self._config)
                await books.open(transactions)
                outcomes = [books.book(transaction) for transaction in transactions]
                await books.close()
                committing = True
        except (SQLAlchemyError, OSError) as error:
            if committing:
                raise _CommitFailedError(str(error)) from error
            raise
        return outcomes

    @unbroken
    async def on_hand(self, limit: int = 1_000) -> list[dict[str, str]]:
        """Return what is on hand, by item and location, amounts as exact text.

        `gtin` is the item again where it looks like one, for who wants to show a name.
        """
        query = select(stock_on_hand).order_by(*stock_on_hand.primary_key).limit(limit)
        async with self._database.read() as connection:
            return [
                {
                    **row,
                    "quantity": format(row["quantity"], "f"),
                    "gtin": row["item"] if _GTIN.fullmatch(row["item"]) else "",
                }
                for row in (await connection.execute(query)).mappings()
            ]


class _CommitFailedError(Exception):
    """The commit did not come back: it may or may not be there."""


def _outcome(error: Exception) -> Outcome:
    """Sort what the database said by who acts."""
    why = str(error).partition("\n")[0]
    match error:
        case _CommitFailedError():
            return Unknown(why)
        case DataError():
            return Refused("refused", why)
        case IntegrityError() | DBAPIError() | NoConnection() | OSError():
            return TryLater(why)  # a lock, a race, a lost line, a table that does not fit
        case StatementError():
            return Refused("refused", why)  # a value no column takes
        case _:
            return TryLater(why)


@contextlib.asynccontextmanager
async def connect(config: Config) -> AsyncIterator[SqlTarget]:
    """Open the database, creating its tables where asked to."""
    database = Database(config.full_url)
    try:
        if config.create_tables:
            async with database.write() as connection:
                await connection.run_sync(metadata.create_all)
        yield SqlTarget(database, config)
    finally:
        await database.close()
