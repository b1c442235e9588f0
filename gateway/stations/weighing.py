"""Handling units and items are weighed: scan what it is, put it on the scale."""

from dataclasses import dataclass, replace
from typing import Literal

from pydantic import BaseModel, ConfigDict

from contract.identifiers import Command, Document, Identifier, Sscc
from contract.transactions import Event, Weighing
from contract.values import Document as DocumentName
from contract.values import Evidence, Item
from gateway.phrases import say
from gateway.stations.goods import MOST, ON_GOODS, NoGoods, goods
from gateway.stations.job import Given, Scanned, Shift, Signal, Step, View, Weighed


class Config(BaseModel):
    """The part of `[[station]]` that is this job's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job: Literal["weighing"] = "weighing"
    anonymous: bool = False
    """Whether a load is booked that nobody has scanned a label for."""


@dataclass(frozen=True, slots=True)
class State:
    """What will be weighed next."""

    document: DocumentName | None = None
    sscc: str | None = None
    item: Item | None = None
    evidence: tuple[Evidence, ...] = ()

    @property
    def name(self) -> str:
        """What to call it on the screen; empty if nothing was scanned."""
        item = self.item
        return self.sscc or (item and (item.sku or item.gtin)) or ""


def start(config: Config) -> State:
    """Nothing was scanned."""
    del config
    return State()


def step(config: Config, state: State, given: Given, shift: Shift) -> Step:
    """Say what becomes of one scan or weight."""
    match given:
        case Weighed():
            return _weigh(config, state, given)
        case Scanned(identifier=found, evidence=evidence):
            return _scan(config, state, found, evidence, shift)


def _scan(
    config: Config, state: State, found: Identifier, evidence: Evidence, shift: Shift
) -> Step:
    match found:
        case Sscc(sscc=sscc):
            return _next(replace(state, sscc=sscc, item=None, evidence=(evidence,)))
        case Document(document=document):
            opened = State(document=document)
            return Step(
                opened, Signal("ok", say("{number}: scan what you weigh", number=document.number))
            )
        case Command(command="DONE" | "CANCEL"):
            return Step(start(config), Signal("ok", say("Finished")))
        case _ if isinstance(found, ON_GOODS):
            what = goods(found, shift.reference)
            if isinstance(what, NoGoods):
                return Step(state, Signal("not_ok", what.text, what.todo))
            return _next(replace(state, sscc=None, item=what.item, evidence=(evidence,)))
        case _:
            text = say("{code}: no meaning here", code=found.text[:40])
            return Step(state, Signal("not_ok", text, say("Scan what you weigh.")))


def _next(state: State) -> Step:
    return Step(state, Signal("attention", state.name, say("Put it on the scale.")))


def _weigh(config: Config, state: State, given: Weighed) -> Step:
    weight = given.weight
    shown = f"{weight.value} {weight.unit or ''}".strip()
    if not 0 < weight.value <= MOST:
        text = say("{weight} is no weight", weight=shown)
        return Step(state, Signal("not_ok", text, say("Zero the scale and weigh again.")))
    if not state.name and not config.anonymous:
        return Step(state, Signal("attention", shown, say("Scan what lies on the scale.")))
    event = Weighing(
        documents=(state.document,) if state.document else (),
        weight=weight,
        sscc=state.sscc,
        item=state.item,
    )
    after = State(document=state.document)
    return Step(
        after,
        Signal("ok", f"{state.name} {shown}".strip()),
        (event,),
        (*state.evidence, given.evidence),
    )


def view(config: Config, state: State, shift: Shift) -> View:
    """Ask for the next thing."""
    del config, shift
    todo = say("Put it on the scale") if state.name else say("Scan what you weigh")
    facts = ((say("To weigh"), state.name),) if state.name else ()
    return View(todo, state.document.number if state.document else "", facts=facts)


def undo(config: Config, state: State, shift: Shift) -> Step | None:
    """Forget what was scanned; a weighing that is booked is left to the reversal."""
    del config, shift
    if not state.name:
        return None
    text = say("{item}: not weighed", item=state.name)
    return Step(State(document=state.document), Signal("ok", text))


def reversed_(config: Config, state: State, event: Event, shift: Shift) -> State:
    """Ask for the same thing again, unless another one was scanned."""
    del config, shift
    if state.name or not isinstance(event, Weighing):
        return state
    return replace(state, sscc=event.sscc, item=event.item)


def wants_badge(state: State) -> bool:
    """Ask for none."""
    del state
    return False
