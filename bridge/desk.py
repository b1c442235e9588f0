"""What a person asks and decides, in one place for the terminal and for the admin page.

Every function works on the ledger, beside whatever bridge works on it, and says what came of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import ValidationError

from bridge import registry
from bridge.allowance import Allowance, of_readings
from bridge.amendment import Changes
from bridge.config import Config
from bridge.decisions import Which
from bridge.errors import BridgeError, NotDone
from bridge.gate import day_of
from bridge.ledger import Ledger
from bridge.modes import Mode, Modes, Scope
from bridge.reading import Queue
from bridge.shadow import Shown, collected, report
from bridge.standing import Standing
from runtime.clock import Clock

MOST = 10_000
"""Rows of the ERP, and plans, that one report reads."""
SHADOW_DAYS = 30
"""Days of the ERP's documents that a report reads, where nobody says how many."""


@dataclass(frozen=True, slots=True)
class State:
    """Where the work stands."""

    target: str
    modes: Modes
    standing: Standing
    queues: Sequence[Queue]
    calls_today: int
    """Calls made to the target on this day (UTC)."""
    readings_today: int
    """Of these, made to read it."""
    per_day: int | None
    """How many of both may be made."""


@dataclass(frozen=True, slots=True)
class Switched:
    """What a change of mode made of what is in line."""

    scope: Scope
    to: Mode
    modes: Modes
    """All of them, as they are now."""
    queues: Sequence[Queue] = field(default_factory=tuple)
    """What is in line now."""
    discarded: int = 0
    """Entries taken out of line."""

    @property
    def will_be_sent(self) -> int:
        """Entries in line that are live."""
        return sum(queue.entries for queue in self.queues if queue.mode == "live")

    @property
    def remains(self) -> int:
        """Entries that stay in line."""
        return held(self.queues)

    @property
    def will_be_closed(self) -> int:
        """Entries in line that need no posting now."""
        return sum(queue.entries - _stays(queue) for queue in self.queues if queue.mode == "noted")

    @property
    def unclear(self) -> int:
        """Of what remains: how many the ERP may have already."""
        return sum(queue.unclear for queue in self.queues if queue.mode != "live")


def held(queues: Sequence[Queue]) -> int:
    """Return how many entries stand in line and are not sent."""
    return sum(_stays(queue) for queue in queues if queue.mode != "live")


def _stays(queue: Queue) -> int:
    """Return how many of what is not sent are not closed either, see `bridge.noted`."""
    closes = queue.mode == "noted" and queue.type != "reversal"
    return queue.unclear if closes else queue.entries


async def state(ledger: Ledger, config: Config) -> State:
    """Return where the work stands."""
    modes = config.modes.modes
    name, today = config.target.connector, day_of(datetime.now(UTC))
    _, now = await ledger.modes(modes)
    return State(
        target=name,
        modes=now,
        standing=await ledger.standing(),
        queues=await ledger.queues(modes),
        calls_today=await ledger.calls_on(name, today),
        readings_today=await ledger.calls_on(of_readings(name), today),
        per_day=config.limits.per_day,
    )


async def amend(
    ledger: Ledger, number: int, changes: Mapping[str, Any], who: str, why: str
) -> bool:
    """Put changes beside a dead entry, and the entry back in line.

    Args:
        ledger: that has it.
        number: of the entry.
        changes: the fields of `bridge.amendment.Changes`.
        who: decides.
        why: kept in the audit trail.

    Returns:
        False where the entry is not dead, or cannot be read at all.

    Raises:
        NotDone: nothing is changed by it, or it does not fit the entry.
    """
    try:
        wanted = Changes.model_validate(dict(changes))
        if wanted.empty:
            raise NotDone("say what to change: a document, a SKU or a warning to accept")
        return await ledger.amend(number, wanted, who, why)
    except ValidationError as error:
        raise NotDone("; ".join(problem["msg"] for problem in error.errors())) from error
    except ValueError as error:
        raise NotDone(str(error)) from error


