"""One physical station: its devices' readings go in, its job decides, the operator is told.

What one read of a device brought is one group: each reading is stepped through the job in order,
all transactions are committed together, and only then are the signals given. Waiting for the
commit is what holds the device back; nothing is queued here.
"""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from contract.identifiers import Badge, Command, Identifier, Rules, identify
from contract.transactions import Event, Reversal, Transaction
from contract.values import Evidence, Weight
from drivers.kit import readings
from drivers.kit.session import Verdicts
from drivers.kit.settling import Settling
from gateway.config import Station
from gateway.errors import StoreFailed, StoreFull
from gateway.intake import Booked, Draft, Intake, Prepared, TooLarge
from gateway.signals import Signals
from gateway.stations.job import Given, Scanned, Signal, Step, View, Weighed
from gateway.weights import unit_code
from runtime.clock import Clock

_UNDO = 50  # transactions of this shift that UNDO can take back, one after the other
_SAID = 200  # characters of a label that are shown; the transaction has all of them
_VERDICTS: dict[str, readings.Verdict] = {
    "ok": "good",
    "not_ok": "bad",
    # The scan was taken and something is still to do: at a bad tone people scan again.
    "attention": "good",
    "ignored": "ignored",
}
_RAW = 8192  # bytes of evidence, as the contract has it: a scan with its frame may be longer


@dataclass(frozen=True, slots=True)
class Undoable:
    """A transaction of this station that UNDO would reverse."""

    id: uuid.UUID
    event: Event
    before: Any
    """State of the job before it; None where the daemon was restarted since."""


@dataclass(frozen=True, slots=True)
class Session:
    """Where a station stands. A value: what could not be stored is taken back by forgetting."""

    state: Any
    operator: str | None = None
    undoable: tuple[Undoable, ...] = ()


@dataclass(frozen=True, slots=True)
class _Outcome:
    signal: Signal
    prepared: tuple[Prepared, ...]
    device: str
    text: str


