"""What arrived, what became of it, and when to try again.

For each (gateway, epoch) rows are applied gapless and in order; see `contract.envelope`. Applied
means committed: an `Ack` that says so stays true through a power cut. Twice is once.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import delete, desc, func, insert, select, true
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge import attempts, audit, budgets, clocks, decisions, gaps, posting, reading, shadow
from bridge.amendment import Changes
from bridge.audit import Deed, Verdict
from bridge.budgets import Spent
from bridge.database import Database, DatabaseTaken, DatabaseUnfit, sole_database, unbroken
from bridge.decisions import By, Which
from bridge.errors import (
    DecisionsChanged,
    LeaseLost,
    LedgerFailed,
    LedgerRaced,
    LedgerTaken,
    LedgerUnusable,
)
from bridge.gaps import Closed, Standstill
from bridge.inspection import MAX_PAYLOAD, MAX_TEXT, Inspected, inspect, storable
from bridge.intake import Intake, find_stream
from bridge.lease import Claim
from bridge.migrations import check, migrate
from bridge.modes import Mode, Modes, Scope
from bridge.posting import Attempt, Member, Result
from bridge.reading import Queue
from bridge.schema import entry, parked, poison, repeat, stream
from bridge.search import Page, Wanted, search
from bridge.shadow import Planned
from contract.envelope import Ack, Rejected, Rows
from runtime.clock import Clock
from runtime.logs import event

log = logging.getLogger(__name__)
_T = TypeVar("_T")

MAX_REJECTED = 50
"""Rejections in one `Ack`, as in the contract."""
RACES = 3
"""Times rows are taken in again where two bridges met: a new stream, a deadlock."""
KEPT_POISON = 1_000
"""Unreadable messages kept for a person to look at."""
POISON_BYTES = 64_000
"""Bytes kept of each."""
_DRAIN = (
    500  # parked rows applied in one transaction: a long gap must not hold the lock for seconds
)


@dataclass(frozen=True, slots=True)
class Word:
    """What one gateway is to be told. `current`: no newer stream of that gateway is known."""

    site: str
    gateway: str
    ack: Ack
    current: bool


@dataclass(frozen=True, slots=True)
class Undecided:
    """An entry in line for the ERP. `ambiguous`: an earlier attempt may have been booked."""

    number: int
    keys: tuple[str, ...]
    ambiguous: bool
    share: str
    """Gateway and station: whose line it stands in, where lines share a target."""
    age_s: float
    """Seconds since it was received."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the ledger stands, for a scrape. Ages in seconds."""

    undecided: int
    dead: int
    oldest_undecided_s: float
    streams: int
    conflicts: int
    gaps: int
    oldest_gap_s: float
    parked: int
    poison: int


