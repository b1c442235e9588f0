"""Makes rounds when they are due, and says what is open and how well things go."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from typing import NoReturn, get_args

from bridge.errors import LedgerFailed
from bridge.ledger import Ledger
from bridge.metrics import Metrics
from bridge.reconciliation.config import ReconciliationTable
from bridge.reconciliation.differences import Kind
from bridge.reconciliation.findings import Reconciled, latest
from bridge.reconciliation.kpis import Kpis, kpis
from bridge.reconciliation.rounds import Target, reconcile
from runtime.clock import Clock
from runtime.logs import event

log = logging.getLogger(__name__)

LOOK_EVERY = 60.0
"""Seconds between two looks at what is open, and at the key figures."""
AGAIN_AFTER = timedelta(minutes=15)
"""How soon a round is made again that could not read everything."""
KPI_WINDOW = timedelta(hours=24)
"""What the key figures among the metrics are of."""
_GAUGES = {
    "ratio": "kpi_ratio",
    "seconds": "kpi_seconds",
    "entries": "kpi_entries",
    "per thousand": "kpi_per_thousand",
}


class Keeper:
    """Keeps the ledger and the ERP together, as far as looking does."""

    def __init__(
        self,
        ledger: Ledger,
        target: Target,
        table: ReconciliationTable,
        zone: tzinfo,
        clock: Clock,
        metrics: Metrics,
        active: Callable[[], bool] = lambda: True,
    ) -> None:
        """Take what is looked at.

        Args:
            ledger: that is held against the target.
            target: that is read.
            table: says when.
            zone: of the times of day in it.
            clock: of this machine.
            metrics: to be told.
            active: whether this bridge is the one that makes rounds now.
        """
        self._ledger = ledger
        self._target = target
        self._table = table
        self._zone = zone
        self._clock = clock
        self._metrics = metrics
        self._active = active
        self._started = clock.utc()
        self._now: Reconciled | None = None

    async def run(self) -> NoReturn:
        """Look until cancelled."""
        while True:
            try:
                await self.look()
            except LedgerFailed as error:
                event(log, logging.WARNING, "not reconciled", why=str(error))
            await asyncio.sleep(self._wait())

    async def look(self) -> None:
        """Make a round if it is due, and tell how things stand."""
        self._now = await latest(self._ledger)
        due = self._due(self._now)
        if due is not None and due <= self._clock.utc() and self._active():
            before = self._now.open
            self._now = await reconcile(self._ledger, self._target, self._table, self._clock)
            self._log(self._now, before)
        now = self._clock.utc()
        self._tell(self._now, await kpis(self._ledger, now - KPI_WINDOW, now))

    def trouble(self) -> str | None:
        """Return what a person should know: what is open, or what could not be read."""
        if self._now is None:
            return None
        said: list[str] = []
        if self._now.findings:
            first = self._now.findings[0]
            said.append(f"{self._now.open} findings are open ({_kinds(self._now)}): {first.text}")
        if self._table.enabled and self._now.errors:
            said.append(f"the ERP could not be read whole: {self._now.errors[0]}")
        return "; ".join(said) or None

    def _due(self, now: Reconciled) -> datetime | None:
        run = now.run
        if run is None or run.target != self._target.name:
            if self._table.every is not None:
                return self._started
            return self._table.next_after(self._started, self._zone)
        due = self._table.next_after(run.began_at, self._zone)
        if due is not None and run.errors:
            return min(due, run.ended_at + AGAIN_AFTER)
        return due

    def _wait(self) -> float:
        due = None if self._now is None else self._due(self._now)
        left = LOOK_EVERY if due is None else (due - self._clock.utc()).total_seconds()
        return min(LOOK_EVERY, left) if left > 0 else min(LOOK_EVERY, 1.0)

    def _log(self, now: Reconciled, before: int) -> None:
        level = logging.WARNING if now.open > before or now.errors else logging.INFO
        errors = "; ".join(now.errors)
        event(log, level, "reconciled", open=now.open, kinds=_kinds(now), errors=errors)

    def _tell(self, now: Reconciled, figures: Kpis) -> None:
        count = Counter(finding.kind for finding in now.findings)
        for kind in get_args(Kind):
            self._metrics.set("reconciliation_findings", count[kind], kind=kind)
        self._metrics.set("reconciliation_failing", 1 if now.errors else 0)
        if now.whole_at is not None:
            self._metrics.set("reconciliation_read_seconds", now.whole_at.timestamp())
        for each in figures:
            value = float("nan") if each.value is None else each.value
            self._metrics.set(_GAUGES[each.unit], value, figure=each.name)


def _kinds(now: Reconciled) -> str:
    count = Counter(finding.kind for finding in now.findings)
    return ", ".join(f"{number} {kind}" for kind, number in sorted(count.items()))
