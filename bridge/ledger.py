"""What arrived, what became of it, and when to try again.

For each (gateway, epoch) rows are applied gapless and in order; see `contract.envelope`. Applied
means committed: an `Ack` that says so stays true through a power cut. Twice is once.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge import (
    attempts,
    audit,
    budgets,
    clocks,
    decisions,
    gaps,
    noted,
    poison,
    posting,
    shadow,
    streams,
)
from bridge.amendment import Changes
from bridge.arrivals import Arrival, set_free, take_in
from bridge.audit import Deed
from bridge.budgets import Spent
from bridge.database import Database, DatabaseTaken, DatabaseUnfit, sole_database, unbroken
from bridge.decisions import By, Which
from bridge.errors import (
    DecisionsChanged,
    LeaseLost,
    LedgerRaced,
    LedgerTaken,
    LedgerUnusable,
)
from bridge.gaps import Closed
from bridge.lease import Claim
from bridge.migrations import check, migrate
from bridge.modes import Mode, Modes, Scope
from bridge.noted import Closed as Closing
from bridge.posting import Attempt, Result
from bridge.readable import ReadableLedger
from bridge.shadow import Planned
from contract.envelope import Ack, Rows
from runtime.clock import Clock
from runtime.logs import event

log = logging.getLogger(__name__)

RACES = 3
"""Times rows are taken in again where two bridges met: a new stream, a deadlock."""


class Ledger(ReadableLedger):
    """One ledger. All methods raise `LedgerFailed` when the database does not do its part."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock)
        self._boots = clocks.Boots()
        self.arrived = asyncio.Event()
        """Set when entries became due that were not before. The dispatcher clears it."""
        self.old_arrived = False
        """Set with it when a number may be old: revived, healed. The dispatcher clears it."""

    @unbroken
    async def apply(self, *envelopes: Rows) -> list[Ack]:
        """Take rows in. When this returns, everything the acks say survives a power cut.

        Per stream: the row after the last one is applied; later ones are parked; earlier ones are
        ignored after comparing digests. A row that can never be booked is applied as dead, with a
        reason, so that it holds up nobody.

        Args:
            envelopes: any number, in order of arrival; one database transaction takes them all.

        Returns:
            One ack for each envelope, as of the end.

        Raises:
            LedgerFailed: nothing was taken in; the same again is harmless.
        """
        arrivals = [Arrival.of(rows) for rows in envelopes]
        for _ in range(RACES):
            try:
                return await self._take_in(arrivals)
            except LedgerRaced as raced:
                event(log, logging.INFO, "another bridge took in the same", why=str(raced))
        return await self._take_in(arrivals)

    async def _take_in(self, arrivals: Sequence[Arrival]) -> list[Ack]:
        async with self._writing() as connection:
            taken = await take_in(connection, arrivals, self._boots, self._clock.utc())
        self._boots.remember(taken.transactions)
        for gateway, epoch in taken.unfinished:
            while await self._set_free(gateway, epoch):
                pass
        self.old_arrived |= taken.healed
        if taken.grown or taken.healed:
            self.arrived.set()
        owners = [(arrival.rows.gateway, arrival.rows.epoch) for arrival in arrivals]
        async with self._reading() as connection:
            return [(await streams.word(connection, *owner)).ack for owner in owners]

    async def _set_free(self, gateway: str, epoch: UUID) -> bool:
        async with self._writing() as connection:
            return await set_free(connection, gateway, epoch, self._clock.utc())

    @unbroken
    async def quarantine(self, topic: str, payload: bytes, reason: str) -> None:
        """Keep a message that can never be read, for a person; the oldest ones give way."""
        async with self._writing() as connection:
            await poison.keep(connection, topic, payload, reason, self._clock.utc())

    @unbroken
    async def begin(
        self, numbers: Sequence[int], claim: Claim | None = None, decided: int | None = None
    ) -> list[Attempt]:
        """Write down that deliveries are about to be made, and return them in the order asked for.

        Left out: entries that are decided by now, and a reversal of what is still to be booked, or
        needs no posting.

        Args:
            numbers: of entries.
            claim: to the target; it must be held.
            decided: as `decided` was when the caller last asked.

        Raises:
            LeaseLost: another dispatcher delivers now; nothing was begun.
            DecisionsChanged: a person has decided something since; nothing was begun.
        """
        async with self._writing() as connection:
            await _still(connection, claim, decided)
            return await posting.begin(connection, numbers, self._clock.utc())

    @unbroken
    async def close_noted(
        self, modes: Modes, claim: Claim | None = None, decided: int | None = None
    ) -> Closing:
        """Close entries that need no posting, a page of them; `claim`, `decided` as for `begin`."""
        async with self._writing() as connection:
            await _still(connection, claim, decided)
            return await noted.close(connection, modes, self._clock.utc())

    @unbroken
    async def settle(self, *results: Result, spent: Spent | None = None) -> None:
        """Write down what came of deliveries, and what they cost of the target's daily budget.

        What was ambiguous stays so until it is decided: that a later attempt certainly booked
        nothing says nothing of the earlier one.
        """
        async with self._writing() as connection:
            await posting.settle(connection, results, self._clock.utc())
            if spent is not None:
                await budgets.spend(connection, spent)

    @unbroken
    async def spend(self, *spent: Spent) -> None:
        """Write down calls made to a target that brought no transaction: readings."""
        async with self._writing() as connection:
            for each in spent:
                await budgets.spend(connection, each)

    @unbroken
    async def plan(self, plans: Sequence[Planned]) -> None:
        """Keep what would be sent for entries in shadow."""
        async with self._writing() as connection:
            await shadow.keep(connection, plans, self._clock.utc())

    @unbroken
    async def prune(
        self, before: datetime, after: tuple[int, int] = (0, 0)
    ) -> tuple[int, int] | None:
        """Take out a page of attempts of what was done with; see `bridge.attempts.prune`."""
        async with self._writing() as connection:
            return await attempts.prune(connection, before, after)

    @unbroken
    async def take_lease(self, claim: Claim) -> bool:
        """Take or renew the right to deliver; False while another dispatcher has it."""
        async with self._writing() as connection:
            return await claim.take(connection)

    @unbroken
    async def leave_lease(self, claim: Claim) -> None:
        """Give the right to deliver back."""
        async with self._writing() as connection:
            await claim.leave(connection)

    @unbroken
    async def set_mode(self, scope: Scope, to: Mode, who: str, why: str = "") -> None:
        """Set a mode from now on. What a delivery in flight does is not changed by it."""
        async with self._writing() as connection:
            await decisions.set_mode(connection, scope, to, self._by(who, why))
        event(log, logging.WARNING, "mode set", scope=str(scope), mode=to, who=who)
        self._look_again()

    @unbroken
    async def note(self, who: str, what: str, detail: Mapping[str, Any]) -> None:
        """Add to the audit trail what is not about an entry, where it is not what holds already.

        Such as a new configuration, or mapping tables of a new version.
        """
        async with self._writing() as connection:
            await audit.record_new(connection, self._clock.utc(), Deed(who, what, detail))

    async def revive(self, number: int, who: str = "somebody", why: str = "") -> bool:
        """Put a dead entry back in line, as a person asked. False if it still cannot be read."""
        return bool(await self.retry(Which(numbers=[number]), who, why))

    @unbroken
    async def retry(self, which: Which | int, who: str, why: str = "") -> list[int]:
        """Put dead entries back in line; return their numbers, at most `decisions.MOST`."""
        async with self._writing() as connection:
            done = await decisions.retry(connection, _which(which), self._by(who, why))
        return self._told("dead entries are tried again", done, who)

    @unbroken
    async def amend(self, number: int, changes: Changes, who: str, why: str) -> bool:
        """Put changes beside a dead entry and the entry back in line, with the same id.

        Returns:
            False where the entry is not dead, or cannot be read at all.

        Raises:
            ValueError: the changes do not fit the entry; nothing was changed.
        """
        async with self._writing() as connection:
            which = Which(numbers=[number])
            done = await decisions.retry(connection, which, self._by(who, why), changes, "amend")
        return bool(self._told("a dead entry is amended and tried again", done, who))

    @unbroken
    async def discard(self, which: Which | int, who: str, why: str) -> list[int]:
        """Take entries that are dead, or were never sent, out of line for good."""
        async with self._writing() as connection:
            done = await decisions.discard(connection, _which(which), self._by(who, why))
        return self._told("entries are discarded", done, who)

    @unbroken
    async def replay(self, which: Which | int, who: str, why: str) -> list[int]:
        """Let posted entries be looked up at the ERP again, and booked where they are missing."""
        async with self._writing() as connection:
            done = await decisions.replay(connection, _which(which), self._by(who, why))
        return self._told("posted entries are looked up again", done, who)

    @unbroken
    async def forgive(
        self, gateway: str, epoch: UUID, who: str = "somebody", why: str = ""
    ) -> bool:
        """Take a stream in conflict up again, as a person decided; False if it is in none.

        What is in the ledger stands. Differing rows with the numbers seen so far are ignored from
        now on; rows parked meanwhile are dropped, since they may be of either origin.
        """
        async with self._writing() as connection:
            done = await decisions.forgive(connection, gateway, epoch, self._by(who, why))
        if done:
            event(log, logging.WARNING, "conflict cleared", gateway=gateway, epoch=str(epoch))
        return done

    @unbroken
    async def close_gap(self, gateway: str, epoch: UUID, who: str, why: str) -> Closed | None:
        """Give up rows that never came, as a person decided; None where no row waits for them."""
        async with self._writing() as connection:
            done = await gaps.close(connection, gateway, epoch, self._by(who, why))
        if done is not None:
            while await self._set_free(gateway, epoch):
                pass
            event(log, logging.WARNING, "gap closed", gateway=gateway, first=done.first, who=who)
            self._look_again()
        return done

    def _by(self, who: str, why: str) -> By:
        return By(who, why, self._clock.utc())

    def _told(self, message: str, numbers: list[int], who: str) -> list[int]:
        if numbers:
            event(log, logging.INFO, message, entries=len(numbers), first=numbers[0], who=who)
            self._look_again()
        return numbers

    def _look_again(self) -> None:
        self.old_arrived = True
        self.arrived.set()


