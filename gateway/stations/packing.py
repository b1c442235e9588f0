"""An order is packed: scan the order, open a carton by its label, tick every item, weigh, close.

Items in an open carton are in hand; closing it books one `Pack` with what is in it, and DONE at the
end one `Shipment` with all cartons. What does not belong into the order stops the bench until it is
taken out again.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from contract.identifiers import (
    Badge,
    Command,
    Document,
    Identifier,
    Quantity,
    Reason,
    Sscc,
    Tracking,
)
from contract.transactions import Event, Pack, Package, Shipment
from contract.values import Document as DocumentName
from contract.values import Evidence, Line, Weight
from contract.values import Quantity as Amount
from gateway.phrases import say
from gateway.stations.asking import ask_for, let_go
from gateway.stations.goods import MOST, ON_GOODS, Goods, NoGoods, completed, goods, serials_of
from gateway.stations.job import Given, Scanned, Shift, Signal, Step, View, Weighed
from gateway.stations.masses import grams
from gateway.stations.orders import (
    Standing,
    moved_table,
    plain,
    standing,
    table,
    unlisted,
)
from gateway.stations.outgoing import fill, progress, unfit, unwanted, wrong_item

MAX_IN_CARTON = 200
"""Lines of one carton, as one transaction holds them."""
MAX_CARTONS = 200
"""Of one shipment, as the contract has it."""
_MAX_EVIDENCE = 64
_MAX_NAME = 128

_TAKE_OUT = say("Take it out, then go on.")

Ask = Literal["lot", "serial", "expiry", "weight", "off_weight", "badge", "short"]


class Config(BaseModel):
    """The part of `[[station]]` that is this job's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job: Literal["packing"] = "packing"
    cartons: bool = True
    """Whether items are packed into cartons with an SSCC label; otherwise each order is one parcel
    without a number."""
    weigh: Literal["verify", "record", "off"] = "verify"
    """Whether a closed carton is weighed: held against what its items weigh, only recorded, or not
    at all."""
    carton_g: Annotated[Decimal, Field(ge=0, le=100_000)] = Decimal(0)
    """Gram of an empty carton with its filling."""
    tolerance_percent: Annotated[Decimal, Field(ge=0, le=100)] = Decimal(3)
    """How far a weight may be from what is expected, where the items do not say it in gram."""
    from_location: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """Where shipments leave from."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What one scan put into the carton."""

    lines: tuple[Line, ...]
    evidence: tuple[Evidence, ...] = ()
    expected_g: Decimal | None = None
    """Gram, where the reference knows the item's weight."""
    tolerance_g: Decimal | None = None


@dataclass(frozen=True, slots=True)
class State:
    """Where the order stands, beside what was booked."""

    document: DocumentName | None = None
    open: bool = False
    """Whether a carton is open."""
    carton: str | None = None
    """Its SSCC, where it has one."""
    ticks: tuple[Tick, ...] = ()
    packages: tuple[Package, ...] = ()
    """Cartons that are closed and booked."""
    tracking: str | None = None
    times: Amount | None = None
    ask: Ask | None = None
    goods: Goods | None = None
    """The item in hand, while its lot, serial number or date is asked for."""
    goods_evidence: tuple[Evidence, ...] = ()
    weighed: tuple[Weight, Evidence] | None = None
    """A weight that did not fit."""
    doubt: str | None = None


def start(config: Config) -> State:
    """No order yet."""
    del config
    return State()


def step(config: Config, state: State, given: Given, shift: Shift) -> Step:
    """Say what becomes of one scan or weight."""
    job = _Job(config, state, shift)
    match given:
        case Weighed():
            return job.weigh(given)
        case Scanned(identifier=found, evidence=evidence):
            return job.scan(found, evidence)


def view(config: Config, state: State, shift: Shift) -> View:
    """Show the order, the open carton and what to do."""
    job = _Job(config, state, shift)
    if state.document is None:
        return View(say("Scan an order to begin"))
    stand = job.stand()
    moved = shift.reference.moved(state.document.number, "pack")
    lines = (*table(stand), *unlisted(stand, moved)) if stand else moved_table(moved)
    return View(job.headline(), state.document.number, lines, job.question(), job.facts())


