"""What a job is: a pure state machine from scans and weights to events and signals.

A job module `gateway/stations/<name>.py` has

- `Config`: a frozen pydantic model with `job: Literal["<name>"]`, the job's part of `[[station]]`;
- `State`: a frozen dataclass of values that pydantic can write as JSON: it is stored with each
  commit, so that a shift goes on after a restart where it stood. It holds what is not booked yet
  (an open carton, a pending weight) and where the operator is; what was booked is asked of the
  shift's `reference.moved`;
- `start(config)`: the first state;
- `step(config, state, given, shift)`: what becomes of one input;
- `view(config, state, shift)`: what the screen shows;
- `undo(config, state, shift)`: takes back what is not booked yet; None where there is nothing,
  then the newest transaction is reversed;
- `reversed_(config, state, event, shift)`: where the job stands once `event` of it was reversed;
- `wants_badge(state)`: whether a badge is an answer here and not a sign-in.

Whatever a clock, a disk or a network does is not its business: a shift can be replayed. What it
says is made by `gateway.phrases.say`, so that it can be said in the operator's language.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Literal, Protocol

from pydantic import BaseModel

from contract.identifiers import Identifier
from contract.reference import DocumentRecord, ItemRecord, LocationRecord
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
    note: str = ""
    """Lot, location, why it is open: one short remark."""
    state: Literal["open", "done", "over", "held"] = "open"


@dataclass(frozen=True, slots=True)
class View:
    """What the screen shows of a job."""

    headline: str
    """What to do now."""
    document: str = ""
    lines: tuple[Progress, ...] = ()
    question: str = ""
    """What must be answered before anything else; empty where nothing is asked."""
    facts: tuple[tuple[str, str], ...] = ()
    """Name and value of what else counts: carton, location, expected weight."""


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one input. `signal` is given only after `events` are on disk."""

    state: Any
    signal: Signal
    events: tuple[Event, ...] = ()
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Trade:
    """An item as a trade item of one GTIN: how many base units one of it holds."""

    item: ItemRecord
    quantity: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class Moved:
    """What transactions of one type have moved of one document, less what was undone.

    It counts what this gateway stored and the reference copy does not yet hold.
    """

    lines: Mapping[str, Decimal] = field(default_factory=dict)
    """By document line, where the transaction named it."""
    items: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)
    """By (SKU, or GTIN where there is no SKU; unit); the newest comes last."""
    serials: frozenset[tuple[str, str]] = frozenset()
    """(SKU or GTIN, serial number)."""


class Copy(Protocol):
    """The gateway's copy of what the ERP knows. A look-up takes well below a millisecond."""

    @property
    def ready(self) -> bool:
        """Whether it holds anything; before, labels are taken at their word."""
        ...

    def by_gtin(self, gtin: str) -> Trade | None:
        """Return the item that carries a GTIN-14."""
        ...

    def by_code(self, code: str) -> ItemRecord | None:
        """Return the item of that SKU, or with that code on it."""
        ...

    def document(self, number: str) -> DocumentRecord | None:
        """Return an open document."""
        ...

    def location(self, name: str) -> LocationRecord | None:
        """Return a location by name, by GLN, or by GLN and extension joined by `-`."""
        ...


class Reference(Copy, Protocol):
    """The copy, and what this gateway has moved since it was taken."""

    def moved(self, number: str, kind: str) -> Moved:
        """Return what was moved of a document by transactions of type `kind`."""
        ...


@dataclass(frozen=True, slots=True)
class Shift:
    """What a job may look at beside its state."""

    reference: Reference
    today: date | None = None
    """None while the clock may be years off."""
    operator: str | None = None
    supervisors: frozenset[str] = frozenset()
    """Operators whose badge overrides."""


class Job(Protocol):
    """A job module."""

    Config: type[BaseModel]
    State: type[Any]

    def start(self, config: Any) -> Any:
        """Return the state a shift begins with."""
        ...

    def step(self, config: Any, state: Any, given: Given, shift: Shift) -> Step:
        """Say what becomes of one input."""
        ...

    def view(self, config: Any, state: Any, shift: Shift) -> View:
        """Say what the screen shows."""
        ...

    def undo(self, config: Any, state: Any, shift: Shift) -> Step | None:
        """Take back the newest thing that is not booked yet; None where there is none."""
        ...

    def reversed_(self, config: Any, state: Any, event: Event, shift: Shift) -> Any:
        """Return where the job stands once `event`, which it made, was reversed."""
        ...

    def wants_badge(self, state: Any) -> bool:
        """Say whether a badge is an answer to what was asked, and not a sign-in."""
        ...
