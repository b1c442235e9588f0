"""The versioned copy: each change of a record gets a version of its own, pages are cut by these.

Writers take the one row of `reference_copy` first, so versions are committed in their order and a
page that ends at version n has everything up to n.
"""

import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam as bind
from sqlalchemy import delete, func, insert, inspect, select, update
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.database import Database, DatabaseUnfit, unbroken
from bridge.errors import BridgeError
from bridge.reference import tables
from bridge.reference.booked import Stream
from bridge.reference.counting import Move, parts_from, parts_text
from contract.envelope import MAX_ENVELOPE
from contract.reference import Ask, Kind, Newest

MOST_CHANGES = 500
"""In one page, as in the contract."""
MAX_GONE = 100_000
"""Withdrawn records remembered, some 10 MB: a year of closed documents of a busy house. Beyond it
the copy becomes another set, which gateways read from its start."""
CHUNK = 500
"""Keys in one question."""


class CopyFailed(BridgeError):
    """The database of the reference copy did not do its part; the same again may work."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One record as it is stored."""

    key: str
    base: str | None
    body: str | None


@dataclass(frozen=True, slots=True)
class State:
    """Where the copy stands."""

    set: str
    version: int
    round: int
    wanted: int
    read_at: datetime | None
    problems: tuple[str, ...]


class Writing:
    """One transaction of a writer. What it puts gets versions in the order it is put."""

    def __init__(self, connection: AsyncConnection, state: State) -> None:
        self.connection = connection
        self.state = state
        self.version = state.version

    async def put(self, kind: Kind, records: Iterable[Stored], *, new: Iterable[str]) -> None:
        """Store records, each under the next version.

        Args:
            kind: of all of them.
            records: with `body` None where one is gone.
            new: the keys that are not stored yet.
        """
        unknown = set(new)
        rows = []
        for each in records:
            self.version += 1
            rows.append({"its": each.key, "at": self.version, "was": each.base, "text": each.body})
        made = [
            {
                "kind": kind,
                "key": row["its"],
                "version": row["at"],
                "base": row["was"],
                "body": row["text"],
            }
            for row in rows
            if row["its"] in unknown
        ]
        changed = [row for row in rows if row["its"] not in unknown]
        if made:
            await self.connection.execute(insert(tables.record), made)
        if changed:
            await self.connection.execute(_changed(kind), changed)

    async def rebase(self, bases: Mapping[str, str]) -> None:
        """Store what the ERP says of documents whose body is the same with it."""
        if bases:
            await self.connection.execute(
                _REBASED, [{"its": key, "was": base} for key, base in bases.items()]
            )

    async def stored(self, kind: Kind, keys: Sequence[str]) -> dict[str, Stored]:
        """Return what is stored of these keys."""
        return await _stored(self.connection, kind, keys)

    async def moves(self, documents: Sequence[str] | None = None) -> dict[str, list[Move]]:
        """Return what is counted, by document, in order; of all documents where none are named."""
        return await _moves(self.connection, documents)

    async def advance(self, stream: Stream, after: int, upto: int) -> bool:
        """Note that a stream is counted to `upto`; False where it does not stand at `after`."""
        table = tables.stream
        query = select(table.c.upto).where(table.c.id == stream.id)
        stands = await self.connection.scalar(query)
        if (stands or 0) != after:
            return False
        values = {"gateway": stream.gateway, "epoch": stream.epoch, "upto": upto}
        if stands is None:
            await self.connection.execute(insert(table).values(id=stream.id, **values))
        else:
            await self.connection.execute(
                update(table).where(table.c.id == stream.id).values(upto=upto)
            )
        return True

    async def count(self, moves: Sequence[Move]) -> None:
        """Add moves."""
        if moves:
            await self.connection.execute(insert(tables.move), [_move_row(move) for move in moves])

    async def drop(self, moves: Iterable[tuple[int, str]]) -> None:
        """Forget moves, by entry and document."""
        rows = [{"of": entry, "its": document} for entry, document in moves]
        if rows:
            await self.connection.execute(_DROPPED, rows)

    async def settle(self, moves: Iterable[tuple[int, str]]) -> None:
        """Note that what was read of the documents has these moves, by entry and document."""
        rows = [{"of": entry, "its": document} for entry, document in moves]
        if rows:
            await self.connection.execute(_SETTLED, rows)


