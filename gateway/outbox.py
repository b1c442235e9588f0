"""The durable queue: what `put` returned from survives a power cut, and leaves in order.

The only queue of the gateway is this table. One task writes, in one statement for each group:
scans that arrive while a commit runs form the next group, and a lone scan waits for nobody. A row
stays until the bridge's word (`confirm`) passes it, and some time longer, for people to look at.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiosqlite

from contract.envelope import Ack, Rejected
from gateway.errors import StoreDamaged, StoreFailed, StoreFull, StoreSlow, StoreSuperseded
from gateway.group import (
    THREE,
    Failed,
    Group,
    Put,
    Write,
    into_intake,
    places,
    session_row,
    word_row,
)
from gateway.renewal import note_renewal, renewed, unseen_of
from gateway.reserve import is_for_want_of_room, reserve_of
from gateway.rows import (
    SELECT_ROWS,
    Row,
    Standing,
    intact,
    read_row,
    seal_row,
    stream_digest,
)
from gateway.salvage import Ended
from runtime.logs import event
from runtime.sqlite import (
    Bell,
    StoreInUse,
    StoreUnusable,
    bell,
    open_reader,
    open_store,
    submit,
)

log = logging.getLogger(__name__)

MAX_SESSION = 256 * 1024
"""Characters of one station's session: some hundred open lines, and no photo by mistake."""

MIGRATIONS = Path(__file__).parent / "migrations"
PAGE_SIZE = 2048
"""Bytes. Measured on ext4 with 20 scans a second, the bridge's word and the trimming, in kB written
for each scan: 11.2 with pages of 1024, 9.9 with 2048, 12.5 with 4096, 18 with 8192. A row of 650
bytes and its page's frame in the log then touch one or two blocks of the disk, seldom three."""

_GROUP = 500  # rows of one INSERT: at most eight parameters each, and SQLite takes 32,766
_RECENT = 1000  # rows kept in memory for the forwarder: live scans are sent without a read
_TRIM = 2000  # rows deleted by one statement, so that a scan never waits long behind it
_SCRAPS = 256  # rows worth a deletion of their own: whole pages go, and seldom
_LEAN = 100  # confirmed rows that stay where the disk has little room
_WORD_APART = 5.0  # seconds between two writes of the bridge's word: losing it costs a resend only
_FILL_APART = 10.0  # seconds between two tries to put room by again
_TAKE_BACK_APART = 0.2  # seconds between two tries to take rows back
_NO_ROOM = (
    "SQLITE_FULL",
    "SQLITE_BUSY",
    "SQLITE_LOCKED",
    "SQLITE_NOMEM",
    "SQLITE_TOOBIG",
    "SQLITE_IOERR_SHMSIZE",  # the index of the log could not grow
)


@dataclass(frozen=True, slots=True)
class Settings:
    """How a store is kept."""

    within: float = 15.0
    """Seconds in which `put` answers, whatever the disk does. The daemon has less: an operator
    waits."""
    reserve: int = 0
    """Bytes to put by for the day the disk is full."""
    floor: int = 0
    """Bytes of free disk below which confirmed rows give way to new ones."""
    machine: str = ""
    """Where this is, see `runtime.machine`; empty: not looked at."""
    renews: bool = False
    """Whether a copy of a store begins a new stream by itself; else a person has to say so."""


