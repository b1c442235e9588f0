"""Goods come back from a customer: scan the return or the order, or nothing, then every item.

A reason card says in which condition they are; it holds until the next one.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from contract.identifiers import (
    Command,
    Document,
    Identifier,
    Location,
    Quantity,
    Reason,
    Sscc,
)
from contract.transactions import Event, Return
from contract.values import Document as DocumentName
from contract.values import Evidence, Line
from contract.values import Quantity as Amount
from gateway.phrases import say
from gateway.stations.asking import ask_for
from gateway.stations.goods import MOST, ON_GOODS, Goods, NoGoods, completed, goods
from gateway.stations.job import Given, Scanned, Shift, Signal, Step, View, Weighed
from gateway.stations.orders import (
    Standing,
    allocate,
    moved_table,
    plain,
    standing,
    table,
    unlisted,
)

Disposition = Literal["returned", "damaged", "expired", "sellable_accessible", "unknown"]
Ask = Literal["lot", "serial", "reason", "over"]
Name = Annotated[str, Field(min_length=1, max_length=128)]
_CONDITIONS: dict[Name, Disposition] = {
    "GOOD": "sellable_accessible",
    "DAMAGED": "damaged",
    "EXPIRED": "expired",
    "UNKNOWN": "unknown",
}


class Config(BaseModel):
    """The part of `[[station]]` that is this job's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job: Literal["returns"] = "returns"
    blind: bool = True
    """Whether goods come back without any document, too."""
    ask_condition: bool = True
    """Whether a reason card must say in which condition goods are before the first is booked."""
    conditions: Annotated[dict[Name, Disposition], Field(min_length=1, max_length=100)] = (
        _CONDITIONS
    )
    """What reason cards say, and which disposition of EPCIS CBV each is."""
    to_location: Name | None = None
    """Where goods go until a location card says otherwise."""


@dataclass(frozen=True, slots=True)
class State:
    """Where the return stands, beside what was booked."""

    document: DocumentName | None = None
    to_location: str | None = None
    condition: str | None = None
    sscc: str | None = None
    times: Amount | None = None
    ask: Ask | None = None
    goods: Goods | None = None
    evidence: tuple[Evidence, ...] = ()


def start(config: Config) -> State:
    """No document yet."""
    return State(to_location=config.to_location)


def step(config: Config, state: State, given: Given, shift: Shift) -> Step:
    """Say what becomes of one scan or weight."""
    match given:
        case Weighed(weight=weight):
            shown = f"{weight.value} {weight.unit or ''}".strip()
            return Step(state, Signal("ignored", shown))
        case Scanned(identifier=found, evidence=evidence):
            returning = _Returning(config, state, shift)
            if state.goods is not None:
                return returning.answer(state.goods, found, evidence)
            return returning.scan(found, evidence)


def view(config: Config, state: State, shift: Shift) -> View:
    """Show the document and what came back of it."""
    returning = _Returning(config, state, shift)
    facts = (
        (say("Condition"), state.condition),
        (say("To"), state.to_location),
        (say("Handling unit"), state.sscc),
    )
    shown = tuple((name, value) for name, value in facts if value)
    question = returning.asks().text if state.ask else ""
    if state.document is None:
        todo = (
            say("Scan a document, or an item") if config.blind else say("Scan a document to begin")
        )
        return View(todo, question=question, facts=shown)
    stand = returning.stand()
    moved = shift.reference.moved(state.document.number, "return")
    lines = (*table(stand), *unlisted(stand, moved)) if stand else moved_table(moved)
    return View(say("Scan the next item, or DONE"), state.document.number, lines, question, shown)


def undo(config: Config, state: State, shift: Shift) -> Step | None:
    """Let the item in hand go; what is booked is left to the reversal."""
    del config, shift
    if state.goods is None:
        return None
    return Step(_unasked(state), Signal("ok", say("{item}: not booked", item=state.goods.name)))


def reversed_(config: Config, state: State, event: Event, shift: Shift) -> State:
    """Open the document again that the return was for, unless another one is open."""
    del config, shift
    if not isinstance(event, Return) or not event.documents or state.document is not None:
        return state
    return replace(_unasked(state), document=event.documents[0])


def wants_badge(state: State) -> bool:
    """Ask for none."""
    del state
    return False


def _unasked(state: State) -> State:
    return replace(state, ask=None, goods=None, evidence=(), times=None)


