"""Kits are made: scan the kit, then what goes into it, and DONE; one `Assembly` makes and uses up.

The reference says what a kit is made of. Without it, everything scanned goes in.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from contract.identifiers import Command, Document, Identifier, Location, Quantity
from contract.transactions import Assembly, Event
from contract.values import Document as DocumentName
from contract.values import Evidence, Line
from contract.values import Quantity as Amount
from gateway.phrases import say
from gateway.stations.asking import ask_for, let_go
from gateway.stations.goods import MOST, ON_GOODS, Goods, NoGoods, completed, goods, serials_of
from gateway.stations.job import Given, Progress, Scanned, Shift, Signal, Step, View, Weighed
from gateway.stations.orders import SHOWN, plain

MAX_LINES = 200
"""Of components, as one transaction holds them."""
_MAX_EVIDENCE = 64

Ask = Literal["lot", "serial"]


class Config(BaseModel):
    """The part of `[[station]]` that is this job's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job: Literal["assembly"] = "assembly"
    location: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """Where kits are made until a location card says otherwise."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one scan put in."""

    line: Line
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """The kit in hand."""

    document: DocumentName | None = None
    location: str | None = None
    kit: Goods | None = None
    kit_evidence: tuple[Evidence, ...] = ()
    parts: tuple[Part, ...] = ()
    times: Amount | None = None
    ask: Ask | None = None
    goods: Goods | None = None
    goods_evidence: tuple[Evidence, ...] = ()


def start(config: Config) -> State:
    """No kit yet."""
    return State(location=config.location)


def step(config: Config, state: State, given: Given, shift: Shift) -> Step:
    """Say what becomes of one scan or weight."""
    match given:
        case Weighed(weight=weight):
            shown = f"{weight.value} {weight.unit or ''}".strip()
            return Step(state, Signal("ignored", shown))
        case Scanned(identifier=found, evidence=evidence):
            return _Making(config, state, shift).scan(found, evidence)


def view(config: Config, state: State, shift: Shift) -> View:
    """Show the kit and what is in it."""
    making = _Making(config, state, shift)
    number = state.document.number if state.document else ""
    if state.kit is None or state.kit.quantity is None:
        return View(say("Scan the kit"), number)
    facts = [(say("Kit"), f"{plain(state.kit.quantity.value)} x {state.kit.name}")]
    if state.location:
        facts.append((say("At"), state.location))
    todo = say("Scan what goes in")
    if making.needs() and not making.missing():
        todo = say("Complete: scan DONE")
    question = making.asks().text if state.ask else ""
    return View(todo, number, making.table(), question, tuple(facts))


def undo(config: Config, state: State, shift: Shift) -> Step | None:
    """Take the last part out; a kit that is booked is left to the reversal."""
    del shift
    if state.goods is not None:
        text = say("{item}: not taken", item=state.goods.name)
        return Step(_unasked(state), Signal("ok", text))
    if state.parts:
        item = state.parts[-1].line.item
        text = say("{item}: take it out again", item=item.sku or item.gtin or "")
        return Step(replace(_unasked(state), parts=state.parts[:-1]), Signal("ok", text))
    if state.kit is not None:
        text = say("{item}: not made", item=state.kit.name)
        return Step(replace(start(config), document=state.document), Signal("ok", text))
    return None


def reversed_(config: Config, state: State, event: Event, shift: Shift) -> State:
    """Have the kit in hand again, unless another one is."""
    del config
    if not isinstance(event, Assembly) or state.kit is not None:
        return state
    made = event.produced[0]
    record = shift.reference.by_code(made.item.sku) if made.item.sku else None
    return State(
        document=event.documents[0] if event.documents else None,
        location=event.location,
        kit=Goods(made.item, made.quantity, record, made.lot, made.serial),
        parts=tuple(Part(line) for line in event.consumed),
    )


def wants_badge(state: State) -> bool:
    """Ask for none."""
    del state
    return False


def _unasked(state: State) -> State:
    return replace(state, ask=None, goods=None, goods_evidence=(), times=None)


