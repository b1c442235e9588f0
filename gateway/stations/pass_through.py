"""Every scan and every settled weight becomes one `Reading`: device to MQTT, and no job."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from contract.identifiers import Gs1, Gtin, Identifier, Sscc
from contract.transactions import Reading
from contract.values import Item
from gateway.stations.job import Given, Scanned, Signal, Step, View, Weighed

_SHOWN = 200  # characters of a label that the operator is told; the transaction has all of them


class Config(BaseModel):
    """The part of `[[station]]` that is this job's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job: Literal["pass_through"] = "pass_through"
    cards: bool = False
    """Whether badges, UNDO and ACK are acted on; otherwise they are readings like any other."""


@dataclass(frozen=True, slots=True)
class State:
    """How much was passed on since the start."""

    scans: int = 0
    weights: int = 0


def start(config: Config) -> State:
    """Nothing was passed on yet."""
    del config
    return State()


def step(config: Config, state: State, given: Given) -> Step:
    """Pass it on."""
    del config
    match given:
        case Scanned(identifier=identifier):
            return Step(
                State(state.scans + 1, state.weights),
                Signal("ok", identifier.text[:_SHOWN]),
                (_reading(identifier),),
            )
        case Weighed(weight=weight):
            return Step(
                State(state.scans, state.weights + 1),
                Signal("ok", f"{weight.value} {weight.unit or ''}".strip()),
                (Reading(weight=weight),),
            )


def view(config: Config, state: State) -> View:
    """Show the totals."""
    del config
    return View(f"{state.scans} scans and {state.weights} weights passed on")


def _reading(identifier: Identifier) -> Reading:
    plain = Reading(text=identifier.text, identifier=identifier.kind)
    match identifier:
        case Gtin(gtin=gtin):
            return plain.model_copy(update={"item": Item(gtin=gtin)})
        case Sscc(sscc=sscc):
            return plain.model_copy(update={"sscc": sscc})
        case Gs1(gtin=gtin):
            said = {
                "item": Item(gtin=gtin) if gtin else None,
                "lot": identifier.lot,
                "serial": identifier.serial,
                "sscc": identifier.sscc,
            }
            return plain.model_copy(update=said)
        case _:
            return plain
