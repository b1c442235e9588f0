"""Goods come in at a dock door: scan the document, then every item; weigh what goes by weight.

Each item scan books one `Receipt` at once. A GS1 label says its own quantity (count or net weight),
a QTY card before it multiplies it, a case counts what is in it, and what goes by mass is weighed.
With a reference, lines show what is expected; beyond that the operator is asked, and beyond the
tolerance a supervisor.
"""

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from contract.identifiers import (
    Badge,
    Command,
    Document,
    Identifier,
    Location,
    Quantity,
    Reason,
    Sscc,
)
from contract.transactions import Event, Receipt, Weighing
from contract.values import Document as DocumentName
from contract.values import Evidence, Item, Line, Weight
from contract.values import Quantity as Amount
from gateway.phrases import say
from gateway.stations.asking import ask_for, let_go
from gateway.stations.goods import MOST, ON_GOODS, Goods, NoGoods, completed, goods
from gateway.stations.job import Given, Scanned, Shift, Signal, SignalKind, Step, View, Weighed
from gateway.stations.labels import on_label
from gateway.stations.masses import convert
from gateway.stations.orders import (
    Allocation,
    Standing,
    allocate,
    moved_table,
    plain,
    standing,
    table,
    unlisted,
)

_REPEATED_GROUP = re.compile(r"(?<!\\)\)[*+{]")
_MAX_NAME = 128  # characters of a lot or serial number, as in the contract

Ask = Literal["weight", "lot", "serial", "expiry", "expired", "over", "badge"]
"""What the item in hand waits for."""


class Config(BaseModel):
    """The part of `[[station]]` that is this job's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job: Literal["receiving"] = "receiving"
    book: Literal["each", "weight"] = "each"
    """Whether an item without a quantity on its label, of which nothing is known, is one piece, or
    what the scale says."""
    blind: bool = False
    """Whether items are received without any document, too."""
    to_location: str | None = Field(default=None, min_length=1, max_length=128)
    """Where goods are received to until a location card says otherwise."""
    quarantine: str | None = Field(default=None, min_length=1, max_length=128)
    """Where a HOLD card books what is unknown, expired or too much; without it HOLD is refused."""
    sku: str | None = Field(default=None, max_length=200)
    """Pattern (a regular expression) of the house's own item codes, of up to 64 characters, for a
    gateway without reference data; None for GTINs only. No group may be repeated: a hostile label
    must not buy time with backtracking."""

    @field_validator("sku")
    @classmethod
    def _is_a_pattern(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "", re.ASCII)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"not a regular expression: {error}") from error
        if _REPEATED_GROUP.search(pattern or ""):
            raise ValueError("a group (in brackets) may be optional but not repeated")
        return pattern


@dataclass(frozen=True, slots=True)
class Waiting:
    """The item in hand, and what must be said of it before it is booked."""

    goods: Goods
    ask: Ask
    evidence: tuple[Evidence, ...] = ()
    weight: Weight | None = None
    reason: str | None = None
    """Why it is booked although something spoke against it."""


@dataclass(frozen=True, slots=True)
class State:
    """Where the receipt stands, beside what was booked."""

    document: DocumentName | None = None
    to_location: str | None = None
    sscc: str | None = None
    """Handling unit that the next items lie in."""
    times: Amount | None = None
    """From a quantity card; for the next item only. Its unit says nothing."""
    waiting: Waiting | None = None
    aside: tuple[str, Evidence] | None = None
    """A code nobody knows, that a HOLD card would book to quarantine."""
    doubt: str | None = None
    """Number of a document nobody knows, that a second scan would open."""
    closing: bool = False
    """DONE was scanned once with lines open; the next DONE closes short."""
    last: Item | None = None


def start(config: Config) -> State:
    """No document yet."""
    return State(to_location=config.to_location)


def step(config: Config, state: State, given: Given, shift: Shift) -> Step:
    """Say what becomes of one scan or weight."""
    job = _Job(config, state, shift)
    match given:
        case Weighed():
            return job.weigh(given)
        case Scanned(identifier=found, evidence=evidence):
            return job.scan(found, evidence)


def view(config: Config, state: State, shift: Shift) -> View:
    """Show the document and how far its lines are; without a list, what was received."""
    job = _Job(config, state, shift)
    if state.document is None:
        todo = (
            say("Scan a document, or an item") if config.blind else say("Scan a document to begin")
        )
        return View(todo, question=job.question(), facts=job.facts())
    moved = shift.reference.moved(state.document.number, "receipt")
    stand = job.stand()
    lines = (*table(stand), *unlisted(stand, moved)) if stand else moved_table(moved)
    return View(job.headline(), state.document.number, lines, job.question(), job.facts())


def undo(config: Config, state: State, shift: Shift) -> Step | None:
    """Let the item in hand go; what is booked is left to the reversal."""
    del config, shift
    if state.waiting is None:
        return None
    return Step(
        _clear(state), Signal("ok", say("{item}: not booked", item=state.waiting.goods.name))
    )


def reversed_(config: Config, state: State, event: Event, shift: Shift) -> State:
    """Open the document again that the receipt was for, unless another one is open."""
    del config, shift
    if not isinstance(event, Receipt) or not event.documents:
        return state
    return replace(_clear(state), document=state.document or event.documents[0])


def wants_badge(state: State) -> bool:
    """Ask for a supervisor's after OVERRIDE."""
    return state.waiting is not None and state.waiting.ask == "badge"


