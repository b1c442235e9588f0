"""Ledger to ERP: one delivery after the other, each written down before it is made.

It alone decides when to try again. Order is kept by `bridge.turns`; there is one delivery (or one
batch, for a connector that takes batches in one transaction) in flight at a target, by one
dispatcher, see `bridge.lease`. What may have been booked is asked again only after the target's
`settle`, with `again=True`. It never gives up: what fails for ever stays, and is shown as stuck.
"""

import asyncio
import contextlib
import functools
import logging
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import NoReturn, assert_never
from uuid import UUID

from bridge import lease
from bridge.amendment import accepts
from bridge.budgets import Spent
from bridge.connector import Connector
from bridge.delivering import Prepared, deliver, telling
from bridge.errors import DecisionsChanged, LeaseLost, LedgerFailed
from bridge.gate import Gate, day_of
from bridge.lease import Claim
from bridge.ledger import Ledger
from bridge.line import PAGE, Line
from bridge.metrics import Metrics
from bridge.outcome import Outcome, Posted, Refused, TryLater, Unknown
from bridge.posting import Attempt, Result
from bridge.shadow import planned
from bridge.terms import Terms
from bridge.wire import Note
from runtime.backoff import Backoff
from runtime.clock import Clock
from runtime.logs import event

log = logging.getLogger(__name__)

POLL = 60.0
"""Seconds between two looks at the whole line, should a signal ever be missed."""
NEWS_EVERY = 1.0
"""Seconds between two looks for what another program wrote: a person's command, another bridge."""
RETRY_CEILING = 300.0
"""Seconds between two attempts at one entry, at most."""
PAUSE_CEILING = 30.0
"""Seconds a target that fails is left alone between two entries, at most."""
ASKED_CEILING = 3_600.0
"""Seconds a target may ask to be left alone, at most."""
ASKED_FLOOR = 1.0
"""Seconds it is left alone at least where it asks for that."""

Target = Callable[[], AbstractAsyncContextManager[Connector]]


