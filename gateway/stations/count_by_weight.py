"""Small parts are counted by weight: scan the place and the item, put the load on the scale.

What one piece weighs is known from the reference, or from a sample: a QTY card says how many
pieces lie on the scale first. The count is refused where the scale is too coarse to be sure of it.

How sure is reckoned, not taken from a table. A scale that shows steps of d is off by up to d / 2.
For N pieces of weight w, learnt from a sample that weighed s, the count is off by up to
d / (2 w) for the load and N d / (2 s) for the sample; together they must stay below a half.
"""

from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from contract.identifiers import Command, Document, Identifier, Location, Quantity
from contract.transactions import Count, Event
from contract.values import Document as DocumentName
from contract.values import Evidence, Weight
from contract.values import Quantity as Amount
from gateway.phrases import say
from gateway.stations.asking import ask_for, let_go
from gateway.stations.goods import MOST, ON_GOODS, Goods, NoGoods, completed, goods
from gateway.stations.job import Given, Scanned, Shift, Signal, Step, View, Weighed
from gateway.stations.masses import grams
from gateway.stations.orders import plain

_HALF = Decimal("0.5")


class Config(BaseModel):
    """The part of `[[station]]` that is this job's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job: Literal["count_by_weight"] = "count_by_weight"
    location: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """Where is counted until a location card says otherwise."""
    off_by: Annotated[Decimal, Field(gt=0, le=_HALF)] = Decimal("0.25")
    """How far a load may be from a whole number of pieces: beyond it something else lies there."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What one piece weighs, in gram, and how surely."""

    weight_g: Decimal
    sample_g: Decimal | None = None
    """What the sample weighed; None where the reference says the weight."""


@dataclass(frozen=True, slots=True)
class State:
    """What is counted now."""

    document: DocumentName | None = None
    location: str | None = None
    goods: Goods | None = None
    lacking: bool = False
    """Whether its lot is asked for."""
    piece: Piece | None = None
    sample: Decimal | None = None
    """Pieces that lie on the scale as a sample."""
    evidence: tuple[Evidence, ...] = ()


def start(config: Config) -> State:
    """Nothing is counted."""
    return State(location=config.location)


def step(config: Config, state: State, given: Given, shift: Shift) -> Step:
    """Say what becomes of one scan or weight."""
    match given:
        case Weighed():
            return _weigh(config, state, given)
        case Scanned(identifier=found, evidence=evidence):
            return _scan(config, state, found, evidence, shift)


def view(config: Config, state: State, shift: Shift) -> View:
    """Show what is counted, and what to do."""
    del config, shift
    facts = [(say("At"), state.location or "")] if state.location else []
    if state.goods is not None:
        facts.append((say("Item"), state.goods.name))
    if state.piece is not None:
        facts.append((say("One piece"), f"{plain(round(state.piece.weight_g, 4))} g"))
    number = state.document.number if state.document else ""
    question = ask_for("lot", state.goods.name).text if state.goods and state.lacking else ""
    return View(_todo(state), number, question=question, facts=tuple(facts))


def undo(config: Config, state: State, shift: Shift) -> Step | None:
    """Forget the item; a count that is booked is left to the reversal."""
    del config, shift
    if state.goods is None:
        return None
    return Step(_emptied(state), Signal("ok", say("{item}: not counted", item=state.goods.name)))


def reversed_(config: Config, state: State, event: Event, shift: Shift) -> State:
    """Stay as it is: the item is scanned again."""
    del config, event, shift
    return state


def wants_badge(state: State) -> bool:
    """Ask for none."""
    del state
    return False


def _emptied(state: State) -> State:
    return State(document=state.document, location=state.location)


def _todo(state: State) -> str:
    if state.location is None:
        return say("Scan a place to count")
    if state.goods is None:
        return say("Scan the item")
    if state.piece is None and state.sample is None:
        return say("Scan a QTY card: pieces of the sample")
    if state.piece is None:
        return say("Put {n} pieces on the scale", n=plain(state.sample or Decimal(0)))
    return say("Put all of it on the scale")


def _refuse(state: State, text: str, todo: str) -> Step:
    return Step(state, Signal("not_ok", text, todo))


def _scan(
    config: Config, state: State, found: Identifier, evidence: Evidence, shift: Shift
) -> Step:
    if state.goods is not None and state.lacking:
        return _answer(state, state.goods, found, evidence)
    match found:
        case Location(name=name):
            begun = State(document=state.document, location=name)
            return Step(begun, Signal("ok", say("At {name}", name=name)))
        case Document(document=document):
            opened = State(document=document, location=state.location)
            return Step(opened, Signal("ok", say("{number}: scan a place", number=document.number)))
        case Command(command="DONE" | "CANCEL"):
            return Step(start(config), Signal("ok", say("Finished")))
        case Quantity(value=value):
            return _sample(state, value)
        case _ if isinstance(found, ON_GOODS):
            return _item(state, found, evidence, shift)
        case _:
            text = say("{code}: no meaning here", code=found.text[:40])
            return _refuse(state, text, _todo(state))