def _sums(lines: Iterable[Line]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for line in lines:
        name = line.item.sku or line.item.gtin or ""
        sums[name] = sums.get(name, Decimal(0)) + line.quantity.value
    return sums


class _Making:
    """One step; it holds what every part of it looks at."""

    def __init__(self, config: Config, state: State, shift: Shift) -> None:
        self.config = config
        self.state = state
        self.shift = shift

    def needs(self) -> dict[str, Decimal]:
        """What goes in, by SKU; empty where the reference does not say."""
        kit = self.state.kit
        if kit is None or kit.record is None or kit.quantity is None:
            return {}
        return {part.sku: part.quantity * kit.quantity.value for part in kit.record.components}

    def missing(self) -> dict[str, Decimal]:
        """What is still to go in."""
        inside = _sums(part.line for part in self.state.parts)
        left = {sku: n - inside.get(sku, Decimal(0)) for sku, n in self.needs().items()}
        return {sku: n for sku, n in left.items() if n > 0}

    def table(self) -> tuple[Progress, ...]:
        inside = _sums(part.line for part in self.state.parts)
        rows = []
        for sku, n in self.needs().items():
            done = inside.pop(sku, Decimal(0))
            rows.append(Progress(sku, plain(done), plain(n), state="done" if done >= n else "open"))
        rows += [Progress(name, plain(value)) for name, value in inside.items()]
        return tuple(rows[:SHOWN])

    def scan(self, found: Identifier, evidence: Evidence) -> Step:
        state = self.state
        if state.goods is not None and state.ask is not None:
            return self._answer(state.ask, state.goods, found, evidence)
        match found:
            case Document(document=document) if state.kit is None:
                opened = replace(state, document=document)
                text = say("{number}: scan the kit", number=document.number)
                return Step(opened, Signal("ok", text))
            case Location(name=name):
                at = replace(state, location=name)
                return Step(at, Signal("ok", say("At {name}", name=name)))
            case Quantity(value=value) if 0 < value <= MOST:
                times = replace(state, times=Amount(value=value))
                return Step(times, Signal("ok", say("Next item times {value}", value=value)))
            case Command(command="DONE"):
                return self._done()
            case Command(command="CANCEL"):
                cleared = replace(start(self.config), document=state.document)
                return Step(cleared, Signal("ok", say("Cancelled; take everything out again")))
            case _ if isinstance(found, ON_GOODS):
                return self._item(found, evidence)
            case _:
                text = say("{code}: no meaning here", code=found.text[:40])
                return self._refuse(text, say("Scan an item, or DONE."))

    def _refuse(self, text: str, todo: str) -> Step:
        return Step(self.state, Signal("not_ok", text, todo))

    def _item(self, found: Identifier, evidence: Evidence) -> Step:
        state = self.state
        what = goods(found, self.shift.reference, times=state.times.value if state.times else None)
        if isinstance(what, NoGoods):
            return self._refuse(what.text, what.todo)
        if what.quantity is None:
            text = say("{item} must carry its weight", item=what.name)
            return self._refuse(text, say("Put the item aside; call support."))
        return self._take(what, (evidence,))

    def _take(self, what: Goods, evidence: tuple[Evidence, ...]) -> Step:
        state, needs = self.state, self.needs()
        if needs and what.name not in needs:
            text = say("WRONG ITEM: {item} does not go in", item=what.name)
            return self._refuse(text, say("Take it out, then go on."))
        if what.expired(self.shift.today) or what.held() is not None:
            text = say("{item}: expired or held", item=what.name)
            return self._refuse(text, say("Put the item aside; call support."))
        for lack in what.lacks:
            if lack != "expiry":
                ask: Ask = "lot" if lack == "lot" else "serial"
                asked = replace(state, ask=ask, goods=what, goods_evidence=evidence)
                return Step(asked, _Making(self.config, asked, self.shift).asks())
        return self._begin(what, evidence) if state.kit is None else self._put_in(what, evidence)

    def _begin(self, what: Goods, evidence: tuple[Evidence, ...]) -> Step:
        if what.record is not None and not what.record.components:
            text = say("{item} is no kit", item=what.name)
            return self._refuse(text, say("Scan the kit."))
        begun = replace(_unasked(self.state), kit=what, kit_evidence=evidence)
        assert what.quantity is not None  # noqa: S101 - looked at before
        n = plain(what.quantity.value)
        text = say("{n} {item}: scan what goes in", n=n, item=what.name)
        return Step(begun, Signal("ok", text))

    def _put_in(self, what: Goods, evidence: tuple[Evidence, ...]) -> Step:
        state, needs = self.state, self.needs()
        assert what.quantity is not None  # noqa: S101 - looked at before
        out = say("Take it out, then go on.")
        inside = _sums(part.line for part in state.parts).get(what.name, Decimal(0))
        done = inside + what.quantity.value
        if needs and done > needs[what.name]:
            n = plain(needs[what.name])
            return self._refuse(say("TOO MANY: {item}, {n} go in", item=what.name, n=n), out)
        if what.serial is not None and (what.name, what.serial) in set(
            serials_of(part.line for part in state.parts)
        ):
            text = say("Serial {serial} is already in", serial=what.serial)
            return self._refuse(text, say("Scan the next item."))
        if len(state.parts) >= MAX_LINES:
            return self._refuse(say("A kit holds no more lines"), say("Scan DONE."))
        part = Part(what.line(), evidence[-_MAX_EVIDENCE:])
        text = say("{item} is in", item=what.name)
        if needs:
            text = say(
                "{item}: {done} of {ordered}",
                item=what.name,
                done=plain(done),
                ordered=plain(needs[what.name]),
            )
        return Step(replace(_unasked(state), parts=(*state.parts, part)), Signal("ok", text))

    def _done(self) -> Step:
        state = self.state
        if state.kit is None:
            cleared = start(self.config)
            return Step(cleared, Signal("ok", say("Finished")))
        missing = self.missing()
        if missing:
            sku, n = next(iter(missing.items()))
            text = say("{n} {item} are missing", n=plain(n), item=sku)
            return self._refuse(text, say("Scan what goes in, or CANCEL."))
        if not state.parts:
            return self._refuse(say("Nothing is in it"), say("Scan what goes in, or CANCEL."))
        event = Assembly(
            documents=(state.document,) if state.document else (),
            produced=(state.kit.line(),),
            consumed=tuple(part.line for part in state.parts),
            location=state.location,
        )
        proof = (*state.kit_evidence, *(each for part in state.parts for each in part.evidence))
        made = state.kit.quantity
        assert made is not None  # noqa: S101 - a kit is never without
        text = say("{n} {item} made", n=plain(made.value), item=state.kit.name)
        after = replace(start(self.config), document=state.document, location=state.location)
        return Step(after, Signal("ok", text), (event,), proof[-_MAX_EVIDENCE:])

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