async def waiting(ledger: Ledger, config: Config, scope: Scope) -> list[Queue]:
    """Return what stands in line within `scope`."""
    return [
        queue
        for queue in await ledger.queues(config.modes.modes)
        if scope.holds(queue.gateway, queue.station, queue.type)
    ]


async def go_live(
    ledger: Ledger,
    config: Config,
    scope: Scope,
    queued: Literal["post", "discard"] | None,
    who: str,
    why: str = "",
) -> Switched:
    """Send from now on.

    Args:
        ledger: that has what is in line.
        config: says what is allowed.
        scope: what goes live.
        queued: what becomes of entries that wait: they are sent, or, where people have booked them
            by hand, discarded.
        who: decides.
        why: kept in the audit trail.

    Raises:
        NotDone: the connector is not proven, or entries wait and nobody said what becomes of them.
    """
    if config.unproven is not None:
        raise NotDone(config.unproven)
    found = await waiting(ledger, config, scope)
    if held(found) and queued is None:
        raise NotDone(
            f"{held(found)} entries wait in line. Say whether to post them now, or to discard them"
            " where people have booked them by hand"
        )
    discarded = 0
    if queued == "discard":
        reason = why or f"booked by hand before {scope} went live"
        discarded = await _discard_queued(ledger, found, who, reason)
    return await _switch(ledger, config, Switched(scope, "live", Modes(), (), discarded), who, why)


async def roll_back(
    ledger: Ledger, config: Config, scope: Scope, to: Literal["shadow", "off"], who: str, why: str
) -> Switched:
    """Send nothing from now on; it stays in line."""
    return await _switch(ledger, config, Switched(scope, to, Modes()), who, why)


async def note_only(ledger: Ledger, config: Config, scope: Scope, who: str, why: str) -> Switched:
    """Say that this needs no posting: what is in line, and what comes, is closed as such."""
    return await _switch(ledger, config, Switched(scope, "noted", Modes()), who, why)


async def _discard_queued(ledger: Ledger, waits: Sequence[Queue], who: str, why: str) -> int:
    """Discard what waits and is not live, as long as there is any; return how many."""
    done = 0
    for queue in waits:
        if queue.mode in {"live", "noted"}:
            continue
        which = Which(gateway=queue.gateway, station=queue.station, type=queue.type, in_line=True)
        while numbers := await ledger.discard(which, who, why):
            done += len(numbers)
    return done


async def _switch(ledger: Ledger, config: Config, wanted: Switched, who: str, why: str) -> Switched:
    """Set a mode, and say what stands where after it."""
    await ledger.set_mode(wanted.scope, wanted.to, who, why)
    queues = await ledger.queues(config.modes.modes)
    _, now = await ledger.modes(config.modes.modes)
    return Switched(wanted.scope, wanted.to, now, queues, wanted.discarded)


async def shadow_report(
    ledger: Ledger, config: Config, days: int = SHADOW_DAYS, *, calls: bool = False
) -> dict[str, Any]:
    """Hold what would be sent against what the ERP shows; see `bridge.shadow.report`.

    Args:
        ledger: that has the plans.
        config: says how the ERP is read.
        days: of the ERP's documents that are read.
        calls: whether the calls that would be made are wanted too.
    """
    plans = await ledger.plans(MOST)
    shown, why = Shown(), None
    allowance = Allowance(ledger, config.target.connector, config.limits, Clock())
    source = allowance.counted(config.source, asked=True)()
    if source is None:
        why = "this connector does not read; here are the plans alone"
    else:
        try:
            async with source as reading:
                since = datetime.now(UTC) - timedelta(days=days)
                reads = registry.load(config.target.connector).CAPABILITIES.reads
                if "booked" in reads:
                    shown = replace(shown, booked=await collected(reading.booked(since), MOST))
                if "stock" in reads:
                    shown = replace(shown, stock=await collected(reading.stock(), MOST))
        except BridgeError as error:
            why = f"the ERP could not be read: {error}"
    answer = report(plans, shown)
    if calls:
        answer["calls"] = {str(plan["entry"]): plan["calls"] for plan in plans}
    return answer | ({"note": why} if why else {})