def undo(config: Config, state: State, shift: Shift) -> Step | None:
    """Take back the last thing that is not booked: a question, an item, an empty carton."""
    del config, shift
    if state.goods is not None:
        name = state.goods.name
        return Step(_unasked(state), Signal("ok", say("{item}: not packed", item=name)))
    if state.ask is not None:
        return Step(_unasked(state), Signal("ok", say("Open again")))
    if state.ticks:
        name = state.ticks[-1].lines[0].item.sku or state.ticks[-1].lines[0].item.gtin or ""
        out = replace(_unasked(state), ticks=state.ticks[:-1])
        return Step(out, Signal("ok", say("{item}: take it out again", item=name)))
    if state.open and state.carton is not None:
        out = replace(_unasked(state), open=False, carton=None)
        return Step(out, Signal("ok", say("Carton {sscc} put back", sscc=state.carton)))
    return None


def reversed_(config: Config, state: State, event: Event, shift: Shift) -> State:
    """Open the carton again, or the shipment."""
    del config, shift
    if not isinstance(event, Pack | Shipment) or not event.documents:
        return state
    document = event.documents[0]
    if state.open or (state.document is not None and state.document != document):
        # Other work is open: what was reversed is packed again when its order is scanned.
        kept = state.packages
        if isinstance(event, Pack):
            kept = tuple(each for each in kept if each.sscc is None or each.sscc != event.sscc)
        return replace(state, packages=kept)
    if isinstance(event, Shipment):
        return State(document=document, packages=event.packages)
    return State(
        document=document,
        open=True,
        carton=event.sscc,
        ticks=tuple(Tick((line,)) for line in event.lines),
        packages=_without(state.packages, event.sscc),
    )


def wants_badge(state: State) -> bool:
    """Ask for a supervisor's after OVERRIDE."""
    return state.ask == "badge"


def _without(packages: tuple[Package, ...], sscc: str | None) -> tuple[Package, ...]:
    """Leave out the newest package of that number."""
    for place in range(len(packages) - 1, -1, -1):
        if packages[place].sscc == sscc:
            return (*packages[:place], *packages[place + 1 :])
    return packages


def _unasked(state: State) -> State:
    return replace(
        state, ask=None, goods=None, goods_evidence=(), weighed=None, times=None, doubt=None
    )


