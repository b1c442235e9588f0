"""The ledger as far as it can be read. What is here changes nothing."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from bridge import (
    audit,
    budgets,
    clocks,
    decisions,
    gaps,
    poison,
    posting,
    reading,
    shadow,
    streams,
)
from bridge.audit import Verdict
from bridge.database import unbroken
from bridge.decisions import Which
from bridge.gaps import Standstill
from bridge.modes import Modes
from bridge.posting import Attempt, Member
from bridge.reading import Queue
from bridge.search import Page, Wanted, search
from bridge.standing import Standing, standing
from bridge.store import Store
from bridge.streams import Word
from bridge.waiting import Undecided, undecided


class ReadableLedger(Store):
    """What can be asked of a ledger. All answers are plain values of one consistent state."""

    @unbroken
    async def word(self, gateway: str, epoch: UUID) -> Word:
        """Return what the gateway of a known stream is to be told now."""
        async with self._reading() as connection:
            return await streams.word(connection, gateway, epoch)

    @unbroken
    async def recent_streams(self, limit: int = 1_000) -> list[tuple[str, UUID]]:
        """Return the stream of each gateway that brought a row last, the latest first."""
        async with self._reading() as connection:
            return await streams.recent(connection, limit)

    @unbroken
    async def streams(self, limit: int = 100) -> list[dict[str, Any]]:
        """Return the streams that brought a row last, the latest first, as plain values."""
        async with self._reading() as connection:
            return await streams.heard_last(connection, limit)

    @unbroken
    async def standstills(self) -> list[Standstill]:
        """Return the streams that do not go on by themselves: in conflict, or with a gap."""
        async with self._reading() as connection:
            return await gaps.standstills(connection)

    @unbroken
    async def standing(self) -> Standing:
        """Return counts and ages. Costs grow with what is open, not with what was ever booked."""
        now = self._clock.utc()
        async with self._reading() as connection:
            return await standing(connection, now)

    @unbroken
    async def undecided(
        self, after: int, limit: int, modes: Modes | None = None
    ) -> list[Undecided]:
        """Return up to `limit` entries in line for the ERP, by number, beyond number `after`.

        With `modes`, only those that are live.
        """
        now = self._clock.utc()
        async with self._reading() as connection:
            return await undecided(connection, after, limit, modes, now)

    @unbroken
    async def together(self, numbers: Sequence[int]) -> list[Member]:
        """Return undecided entries in the order asked for, up to the first decided by now."""
        async with self._reading() as connection:
            return await posting.together(connection, numbers)

    @unbroken
    async def unplanned(self, limit: int, modes: Modes) -> list[Attempt]:
        """Return entries in shadow that have no plan yet, as they would be sent."""
        async with self._reading() as connection:
            return await shadow.unplanned(connection, limit, modes)

    @unbroken
    async def plans(self, limit: int = 1_000, after: int = 0) -> list[dict[str, Any]]:
        """Return planned entries that are still in line, by number."""
        async with self._reading() as connection:
            return await reading.plans(connection, limit, after)

    @unbroken
    async def queues(self, configured: Modes) -> list[Queue]:
        """Return what is in line, by mode, gateway, station and type."""
        async with self._reading() as connection:
            now = await decisions.modes(connection, configured)
            return await reading.queues(connection, now)

    @unbroken
    async def occurred(self, attempt: Attempt) -> datetime:
        """Return when what is to be delivered happened, corrected where its clock was not set."""
        transaction = attempt.transaction
        if transaction.clock.synchronised:
            return transaction.clock.wall
        name = (transaction.gateway, str(transaction.clock.boot))
        async with self._reading() as connection:
            known = await clocks.beginnings(connection, [name])
        return clocks.occurred(transaction, known, attempt.received_at)[0]

    @unbroken
    async def find(self, name: str) -> int | None:
        """Return the number of an entry by its number, its id, or the ERP's document."""
        async with self._reading() as connection:
            return await reading.find(connection, name)

    @unbroken
    async def explain(self, number: int) -> dict[str, Any] | None:
        """Return the whole story of one entry; None if there is none of that number."""
        async with self._reading() as connection:
            return await reading.explain(connection, number)

    @unbroken
    async def dead_letters(
        self, which: Which | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """Return dead entries that wait for a person, newest first, each with what can be done."""
        async with self._reading() as connection:
            return await reading.dead_letters(connection, which or Which(), limit)

    @unbroken
    async def entries(
        self, limit: int = 100, which: Which | None = None, text: str = ""
    ) -> list[dict[str, Any]]:
        """Return the newest entries, newest first, as plain values without their bodies.

        Args:
            limit: how many at most.
            which: of them; all without it.
            text: where given, it must stand in the body, or be the ERP's document number.
        """
        async with self._reading() as connection:
            return await reading.entries(connection, which or Which(), limit, text)

    @unbroken
    async def search(self, wanted: Wanted, limit: int = 100, below: int | None = None) -> Page:
        """Return entries that fit, newest first; see `bridge.search.search`."""
        async with self._reading() as connection:
            return await search(connection, wanted, limit, below, self._clock.monotonic)

    @unbroken
    async def poisoned(self, limit: int = 100, below: int | None = None) -> list[dict[str, Any]]:
        """Return messages that could not be read, newest first, without what they say."""
        async with self._reading() as connection:
            return await poison.newest(connection, limit, below)

    @unbroken
    async def poisoned_one(self, number: int) -> dict[str, Any] | None:
        """Return one message that could not be read, with what is kept of it."""
        async with self._reading() as connection:
            return await poison.one(connection, number)

    @unbroken
    async def decided(self) -> int:
        """Return a number that grows with every decision of a person, by whatever program."""
        async with self._reading() as connection:
            return await audit.newest(connection)

    @unbroken
    async def modes(self, configured: Modes) -> tuple[int, Modes]:
        """Return the modes as they are now, and the `decided` they are as of."""
        async with self._reading() as connection:
            return await audit.newest(connection), await decisions.modes(connection, configured)

    @unbroken
    async def audit_trail(self, limit: int = 100, below: int | None = None) -> list[dict[str, Any]]:
        """Return the newest rows of the audit trail, newest first; those below a number."""
        async with self._reading() as connection:
            return await audit.latest(connection, limit, below)

    @unbroken
    async def verify(self, expected: str | None = None) -> Verdict:
        """Hold the whole audit trail against its digests; see `bridge.audit.verify`."""
        async with self._reading() as connection:
            return await audit.verify(connection, expected)

    @unbroken
    async def calls_on(self, target: str, day: str) -> int:
        """Return how many calls were made to a target on a day, `YYYY-MM-DD` in UTC."""
        async with self._reading() as connection:
            return await budgets.calls_on(connection, target, day)
