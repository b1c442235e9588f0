"""Stock is corrected by a difference: scan the place, the item, and a card that says why.

The reason decides whether stock goes up or down; each item books one `Adjustment`.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from contract.identifiers import Command, Identifier, Location, Quantity, Reason
from contract.transactions import Adjustment, Event
from contract.values import Evidence
from contract.values import Quantity as Amount
from gateway.phrases import say
from gateway.stations.asking import ask_for
from gateway.stations.goods import MOST, ON_GOODS, Goods, NoGoods, completed, goods
from gateway.stations.job import Given, Scanned, Shift, Signal, Step, View, Weighed
from gateway.stations.orders import plain

Ask = Literal["lot", "serial", "reason"]
Direction = Literal["increase", "decrease"]
Name = Annotated[str, Field(min_length=1, max_length=128)]
_REASONS: dict[Name, Direction] = {
    "DAMAGED": "decrease",
    "LOST": "decrease",
    "EXPIRED": "decrease",
    "FOUND": "increase",
}


class Config(BaseModel):
    """The part of `[[station]]` that is this job's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job: Literal["adjustment"] = "adjustment"
    reasons: Annotated[dict[Name, Direction], Field(min_length=1, max_length=100)] = _REASONS
    """What reason cards say, and whether stock then goes up or down."""
    location: Name | None = None
    """Where stock is corrected until a location card says otherwise."""


@dataclass(frozen=True, slots=True)
class State:
    """What is in hand."""

    location: str | None = None
    reason: str | None = None
    """From a reason card; it holds for the items that follow."""
    times: Amount | None = None
    ask: Ask | None = None
    goods: Goods | None = None
    evidence: tuple[Evidence, ...] = ()


def start(config: Config) -> State:
    """Nothing is in hand."""
    return State(location=config.location)


def step(config: Config, state: State, given: Given, shift: Shift) -> Step:
    """Say what becomes of one scan or weight."""
    match given:
        case Weighed(weight=weight):
            shown = f"{weight.value} {weight.unit or ''}".strip()
            return Step(state, Signal("ignored", shown))
        case Scanned(identifier=found, evidence=evidence):
            if state.goods is not None:
                return _answer(config, state, state.goods, found, evidence)
            return _scan(config, state, found, evidence, shift)


def view(config: Config, state: State, shift: Shift) -> View:
    """Show where and why."""
    del config, shift
    facts = ((say("At"), state.location), (say("Reason"), state.reason))
    return View(
        say("Scan the item"),
        question=_asks(state).text if state.ask else "",
        facts=tuple((name, value) for name, value in facts if value),
    )


def undo(config: Config, state: State, shift: Shift) -> Step | None:
    """Let the item in hand go; what is booked is left to the reversal."""
    del config, shift
    if state.goods is None:
        return None
    return Step(_unasked(state), Signal("ok", say("{item}: not booked", item=state.goods.name)))


def reversed_(config: Config, state: State, event: Event, shift: Shift) -> State:
    """Stay as it is."""
    del config, event, shift
    return state


def wants_badge(state: State) -> bool:
    """Ask for none."""
    del state
    return False


def _unasked(state: State) -> State:
    return replace(state, ask=None, goods=None, evidence=(), times=None)


def _refuse(state: State, text: str, todo: str) -> Step:
    return Step(state, Signal("not_ok", text, todo))


def _scan(
    config: Config, state: State, found: Identifier, evidence: Evidence, shift: Shift
) -> Step:
    match found:
        case Location(name=name):
            return Step(replace(state, location=name), Signal("ok", say("At {name}", name=name)))
        case Reason(reason=reason):
            return _because(config, state, reason)
        case Quantity(value=value) if 0 < value <= MOST:
            times = replace(state, times=Amount(value=value))
            return Step(times, Signal("ok", say("Next item times {value}", value=value)))
        case Command(command="DONE" | "CANCEL"):
            return Step(start(config), Signal("ok", say("Finished")))
        case _ if isinstance(found, ON_GOODS):
            what = goods(found, shift.reference, times=state.times.value if state.times else None)
            if isinstance(what, NoGoods):
                return _refuse(state, what.text, what.todo)
            return _proceed(config, state, what, (evidence,))
        case _:
            text = say("{code}: no meaning here", code=found.text[:40])
            return _refuse(state, text, say("Scan the item."))


def _because(config: Config, state: State, reason: str) -> Step:
    if reason not in config.reasons:
        known = ", ".join(sorted(config.reasons))[:60]
        text = say("{reason}: not a reason here", reason=reason[:40])
        return _refuse(state, text, say("Use one of {known}.", known=known))
    because = replace(state, reason=reason)
    if state.goods is None:
        return Step(because, Signal("ok", say("Reason: {reason}", reason=reason)))
    return _proceed(config, because, state.goods, state.evidence)


def _proceed(config: Config, state: State, what: Goods, evidence: tuple[Evidence, ...]) -> Step:
    if what.quantity is None:
        text = say("{item} must carry its weight", item=what.name)
        return _refuse(state, text, say("Put the item aside; call support."))
    for lack in what.lacks:
        if lack != "expiry":
            ask: Ask = "lot" if lack == "lot" else "serial"
            asked = replace(state, ask=ask, goods=what, evidence=evidence)
            return Step(asked, _asks(asked))
    if state.reason is None:
        asked = replace(state, ask="reason", goods=what, evidence=evidence)
        return Step(asked, _asks(asked))
    direction = config.reasons[state.reason]
    event = Adjustment(
        location=state.location, direction=direction, lines=(what.line(),), reason=state.reason
    )
    sign = "+" if direction == "increase" else "-"
    text = say(
        "{n} {item}: {reason}",
        n=f"{sign}{plain(what.quantity.value)}",
        item=what.name,
        reason=state.reason,
    )
    return Step(_unasked(state), Signal("ok", text), (event,), evidence)


def _asks(state: State) -> Signal:
    name = state.goods.name if state.goods else ""
    match state.ask:
        case "lot" | "serial" as lack:
            return ask_for(lack, name)
        case _:
            text = say("{item}: for what reason?", item=name)
            return Signal("attention", text, say("Scan a reason card, or CANCEL."))


def _answer(
    config: Config, state: State, what: Goods, found: Identifier, evidence: Evidence
) -> Step:
    if isinstance(found, Command) and found.command == "CANCEL":
        return Step(_unasked(state), Signal("ok", say("{item}: not booked", item=what.name)))
    if state.ask == "reason":
        if isinstance(found, Reason):
            return _because(config, state, found.reason)
    elif state.ask is not None:
        more = completed(what, state.ask, found)
        if more is not None:
            return _proceed(config, state, more, (*state.evidence, evidence))
    asks = _asks(state)
    return _refuse(state, asks.text, asks.todo)
