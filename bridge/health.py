"""How the bridge is: looked at every few seconds, for gauges, the health page and the watchdog."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NoReturn

from bridge.consumer import Consumer
from bridge.dispatcher import Dispatcher
from bridge.errors import LedgerFailed
from bridge.ledger import Ledger
from bridge.metrics import Metrics
from bridge.standing import Standing
from runtime.clock import Clock
from runtime.logs import event

log = logging.getLogger(__name__)

LOOK_EVERY = 5.0
"""Seconds between two looks at the ledger."""
FROZEN_AFTER = 60.0
"""Seconds without a look after which the watchdog is left to bite: a statement hangs."""
OLD_GAP = 300.0
"""Seconds a gap may stay open: a gateway that is there sends what is missing within seconds."""

_GAUGES: tuple[tuple[str, Callable[[Standing], float]], ...] = (
    ("undecided_entries", lambda standing: standing.undecided),
    ("undecided_age_seconds", lambda standing: standing.oldest_undecided_s),
    ("dead_entries", lambda standing: standing.dead),
    ("known_streams", lambda standing: standing.streams),
    ("conflict_streams", lambda standing: standing.conflicts),
    ("gap_streams", lambda standing: standing.gaps),
    ("gap_age_seconds", lambda standing: standing.oldest_gap_s),
    ("parked_rows", lambda standing: standing.parked),
)


Severity = Literal["critical", "warning"]
"""Critical: this process cannot do its part, as a monitor of processes should know. Warning: it
does, and something wants a person."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something a person should know, and what to do about it."""

    code: str
    severity: Severity
    text: str
    todo: str


@dataclass(frozen=True, slots=True)
class View:
    """The bridge at one moment."""

    standing: Standing | None
    """None before the first look that succeeded."""
    failure: str | None
    """What the ledger said last, if it failed."""
    broker: bool
    taken_over: bool
    """Another bridge uses the name of this one."""
    target: bool
    """Whether it is open, or another bridge delivers to it."""
    left_alone: str | None
    """Why the target gets nothing although it could, where a person may want to act."""
    stuck: Mapping[int, str]
    reference: str | None = None
    """Why reference data is not read, if it is not."""
    mapping: str | None = None
    """Why the mapping tables are not those of their folder, if they are not."""
    users: str | None = None
    """Why those who may log in are not those of the users' file, if they are not."""
    reconciliation: str | None = None
    """What the ledger and the ERP say otherwise, or why that could not be read."""


@dataclass(frozen=True, slots=True)
class _Rule:
    code: str
    severity: Severity
    says: Callable[[View], str | None]
    todo: str


def _stuck(view: View) -> str | None:
    for number, why in view.stuck.items():
        return f"{len(view.stuck)} entries are tried in vain, such as {number}: {why}"
    return None


def _conflict(view: View) -> str | None:
    if view.standing is None or not view.standing.conflicts:
        return None
    return f"{view.standing.conflicts} streams are stopped: one number came with two contents"


def _gap(view: View) -> str | None:
    if view.standing is None or view.standing.oldest_gap_s <= OLD_GAP:
        return None
    return f"rows have been missing for {view.standing.oldest_gap_s:.0f} s"


