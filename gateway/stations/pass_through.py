"""Every scan and every settled weight becomes one `Reading`: device to MQTT, and no job."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict

from contract.identifiers import Identifier, Sscc
from contract.transactions import Event, Reading
from contract.values import Quantity
from gateway.phrases import say
from gateway.stations.job import Given, Scanned, Shift, Signal, Step, View, Weighed
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
    """Nothing: every scan stands for itself."""


def start(config: Config) -> State:
    """Begin."""
    del config
    return State()


def step(config: Config, state: State, given: Given, shift: Shift) -> Step:
    """Pass it on."""
    del config, shift
    match given:
        case Scanned(identifier=identifier):
            return Step(state, Signal("ok", identifier.text[:_SHOWN]), (_reading(identifier),))
        case Weighed(weight=weight):
            return Step(
                state,
                Signal("ok", f"{weight.value} {weight.unit or ''}".strip()),
                (Reading(weight=weight),),
            )


def view(config: Config, state: State, shift: Shift) -> View:
    """Ask for a scan."""
    del config, state, shift
    return View(say("Scan or weigh; everything is passed on"))


def undo(config: Config, state: State, shift: Shift) -> Step | None:
    """Leave it to the reversal: everything is booked at once."""
    del config, state, shift
    return None


def reversed_(config: Config, state: State, event: Event, shift: Shift) -> State:
    """Stay as it is."""
    del config, event, shift
    return state


def wants_badge(state: State) -> bool:
    """Ask for none."""
    del state
    return False


def _reading(identifier: Identifier) -> Reading:
    said = on_label(identifier)
    fits = said.fits
    return Reading(
        text=identifier.text,
        identifier=identifier.kind,
        item=said.item,
        lot=said.lot if fits else None,
        serial=said.serial if fits else None,
        sscc=identifier.sscc if isinstance(identifier, Sscc) else said.sscc,
        quantity=_quantity(said.amount),
    )


def _quantity(much: Much | None) -> Quantity | None:
    """Return what a label says as a quantity; what is too large for one is in the text still."""
    if much is None or not 0 <= much.value <= _MOST or round(much.value, 9) != much.value:
        return None
    return Quantity(value=much.value, unit=much.unit)
