"""A trip with goods: from a place, some items, to a place; then it is booked.

It is what putaway and transfer have in common.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from contract.identifiers import Command, Document, Identifier, Location, Quantity, Sscc
from contract.transactions import Event, Putaway, Transfer
from contract.values import Document as DocumentName
from contract.values import Evidence, Line
from contract.values import Quantity as Amount
from gateway.phrases import say
from gateway.stations.asking import ask_for, let_go
from gateway.stations.goods import MOST, ON_GOODS, Goods, NoGoods, completed, goods, serials_of
from gateway.stations.job import Given, Progress, Scanned, Shift, Signal, Step, View, Weighed
from gateway.stations.orders import Standing, allocate, plain, standing, table

MAX_LINES = 200
"""Of one trip, as one transaction holds them."""
_MAX_EVIDENCE = 64

Ask = Literal["lot", "serial", "expiry"]


@dataclass(frozen=True, slots=True)
class Taken:
    """What one scan took."""

    lines: tuple[Line, ...]
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """What is on the way."""

    document: DocumentName | None = None
    from_location: str | None = None
    sscc: str | None = None
    taken: tuple[Taken, ...] = ()
    times: Amount | None = None
    ask: Ask | None = None
    goods: Goods | None = None
    goods_evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Trip:
    """What makes a putaway a putaway."""

    type: Literal["putaway", "transfer"]
    from_location: str | None
    """Where trips begin until a card says otherwise."""
    make: Callable[..., Putaway | Transfer]


def start(trip: Trip) -> State:
    """Nothing is on the way."""
    return State(from_location=trip.from_location)


def step(trip: Trip, state: State, given: Given, shift: Shift) -> Step:
    """Say what becomes of one scan or weight."""
    match given:
        case Weighed(weight=weight):
            shown = f"{weight.value} {weight.unit or ''}".strip()
            return Step(state, Signal("ignored", shown))
        case Scanned(identifier=found, evidence=evidence):
            return _Moving(trip, state, shift).scan(found, evidence)


def view(trip: Trip, state: State, shift: Shift) -> View:
    """Show where the trip comes from and what is on it."""
    moving = _Moving(trip, state, shift)
    stand = moving.stand()
    rows = [
        Progress(line.item.sku or line.item.gtin or "", f"{plain(line.quantity.value)}")
        for taken in reversed(state.taken)
        for line in taken.lines
    ]
    facts = ((say("From"), state.from_location), (say("Handling unit"), state.sscc))
    return View(
        moving.headline(),
        state.document.number if state.document else "",
        table(stand) if stand else tuple(rows[:50]),
        moving.asks().text if state.ask else "",
        tuple((name, value) for name, value in facts if value),
    )


def undo(state: State) -> Step | None:
    """Put the last item back, or let the one in hand go."""
    if state.goods is not None:
        text = say("{item}: not taken", item=state.goods.name)
        return Step(_unasked(state), Signal("ok", text))
    if not state.taken:
        return None
    item = state.taken[-1].lines[0].item
    text = say("{item}: put it back", item=item.sku or item.gtin or "")
    return Step(replace(_unasked(state), taken=state.taken[:-1]), Signal("ok", text))


def reversed_(trip: Trip, state: State, event: Event) -> State:
    """Have the trip in hand again, unless another one is."""
    if state.taken or state.goods is not None or event.type != trip.type:
        return state
    return State(
        document=event.documents[0] if event.documents else None,
        from_location=event.from_location,
        sscc=event.sscc,
        taken=tuple(Taken((line,)) for line in event.lines),
    )


def _unasked(state: State) -> State:
    return replace(state, ask=None, goods=None, goods_evidence=(), times=None)


class _Moving:
    """One step; it holds what every part of it looks at."""

    def __init__(self, trip: Trip, state: State, shift: Shift) -> None:
        self.trip = trip
        self.state = state
        self.shift = shift

    def headline(self) -> str:
        state = self.state
        if state.from_location is None:
            return say("Scan where you take it from")
        if state.times is not None:
            return say("Scan the next item: it counts {times} times", times=state.times.value)
        if not state.taken:
            return say("Scan what you take")
        return say("Scan the next item, or where it goes")

    def stand(self) -> tuple[Standing, ...]:
        number = self.state.document.number if self.state.document else ""
        record = self.shift.reference.document(number) if number else None
        if record is None:
            return ()
        in_hand = (line for taken in self.state.taken for line in taken.lines)
        return standing(record, self.shift.reference.moved(number, self.trip.type), in_hand)

    def scan(self, found: Identifier, evidence: Evidence) -> Step:
        state = self.state
        if state.ask is not None and state.goods is not None:
            return self._answer(state.ask, state.goods, found, evidence)
        match found:
            case Location(name=name):
                return self._place(name, evidence)
            case Document(document=document):
                return self._open(document)
            case Command(command=word):
                return self._command(word)
            case Sscc(sscc=sscc):
                opened = replace(state, sscc=sscc)
                return Step(opened, Signal("ok", say("Handling unit {sscc}", sscc=sscc)))
            case Quantity(value=value) if 0 < value <= MOST:
                times = replace(state, times=Amount(value=value))
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
        if self.state.taken:
            return self._refuse(say("Goods are on the way"), say("Scan where they go, or UNDO."))
        record = self.shift.reference.document(document.number)
        opened = replace(self.state, document=document)
        if record is not None and record.from_location is not None:
            opened = replace(opened, from_location=record.from_location)
        return Step(opened, Signal("ok", say("{number}: scan the items", number=document.number)))

    def _command(self, word: str) -> Step:
        match word:
            case "CANCEL":
                return Step(start(self.trip), Signal("ok", say("Cancelled; put everything back")))
            case "DONE" if self.state.taken:
                return self._refuse(
                    say("Goods are on the way"), say("Scan where they go, or UNDO.")
                )
            case "DONE":
                return Step(start(self.trip), Signal("ok", say("Finished")))
            case _:
                return self._refuse(
                    say("{word}: no meaning here", word=word), say("Scan an item or a location.")
                )

    def _place(self, name: str, evidence: Evidence) -> Step:
        state = self.state
        if not state.taken:
            begun = replace(state, from_location=name)
            return Step(begun, Signal("ok", say("From {name}", name=name)))
        if name == state.from_location:
            return self._refuse(
                say("{name} is where it comes from", name=name), say("Scan where it goes.")
            )
        event = self.trip.make(
            documents=(state.document,) if state.document else (),
            lines=tuple(line for taken in state.taken for line in taken.lines),
            from_location=state.from_location,
            to_location=name,
            sscc=state.sscc,
        )
        proof = (*(each for taken in state.taken for each in taken.evidence), evidence)
        after = replace(
            start(self.trip), document=state.document, from_location=state.from_location
        )
        text = say("{n} lines to {name}", n=len(event.lines), name=name)
        return Step(after, Signal("ok", text), (event,), proof[-_MAX_EVIDENCE:])

    def _item(self, found: Identifier, evidence: Evidence) -> Step:
        state = self.state
        if state.from_location is None:
            return self._refuse(say("From where?"), say("Scan the location first."))
        what = goods(found, self.shift.reference, times=state.times.value if state.times else None)
        if isinstance(what, NoGoods):
            return self._refuse(what.text, what.todo)
        return self._take(what, (evidence,))

    def _take(self, what: Goods, evidence: tuple[Evidence, ...]) -> Step:
        state = self.state
        if what.quantity is None:
            return self._refuse(
                say("{item} must carry its weight", item=what.name),
                say("Put the item aside; call support."),
            )
        if sum(len(taken.lines) for taken in state.taken) + 2 > MAX_LINES:
            return self._refuse(say("This trip holds no more lines"), say("Scan where it goes."))
        for lack in what.lacks:
            ask: Ask = "lot" if lack == "lot" else "serial" if lack == "serial" else "expiry"
            if ask == "expiry":
                continue  # known since the receipt
            asked = replace(state, ask=ask, goods=what, goods_evidence=evidence)
            return Step(asked, _Moving(self.trip, asked, self.shift).asks())
        on_trip = {key for taken in state.taken for key in serials_of(taken.lines)}
        if what.serial is not None and (what.name, what.serial) in on_trip:
            return self._refuse(
                say("Serial {serial} is on this trip already", serial=what.serial),
                say("Scan the next item."),
            )
        lines: tuple[Line, ...] = (what.line(),)
        stand = self.stand()
        if stand:
            allocation = allocate(stand, what)
            if allocation is None or allocation.over > 0:
                return self._refuse(
                    say("{item} is not open on this document", item=what.name),
                    say("Put it back, then go on."),
                )
            lines = allocation.lines
        taken = Taken(lines, evidence[-_MAX_EVIDENCE:])
        text = say("{n} {item} taken", n=plain(what.quantity.value), item=what.name)
        return Step(replace(_unasked(state), taken=(*state.taken, taken)), Signal("ok", text))

    def asks(self) -> Signal:
        name = self.state.goods.name if self.state.goods else ""
        return ask_for(self.state.ask or "lot", name)

    def _answer(self, ask: Ask, what: Goods, found: Identifier, evidence: Evidence) -> Step:
        if isinstance(found, Command) and found.command == "CANCEL":
            text = say("{item}: not taken", item=what.name)
            return Step(_unasked(self.state), Signal("ok", text))
        more = completed(what, ask, found)
        if more is not None:
            return let_go(
                self._take(more, (*self.state.goods_evidence, evidence)), _unasked(self.state)
            )
        asks = self.asks()
        return self._refuse(asks.text, asks.todo)
