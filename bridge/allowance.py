"""Readings of a target: counted among its calls of the day, and held back so that bookings go on.

A budget is for both. What the schedule reads may use a part of it and no more, and nothing once it
is used up; what a person asks for is counted, too, but not held back.
"""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import TypeVar

from bridge import wire
from bridge.budgets import Spent
from bridge.conditions import Limits
from bridge.connector import Found, Source, Stock
from bridge.errors import SourceFailed
from bridge.gate import day_of
from bridge.ledger import Ledger
from contract.reference import DocumentRecord, ItemRecord, LocationRecord
from runtime.clock import Clock

_T = TypeVar("_T")

EVERY = 10
"""Calls after which a reading is written down and looked at again: some pages of an ERP."""

Opens = Callable[[], AbstractAsyncContextManager[Source] | None]


def of_readings(target: str) -> str:
    """Return the name by which the ledger counts what of a target's calls was reading."""
    return f"{target} (reading)"


class Allowance:
    """What of a target's daily calls readings may use."""

    def __init__(self, ledger: Ledger, target: str, limits: Limits, clock: Clock) -> None:
        """Take where calls are counted, whose they are, and how many there may be."""
        self._ledger = ledger
        self._target = target
        self._limits = limits
        self._clock = clock

    def counted(self, opens: Opens, *, asked: bool = False) -> Opens:
        """Return what opens the same source, with its calls counted.

        Args:
            opens: the reading side of the target.
            asked: whether a person waits for it: then it is not held back.
        """

        def opened() -> AbstractAsyncContextManager[Source] | None:
            source = opens()
            return None if source is None else self._reading(source, asked=asked)

        return opened

    @contextlib.asynccontextmanager
    async def _reading(
        self, source: AbstractAsyncContextManager[Source], *, asked: bool
    ) -> AsyncIterator[Source]:
        if self._limits.per_day is None:
            async with source as opened:
                yield opened
            return
        with wire.counting() as calls:
            reading = _Reading(self, calls, asked=asked)
            await reading.look()
            try:
                async with source as opened:
                    yield _Counted(opened, reading)
            finally:
                await reading.write()

    async def check(self) -> None:
        """Raise `SourceFailed` where the schedule may read no more today."""
        day, most = day_of(self._clock.utc()), self._limits.per_day
        if most is None:
            return
        made = await self._ledger.calls_on(self._target, day)
        read = await self._ledger.calls_on(of_readings(self._target), day)
        if made >= most:
            raise SourceFailed(f"the daily budget of {most} calls is used up until 00:00 UTC")
        share = int(most * self._limits.readings)
        if read >= share:
            raise SourceFailed(
                f"readings have made {read} calls of the {share} they may make of the daily budget;"
                " the rest is for bookings until 00:00 UTC"
            )

    async def spend(self, calls: int) -> None:
        """Write down calls that were made."""
        day = day_of(self._clock.utc())
        names = (self._target, of_readings(self._target))
        await self._ledger.spend(*(Spent(name, day, calls) for name in names))


class _Reading:
    """One reading: its calls so far, of which some are written down."""

    def __init__(self, allowance: Allowance, calls: wire.Calls, *, asked: bool) -> None:
        self._allowance = allowance
        self._calls = calls
        self._asked = asked
        self._written = 0

    async def look(self) -> None:
        if not self._asked:
            await self._allowance.check()

    async def write(self) -> None:
        new = self._calls.sent - self._written
        if new:
            self._written += new
            await self._allowance.spend(new)

    async def within(self, rows: AsyncIterator[_T]) -> AsyncIterator[_T]:
        """Yield `rows` for as long as calls may be made for them."""
        async for row in rows:
            yield row
            if self._calls.sent - self._written >= EVERY:
                await self.write()
                await self.look()


class _Counted:
    """A `Source` that is looked after while it is read."""

    def __init__(self, source: Source, reading: _Reading) -> None:
        self._source = source
        self._reading = reading

    def items(self) -> AsyncIterator[ItemRecord]:
        return self._reading.within(self._source.items())

    def documents(self) -> AsyncIterator[DocumentRecord]:
        return self._reading.within(self._source.documents())

    def locations(self) -> AsyncIterator[LocationRecord]:
        return self._reading.within(self._source.locations())

    def stock(self) -> AsyncIterator[Stock]:
        return self._reading.within(self._source.stock())

    def booked(self, since: datetime) -> AsyncIterator[Found]:
        return self._reading.within(self._source.booked(since))