class _Job:
    """One step; it holds what every part of it looks at."""

    def __init__(self, config: Config, state: State, shift: Shift) -> None:
        self.config = config
        self.state = state
        self.shift = shift

    # What the screen says

    def headline(self) -> str:
        state = self.state
        if state.ask == "weight":
            return say("Put the closed carton on the scale")
        if state.times is not None:
            return say("Scan the next item: it counts {times} times", times=state.times.value)
        if not state.open and self.config.cartons:
            if self._left() == 0:
                return say("All packed: scan DONE")
            return say("Scan the label of a carton")
        return say("Scan the next item, or close the carton")

    def question(self) -> str:
        return "" if self.state.ask is None else self.asks().text

    def facts(self) -> tuple[tuple[str, str], ...]:
        state = self.state
        facts = [(say("Carton"), state.carton)] if state.carton else []
        expected = self._expected()
        if state.open and expected is not None:
            facts.append((say("Should weigh"), f"{expected[0]:f} g"))
        if state.packages:
            facts.append((say("Cartons closed"), str(len(state.packages))))
        return tuple((name, value or "") for name, value in facts)

    def stand(self) -> tuple[Standing, ...]:
        number = self._number()
        record = self.shift.reference.document(number) if number else None
        if record is None:
            return ()
        moved = self.shift.reference.moved(number, "pack")
        return standing(record, moved, self._in_hand())

    def _number(self) -> str:
        return self.state.document.number if self.state.document else ""

    def _in_hand(self) -> tuple[Line, ...]:
        return tuple(line for tick in self.state.ticks for line in tick.lines)

    def _left(self) -> int:
        return sum(1 for each in self.stand() if each.left > 0)

    def _expected(self) -> tuple[Decimal, Decimal] | None:
        """Return gram the carton should weigh and by how much it may differ; None if not known."""
        total, tolerance, given = Decimal(self.config.carton_g), Decimal(0), False
        for tick in self.state.ticks:
            if tick.expected_g is None:
                return None
            total += tick.expected_g
            if tick.tolerance_g is not None:
                tolerance, given = tolerance + tick.tolerance_g, True
        if not given:
            tolerance = total * self.config.tolerance_percent / 100
        return total, tolerance

    # What a scan means

    def scan(self, found: Identifier, evidence: Evidence) -> Step:
        if self.state.ask is not None:
            return self._answer(found, evidence)
        match found:
            case Command(command=word):
                return self._command(word)
            case Document(document=document):
                return self._open_order(document)
            case Sscc(sscc=sscc):
                return self._carton(sscc)
            case Tracking(number=number) if self.state.document is not None:
                return self._parcel_label(found, number, evidence)
            case Quantity(value=value) if 0 < value <= MOST:
                state = replace(self.state, times=Amount(value=value), doubt=None)
                return Step(state, Signal("ok", say("Next item times {value}", value=value)))
            case _ if isinstance(found, ON_GOODS):
                return self._item(found, evidence)
            case _:
                return self._refuse(
                    say("{code}: no meaning here", code=found.text[:40]), say("Scan an item.")
                )

    def _ask(self, state: State) -> Step:
        return Step(state, _Job(self.config, state, self.shift).asks())

    def _refuse(self, text: str, todo: str) -> Step:
        return Step(self.state, Signal("not_ok", text, todo))

    def _open_order(self, document: DocumentName) -> Step:
        state, number = self.state, document.number
        if state.document is not None and state.document.number == number:
            return Step(
                replace(state, doubt=None), Signal("ok", say("{number}: go on", number=number))
            )
        if state.ticks or state.packages:
            return self._refuse(
                say("{number} is not finished", number=self._number()),
                say("Close its carton and scan DONE first."),
            )
        reference = self.shift.reference
        if reference.ready and reference.document(number) is None and state.doubt != number:
            return Step(
                replace(state, doubt=number),
                Signal(
                    "attention",
                    say("{number} is not on the list of open documents", number=number),
                    say("Scan it again to pack without a list."),
                ),
            )
        opened = State(document=document, open=not self.config.cartons)
        return Step(opened, Signal("ok", self._first_words(number)))

    def _first_words(self, number: str) -> str:
        if self.config.cartons:
            return say("{number}: scan the label of a carton", number=number)
        return say("{number}: scan the items", number=number)

    def _carton(self, sscc: str) -> Step:
        state = self.state
        if state.document is None:
            return self._refuse(say("No order is open"), say("Scan the order first."))
        if not self.config.cartons:
            return self._refuse(
                say("This station packs without carton labels"), say("Scan an item.")
            )
        if state.open and state.carton == sscc:
            return self._close()
        if state.open:
            return self._refuse(
                say("Carton {sscc} is still open", sscc=state.carton),
                say("Scan its label again to close it."),
            )
        if any(package.sscc == sscc for package in state.packages):
            return self._refuse(
                say("Carton {sscc} is closed already", sscc=sscc), say("Take a new carton label.")
            )
        if len(state.packages) >= MAX_CARTONS:
            return self._refuse(
                say("An order has at most {n} cartons", n=MAX_CARTONS), say("Scan DONE.")
            )
        opened = replace(_unasked(state), open=True, carton=sscc, tracking=None)
        return Step(opened, Signal("ok", say("Carton {sscc}: scan the items", sscc=sscc)))

    def _parcel_label(self, found: Identifier, number: str, evidence: Evidence) -> Step:
        if self.shift.reference.ready and self.shift.reference.by_code(found.text[:64]) is not None:
            return self._item(found, evidence)
        state = self.state
        if state.open:
            state = replace(state, tracking=number[:_MAX_NAME])
        elif state.packages:
            last = state.packages[-1].model_copy(update={"tracking": number[:_MAX_NAME]})
            state = replace(state, packages=(*state.packages[:-1], last))
        else:
            return self._refuse(say("No carton is open"), say("Scan the label of a carton."))
        return Step(state, Signal("ok", say("Parcel number {number}", number=number)))

    def _command(self, word: str) -> Step:
        match word:
            case "DONE":
                return self._done()
            case "CANCEL":
                cleared = replace(self.state, times=None, doubt=None)
                return Step(
                    cleared, Signal("ok", say("Cancelled; nothing that was booked changed"))
                )
            case "REPRINT":
                return self._refuse(
                    say("There is no printer at this station"), say("Print the label elsewhere.")
                )
            case _:
                return self._refuse(
                    say("{word}: no meaning here", word=word), say("Scan an item, or DONE.")
                )

    # Items

    def _item(self, found: Identifier, evidence: Evidence) -> Step:
        state = self.state
        if state.document is None:
            return self._refuse(say("No order is open"), say("Scan the order first."))
        if not state.open:
            return self._refuse(say("No carton is open"), say("Scan the label of a carton."))
        what = goods(found, self.shift.reference, times=state.times.value if state.times else None)
        if isinstance(what, NoGoods):
            return self._refuse(what.text, what.todo)
        return self._tick(what, (evidence,))

    def _tick(self, what: Goods, evidence: tuple[Evidence, ...]) -> Step:
        refused = self._wrong(what)
        if refused is not None:
            return Step(self.state, refused)
        if what.lacks:
            lack = what.lacks[0]
            ask: Ask = "lot" if lack == "lot" else "serial" if lack == "serial" else "expiry"
            return self._ask(replace(self.state, ask=ask, goods=what, goods_evidence=evidence))
        lines: tuple[Line, ...] = (what.line(),)
        text = say("{item} packed", item=what.name)
        stand = self.stand()
        if stand:
            filled = fill(stand, what, _TAKE_OUT)
            if isinstance(filled, Signal):
                return Step(self.state, filled)
            lines, text = filled.lines, progress(filled, what)
        tick = self._weights(what, Tick(lines, evidence[-_MAX_EVIDENCE:]))
        ticked = replace(_unasked(self.state), ticks=(*self.state.ticks, tick))
        return Step(ticked, Signal("ok", text))

    def _wrong(self, what: Goods) -> Signal | None:
        """Say why it must not go into this carton; None where nothing speaks against it."""
        if (found := unfit(what, self.shift.today)) is not None:
            return found
        if unwanted(self.stand(), what):
            return wrong_item(what, _TAKE_OUT)
        if what.serial is not None and self._packed(what):
            text = say("Serial {serial} is already packed", serial=what.serial)
            return Signal("not_ok", text, say("Scan the next item."))
        if sum(len(tick.lines) for tick in self.state.ticks) + 2 > MAX_IN_CARTON:
            text = say("This carton holds no more lines")
            return Signal("not_ok", text, say("Close it; open another."))
        return None

    def _packed(self, what: Goods) -> bool:
        key = (what.name, what.serial or "")
        if key in self.shift.reference.moved(self._number(), "pack").serials:
            return True
        return key in set(serials_of(self._in_hand()))

    def _weights(self, what: Goods, tick: Tick) -> Tick:
        record = what.record
        if record is None or what.quantity is None:
            return tick
        own = grams(what.quantity.value, what.quantity.unit)
        if record.weight_g is None and own is None:
            return tick
        expected = own if record.weight_g is None else record.weight_g * what.quantity.value
        tolerance = None
        if record.tolerance_g is not None:
            tolerance = record.tolerance_g * what.quantity.value
        return replace(tick, expected_g=expected, tolerance_g=tolerance)

    # Closing

    def _close(self) -> Step:
        state = self.state
        if not state.ticks:
            out = replace(_unasked(state), open=False, carton=None)
            return Step(out, Signal("ok", say("The carton is empty: put back")))
        if self.config.weigh == "off":
            return self._book(None, (), None)
        asked = replace(_unasked(state), ask="weight")
        return self._ask(asked)

    def weigh(self, given: Weighed) -> Step:
        state, weight = self.state, given.weight
        shown = f"{weight.value} {weight.unit or ''}".strip()
        if state.ask not in {"weight", "off_weight"}:
            # Items may lie on the scale while they are packed: it counts once the carton is closed.
            return Step(state, Signal("ignored", shown))
        if not 0 < weight.value <= MOST:
            return self._refuse(
                say("{weight} is no weight", weight=shown), say("Zero the scale and weigh again.")
            )
        found = grams(weight.value, weight.unit_code)
        if found is None:
            return self._refuse(
                say("{weight}: the unit is not known", weight=shown),
                say("Set the scale's unit; then weigh again."),
            )
        expected = self._expected()
        if self.config.weigh == "record" or expected is None:
            return self._book(weight, (given.evidence,), None)
        if abs(found - expected[0]) <= expected[1]:
            return self._book(weight, (given.evidence,), None)
        off = replace(state, ask="off_weight", weighed=(weight, given.evidence))
        return self._ask(off)

    def _book(
        self, weight: Weight | None, evidence: tuple[Evidence, ...], reason: str | None
    ) -> Step:
        state = self.state
        assert state.document is not None  # noqa: S101 - a carton opens in an order only
        event = Pack(
            documents=(state.document,),
            lines=self._in_hand(),
            weight=weight,
            sscc=state.carton,
            reason=reason[:_MAX_NAME] if reason else None,
        )
        package = Package(sscc=state.carton, tracking=state.tracking, weight=weight)
        proof = (*(each for tick in state.ticks for each in tick.evidence), *evidence)
        after = replace(
            _unasked(state),
            open=not self.config.cartons,
            carton=None,
            tracking=None,
            ticks=(),
            packages=(*state.packages, package),
        )
        text = say("Carton closed: {n} lines", n=len(event.lines))
        return Step(after, Signal("ok", text), (event,), proof[-_MAX_EVIDENCE:])

    def _done(self) -> Step:
        state = self.state
        if state.document is None:
            return self._refuse(say("No order is open"), say("Scan an order."))
        if state.open and state.ticks:
            return self._close()
        if not state.packages:
            if self._left() or not self.stand():
                return self._refuse(say("Nothing is packed yet"), say("Scan the items."))
            return Step(
                start(self.config), Signal("ok", say("{number} closed", number=self._number()))
            )
        left = self._left()
        if left:
            asked = replace(_unasked(state), ask="short", open=False, carton=None)
            return self._ask(asked)
        return self._ship(None)

    def _ship(self, reason: str | None) -> Step:
        state = self.state
        assert state.document is not None  # noqa: S101 - packages are of an order
        event = Shipment(
            documents=(state.document,),
            packages=state.packages,
            from_location=self.config.from_location,
            reason=reason,
        )
        text = say("{number} ready: {n} cartons", number=self._number(), n=len(state.packages))
        return Step(start(self.config), Signal("ok", text), (event,))

    # Answers

    def asks(self) -> Signal:
        state = self.state
        name = state.goods.name if state.goods else ""
        match state.ask:
            case "lot" | "serial" | "expiry" as lack:
                return ask_for(lack, name)
            case "weight":
                return Signal("attention", say("Carton closed"), say("Put it on the scale."))
            case "off_weight":
                return Signal(
                    "attention", self._off(), say("Check the content; weigh again, or OVERRIDE.")
                )
            case "badge":
                return Signal(
                    "attention", say("Who allows it?"), say("Scan a supervisor's badge, or CANCEL.")
                )
            case _:
                text = say(
                    "{number}: {count} lines are still open",
                    number=self._number(),
                    count=self._left(),
                )
                return Signal("attention", text, say("Scan a reason card to ship short, or go on."))

    def _off(self) -> str:
        weight = self.state.weighed[0] if self.state.weighed else None
        expected = self._expected() or (Decimal(0), Decimal(0))
        return say(
            "WEIGHT: {found} instead of {expected} g (+- {tolerance} g)",
            found=f"{weight.value} {weight.unit or ''}".strip() if weight else "",
            expected=plain(expected[0]),
            tolerance=plain(expected[1]),
        )

    def _answer(self, found: Identifier, evidence: Evidence) -> Step:
        state = self.state
        if isinstance(found, Command):
            return self._answer_by_card(found.command)
        match state.ask:
            case "lot" | "serial" | "expiry" if state.goods is not None:
                more = completed(state.goods, state.ask, found)
                if more is not None:
                    return let_go(
                        self._tick(more, (*state.goods_evidence, evidence)), _unasked(self.state)
                    )
            case "badge" if isinstance(found, Badge):
                if found.operator not in self.shift.supervisors:
                    return self._refuse(
                        say("{who} is no supervisor", who=found.operator[:40]),
                        say("Scan a supervisor's badge, or CANCEL."),
                    )
                return self._allow(found.operator)
            case "short" if isinstance(found, Reason):
                return self._ship(found.reason)
            case "short":
                going_on = replace(state, ask=None)
                return _Job(self.config, going_on, self.shift).scan(found, evidence)
            case "off_weight" if isinstance(found, Sscc) and found.sscc == state.carton:
                again = replace(_unasked(state))
                return Step(again, Signal("ok", say("Open again")))
            case _:
                pass
        asks = self.asks()
        return self._refuse(asks.text, asks.todo)

    def _answer_by_card(self, word: str) -> Step:
        state = self.state
        if word == "CANCEL":
            text = (
                say("{item}: not packed", item=state.goods.name)
                if state.goods
                else say("Open again")
            )
            return Step(_unasked(state), Signal("ok", text))
        if state.ask == "off_weight" and word == "OVERRIDE":
            if not self.shift.supervisors:
                return self._allow(self.shift.operator or "-")
            asked = replace(state, ask="badge")
            return self._ask(asked)
        asks = self.asks()
        return self._refuse(asks.text, asks.todo)

    def _allow(self, operator: str) -> Step:
        assert self.state.weighed is not None  # noqa: S101 - asked only after a weight
        weight, evidence = self.state.weighed
        return self._book(weight, (evidence,), f"override by {operator}: {self._off()}")
