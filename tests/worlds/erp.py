"""An ERP that answers late, wrongly or not at all, and keeps what it did.

A `keyed` one has a unique key; without it a second delivery is a second effect, unless the
connector is told to look first (`again`), as `bridge.connector` has it.
"""

import asyncio
import contextlib
import contextvars
import random
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from bridge.connector import Connector
from bridge.outcome import Outcome, Posted, Refused, TryLater, Unknown
from contract.transactions import Transaction
from tests.worlds.loop import Loop

_OUTSIDE = contextvars.Context()
REFUSED = "NOSUCH"
"""Serial numbers that begin so are of goods the ERP does not know."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One booking."""

    id: UUID
    gateway: str
    epoch: UUID
    seq: int
    documents: tuple[str, ...]


class Target:
    """The ERP as the connector sees it: `settle` bounds what a lost request may still do."""

    def __init__(self, loop: Loop, seed: int, *, keyed: bool) -> None:
        self.dice = random.Random(f"{seed}/erp")
        self.keyed = keyed
        self.settle = self.dice.choice((0.5, 2.0, 5.0))
        self.effects: list[Effect] = []
        self.trouble: list[str] = []
        """What goes wrong with the deliveries to come, one each."""
        self.down = False
        self.in_flight = 0
        self.most_in_flight = 0
        self.counts = {"ambiguous": 0, "throttled": 0, "looked": 0, "found": 0, "refused": 0}
        self.tell: Callable[[str], None] = lambda _: None
        self._loop = loop

    async def deliver(self, transaction: Transaction, *, again: bool) -> Outcome:
        """Book one transaction."""
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._deliver(transaction, again)
        finally:
            self.in_flight -= 1

    async def _deliver(self, transaction: Transaction, again: bool) -> Outcome:
        if self.down:
            await asyncio.sleep(self.dice.uniform(0, 1))
            return TryLater("connection refused")
        what = self.trouble.pop(0) if self.trouble else ""
        self.tell(f"delivery of {transaction.seq} again={again} {what}")
        if what == "throttled":
            self.counts["throttled"] += 1
            return TryLater("too many requests", after=self.dice.uniform(0, 20))
        if again:
            self.counts["looked"] += 1
            await asyncio.sleep(self.dice.uniform(0.001, 0.02))
            if self._has(transaction):
                self.counts["found"] += 1
                return Posted("found")
        if REFUSED in str(transaction.event):
            self.counts["refused"] += 1
            return Refused("unknown_sku", "no such item")
        done = asyncio.get_running_loop().create_future()
        sent = self.dice.uniform(0.001, 0.03)
        if what == "late":
            # The caller gives up; the request is still on its way.
            sent = self.dice.uniform(0, self.settle * 0.95)
        self._loop.call_later(sent, self._commit, transaction, what, done, context=_OUTSIDE)
        if what in {"late", "lost"}:
            self.counts["ambiguous"] += 1
            if what == "lost":
                await done
            return Unknown("no answer")
        return await self._answer(done, what)

    async def _answer(self, done: "asyncio.Future[bool]", what: str) -> Outcome:
        await done
        await asyncio.sleep(self.dice.uniform(0.001, 0.02))
        if what == "broken":
            self.counts["ambiguous"] += 1
            raise RuntimeError("the connection was reset after the commit")
        return Posted("D")

    def _commit(self, transaction: Transaction, what: str, done: "asyncio.Future[bool]") -> None:
        del what
        if not (self.keyed and self._has(transaction)):
            documents = getattr(transaction.event, "documents", ())
            self.tell(f"effect of {transaction.seq}")
            self.effects.append(
                Effect(
                    transaction.id,
                    transaction.gateway,
                    transaction.epoch,
                    transaction.seq,
                    tuple(document.number for document in documents),
                )
            )
        if not done.done():
            done.set_result(True)

    def _has(self, transaction: Transaction) -> bool:
        return any(effect.id == transaction.id for effect in self.effects)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Connector]:
        """Stand for a connector's `connect`."""
        self.in_flight = 0
        yield self


class BatchTarget(Target):
    """One that books several in one transaction of its own."""

    async def deliver_many(
        self, transactions: Sequence[Transaction], *, again: bool
    ) -> list[Outcome]:
        """Book each in order; after the first that failed none is tried."""
        outcomes: list[Outcome] = []
        for transaction in transactions:
            if outcomes and isinstance(outcomes[-1], TryLater | Unknown):
                outcomes.append(TryLater("one before it failed"))
            else:
                outcomes.append(await self.deliver(transaction, again=again))
        return outcomes


def erp(loop: Loop, seed: int, *, keyed: bool, batches: bool) -> Any:
    """Return an ERP of one of the kinds there are."""
    return (BatchTarget if batches else Target)(loop, seed, keyed=keyed)
