"""A target that follows a script, and keeps what a real one would keep: keys and effects."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from bridge.connector import Connector
from bridge.outcome import Outcome, Posted
from contract.transactions import Transaction


@dataclass
class Call:
    seq: int
    again: bool
    at: float


Script = Callable[["ScriptedTarget", Transaction], Awaitable[Outcome]]


async def book(target: "ScriptedTarget", transaction: Transaction) -> Outcome:
    return target.book(transaction)


@dataclass
class ScriptedTarget:
    """An ERP with a unique key: booking twice is booking once, and is counted."""

    script: Script = book
    settle: float = 0.05
    booked: dict[UUID, int] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    opened: int = 0
    in_flight: int = 0
    most_in_flight: int = 0

    def book(self, transaction: Transaction) -> Outcome:
        self.booked.setdefault(transaction.id, transaction.seq)
        return Posted(f"D{transaction.seq}")

    async def deliver(self, transaction: Transaction, *, again: bool) -> Outcome:
        self.calls.append(Call(transaction.seq, again, asyncio.get_running_loop().time()))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self.script(self, transaction)
        finally:
            self.in_flight -= 1

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[Connector]:
        self.opened += 1
        yield self

    @property
    def seqs(self) -> list[int]:
        return [call.seq for call in self.calls]


@dataclass
class BatchTarget(ScriptedTarget):
    batches: list[int] = field(default_factory=list)

    async def deliver_many(
        self, transactions: Sequence[Transaction], *, again: bool
    ) -> list[Outcome]:
        self.batches.append(len(transactions))
        return [await self.deliver(transaction, again=again) for transaction in transactions]
