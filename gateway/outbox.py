"""The durable queue: what `put` returned from survives a power cut, and leaves in order.

The only queue of the gateway is this table. One task writes, in one statement for each group:
scans that arrive while a commit runs form the next group, and a lone scan waits for nobody. A row
stays until the bridge's word (`confirm`) passes it, and some time longer, for people to look at.
"""

import asyncio
import contextlib
import fcntl
import importlib.resources
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import aiosqlite

from contract.envelope import Ack, Rejected
from gateway.errors import StoreFailed, StoreFull
from runtime.sqlite import StoreUnusable, open_reader, open_store

Write = Callable[[uuid.UUID, int], str]
"""Writes the body of one row, given the epoch and the seq it gets."""

_GROUP = 500  # rows of one INSERT: two parameters each, and SQLite takes 32,766
_RECENT = 1000  # rows kept in memory for the forwarder: live scans are sent without a read
_TRIM = 2000  # rows deleted by one statement, so that a scan never waits long behind it
_NO_ROOM = {"SQLITE_FULL", "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_NOMEM", "SQLITE_TOOBIG"}


@dataclass(frozen=True, slots=True)
class Row:
    """One stored transaction."""

    seq: int
    body: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the stream has come."""

    epoch: uuid.UUID
    last: int
    """Seq of the newest row; 0 if there never was one."""
    upto: int
    """The bridge's ledger has every row to here."""
    posted: int
    """The ERP has taken or refused every row to here."""
    conflict: int | None
    """Seq the bridge got twice with different content."""

    @property
    def waiting(self) -> int:
        """Rows the bridge has not confirmed."""
        return self.last - self.upto


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
        self._pending: list[tuple[Sequence[Write], asyncio.Future[list[Row]]]] = []
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

    async def put(self, writes: Sequence[Write]) -> list[Row]:
        """Store rows in this order. When this returns they survive a power cut.

        All of them are stored or none. A cancelled caller does not stop the storing.

        Raises:
            StoreFull: none is stored, and a later `put` may succeed.
            StoreFailed: it is not known whether they are; the process must end.
        """
        if not writes:
            return []
        future: asyncio.Future[list[Row]] = asyncio.get_running_loop().create_future()
        self._pending.append((writes, future))
        self._work.set()
        return await future

    async def write(self) -> None:
        """Write what `put` brings, until cancelled. Ends with `StoreFailed` if the disk does."""
        while True:
            await self._work.wait()
            self._work.clear()
            while self._pending:
                await self._write_group(self._take_group())

    def _take_group(self) -> list[tuple[Sequence[Write], asyncio.Future[list[Row]]]]:
        size = taken = 0
        for writes, _ in self._pending:
            if taken and size + len(writes) > _GROUP:
                break
            size += len(writes)
            taken += 1
        group, self._pending = self._pending[:taken], self._pending[taken:]
        return group

    async def _write_group(
        self, group: list[tuple[Sequence[Write], asyncio.Future[list[Row]]]]
    ) -> None:
        standing = self._standing
        seq = standing.last
        batches: list[list[Row]] = []
        for writes, _ in group:
            batch = [
                Row(seq + n, write(standing.epoch, seq + n)) for n, write in enumerate(writes, 1)
            ]
            seq += len(batch)
            batches.append(batch)
        rows = [row for batch in batches for row in batch]
        self.writing_since = asyncio.get_running_loop().time()
        try:
            await self._insert(rows)
        except (StoreFull, StoreFailed) as error:
            for _, future in group:
                if not future.done():
                    future.set_exception(error)
                    future.exception()  # a caller that has gone away need not look
            if isinstance(error, StoreFailed):
                raise
            return
        finally:
            self.writing_since = None
        # `confirm` may have moved the watermark while the disk was busy.
        self._standing = replace(self._standing, last=seq)
        self._recent.extend(rows)
        self.changed.set()  # first, so that rows are under way while operators are told
        for (_, future), batch in zip(group, batches, strict=True):
            if not future.done():
                future.set_result(batch)

    async def _insert(self, rows: list[Row]) -> None:
        places = ",".join(["(?,?)"] * len(rows))
        values = [value for row in rows for value in (row.seq, row.body)]
        try:
            await self._writer.execute(f"INSERT INTO outbox (seq, body) VALUES {places}", values)  # noqa: S608
        except aiosqlite.Error as error:
            name = getattr(error, "sqlite_errorname", "")
            if name in _NO_ROOM:
                raise StoreFull(f"{error} ({name})") from error
            raise StoreFailed(f"{error} ({name})") from error

    async def after(self, seq: int, rows: int, octets: int) -> list[Row]:
        """Return rows that follow `seq`, in order, without a gap.

        Args:
            seq: the row before the first.
            rows: at most this many.
            octets: at most this many bytes of bodies together, but always one row.
        """
        found = self._from_memory(seq, rows)
        if found is None:
            try:
                async with self._reader.execute(
                    "SELECT seq, body FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?", (seq, rows)
                ) as cursor:
                    found = [Row(*row) for row in await cursor.fetchall()]
            except aiosqlite.Error as error:
                raise StoreFailed(str(error)) from error
        size = 0
        for count, row in enumerate(found):
            size += len(row.body.encode())
            if count and size > octets:
                return found[:count]
        return found

    def _from_memory(self, seq: int, rows: int) -> list[Row] | None:
        if not self._recent or self._recent[0].seq > seq + 1:
            return None
        start = seq + 1 - self._recent[0].seq
        return [self._recent[i] for i in range(start, min(start + rows, len(self._recent)))]

    async def newest(self, rows: int) -> list[Row]:
        """Return the newest rows still kept, oldest first.

        Raises:
            StoreFailed: the file cannot be read.
        """
        try:
            async with self._reader.execute(
                "SELECT seq, body FROM outbox ORDER BY seq DESC LIMIT ?", (rows,)
            ) as cursor:
                return [Row(*row) for row in await cursor.fetchall()][::-1]
        except aiosqlite.Error as error:
            raise StoreFailed(str(error)) from error

    async def rejections(self, rows: int) -> list[tuple[int, str, str]]:
        """Return the newest rejections as (seq, code, text), oldest first.

        Raises:
            StoreFailed: the file cannot be read.
        """
        try:
            async with self._reader.execute(
                "SELECT seq, code, text FROM rejected ORDER BY seq DESC LIMIT ?", (rows,)
            ) as cursor:
                found = {
                    int(seq): (str(code), str(text)) for seq, code, text in await cursor.fetchall()
                }
        except aiosqlite.Error as error:
            raise StoreFailed(str(error)) from error
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
                "UPDATE stream SET upto = ?, posted = ?, conflict = ?",
                (now.upto, now.posted, now.conflict),
            )
            self._written = now
            await self._writer.execute(
                "DELETE FROM outbox WHERE seq IN"
                " (SELECT seq FROM outbox WHERE seq <= ? ORDER BY seq LIMIT ?)",
                (now.upto - ring, _TRIM),
            )
            await self._writer.execute("DELETE FROM rejected WHERE seq <= ?", (now.upto - ring,))
        except aiosqlite.Error as error:
            if getattr(error, "sqlite_errorname", "") not in _NO_ROOM:
                raise StoreFailed(str(error)) from error
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
            await writer.execute(
                "INSERT INTO stream (one, epoch) VALUES (1, ?) ON CONFLICT (one) DO NOTHING",
                (str(uuid.uuid4()),),
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
        "SELECT epoch, upto, posted, conflict,"
        " max(upto, coalesce((SELECT max(seq) FROM outbox), 0)) FROM stream"
    ) as cursor:
        row = await cursor.fetchone()
    if row is None:
        raise StoreFailed("the outbox has no stream")
    epoch, upto, posted, conflict, last = row
    return Standing(uuid.UUID(epoch), last, upto, posted, conflict)