def _item(state: State, found: Identifier, evidence: Evidence, shift: Shift) -> Step:
    if state.location is None:
        return _refuse(state, say("Where?"), say("Scan the place first."))
    what = goods(found, shift.reference)
    if isinstance(what, NoGoods):
        return _refuse(state, what.text, what.todo)
    if what.quantity is None or what.quantity.unit != "EA":
        text = say("{item} is not counted in pieces", item=what.name)
        return _refuse(state, text, say("Weigh it instead."))
    return _take(state, what, (evidence,))


def _take(state: State, what: Goods, evidence: tuple[Evidence, ...]) -> Step:
    if what.record is not None and what.record.serial:
        text = say("{item} has serial numbers", item=what.name)
        return _refuse(state, text, say("Scan each piece in a counting job."))
    lacking = "lot" in what.lacks
    weight = what.record.weight_g if what.record else None
    taken = replace(
        _emptied(state),
        goods=what,
        lacking=lacking,
        piece=Piece(weight) if weight else None,
        evidence=evidence,
    )
    if lacking:
        return Step(taken, ask_for("lot", what.name))
    return Step(taken, Signal("attention", what.name, _todo(taken)))


def _answer(state: State, what: Goods, found: Identifier, evidence: Evidence) -> Step:
    if isinstance(found, Command) and found.command == "CANCEL":
        text = say("{item}: not counted", item=what.name)
        return Step(_emptied(state), Signal("ok", text))
    more = completed(what, "lot", found)
    if more is not None:
        return let_go(_take(state, more, (*state.evidence, evidence)), _emptied(state))
    asks = ask_for("lot", what.name)
    return _refuse(state, asks.text, asks.todo)


def _sample(state: State, value: Decimal) -> Step:
    if state.goods is None:
        return _refuse(state, say("Of what?"), say("Scan the item first."))
    if not 1 <= value <= MOST or value != value.to_integral():
        return _refuse(state, say("{value} is no quantity", value=value), _todo(state))
    sampling = replace(state, sample=value, piece=None)
    return Step(sampling, Signal("attention", state.goods.name, _todo(sampling)))


def _weigh(config: Config, state: State, given: Weighed) -> Step:
    weight = given.weight
    shown = f"{weight.value} {weight.unit or ''}".strip()
    if state.goods is None or state.lacking:
        return Step(state, Signal("attention", shown, _todo(state)))
    found, resolution = grams(weight.value, weight.unit_code), _resolution(weight)
    if found is None or resolution is None:
        text = say("{weight}: the unit is not known", weight=shown)
        return _refuse(state, text, say("Set the scale's unit; then weigh again."))
    if not 0 < weight.value <= MOST:
        text = say("{weight} is no weight", weight=shown)
        return _refuse(state, text, say("Zero the scale and weigh again."))
    if state.piece is None and state.sample is None:
        return Step(state, Signal("attention", shown, _todo(state)))
    if state.piece is None:
        return _learn(state, found, resolution, given)
    return _count(config, state, state.piece, found, resolution, given)


def _resolution(weight: Weight) -> Decimal | None:
    """Return the step in which the scale shows, in gram: one of its last digit."""
    exponent = weight.value.as_tuple().exponent
    if not isinstance(exponent, int):
        return None
    return grams(Decimal(1).scaleb(exponent), weight.unit_code)


def _learn(state: State, found: Decimal, resolution: Decimal, given: Weighed) -> Step:
    assert state.sample is not None  # noqa: S101 - looked at before
    each = found / state.sample
    if resolution / (2 * each) >= _HALF:
        return _too_coarse(state)
    learnt = replace(
        state, piece=Piece(each, found), sample=None, evidence=(*state.evidence, given.evidence)
    )
    text = say("One piece weighs {g} g", g=plain(round(each, 4)))
    return Step(learnt, Signal("attention", text, _todo(learnt)))


def _count(
    config: Config,
    state: State,
    piece: Piece,
    found: Decimal,
    resolution: Decimal,
    given: Weighed,
) -> Step:
    assert state.goods is not None  # noqa: S101 - looked at before
    assert state.location is not None  # noqa: S101 - an item is taken at a place only
    exact = found / piece.weight_g
    pieces = exact.to_integral_value(ROUND_HALF_EVEN)
    doubt = resolution / (2 * piece.weight_g)
    if piece.sample_g is not None:
        doubt += pieces * resolution / (2 * piece.sample_g)
    if doubt >= _HALF:
        return _too_coarse(state)
    if abs(exact - pieces) > max(config.off_by, doubt) or not 1 <= pieces <= MOST:
        text = say("{n} pieces: that is no whole number", n=plain(round(exact, 2)))
        return _refuse(state, text, say("Look what else lies there; weigh again."))
    line = state.goods.line(Amount(value=pieces))
    event = Count(
        documents=(state.document,) if state.document else (),
        location=state.location,
        lines=(line,),
        weight=given.weight,
    )
    text = say(
        "{n} {item} at {place}", n=plain(pieces), item=state.goods.name, place=state.location
    )
    return Step(_emptied(state), Signal("ok", text), (event,), (*state.evidence, given.evidence))


def _too_coarse(state: State) -> Step:
    return _refuse(
        state,
        say("The scale is too coarse for this piece"),
        say("Use a larger sample or a finer scale."),
    )