class Outbox:
    """First in, first out. Use `open_outbox`."""

    def __init__(
        self,
        connections: tuple[aiosqlite.Connection, aiosqlite.Connection],
        bell: Bell,
        standing: Standing,
        path: Path,
        settings: Settings,
        past: tuple[Ended, ...] = (),
    ) -> None:
        self._writer, self._reader = connections
        self._bell = bell
        self._standing = standing
        self._written = standing
        self._word_at = float("-inf")
        self._path = path
        self._settings = settings
        self._reserve = reserve_of(path, settings.reserve)
        self._fill_at = float("-inf")
        self._trimmed: int | None = None
        self._heard: tuple[Rejected, ...] = ()
        self._kept: tuple[Rejected, ...] = ()
        self._pending: list[Put] = []
        self._group: Group | None = None
        """What the disk was given last, until that is stored or taken back."""
        self._failed: Failed | None = None
        self._open = False
        """Whether `write` runs."""
        self._limit: asyncio.TimerHandle | None = None
        """Fires when a put may be late."""
        self._ending: StoreFailed | None = None
        self._sessions: dict[str, str] = {}
        """As they are on disk; empty where a station has none."""
        self._work = asyncio.Event()
        self._recent: deque[Row] = deque(maxlen=_RECENT)
        self.past = past
        """Streams that ended in this place, oldest first."""
        self.stored_octets = 0
        """Bytes of bodies stored since the start."""
        self.writing_since: float | None = None
        """Loop time at which the statement that runs was given to the disk."""
        self.changed = asyncio.Event()
        """Set when a row was stored that nobody sent at once; the forwarder waits for it."""
        self.sent_at_once: Callable[[Sequence[Row]], bool] = lambda _: False
        """Called with rows as soon as they are stored; True if nobody need be woken for them."""

    @property
    def room_put_by(self) -> bool:
        """Whether there is room left for the day the disk is full; True if none is wanted."""
        return not self._reserve.wanted

    @property
    def unseen(self) -> Ended | None:
        """The stream that ended here last, until a person says to have seen that."""
        return unseen_of(self._path, self.past)

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
        loop = asyncio.get_running_loop()
        put = Put(writes, sessions, loop.create_future(), loop.time() + self._settings.within)
        self._pending.append(put)
        self._begin()
        if not put.done.done() and (self._limit is None or self._limit.when() > put.late_at):
            self._look_again_at(put.late_at)
        return await put.done

    def _look_again_at(self, when: float) -> None:
        if self._limit is not None:
            self._limit.cancel()
        self._limit = asyncio.get_running_loop().call_at(when, self._look_for_late)

    def _look_for_late(self) -> None:
        """Withdraw what is late. One timer for all puts: it is not taken back with each of them."""
        self._limit = None
        loop = asyncio.get_running_loop()
        under_way = self._group.puts if self._group is not None else ()
        puts = [put for put in (*under_way, *self._pending) if not put.done.done()]
        # A timer may fire early by the resolution of the clock.
        due = loop.time() + 0.001
        for put in puts:
            if put.late_at <= due:
                self._withdraw(put)
        rest = [put.late_at for put in puts if put.late_at > due]
        if rest:
            self._look_again_at(min(rest))

    def _withdraw(self, put: Put) -> None:
        """Give up on a disk that does not answer: what it has begun is taken back later."""
        late = StoreSlow(f"the disk has not answered for {self._settings.within:g} s")
        if put in self._pending:
            self._pending.remove(put)
            put.fail(late)
        elif self._group is not None and put in self._group.puts and not put.done.done():
            # They share a statement: all of its rows are taken back, or numbers would be missing.
            self._group.withdrawn = True
            for each in self._group.puts:
                each.fail(late)

    async def write(self) -> None:
        """Write what `put` brings, until cancelled. Ends with `StoreFailed` if the disk does.

        The usual group passes this task by: `put` gives it to the disk, whose word is taken by
        `_answered`. Here is done what takes longer.
        """
        self._open = True
        try:
            while True:
                if self._failed is not None:
                    await self._see_to(self._failed)
                if self._ending:
                    for put in self._pending:
                        put.fail(self._ending)
                    self._pending.clear()
                    raise self._ending
                self._begin()
                await self._wait_for_work()
        finally:
            self._open = False

    async def _wait_for_work(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._reserve.wanted and now >= self._fill_at:
            self._fill_at = now + _FILL_APART
            await self._reserve.fill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FILL_APART if self._reserve.wanted else None):
                await self._work.wait()
        self._work.clear()

    def _take_group(self) -> list[Put]:
        if len(self._pending) == 1:
            alone, self._pending = self._pending, []
            return alone
        size = taken = 0
        for put in self._pending:
            if taken and size + len(put.writes) > _GROUP:
                break
            size += len(put.writes)
            taken += 1
        group, self._pending = self._pending[:taken], self._pending[taken:]
        return group

    def _begin(self) -> None:
        """Give the disk what waits, unless it is busy: then that is the next group."""
        if self._group is not None or not self._pending or not self._open or self._ending:
            return
        puts = self._take_group()
        standing = self._standing
        seq = standing.last
        for put in puts:
            put.rows = [
                seal_row(seq + n, write(standing.epoch, seq + n))
                for n, write in enumerate(put.writes, 1)
            ]
            seq += len(put.rows)
        self._group = group = Group(
            puts,
            [row for put in puts for row in put.rows],
            self._changed_sessions(puts),
            self._word_due(),
        )
        if not group.rows and not group.sessions:
            group.word = None  # nothing is written, and so not the word either
            self._answered(group, None)  # sessions as they are on disk
            return
        self.writing_since = asyncio.get_running_loop().time()
        submit(self._writer, self._bell, *group.statement(), partial(self._answered, group))

    def _answered(self, group: Group, error: Exception | None) -> None:
        """Take what the disk said of the group that was given to it."""
        if error is not None or group.withdrawn:
            self._failed = Failed(group, error)
            self._work.set()
            return
        self._stored(group)
        self._begin()

    def _stored(self, group: Group) -> None:
        self._group, self.writing_since = None, None
        self._sessions.update(group.sessions)
        if group.word:
            self._word_written(group.word)
        if group.rows:
            # `confirm` may have moved the watermark while the disk was busy.
            now = self._standing
            last = group.rows[-1].seq
            self._standing = Standing(now.epoch, last, now.upto, now.posted, now.conflict)
            self.stored_octets += sum([len(row.body) for row in group.rows])
            self._recent.extend(group.rows)
        for put in group.puts:
            if not put.done.done():
                put.done.set_result(put.rows)
        # Still before the operators hear of it: they are told in the next turn of the loop.
        if group.rows and not self.sent_at_once(group.rows):
            self.changed.set()

    async def _see_to(self, failed: Failed) -> None:
        """Do what is left to do of a group that the disk did not take, or took too late."""
        group = failed.group
        try:
            if failed.error is not None:
                await self._insert_again(group, failed.error)
            if group.withdrawn:
                await self._take_back(self._standing.last, group.sessions)
                self._group = None
            else:
                self._stored(group)
        except (StoreFull, StoreFailed) as error:
            for put in group.puts:
                put.fail(error)
            self._group = None
            if isinstance(error, StoreFailed):
                raise
        finally:
            self._failed = self.writing_since = None

    async def _insert_again(self, group: Group, error: Exception) -> None:
        """Insert with the room put by, if room is what was missing."""
        if not isinstance(error, aiosqlite.Error):
            raise error
        if not is_for_want_of_room(error) or not await self._reserve.release():
            raise self._failure(error) from error
        await self._execute(*group.statement())

    def _changed_sessions(self, group: list[Put]) -> dict[str, str]:
        """Return the last session of each station that is not on disk as it is."""
        latest = {station: text for put in group for station, text in put.sessions}
        return {
            station: text for station, text in latest.items() if self._sessions.get(station) != text
        }

    async def _take_back(self, last: int, sessions: Mapping[str, str]) -> None:
        """Undo a statement whose callers were told that nothing is saved."""
        before = {station: self._sessions.get(station, "") for station in sessions}
        values = [(None,) * 7 + (last,), *(session_row(*each) for each in before.items())]
        while True:
            try:
                await self._execute(*into_intake(values))
            except StoreFull as full:
                event(log, logging.ERROR, "rows cannot be taken back yet", why=str(full))
                await asyncio.sleep(_TAKE_BACK_APART)
            else:
                event(log, logging.ERROR, "the disk answered too late: taken back", after=last)
                return

    async def _execute(self, statement: str, values: Sequence[Any] = ()) -> None:
        """Run one statement, with the room put by if there is no other."""
        try:
            await self._writer.execute(statement, values)
        except aiosqlite.Error as error:
            if not is_for_want_of_room(error) or not await self._reserve.release():
                raise self._failure(error) from error
            await self._execute(statement, values)

    def _failure(self, error: aiosqlite.Error, *, reading: bool = False) -> StoreFull | StoreFailed:
        """Sort what SQLite says by who acts."""
        name = getattr(error, "sqlite_errorname", "")
        said = f"{error} ({name})"
        if name.startswith("SQLITE_CORRUPT") or name == "SQLITE_NOTADB":
            return self._damaged(said)
        if name.startswith(_NO_ROOM) and not reading:
            return StoreFull(said)
        return StoreFailed(said)

    def _damaged(self, why: str) -> StoreDamaged:
        note_renewal(self._path, self._standing.epoch, "damage", why)
        return StoreDamaged(why)

    def _word_due(self) -> Standing | None:
        """Return what the bridge said last if it is time to write that down."""
        now, then = self._standing, self._written
        if (now.upto, now.posted, now.conflict) == (then.upto, then.posted, then.conflict):
            return None
        late = asyncio.get_running_loop().time() - self._word_at
        return now if late >= _WORD_APART else None

    def _word_written(self, word: Standing) -> None:
        self._written = word
        self._word_at = asyncio.get_running_loop().time()

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
            elif text:
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
                f"{SELECT_ROWS} WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
                # What lies behind may yet be taken back.
                (seq, standing.last, rows),
            )
            try:
                found = [read_row(*row) for row in stored]
                _hold_gapless(seq, found, standing)
            except StoreDamaged as damage:
                raise self._damaged(str(damage)) from damage
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
            raise self._failure(error, reading=True) from error

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
        for row in await self._read(
            f"{SELECT_ROWS} WHERE seq <= ? ORDER BY seq DESC LIMIT ?", (self._standing.last, rows)
        ):
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

    async def agrees(self, ack: Ack) -> bool:
        """Say whether the bridge's word is about our rows: a copy of a store has others there.

        A store restored from a backup that went on offline has given numbers a second time; what
        the bridge says of the first rows must not count for the second.

        Raises:
            StoreDamaged: the row is not what was stored, or is missing.
            StoreFailed: the file cannot be read.
        """
        agrees = self.agrees_from_memory(ack)
        if agrees is None:
            [row] = await self.after(ack.upto - 1, 1, 1)
            agrees = row.digest == ack.digest
        return agrees

    def agrees_from_memory(self, ack: Ack) -> bool | None:
        """Say the same without a look at the disk; None where that would be needed."""
        now = self._standing
        ours = ack.epoch == now.epoch and now.upto < ack.upto <= now.last
        if ack.digest is None or not ours:
            return True
        found = self._from_memory(ack.upto - 1, 1)
        return None if found is None else found[0].digest == ack.digest

    def confirm(self, ack: Ack) -> bool:
        """Take the bridge's word, and say whether it said anything new.

        The word is kept in memory; `keep` writes it down. Losing it only means sending again.
        A word about another epoch is not ours. One about rows that never were, or about a row that
        came with two contents, says that this store is a copy: then, if it is set so, `write` ends
        and the next start takes a new epoch; unless this epoch began that way itself and nothing of
        it was ever booked.
        """
        now = self._standing
        if ack.epoch != now.epoch:
            return False
        if ack.reach > now.last:
            self._supersede(f"the bridge has row {ack.reach}, this store ends with {now.last}")
            then = replace(now, conflict=ack.conflict or now.conflict)
        else:
            self._heard = ack.rejected
            upto, posted = max(now.upto, ack.upto), max(now.posted, ack.posted)
            then = Standing(now.epoch, now.last, upto, posted, ack.conflict)
        self._standing = then
        if ack.conflict is not None:
            self._supersede(f"row {ack.conflict} came to the bridge with two contents")
        return then != now

    def _supersede(self, why: str) -> None:
        now = self._standing
        again = bool(self.past) and self.past[-1].cause == "copy" and not now.upto
        if self._ending or again or not self._settings.renews:
            return
        self._ending = StoreSuperseded(f"this store is a copy: {why}; starting a new stream")
        note_renewal(self._path, now.epoch, "copy", why)
        self._work.set()

    async def keep(self, ring: int) -> None:
        """Write the bridge's word down, and delete rows that lie `ring` or more behind it.

        Often there is nothing to do: the word goes along with the next rows, at most once in
        `_WORD_APART` seconds, and rows are deleted by the hundred.

        Args:
            ring: confirmed rows to keep for people to look at.
        """
        with contextlib.suppress(StoreFull):  # no room for the word: the bridge will say it again
            if self._heard != self._kept:
                await self._keep_rejected(self._heard)
            if word := self._word_due():
                await self._write_word(word)
            await self._trim(ring)

    async def _write_word(self, word: Standing) -> None:
        _, _, _, mark, upto, posted, conflict, _ = word_row(word)
        await self._execute(
            "UPDATE stream SET upto = ?, posted = ?, conflict = ?, digest = ?",
            (upto, posted, conflict, mark),
        )
        self._word_written(word)

    async def _trim(self, ring: int) -> None:
        if self._trimmed is None:
            [(first,)] = await self._read("SELECT min(seq) FROM outbox", ())
            self._trimmed = (first or self._standing.last + 1) - 1
        if self._settings.floor and free_octets(self._path.parent) < self._settings.floor:
            ring = min(ring, _LEAN)
        # What is written down, not what was heard: a row must not go before the word that lets it.
        until = self._written.upto - ring
        if until - self._trimmed < max(1, min(_SCRAPS, ring // 8)):
            return
        await self._execute(
            "DELETE FROM outbox WHERE seq IN"
            " (SELECT seq FROM outbox WHERE seq <= ? ORDER BY seq LIMIT ?)",
            (until, _TRIM),
        )
        await self._execute("DELETE FROM rejected WHERE seq <= ?", (until,))
        self._trimmed = min(until, self._trimmed + _TRIM)

    async def _keep_rejected(self, rejected: tuple[Rejected, ...]) -> None:
        if rejected:
            await self._execute(
                f"INSERT INTO rejected (seq, code, text) VALUES {places(THREE, rejected)}"  # noqa: S608
                " ON CONFLICT (seq) DO UPDATE SET code = excluded.code, text = excluded.text",
                [value for row in rejected for value in (row.seq, row.code, row.text)],
            )
        self._kept = rejected

    async def close(self) -> None:
        """Write the bridge's last word down, if the disk takes it."""
        if self._limit is not None:
            self._limit.cancel()
        if self._written != self._standing and not self._ending:
            with contextlib.suppress(StoreFull, StoreFailed):
                await self._write_word(self._standing)


@contextlib.asynccontextmanager
async def open_outbox(path: Path, settings: Settings | None = None) -> AsyncIterator[Outbox]:
    """Open the outbox at `path`, making it if there is none. A new file is a new epoch.

    A damaged store, and a copy of one that went on elsewhere, is moved aside first; what it holds
    goes on in a new one. `Outbox.write` must run beside it. Closing waits for the statement that
    runs.

    Raises:
        runtime.sqlite.StoreUnusable: the file was left as it is.
    """
    settings = settings or Settings()
    with alone(path):
        past = await asyncio.to_thread(
            renewed,
            path,
            MIGRATIONS,
            machine=settings.machine,
            page_size=PAGE_SIZE,
            copies=settings.renews,
        )
        async with contextlib.AsyncExitStack() as stack:
            rings = stack.enter_context(bell())
            writer = await open_store(path, MIGRATIONS, page_size=PAGE_SIZE)
            stack.push_async_callback(writer.close)
            standing = await _standing(writer, path, settings.machine)
            reader = await open_reader(path)
            stack.push_async_callback(reader.close)
            outbox = Outbox((writer, reader), rings, standing, path, settings, past)
            outbox._sessions = await outbox.sessions()  # noqa: SLF001 - what is taken back to
            stack.push_async_callback(outbox.close)
            yield outbox


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
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
            raise StoreInUse(f"{path}: in use by another process") from error
        yield


async def _standing(writer: aiosqlite.Connection, path: Path, machine: str) -> Standing:
    epoch = str(uuid.uuid4())
    try:
        await writer.execute(
            "INSERT INTO stream (one, epoch, digest, machine) VALUES (1, ?, ?, ?)"
            " ON CONFLICT (one) DO UPDATE SET machine = excluded.machine WHERE machine = ''",
            (epoch, stream_digest(epoch, 0, 0, None), machine),
        )
        async with writer.execute(
            "SELECT epoch, upto, posted, conflict,"
            " max(upto, coalesce((SELECT max(seq) FROM outbox), 0)) FROM stream"
        ) as cursor:
            rows = list(await cursor.fetchall())
    except aiosqlite.Error as error:
        raise StoreUnusable(f"{path}: {error}") from error
    [(epoch, upto, posted, conflict, last)] = rows
    return Standing(uuid.UUID(epoch), last, upto, posted, conflict)


def _hold_gapless(seq: int, found: list[Row], standing: Standing) -> None:
    """Raise where a row is missing that must be there: only confirmed rows are ever deleted."""
    first = max(seq, standing.upto) + 1
    if first <= standing.last and (not found or found[0].seq > first):
        raise StoreDamaged(f"row {first} is missing")
    for before, row in pairwise(found):
        if row.seq != before.seq + 1:
            raise StoreDamaged(f"row {before.seq + 1} is missing")


def free_octets(folder: Path) -> int:
    """Return the bytes that are free for us on the disk of a folder."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize
