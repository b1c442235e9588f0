"""Ledger to ERP: one delivery after the other, each written down before it is made.

It alone decides when to try again. Order is kept by `bridge.turns`; there is one delivery (or one
batch, for a connector that takes batches in one transaction) in flight at a target, by one
dispatcher, see `bridge.lease`. What may have been booked is asked again only after the target's
`settle`, with `again=True`. It never gives up: what fails for ever stays, and is shown as stuck.
"""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import NoReturn, Protocol, assert_never, runtime_checkable
from uuid import UUID

from bridge.amendment import accepts
from bridge.budgets import Spent
from bridge.connector import Connector
from bridge.errors import DecisionsChanged, LeaseLost, LedgerFailed
from bridge.gate import Gate, day_of
from bridge.lease import LEASE_S, RENEW_S, Claim
from bridge.ledger import Ledger
from bridge.metrics import Metrics
from bridge.outcome import Outcome, Posted, Refused, TryLater, Unknown
from bridge.posting import Attempt, Result
from bridge.shadow import Planned
from bridge.terms import Terms
from bridge.turns import Turns
from bridge.wire import Note, recording
from contract.transactions import Transaction
from runtime.backoff import Backoff
from runtime.clock import Clock
from runtime.logs import event

log = logging.getLogger(__name__)

WINDOW = 100_000
"""Entries in line in memory; the ledger holds the rest. Some 80 MB, a day of a busy house: what is
live stands in line beside any backlog that is smaller."""
PAGE = 500
"""Entries read at once."""
BATCH = 100
"""Deliveries in one transaction of a target that takes batches: what a crash makes ambiguous."""
DELIVER_WITHIN = 300.0
"""Seconds after which a connector that does not come back is taken for lost."""
POLL = 60.0
"""Seconds between two looks at the whole line, should a signal ever be missed."""
NEWS_EVERY = 1.0
"""Seconds between two looks for what another program wrote: a person's command, another bridge."""
LOOK_BACK = 1_000
"""Numbers looked at again for what another bridge committed late: some seconds of arrivals."""
LIVE_S = 60.0
"""Seconds after which what waits is a backlog, and what comes just now goes first."""
RETRY_CEILING = 300.0
"""Seconds between two attempts at one entry, at most."""
PAUSE_CEILING = 30.0
"""Seconds a target that fails is left alone between two entries, at most."""
ASKED_CEILING = 3_600.0
"""Seconds a target may ask to be left alone, at most."""
MARGIN_S = 2.0
"""Seconds before a lease ends at which its holder stops."""


@runtime_checkable
class BatchConnector(Protocol):
    """A connector that can also book several transactions in one of its own."""

    async def deliver_many(
        self, transactions: Sequence[Transaction], *, again: bool
    ) -> list[Outcome]:
        """Do what `deliver` does, for each in order: one outcome for each.

        After the first that is `TryLater` or `Unknown` there is no other kind: order is kept.
        """
        ...


@runtime_checkable
class GroupConnector(BatchConnector, Protocol):
    """A connector whose `deliver_many` makes one document in the ERP of what belongs together."""

    def group_key(self, transaction: Transaction) -> str | None:
        """Return what transactions of one ERP document have in common; None for one by itself.

        Pure. Only consecutive transactions of the same business documents are asked for, and those
        with `again=True` come with just the ones they were sent with.
        """
        ...


