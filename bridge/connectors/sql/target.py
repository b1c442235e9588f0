"""The open target: delivers, and says what came of it."""

import contextlib
import re
from collections.abc import AsyncIterator, Sequence

from sqlalchemy import (
    select,
)
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    SQLAlchemyError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as NoConnection

from bridge.connectors.sql.books import Books
from bridge.connectors.sql.config import Config
from bridge.connectors.sql.tables import metadata, stock_on_hand
from bridge.database import Database, unbroken
from bridge.outcome import Outcome, Refused, TryLater, Unknown
from bridge.wire import heard
from contract.transactions import (
    Transaction,
)

_GTIN = re.compile(r"[0-9]{14}")


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
            heard(outcome.why if isinstance(outcome, TryLater | Unknown) else str(error))
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
                books = Books(connection, self._config)
                await books.open(transactions)
                outcomes = [books.book(transaction) for transaction in transactions]
                await books.close()
                committing = True
        except (SQLAlchemyError, OSError) as error:
            if committing:
                raise _CommitFailedError(str(error)) from error
            raise
        heard("committed")
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
