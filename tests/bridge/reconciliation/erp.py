"""An ERP that shows what it is told to, and breaks off where it is told to."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from bridge.connector import Capabilities, Found, Stock
from bridge.errors import SourceFailed
from bridge.reconciliation.rounds import Target
from bridge.shadow import moved
from contract.envelope import plain
from contract.reference import DocumentRecord, ItemRecord, LocationRecord
from contract.transactions import Count, Transaction

_T = TypeVar("_T")
CAN = Capabilities(
    evidence="real",
    key="unique",
    books=frozenset({"receipt"}),
    reads=frozenset({"booked", "stock"}),
)


@dataclass
class Erp:
    """Documents and stock, and a bound beyond which a reading fails."""

    found: list[Found] = field(default_factory=list)
    on_hand: list[Stock] = field(default_factory=list)
    breaks_after: int | None = None
    """Rows after which a reading fails."""
    breaks_as: Exception = field(default_factory=lambda: SourceFailed("the line is down"))
    nothing: tuple[Any, ...] = ()
    readings: int = 0
    asked: list[datetime] = field(default_factory=list)
    between: Callable[["Erp"], None] = lambda _erp: None
    """Called when a reading begins."""

    async def booked(self, since: datetime) -> AsyncIterator[Found]:
        self.asked.append(since)
        for row in self._rows(self.found):
            if row.at is None or row.at >= since:
                yield row
        self._break(len(self.found))

    async def stock(self) -> AsyncIterator[Stock]:
        for row in self._rows(self.on_hand):
            yield row
        self._break(len(self.on_hand))

    def _rows(self, rows: list[_T]) -> list[_T]:
        self.readings += 1
        self.between(self)
        return list(rows if self.breaks_after is None else rows[: self.breaks_after])

    def _break(self, rows: int) -> None:
        if self.breaks_after is not None and rows >= self.breaks_after:
            raise self.breaks_as

    async def items(self) -> AsyncIterator[ItemRecord]:
        for row in self.nothing:
            yield row

    async def documents(self) -> AsyncIterator[DocumentRecord]:
        for row in self.nothing:
            yield row

    async def locations(self) -> AsyncIterator[LocationRecord]:
        for row in self.nothing:
            yield row

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator["Erp"]:
        yield self

    @property
    def target(self) -> Target:
        return Target("erp", CAN, self.read, moves)


def moves(given: Transaction) -> Iterator[tuple[str, str, str, Decimal | None]]:
    """Yield what the transaction itself says; a count is for the ERP to say."""
    event = given.event
    if isinstance(event, Count):
        for line in event.lines:
            yield line.item.sku or "", event.location, line.quantity.unit, None
    yield from moved(plain(given)["event"])
