"""Goods are picked for an order: scan the order, the location, the item; each item books a `Pick`.

The list says what to take where. Without one, what is scanned is picked for that number.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from contract.identifiers import Command, Document, Identifier, Location, Quantity, Reason, Sscc
from contract.transactions import Event, Pick
from contract.values import Document as DocumentName
from contract.values import Evidence, Line
from contract.values import Quantity as Amount
from gateway.phrases import say
from gateway.stations.asking import ask_for, let_go
from gateway.stations.goods import MOST, ON_GOODS, Goods, NoGoods, completed, goods
from gateway.stations.job import Given, Scanned, Shift, Signal, Step, View, Weighed
from gateway.stations.orders import (
    Standing,
    moved_table,
    plain,
    standing,
    table,
    unlisted,
)
from gateway.stations.outgoing import fill, progress, unfit, unwanted, wrong_item

_PUT_BACK = say("Put it back, then go on.")

Ask = Literal["lot", "serial", "short"]


class Config(BaseModel):
    """The part of `[[station]]` that is this job's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job: Literal["picking"] = "picking"
    confirm_location: bool = True
    """Whether the location of a line must be scanned before its item."""
    to_location: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """Where picked goods go, such as a staging area."""


@dataclass(frozen=True, slots=True)
class State:
    """Where the picking stands, beside what was booked."""

    document: DocumentName | None = None
    location: str | None = None
    sscc: str | None = None
    """Tote or pallet the goods go into."""
    times: Amount | None = None
    ask: Ask | None = None
    goods: Goods | None = None
    goods_evidence: tuple[Evidence, ...] = ()
    doubt: str | None = None


def start(config: Config) -> State:
    """No order yet."""
    del config
    return State()


def step(config: Config, state: State, given: Given, shift: Shift) -> Step:
    """Say what becomes of one scan or weight."""
    match given:
        case Weighed(weight=weight):
            shown = f"{weight.value} {weight.unit or ''}".strip()
            return Step(state, Signal("ignored", shown))
        case Scanned(identifier=found, evidence=evidence):
            return _Picking(config, state, shift).scan(found, evidence)


def view(config: Config, state: State, shift: Shift) -> View:
    """Show the list and where to go next."""
    picking = _Picking(config, state, shift)
    if state.document is None:
        return View(say("Scan an order to begin"))
    stand = picking.stand()
    moved = shift.reference.moved(state.document.number, "pick")
    lines = (*table(stand), *unlisted(stand, moved)) if stand else moved_table(moved)
    facts = ((say("At"), state.location), (say("Handling unit"), state.sscc))
    return View(
        picking.headline(),
        state.document.number,
        lines,
        picking.asks().text if state.ask else "",
        tuple((name, value) for name, value in facts if value),
    )


def undo(config: Config, state: State, shift: Shift) -> Step | None:
    """Let the item in hand go; what is booked is left to the reversal."""
    del config, shift
    if state.ask is None:
        return None
    text = say("{item}: not picked", item=state.goods.name) if state.goods else say("Open again")
    return Step(_unasked(state), Signal("ok", text))


def reversed_(config: Config, state: State, event: Event, shift: Shift) -> State:
    """Open the order again that it was picked for, unless another one is open."""
    del config, shift
    if not isinstance(event, Pick) or not event.documents or state.document is not None:
        return state
    return State(document=event.documents[0], location=event.from_location, sscc=event.sscc)


def wants_badge(state: State) -> bool:
    """Ask for none."""
    del state
    return False


def _unasked(state: State) -> State:
    return replace(state, ask=None, goods=None, goods_evidence=(), times=None, doubt=None)