class Bench:
    """One station. `accept` is what its devices call."""

    def __init__(
        self,
        station: Station,
        intake: Intake,
        signals: Signals,
        rules: Rules,
        clock: Clock,
        changed: Callable[[], None],
    ) -> None:
        self.station = station
        self._job = station.module
        self._intake = intake
        self._signals = signals
        self._rules = rules
        self._clock = clock
        self._changed = changed
        self._turn = asyncio.Lock()
        self._settling = {device.id: Settling(equal=station.settle) for device in station.devices}
        self._unused: set[str] = set()
        """Scales with a load that the job had no use for when it settled."""
        self._unsaved: set[str] = set()
        """Scales with a load that could not be stored."""
        self._last_code: dict[str, tuple[bytes, float]] = {}
        self.session = Session(state=self._job.start(station.settings))
        self.live: readings.Weight | None = None
        """The scale's last word, settled or not; for the screen."""

    @property
    def view(self) -> View:
        """What the screen shows of the job."""
        return self._job.view(self.station.settings, self.session.state)

    def resume(self, recorded: list[Transaction]) -> None:
        """Take up the shift after a restart, and say what was recorded last.

        Args:
            recorded: the newest transactions of this station, oldest first.
        """
        reversed_ids = {
            each.event.reverses for each in recorded if isinstance(each.event, Reversal)
        }
        undoable = tuple(
            Undoable(each.id, each.event, None)
            for each in recorded
            if not isinstance(each.event, Reversal) and each.id not in reversed_ids
        )
        self.session = replace(self.session, undoable=undoable[-_UNDO:])
        for scale in {
            proof.device for each in recorded for proof in each.evidence if proof.kind == "weight"
        } & self._settling.keys():
            # What lies on it may be what was recorded last: it counts once it was taken off.
            self._settling[scale].disarm()
        if recorded:
            last = recorded[-1]
            self._signals.tell(
                self.station.name,
                Signal(
                    "attention",
                    f"Restarted. Last recorded: {label(last.event)} at {_local(last.clock.wall)}",
                    "If your last scan is another one, scan it again.",
                ),
                (Booked(last.seq, last.id, last.event, last.clock.wall),),
            )

    async def accept(self, device: str, group: list[readings.Reading]) -> Verdicts:
        """Take what one read of `device` brought; return when it is on disk and told.

        Returns:
            What became of each reading, for the device itself; None where nothing was said.

        Raises:
            StoreFailed: after the operator was told; the daemon must end.
        """
        async with self._turn:
            before = self.session
            now = self._clock.monotonic()
            taken = [self._take(device, reading, now) for reading in group]
            outcomes = [outcome for outcome in taken if outcome is not None]
            prepared = [each for outcome in outcomes for each in outcome.prepared]
            try:
                booked = iter(await self._intake.store(prepared) if prepared else ())
            except (StoreFull, StoreFailed) as error:
                self.session = before
                # What was not saved must not make the next try a bounce.
                self._last_code.clear()
                if any(isinstance(reading, readings.Weight) for reading in group):
                    self._unsaved.add(device)
                self._tell_not_saved(outcomes)
                if isinstance(error, StoreFailed):
                    raise
                return [None if outcome is None else "bad" for outcome in taken]
            for outcome in outcomes:
                done = tuple(next(booked) for _ in outcome.prepared)
                self._signals.tell(
                    self.station.name, outcome.signal, done, outcome.device, outcome.text
                )
        if outcomes:
            self._changed()
        return [None if outcome is None else _VERDICTS[outcome.signal.kind] for outcome in taken]

    def _tell_not_saved(self, outcomes: list[_Outcome]) -> None:
        """Tell that nothing of a group counts: what only changed the state was taken back too."""
        not_saved = Signal(
            "not_ok",
            "NOT SAVED: the store has no room or does not answer",
            "Stop scanning and call support. What was said to be OK before is safe.",
        )
        for outcome in outcomes:
            signal = outcome.signal if outcome.signal.kind == "not_ok" else not_saved
            self._signals.tell(self.station.name, signal, (), outcome.device, outcome.text)

    def _take(self, device: str, reading: readings.Reading, now: float) -> _Outcome | None:
        match reading:
            case readings.Scan():
                return self._scan(device, reading, now)
            case readings.Weight():
                return self._weight(device, reading, now)
            case readings.Noise() if device not in self._scales():
                signal = Signal("not_ok", f"Not read: {reading.why}", "Scan again.")
                return _Outcome(signal, (), device, "")
            case _:
                return None  # counted by the supervisor; a station has no use for it

    def _scales(self) -> set[str]:
        return {each.id for each in self.station.devices if ".scales." in each.module.__name__}

    def _scan(self, device: str, scan: readings.Scan, now: float) -> _Outcome:
        last, at = self._last_code.get(device, (b"", -1e9))
        self._last_code[device] = (scan.data, now)
        identifier = identify(scan.data, scan.symbology, self._rules, self._today())
        if last == scan.data and now - at < self.station.bounce:
            signal = Signal("ignored", f"Same code again within {self.station.bounce:g} s")
            return _Outcome(signal, (), device, identifier.text[:_SAID])
        evidence = Evidence(
            kind="scan", device=device, raw=scan.raw[:_RAW].hex(), symbology=scan.symbology
        )
        step = self._card(identifier)
        if step is None:
            step = self._step(Scanned(identifier, evidence))
        self._weigh_again(step.state != self.session.state)
        return self._prepare(step, (evidence,), device, identifier.text[:_SAID])

    def _weigh_again(self, job_went_on: bool) -> None:
        """Let loads settle once more: those not stored, and those the job may have use for now."""
        for scale in self._unsaved | (self._unused if job_went_on else set()):
            self._settling[scale].rearm()
        self._unsaved.clear()
        if job_went_on:
            self._unused.clear()

    def _today(self) -> date | None:
        """Today, for dates on labels; None while the clock may be years off."""
        return self._clock.utc().date() if self._clock.synchronised() else None

    def _weight(self, device: str, weight: readings.Weight, now: float) -> _Outcome | None:
        self.live = weight
        settled = self._settling[device].feed(weight, now)
        if settled is None or settled.value is None:
            return None
        evidence = Evidence(kind="weight", device=device, raw=settled.raw[:_RAW].hex())
        value = Weight(
            value=settled.value,
            unit=settled.unit,
            unit_code=unit_code(settled.unit),
            measure=settled.measure,
        )
        step = self._step(Weighed(value, evidence))
        shown = f"{value.value} {value.unit or ''}".strip()
        outcome = self._prepare(step, (evidence,), device, shown)
        if not outcome.prepared:
            self._unused.add(device)
        return outcome

    def _step(self, given: Given) -> Step:
        return self._job.step(self.station.settings, self.session.state, given)

    def _prepare(
        self, step: Step, evidence: tuple[Evidence, ...], device: str, text: str
    ) -> _Outcome:
        before = self.session
        try:
            prepared = tuple(
                self._intake.prepare(
                    self.station.name,
                    Draft(made, step.evidence or evidence, before.operator),
                )
                for made in step.events
            )
        except TooLarge as error:
            return _Outcome(Signal("not_ok", str(error), "Book it in parts."), (), device, text)
        undoable = before.undoable
        for each in prepared:
            if isinstance(each.event, Reversal):
                undoable = undoable[:-1]
            else:
                undoable = (*undoable, Undoable(each.id, each.event, before.state))
        self.session = replace(self.session, state=step.state, undoable=undoable[-_UNDO:])
        return _Outcome(step.signal, prepared, device, text)

    def _card(self, identifier: Identifier) -> Step | None:
        """What a card means at every station; None where the job decides."""
        session = self.session
        if not getattr(self.station.settings, "cards", True):
            return None
        match identifier:
            case Badge():
                self.session = replace(session, operator=identifier.operator)
                return Step(session.state, Signal("ok", f"Signed in: {identifier.operator}"))
            case Command(command="ACK"):
                return Step(session.state, Signal("ok", "Acknowledged"))
            case Command(command="UNDO"):
                return self._undo()
            case _:
                return None

    def _undo(self) -> Step:
        if not self.session.undoable:
            return Step(
                self.session.state,
                Signal("not_ok", "Nothing to undo", "Go on, or scan ACK."),
            )
        last = self.session.undoable[-1]
        state = self.session.state if last.before is None else last.before
        event: Event = Reversal(reverses=last.id)
        return Step(state, Signal("ok", f"Undone: {label(last.event)}"), (event,))


def _local(wall: datetime) -> str:
    return f"{wall.astimezone():%H:%M:%S}"


def label(event: Event) -> str:
    """Say in a few words what a transaction was about, so that an operator knows it again."""
    words: list[str] = [event.type]
    for line in getattr(event, "lines", ())[:1]:
        words += [f"{line.quantity.value} {line.quantity.unit}", line.item.sku or line.item.gtin]
        words += [line.serial or line.lot or ""]
    text = getattr(event, "text", None)
    if text is not None:
        words.append(getattr(event, "serial", None) or text[:40])
    weight = getattr(event, "weight", None)
    if weight is not None:
        words.append(f"{weight.value} {weight.unit or ''}")
    return " ".join(word.strip() for word in words if word)
