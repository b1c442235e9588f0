"""Stock is counted: scan the place, everything that lies there, and DONE or the next place.

Each place books one `Count` of what was found: absolute, and zero for what the sheet lists and
nobody found. A difference that is too large is counted again before it is believed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from contract.identifiers import Command, Document, Identifier, Location, Quantity
from contract.reference import DocumentLine, DocumentRecord
from contract.transactions import Count, Event
from contract.values import Document as DocumentName
from contract.values import Evidence, Item, Line
from contract.values import Quantity as Amount
from gateway.phrases import say
from gateway.stations.asking import ask_for
from gateway.stations.goods import MOST, ON_GOODS, Goods, NoGoods, completed, goods, serials_of
from gateway.stations.job import Given, Progress, Scanned, Shift, Signal, Step, View, Weighed
from gateway.stations.orders import SHOWN, plain

MAX_LINES = 200
"""Of one place, as one transaction holds them."""
_MAX_EVIDENCE = 64

Ask = Literal["lot", "serial", "close"]


class Config(BaseModel):
    """The part of `[[station]]` that is this job's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job: Literal["counting"] = "counting"
    recount_percent: Annotated[Decimal, Field(ge=0, le=1000)] | None = Decimal(0)
    """Difference from the sheet, in percent, above which a place is counted again; none for
    never."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one scan found."""

    line: Line
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """What was found at the place that is counted now."""

    document: DocumentName | None = None
    location: str | None = None
    found: tuple[Found, ...] = ()
    times: Amount | None = None
    ask: Ask | None = None
    goods: Goods | None = None
    goods_evidence: tuple[Evidence, ...] = ()
    doubt: str = ""
    """What the place must be closed in spite of."""


def start(config: Config) -> State:
    """No place yet."""
    del config
    return State()


def step(config: Config, state: State, given: Given, shift: Shift) -> Step:
    """Say what becomes of one scan or weight."""
    match given:
        case Weighed(weight=weight):
            shown = f"{weight.value} {weight.unit or ''}".strip()
            return Step(state, Signal("ignored", shown))
        case Scanned(identifier=found, evidence=evidence):
            return _Counting(config, state, shift).scan(found, evidence)


def view(config: Config, state: State, shift: Shift) -> View:
    """Show the place and what was found; what the books say only where the sheet is not blind."""
    counting = _Counting(config, state, shift)
    if state.location is None:
        return View(say("Scan a place to count"), state.document.number if state.document else "")
    return View(
        say("Scan all that lies here, then DONE"),
        state.document.number if state.document else "",
        counting.table(),
        counting.asks().text if state.ask else "",
        ((say("At"), state.location),),
    )


def undo(config: Config, state: State, shift: Shift) -> Step | None:
    """Take back a question or the last item; a place that is booked is left to the reversal."""
    del config, shift
    if state.ask is not None:
        return Step(_unasked(state), Signal("ok", say("Go on counting")))
    if not state.found:
        return None
    name = _name(state.found[-1].line.item)
    less = replace(_unasked(state), found=state.found[:-1])
    return Step(less, Signal("ok", say("{item}: not counted", item=name)))


def reversed_(config: Config, state: State, event: Event, shift: Shift) -> State:
    """Have the count of that place in hand again, unless another one is."""
    del config, shift
    if not isinstance(event, Count) or state.found:
        return state
    return State(
        document=event.documents[0] if event.documents else None,
        location=event.location,
        found=tuple(Found(line) for line in event.lines if line.quantity.value),
    )


def wants_badge(state: State) -> bool:
    """Ask for none."""
    del state
    return False


def _unasked(state: State) -> State:
    return replace(state, ask=None, goods=None, goods_evidence=(), times=None, doubt="")


def _name(item: Item) -> str:
    return item.sku or item.gtin or ""


def _sums(lines: Iterable[Line]) -> dict[tuple[str, str | None], Decimal]:
    sums: dict[tuple[str, str | None], Decimal] = {}
    for line in lines:
        key = (_name(line.item), line.lot)
        sums[key] = sums.get(key, Decimal(0)) + line.quantity.value
    return sums


