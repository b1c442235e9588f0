"""What a person decides of entries, streams and modes, inside one database transaction.

Each decision and its trace in the audit trail are one commit. An entry keeps its id, its body and
its place; what a person changes stands beside it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, insert, select, true, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.amendment import Changes, amend
from bridge.audit import Deed, record
from bridge.inspection import MAX_TEXT, inspect_again, storable
from bridge.intake import find_stream, known_to, record_of
from bridge.modes import Mode, Modes, Scope
from bridge.noted import NOTED
from bridge.posting import amendments, turns_text
from bridge.schema import amendment, entry, mode, parked, stream
from bridge.turns import keys_of
from contract.envelope import Reason
from contract.transactions import Reversal, Transaction

MOST = 1_000
"""Entries one decision takes up: an operator sees the rest and says it again."""


@dataclass(frozen=True, slots=True)
class By:
    """Who decides, why, and when."""

    who: str
    why: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Which:
    """Which entries: all that fit every part that is given."""

    numbers: Sequence[int] = ()
    id: UUID | None = None
    code: Reason | None = None
    gateway: str | None = None
    station: str | None = None
    type: str | None = None
    since: datetime | None = None
    """Received then or later."""
    in_line: bool = False
    """Only what was never sent and waits in line."""

    @property
    def named(self) -> bool:
        """Whether single entries are meant, and not all of some kind."""
        return self.id is not None or bool(self.numbers)

    @property
    def condition(self) -> ColumnElement[bool]:
        """The same for `entry` joined with `stream`."""
        parts: list[ColumnElement[bool]] = [true()]
        if self.numbers:
            parts.append(entry.c.number.in_(self.numbers))
        if self.id is not None:
            parts.append(entry.c.id == str(self.id))
        if self.since is not None:
            parts.append(entry.c.received_at >= self.since)
        if self.in_line:
            parts.append(entry.c.state == "received")
        columns = (
            (self.code, entry.c.code),
            (self.gateway, stream.c.gateway),
            (self.station, entry.c.station),
            (self.type, entry.c.type),
        )
        parts += [column == value for value, column in columns if value is not None]
        condition = parts[0]
        for part in parts[1:]:
            condition = condition & part
        return condition


def _chosen(which: Which, *conditions: ColumnElement[bool]) -> Select[Any]:
    return (
        select(entry, stream.c.gateway, stream.c.epoch)
        .join(stream, stream.c.id == entry.c.stream)
        .where(which.condition, *conditions)
        .order_by(entry.c.number)
        .limit(MOST)
        .with_for_update(of=entry)
    )


async def retry(
    connection: AsyncConnection,
    which: Which,
    by: By,
    changes: Changes | None = None,
    what: str = "retry",
) -> list[int]:
    """Put dead entries back in line, with `changes` upon each; return their numbers.

    Left out are those that still cannot be read, and discarded ones that are not named or asked
    for by that code.

    Raises:
        ValueError: `changes` do not fit an entry; nothing is changed.
    """
    wanted = true() if which.named or which.code == "discarded" else entry.c.code != "discarded"
    rows = (
        (await connection.execute(_chosen(which, entry.c.state == "dead", wanted))).mappings().all()
    )
    done = [row["number"] for row in rows if await _revive(connection, row, changes)]
    detail: dict[str, Any] = {"why": by.why}
    if changes is not None:
        detail["changes"] = changes.model_dump(mode="json", exclude_defaults=True)
        for name in changes.accepts and ["accepts"]:
            detail["changes"][name] = sorted(changes.accepts)
    before = {row["number"]: row for row in rows}
    deeds = [
        Deed(
            by.who,
            what,
            detail | {"code": before[number]["code"], "text": before[number]["text"]},
            number,
        )
        for number in done
    ]
    if deeds:
        await record(connection, by.now, *deeds)
    return done


async def _revive(connection: AsyncConnection, row: Any, changes: Changes | None) -> bool:
    again = inspect_again(
        row["gateway"], UUID(row["epoch"]), row["seq"], row["digest"], row["body"]
    )
    known = await known_to(connection, [again])
    number: int = row["number"]
    made = record_of(again, row["stream"], row["received_at"], known, number)
    if made["state"] == "dead":
        return False
    del made["attempts"]  # its earlier attempts stand in the books
    if changes is not None and again.transaction is not None:
        before = (await amendments(connection, [number])).get(number, [])
        amended = amend(again.transaction, [*before, changes])
        if not isinstance(amended.event, Reversal):
            made["turns"] = turns_text(keys_of(amended))
        await connection.execute(
            insert(amendment).values(entry=number, changes=changes.model_dump_json())
        )
    elif again.transaction is not None:
        made["turns"] = row["turns"] if row["turns"] != "[]" else made["turns"]
    await connection.execute(
        update(entry).where(entry.c.number == number).values(made | {"document": None})
    )
    return True


async def discard(connection: AsyncConnection, which: Which, by: By) -> list[int]:
    """Take entries out of line for good.

    Dead ones; where they are named, or `in_line` is asked for, also ones that were never sent. What
    the ERP may have is left alone: only the ERP can say.
    """
    named = which.in_line or which.named
    rows = (
        (
            await connection.execute(
                _chosen(
                    which,
                    entry.c.state.in_(["dead", "received"] if named else ["dead"]),
                    entry.c.code.is_distinct_from("discarded"),
                )
            )
        )
        .mappings()
        .all()
    )
    if not rows:
        return []
    numbers = [row["number"] for row in rows]
    await connection.execute(
        update(entry)
        .where(entry.c.number.in_(numbers))
        .values(
            state="dead",
            code="discarded",
            text=storable(f"{by.who}: {by.why}")[:MAX_TEXT],
            decided_at=by.now,
            next_try=None,
        )
    )
    deeds = [
        Deed(
            by.who,
            "discard",
            {"why": by.why, "code": row["code"], "text": row["text"], "state": row["state"]},
            row["number"],
        )
        for row in rows
    ]
    await record(connection, by.now, *deeds)
    return numbers


async def replay(connection: AsyncConnection, which: Which, by: By) -> list[int]:
    """Let posted entries be looked up in the ERP again, and booked where they are missing.

    For an ERP that was restored from a backup. What is still there is found by its id. What needed
    no posting is left out, unless it is named: it was never there.
    """
    wanted = true() if which.named else ~NOTED
    chosen = _chosen(which, entry.c.state == "posted", wanted)
    rows = (await connection.execute(chosen)).mappings().all()
    numbers = [row["number"] for row in rows]
    if not numbers:
        return []
    await connection.execute(
        update(entry).where(entry.c.number.in_(numbers)).values(state="sending", decided_at=None)
    )
    deeds = [
        Deed(by.who, "replay", {"why": by.why, "document": row["document"]}, row["number"])
        for row in rows
    ]
    await record(connection, by.now, *deeds)
    return numbers


async def forgive(connection: AsyncConnection, gateway: str, epoch: UUID, by: By) -> bool:
    """Take a stream in conflict up again; False if it is in none."""
    found = await find_stream(connection, gateway, epoch)
    if found is None or found["conflict"] is None:
        return False
    dropped = await connection.execute(delete(parked).where(parked.c.stream == found["id"]))
    await connection.execute(
        update(stream)
        .where(stream.c.id == found["id"])
        .values(
            conflict=None,
            forgiven=max(found["upto"], found["conflict"]),
            gap_since=None,
        )
    )
    detail = {
        "why": by.why,
        "gateway": gateway,
        "epoch": str(epoch),
        "conflict": found["conflict"],
        "dropped": dropped.rowcount,
    }
    await record(connection, by.now, Deed(by.who, "forgive", detail))
    return True


async def set_mode(connection: AsyncConnection, scope: Scope, to: Mode, by: By) -> None:
    """Set a mode from now on; deliveries in flight end as they do."""
    values = {"mode": to, "at": by.now}
    names = {"gateway": scope.gateway, "station": scope.station, "type": scope.type}
    upsert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    await connection.execute(
        upsert(mode)
        .values(names | values)
        .on_conflict_do_update(index_elements=list(mode.primary_key), set_=values)
    )
    await record(connection, by.now, Deed(by.who, "mode", {"why": by.why, "mode": to, **names}))


async def modes(connection: AsyncConnection, configured: Modes) -> Modes:
    """Return the modes as they are now."""
    rows = await connection.execute(select(mode))
    return configured.under({Scope(row.gateway, row.station, row.type): row.mode for row in rows})


async def transaction_of(
    connection: AsyncConnection, number: int
) -> tuple[Transaction | None, Transaction | None]:
    """Return an entry's transaction as it came and as people changed it; None where it is none."""
    body = await connection.scalar(select(entry.c.body).where(entry.c.number == number))
    identified = await connection.scalar(select(entry.c.id).where(entry.c.number == number))
    if body is None or identified is None:
        return None, None
    original = Transaction.model_validate(json.loads(body))
    changed = (await amendments(connection, [number])).get(number, [])
    return original, amend(original, changed)
