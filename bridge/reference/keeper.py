"""Keeps the copy: reads the source on a schedule or when asked, counts what the ledger adds.

Only differences are written. What the ERP says of a document and what the ledger adds to it are one
figure to a gateway, and never counted twice: a move leaves when a reading of the document began
after the ERP had it, and a document with a delivery in flight while it was read keeps what it was.
"""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NoReturn, TypeVar

from bridge.database import unbroken
from bridge.errors import LedgerFailed, SourceFailed
from bridge.inspection import storable
from bridge.metrics import Metrics
from bridge.reference.booked import Booked, Fate, Stream, posted
from bridge.reference.copy import CHUNK, Copy, CopyFailed, Stored, Writing
from bridge.reference.counting import Move, Progress, by_gtin, needs_trades
from bridge.reference.records import record_of, text_of, too_large
from bridge.reference.source import READABLE, Reader, Records
from contract.reference import (
    KINDS,
    DocumentRecord,
    ItemRecord,
    Kind,
    Record,
)
from runtime.clock import Clock
from runtime.logs import event

log = logging.getLogger(__name__)

_R = TypeVar("_R", bound=Record)

LOOK_EVERY = 0.5
"""Seconds between two looks at the ledger and at files: an operator waits for the other bench."""
SLICE = 100
"""Records made between two turns of the loop: some 5 ms."""
WRITTEN = 1_000
"""Records in one transaction: 200 of them for 200,000 items, and none that takes long."""
MOST = 1_000_000
"""Records of one kind: beyond it a source has gone wrong."""
MOST_PROBLEMS = 20
AGAIN = 30.0
"""Seconds until a source that failed is read again."""


@dataclass(frozen=True, slots=True)
class _Fates:
    """What became of entries, as a reading of documents sees them."""

    now: Mapping[int, Fate]
    has: set[int]
    """What was read has these."""
    in_flight: set[str]
    """What was read of these documents may or may not have what was on its way to the ERP."""

    def discarded(self, entry: int) -> bool:
        fate = self.now.get(entry)
        return fate is not None and fate.discarded

    def over(self, entry: int) -> bool:
        """Whether nothing more will come of an entry."""
        fate = self.now.get(entry)
        return fate is not None and (fate.discarded or fate.state == "posted")


_NO_FATES = _Fates({}, set(), set())


class _Documents:
    """Changes of some documents, found one by one, written together."""

    def __init__(
        self,
        stored: Mapping[str, Stored],
        moves: Mapping[str, list[Move]],
        fates: _Fates = _NO_FATES,
    ) -> None:
        self._stored = stored
        self._moves = moves
        self._fates = fates
        self._put: list[Stored] = []
        self._rebased: dict[str, str] = {}
        self._settled: list[tuple[int, str]] = []
        self._dropped: list[tuple[int, str]] = []

    async def update(self, writing: Writing, key: str, base: str) -> None:
        """Let a document be what the ERP says, with what the ledger adds."""
        counting = []
        for move in self._moves.get(key, ()):
            if self._fates.discarded(move.entry):
                self._dropped.append((move.entry, key))
            elif move.entry in self._fates.has and not move.settled:
                self._settled.append((move.entry, key))
            elif not move.settled:
                counting.append(move)
        body = await _counted(writing, base, counting) if counting else base
        there = self._stored.get(key)
        if there is None or there.body != body:
            self._put.append(Stored(key, base, body))
        elif there.base != base:
            self._rebased[key] = base

    def withdraw(self, key: str) -> None:
        """Let a document be gone."""
        self._put.append(Stored(key, None, None))

    async def write(self, writing: Writing) -> None:
        """Write what was found."""
        new = [each.key for each in self._put if each.key not in self._stored]
        await writing.put("document", self._put, new=new)
        await writing.rebase(self._rebased)
        await writing.settle(self._settled)
        await writing.drop(self._dropped)


async def _counted(writing: Writing, base: str, moves: Sequence[Move]) -> str:
    record = record_of(base)
    assert isinstance(record, DocumentRecord)  # noqa: S101 - it was stored as one
    trades = {}
    if needs_trades(moves):
        stored = await writing.stored("item", sorted({line.sku for line in record.lines}))
        items = [record_of(each.body) for each in stored.values() if each.body is not None]
        trades = by_gtin(item for item in items if isinstance(item, ItemRecord))
    progress = Progress(record, trades)
    for move in moves:
        progress.add(move)
    return text_of(progress.record())


def _entries(moves: Mapping[str, Iterable[Move]]) -> set[int]:
    return {move.entry for some in moves.values() for move in some if not move.settled}


def _in_flight(
    moves: Mapping[str, list[Move]], before: Mapping[int, Fate], after: Mapping[int, Fate]
) -> set[str]:
    """Return the documents with a delivery that may have been made while they were read."""
    return {
        document
        for document, some in moves.items()
        for move in some
        if not move.settled
        and (move.entry not in before or before[move.entry].state != "posted")
        and move.entry in after
        and after[move.entry].state in {"sending", "posted"}
    }