class _Picking:
    """One step; it holds what every part of it looks at."""

    def __init__(self, config: Config, state: State, shift: Shift) -> None:
        self.config = config
        self.state = state
        self.shift = shift

    def headline(self) -> str:
        if self.state.times is not None:
            return say("Scan the next item: it counts {times} times", times=self.state.times.value)
        stand = self.stand()
        following = next((each for each in stand if each.left > 0), None)
        if following is None:
            return say("All picked: scan DONE") if stand else say("Scan the next item, or DONE")
        what = say("{n} {item}", n=plain(following.left), item=following.line.sku)
        if following.line.location and following.line.location != self.state.location:
            return say("Go to {place}: {what}", place=following.line.location, what=what)
        return say("Take {what}", what=what)

    def stand(self) -> tuple[Standing, ...]:
        number = self._number()
        record = self.shift.reference.document(number) if number else None
        if record is None:
            return ()
        return standing(record, self.shift.reference.moved(number, "pick"))

    def _number(self) -> str:
        return self.state.document.number if self.state.document else ""

    def scan(self, found: Identifier, evidence: Evidence) -> Step:
        state = self.state
        if state.ask is not None:
            return self._answer(found, evidence)
        match found:
            case Document(document=document):
                return self._open(document)
            case Location(name=name):
                return self._go(name)
            case Command(command=word):
                return self._command(word)
            case Sscc(sscc=sscc):
                into = replace(state, sscc=sscc, doubt=None)
                return Step(into, Signal("ok", say("Into {sscc}", sscc=sscc)))
            case Quantity(value=value) if 0 < value <= MOST:
                times = replace(state, times=Amount(value=value), doubt=None)
                return Step(times, Signal("ok", say("Next item times {value}", value=value)))
            case _ if isinstance(found, ON_GOODS):
                return self._item(found, evidence)
            case _:
                return self._refuse(
                    say("{code}: no meaning here", code=found.text[:40]), say("Scan an item.")
                )

    def _refuse(self, text: str, todo: str) -> Step:
        return Step(self.state, Signal("not_ok", text, todo))

    def _open(self, document: DocumentName) -> Step:
        state, number = self.state, document.number
        if self._number() == number:
            return Step(
                replace(state, doubt=None), Signal("ok", say("{number}: go on", number=number))
            )
        reference = self.shift.reference
        if reference.ready and reference.document(number) is None and state.doubt != number:
            return Step(
                replace(state, doubt=number),
                Signal(
                    "attention",
                    say("{number} is not on the list of open documents", number=number),
                    say("Scan it again to pick without a list."),
                ),
            )
        opened = State(document=document)
        said = _Picking(self.config, opened, self.shift).headline()
        return Step(opened, Signal("ok", say("{number}: {todo}", number=number, todo=said)))

    def _go(self, name: str) -> Step:
        stand = self.stand()
        wanted = {each.line.location for each in stand if each.left > 0 and each.line.location}
        if wanted and name not in wanted:
            return self._refuse(
                say("WRONG PLACE: nothing to pick at {name}", name=name), self.headline()
            )
        at = replace(self.state, location=name, doubt=None)
        return Step(at, Signal("ok", _Picking(self.config, at, self.shift).headline()))

    def _command(self, word: str) -> Step:
        state = self.state
        match word:
            case "CANCEL":
                cleared = replace(_unasked(state), sscc=None)
                return Step(
                    cleared, Signal("ok", say("Cancelled; nothing that was booked changed"))
                )
            case "DONE" if state.document is None:
                return self._refuse(say("No order is open"), say("Scan an order."))
            case "DONE" if any(each.left > 0 for each in self.stand()):
                asked = replace(_unasked(state), ask="short")
                return Step(asked, _Picking(self.config, asked, self.shift).asks())
            case "DONE":
                return self._close(None)
            case _:
                return self._refuse(
                    say("{word}: no meaning here", word=word), say("Scan an item, or DONE.")
                )

    def _close(self, reason: str | None) -> Step:
        number = self._number()
        text = (
            say("{number} closed short: {why}", number=number, why=reason)
            if reason
            else say("{number} closed", number=number)
        )
        return Step(start(self.config), Signal("ok", text))

    def _item(self, found: Identifier, evidence: Evidence) -> Step:
        state = self.state
        if state.document is None:
            return self._refuse(say("No order is open"), say("Scan the order first."))
        what = goods(found, self.shift.reference, times=state.times.value if state.times else None)
        if isinstance(what, NoGoods):
            return self._refuse(what.text, what.todo)
        return self._pick(what, (evidence,))

    def _pick(self, what: Goods, evidence: tuple[Evidence, ...]) -> Step:
        state, stand = self.state, self.stand()
        refused = self._wrong(what, stand)
        if refused is not None:
            return Step(state, refused)
        for lack in what.lacks:
            if lack == "expiry":
                continue  # known since the receipt
            ask: Ask = "lot" if lack == "lot" else "serial"
            asked = replace(state, ask=ask, goods=what, goods_evidence=evidence)
            return Step(asked, _Picking(self.config, asked, self.shift).asks())
        lines: tuple[Line, ...] = (what.line(),)
        text = say("{item} picked", item=what.name)
        if stand:
            here = [each for each in stand if self._is_here(each)]
            if unwanted(here, what) or not here:
                text = say("{item} is not picked here", item=what.name)
                return self._refuse(text, self.headline())
            filled = fill(here, what, _PUT_BACK)
            if isinstance(filled, Signal):
                return Step(state, filled)
            lines, text = filled.lines, progress(filled, what)
        event = Pick(
            documents=(state.document,) if state.document else (),
            lines=lines,
            from_location=state.location or _place_of(lines, stand),
            to_location=self.config.to_location,
            sscc=state.sscc,
        )
        return Step(_unasked(state), Signal("ok", text), (event,), evidence)

    def _is_here(self, each: Standing) -> bool:
        place = each.line.location
        if place is None or not self.config.confirm_location:
            return True
        return place == self.state.location

    def _wrong(self, what: Goods, stand: Sequence[Standing]) -> Signal | None:
        """Say why it must not be picked; None where nothing speaks against it."""
        if (found := unfit(what, self.shift.today)) is not None:
            return found
        if unwanted(stand, what):
            return wrong_item(what, _PUT_BACK)
        serials = self.shift.reference.moved(self._number(), "pick").serials
        if what.serial is not None and (what.name, what.serial) in serials:
            text = say("Serial {serial} is already picked", serial=what.serial)
            return Signal("not_ok", text, say("Scan the next item."))
        return None

    def asks(self) -> Signal:
        name = self.state.goods.name if self.state.goods else ""
        match self.state.ask:
            case "lot" | "serial" as lack:
                return ask_for(lack, name)
            case _:
                left = sum(1 for each in self.stand() if each.left > 0)
                text = say(
                    "{number}: {count} lines are still open", number=self._number(), count=left
                )
                return Signal(
                    "attention", text, say("Scan a reason card to close short, or go on.")
                )

    def _answer(self, found: Identifier, evidence: Evidence) -> Step:
        state = self.state
        if isinstance(found, Command) and found.command == "CANCEL":
            text = (
                say("{item}: not picked", item=state.goods.name)
                if state.goods
                else say("Open again")
            )
            return Step(_unasked(state), Signal("ok", text))
        if state.ask == "short":
            if isinstance(found, Reason):
                return self._close(found.reason)
            return _Picking(self.config, _unasked(state), self.shift).scan(found, evidence)
        if state.goods is not None and state.ask is not None:
            more = completed(state.goods, state.ask, found)
            if more is not None:
                return let_go(
                    self._pick(more, (*state.goods_evidence, evidence)), _unasked(self.state)
                )
        asks = self.asks()
        return self._refuse(asks.text, asks.todo)


def _place_of(lines: tuple[Line, ...], stand: tuple[Standing, ...]) -> str | None:
    named = {each.line.line: each.line.location for each in stand}
    return next((named.get(line.document_line or "") for line in lines), None)
