"""The durable queue: what `put` returned from survives a power cut, and leaves in order.

The only queue of the gateway is this table. One task writes, in one statement for each group:
scans that arrive while a commit runs form the next group, and a lone scan waits for nobody. A row
stays until the bridge's word (`confirm`) passes it, and some time longer, for people to look at.
"""

import asyncio
import contextlib
import fcntl
import importlib.resources
import logging
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiosqlite

from contract.canonical import digest
from contract.envelope import Ack, Rejected
from gateway.errors import StoreDamaged, StoreFailed, StoreFull
from gateway.rows import (
    SELECT_ROWS,
    Row,
    Standing,
    intact,
    read_row,
    seal_row,
    stream_digest,
)
from runtime.logs import event
from runtime.sqlite import StoreUnusable, open_reader, open_store

log = logging.getLogger(__name__)

Write = Callable[[uuid.UUID, int], str]
"""Writes the body of one row, given the epoch and the seq it gets."""

MAX_SESSION = 256 * 1024
"""Characters of one station's session: some hundred open lines, and no photo by mistake."""

_GROUP = 500  # rows of one INSERT: three parameters each, and SQLite takes 32,766
_RECENT = 1000  # rows kept in memory for the forwarder: live scans are sent without a read
_TRIM = 2000  # rows deleted by one statement, so that a scan never waits long behind it
_NO_ROOM = {"SQLITE_FULL", "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_NOMEM", "SQLITE_TOOBIG"}


@dataclass(slots=True)
class _Put:
    """One call of `put` on its way to the disk."""

    writes: Sequence[Write]
    sessions: Sequence[tuple[str, str]]
    done: asyncio.Future[list[Row]]


