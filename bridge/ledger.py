"""What arrived, what became of it, and when to try again.

For each (gateway, epoch) rows are applied gapless and in order; see `contract.envelope`. Applied
means committed: an `Ack` that says so stays true through a power cut. Twice is once.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never
from uuid import UUID

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.database import Database, DatabaseTaken, DatabaseUnfit, sole_database, unbroken
from bridge.errors import LedgerFailed, LedgerTaken, LedgerUnusable
from bridge.inspection import (
    MAX_PAYLOAD,
    MAX_TEXT,
    inspect,
    inspect_again,
    storable,
)
from bridge.intake import Intake, find_stream, known_to, record_of
from bridge.migrations import migrate
from bridge.outcome import Outcome, Posted, Refused, TryLater, Unknown
from bridge.schema import entry, parked, poison, stream
from contract.envelope import Ack, Rejected, Rows
from contract.transactions import Transaction
from runtime.clock import Clock
from runtime.logs import event

log = logging.getLogger(__name__)

MAX_REJECTED = 50
"""Rejections in one `Ack`, as in the contract."""
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


@dataclass(frozen=True, slots=True)
class Attempt:
    """One delivery about to be made; the ledger already says so. `count` starts at 1."""

    number: int
    transaction: Transaction
    again: bool
    count: int


@dataclass(frozen=True, slots=True)
class Result:
    """What came of an attempt. `next_try`: about when it is made again, for people to read."""

    attempt: Attempt
    outcome: Outcome
    next_try: datetime | None = None


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
            grown = any(intake.grown for intake in intakes.values())
            healed = any(intake.healed for intake in intakes.values())
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
    async def undecided(self, after: int, limit: int) -> list[Undecided]:
        """Return up to `limit` entries in line for the ERP, by number, beyond number `after`."""
        query = (
            select(entry.c.number, entry.c.turns, entry.c.state)
            .where(entry.c.decided_at.is_(None), entry.c.number > after)
            .order_by(entry.c.number)
            .limit(limit)
        )
        async with self._reading() as connection:
            return [
                Undecided(row.number, tuple(json.loads(row.turns)), row.state == "sending")
                for row in await connection.execute(query)
            ]

    @unbroken
    async def begin(self, numbers: Sequence[int]) -> list[Attempt]:
        """Write down that deliveries are about to be made, and return them in the order asked for.

        Entries that are decided by now are left out.
        """
        async with self._writing() as connection:
            rows = await connection.execute(
                select(entry.c.number, entry.c.body, entry.c.state, entry.c.attempts)
                .where(entry.c.number.in_(numbers), entry.c.decided_at.is_(None))
                .order_by(entry.c.number)
                .with_for_update()
            )
            found = {row.number: row for row in rows}
            await connection.execute(
                update(entry)
                .where(entry.c.number.in_(found))
                .values(state="sending", attempts=entry.c.attempts + 1, next_try=None)
            )
        return [
            Attempt(
                number,
                Transaction.model_validate_json(found[number].body),
                again=found[number].state == "sending",
                count=found[number].attempts + 1,
            )
            for number in numbers
            if number in found
        ]

    @unbroken
    async def settle(self, *results: Result) -> None:
        """Write down what came of deliveries.

        What was ambiguous stays so until it is decided: that a later attempt certainly booked
        nothing says nothing of the earlier one.
        """
        now = self._clock.utc()
        change = (
            update(entry)
            .where(entry.c.number == bindparam("of"), entry.c.decided_at.is_(None))
            .values({name: bindparam(name) for name in _SETTLED})
        )
        async with self._writing() as connection:
            await connection.execute(change, [_settled(result, now) for result in results])

    @unbroken
    async def revive(self, number: int) -> bool:
        """Put a dead entry back in line, as a person asked. False if it still cannot be read."""
        async with self._writing() as connection:
            found = (
                (
                    await connection.execute(
                        select(entry, stream.c.gateway, stream.c.epoch)
                        .join(stream, stream.c.id == entry.c.stream)
                        .where(entry.c.number == number, entry.c.state == "dead")
                        .with_for_update()
                    )
                )
                .mappings()
                .one_or_none()
            )
            if found is None:
                return False
            again = inspect_again(
                found["gateway"],
                UUID(found["epoch"]),
                found["seq"],
                found["digest"],
                found["body"],
            )
            known = await known_to(connection, [again])
            record = record_of(again, found["stream"], found["received_at"], known, number)
            if record["state"] == "dead":
                return False
            await connection.execute(
                update(entry).where(entry.c.number == number).values(record | {"document": None})
            )
        event(log, logging.INFO, "a dead entry is tried again", number=number)
        self.old_arrived = True
        self.arrived.set()
        return True

    @unbroken
    async def forgive(self, gateway: str, epoch: UUID) -> bool:
        """Take a stream in conflict up again, as a person decided; False if it is in none.

        What is in the ledger stands. Differing rows with the numbers seen so far are ignored from
        now on; rows parked meanwhile are dropped, since they may be of either origin.
        """
        async with self._writing() as connection:
            found = await find_stream(connection, gateway, epoch)
            if found is None or found["conflict"] is None:
                return False
            await connection.execute(delete(parked).where(parked.c.stream == found["id"]))
            await connection.execute(
                update(stream)
                .where(stream.c.id == found["id"])
                .values(
                    conflict=None,
                    forgiven=max(found["upto"], found["conflict"]),
                    gap_since=None,
                )
            )
        event(log, logging.WARNING, "conflict cleared", gateway=gateway, epoch=str(epoch))
        return True

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
                    select(func.count()).where(entry.c.code.is_not(None)),
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
    async def entries(self, limit: int = 100) -> list[dict[str, Any]]:
        """Return the newest entries, newest first, as plain values without their bodies."""
        query = (
            select(
                *(column for column in entry.c if column.name not in {"body", "turns", "stream"}),
                stream.c.site,
                stream.c.gateway,
                stream.c.epoch,
            )
            .join(stream, stream.c.id == entry.c.stream)
            .order_by(entry.c.number.desc())
            .limit(limit)
        )
        async with self._reading() as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()]

    @contextlib.asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        async with self._turnstile:
            try:
                async with self._database.write() as connection:
                    yield connection
            except (SQLAlchemyError, OSError) as error:
                raise LedgerFailed(_first_line(error)) from error

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
    first_open = await connection.scalar(
        select(func.min(entry.c.seq)).where(entry.c.stream == mine.id, entry.c.decided_at.is_(None))
    )
    dead = await connection.execute(
        select(entry.c.seq, entry.c.code, entry.c.text)
        .where(entry.c.stream == mine.id, entry.c.code.is_not(None))
        .order_by(entry.c.seq.desc())
        .limit(MAX_REJECTED)
    )
    ack = Ack(
        epoch=epoch,
        upto=mine.upto,
        posted=mine.upto if first_open is None else first_open - 1,
        rejected=tuple(
            Rejected(seq=row.seq, code=row.code, text=row.text) for row in reversed(dead.all())
        ),
        conflict=mine.conflict,
    )
    return Word(mine.site, gateway, ack, current=mine.id == newest)


_SETTLED = ("state", "document", "code", "text", "next_try", "decided_at")


def _settled(result: Result, now: datetime) -> dict[str, Any]:
    values: dict[str, Any] = dict.fromkeys(_SETTLED) | {"of": result.attempt.number}
    match result.outcome:
        case Posted(document):
            return values | {
                "state": "posted",
                "document": storable(document),
                "decided_at": now,
            }
        case Refused(code, text):
            return values | {
                "state": "dead",
                "code": code,
                "text": storable(text)[:MAX_TEXT],
                "decided_at": now,
            }
        case TryLater(why) | Unknown(why):
            sure = not result.attempt.again and isinstance(result.outcome, TryLater)
            return values | {
                "state": "received" if sure else "sending",
                "text": storable(why)[:MAX_TEXT],
                "next_try": result.next_try,
            }
        case _:
            assert_never(result.outcome)


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