class Copy:
    """The copy. All methods raise `CopyFailed` when the database does not do its part."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @unbroken
    async def prepare(self) -> None:
        """Make the tables, dropping those of another layout."""
        async with self._connected(write=True) as connection:
            await connection.run_sync(_make)

    @contextlib.asynccontextmanager
    async def write(self, round_: int | None = None) -> AsyncIterator[Writing]:
        """Yield a transaction that has the copy to itself.

        Args:
            round_: where given, `CopyFailed` if another reading has begun since.
        """
        async with self._connected(write=True) as connection:
            row = (await connection.execute(select(tables.copy).with_for_update())).one()
            if round_ is not None and row.round != round_:
                raise CopyFailed("another reading has begun")
            writing = Writing(connection, _state(row))
            yield writing
            if writing.version != row.version:
                await connection.execute(update(tables.copy).values(version=writing.version))

    @unbroken
    async def begin(self, now: datetime, unless_since: datetime | None) -> State | None:
        """Begin a reading; None where another bridge has begun one since `unless_since`."""
        async with self.write() as writing:
            row = (await writing.connection.execute(select(tables.copy))).one()
            recent = unless_since is not None and row.began_at is not None
            if recent and row.began_at > unless_since:
                return None
            await writing.connection.execute(
                update(tables.copy).values(round=row.round + 1, began_at=now)
            )
            return replace(writing.state, round=row.round + 1)

    @unbroken
    async def done(self, round_: int, now: datetime, problems: Sequence[str]) -> None:
        """End a reading that went through; let go of what was withdrawn long ago."""
        async with self.write(round_) as writing:
            connection = writing.connection
            values: dict[str, Any] = {"read_at": now, "problems": json.dumps(list(problems))}
            gone = select(func.count()).where(tables.record.c.body.is_(None))
            if (await connection.scalar(gone) or 0) > MAX_GONE:
                await connection.execute(
                    delete(tables.record).where(tables.record.c.body.is_(None))
                )
                values["set"] = str(uuid.uuid4())
            await connection.execute(update(tables.copy).values(**values))

    @unbroken
    async def want(self) -> None:
        """Ask, from any process, that the source be read now."""
        async with self.write() as writing:
            await writing.connection.execute(
                update(tables.copy).values(wanted=writing.state.wanted + 1)
            )

    @unbroken
    async def state(self) -> State:
        """Return where the copy stands."""
        async with self._connected() as connection:
            return _state((await connection.execute(select(tables.copy))).one())

    @unbroken
    async def counts(self) -> dict[str, int]:
        """Return how many records there are, by kind."""
        query = (
            select(tables.record.c.kind, func.count())
            .where(tables.record.c.body.is_not(None))
            .group_by(tables.record.c.kind)
        )
        async with self._connected() as connection:
            return {row[0]: row[1] for row in await connection.execute(query)}

    @unbroken
    async def stored(self, kind: Kind, keys: Sequence[str]) -> dict[str, Stored]:
        """Return what is stored of these keys."""
        async with self._connected() as connection:
            return await _stored(connection, kind, keys)

    @unbroken
    async def keys(self, kind: Kind, after: str, limit: int) -> list[str]:
        """Return a page of the keys that are there, in order, beyond `after`."""
        table = tables.record.c
        query = (
            select(table.key)
            .where(table.kind == kind, table.key > after, table.body.is_not(None))
            .order_by(table.key)
            .limit(limit)
        )
        async with self._connected() as connection:
            return list(await connection.scalars(query))

    @unbroken
    async def moves(self, documents: Sequence[str] | None = None) -> dict[str, list[Move]]:
        """Return what is counted, by document, in order; of all documents where none are named."""
        async with self._connected() as connection:
            return await _moves(connection, documents)

    @unbroken
    async def counted(self) -> dict[int, int]:
        """Return how far each stream of the ledger is counted, by the ledger's id of it."""
        query = select(tables.stream.c.id, tables.stream.c.upto)
        async with self._connected() as connection:
            return {row[0]: row[1] for row in await connection.execute(query)}

    @unbroken
    async def heard(self, site: str, gateway: str) -> None:
        """Remember who asks."""
        async with self.write() as writing:
            connection, table = writing.connection, tables.gateway
            await connection.execute(delete(table).where(table.c.gateway == gateway))
            await connection.execute(insert(table).values(gateway=gateway, site=site))

    @unbroken
    async def gateways(self) -> dict[str, str]:
        """Return the site of every gateway that ever asked."""
        async with self._connected() as connection:
            rows = (await connection.execute(select(tables.gateway))).all()
        return {row.gateway: row.site for row in rows}

    @unbroken
    async def newest(self, gateways: Sequence[str]) -> dict[str, Newest]:
        """Return what each of these gateways is to be told."""
        async with self._connected() as connection:
            return {name: await _newest(connection, name) for name in gateways}

    @unbroken
    async def page(self, gateway: str, ask: Ask) -> str:
        """Return the page a gateway asks for, as it is sent: at most `MAX_ENVELOPE` bytes."""
        async with self._connected() as connection:
            newest = await _newest(connection, gateway)
            known = ask.set == newest.set and ask.after <= newest.version
            after = ask.after if known else 0
            # Lengths first: 500 bodies may be 28 MB.
            table = tables.record.c
            sizes = (
                await connection.execute(
                    select(table.version, func.length(table.body))
                    .where(table.version > after, table.version <= newest.version)
                    .order_by(table.version)
                    .limit(MOST_CHANGES)
                )
            ).all()
            last, room = after, MAX_ENVELOPE
            for version, size in sizes:
                room -= size or 0
                if room < 0 and last != after:
                    break
                last = version
            rows = (
                await connection.execute(
                    select(table.kind, table.key, table.version, table.body)
                    .where(table.version > after, table.version <= last)
                    .order_by(table.version)
                )
            ).all()
        whole = len(sizes) < MOST_CHANGES and (not sizes or last == sizes[-1].version)
        return _page(newest, after, rows, whole=whole, restart=ask.set is not None and not known)

    @contextlib.asynccontextmanager
    async def _connected(self, *, write: bool = False) -> AsyncIterator[AsyncConnection]:
        try:
            if write:
                async with self._database.write() as connection:
                    yield connection
                return
            async with self._database.read() as connection:
                if not self._database.sqlite:
                    # What is newest and what is in the records must be of one moment.
                    await connection.execution_options(isolation_level="REPEATABLE READ")
                yield connection
        except (SQLAlchemyError, OSError) as error:
            raise CopyFailed(str(error).partition("\n")[0]) from error


