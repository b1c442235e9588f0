"""Every scan and every settled weight becomes one `Reading`: device to MQTT, and no job."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict

from contract.identifiers import Identifier, Sscc
from contract.transactions import Reading
from contract.values import Quantity
from gateway.stations.job import Given, Scanned, Signal, Step, View, Weighed
from gateway.stations.labels import Much, on_label

_SHOWN = 200  # characters of a label that the operator is told; the transaction has all of them

_MOST = Decimal(1_000_000_000)


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
    said = on_label(identifier)
    return Reading(
        text=identifier.text,
        identifier=identifier.kind,
        item=said.item,
        lot=said.lot if said.fits else None,
        serial=said.serial if said.fits else None,
        sscc=identifier.sscc if isinstance(identifier, Sscc) else said.sscc,
        quantity=_quantity(said.amount),
    )


def _quantity(much: Much | None) -> Quantity | None:
    """Return what a label says as a quantity; what is too large for one is in the text still."""
    if much is None or not 0 <= much.value <= _MOST or round(much.value, 9) != much.value:
        return None
    return Quantity(value=much.value, unit=much.unit)