class Dispatcher:
    """Brings the entries of one ledger to one target."""

    def __init__(
        self,
        ledger: Ledger,
        target: Target,
        *,
        metrics: Metrics,
        progress: Callable[[str, UUID], None] = lambda _gateway, _epoch: None,
        clock: Clock | None = None,
        stuck_after: int = 10,
        terms: Terms | None = None,
    ) -> None:
        """Take what it works with.

        Args:
            ledger: open.
            target: opens the connector; called again when that failed.
            metrics: to count in.
            progress: called with the stream of every entry that was decided.
            clock: monotonic for waiting, UTC for writing down.
            stuck_after: attempts after which an entry is shown as stuck.
            terms: how fast, when and in what mode; at once and everything without it.
        """
        self._ledger = ledger
        self._target = target
        self._metrics = metrics
        self._progress = progress
        self._clock = clock or Clock()
        self._stuck_after = stuck_after
        self._terms = terms or Terms()
        self._tables = self._terms.translation()
        """Those of this turn: what is grouped by one version is delivered by the same."""
        self._claim = Claim(self._terms.name, str(uuid.uuid4()))
        self.gate = Gate(self._terms)
        """Whether the target may be called now."""
        self.modes = self._terms.modes
        """The modes as they were when last looked at."""
        self._decided = 0
        self.connector: Connector | None = None
        """The open target."""
        self.stands_by = False
        """Whether another bridge delivers to the target, and this one waits to take over."""
        self.stuck: dict[int, str] = {}
        """Entries tried often in vain: number and why, at most as many as stand in line."""
        self._reset()

    def _reset(self) -> None:
        self.line = Line(self._ledger, self._terms, self.gate, self._clock)
        self._retries: dict[int, Backoff] = {}
        self._failures = Backoff(0.1, PAUSE_CEILING)
        self._looked = 0.0
        self._heard = self._clock.monotonic()
        self._unplanned = True  # whether there may be entries in shadow without a plan
        self._unclosed = True  # whether there may be entries that need no posting

    async def run(self) -> NoReturn:
        """Deliver until cancelled."""
        backoff = Backoff(0.5, PAUSE_CEILING)
        try:
            while True:
                try:
                    await self._wait_for_lease()
                    async with self._target() as connector:
                        self._show(connector)
                        backoff.reset()
                        await self._serve_while_held(connector)
                except LeaseLost as error:
                    event(log, logging.WARNING, "no longer the one who delivers", why=str(error))
                except LedgerFailed as error:
                    self._metrics.count("ledger_failures")
                    event(log, logging.ERROR, "ledger failed", why=str(error))
                except Exception:
                    log.exception("the target cannot be opened")
                finally:
                    self._show(None)
                await asyncio.sleep(backoff.next())
        finally:
            with contextlib.suppress(LedgerFailed):
                await self._ledger.leave_lease(self._claim)

    def _show(self, connector: Connector | None) -> None:
        self.connector = connector
        self._metrics.set("target_connected", connector is not None)
        self._metrics.set("dispatching", connector is not None)

    async def _wait_for_lease(self) -> None:
        while not await self._ledger.take_lease(self._claim):
            if not self.stands_by:
                event(log, logging.INFO, "another bridge delivers; standing by")
            self.stands_by = True
            await asyncio.sleep(lease.RENEW_S)
        self.stands_by = False

    async def _serve_while_held(self, connector: Connector) -> None:
        if self._ledger.alone:
            await self._serve(connector)
        renew = functools.partial(self._ledger.take_lease, self._claim)
        await lease.while_held(self._claim.target, renew, self._serve(connector))

    async def _serve(self, connector: Connector) -> NoReturn:
        self._reset()
        await self._hear()
        while True:
            now = self._clock.monotonic()
            await self._look_around(connector, now)
            if self._unclosed:
                await self._close_noted()
            self._tables = self._terms.translation()
            opens = self.gate.opens_at(now, self._clock.utc())
            self._metrics.set("breaker_open", self.gate.breaker.state(now) == "open")
            batch = await self.line.choose(connector, self._tables, now) if opens <= now else []
            if batch:
                await self._round(connector, batch)
            elif not (self._unclosed or await self._plan()):
                await self._wait(opens)

    async def _hear(self) -> bool:
        """Learn what people decided; True where that is another mode."""
        self._decided, modes = await self._ledger.modes(self._terms.modes)
        changed = modes != self.modes
        self.modes = modes
        self._unplanned = self._unclosed = True
        return changed

    async def _look_around(self, connector: Connector, now: float) -> None:
        """See what is new: arrivals, decisions, calls made to read the target."""
        news = now - self._heard >= NEWS_EVERY
        if news:
            self._heard = now
            if await self._ledger.decided() != self._decided:
                self._ledger.old_arrived = True
            elif not self._ledger.alone:
                self.line.look_back()
                await self._look(connector, all_of_it=False)
        day = self.gate.needs_count(self._clock.utc(), again=news)
        if day is not None:
            self.gate.count(day, await self._ledger.calls_on(self._terms.name, day))
            self._metrics.set("target_calls_today", self.gate.spent)
        if self._ledger.old_arrived and await self._hear():
            event(log, logging.INFO, "modes have changed")
            self._reset()
        if self._looked == 0.0 or now - self._looked >= POLL or self._ledger.old_arrived:
            self._looked = now
            await self._look(connector, all_of_it=True)
        elif self._ledger.arrived.is_set() or not self.line.whole:
            await self._look(connector, all_of_it=False)

    async def _look(self, connector: Connector, *, all_of_it: bool) -> None:
        """Let what is undecided, live and not yet in line stand in line."""
        # What another bridge takes in is no event here.
        news = self._ledger.arrived.is_set() or not self._ledger.alone
        self._unplanned |= news
        self._unclosed |= news and self.modes.says("noted")
        self._ledger.arrived.clear()
        self._ledger.old_arrived &= not all_of_it
        await self.line.fill(connector, self.modes, all_of_it=all_of_it)

    async def _wait(self, opens: float) -> None:
        now = self._clock.monotonic()
        until = min(self._looked + POLL, self._heard + NEWS_EVERY)
        wake = self.line.wake_at()
        if wake is not None:
            until = min(until, max(wake, opens))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until - now)):
                await self._ledger.arrived.wait()

    async def _round(self, connector: Connector, batch: list[int]) -> None:
        try:
            attempts = await self._ledger.begin(batch, self._claim, self._decided)
        except DecisionsChanged:
            for number in batch:
                self.line.delay(number, 0.0)
            self._ledger.old_arrived = True
            return
        for number in set(batch) - {attempt.number for attempt in attempts}:
            self._forget(number)
            self._unclosed = True  # it may undo what needs no posting
        if not attempts:
            return
        prepared = [await self._prepare(attempt) for attempt in attempts]
        ready = [one for one in prepared if not isinstance(one.given, Refused)]
        began = self._clock.monotonic()
        outcomes, notes = await deliver(connector, ready) if ready else ([], [])
        now = self._clock.monotonic()
        calls = max(1, sum(note.way == "sent" for note in notes)) if ready else 0
        if ready:
            self._metrics.observe("delivery_seconds", now - began)
            self._paid(calls, now)
            self._pause(connector, *telling(ready, outcomes))
        await self._settle(prepared, outcomes, notes, calls)

    async def _settle(
        self,
        prepared: Sequence[Prepared],
        outcomes: Sequence[Outcome],
        notes: Sequence[Note],
        calls: int,
    ) -> None:
        coming = iter(outcomes)
        fates = [(one, one.withheld or next(coming)) for one in prepared]
        due = self._due(fates)
        results = [
            self._result(one, outcome, due, notes if place == 0 else ())
            for place, (one, outcome) in enumerate(fates)
        ]
        spent = None
        if calls and self._terms.per_day is not None:
            spent = Spent(self._terms.name, day_of(self._clock.utc()), calls)
        await self._ledger.settle(*results, spent=spent)
        streams = {
            (result.attempt.transaction.gateway, result.attempt.transaction.epoch)
            for result in results
            if isinstance(result.outcome, Posted | Refused)
        }
        for gateway, epoch in streams:
            self._progress(gateway, epoch)

    async def _prepare(self, attempt: Attempt) -> Prepared:
        """Hold an attempt against the calendar, and put it in the words of the ERP."""
        opening = self._terms.opening
        transaction = attempt.transaction
        if opening.closed_until is not None and "closed_period" not in accepts(transaction):
            occurred = await self._ledger.occurred(attempt)
            if opening.is_closed(occurred):
                why = f"it is of {occurred.date()}; the books are closed to {opening.closed_until}"
                return Prepared(attempt, Refused("closed_period", why), None)
        against = None if self._terms.check is None else await self._terms.check(attempt)
        if against is not None:
            return Prepared(attempt, against, None)
        tables = self._tables
        return Prepared(attempt, tables.apply(transaction), tables.version or None)

    def _paid(self, calls: int, now: float) -> None:
        self.gate.paid(calls, now)
        self._metrics.count("target_calls", calls)
        self._metrics.set("target_calls_today", self.gate.spent)

    def _pause(self, connector: Connector, attempt: Attempt, outcome: Outcome) -> None:
        """Leave the target alone for a while where it failed."""
        now = self._clock.monotonic()
        match outcome:
            case Posted() | Refused():
                self._failures.reset()
                self.gate.succeeded()
            case TryLater(needs="login" | "person"):
                self.gate.said = outcome.why
                self.gate.breaker.trip(now)
            case TryLater(after=float() | int() as asked):
                self.gate.throttled(now)
                self.gate.rest(now + max(ASKED_FLOOR, min(asked, ASKED_CEILING)))
            case TryLater():
                self.gate.said = outcome.why
                self.gate.failed(attempt.number, now)
                self.gate.rest(now + self._failures.next())
            case Unknown():
                # It may still be running there, and there is one in flight at a target.
                self.gate.said = outcome.why
                self.gate.failed(attempt.number, now)
                self.gate.rest(now + max(connector.settle, self._failures.next()))
            case _:
                assert_never(outcome)

    def _due(self, fates: Sequence[tuple[Prepared, Outcome]]) -> float:
        """Return when those that are undecided are tried again: together, as they were sent."""
        now = self._clock.monotonic()
        wait = 0.0
        undecided = [each for each in fates if not isinstance(each[1], Posted | Refused)]
        if undecided:
            # Those behind it say nothing of their own.
            one, outcome = undecided[0]
            # Who says how long to wait is taken at his word: no guess is put on top of it.
            if not isinstance(outcome, TryLater) or outcome.after is None:
                retries = self._retries.setdefault(one.attempt.number, Backoff(1.0, RETRY_CEILING))
                wait = retries.next()
        return max(now + wait, self.gate.opens_at(now, self._clock.utc()))

    def _result(self, one: Prepared, outcome: Outcome, due: float, notes: Sequence[Note]) -> Result:
        """Let the line go on after an outcome, now or later."""
        attempt = one.attempt
        self._metrics.count("deliveries", outcome=type(outcome).__name__.lower())
        if isinstance(outcome, Posted | Refused):
            self._forget(attempt.number)
            if isinstance(outcome, Refused):
                self._tell("refused", attempt, outcome.code, outcome.text)
            return Result(attempt, outcome, None, notes, one.translated, one.mapping)
        self.line.delay(attempt.number, due)
        if attempt.count >= self._stuck_after:
            self.stuck[attempt.number] = outcome.why
            self._metrics.set("stuck_entries", len(self.stuck))
            if attempt.count % self._stuck_after == 0:
                self._tell("stuck", attempt, type(outcome).__name__.lower(), outcome.why)
        next_try = self._clock.utc() + timedelta(seconds=due - self._clock.monotonic())
        return Result(attempt, outcome, next_try, notes, one.translated, one.mapping)

    def _forget(self, number: int) -> None:
        self.line.done(number)
        self._retries.pop(number, None)
        if self.stuck.pop(number, None) is not None:
            self._metrics.set("stuck_entries", len(self.stuck))

    async def _close_noted(self) -> None:
        """Close what needs no posting, and say so to its gateways."""
        try:
            closed = await self._ledger.close_noted(self.modes, self._claim, self._decided)
        except DecisionsChanged:
            self._ledger.old_arrived = True
            return
        self._unclosed = closed.more
        if closed.entries:
            self._metrics.count("noted_entries", closed.entries)
        for gateway, epoch in closed.streams:
            self._progress(gateway, epoch)

    async def _plan(self) -> bool:
        """Plan some entries in shadow; False where there are none left to plan."""
        if self._terms.plan is None or not self._unplanned:
            return False
        waiting = await self._ledger.unplanned(PAGE, self.modes)
        self._unplanned = len(waiting) == PAGE
        plans = [planned(attempt, self._tables, self._terms.plan) for attempt in waiting]
        await self._ledger.plan(plans)
        return bool(plans)

    def _tell(self, message: str, attempt: Attempt, code: str, why: str) -> None:
        event(
            log,
            logging.WARNING,
            message,
            number=attempt.number,
            transaction=str(attempt.transaction.id),
            gateway=attempt.transaction.gateway,
            attempts=attempt.count,
            code=code,
            why=why,
        )
