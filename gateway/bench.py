"""One physical station: its devices' readings go in, its job decides, the operator is told.

What one read of a device brought is one group: each reading is stepped through the job in order,
all transactions and where the station stands then are committed together, and only then are the
signals given. Waiting for the commit is what holds the device back; nothing is queued here.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime

from contract.identifiers import Badge, Command, Identifier, Mode, Rules, identify
from contract.transactions import Event, Reversal, Transaction
from contract.values import Evidence, Weight
from drivers.kit import readings
from drivers.kit.session import Verdicts
from drivers.kit.settling import Settling
from gateway.book import Book
from gateway.config import Station
from gateway.errors import StoreFailed, StoreFull
from gateway.intake import Booked, Draft, Intake, Prepared, TooLarge
from gateway.phrases import Phrase, say
from gateway.sessions import Session, Sessions, Undoable
from gateway.signals import Signals
from gateway.stations.job import (
    Given,
    Scanned,
    Shift,
    Signal,
    SignalKind,
    Step,
    View,
    Weighed,
)
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
_SCALE_COMMANDS: dict[str, readings.ScaleCommand] = {
    "ZERO": "zero",
    "TARE": "tare",
    "CLEARTARE": "clear_tare",
    "PRINT": "print",
    "NEXTUNIT": "next_unit",
}
_AGAIN = say("Scan again.")


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
        *,
        book: Book | None = None,
        supervisors: frozenset[str] = frozenset(),
    ) -> None:
        self.station = station
        self._intake = intake
        self._signals = signals
        self._rules = rules
        self._clock = clock
        self._changed = changed
        self._book = book or Book()
        self._movements = self._book.movements
        self._supervisors = supervisors
        self._sessions = Sessions({mode.job: mode.module for mode in station.modes})
        self._turn = asyncio.Lock()
        self._settling = {device.id: Settling(equal=station.settle) for device in station.devices}
        self._scales = {each.id for each in station.devices if ".scales." in each.module.__name__}
        self._unused: set[str] = set()
        """Scales with a load that the job had no use for when it settled."""
        self._unsaved: set[str] = set()
        """Scales with a load that could not be stored."""
        self._last_code: dict[str, tuple[bytes, float]] = {}
        self._active = clock.monotonic()
        self.session = self._fresh()
        self._stored = self._sessions.write(self.session)
        self.live: readings.Weight | None = None
        """The scale's last word, settled or not; for the screen."""
        self.command: Callable[[str, readings.ScaleCommand], bool] = lambda _device, _word: False
        """Tells a scale to do something; False where it cannot."""

    @property
    def view(self) -> View:
        """What the screen shows of the job."""
        mode = self.station.mode(self.session.job)
        return mode.module.view(mode.settings, self.session.state, self._shift())

    def resume(self, recorded: list[Transaction], session: str | None = None) -> None:
        """Take up the shift after a restart, and say what was recorded last.

        Args:
            recorded: the newest transactions of this station, oldest first.
            session: as it was stored last.
        """
        stored = self._sessions.read(session) if session else None
        if stored is not None:
            fresh = self._fresh()
            self.session = replace(stored, states={**fresh.states, **stored.states})
            self._stored = session or ""
        reversed_ids = {
            each.event.reverses for each in recorded if isinstance(each.event, Reversal)
        }
        undoable = tuple(
            Undoable(each.id, each.event)
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
                    say(
                        "Restarted. Last recorded: {what} at {time}",
                        what=label(last.event),
                        time=_local(last.clock.wall),
                    ),
                    say("If your last scan is another one, scan it again."),
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
                booked = iter(await self._store(prepared, before))
            except (StoreFull, StoreFailed) as error:
                self._take_back(before, prepared)
                if any(isinstance(reading, readings.Weight) for reading in group):
                    self._unsaved.add(device)
                self._tell_not_saved(outcomes)
                if isinstance(error, StoreFailed):
                    raise
                return [None if outcome is None else "bad" for outcome in taken]
            for outcome in outcomes:
                done = tuple(next(booked) for _ in outcome.prepared)
                for each in done:
                    self._movements.add(each.seq, each.id, each.event)
                self._signals.tell(
                    self.station.name, outcome.signal, done, outcome.device, outcome.text
                )
        if outcomes:
            self._changed()
        return [None if outcome is None else _VERDICTS[outcome.signal.kind] for outcome in taken]

    async def _store(self, prepared: list[Prepared], before: Session) -> list[Booked]:
        """Store transactions, and where the station stands if that has changed."""
        text = self._stored
        if self.session is not before and self.session.written != before.written:
            text = self._sessions.write(self.session)
        stands = () if text == self._stored else ((self.station.name, text),)
        if not prepared and not stands:
            return []
        booked = await self._intake.store(prepared, stands)
        self._stored = text
        return booked

    def _take_back(self, before: Session, prepared: list[Prepared]) -> None:
        for each in prepared:
            self._movements.take_back(each.id)
        self.session = before
        # What was not saved must not make the next try a bounce.
        self._last_code.clear()

    def _tell_not_saved(self, outcomes: list[_Outcome]) -> None:
        """Tell that nothing of a group counts: what only changed the state was taken back too."""
        not_saved = Signal(
            "not_ok",
            say("NOT SAVED: the store has no room or does not answer"),
            say("Stop scanning and call support. What was said to be OK before is safe."),
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
            case readings.Noise() if device not in self._scales:
                signal = Signal("not_ok", say("Not read: {why}", why=reading.why), _AGAIN)
                return _Outcome(signal, (), device, "")
            case _:
                return None  # counted by the supervisor; a station has no use for it

    def _scan(self, device: str, scan: readings.Scan, now: float) -> _Outcome:
        last, at = self._last_code.get(device, (b"", -1e9))
        self._last_code[device] = (scan.data, now)
        today = self._today()
        identifier = identify(scan.data, scan.symbology, self._rules, today)
        window = self.station.bounce_of.get(identifier.kind, self.station.bounce)
        if last == scan.data and now - at < window:
            signal = Signal(
                "ignored", say("Same code again within {window} s", window=f"{window:g}")
            )
            return _Outcome(signal, (), device, identifier.text[:_SAID])
        evidence = Evidence(
            kind="scan", device=device, raw=scan.raw[:_RAW].hex(), symbology=scan.symbology
        )
        self._sign_out_if_idle(now)
        step = self._card(identifier)
        if step is None:
            step = self._step(Scanned(identifier, evidence), today)
        self._weigh_again(step.state != self.session.state)
        return self._prepare(step, (evidence,), device, identifier.text[:_SAID])

    def _sign_out_if_idle(self, now: float) -> None:
        idle, self._active = now - self._active, now
        if self.session.operator is not None and idle > self.station.idle_minutes * 60:
            self.session = replace(self.session, operator=None)

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
        step = self._step(Weighed(value, evidence), self._today())
        shown = f"{value.value} {value.unit or ''}".strip()
        outcome = self._prepare(step, (evidence,), device, shown)
        if not outcome.prepared:
            self._unused.add(device)
        return outcome

    def _shift(self, today: date | None = None) -> Shift:
        return Shift(self._book, today, self.session.operator, self._supervisors)

    def _step(self, given: Given, today: date | None) -> Step:
        if self.station.sign_in and self.session.operator is None:
            return Step(
                self.session.state,
                Signal("not_ok", say("Nobody is signed in"), say("Scan your badge, then go on.")),
            )
        mode = self.station.mode(self.session.job)
        return mode.module.step(mode.settings, self.session.state, given, self._shift(today))

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
            return _Outcome(
                Signal("not_ok", str(error), say("Book it in parts.")), (), device, text
            )
        undoable = before.undoable
        for each in prepared:
            # At once, not when it is on disk: the next reading of this group must see it.
            self._movements.add(0, each.id, each.event)
            if isinstance(each.event, Reversal):
                undoable = undoable[:-1]
            else:
                undoable = (*undoable, Undoable(each.id, each.event))
        states = before.states
        if step.state != before.state:
            states = {**states, before.job: step.state}
        if prepared or states is not before.states:
            self.session = Session(before.job, states, before.operator, undoable[-_UNDO:])
        return _Outcome(step.signal, prepared, device, text)

    def _card(self, identifier: Identifier) -> Step | None:
        """What a card means at every station; None where the job decides."""
        session = self.session
        mode = self.station.mode(session.job)
        if not getattr(mode.settings, "cards", True):
            return None
        match identifier:
            case Badge() if not mode.module.wants_badge(session.state):
                self.session = replace(session, operator=identifier.operator)
                return self._said("ok", say("Signed in: {who}", who=identifier.operator))
            case Mode():
                return self._change_job(identifier.mode)
            case Command(command="ACK"):
                return self._said("ok", say("Acknowledged"))
            case Command(command="UNDO"):
                return self._undo()
            case Command(command=word) if word in _SCALE_COMMANDS:
                return self._command_scales(_SCALE_COMMANDS[word])
            case _:
                return None

    def _said(self, kind: SignalKind, text: str, todo: str = "") -> Step:
        return Step(self.session.state, Signal(kind, text, todo))

    def _change_job(self, name: str) -> Step:
        job = name.strip().lower().replace("-", "_")
        if job not in {mode.job for mode in self.station.modes}:
            return self._said(
                "not_ok",
                say("{mode}: not a job of this station", mode=name[:40]),
                say("Scan another mode card, or go on."),
            )
        self.session = replace(self.session, job=job)
        return self._said("ok", say("Now: {job}", job=say(job.replace("_", " "))))

    def _command_scales(self, word: readings.ScaleCommand) -> Step:
        done = [self.command(scale, word) for scale in sorted(self._scales)]
        if any(done):
            return self._said("ok", say("Sent to the scale: {word}", word=word.replace("_", " ")))
        return self._said(
            "not_ok",
            say("No scale here can do that: {word}", word=word.replace("_", " ")),
            say("Use the key on the scale."),
        )

    def _undo(self) -> Step:
        session, shift = self.session, self._shift()
        mode = self.station.mode(session.job)
        step = mode.module.undo(mode.settings, session.state, shift)
        if step is not None:
            return step
        if not session.undoable:
            return self._said("not_ok", say("Nothing to undo"), say("Go on, or scan ACK."))
        last = session.undoable[-1]
        state = mode.module.reversed_(mode.settings, session.state, last.event, shift)
        event: Event = Reversal(reverses=last.id)
        return Step(state, Signal("ok", say("Undone: {what}", what=label(last.event))), (event,))

    def _fresh(self) -> Session:
        modes = self.station.modes
        states = {mode.job: mode.module.start(mode.settings) for mode in modes}
        return Session(modes[0].job, states)


def _local(wall: datetime) -> str:
    return f"{wall.astimezone():%H:%M:%S}"


def label(event: Event) -> Phrase:
    """Say in a few words what a transaction was about, so that an operator knows it again."""
    words: list[str] = []
    for line in getattr(event, "lines", ())[:1]:
        words += [f"{line.quantity.value} {line.quantity.unit}", line.item.sku or line.item.gtin]
        words += [line.serial or line.lot or ""]
    text = getattr(event, "text", None)
    if text is not None:
        words.append(getattr(event, "serial", None) or text[:40])
    weight = getattr(event, "weight", None)
    if weight is not None:
        words.append(f"{weight.value} {weight.unit or ''}")
    what = " ".join(word.strip() for word in words if word)
    return say("{kind} {what}", kind=say(event.type), what=what) if what else say(event.type)
