"""Goods go from one place to another: scan the place, the items, then where they go."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from contract.transactions import Event, Transfer
from gateway.stations import trips
from gateway.stations.job import Given, Shift, Step, View
from gateway.stations.trips import State, Trip

__all__ = ["Config", "State", "reversed_", "start", "step", "undo", "view", "wants_badge"]


class Config(BaseModel):
    """The part of `[[station]]` that is this job's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job: Literal["transfer"] = "transfer"
    from_location: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """Where trips begin until a location card says otherwise."""


def _trip(config: Config) -> Trip:
    return Trip("transfer", config.from_location, Transfer)


def start(config: Config) -> State:
    """Nothing is on the way."""
    return trips.start(_trip(config))


def step(config: Config, state: State, given: Given, shift: Shift) -> Step:
    """Say what becomes of one scan or weight."""
    return trips.step(_trip(config), state, given, shift)


def view(config: Config, state: State, shift: Shift) -> View:
    """Show where the trip comes from and what is on it."""
    return trips.view(_trip(config), state, shift)


def undo(config: Config, state: State, shift: Shift) -> Step | None:
    """Put the last item back; a trip that is booked is left to the reversal."""
    del config, shift
    return trips.undo(state)


def reversed_(config: Config, state: State, event: Event, shift: Shift) -> State:
    """Have the trip in hand again."""
    del shift
    return trips.reversed_(_trip(config), state, event)


def wants_badge(state: State) -> bool:
    """Ask for none."""
    del state
    return False
