"""One round: read the ERP, hold the ledger against it, read again what seems wrong, write it down.

What cannot be read is said, and nothing is concluded from it. What seems wrong for the first time
is read a second time before anybody is told: pages of an ERP that works meanwhile need not fit.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.connector import Capabilities, Found, Source
from bridge.errors import BridgeError
from bridge.ledger import Ledger
from bridge.reconciliation import entries
from bridge.reconciliation.comparison import Comparison, Known
from bridge.reconciliation.config import ReconciliationTable
from bridge.reconciliation.differences import Difference
from bridge.reconciliation.drift import Move, Rolled, Span, roll
from bridge.reconciliation.entries import PAGE, Moves, Window
from bridge.reconciliation.findings import Reconciled, latest, read
from bridge.reconciliation.keeping import Outcome, Watched, keep, watched
from bridge.reconciliation.stock import (
    Baseline,
    Changed,
    TooMuch,
    added_up,
    baseline,
    changed,
    keep_levels,
)
from runtime.clock import Clock

log = logging.getLogger(__name__)
_T = TypeVar("_T")
_ID = re.compile(r"[0-9a-f-]{36}")  # an ERP may hold any text where the connector writes ids

MOST_DOCUMENTS = 200_000
"""Documents of the ERP that are read: a week of a busy house, some 100 MB while it goes on."""
MOST_MOVES = 50_000
"""Postings between two readings of stock, some 50 MB: a day of a busy house."""
AT_ONCE = 1_000
"""Documents taken in before others have their turn: some milliseconds."""
READ_WITHIN = 1_800.0
"""Seconds for one reading of the ERP."""
SKEW = timedelta(days=1)
"""By how much the clocks of the bridge and the ERP may differ, wrong time zones included."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is read, and how."""

    name: str
    can: Capabilities
    source: Callable[[], AbstractAsyncContextManager[Source] | None]
    moves: Moves | None = None
    """What a booking adds to stock; without it stock is not read."""


async def reconcile(
    ledger: Ledger, target: Target, table: ReconciliationTable, clock: Clock
) -> Reconciled:
    """Hold the ledger against the ERP once, and return what is open after it.

    Raises:
        LedgerFailed: the ledger's database did not do its part; nothing was concluded.
    """
    known = await ledger.ask(partial(watched, target=target.name))
    round_ = _Round(ledger, target, table, clock, known)
    if "booked" in target.can.reads:
        await round_.documents()
    if table.stock and target.moves is not None and "stock" in target.can.reads:
        await round_.stock(target.moves)
    await ledger.put(round_.write)
    return await latest(ledger)