class Outbox:
    """First in, first out. Use `open_outbox`."""

    def __init__(
        self, writer: aiosqlite.Connection, reader: aiosqlite.Connection, standing: Standing
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._standing = standing
        self._written = standing
        self._heard: tuple[Rejected, ...] = ()
        self._kept: tuple[Rejected, ...] = ()
        self._pending: list[_Put] = []
        self._sessions: dict[str, str] = {}
        """Digests of the sessions as they are on disk, where this process wrote them."""
        self._work = asyncio.Event()
        self._recent: deque[Row] = deque(maxlen=_RECENT)
        self.writing_since: float | None = None
        """Loop time at which the statement that runs was given to the disk."""
        self.changed = asyncio.Event()
        """Set when a row was stored or the watermark moved; the forwarder waits for it."""

    @property
    def standing(self) -> Standing:
        """How far the stream has come, without a look at the disk."""
        return self._standing

    async def put(
        self, writes: Sequence[Write], sessions: Sequence[tuple[str, str]] = ()
    ) -> list[Row]:
        """Store rows in this order. When this returns they survive a power cut.

        All of them are stored or none. A cancelled caller does not stop the storing.

        Args:
            writes: one for each row; may be empty.
            sessions: (station, text) to keep in the same transaction, each in place of the one
                before; one that has not changed costs nothing.

        Raises:
            StoreFull: none is stored, and a later `put` may succeed.
            StoreFailed: it is not known whether they are; the process must end.
            ValueError: a session is longer than `MAX_SESSION`; nothing was stored.
        """
        for station, text in sessions:
            if len(text) > MAX_SESSION:
                raise ValueError(f"the session of {station} has {len(text)} characters")
        if not writes and not sessions:
            return []
        done: asyncio.Future[list[Row]] = asyncio.get_running_loop().create_future()
        self._pending.append(_Put(writes, sessions, done))
        self._work.set()
        return await done

    async def write(self) -> None:
        """Write what `put` brings, until cancelled. Ends with `StoreFailed` if the disk does."""
        while True:
            await self._work.wait()
            self._work.clear()
            while self._pending:
                await self._write_group(self._take_group())

    def _take_group(self) -> list[_Put]:
        size = taken = 0
        for put in self._pending:
            if taken and size + len(put.writes) > _GROUP:
                break
            size += len(put.writes)
            taken += 1
        group, self._pending = self._pending[:taken], self._pending[taken:]
        return group

    async def _write_group(self, group: list[_Put]) -> None:
        standing = self._standing
        seq = standing.last
        batches: list[list[Row]] = []
        for put in group:
            batch = [
                seal_row(seq + n, write(standing.epoch, seq + n))
                for n, write in enumerate(put.writes, 1)
            ]
            seq += len(batch)
            batches.append(batch)
        rows = [row for batch in batches for row in batch]
        sessions = self._changed_sessions(group)
        self.writing_since = asyncio.get_running_loop().time()
        try:
            await self._insert(rows, sessions)
        except (StoreFull, StoreFailed) as error:
            for put in group:
                if not put.done.done():
                    put.done.set_exception(error)
                    put.done.exception()  # a caller that has gone away need not look
            if isinstance(error, StoreFailed):
                raise
            return
        finally:
            self.writing_since = None
        self._sessions.update((station, mark) for station, (_, mark) in sessions.items())
        if rows:
            # `confirm` may have moved the watermark while the disk was busy.
            self._standing = replace(self._standing, last=seq)
            self._recent.extend(rows)
            self.changed.set()  # first, so that rows are under way while operators are told
        for put, batch in zip(group, batches, strict=True):
            if not put.done.done():
                put.done.set_result(batch)

    def _changed_sessions(self, group: list[_Put]) -> dict[str, tuple[str, str]]:
        """Return the last session of each station that is not on disk as it is: text, digest."""
        latest = {station: text for put in group for station, text in put.sessions}
        marked = {station: (text, digest(text)) for station, text in latest.items()}
        return {
            station: (text, mark)
            for station, (text, mark) in marked.items()
            if self._sessions.get(station) != mark
        }

    async def _insert(self, rows: list[Row], sessions: dict[str, tuple[str, str]]) -> None:
        if sessions:
            columns = "intake (seq, station, body, digest)"
            values: list[object] = []
            for row in rows:
                values += (row.seq, None, row.body, bytes.fromhex(row.digest))
            for station, (text, mark) in sessions.items():
                values += (None, station, text, bytes.fromhex(mark))
            places = ",".join(["(?,?,?,?)"] * (len(rows) + len(sessions)))
        elif rows:
            columns = "outbox (seq, body, digest)"
            values = [
                value for row in rows for value in (row.seq, row.body, bytes.fromhex(row.digest))
            ]
            places = ",".join(["(?,?,?)"] * len(rows))
        else:
            return
        try:
            await self._writer.execute(f"INSERT INTO {columns} VALUES {places}", values)  # noqa: S608
        except aiosqlite.Error as error:
            raise _failure(error) from error

    async def sessions(self) -> dict[str, str]:
        """Return where each station stood, by its name; a damaged one is left out, and said.

        Raises:
            StoreFailed: the file cannot be read.
        """
        found: dict[str, str] = {}
        for station, body, stored in await self._read(
            "SELECT CAST(station AS BLOB), CAST(body AS BLOB), digest FROM session", ()
        ):
            text = intact(body, stored)
            name = bytes(station or b"").decode("utf-8", "replace")
            if text is None:
                event(log, logging.ERROR, "a session is damaged; left out", station=name)
            else:
                found[name] = text
        return found

    async def after(self, seq: int, rows: int, octets: int) -> list[Row]:
        """Return rows that follow `seq`, in order, without a gap.

        Args:
            seq: the row before the first.
            rows: at most this many.
            octets: at most this many bytes of bodies together, but always one row.

        Raises:
            StoreDamaged: one of them is not what was stored, or is missing.
            StoreFailed: the file cannot be read.
        """
        found = self._from_memory(seq, rows)
        if found is None:
            standing = self._standing
            stored = await self._read(
                f"{SELECT_ROWS} WHERE seq > ? ORDER BY seq LIMIT ?", (seq, rows)
            )
            found = [read_row(*row) for row in stored]
            _hold_gapless(seq, found, standing)
        size = 0
        for count, row in enumerate(found):
            size += len(row.body.encode())
            if count and size > octets:
                return found[:count]
        return found

    async def _read(self, query: str, values: tuple[int, ...]) -> list[tuple[Any, ...]]:
        try:
            async with self._reader.execute(query, values) as cursor:
                return [tuple(row) for row in await cursor.fetchall()]
        except aiosqlite.Error as error:
            raise _failure(error, reading=True) from error

    def _from_memory(self, seq: int, rows: int) -> list[Row] | None:
        if not self._recent or self._recent[0].seq > seq + 1:
            return None
        start = seq + 1 - self._recent[0].seq
        return [self._recent[i] for i in range(start, min(start + rows, len(self._recent)))]

    async def newest(self, rows: int) -> list[Row]:
        """Return the newest rows still kept, oldest first; damaged ones are left out, and said.

        Raises:
            StoreFailed: the file cannot be read.
        """
        found = []
        for row in await self._read(f"{SELECT_ROWS} ORDER BY seq DESC LIMIT ?", (rows,)):
            try:
                found.append(read_row(*row))
            except StoreDamaged as damage:
                event(log, logging.ERROR, "a row is damaged; left out", why=str(damage))
        return found[::-1]

    async def rejections(self, rows: int) -> list[tuple[int, str, str]]:
        """Return the newest rejections as (seq, code, text), oldest first.

        Raises:
            StoreFailed: the file cannot be read.
        """
        found = {
            int(seq): (str(code), str(text))
            for seq, code, text in await self._read(
                "SELECT seq, code, text FROM rejected ORDER BY seq DESC LIMIT ?", (rows,)
            )
        }
        # What was heard a moment ago is not on disk yet, but the watermark has passed it.
        fresh = (row for row in self._heard if row not in self._kept)
        found.update({row.seq: (row.code, row.text) for row in fresh})
        return [(seq, *found[seq]) for seq in sorted(found)][-rows:]

    def confirm(self, ack: Ack) -> bool:
        """Take the bridge's word, and say whether it said anything new.

        The word is kept in memory; `keep` writes it down. Losing it only means sending again.
        A word about another epoch is not ours. Of one about rows that never were only the conflict
        counts: a store that is a copy of an older day hears just that.
        """
        now = self._standing
        if ack.epoch != now.epoch:
            return False
        if ack.reach > now.last:
            then = replace(now, conflict=ack.conflict or now.conflict)
        else:
            self._heard = ack.rejected
            then = replace(
                now,
                upto=max(now.upto, ack.upto),
                posted=max(now.posted, ack.posted),
                conflict=ack.conflict,
            )
        self._standing = then
        if then == now:
            return False
        self.changed.set()
        return True

    async def keep(self, ring: int) -> None:
        """Write the bridge's word down, and delete rows that lie `ring` or more behind it.

        Args:
            ring: confirmed rows to keep for people to look at.
        """
        now = self._standing
        try:
            if self._heard != self._kept:
                await self._keep_rejected(self._heard)
            if (now.upto, now.posted, now.conflict) == (
                self._written.upto,
                self._written.posted,
                self._written.conflict,
            ):
                return
            await self._writer.execute(
                "UPDATE stream SET upto = ?, posted = ?, conflict = ?, digest = ?",
                (
                    now.upto,
                    now.posted,
                    now.conflict,
                    stream_digest(str(now.epoch), now.upto, now.posted, now.conflict),
                ),
            )
            self._written = now
            await self._writer.execute(
                "DELETE FROM outbox WHERE seq IN"
                " (SELECT seq FROM outbox WHERE seq <= ? ORDER BY seq LIMIT ?)",
                (now.upto - ring, _TRIM),
            )
            await self._writer.execute("DELETE FROM rejected WHERE seq <= ?", (now.upto - ring,))
        except aiosqlite.Error as error:
            failure = _failure(error)
            if isinstance(failure, StoreFailed):
                raise failure from error
            # No room to write the word down: the bridge will say it again.

    async def _keep_rejected(self, rejected: tuple[Rejected, ...]) -> None:
        if rejected:
            places = ",".join(["(?,?,?)"] * len(rejected))
            await self._writer.execute(
                f"INSERT INTO rejected (seq, code, text) VALUES {places}"  # noqa: S608
                " ON CONFLICT (seq) DO UPDATE SET code = excluded.code, text = excluded.text",
                [value for row in rejected for value in (row.seq, row.code, row.text)],
            )
        self._kept = rejected


@contextlib.asynccontextmanager
async def open_outbox(path: Path) -> AsyncIterator[Outbox]:
    """Open the outbox at `path`, making it if there is none. A new file is a new epoch.

    `Outbox.write` must run beside it. Closing waits for the statement that runs.

    Raises:
        runtime.sqlite.StoreUnusable: the file was left as it is.
    """
    with _alone(path):
        writer = await open_store(path, importlib.resources.files("gateway") / "migrations")
        try:
            epoch = str(uuid.uuid4())
            await writer.execute(
                "INSERT INTO stream (one, epoch, digest) VALUES (1, ?, ?)"
                " ON CONFLICT (one) DO NOTHING",
                (epoch, stream_digest(epoch, 0, 0, None)),
            )
            reader = await open_reader(path)
            try:
                yield Outbox(writer, reader, await _standing(writer))
            finally:
                await reader.close()
        finally:
            await writer.close()


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other processes off: two writers would give one seq to two rows.

    The lock is beside the store, since SQLite has locks of its own on it, and goes with the
    process however it ends.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f"{path.name}.lock").open("ab")
    except OSError as error:
        raise StoreUnusable(f"{path}: its folder cannot be used: {error}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreUnusable(f"{path}: in use by another process") from error
        yield


async def _standing(connection: aiosqlite.Connection) -> Standing:
    async with connection.execute(
        "SELECT epoch, upto, posted, conflict, digest,"
        " max(upto, coalesce((SELECT max(seq) FROM outbox), 0)) FROM stream"
    ) as cursor:
        row = await cursor.fetchone()
    if row is None:
        raise StoreDamaged("the outbox has no stream")
    epoch, upto, posted, conflict, stored, last = row
    if stored != stream_digest(epoch, upto, posted, conflict):
        raise StoreDamaged("the watermark is not what was stored")
    return Standing(uuid.UUID(epoch), last, upto, posted, conflict)


def _hold_gapless(seq: int, found: list[Row], standing: Standing) -> None:
    """Raise where a row is missing that must be there: only confirmed rows are ever deleted."""
    first = max(seq, standing.upto) + 1
    if first <= standing.last and (not found or found[0].seq > first):
        raise StoreDamaged(f"row {first} is missing")
    for before, row in pairwise(found):
        if row.seq != before.seq + 1:
            raise StoreDamaged(f"row {before.seq + 1} is missing")


def _failure(error: aiosqlite.Error, *, reading: bool = False) -> StoreFull | StoreFailed:
    """Sort what SQLite says by who acts."""
    name = getattr(error, "sqlite_errorname", "")
    said = f"{error} ({name})"
    if name.startswith("SQLITE_CORRUPT") or name == "SQLITE_NOTADB":
        return StoreDamaged(said)
    if name in _NO_ROOM and not reading:
        return StoreFull(said)
    return StoreFailed(said)