Target = Callable[[], AbstractAsyncContextManager[Connector]]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """An attempt as the connector gets it, or why it does not."""

    attempt: Attempt
    given: Transaction | Refused
    mapping: str | None

    @property
    def withheld(self) -> Refused | TryLater | None:
        """Why the connector does not get it.

        What the ERP may have is not refused: only the ERP can say, and it is asked once what speaks
        against it is mended. A retry of what was refused would not ask.
        """
        if not isinstance(self.given, Refused):
            return None
        if self.attempt.again:
            return TryLater(f"it may be booked, but now: {self.given.text}")
        return self.given

    @property
    def translated(self) -> Transaction | None:
        """What the connector is given, where that is not what the ledger holds."""
        if isinstance(self.given, Refused) or self.given is self.attempt.transaction:
            return None
        return self.given


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
        """Entries tried often in vain: number and why, at most `WINDOW`."""
        self._reset()

    def _reset(self) -> None:
        self._turns = Turns()
        self._last = 0
        self._whole = False  # whether everything undecided was in line when last looked
        self._retries: dict[int, Backoff] = {}
        self._failures = Backoff(0.1, PAUSE_CEILING)
        self._since: dict[int, float] = {}
        self._looked = 0.0
        self._heard = self._clock.monotonic()
        self._unplanned = True  # whether there may be entries in shadow without a plan

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
                        await self._hold(connector)
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
            await asyncio.sleep(RENEW_S)
        self.stands_by = False

    async def _hold(self, connector: Connector) -> None:
        """Serve for as long as the lease is held; a holder that was frozen finds itself ended."""
        if self._ledger.alone:
            await self._serve(connector)
        loop = asyncio.get_running_loop()
        serving = asyncio.create_task(self._serve(connector), name="deliver")
        timer = loop.call_later(LEASE_S - MARGIN_S, serving.cancel)
        try:
            while not (await asyncio.wait([serving], timeout=RENEW_S))[0]:
                began = loop.time()
                if not await self._ledger.take_lease(self._claim):
                    raise LeaseLost(f"another bridge delivers to {self._claim.target} now")
                timer.cancel()
                timer = loop.call_at(began + LEASE_S - MARGIN_S, serving.cancel)
        finally:
            timer.cancel()
            serving.cancel()
            await asyncio.wait([serving])
        if serving.cancelled():
            raise LeaseLost(f"the lease of {self._claim.target} could not be renewed in time")
        serving.result()

    async def _serve(self, connector: Connector) -> NoReturn:
        self._reset()
        await self._hear()
        while True:
            now = self._clock.monotonic()
            await self._look_around(connector, now)
            self._tables = self._terms.translation()
            opens = self.gate.opens_at(now, self._clock.utc())
            self._metrics.set("breaker_open", self.gate.breaker.state(now) == "open")
            batch = await self._choose(connector, now) if opens <= now else []
            if batch:
                await self._round(connector, batch)
            elif not await self._plan():
                await self._wait(opens)

    async def _hear(self) -> bool:
        """Learn what people decided; True where that is another mode."""
        self._decided, modes = await self._ledger.modes(self._terms.modes)
        changed = modes != self.modes
        self.modes = modes
        self._unplanned = True
        return changed

    async def _look_around(self, connector: Connector, now: float) -> None:
        """See what is new: arrivals, decisions, the calls of a new day."""
        if now - self._heard >= NEWS_EVERY:
            self._heard = now
            if await self._ledger.decided() != self._decided:
                self._ledger.old_arrived = True
            elif not self._ledger.alone:
                self._last = max(0, self._last - LOOK_BACK)
                await self._look(connector, all_of_it=False)
        day = self.gate.needs_count(self._clock.utc())
        if day is not None:
            self.gate.count(day, await self._ledger.calls_on(self._terms.name, day))
        if self._ledger.old_arrived and await self._hear():
            event(log, logging.INFO, "modes have changed")
            self._reset()
        if self._looked == 0.0 or now - self._looked >= POLL or self._ledger.old_arrived:
            self._looked = now
            await self._look(connector, all_of_it=True)
        elif self._ledger.arrived.is_set() or not self._whole:
            await self._look(connector, all_of_it=False)

    async def _look(self, connector: Connector, *, all_of_it: bool) -> None:
        """Let what is undecided, live and not yet in line stand in line."""
        self._unplanned |= self._ledger.arrived.is_set()
        self._ledger.arrived.clear()
        self._ledger.old_arrived &= not all_of_it
        if len(self._turns) > WINDOW - PAGE and not all_of_it:
            self._whole = False
            return
        after = 0 if all_of_it else self._last
        while True:
            page = await self._ledger.undecided(after, PAGE, self.modes)
            now = self._clock.monotonic()
            for found in page:
                if found.number in self._turns:
                    continue
                settled = 0.0
                if found.ambiguous:
                    settled = now + connector.settle
                    self.gate.rest(settled)
                elif isinstance(connector, GroupConnector):
                    self._since[found.number] = now - found.age_s
                self._turns.add(
                    found.number,
                    found.keys,
                    due=settled,
                    share=found.share,
                    backlog=found.age_s > LIVE_S,
                )
            after = page[-1].number if page else after
            self._last = max(self._last, after)
            self._whole = len(page) < PAGE
            if self._whole or len(self._turns) > WINDOW - PAGE:
                return

    async def _wait(self, opens: float) -> None:
        now = self._clock.monotonic()
        until = min(self._looked + POLL, self._heard + NEWS_EVERY)
        wake = self._turns.wake_at()
        if wake is not None:
            until = min(until, max(wake, opens))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until - now)):
                await self._ledger.arrived.wait()

    async def _choose(self, connector: Connector, now: float) -> list[int]:
        """Take entries whose turn it is: as many as go into one call."""
        if isinstance(connector, GroupConnector):
            batch = await self._group(connector, now)
        else:
            many = isinstance(connector, BatchConnector) and not self.gate.probing(now)
            batch = self._turns.take(now, BATCH if many else 1)
        if not batch:
            self.gate.nothing_left()
        return batch

    async def _group(self, connector: GroupConnector, now: float) -> list[int]:
        """Take one entry and those that belong into the same document of the ERP."""
        most = self._terms.group_most
        while head := self._turns.take(now):
            line = [*head, *self._turns.follow(head[0], now, most - 1)]
            members = await self._ledger.together(line)
            keys = [self._key(connector, member.transaction) for member in members]
            group = [
                member.number
                for place, member in enumerate(members)
                if place == 0
                or (
                    None not in keys[: place + 1]
                    and len(set(keys[: place + 1])) == 1
                    and member.round == members[0].round
                )
            ]
            for number in line[len(group) or 1 :]:
                self._turns.delay(number, 0.0)
            if not members:
                return head  # decided meanwhile: `begin` will say so
            ripe = self._since.get(group[0], 0.0) + self._terms.linger_s
            grows = len(group) == len(line) < most and self._turns.ends_with(group[-1])
            if not (grows and keys[0] is not None and now < ripe and members[0].round is None):
                return group
            for number in group:
                self._turns.delay(number, ripe)
        return []

    def _key(self, connector: GroupConnector, transaction: Transaction) -> str | None:
        given = self._tables.apply(transaction)
        return None if isinstance(given, Refused) else connector.group_key(given)

    async def _round(self, connector: Connector, batch: list[int]) -> None:
        try:
            attempts = await self._ledger.begin(batch, self._claim, self._decided)
        except DecisionsChanged:
            for number in batch:
                self._turns.delay(number, 0.0)
            self._ledger.old_arrived = True
            return
        for number in set(batch) - {attempt.number for attempt in attempts}:
            self._forget(number)
        if not attempts:
            return
        prepared = [await self._prepare(attempt) for attempt in attempts]
        ready = [one for one in prepared if not isinstance(one.given, Refused)]
        began = self._clock.monotonic()
        outcomes, notes = await _deliver(connector, ready) if ready else ([], [])
        now = self._clock.monotonic()
        calls = max(1, sum(note.way == "sent" for note in notes)) if ready else 0
        if ready:
            self._metrics.observe("delivery_seconds", now - began)
            self._paid(calls, now)
            self._pause(connector, *_telling(ready, outcomes))
        await self._settle(prepared, outcomes, notes, calls)

    async def _settle(
        self,
        prepared: Sequence[_Prepared],
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

    async def _prepare(self, attempt: Attempt) -> _Prepared:
        """Hold an attempt against the calendar, and put it in the words of the ERP."""
        opening = self._terms.opening
        transaction = attempt.transaction
        if opening.closed_until is not None and "closed_period" not in accepts(transaction):
            occurred = await self._ledger.occurred(attempt)
            if opening.is_closed(occurred):
                why = f"it is of {occurred.date()}; the books are closed to {opening.closed_until}"
                return _Prepared(attempt, Refused("closed_period", why), None)
        against = None if self._terms.check is None else await self._terms.check(attempt)
        if against is not None:
            return _Prepared(attempt, against, None)
        tables = self._tables
        return _Prepared(attempt, tables.apply(transaction), tables.version or None)

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
                self.gate.rest(now + min(asked, ASKED_CEILING))
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

    def _due(self, fates: Sequence[tuple[_Prepared, Outcome]]) -> float:
        """Return when those that are undecided are tried again: together, as they were sent."""
        now = self._clock.monotonic()
        waits = [
            self._retries.setdefault(one.attempt.number, Backoff(1.0, RETRY_CEILING)).next()
            for one, outcome in fates
            if not isinstance(outcome, Posted | Refused)
        ]
        return max(now + max(waits, default=0.0), self.gate.opens_at(now, self._clock.utc()))

    def _result(
        self, one: _Prepared, outcome: Outcome, due: float, notes: Sequence[Note]
    ) -> Result:
        """Let the line go on after an outcome, now or later."""
        attempt = one.attempt
        self._metrics.count("deliveries", outcome=type(outcome).__name__.lower())
        if isinstance(outcome, Posted | Refused):
            self._forget(attempt.number)
            if isinstance(outcome, Refused):
                self._tell("refused", attempt, outcome.code, outcome.text)
            return Result(attempt, outcome, None, notes, one.translated, one.mapping)
        self._turns.delay(attempt.number, due)
        if attempt.count >= self._stuck_after:
            self.stuck[attempt.number] = outcome.why
            self._metrics.set("stuck_entries", len(self.stuck))
            if attempt.count % self._stuck_after == 0:
                self._tell("stuck", attempt, type(outcome).__name__.lower(), outcome.why)
        next_try = self._clock.utc() + timedelta(seconds=due - self._clock.monotonic())
        return Result(attempt, outcome, next_try, notes, one.translated, one.mapping)

    def _forget(self, number: int) -> None:
        self._turns.done(number)
        self._retries.pop(number, None)
        self._since.pop(number, None)
        if self.stuck.pop(number, None) is not None:
            self._metrics.set("stuck_entries", len(self.stuck))

    async def _plan(self) -> bool:
        """Plan some entries in shadow; False where there are none left to plan."""
        if self._terms.plan is None or not self._unplanned:
            return False
        waiting = await self._ledger.unplanned(PAGE, self.modes)
        self._unplanned = len(waiting) == PAGE
        plans = [self._planned(attempt) for attempt in waiting]
        await self._ledger.plan(plans)
        return bool(plans)

    def _planned(self, attempt: Attempt) -> Planned:
        tables = self._tables
        given = tables.apply(attempt.transaction)
        version = tables.version or None
        if isinstance(given, Refused) or self._terms.plan is None:
            return Planned(attempt.number, given if isinstance(given, Refused) else (), version)
        try:
            return Planned(attempt.number, self._terms.plan(given), version)
        except Exception as error:
            log.exception("the connector broke while planning")
            return Planned(attempt.number, Refused("refused", f"cannot be planned: {error!r}"))

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


def _telling(ready: Sequence[_Prepared], outcomes: Sequence[Outcome]) -> tuple[Attempt, Outcome]:
    """Return the outcome that says how the target is: those behind an unknown one say nothing."""
    for kind in (Unknown, TryLater):
        for one, outcome in zip(ready, outcomes, strict=True):
            if isinstance(outcome, kind):
                return one.attempt, outcome
    return ready[-1].attempt, outcomes[-1]


async def _deliver(
    connector: Connector, ready: Sequence[_Prepared]
) -> tuple[Sequence[Outcome], list[Note]]:
    """Deliver, within bounds; a connector that breaks its promise has done nobody knows what."""
    transactions = [one.given for one in ready if not isinstance(one.given, Refused)]
    again = any(one.attempt.again for one in ready)
    with recording() as notes:
        try:
            async with asyncio.timeout(DELIVER_WITHIN):
                if isinstance(connector, BatchConnector) and len(transactions) > 1:
                    outcomes = await connector.deliver_many(transactions, again=again)
                    if len(outcomes) == len(transactions):
                        return outcomes, notes
                    raise ValueError(f"{len(outcomes)} outcomes for {len(transactions)}")
                return [await connector.deliver(transactions[0], again=again)], notes
        except TimeoutError:
            why = f"no answer within {DELIVER_WITHIN:g} s"
        except Exception as error:
            log.exception("the connector broke")
            why = f"the connector broke: {error!r}"
        return [Unknown(why)] * len(transactions), notes