def _make(connection: Connection) -> None:
    there = inspect(connection).has_table(tables.copy.name)
    if there and connection.scalar(select(tables.copy.c.layout)) == tables.LAYOUT:
        return
    tables.metadata.drop_all(connection)
    tables.metadata.create_all(connection)
    first = {"id": 1, "layout": tables.LAYOUT, "set": str(uuid.uuid4()), "version": 0}
    connection.execute(insert(tables.copy).values(**first, round=0, wanted=0, problems="[]"))


def _state(row: Any) -> State:
    problems = tuple(json.loads(row.problems))
    return State(row.set, row.version, row.round, row.wanted, row.read_at, problems)


_REBASED = (
    update(tables.record)
    .where(tables.record.c.kind == "document", tables.record.c.key == bind("its"))
    .values(base=bind("was"))
)
_MINE = (tables.move.c.entry == bind("of")) & (tables.move.c.document == bind("its"))
_DROPPED = delete(tables.move).where(_MINE)
_SETTLED = update(tables.move).where(_MINE).values(settled=True)


def _changed(kind: Kind) -> Any:
    return (
        update(tables.record)
        .where(tables.record.c.kind == kind, tables.record.c.key == bind("its"))
        .values(version=bind("at"), base=bind("was"), body=bind("text"))
    )


