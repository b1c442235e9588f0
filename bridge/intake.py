"""Taking rows of one stream in, inside one database transaction: apply, park, ignore or object."""

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CompoundSelect, Select, delete, insert, null, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.errors import LedgerFailed
from bridge.inspection import Inspected, inspect_again, storable
from bridge.schema import entry, parked, repeat, stream
from bridge.turns import keys_of
from contract.canonical import canonical
from contract.envelope import Rows
from contract.transactions import Reversal, Transaction
from runtime.logs import event

log = logging.getLogger(__name__)

MAX_PARKED = 10_000
"""Rows of one stream kept beyond a gap: 100 envelopes; what is ignored comes again."""
_DRAIN = 500  # parked rows applied in one transaction: a long gap must not hold the lock for long


class Intake:
    """One stream within one transaction: its row is locked, its new rows are being taken in."""

    def __init__(self, connection: AsyncConnection, row: RowMapping, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._stream: int = row["id"]
        self.gateway: str = row["gateway"]
        self.epoch = UUID(row["epoch"])
        self._upto: int = row["upto"]
        self._conflict: int | None = row["conflict"]
        self._forgiven: int = row["forgiven"]
        self._gap_since: datetime | None = row["gap_since"]
        self._parked = self._gap_since is not None
        self._last_seen: datetime = row["last_seen"]
        self.grown = False
        """Whether the dispatcher has something new to look at."""
        self.healed = False
        """Whether an entry it may have passed by is due now."""

    @classmethod
    async def open(cls, connection: AsyncConnection, rows: Rows, now: datetime) -> "Intake":
        """Lock the stream of `rows`, making it if it is new."""
        row = await find_stream(connection, rows.gateway, rows.epoch)
        if row is None:
            await connection.execute(
                insert(stream).values(
                    site=rows.site,
                    gateway=rows.gateway,
                    epoch=str(rows.epoch),
                    upto=0,
                    forgiven=0,
                    first_seen=now,
                    last_seen=now,
                )
            )
            row = await find_stream(connection, rows.gateway, rows.epoch)
            event(log, logging.INFO, "new stream", gateway=rows.gateway, epoch=str(rows.epoch))
        elif row["site"] != rows.site:
            await connection.execute(
                update(stream).where(stream.c.id == row["id"]).values(site=rows.site)
            )
            event(log, logging.WARNING, "gateway moved", gateway=rows.gateway, site=rows.site)
        if row is None:
            raise LedgerFailed("a stream that was just written is not there")
        return cls(connection, row, now)

    async def take(self, found: Sequence[Inspected]) -> None:
        """Take consecutive rows in: apply, park or ignore them."""
        if self._conflict is not None or not await self._agrees(found):
            return
        fresh = [row for row in found if row.seq > self._upto]
        if not fresh:
            return
        self._last_seen = self._now
        if fresh[0].seq == self._upto + 1:
            await self._append(fresh)
        else:
            await self._park(fresh)

    async def close(self) -> bool:
        """Apply what a closed gap set free, and write the stream's row; True if there is more."""
        more = False
        if self._parked and self._conflict is None:
            more = await self._drain()
        await self._connection.execute(
            update(stream)
            .where(stream.c.id == self._stream)
            .values(
                upto=self._upto,
                conflict=self._conflict,
                gap_since=(self._gap_since or self._now) if self._parked else None,
                last_seen=self._last_seen,
            )
        )
        return more

    async def _agrees(self, found: Sequence[Inspected]) -> bool:
        """Compare repeats with what is known; a good row heals one that came damaged before."""
        span = (found[0].seq, found[-1].seq)
        known: dict[int, tuple[str, str | None]] = {}
        if span[0] <= self._upto:
            known |= await self._digests(
                select(entry.c.seq, entry.c.digest, entry.c.code)
                .where(entry.c.stream == self._stream)
                .where(entry.c.seq.between(*span))
                .union_all(
                    select(repeat.c.seq, repeat.c.digest, null())
                    .where(repeat.c.stream == self._stream)
                    .where(repeat.c.seq.between(*span))
                )
            )
        if self._parked:
            known |= await self._digests(
                select(parked.c.seq, parked.c.digest, null())
                .where(parked.c.stream == self._stream)
                .where(parked.c.seq.between(*span))
            )
        for row in found:
            if row.seq not in known or row.code == "corrupt":
                continue  # damage on the way is no second opinion
            digest, code = known[row.seq]
            if code == "corrupt":
                await self._heal(row)
            elif digest != row.digest and row.seq > self._forgiven:
                self._conflict = row.seq
                event(
                    log,
                    logging.ERROR,
                    "the same number came with different content: a cloned card or a restored"
                    " backup; this stream is stopped until a person has decided",
                    gateway=self.gateway,
                    epoch=str(self.epoch),
                    seq=row.seq,
                )
                return False
        return True

    async def _digests(
        self, query: Select[Any] | CompoundSelect[Any]
    ) -> dict[int, tuple[str, str | None]]:
        rows = await self._connection.execute(query)
        return {seq: (digest, code) for seq, digest, code in rows}

    async def _heal(self, row: Inspected) -> None:
        known = await known_to(self._connection, [row])
        await self._connection.execute(
            update(entry)
            .where(entry.c.stream == self._stream, entry.c.seq == row.seq)
            .values(record_of(row, self._stream, self._now, known))
        )
        self.healed = True

    async def _append(self, found: Sequence[Inspected]) -> None:
        known = await known_to(self._connection, found)
        same = await self._repeats(found, known)
        if same:
            await self._connection.execute(insert(repeat), list(same.values()))
            event(
                log,
                logging.INFO,
                "rows that are in the ledger already came in a new stream",
                gateway=self.gateway,
                epoch=str(self.epoch),
                rows=len(same),
            )
        fresh = [row for row in found if row.seq not in same]
        if fresh:
            await self._connection.execute(
                insert(entry), [record_of(row, self._stream, self._now, known) for row in fresh]
            )
            self.grown = True
        self._upto = found[-1].seq

    async def _repeats(
        self, found: Sequence[Inspected], known: "Known"
    ) -> dict[int, dict[str, Any]]:
        """Return, by seq, records of the rows that say what an entry of that id says already.

        Only their place differs: the gateway had to begin a new stream, and was not sure of them.
        Within one stream an id that comes under two numbers is a fault, and no repeat.
        """
        numbers = {
            row.seq: known.numbers[str(row.transaction.id)]
            for row in found
            if row.transaction is not None and str(row.transaction.id) in known.numbers
        }
        if not numbers:
            return {}
        rows = await self._connection.execute(
            select(entry.c.number, entry.c.body).where(
                entry.c.number.in_(numbers.values()), entry.c.stream != self._stream
            )
        )
        said = {number: _content(body) for number, body in rows}
        return {
            row.seq: {
                "stream": self._stream,
                "seq": row.seq,
                "digest": row.digest,
                "entry": numbers[row.seq],
            }
            for row in found
            if row.seq in numbers and said.get(numbers[row.seq]) == _content(row.body)
        }

    async def _park(self, found: Sequence[Inspected]) -> None:
        there = set(
            await self._connection.scalars(
                select(parked.c.seq).where(parked.c.stream == self._stream)
            )
        )
        keep = [
            {"stream": self._stream, "seq": row.seq, "digest": row.digest, "body": row.body}
            for row in found
            if row.seq not in there and row.code != "corrupt"  # that one comes again, and better
        ][: max(0, MAX_PARKED - len(there))]
        if not keep:
            return
        await self._connection.execute(insert(parked), keep)
        if not self._parked:
            event(
                log,
                logging.INFO,  # usual after a reconnect; `bridge.health` minds one that stays
                "rows are missing; later ones are parked",
                gateway=self.gateway,
                epoch=str(self.epoch),
                missing=self._upto + 1,
                first=found[0].seq,
            )
        self._parked = True

    async def _drain(self) -> bool:
        waiting = (
            await self._connection.execute(
                select(parked.c.seq, parked.c.digest, parked.c.body)
                .where(parked.c.stream == self._stream, parked.c.seq > self._upto)
                .order_by(parked.c.seq)
                .limit(_DRAIN)
            )
        ).all()
        free = [
            inspect_again(self.gateway, self.epoch, row.seq, row.digest, row.body)
            for place, row in enumerate(waiting, start=self._upto + 1)
            if row.seq == place
        ]
        if free:
            await self._append(free)
        await self._connection.execute(
            delete(parked).where(parked.c.stream == self._stream, parked.c.seq <= self._upto)
        )
        self._parked = len(free) < len(waiting) or len(free) == _DRAIN
        return len(free) == _DRAIN


@dataclass(frozen=True, slots=True)
class Known:
    """Transactions that are in the ledger, or about to be: by id, their number and turns."""

    numbers: dict[str, int]
    turns: dict[str, str]


async def known_to(connection: AsyncConnection, found: Iterable[Inspected]) -> Known:
    """Look up the ids `found` brings and the ids it names."""
    named = {
        str(name)
        for row in found
        if row.transaction is not None
        for name in _names(row.transaction)
    }
    query = select(entry.c.id, entry.c.number, entry.c.turns).where(entry.c.id.in_(named))
    rows = (await connection.execute(query)).all() if named else []
    return Known({row.id: row.number for row in rows}, {row.id: row.turns for row in rows})


def _content(body: str) -> str:
    """Return what a stored row says, whatever its place in a stream."""
    value = json.loads(body)
    return canonical({name: each for name, each in value.items() if name not in {"epoch", "seq"}})


def _names(transaction: Transaction) -> tuple[UUID, ...]:
    match transaction.event:
        case Reversal(reverses=other):
            return (transaction.id, other)
        case _:
            return (transaction.id,)


def record_of(
    row: Inspected, stream_id: int, now: datetime, known: Known, number: int = 0
) -> dict[str, Any]:
    """Return the `entry` of one row, and note its id in `known`.

    Args:
        row: inspected.
        stream_id: its stream.
        now: when it was received.
        known: what is in the ledger.
        number: of the entry it is to replace, 0 for a new one.
    """
    record: dict[str, Any] = {
        "stream": stream_id,
        "seq": row.seq,
        "id": None,
        "digest": row.digest,
        "body": row.body,
        "type": None,
        "station": None,
        "turns": "[]",
        "received_at": now,
        "state": "received",
        "attempts": 0,
        "code": None,
        "text": None,
        "decided_at": None,
    }
    dead = {"state": "dead", "decided_at": now}
    if row.transaction is None:
        return record | dead | {"code": row.code or "contract", "text": storable(row.text)}
    transaction = row.transaction
    name = str(transaction.id)
    record |= {"type": transaction.event.type, "station": transaction.station}
    if known.numbers.get(name, number) != number:
        return record | dead | {"code": "contract", "text": f"id {name} was used before"}
    turns = json.dumps(keys_of(transaction))
    if isinstance(transaction.event, Reversal):
        turns = known.turns.get(str(transaction.event.reverses), turns)
    known.numbers[name] = -1
    known.turns[name] = turns
    return record | {"id": name, "turns": turns}


async def find_stream(connection: AsyncConnection, gateway: str, epoch: UUID) -> RowMapping | None:
    """Return the row of one stream, locked where the database locks rows; None if it is new."""
    query = (
        select(stream)
        .where(stream.c.gateway == gateway, stream.c.epoch == str(epoch))
        .with_for_update()
    )
    return (await connection.execute(query)).mappings().one_or_none()