class _Round:
    def __init__(
        self,
        ledger: Ledger,
        target: Target,
        table: ReconciliationTable,
        clock: Clock,
        known: Watched,
    ) -> None:
        began = clock.utc()
        since = began - timedelta(days=table.days)
        self._ledger = ledger
        self._target = target
        self._table = table
        self._clock = clock
        self._known = known
        self._outcome = Outcome(target.name, began, since, (), (), (), 0)
        self._settled_before = began - timedelta(seconds=table.settle)
        self._differences: list[Difference] = []
        self._judged: set[str] = set()
        self._errors: list[str] = []
        self._levels: Changed = {}

    async def documents(self) -> None:
        """Hold entries against documents."""
        first = await self._all_documents()
        new = {each.subject for each in first if not self._is_known(each)}
        self._judge(first, await self._again(new) if new else first)

    async def _all_documents(self) -> list[Difference]:
        found, whole = await self._booked()
        comparison, differences = await self._compare(found, whole=whole)
        self._judged |= comparison.judged
        if whole:
            self._outcome = replace(self._outcome, documents=len(found))
            self._judged |= self._vanished({row.reference for row in found})
        return differences

    async def _booked(self) -> tuple[list[Found], bool]:
        """Return the documents that could be read, and whether these are all."""
        rows: list[Found] = []

        async def collect(source: Source) -> bool:
            async for row in source.booked(self._outcome.since - SKEW):
                rows.append(row)
                if len(rows) % AT_ONCE == 0:
                    await asyncio.sleep(0)  # a source that has a page at hand waits for nothing
                if len(rows) > MOST_DOCUMENTS:
                    raise TooMuch(f"more than {MOST_DOCUMENTS} documents: say fewer days")
            return True

        whole = await self._read("documents", collect)
        return rows, bool(whole)

    async def _compare(
        self, found: Sequence[Found], *, whole: bool, only: Collection[str] | None = None
    ) -> tuple[Comparison, list[Difference]]:
        comparison = Comparison(
            whole=whole, settled_before=self._settled_before, tolerance=self._table.tolerance
        )
        for start in range(0, len(found), AT_ONCE):
            comparison.take(found[start : start + AT_ONCE])
            await asyncio.sleep(0)
        window = Window(self._outcome.since, self._target.can)
        undone = await self._ledger.ask(partial(entries.undone, since=window.since))
        window = replace(window, undone=undone)
        differences: list[Difference] = []
        if only is None:
            async for page in self._pages(window):
                differences += [each for known in page for each in comparison.meet(known)]
                self._outcome = replace(self._outcome, entries=self._outcome.entries + len(page))
        asked = sorted(filter(_ID.fullmatch, comparison.unmet | set(only or ())))
        for start in range(0, len(asked), PAGE):
            names = asked[start : start + PAGE]
            for known in await self._ledger.ask(
                partial(entries.named, references=names, window=window)
            ):
                differences += comparison.meet(known)
        differences += comparison.grouped()
        differences += comparison.strangers(self._outcome.began_at - SKEW)
        return comparison, differences

    async def _pages(self, window: Window) -> AsyncIterator[list[Known]]:
        number = await self._ledger.ask(partial(entries.first, since=window.since))
        after = None if number is None else number - 1
        while after is not None:
            page = await self._ledger.ask(partial(entries.page, after=after, window=window))
            yield page
            after = page[-1].number if len(page) == PAGE else None

    async def _again(self, new: Collection[str]) -> list[Difference]:
        """Return what differs of these ids in a second reading, and of what is known already."""
        found, whole = await self._booked()
        theirs = {row.document for row in found if row.reference in new}
        near = {row.reference for row in found if row.document in theirs} | set(new)
        near |= {subject for _, subject in self._known}
        rows = [row for row in found if row.reference in near]
        return (await self._compare(rows, whole=whole, only=near))[1]

    def _judge(self, first: Iterable[Difference], second: Iterable[Difference]) -> None:
        """Take for true what both readings say; of the rest nothing can be said this time."""
        said = {_name(each): each for each in first}
        again = {_name(each): each for each in second}
        self._differences += [each for name, each in said.items() if name in again]
        self._judged -= {name[1] for name in said.keys() ^ again.keys()}

    def _is_known(self, difference: Difference) -> bool:
        row = self._known.get((difference.kind, difference.subject))
        return row is not None and row.fingerprint == difference.fingerprint

    def _vanished(self, there: Collection[str]) -> set[str]:
        """Return ids only the ERP knew, of drafts that are gone and would have been shown."""
        gone: set[str] = set()
        for (kind, subject), row in self._known.items():
            if kind == "orphan_draft" and row.entry is None and subject not in there:
                made_at = read(row.detail).made_at
                if made_at is not None and made_at >= self._outcome.since:
                    gone.add(subject)
        return gone

    async def stock(self, says: Moves) -> None:
        """Hold stock against what was booked since the last reading."""
        before = await self._ledger.ask(partial(baseline, target=self._target.name))
        read = first = await self._rolled(before, says)
        if first is not None and not all(map(self._is_known, first[0].differences)):
            read = await self._rolled(before, says)
        if first is None or read is None:
            return
        rolled, now = read
        self._judged |= {key.subject for key in rolled.judged}
        told = len(self._differences)
        self._judge(first[0].differences, rolled.differences)
        self._levels = await asyncio.to_thread(changed, before, Baseline(rolled.levels, now))
        self._outcome = replace(
            self._outcome,
            levels=len(rolled.judged),
            drifting=len(self._differences) - told,
            stock_from=now.begin,
            stock_to=now.end,
        )

    async def _rolled(self, before: Baseline, says: Moves) -> tuple[Rolled, Span] | None:
        begin = self._clock.utc()
        shown = await self._read("stock", lambda source: added_up(source.stock()))
        if shown is None:
            return None
        now = Span(begin, self._clock.utc())
        oldest = before.oldest or now
        moves = await self._moves(oldest.begin, says)
        if moves is None:
            return await asyncio.to_thread(roll, {}, None, shown, now, ()), now
        given = (before.levels, before.last, shown, now, moves, self._table.tolerance)
        return await asyncio.to_thread(roll, *given), now  # a second of reckoning

    async def _moves(self, since: datetime, says: Moves) -> list[Move] | None:
        found: list[Move] = []
        after: int | None = 0
        while after is not None:
            page, after = await self._ledger.ask(
                partial(entries.moves, since=since, after=after, says=says)
            )
            found += page
            if len(found) > MOST_MOVES:
                self._errors.append(
                    f"stock: more than {MOST_MOVES} postings since it was read last; read it more"
                    " often. It is followed from here on."
                )
                return None
        return found

    async def _read(self, what: str, collect: Callable[[Source], Awaitable[_T]]) -> _T | None:
        """Read the ERP within bounds; None where that failed, and why is in the errors."""
        source = self._target.source()
        if source is None:
            self._errors.append(f"{what}: {self._target.name} does not read")
            return None
        try:
            async with asyncio.timeout(READ_WITHIN), source as opened:
                return await collect(opened)
        except (BridgeError, TooMuch) as error:
            why = str(error)
        except TimeoutError:
            why = f"not read within {READ_WITHIN:g} s"
        except Exception as error:
            log.exception("the connector broke while it read %s", what)
            why = f"the connector broke: {error!r}"
        self._errors.append(f"{what}: {why}")
        return None

    async def write(self, connection: AsyncConnection, now: datetime) -> None:
        """Write down what was found."""
        outcome = replace(
            self._outcome,
            differences=self._differences,
            judged=self._judged,
            errors=self._errors,
        )
        await keep(connection, now, outcome)
        await keep_levels(connection, self._target.name, self._levels)


def _name(difference: Difference) -> tuple[str, str, str]:
    return difference.kind, difference.subject, difference.fingerprint
