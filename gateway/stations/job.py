"""What a job is: a pure state machine from scans and weights to events and signals.

A job module `gateway/stations/<name>.py` has

- `Config`: a frozen pydantic model with `job: Literal["<name>"]`, the job's part of `[[station]]`;
- `start(config)`: the first state;
- `step(config, state, given)`: what becomes of one input.

Whatever a clock, a disk or a network does is not its business: a shift can be replayed.
"""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pydantic import BaseModel

from contract.identifiers import Identifier
from contract.transactions import Event
from contract.values import Evidence, Weight


@dataclass(frozen=True, slots=True)
class Scanned:
    """A scan that was understood, as far as it can be."""

    identifier: Identifier
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Weighed:
    """A settled weight."""

    weight: Weight
    evidence: Evidence


Given = Scanned | Weighed

SignalKind = Literal["ok", "not_ok", "ignored", "attention"]


@dataclass(frozen=True, slots=True)
class Signal:
    """What the operator is told. `not_ok` and `attention` stay until they are resolved."""

    kind: SignalKind
    text: str
    todo: str = ""
    """What to do now; never empty for `not_ok` and `attention`."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One line of the table on the screen."""

    label: str
    done: str
    expected: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """What the screen shows of a job."""

    headline: str
    document: str = ""
    lines: tuple[Progress, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one input. `signal` is given only after `events` are on disk."""

    state: Any
    signal: Signal
    events: tuple[Event, ...] = ()
    evidence: tuple[Evidence, ...] = ()


class Job(Protocol):
    """A job module."""

    Config: type[BaseModel]

    def start(self, config: Any) -> Any:
        """Return the state a shift begins with."""
        ...

    def step(self, config: Any, state: Any, given: Given) -> Step:
        """Say what becomes of one input."""
        ...

    def view(self, config: Any, state: Any) -> View:
        """Say what the screen shows."""
        ...