def _mark(key: str) -> int:
    """Return eight bytes for a key: a million keys are 70 MB, a million of these half of that."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")


async def _slices(rows: AsyncIterator[_R]) -> AsyncIterator[list[_R]]:
    """Yield rows some at a time, and give everybody else a turn between."""
    some: list[_R] = []
    async for row in rows:
        some.append(row)
        if len(some) == SLICE:
            yield some
            some = []
            await asyncio.sleep(0)
    yield some


@dataclass(slots=True)
class _Read:
    """What came of reading documents."""

    bases: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Keeper:
    """One bridge's keeper of the copy; several may share one in PostgreSQL."""

    def __init__(
        self,
        copy: Copy,
        booked: Booked,
        reader: Reader,
        *,
        every: float,
        clock: Clock,
        changed: Callable[[], None] = lambda: None,
        metrics: Metrics | None = None,
    ) -> None:
        """Take what it works with.

        Args:
            copy: to keep.
            booked: of the ledger.
            reader: of the source.
            every: seconds between two readings of a source that cannot say what has changed.
            clock: monotonic for waiting, UTC for writing down.
            changed: called when there is something new for gateways.
            metrics: to count in.
        """
        self._copy = copy
        self._booked = booked
        self._reader = reader
        self._every = every
        self._clock = clock
        self._changed = changed
        self._metrics = metrics or Metrics()
        self._catching_up = asyncio.Lock()
        self._wanted = -1
        self._due = 0.0
        self._pending: frozenset[Kind] = frozenset()
        self.failure: str | None = None
        """Why the last reading failed; None where it did not."""

    async def run(self) -> NoReturn:
        """Keep until cancelled."""
        while True:
            try:
                await self.look()
                await asyncio.sleep(LOOK_EVERY)
            except (CopyFailed, LedgerFailed) as error:
                event(log, logging.ERROR, "the reference copy stands still", why=str(error))
                await asyncio.sleep(AGAIN / 10)

    async def look(self) -> None:
        """Count what is new in the ledger; read the source where that is due."""
        await self.catch_up()
        wanted = (await self._copy.state()).wanted
        asked, self._wanted = wanted > self._wanted >= 0, wanted
        now = self._clock.monotonic()
        if asked:
            self._due = 0.0
        kinds: frozenset[Kind] = frozenset()
        if self._reader.changed is not None:
            self._pending |= (
                frozenset(KINDS) if asked else await asyncio.to_thread(self._reader.changed)
            )
            if now >= self._due:
                kinds = self._pending
        elif now >= self._due:
            kinds = frozenset(KINDS)
        if kinds:
            await self.read(kinds, at_once=asked)

    async def read(self, kinds: frozenset[Kind], *, at_once: bool = True) -> bool:
        """Read these kinds from the source; True where that went through.

        Args:
            kinds: to read, as far as the source has them.
            at_once: although another bridge may have read a moment ago.
        """
        files = self._reader.changed is not None
        self._due = self._clock.monotonic() + (0.0 if files else self._every)
        now = self._clock.utc()
        recently = None if at_once or files else now - timedelta(seconds=self._every * 0.9)
        state = await self._copy.begin(now, recently)
        if state is None:
            return False
        problems: list[str] = []
        try:
            async with self._reader.open() as records:
                for kind in KINDS:
                    if kind in kinds & self._reader.kinds():
                        problems += await self._take(records, kind, state.round)
            await self._copy.done(state.round, self._clock.utc(), problems)
        except (SourceFailed, OSError) as error:
            self._due = self._clock.monotonic() + min(self._every, AGAIN)
            self._failed(str(error))
            return False
        self._pending -= kinds
        self._failed(None)
        self._metrics.set("reference_read_seconds", self._clock.utc().timestamp())
        for problem in problems:
            event(log, logging.WARNING, "a record is left out", why=problem)
        return True

    def _failed(self, why: str | None) -> None:
        if why is not None and why != self.failure:
            event(log, logging.ERROR, "reference data cannot be read", why=why)
        self.failure = why
        self._metrics.set("reference_failing", why is not None)

    async def _take(self, records: Records, kind: Kind, round_: int) -> list[str]:
        before = (await self._copy.state()).version
        if kind == "document":
            problems = await self._take_documents(records, round_)
        else:
            problems = await self._take_plain(records, kind, round_)
        after = (await self._copy.state()).version
        self._metrics.set("reference_version", after)
        if after != before:
            event(log, logging.INFO, "reference data read", kind=kind, changes=after - before)
            self._changed()
        return problems[:MOST_PROBLEMS]

    # Items and locations: some at a time, each time a transaction of its own

    async def _take_plain(self, records: Records, kind: Kind, round_: int) -> list[str]:
        seen: set[int] = set()
        problems: list[str] = []
        rows: AsyncIterator[Record] = records.items() if kind == "item" else records.locations()
        texts: dict[str, str] = {}
        async for some in _slices(rows):
            for record in some:
                text, key = text_of(record), storable(record.key)
                if too_large(record, text):
                    problems.append(f"{kind} {key}: it is too large for a message")
                    continue
                if (mark := _mark(key)) in seen:
                    problems.append(f"{kind} {key}: it is there twice; the first one counts")
                    continue
                seen.add(mark)
                texts[key] = text
            if len(texts) >= WRITTEN:
                await self._write_plain(kind, texts, round_)
                texts = {}
            if len(seen) > MOST:
                raise SourceFailed(f"more than {MOST} {READABLE[kind]}")
        await self._write_plain(kind, texts, round_)
        await self._withdraw(kind, seen, round_)
        return problems

    @unbroken
    async def _write_plain(self, kind: Kind, texts: Mapping[str, str], round_: int) -> None:
        stored = await self._copy.stored(kind, list(texts))
        changed = [
            Stored(key, None, text)
            for key, text in texts.items()
            if key not in stored or stored[key].body != text
        ]
        if changed:
            async with self._copy.write(round_) as writing:
                await writing.put(kind, changed, new=texts.keys() - stored.keys())

    async def _withdraw(self, kind: Kind, seen: set[int], round_: int) -> None:
        after = ""
        while keys := await self._copy.keys(kind, after, CHUNK):
            after = keys[-1]
            gone = [Stored(key, None, None) for key in keys if _mark(key) not in seen]
            if gone:
                await self._write_gone(kind, gone, round_)

    @unbroken
    async def _write_gone(self, kind: Kind, gone: Sequence[Stored], round_: int) -> None:
        async with self._copy.write(round_) as writing:
            await writing.put(kind, gone, new=())

    # Documents: all in one transaction with what the ledger adds

    async def _take_documents(self, records: Records, round_: int) -> list[str]:
        figures = self._reader.figures()
        before = await self._booked.fates(_entries(await self._copy.moves()))
        read = _Read()
        async for some in _slices(records.documents()):
            for record in some:
                text, key = text_of(record), storable(record.key)
                if too_large(record, text):
                    read.problems.append(f"document {key}: it is too large for a message")
                elif key in read.bases:
                    read.problems.append(f"document {key}: it is there twice")
                else:
                    read.bases[key] = text
        await self.catch_up()
        moves = await self._copy.moves()
        after = await self._booked.fates(_entries(moves))
        has = posted(before, figures.at) if figures.how != "none" else set()
        in_flight = _in_flight(moves, before, after) if figures.how == "live" else set()
        await self._write_documents(read.bases, moves, _Fates(after, has, in_flight), round_)
        return read.problems

    @unbroken
    async def _write_documents(
        self,
        bases: Mapping[str, str],
        known: Mapping[str, list[Move]],
        fates: _Fates,
        round_: int,
    ) -> None:
        keys = [
            *bases,
            *(key for key in await self._all_keys() if key not in bases),
        ]
        async with self._copy.write(round_) as writing:
            # Moves that came while this waited are there, and are neither settled nor dropped.
            moves = await writing.moves()
            for start in range(0, len(keys), CHUNK):
                some = keys[start : start + CHUNK]
                stored = await writing.stored("document", some)
                work = _Documents(stored, moves, fates)
                for key in some:
                    there = stored.get(key)
                    if key in fates.in_flight and there is not None and there.base is not None:
                        continue  # it stays what it was until a quieter reading
                    if key in bases:
                        await work.update(writing, key, bases[key])
                    elif there is not None and there.body is not None:
                        work.withdraw(key)
                await work.write(writing)
            here = bases.keys() | fates.in_flight
            strays = [move for key in moves.keys() - here for move in moves[key]]
            await writing.drop(
                (move.entry, move.document) for move in strays if fates.over(move.entry)
            )

    async def _all_keys(self) -> list[str]:
        found: list[str] = []
        while page := await self._copy.keys("document", found[-1] if found else "", CHUNK):
            found += page
        return found

    # What the ledger adds

    async def catch_up(self) -> bool:
        """Count what the ledger has taken in since the last time; True where that was anything."""
        async with self._catching_up:
            counted = await self._copy.counted()
            behind = [
                stream
                for stream in await self._booked.streams()
                if stream.upto > counted.get(stream.id, 0)
            ]
            if not behind:
                return False
            # What the ERP has before the first reading of it is in that reading.
            live = self._reader.figures().how == "live"
            skip = live and (await self._copy.state()).read_at is None
            for stream in behind:
                after = counted.get(stream.id, 0)
                while after < stream.upto:
                    last, moves = await self._booked.moves(stream, after, skip_posted=skip)
                    if not await self._count(stream, after, last, moves):
                        break
                    after = last
                    await asyncio.sleep(0)
        self._changed()
        return True

    @unbroken
    async def _count(self, stream: Stream, after: int, last: int, moves: Sequence[Move]) -> bool:
        """Count one page of a stream; False where another bridge has done it meanwhile."""
        async with self._copy.write() as writing:
            if not await writing.advance(stream, after, last):
                return False
            await writing.count(moves)
            documents = sorted({move.document for move in moves})
            for start in range(0, len(documents), CHUNK):
                some = documents[start : start + CHUNK]
                stored = await writing.stored("document", some)
                work = _Documents(stored, await writing.moves(some))
                for key in some:
                    there = stored.get(key)
                    if there is not None and there.body is not None and there.base is not None:
                        await work.update(writing, key, there.base)
                await work.write(writing)
        return True