RULES = (
    _Rule(
        "ledger",
        "critical",
        lambda view: view.failure,
        "Look at its disk or server. Nothing is lost.",
    ),
    _Rule(
        "broker",
        "critical",
        lambda view: None if view.broker else "no connection to the broker",
        "Start it, or see the log. Nothing is lost: gateways keep what they have.",
    ),
    _Rule(
        "session-taken-over",
        "critical",
        lambda view: "another bridge came in under our name" if view.taken_over else None,
        "Two bridges at one site have one name: give one of them another. Nothing is lost.",
    ),
    _Rule(
        "target",
        "critical",
        lambda view: None if view.target else "the target is not open",
        "Start it, or see the log. Nothing is lost: the ledger keeps what it has.",
    ),
    _Rule(
        "left-alone",
        "warning",
        lambda view: view.left_alone,
        "See what the target said last: a login to renew, a budget to raise. Nothing is lost.",
    ),
    _Rule("stuck", "warning", _stuck, "See what the target says of them. They are tried for ever."),
    _Rule(
        "conflict",
        "warning",
        _conflict,
        "A cloned card or a restored backup: stop one of the two, compare, then forgive the other.",
    ),
    _Rule(
        "gap",
        "warning",
        _gap,
        "See why the gateway does not send what is missing; `scanpost bridge streams` says which.",
    ),
    _Rule(
        "reference",
        "warning",
        lambda view: view.reference,
        "Mend what it is read from. Stations go on with what they have.",
    ),
    _Rule(
        "mapping",
        "warning",
        lambda view: view.mapping,
        "Mend the mapping tables; `scanpost bridge mapping check` lists every mistake. Those before"
        " hold.",
    ),
    _Rule(
        "users",
        "warning",
        lambda view: view.users,
        "Mend the users' file; `scanpost bridge check` says what is wrong. Who could log in before"
        " still can.",
    ),
    _Rule(
        "reconciliation",
        "warning",
        lambda view: view.reconciliation,
        "`scanpost bridge reconcile --latest` says what mends each of them.",
    ),
)


def _well() -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Others:
    """Rooms that say of themselves why not all is well with them; None where it is."""

    reference: Callable[[], str | None] = _well
    mapping: Callable[[], str | None] = _well
    users: Callable[[], str | None] = _well
    reconciliation: Callable[[], str | None] = _well


class Health:
    """Looks, and remembers what it saw last."""

    def __init__(
        self,
        ledger: Ledger,
        consumer: Consumer,
        dispatcher: Dispatcher,
        metrics: Metrics,
        clock: Clock,
        others: Others | None = None,
    ) -> None:
        self._others = others or Others()
        self._ledger = ledger
        self._consumer = consumer
        self._dispatcher = dispatcher
        self._metrics = metrics
        self._clock = clock
        self._looked = clock.monotonic()
        self._failure: str | None = None
        self._told: set[str] = set()
        self.standing: Standing | None = None
        """Of the last look that succeeded."""

    async def run(self) -> NoReturn:
        """Look until cancelled, and log what is new."""
        while True:
            await asyncio.sleep(LOOK_EVERY)  # first, so that starting is not reported as trouble
            await self.look()

    async def look(self) -> None:
        """Look once."""
        try:
            self.standing = await self._ledger.standing()
            self._failure = None
        except LedgerFailed as error:
            self._failure = f"the ledger fails: {error}"
        self._looked = self._clock.monotonic()
        if self.standing is not None:
            for name, read in _GAUGES:
                self._metrics.set(name, read(self.standing))
        found = {trouble.code: trouble for trouble in self.troubles()}
        for rule in RULES:
            self._metrics.set("alert", float(rule.code in found), code=rule.code)
        for code in sorted(found.keys() - self._told):
            event(log, logging.WARNING, "trouble", code=code, why=found[code].text)
        for code in sorted(self._told - found.keys()):
            event(log, logging.INFO, "trouble is over", code=code)
        self._told = set(found)

    def alive(self) -> bool:
        """Return whether the ledger answers at all, rightly or wrongly."""
        return self._clock.monotonic() - self._looked < FROZEN_AFTER

    def troubles(self) -> list[Trouble]:
        """Return what is wrong now."""
        view = View(
            standing=self.standing,
            failure=self._failure,
            broker=self._consumer.connected,
            taken_over=self._consumer.manners.taken_over,
            target=self._dispatcher.connector is not None or self._dispatcher.stands_by,
            left_alone=self._dispatcher.gate.trouble(self._clock.monotonic()),
            stuck=self._dispatcher.stuck,
            reference=self._others.reference(),
            mapping=self._others.mapping(),
            users=self._others.users(),
            reconciliation=self._others.reconciliation(),
        )
        return [
            Trouble(rule.code, rule.severity, text, rule.todo)
            for rule in RULES
            if (text := rule.says(view))
        ]