class _Counting:
    """One step; it holds what every part of it looks at."""

    def __init__(self, config: Config, state: State, shift: Shift) -> None:
        self.config = config
        self.state = state
        self.shift = shift

    def _sheet(self) -> DocumentRecord | None:
        document = self.state.document
        return self.shift.reference.document(document.number) if document else None

    def _expected(self) -> tuple[DocumentLine, ...]:
        sheet = self._sheet()
        if sheet is None:
            return ()
        return tuple(line for line in sheet.lines if line.location == self.state.location)

    def table(self) -> tuple[Progress, ...]:
        sheet = self._sheet()
        sums = _sums(found.line for found in self.state.found)
        rows = []
        for line in self._expected():
            done = sums.pop((line.sku, line.lot), Decimal(0))
            expected = "" if sheet is None or sheet.blind else plain(line.quantity)
            state: Literal["open", "done"] = "done" if done == line.quantity else "open"
            rows.append(
                Progress(
                    line.sku,
                    plain(done),
                    expected,
                    note=line.lot or "",
                    state=state if expected else "open",
                )
            )
        rows += [
            Progress(name, plain(value), note=lot or "") for (name, lot), value in sums.items()
        ]
        return tuple(rows[-SHOWN:])

    def scan(self, found: Identifier, evidence: Evidence) -> Step:
        state = self.state
        if state.goods is not None and state.ask in {"lot", "serial"}:
            return self._answer(state.goods, found, evidence)
        match found:
            case Command(command="DONE"):
                return self._close(None)
            case Location(name=name):
                return self._close(name)
            case Document(document=document):
                return self._open(document)
            case Command(command="CANCEL"):
                emptied = State(document=state.document, location=state.location)
                return Step(emptied, Signal("ok", say("Count this place anew")))
            case Quantity(value=value) if 0 <= value <= MOST:
                times = replace(state, times=Amount(value=value))
                return Step(times, Signal("ok", say("Next item times {value}", value=value)))
            case _ if isinstance(found, ON_GOODS):
                return self._item(found, evidence)
            case _:
                text = say("{code}: no meaning here", code=found.text[:40])
                return self._refuse(text, say("Scan an item, or DONE."))

    def _refuse(self, text: str, todo: str) -> Step:
        return Step(self.state, Signal("not_ok", text, todo))

    def _open(self, document: DocumentName) -> Step:
        if self.state.found:
            return self._refuse(
                say("{place} is not finished", place=self.state.location), say("Scan DONE first.")
            )
        text = say("{number}: scan a place", number=document.number)
        return Step(State(document=document), Signal("ok", text))

    def _item(self, found: Identifier, evidence: Evidence) -> Step:
        state = self.state
        if state.location is None:
            return self._refuse(say("Where?"), say("Scan the place first."))
        times = state.times.value if state.times else None
        what = goods(found, self.shift.reference, times=times or None)
        if isinstance(what, NoGoods):
            return self._refuse(what.text, what.todo)
        if times == 0 and what.quantity is not None:
            # A quantity card of zero: it was looked for and is not there.
            what = replace(what, quantity=Amount(value=Decimal(0), unit=what.quantity.unit))
        return self._count(what, (evidence,))

    def _count(self, what: Goods, evidence: tuple[Evidence, ...]) -> Step:
        state = self.state
        if what.quantity is None:
            text = say("{item} must carry its weight", item=what.name)
            return self._refuse(text, say("Use a station with a scale for it."))
        for lack in what.lacks:
            if lack != "expiry":
                ask: Ask = "lot" if lack == "lot" else "serial"
                asked = replace(state, ask=ask, goods=what, goods_evidence=evidence)
                return Step(asked, _Counting(self.config, asked, self.shift).asks())
        line = what.line()
        if what.serial is not None and (what.name, what.serial) in set(
            serials_of(found.line for found in state.found)
        ):
            text = say("Serial {serial} is already counted", serial=what.serial)
            after = replace(state, ask=None, goods=None, goods_evidence=())
            return Step(after, Signal("not_ok", text, say("Scan the next item.")))
        if len(_sums(found.line for found in state.found)) + 1 > MAX_LINES - len(self._expected()):
            return self._refuse(say("This place holds no more lines"), say("Scan DONE."))
        counted = (*state.found, Found(line, evidence[-_MAX_EVIDENCE:]))
        total = _sums(each.line for each in counted)[what.name, what.lot]
        text = say("{item}: {n} counted", item=what.name, n=plain(total))
        return Step(replace(_unasked(state), found=counted), Signal("ok", text))

    # Closing

    def _close(self, following: str | None) -> Step:
        state = self.state
        if state.location is None:
            if following is None:
                return self._refuse(say("No place is open"), say("Scan a place."))
            return self._begin(following)
        if following == state.location:
            return Step(_unasked(state), Signal("ok", say("{name}: go on", name=following)))
        if not state.found and not self._expected():
            if following is not None:
                return self._begin(following)
            return Step(State(document=state.document), Signal("ok", say("Nothing was counted")))
        doubt = self._doubt()
        if doubt and state.doubt != doubt:
            asked = replace(_unasked(state), ask="close", doubt=doubt)
            return Step(asked, _Counting(self.config, asked, self.shift).asks())
        return self._book(following)

    def _begin(self, name: str) -> Step:
        begun = State(document=self.state.document, location=name)
        return Step(begun, Signal("ok", say("{name}: scan all that lies here", name=name)))

    def _doubt(self) -> str:
        """Return what speaks against the count, in words; empty where nothing does."""
        sheet, percent = self._sheet(), self.config.recount_percent
        sums = _sums(found.line for found in self.state.found)
        for line in self._expected():
            done = sums.get((line.sku, line.lot), Decimal(0))
            if not done and (line.sku, line.lot) not in sums:
                return say("{item} was not found", item=line.sku)
            off = abs(done - line.quantity)
            if percent is not None and off * 100 > percent * line.quantity:
                if sheet is not None and sheet.blind:
                    return say("{item}: count it again", item=line.sku)
                return say(
                    "{item}: {done} counted, {expected} expected",
                    item=line.sku,
                    done=plain(done),
                    expected=plain(line.quantity),
                )
        return ""

    def _book(self, following: str | None) -> Step:
        state = self.state
        assert state.location is not None  # noqa: S101 - closing needs a place
        lines = self._lines()
        event = Count(
            documents=(state.document,) if state.document else (),
            location=state.location,
            lines=lines,
        )
        proof = tuple(each for found in state.found for each in found.evidence)
        after = State(document=state.document, location=following)
        text = say("{place} counted: {n} lines", place=state.location, n=len(lines))
        return Step(after, Signal("ok", text), (event,), proof[-_MAX_EVIDENCE:])

    def _lines(self) -> tuple[Line, ...]:
        """Return one line for each item and lot; serial numbers keep lines of their own."""
        merged: dict[tuple[str, str | None, str | None], Line] = {}
        for found in self.state.found:
            line = found.line
            key = (_name(line.item), line.lot, line.serial)
            before = merged.get(key)
            value = line.quantity.value + (before.quantity.value if before else 0)
            merged[key] = line.model_copy(
                update={"quantity": Amount(value=value, unit=line.quantity.unit)}
            )
        known = {(name, lot) for name, lot, _ in merged}
        for expected in self._expected():
            if (expected.sku, expected.lot) not in known:
                record = self.shift.reference.by_code(expected.sku)
                unit = record.unit if record else "EA"
                merged[expected.sku, expected.lot, None] = Line(
                    item=Item(sku=expected.sku),
                    quantity=Amount(value=Decimal(0), unit=unit),
                    lot=expected.lot,
                    document_line=expected.line,
                )
        numbers = {(line.sku, line.lot): line.line for line in self._expected()}
        return tuple(
            line.model_copy(update={"document_line": numbers.get((name, lot))})
            for (name, lot, _), line in merged.items()
        )

    # Questions

    def asks(self) -> Signal:
        name = self.state.goods.name if self.state.goods else ""
        match self.state.ask:
            case "lot" | "serial" as lack:
                return ask_for(lack, name)
            case _:
                todo = say("Look again; scan DONE again if it is so.")
                return Signal("attention", self._doubt() or say("Sure?"), todo)

    def _answer(self, what: Goods, found: Identifier, evidence: Evidence) -> Step:
        state = self.state
        if isinstance(found, Command) and found.command == "CANCEL":
            text = say("{item}: not counted", item=what.name)
            return Step(_unasked(state), Signal("ok", text))
        if state.ask in {"lot", "serial"}:
            more = completed(what, "lot" if state.ask == "lot" else "serial", found)
            if more is not None:
                return self._count(more, (*state.goods_evidence, evidence))
        asks = self.asks()
        return self._refuse(asks.text, asks.todo)