_CANCEL_OR_HOLD = say("Scan OVERRIDE, HOLD or CANCEL.")
_CANCEL = say("Scan it, or CANCEL.")


def _clear(state: State) -> State:
    return replace(state, waiting=None, times=None, aside=None, doubt=None, closing=False)


class _Job:
    """One step; it holds what every part of it looks at."""

    def __init__(self, config: Config, state: State, shift: Shift) -> None:
        self.config = config
        self.state = state
        self.shift = shift

    # What the screen says

    def headline(self) -> str:
        state = self.state
        if state.waiting is not None and state.waiting.ask == "weight":
            return say("Put it on the scale")
        if state.times is not None:
            return say("Scan the next item: it counts {times} times", times=state.times.value)
        return say("Scan the next item, or DONE")

    def question(self) -> str:
        state = self.state
        if state.waiting is not None:
            return self._asks(state.waiting).text
        return say("Close short?") if state.closing else ""

    def facts(self) -> tuple[tuple[str, str], ...]:
        pairs = ((say("To"), self.state.to_location), (say("Handling unit"), self.state.sscc))
        return tuple((name, value) for name, value in pairs if value)

    def stand(self) -> tuple[Standing, ...]:
        number = self.state.document.number if self.state.document else ""
        record = self.shift.reference.document(number) if number else None
        if record is None:
            return ()
        return standing(record, self.shift.reference.moved(number, "receipt"))

    # What a scan means

    def scan(self, found: Identifier, evidence: Evidence) -> Step:
        waiting = self.state.waiting
        if waiting is not None:
            return self._answer(waiting, found, evidence)
        match found:
            case Command(command=word):
                return self._command(word)
            case Reason():
                return self._put_aside(found.reason)
            case Document(document=document):
                return self._open(document)
            case Location(name=name):
                return self._go(replace(self.state, to_location=name), say("To {name}", name=name))
            case Sscc(sscc=sscc):
                return self._go(
                    replace(self.state, sscc=sscc), say("Handling unit {sscc}", sscc=sscc)
                )
            case Quantity(value=value) if 0 < value <= MOST:
                times = Amount(value=value)
                return self._go(
                    replace(self.state, times=times), say("Next item times {value}", value=value)
                )
            case _ if isinstance(found, ON_GOODS):
                return self._item(found, evidence)
            case _:
                return self._refuse(
                    say("{code}: no meaning here", code=found.text[:40]), say("Scan an item.")
                )

    def _say(self, kind: SignalKind, text: str, todo: str = "") -> Step:
        return Step(self.state, Signal(kind, text, todo))

    def _refuse(self, text: str, todo: str) -> Step:
        return self._say("not_ok", text, todo)

    def _go(self, state: State, text: str) -> Step:
        return Step(replace(state, aside=None, doubt=None, closing=False), Signal("ok", text))

    def _open(self, document: DocumentName) -> Step:
        state, number = self.state, document.number
        if state.document is not None and state.document.number == number:
            return self._go(state, say("{number}: go on", number=number))
        reference = self.shift.reference
        if reference.ready and reference.document(number) is None and state.doubt != number:
            return Step(
                replace(state, doubt=number, aside=None, closing=False),
                Signal(
                    "attention",
                    say("{number} is not on the list of open documents", number=number),
                    say("Scan it again to receive without a list."),
                ),
            )
        opened = State(
            document=document,
            to_location=state.to_location,
            # A handling unit scanned before the first document is meant for it; one of the
            # document before is not.
            sscc=state.sscc if state.document is None else None,
            times=state.times,
        )
        return Step(opened, Signal("ok", say("{number}: scan the items", number=number)))

    def _command(self, word: str) -> Step:
        match word:
            case "CANCEL":
                return Step(
                    replace(_clear(self.state), sscc=None),
                    Signal("ok", say("Cancelled; nothing that was booked changed")),
                )
            case "HOLD":
                return self._put_aside(None)
            case "DONE":
                return self._close()
            case _:
                return self._refuse(
                    say("{word}: no meaning here", word=word), say("Scan an item, or DONE.")
                )

    def _close(self) -> Step:
        state = self.state
        if state.document is None:
            return self._refuse(say("No document is open"), say("Scan a document."))
        number = state.document.number
        still = sum(1 for each in self.stand() if each.left > 0)
        if still and not state.closing:
            return Step(
                replace(state, closing=True, aside=None, doubt=None),
                Signal(
                    "attention",
                    say("{number}: {count} lines are still open", number=number, count=still),
                    say("Scan DONE again to close short, or go on."),
                ),
            )
        text = (
            say("{number} closed short", number=number)
            if still
            else say("{number} closed", number=number)
        )
        return Step(start(self.config), Signal("ok", text))

    # Items

    def _item(self, found: Identifier, evidence: Evidence) -> Step:
        state = self.state
        if state.document is None and not self.config.blind:
            return self._refuse(say("No document is open"), say("Scan the document first."))
        times = state.times.value if state.times else None
        what = goods(found, self.shift.reference, times=times, sku=self.config.sku)
        if isinstance(what, NoGoods):
            if not (what.unknown and self.config.quarantine):
                return self._refuse(what.text, what.todo)
            aside = replace(state, aside=(found.text[:_MAX_NAME], evidence), closing=False)
            return Step(
                aside, Signal("not_ok", what.text, say("Put it aside; scan HOLD to book it there."))
            )
        if what.record is None and self.config.book == "weight" and on_label(found).amount is None:
            if times is not None:
                return self._refuse(
                    say("A quantity card does not go with an item that is weighed"),
                    say("Scan CANCEL, then the item."),
                )
            what = replace(what, quantity=None)
        return self._proceed(Waiting(what, "weight", (evidence,)))

    def _proceed(self, waiting: Waiting) -> Step:
        """Book the item in hand, or ask for the first thing that is still to be said of it."""
        what = waiting.goods
        if (refused := self._refused(what)) is not None:
            return refused
        if what.lacks:
            lack = what.lacks[0]
            ask: Ask = "lot" if lack == "lot" else "serial" if lack == "serial" else "expiry"
            return self._wait(replace(waiting, ask=ask))
        if waiting.reason is None and (what.expired(self.shift.today) or what.held() is not None):
            return self._wait(replace(waiting, ask="expired"))
        if what.quantity is None:
            return self._wait(replace(waiting, ask="weight"))
        stand = self.stand()
        allocation = allocate(stand, what) if stand else None
        too_much = self._beyond(allocation) if stand else False
        if too_much and waiting.reason is None:
            return self._wait(replace(waiting, ask="over"))
        return self._book(waiting, allocation)

    def _refused(self, what: Goods) -> Step | None:
        number = self.state.document.number if self.state.document else ""
        if what.serial is None:
            return None
        if what.record is not None and what.quantity is not None and what.quantity.value != 1:
            return self._refuse(
                say("A serial number is one piece, this label says {n}", n=what.quantity.value),
                say("Put the item aside; call support."),
            )
        if (what.name, what.serial) in self.shift.reference.moved(number, "receipt").serials:
            return self._refuse(
                say("Serial {serial} is already received", serial=what.serial),
                say("Scan the next item."),
            )
        return None

    def _beyond(self, allocation: Allocation | None) -> bool:
        """Whether it is not on the list, or above what may come too much."""
        if allocation is None:
            return True
        record = self.shift.reference.document(
            self.state.document.number if self.state.document else ""
        )
        percent = record.over_percent if record else 0
        return allocation.over > 0 and (
            allocation.done > allocation.ordered * (100 + percent) / 100
        )

    def _wait(self, waiting: Waiting) -> Step:
        state = replace(self.state, waiting=waiting, aside=None, doubt=None, closing=False)
        return Step(state, self._asks(waiting))

    def _asks(self, waiting: Waiting) -> Signal:
        what = waiting.goods
        match waiting.ask:
            case "weight":
                return Signal("attention", what.name, say("Put it on the scale."))
            case "lot" | "serial" | "expiry" as lack:
                return ask_for(lack, what.name)
            case "expired":
                why = what.held() or ""
                text = (
                    say("{item}: lot {lot} is held: {why}", item=what.name, lot=what.lot, why=why)
                    if why
                    else say("{item}: expired {date}", item=what.name, date=what.expiry)
                )
                return Signal("attention", text, _CANCEL_OR_HOLD)
            case "over":
                return Signal("attention", self._too_much(what), _CANCEL_OR_HOLD)
            case "badge":
                return Signal(
                    "attention", say("Who allows it?"), say("Scan a supervisor's badge, or CANCEL.")
                )

    def _too_much(self, what: Goods) -> str:
        allocation = allocate(self.stand(), what)
        if allocation is None:
            return say("{item} is not on this document", item=what.name)
        return say(
            "{item}: {done} of {ordered} is too much",
            item=what.name,
            done=plain(allocation.done),
            ordered=plain(allocation.ordered),
        )

    # Answers

    def _answer(self, waiting: Waiting, found: Identifier, evidence: Evidence) -> Step:
        if isinstance(found, Command):
            return self._answer_by_card(waiting, found.command)
        waiting = replace(waiting, evidence=(*waiting.evidence, evidence))
        match waiting.ask:
            case "lot" | "serial" | "expiry":
                more = completed(waiting.goods, waiting.ask, found)
                if more is not None:
                    return let_go(self._proceed(replace(waiting, goods=more)), _clear(self.state))
            case "badge" if isinstance(found, Badge):
                return self._allow(waiting, found.operator)
            case _:
                pass
        if waiting.ask == "weight":
            return self._refuse(
                say("An item waits for its weight"), say("Put it on the scale, or scan CANCEL.")
            )
        asks = self._asks(waiting)
        return self._refuse(asks.text, asks.todo or _CANCEL)

    def _answer_by_card(self, waiting: Waiting, word: str) -> Step:
        asks = self._asks(waiting)
        if word == "CANCEL":
            return Step(
                _clear(self.state), Signal("ok", say("{item}: not booked", item=waiting.goods.name))
            )
        if waiting.ask in {"over", "expired"} and word == "OVERRIDE":
            if self.shift.supervisors:
                return self._wait(replace(waiting, ask="badge", reason=asks.text))
            return self._allow(
                replace(waiting, reason=asks.text), self.shift.operator or "-", any_=True
            )
        if waiting.ask in {"over", "expired"} and word == "HOLD":
            if self.config.quarantine is None:
                return self._refuse(
                    say("There is no quarantine at this station"), say("Scan OVERRIDE or CANCEL.")
                )
            return self._proceed_to_quarantine(replace(waiting, reason=asks.text))
        if waiting.ask == "weight":
            return self._refuse(
                say("An item waits for its weight"), say("Put it on the scale, or scan CANCEL.")
            )
        return self._refuse(asks.text, asks.todo)

    def _allow(self, waiting: Waiting, operator: str, *, any_: bool = False) -> Step:
        if not any_ and operator not in self.shift.supervisors:
            return self._refuse(
                say("{who} is no supervisor", who=operator[:40]),
                say("Scan a supervisor's badge, or CANCEL."),
            )
        why = f"override by {operator}: {waiting.reason or ''}"[:_MAX_NAME]
        return self._proceed(replace(waiting, reason=why))

    def _proceed_to_quarantine(self, waiting: Waiting) -> Step:
        if waiting.goods.quantity is None:
            return self._wait(replace(waiting, ask="weight"))
        stand = self.stand()
        return self._book(
            waiting, allocate(stand, waiting.goods) if stand else None, self.config.quarantine
        )

    def _put_aside(self, reason: str | None) -> Step:
        """Book a code nobody knows to the quarantine."""
        aside = self.state.aside
        if aside is None or self.config.quarantine is None:
            return self._refuse(say("There is nothing to hold"), say("Scan an item."))
        text, evidence = aside
        unknown = Goods(Item(sku=text), Amount(value=Decimal(1)))
        waiting = Waiting(unknown, "weight", (evidence,), reason=reason or "unknown code")
        return self._book(waiting, None, self.config.quarantine)

    # Weights

    def weigh(self, given: Weighed) -> Step:
        state, weight = self.state, given.weight
        shown = f"{weight.value} {weight.unit or ''}".strip()
        waiting = state.waiting
        if waiting is None and state.document is None:
            return self._refuse(
                say("{weight}: no document is open", weight=shown), say("Scan the document first.")
            )
        if not 0 < weight.value <= MOST:
            return self._refuse(
                say("{weight} is no weight", weight=shown), say("Zero the scale and weigh again.")
            )
        if waiting is not None and waiting.ask == "weight":
            return self._weighed(waiting, given)
        if waiting is not None:
            return self._say("attention", shown, self._asks(waiting).todo)
        if self.config.book == "weight":
            return self._say("attention", shown, say("Scan what lies on the scale."))
        assert state.document is not None  # noqa: S101 - looked at above
        event = Weighing(
            documents=(state.document,), weight=weight, item=state.last, sscc=state.sscc
        )
        return Step(state, Signal("ok", say("Weighed {weight}", weight=shown)), (event,))

    def _weighed(self, waiting: Waiting, given: Weighed) -> Step:
        weight, what = given.weight, waiting.goods
        if weight.unit_code is None:
            return self._refuse(
                say(
                    "{weight}: the unit is not known",
                    weight=f"{weight.value} {weight.unit or ''}".strip(),
                ),
                say("Set the scale's unit; then weigh again."),
            )
        unit = what.record.unit if what.record else weight.unit_code
        value = convert(weight.value, weight.unit_code, unit)
        if value is None:
            return self._refuse(
                say("{unit} does not go into {other}", unit=weight.unit, other=unit),
                say("Set the scale's unit; then weigh again."),
            )
        weighed = replace(what, quantity=Amount(value=value, unit=unit))
        return self._proceed(
            replace(
                waiting,
                goods=weighed,
                weight=weight,
                evidence=(*waiting.evidence, given.evidence),
            )
        )

    # Booking

    def _book(self, waiting: Waiting, allocation: Allocation | None, to: str | None = None) -> Step:
        state, what = self.state, waiting.goods
        lines = allocation.lines if allocation else (what.line(),)
        sscc = what.sscc or state.sscc
        event = Receipt(
            documents=(state.document,) if state.document else (),
            lines=tuple(_in(line, sscc) for line in lines),
            weight=waiting.weight,
            to_location=to or state.to_location,
            sscc=sscc,
            reason=str(waiting.reason)[:_MAX_NAME] if waiting.reason else None,
        )
        after = replace(_clear(state), last=what.item)
        quantity = what.quantity or lines[0].quantity
        text = say("{n} {unit} {item}", n=plain(quantity.value), unit=quantity.unit, item=what.name)
        signal = Signal("ok", text)
        if to is not None:
            signal = Signal("ok", say("{what} to {place}", what=text, place=to))
        elif allocation is not None and allocation.over > 0 and waiting.reason is None:
            over = say(
                "{what}: {done} of {ordered}, within tolerance",
                what=text,
                done=plain(allocation.done),
                ordered=plain(allocation.ordered),
            )
            signal = Signal("attention", over, say("Booked. Check the count, then go on."))
        return Step(after, signal, (event,), waiting.evidence)


def _in(line: Line, sscc: str | None) -> Line:
    return line if sscc is None else line.model_copy(update={"sscc": sscc})