async def _stored(
    connection: AsyncConnection, kind: Kind, keys: Sequence[str]
) -> dict[str, Stored]:
    table, found = tables.record.c, {}
    for start in range(0, len(keys), CHUNK):
        query = select(table.key, table.base, table.body).where(
            table.kind == kind, table.key.in_(keys[start : start + CHUNK])
        )
        for row in await connection.execute(query):
            found[row.key] = Stored(row.key, row.base, row.body)
    return found


async def _moves(
    connection: AsyncConnection, documents: Sequence[str] | None
) -> dict[str, list[Move]]:
    found: dict[str, list[Move]] = {}
    query = select(tables.move).order_by(tables.move.c.entry)
    if documents is not None:
        query = query.where(tables.move.c.document.in_(documents))
    for row in await connection.execute(query):
        made = Move(
            row.entry,
            row.document,
            row.gateway,
            row.station,
            row.type,
            parts_from(row.parts),
            row.settled,
        )
        found.setdefault(row.document, []).append(made)
    return found


def _move_row(move: Move) -> dict[str, Any]:
    return {
        "entry": move.entry,
        "document": move.document,
        "gateway": move.gateway,
        "station": move.station,
        "type": move.type,
        "parts": parts_text(move.parts),
        "settled": move.settled,
    }


async def _newest(connection: AsyncConnection, gateway: str) -> Newest:
    copy = (await connection.execute(select(tables.copy))).one()
    table = tables.stream.c
    stream = (
        await connection.execute(
            select(table.epoch, table.upto)
            .where(table.gateway == gateway)
            .order_by(table.id.desc())
            .limit(1)
        )
    ).first()
    return Newest(
        set=copy.set,
        # Nothing is served before the first reading is through: half of the items would pass for
        # all of them, and the rest be refused at the station.
        version=0 if copy.read_at is None else copy.version,
        epoch=UUID(stream.epoch) if stream else None,
        includes=stream.upto if stream else 0,
    )


def _page(newest: Newest, after: int, rows: Sequence[Any], *, whole: bool, restart: bool) -> str:
    """Put stored texts together, as many as fit."""
    head = {
        "set": newest.set,
        "after": after,
        "newest": newest.version,
        "epoch": None if newest.epoch is None else str(newest.epoch),
        "includes": newest.includes,
        "restart": restart,
    }
    before = json.dumps(head, separators=(",", ":"))[:-1]
    room = MAX_ENVELOPE - len(before) - len(',"upto":9007199254740991,"changes":[]}')
    upto, changes = after, []
    for kind, key, version, body in rows:
        change = f'{{"kind":"{kind}","key":{json.dumps(key)}'
        change += "}" if body is None else f',"record":{body}}}'
        room -= len(change.encode()) + 1
        if room < 0:
            whole = False
            break
        upto = version
        changes.append(change)
    upto = newest.version if whole else upto
    return f'{before},"upto":{upto},"changes":[{",".join(changes)}]}}'


@contextlib.asynccontextmanager
async def open_copy(ledger: URL) -> AsyncIterator[Copy]:
    """Open the copy that goes with a ledger: its own file beside a SQLite one, else its database.

    Raises:
        CopyFailed: it cannot be opened.
    """
    if ledger.get_backend_name() == "sqlite":
        ledger = ledger.set(database=f"{ledger.database}.reference")
    try:
        database = Database(ledger, shared=True)
    except DatabaseUnfit as error:
        raise CopyFailed(str(error)) from error
    try:
        copy = Copy(database)
        await copy.prepare()
        yield copy
    finally:
        await database.close()