class Ledger:
    """One ledger. All methods raise `LedgerFailed` when the database does not do its part."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        # SQLite has one writer: waiting here is fair and silent, waiting there is neither.
        self._turnstile = asyncio.Lock()
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
        inspected = [
            [
                inspect(rows.gateway, rows.epoch, rows.first + place, row)
                for place, row in enumerate(rows.rows)
            ]
            for rows in envelopes
        ]
        for _ in range(RACES):
            try:
                return await self._take_in(envelopes, inspected)
            except LedgerRaced as raced:
                event(log, logging.INFO, "another bridge took in the same", why=str(raced))
        return await self._take_in(envelopes, inspected)

    async def _take_in(
        self, envelopes: Sequence[Rows], inspected: Sequence[Sequence[Inspected]]
    ) -> list[Ack]:
        async with self._writing() as connection:
            # Sorted: on PostgreSQL two bridges must lock streams in the same order.
            owners = {(rows.gateway, rows.epoch): rows for rows in envelopes}
            intakes = {
                owner: await Intake.open(connection, owners[owner], self._clock.utc())
                for owner in sorted(owners)
            }
            for rows, found in zip(envelopes, inspected, strict=True):
                await intakes[rows.gateway, rows.epoch].take(found)
            unfinished = [intake for intake in intakes.values() if await intake.close()]
            clocked = [row.transaction for rows in inspected for row in rows if row.transaction]
            await self._boots.learn(connection, clocked)
            grown = any(intake.grown for intake in intakes.values())
            healed = any(intake.healed for intake in intakes.values())
        self._boots.remember(clocked)
        for intake in unfinished:
            while await self._drain(intake.gateway, intake.epoch):
                pass
        self.old_arrived |= healed
        if grown or healed:
            self.arrived.set()
        async with self._reading() as connection:
            return [(await _word(connection, rows.gateway, rows.epoch)).ack for rows in envelopes]

    async def _drain(self, gateway: str, epoch: UUID) -> bool:
        async with self._writing() as connection:
            row = await find_stream(connection, gateway, epoch)
            if row is None:
                return False
            return await Intake(connection, row, self._clock.utc()).close()

    @unbroken
    async def word(self, gateway: str, epoch: UUID) -> Word:
        """Return what the gateway of a known stream is to be told now."""
        async with self._reading() as connection:
            return await _word(connection, gateway, epoch)

    @unbroken
    async def recent_streams(self, limit: int = 1_000) -> list[tuple[str, UUID]]:
        """Return the newest stream of each gateway, those heard last first."""
        newest = select(func.max(stream.c.id)).group_by(stream.c.gateway)
        query = (
            select(stream.c.gateway, stream.c.epoch)
            .where(stream.c.id.in_(newest))
            .order_by(stream.c.last_seen.desc())
            .limit(limit)
        )
        async with self._reading() as connection:
            return [(row.gateway, UUID(row.epoch)) for row in await connection.execute(query)]

    @unbroken
    async def quarantine(self, topic: str, payload: bytes, reason: str) -> None:
        """Keep a message that can never be read, for a person; the oldest ones give way."""
        values = {
            "received_at": self._clock.utc(),
            "topic": storable(topic)[:256],
            "reason": storable(reason)[:MAX_TEXT],
            "size": len(payload),
            "payload": payload[: min(POISON_BYTES, MAX_PAYLOAD)],
        }
        async with self._writing() as connection:
            made = await connection.execute(insert(poison).values(values))
            number = made.inserted_primary_key[0] if made.inserted_primary_key else 0
            await connection.execute(delete(poison).where(poison.c.number <= number - KEPT_POISON))

    @unbroken
    async def undecided(
        self, after: int, limit: int, modes: Modes | None = None
    ) -> list[Undecided]:
        """Return up to `limit` entries in line for the ERP, by number, beyond number `after`.

        With `modes`, only those that are live.
        """
        query = (
            select(
                entry.c.number,
                entry.c.turns,
                entry.c.state,
                entry.c.station,
                entry.c.received_at,
                stream.c.gateway,
            )
            .join(stream, stream.c.id == entry.c.stream)
            .where(entry.c.decided_at.is_(None), entry.c.number > after)
            .where(true() if modes is None else modes.where("live"))
            .order_by(entry.c.number)
            .limit(limit)
        )
        now = self._clock.utc()
        async with self._reading() as connection:
            return [
                Undecided(
                    row.number,
                    tuple(json.loads(row.turns)),
                    row.state == "sending",
                    f"{row.gateway}/{row.station}",
                    _age(now, row.received_at),
                )
                for row in await connection.execute(query)
            ]

    @unbroken
    async def begin(
        self, numbers: Sequence[int], claim: Claim | None = None, decided: int | None = None
    ) -> list[Attempt]:
        """Write down that deliveries are about to be made, and return them in the order asked for.

        Left out: entries that are decided by now, and a reversal of what is still to be booked.

        Args:
            numbers: of entries.
            claim: to the target; it must be held.
            decided: as `decided` was when the caller last asked.

        Raises:
            LeaseLost: another dispatcher delivers now; nothing was begun.
            DecisionsChanged: a person has decided something since; nothing was begun.
        """
        async with self._writing() as connection:
            if claim is not None and not await claim.held(connection):
                raise LeaseLost(f"another bridge delivers to {claim.target} now")
            if decided is not None and await audit.newest(connection) != decided:
                raise DecisionsChanged("a person has decided something")
            return await posting.begin(connection, numbers, self._clock.utc())

    @unbroken
    async def together(self, numbers: Sequence[int]) -> list[Member]:
        """Return undecided entries in the order asked for, up to the first decided by now."""
        async with self._reading() as connection:
            return await posting.together(connection, numbers)

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

    @property
    def alone(self) -> bool:
        """Whether this process alone has it open, but for commands of people."""
        return self._database.sqlite

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
    async def standstills(self) -> list[Standstill]:
        """Return the streams that do not go on by themselves: in conflict, or with a gap."""
        async with self._reading() as connection:
            return await gaps.standstills(connection)

    @unbroken
    async def close_gap(self, gateway: str, epoch: UUID, who: str, why: str) -> Closed | None:
        """Give up rows that never came, as a person decided; None where no row waits for them."""
        async with self._writing() as connection:
            done = await gaps.close(connection, gateway, epoch, self._by(who, why))
        if done is not None:
            while await self._drain(gateway, epoch):
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

    @unbroken
    async def unplanned(self, limit: int, modes: Modes) -> list[Attempt]:
        """Return entries in shadow that have no plan yet, as they would be sent."""
        async with self._reading() as connection:
            return await shadow.unplanned(connection, limit, modes)

    @unbroken
    async def plan(self, plans: Sequence[Planned]) -> None:
        """Keep what would be sent for entries in shadow."""
        async with self._writing() as connection:
            await shadow.keep(connection, plans, self._clock.utc())

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
    async def calls_on(self, target: str, day: str) -> int:
        """Return how many calls were made to a target on a day, `YYYY-MM-DD` in UTC."""
        async with self._reading() as connection:
            return await budgets.calls_on(connection, target, day)

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
    async def prune(
        self, before: datetime, after: tuple[int, int] = (0, 0)
    ) -> tuple[int, int] | None:
        """Take out a page of attempts of what was done with; see `bridge.attempts.prune`."""
        async with self._writing() as connection:
            return await attempts.prune(connection, before, after)

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
    async def standing(self) -> Standing:
        """Return counts and ages. Costs grow with what is open, not with what was ever booked."""
        now = self._clock.utc()
        async with self._reading() as connection:
            undecided, oldest = (
                await connection.execute(
                    select(func.count(), func.min(entry.c.number)).where(
                        entry.c.decided_at.is_(None)
                    )
                )
            ).one()
            since = await connection.scalar(
                select(entry.c.received_at).where(entry.c.number == oldest)
            )
            streams, conflicts, gaps, gap_since = (
                await connection.execute(
                    select(
                        func.count(),
                        func.count(stream.c.conflict),
                        func.count(stream.c.gap_since),
                        func.min(stream.c.gap_since),
                    )
                )
            ).one()
            counts = [
                await connection.scalar(query)
                for query in (
                    select(func.count()).where(
                        entry.c.code.is_not(None), entry.c.code != "discarded"
                    ),
                    select(func.count()).select_from(parked),
                    select(func.max(poison.c.number)),
                )
            ]
        return Standing(
            undecided=undecided,
            dead=counts[0] or 0,
            oldest_undecided_s=_age(now, since),
            streams=streams,
            conflicts=conflicts,
            gaps=gaps,
            oldest_gap_s=_age(now, gap_since),
            parked=counts[1] or 0,
            poison=counts[2] or 0,
        )

    @unbroken
    async def streams(self, limit: int = 100) -> list[dict[str, Any]]:
        """Return the streams heard last, newest first, as plain values."""
        query = select(stream).order_by(stream.c.last_seen.desc()).limit(limit)
        async with self._reading() as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()]

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
            return await reading.poisoned(connection, limit, below)

    @unbroken
    async def poisoned_one(self, number: int) -> dict[str, Any] | None:
        """Return one message that could not be read, with what is kept of it."""
        async with self._reading() as connection:
            return await reading.poisoned_one(connection, number)

    @unbroken
    async def ask(self, question: Callable[[AsyncConnection], Awaitable[_T]]) -> _T:
        """Return what `question` reads, of one consistent state: for rooms with tables here."""
        async with self._reading() as connection:
            return await question(connection)

    @unbroken
    async def put(self, work: Callable[[AsyncConnection, datetime], Awaitable[_T]]) -> _T:
        """Do `work` in one transaction, given the time now: for rooms with tables here."""
        async with self._writing() as connection:
            return await work(connection, self._clock.utc())

    @contextlib.asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        async with self._turnstile:
            try:
                async with self._database.write() as connection:
                    yield connection
            except (SQLAlchemyError, OSError) as error:
                kind = LedgerRaced if _is_race(error) else LedgerFailed
                raise kind(_first_line(error)) from error

    @contextlib.asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._database.read() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            raise LedgerFailed(_first_line(error)) from error


async def _word(connection: AsyncConnection, gateway: str, epoch: UUID) -> Word:
    mine = (
        await connection.execute(
            select(stream).where(stream.c.gateway == gateway, stream.c.epoch == str(epoch))
        )
    ).one()
    newest = await connection.scalar(
        select(func.max(stream.c.id)).where(stream.c.gateway == gateway)
    )
    # A row that came again in a new stream is as far as the entry it is the same as.
    undecided = select(entry.c.number).where(entry.c.decided_at.is_(None))
    open_seqs = [
        await connection.scalar(query)
        for query in (
            select(func.min(entry.c.seq)).where(
                entry.c.stream == mine.id, entry.c.decided_at.is_(None)
            ),
            select(func.min(repeat.c.seq)).where(
                repeat.c.stream == mine.id, repeat.c.entry.in_(undecided)
            ),
        )
    ]
    first_open = min((seq for seq in open_seqs if seq is not None), default=None)
    dead = await connection.execute(
        select(entry.c.seq, entry.c.code, entry.c.text)
        .where(entry.c.stream == mine.id, entry.c.code.is_not(None))
        .union_all(
            select(repeat.c.seq, entry.c.code, entry.c.text)
            .join(entry, entry.c.number == repeat.c.entry)
            .where(repeat.c.stream == mine.id, entry.c.code.is_not(None))
        )
        .order_by(desc("seq"))
        .limit(MAX_REJECTED)
    )
    last = None
    if mine.upto > mine.forgiven:
        last = await connection.scalar(
            select(entry.c.digest)
            # A row that was given up has none.
            .where(entry.c.stream == mine.id, entry.c.seq == mine.upto, entry.c.body != "")
            .union_all(
                select(repeat.c.digest).where(repeat.c.stream == mine.id, repeat.c.seq == mine.upto)
            )
        )
    ack = Ack(
        epoch=epoch,
        upto=mine.upto,
        digest=last,
        posted=mine.upto if first_open is None else first_open - 1,
        rejected=tuple(
            Rejected(seq=row.seq, code=row.code, text=row.text) for row in reversed(dead.all())
        ),
        conflict=mine.conflict,
    )
    return Word(mine.site, gateway, ack, current=mine.id == newest)


def _is_race(error: Exception) -> bool:
    """Whether PostgreSQL says that two did the same: unique, serialization, deadlock."""
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    return state in {"23505", "40001", "40P01"}


def _is_missing(path: str) -> bool:
    return not Path(path).exists()


def _which(which: Which | int) -> Which:
    return Which(numbers=[which]) if isinstance(which, int) else which


def _age(now: datetime, since: datetime | None) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


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