class _Returning:
    """One step; it holds what every part of it looks at."""

    def __init__(self, config: Config, state: State, shift: Shift) -> None:
        self.config = config
        self.state = state
        self.shift = shift

    def stand(self) -> tuple[Standing, ...]:
        number = self._number()
        record = self.shift.reference.document(number) if number else None
        if record is None or record.document != "rma":
            return ()  # of an order the lines say what left, not what comes back
        return standing(record, self.shift.reference.moved(number, "return"))

    def _number(self) -> str:
        return self.state.document.number if self.state.document else ""

    def _refuse(self, text: str, todo: str) -> Step:
        return Step(self.state, Signal("not_ok", text, todo))

    def _ask(self, ask: Ask, what: Goods, evidence: tuple[Evidence, ...]) -> Step:
        state = replace(self.state, ask=ask, goods=what, evidence=evidence)
        return Step(state, _Returning(self.config, state, self.shift).asks())

    def scan(self, found: Identifier, evidence: Evidence) -> Step:
        state = self.state
        match found:
            case Document(document=document):
                opened = replace(_unasked(state), document=document, sscc=None)
                text = say("{number}: scan the items", number=document.number)
                return Step(opened, Signal("ok", text))
            case Reason(reason=reason):
                return self._condition(reason)
            case Location(name=name):
                to = replace(state, to_location=name)
                return Step(to, Signal("ok", say("To {name}", name=name)))
            case Sscc(sscc=sscc):
                into = replace(state, sscc=sscc)
                return Step(into, Signal("ok", say("Handling unit {sscc}", sscc=sscc)))
            case Quantity(value=value) if 0 < value <= MOST:
                times = replace(state, times=Amount(value=value))
                return Step(times, Signal("ok", say("Next item times {value}", value=value)))
            case Command(command="DONE" | "CANCEL"):
                return Step(start(self.config), Signal("ok", say("Finished")))
            case _ if isinstance(found, ON_GOODS):
                return self._item(found, evidence)
            case _:
                text = say("{code}: no meaning here", code=found.text[:40])
                return self._refuse(text, say("Scan an item."))

    def _condition(self, reason: str) -> Step:
        if reason not in self.config.conditions:
            known = ", ".join(sorted(self.config.conditions))[:60]
            text = say("{reason}: not a reason here", reason=reason[:40])
            return self._refuse(text, say("Use one of {known}.", known=known))
        known_now = replace(self.state, condition=reason)
        if self.state.goods is None:
            return Step(known_now, Signal("ok", say("Condition: {reason}", reason=reason)))
        returning = _Returning(self.config, known_now, self.shift)
        return returning.proceed(self.state.goods, self.state.evidence)

    def _item(self, found: Identifier, evidence: Evidence) -> Step:
        state = self.state
        if state.document is None and not self.config.blind:
            return self._refuse(say("No document is open"), say("Scan the document first."))
        what = goods(found, self.shift.reference, times=state.times.value if state.times else None)
        if isinstance(what, NoGoods):
            return self._refuse(what.text, what.todo)
        return self.proceed(what, (evidence,))

    def proceed(self, what: Goods, evidence: tuple[Evidence, ...], *, over: bool = False) -> Step:
        """Book the item in hand, or ask for the first thing that is still to be said of it."""
        if what.quantity is None:
            text = say("{item} must carry its weight", item=what.name)
            return self._refuse(text, say("Put the item aside; call support."))
        for lack in what.lacks:
            if lack != "expiry":
                return self._ask("lot" if lack == "lot" else "serial", what, evidence)
        seen = self.shift.reference.moved(self._number(), "return").serials
        if what.serial is not None and (what.name, what.serial) in seen:
            text = say("Serial {serial} is already received", serial=what.serial)
            return Step(_unasked(self.state), Signal("not_ok", text, say("Scan the next item.")))
        if self.state.condition is None and self.config.ask_condition:
            return self._ask("reason", what, evidence)
        stand = self.stand()
        allocation = allocate(stand, what) if stand else None
        if stand and not over and (allocation is None or allocation.over > 0):
            return self._ask("over", what, evidence)
        return self._book(what, allocation.lines if allocation else (what.line(),), evidence, over)

    def _book(
        self, what: Goods, lines: tuple[Line, ...], evidence: tuple[Evidence, ...], over: bool
    ) -> Step:
        state = self.state
        condition = state.condition
        reason = condition or ""
        if over:
            reason = f"{reason} not on the return, taken by {self.shift.operator or '-'}".strip()
        event = Return(
            documents=(state.document,) if state.document else (),
            lines=lines,
            to_location=state.to_location,
            disposition=self.config.conditions[condition] if condition else "returned",
            sscc=state.sscc,
            reason=reason[:128] or None,
        )
        assert what.quantity is not None  # noqa: S101 - looked at before
        text = say(
            "{n} {unit} {item}",
            n=plain(what.quantity.value),
            unit=what.quantity.unit,
            item=what.name,
        )
        return Step(_unasked(state), Signal("ok", text), (event,), evidence)

    def asks(self) -> Signal:
        name = self.state.goods.name if self.state.goods else ""
        match self.state.ask:
            case "lot" | "serial" as lack:
                return ask_for(lack, name)
            case "over":
                text = say("{item} is more than this return has", item=name)
                return Signal("attention", text, say("Scan OVERRIDE to take it, or CANCEL."))
            case _:
                text = say("{item}: in which condition?", item=name)
                return Signal("attention", text, say("Scan a reason card, or CANCEL."))

    def answer(self, what: Goods, found: Identifier, evidence: Evidence) -> Step:
        state = self.state
        if isinstance(found, Command) and found.command == "CANCEL":
            return Step(_unasked(state), Signal("ok", say("{item}: not booked", item=what.name)))
        if state.ask == "reason":
            if isinstance(found, Reason):
                return self._condition(found.reason)
        elif state.ask == "over":
            if isinstance(found, Command) and found.command == "OVERRIDE":
                return self.proceed(what, state.evidence, over=True)
        elif state.ask is not None:
            more = completed(what, state.ask, found)
            if more is not None:
                return self.proceed(more, (*state.evidence, evidence))
        asks = self.asks()
        return self._refuse(asks.text, asks.todo)