async def _still(connection: AsyncConnection, claim: Claim | None, decided: int | None) -> None:
    """Raise where the caller is not the one who delivers, or a person has decided something."""
    if claim is not None and not await claim.held(connection):
        raise LeaseLost(f"another bridge delivers to {claim.target} now")
    if decided is not None and await audit.newest(connection) != decided:
        raise DecisionsChanged("a person has decided something")


def _which(which: Which | int) -> Which:
    return Which(numbers=[which]) if isinstance(which, int) else which


def _is_missing(path: str) -> bool:
    return not Path(path).exists()


@contextlib.asynccontextmanager
async def open_ledger(url: str | URL, clock: Clock | None = None) -> AsyncIterator[Ledger]:
    """Open the ledger, creating and migrating it as needed; close it at the end.

    Args:
        url: an SQLAlchemy URL: `sqlite+aiosqlite:///path` or `postgresql+psycopg://...`.
        clock: for the times written down.

    Raises:
        LedgerTooNew: written by a newer program; untouched.
        LedgerTaken: another bridge has this SQLite file open.
        LedgerUnusable: not a database, no permission, or it will not keep its word.
    """
    async with contextlib.AsyncExitStack() as stack:
        try:
            database = await stack.enter_async_context(sole_database(url))
            await migrate(database)
        except DatabaseTaken as error:
            raise LedgerTaken(str(error)) from error
        except DatabaseUnfit as error:
            raise LedgerUnusable(str(error)) from error
        yield Ledger(database, clock or Clock())


@contextlib.asynccontextmanager
async def visit_ledger(url: str | URL, clock: Clock | None = None) -> AsyncIterator[Ledger]:
    """Open a ledger that is there, beside the bridge that works on it; change no schema.

    Raises:
        LedgerUnusable: there is none, or it is of another version than this program.
    """
    try:
        database = Database(url, shared=True)
    except DatabaseUnfit as error:
        raise LedgerUnusable(str(error)) from error
    try:
        if database.sqlite and _is_missing(str(database.url.database)):
            raise LedgerUnusable(f"{database.url.database}: there is no ledger; start the bridge")
        await check(database)
        yield Ledger(database, clock or Clock())
    finally:
        await database.close()
