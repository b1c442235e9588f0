"""Deliveries in the ledger, in one database transaction: begun before they are made, then settled.

`attempts` of an entry counts them. What came of an attempt counts only while no later one has
begun; that the ERP has it is true whoever says so.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

from sqlalchemy import BindParameter, Integer, bindparam, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge import attempts
from bridge.amendment import Changes, amend
from bridge.inspection import MAX_TEXT, storable
from bridge.noted import NOTED
from bridge.outcome import Outcome, Posted, Refused, TryLater, Unknown
from bridge.schema import amendment, entry
from bridge.schema import attempt as attempt_table
from bridge.wire import Note
from contract.envelope import encode
from contract.transactions import Reversal, Transaction


@dataclass(frozen=True, slots=True)
class Attempt:
    """One delivery about to be made; the ledger already says so. `count` starts at 1."""

    number: int
    transaction: Transaction
    """As it is to be booked: with what a person changed of it."""
    again: bool
    count: int
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Result:
    """What came of an attempt. `next_try`: about when it is made again, for people to read."""

    attempt: Attempt
    outcome: Outcome
    next_try: datetime | None = None
    notes: Sequence[Note] = ()
    """What went over the wire, with the first of those delivered together."""
    given: Transaction | None = None
    """What the connector was given, where a mapping made it another one."""
    mapping: str | None = None
    """The version of that mapping."""


_NUMBERS: BindParameter[int] = bindparam("numbers", expanding=True)
# Put together once: putting a statement together costs as much as running it.
_OPEN = (
    select(
        entry.c.number,
        entry.c.body,
        entry.c.state,
        entry.c.attempts,
        entry.c.received_at,
        amendment.c.changes,
    )
    .outerjoin(amendment, amendment.c.entry == entry.c.number)
    .where(entry.c.number.in_(_NUMBERS), entry.c.decided_at.is_(None))
    .order_by(entry.c.number, amendment.c.number)
    .with_for_update(of=entry)
)
_BEGIN = (
    update(entry)
    .where(entry.c.number.in_(_NUMBERS))
    .values(state="sending", attempts=entry.c.attempts + 1, next_try=None)
)


async def begin(
    connection: AsyncConnection, numbers: Sequence[int], now: datetime
) -> list[Attempt]:
    """Write down that deliveries are about to be made, and return them in the order asked for.

    Left out: entries that are decided by now, and a reversal of what is still to be booked, or
    needs no posting.
    """
    rows = await connection.execute(_OPEN, {"numbers": list(numbers)})
    found: dict[int, Any] = {}
    changes: dict[int, list[Changes]] = {}
    for row in rows:
        found[row.number] = row
        if row.changes is not None:
            change = Changes.model_validate_json(row.changes)
            changes.setdefault(row.number, []).append(change)
    begun = [
        Attempt(
            number,
            amend(Transaction.model_validate_json(found[number].body), changes.get(number, ())),
            again=found[number].state == "sending",
            count=found[number].attempts + 1,
            received_at=found[number].received_at,
        )
        for number in numbers
        if number in found
    ]
    ahead = await _not_booked_yet(connection, begun)
    begun = [attempt for attempt in begun if attempt.number not in ahead]
    if not begun:
        return []
    mine = [attempt.number for attempt in begun]
    await connection.execute(_BEGIN, {"numbers": mine})
    together = f"{begun[0].number}.{begun[0].count}"
    await attempts.open_rows(connection, mine, together, now)
    return begun


@dataclass(frozen=True, slots=True)
class Member:
    """An entry that may go into one document with its neighbours.

    `round`: where the ERP may have it, what it was sent with; None where it certainly has not.
    """

    number: int
    transaction: Transaction
    round: str | None


async def together(connection: AsyncConnection, numbers: Sequence[int]) -> list[Member]:
    """Return undecided entries in the order asked for, up to the first that is decided by now."""
    query = (
        select(entry.c.number, entry.c.body, entry.c.state, attempt_table.c.round)
        .outerjoin(
            attempt_table,
            (attempt_table.c.entry == entry.c.number) & (attempt_table.c.count == entry.c.attempts),
        )
        .where(entry.c.number.in_(numbers), entry.c.decided_at.is_(None))
    )
    found = {row.number: row for row in await connection.execute(query)}
    changes = await amendments(connection, found)
    members: list[Member] = []
    for number in numbers:
        row = found.get(number)
        if row is None:
            break
        made = amend(Transaction.model_validate_json(row.body), changes.get(number, ()))
        sent_with = (row.round or "?") if row.state == "sending" else None
        members.append(Member(number, made, sent_with))
    return members


async def amendments(
    connection: AsyncConnection, numbers: Sequence[int] | dict[int, Any]
) -> dict[int, list[Changes]]:
    """Return what people changed of these entries, in order."""
    query = (
        select(amendment.c.entry, amendment.c.changes)
        .where(amendment.c.entry.in_(list(numbers)))
        .order_by(amendment.c.number)
    )
    found: dict[int, list[Changes]] = {}
    for row in await connection.execute(query):
        found.setdefault(row.entry, []).append(Changes.model_validate_json(row.changes))
    return found


async def _not_booked_yet(connection: AsyncConnection, begun: Sequence[Attempt]) -> set[int]:
    """Return the reversals whose originals wait in line, held back by a mode, or are only noted."""
    named = {
        str(attempt.transaction.event.reverses): attempt.number
        for attempt in begun
        if isinstance(attempt.transaction.event, Reversal)
    }
    if not named:
        return set()
    query = select(entry.c.id).where(
        entry.c.id.in_(named),
        or_(entry.c.decided_at.is_(None), NOTED),
        entry.c.number.not_in([attempt.number for attempt in begun]),
    )
    return {named[name] for name in await connection.scalars(query)}


_SETTLED = ("state", "document", "code", "text", "next_try", "decided_at")
_SETTLE = (
    update(entry)
    .where(
        entry.c.number == bindparam("of"),
        entry.c.decided_at.is_(None),
        or_(entry.c.attempts == bindparam("at"), bindparam("there", type_=Integer) == 1),
    )
    .values({name: bindparam(name) for name in _SETTLED})
)


async def settle(connection: AsyncConnection, results: Sequence[Result], now: datetime) -> None:
    """Write down what came of deliveries.

    What was ambiguous stays so until it is decided: that a later attempt certainly booked
    nothing says nothing of the earlier one.
    """
    await connection.execute(_SETTLE, [_settled(result, now) for result in results])
    await attempts.close_rows(connection, [_closed(result, now) for result in results])


def _settled(result: Result, now: datetime) -> dict[str, Any]:
    values: dict[str, Any] = dict.fromkeys(_SETTLED) | {
        "of": result.attempt.number,
        "at": result.attempt.count,
        "there": int(isinstance(result.outcome, Posted)),
    }
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


def _closed(result: Result, now: datetime) -> tuple[int, int, dict[str, Any]]:
    values = {
        "ended_at": now,
        "outcome": type(result.outcome).__name__.lower(),
        "text": storable(said(result.outcome))[:MAX_TEXT],
        "mapping": result.mapping,
        "translated": None if result.given is None else storable(encode(result.given)),
        "wire": attempts.wire_text(result.notes),
    }
    return result.attempt.number, result.attempt.count, values


def said(outcome: Outcome) -> str:
    """Return an outcome in the target's words."""
    match outcome:
        case Posted(document):
            return document
        case Refused(code, text):
            return f"{code}: {text}"
        case TryLater(why) | Unknown(why):
            return why
        case _:
            assert_never(outcome)


def turns_text(keys: Sequence[str]) -> str:
    """Return turn keys as they are stored."""
    return json.dumps(list(keys))
