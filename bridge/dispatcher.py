"""Ledger to ERP: one delivery after the other, each written down before it is made.

It alone decides when to try again. Order is kept by `bridge.turns`; there is one delivery (or one
batch, for a connector that takes batches in one transaction) in flight at a target. What may have
been booked is asked again only after the target's `settle`, with `again=True`. It never gives up:
what fails for ever stays, and is shown as stuck.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import NoReturn, Protocol, assert_never, runtime_checkable
from uuid import UUID

from bridge.connector import Connector
from bridge.errors import LedgerFailed
from bridge.ledger import Attempt, Ledger, Result
from bridge.metrics import Metrics
from bridge.outcome import Outcome, Posted, Refused, TryLater, Unknown
from bridge.turns import Turns
from contract.transactions import Transaction
from runtime.backoff import Backoff
from runtime.clock import Clock
from runtime.logs import event

log = logging.getLogger(__name__)

WINDOW = 10_000
"""Entries in line in memory; the ledger holds the rest. 100 envelopes, some MB."""
PAGE = 500
"""Entries read at once."""
BATCH = 50
"""Deliveries in one transaction of a target that takes batches: what a crash makes ambiguous."""
DELIVER_WITHIN = 300.0
"""Seconds after which a connector that does not come back is taken for lost."""
POLL = 60.0
"""Seconds between two looks at the whole line, should a signal ever be missed."""
RETRY_CEILING = 300.0
"""Seconds between two attempts at one entry, at most."""
PAUSE_CEILING = 30.0
"""Seconds a target that fails is left alone between two entries, at most."""
ASKED_CEILING = 3_600.0
"""Seconds a target may ask to be left alone, at most."""


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
    ) -> None:
        """Take what it works with.

        Args:
            ledger: open.
            target: opens the connector; called again when that failed.
            metrics: to count in.
            progress: called with the stream of every entry that was decided.
            clock: monotonic for waiting, UTC for writing down.
            stuck_after: attempts after which an entry is shown as stuck.
        """
        self._ledger = ledger
        self._target = target
        self._metrics = metrics
        self._progress = progress
        self._clock = clock or Clock()
        self._stuck_after = stuck_after
        self._reset()
        self.connector: Connector | None = None
        """The open target."""
        self.stuck: dict[int, str] = {}
        """Entries tried often in vain: number and why, at most `WINDOW`."""

    def _reset(self) -> None:
        self._turns = Turns()
        self._last = 0
        self._whole = False  # whether everything undecided was in line when last looked
        self._retries: dict[int, Backoff] = {}
        self._failures = Backoff(0.1, PAUSE_CEILING)
        self._quiet_until = 0.0

    async def run(self) -> NoReturn:
        """Deliver until cancelled."""
        backoff = Backoff(0.5, PAUSE_CEILING)
        while True:
            try:
                async with self._target() as connector:
                    self._show(connector)
                    backoff.reset()
                    await self._serve(connector)
            except LedgerFailed as error:
                self._metrics.count("ledger_failures")
                event(log, logging.ERROR, "ledger failed", why=str(error))
            except Exception:
                log.exception("the target cannot be opened")
            finally:
                self._show(None)
            await asyncio.sleep(backoff.next())

    def _show(self, connector: Connector | None) -> None:
        self.connector = connector
        self._metrics.set("target_connected", connector is not None)

    async def _serve(self, connector: Connector) -> NoReturn:
        self._reset()
        limit = BATCH if isinstance(connector, BatchConnector) else 1
        await self._look(connector, all_of_it=True)
        looked = self._clock.monotonic()
        while True:
            now = self._clock.monotonic()
            if now - looked >= POLL or self._ledger.old_arrived:
                looked = now
                await self._look(connector, all_of_it=True)
            elif self._ledger.arrived.is_set() or not self._whole:
                await self._look(connector, all_of_it=False)
            batch = self._turns.take(now, limit) if now >= self._quiet_until else []
            if batch:
                await self._round(connector, batch)
            else:
                await self._wait(looked + POLL)

    async def _look(self, connector: Connector, *, all_of_it: bool) -> None:
        """Let what is undecided and not yet in line stand in line."""
        self._ledger.arrived.clear()
        self._ledger.old_arrived &= not all_of_it
        if len(self._turns) > WINDOW - PAGE and not all_of_it:
            self._whole = False
            return
        after = 0 if all_of_it else self._last
        while True:
            page = await self._ledger.undecided(after, PAGE)
            for found in page:
                if found.number in self._turns:
                    continue
                settled = 0.0
                if found.ambiguous:
                    settled = self._quiet_until = self._clock.monotonic() + connector.settle
                self._turns.add(found.number, found.keys, due=settled)
            after = page[-1].number if page else after
            self._last = max(self._last, after)
            self._whole = len(page) < PAGE
            if self._whole or len(self._turns) > WINDOW - PAGE:
                return

    async def _wait(self, poll_at: float) -> None:
        now = self._clock.monotonic()
        wake = self._turns.wake_at()
        until = poll_at if wake is None else min(poll_at, max(wake, self._quiet_until))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until - now)):
                await self._ledger.arrived.wait()

    async def _round(self, connector: Connector, batch: list[int]) -> None:
        attempts = await self._ledger.begin(batch)
        for number in set(batch) - {attempt.number for attempt in attempts}:
            self._forget(number)
        if not attempts:
            return
        began = self._clock.monotonic()
        outcomes = await _deliver(connector, attempts)
        self._metrics.observe("delivery_seconds", self._clock.monotonic() - began)
        self._pause(connector, outcomes)
        results = [
            self._result(attempt, outcome)
            for attempt, outcome in zip(attempts, outcomes, strict=True)
        ]
        await self._ledger.settle(*results)
        streams = {
            (result.attempt.transaction.gateway, result.attempt.transaction.epoch)
            for result in results
            if isinstance(result.outcome, Posted | Refused)
        }
        for gateway, epoch in streams:
            self._progress(gateway, epoch)

    def _pause(self, connector: Connector, outcomes: Sequence[Outcome]) -> None:
        """Leave the target alone for a while where it failed."""
        pause = 0.0
        # Those behind an unknown one in a batch were not tried: the unknown one counts.
        last = next((each for each in outcomes if isinstance(each, Unknown)), outcomes[-1])
        match last:
            case Posted() | Refused():
                self._failures.reset()
            case TryLater(after=asked):
                pause = self._failures.next() if asked is None else min(asked, ASKED_CEILING)
            case Unknown():
                # It may still be running there, and there is one in flight at a target.
                pause = max(connector.settle, self._failures.next())
            case _:
                assert_never(last)
        self._quiet_until = self._clock.monotonic() + pause

    def _result(self, attempt: Attempt, outcome: Outcome) -> Result:
        """Let the line go on after an outcome, now or later."""
        self._metrics.count("deliveries", outcome=type(outcome).__name__.lower())
        if isinstance(outcome, Posted | Refused):
            self._forget(attempt.number)
            if isinstance(outcome, Refused):
                self._tell("refused", attempt, outcome.code, outcome.text)
            return Result(attempt, outcome)
        now = self._clock.monotonic()
        wait = self._retries.setdefault(attempt.number, Backoff(1.0, RETRY_CEILING)).next()
        due = max(now + wait, self._quiet_until)
        self._turns.delay(attempt.number, due)
        if attempt.count >= self._stuck_after:
            self.stuck[attempt.number] = outcome.why
            self._metrics.set("stuck_entries", len(self.stuck))
            if attempt.count % self._stuck_after == 0:
                self._tell("stuck", attempt, type(outcome).__name__.lower(), outcome.why)
        return Result(attempt, outcome, self._clock.utc() + timedelta(seconds=due - now))

    def _forget(self, number: int) -> None:
        self._turns.done(number)
        self._retries.pop(number, None)
        if self.stuck.pop(number, None) is not None:
            self._metrics.set("stuck_entries", len(self.stuck))

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


async def _deliver(connector: Connector, attempts: list[Attempt]) -> Sequence[Outcome]:
    """Deliver, within bounds; a connector that breaks its promise has done nobody knows what."""
    transactions = [attempt.transaction for attempt in attempts]
    again = any(attempt.again for attempt in attempts)
    try:
        async with asyncio.timeout(DELIVER_WITHIN):
            if isinstance(connector, BatchConnector) and len(attempts) > 1:
                outcomes = await connector.deliver_many(transactions, again=again)
                if len(outcomes) == len(attempts):
                    return outcomes
                raise ValueError(f"{len(outcomes)} outcomes for {len(attempts)} transactions")
            return [await connector.deliver(transactions[0], again=again)]
    except TimeoutError:
        why = f"no answer within {DELIVER_WITHIN:g} s"
    except Exception as error:
        log.exception("the connector broke")
        why = f"the connector broke: {error!r}"
    return [Unknown(why)] * len(attempts)
