"""Drives a job as the bench does, without a disk: scans and weights in, transactions out.

table = Table(receiving, receiving.Config(), copy=Copy.of(BOLT, PO_1))
assert table.scan("PO:1", EAN) == "ok"
assert table.booked == [...]
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any

from contract.codes.cards import CommandWord, command_card
from contract.identifiers import Badge, Command, Rules, identify
from contract.reference import DocumentRecord, ItemRecord, LocationRecord, Record
from contract.transactions import Event, Reversal, event_adapter
from contract.values import Evidence, Line, Weight
from gateway.book import Book
from gateway.sessions import Session, Sessions
from gateway.stations.job import Given, Scanned, Shift, Signal, Step, Trade, View, Weighed
from gateway.weights import unit_code

RULES = Rules()


@dataclass
class Copy:
    """A reference copy in memory, for tests."""

    items: dict[str, ItemRecord] = field(default_factory=dict)
    documents: dict[str, DocumentRecord] = field(default_factory=dict)
    locations: dict[str, LocationRecord] = field(default_factory=dict)
    ready: bool = True

    @classmethod
    def of(cls, *records: Record) -> "Copy":
        copy = cls()
        for record in records:
            match record:
                case ItemRecord():
                    copy.items[record.key] = record
                case DocumentRecord():
                    copy.documents[record.key] = record
                case LocationRecord():
                    copy.locations[record.key] = record
        return copy

    def by_gtin(self, gtin: str) -> Trade | None:
        for item in self.items.values():
            for pack in item.packs:
                if pack.gtin == gtin:
                    return Trade(item, pack.quantity)
        return None

    def by_code(self, code: str) -> ItemRecord | None:
        return self.items.get(code) or next(
            (item for item in self.items.values() if code in item.codes), None
        )

    def document(self, number: str) -> DocumentRecord | None:
        return self.documents.get(number)

    def location(self, name: str) -> LocationRecord | None:
        return self.locations.get(name)


class Table:
    """One job at one station, as `gateway.bench` runs it."""

    def __init__(
        self,
        module: Any,
        config: Any,
        *,
        copy: Copy | None = None,
        today: date | None = date(2026, 11, 23),
        supervisors: Iterable[str] = (),
    ) -> None:
        self.module = module
        self.config = config
        self.book = Book(copy)
        self.shift = Shift(self.book, today, None, frozenset(supervisors))
        self.state = module.start(config)
        self.signals: list[Signal] = []
        self.stored: list[tuple[uuid.UUID, Event]] = []
        """Everything that was booked, with its id, reversals too."""
        self.evidence: tuple[Evidence, ...] = ()
        """What the job gave with the last step, in place of the one scan or weight."""
        self._undoable: list[tuple[uuid.UUID, Event]] = []

    @property
    def signal(self) -> Signal:
        """The last signal."""
        return self.signals[-1]

    @property
    def booked(self) -> list[Any]:
        """Events that stand: booked and not reversed."""
        gone = {event.reverses for _, event in self.stored if isinstance(event, Reversal)}
        return [
            event
            for id_, event in self.stored
            if id_ not in gone and not isinstance(event, Reversal)
        ]

    @property
    def last(self) -> Any:
        """The event booked last."""
        return self.stored[-1][1]

    @property
    def view(self) -> View:
        view: View = self.module.view(self.config, self.state, self.shift)
        return view

    def lines(self) -> list[Line]:
        """Lines of all events that stand, in order."""
        return [line for event in self.booked for line in getattr(event, "lines", ())]

    def scan(self, *labels: str | bytes, symbology: str | None = None) -> str:
        """Scan one label after the other, and return the kind of the last signal."""
        for label in labels:
            data = label.encode() if isinstance(label, str) else label
            evidence = Evidence(
                kind="scan", device="scanner", raw=data[:8192].hex(), symbology=symbology
            )
            found = identify(data, symbology, RULES, self.shift.today)
            self.give(Scanned(found, evidence))
        return self.signal.kind

    def card(self, *words: CommandWord) -> str:
        """Scan command cards."""
        return self.scan(*(command_card(word) for word in words))

    def weigh(self, value: str, unit: str | None = "kg") -> str:
        """Put a settled weight on the scale."""
        weight = Weight(value=Decimal(value), unit=unit, unit_code=unit_code(unit))
        evidence = Evidence(kind="weight", device="scale", raw=value.encode().hex())
        self.give(Weighed(weight, evidence))
        return self.signal.kind

    def give(self, given: Given) -> None:
        """Give any input, with what the bench does of cards."""
        match given:
            case Scanned(identifier=Badge(operator=operator)) if not self.module.wants_badge(
                self.state
            ):
                self.shift = replace(self.shift, operator=operator)
                self.signals.append(Signal("ok", f"Signed in: {operator}"))
            case Scanned(identifier=Command(command="ACK")):
                self.signals.append(Signal("ok", "Acknowledged"))
            case Scanned(identifier=Command(command="UNDO")):
                self._undo()
            case _:
                self._take(self.module.step(self.config, self.state, given, self.shift))

    def restart(self) -> None:
        """Let the daemon die: the state is written and read back, and the book built anew."""
        sessions = Sessions({"job": self.module})
        text = sessions.write(Session("job", {"job": self.state}))
        read = sessions.read(text)
        assert read is not None
        assert read.state == self.state, "a state must come back as it was"
        self.state = read.state

    def _undo(self) -> None:
        step = self.module.undo(self.config, self.state, self.shift)
        if step is not None:
            self._take(step)
            return
        if not self._undoable:
            self.signals.append(Signal("not_ok", "Nothing to undo", "Go on, or scan ACK."))
            return
        id_, event = self._undoable[-1]
        state = self.module.reversed_(self.config, self.state, event, self.shift)
        self._take(Step(state, Signal("ok", "Undone"), (Reversal(reverses=id_),)))

    def _take(self, step: Step) -> None:
        if step.signal.kind in {"not_ok", "attention"}:
            assert step.signal.todo, f"{step.signal.text!r} does not say what to do"
        if step.signal.kind == "not_ok":
            assert step.events == (), "what is refused books nothing"
        self.state, self.evidence = step.state, step.evidence
        self.signals.append(step.signal)
        for event in step.events:
            # As it would travel: what the contract does not take must not come this far.
            assert event_adapter.validate_json(event.model_dump_json()) == event
            id_ = uuid.uuid4()
            self.stored.append((id_, event))
            self.book.movements.add(len(self.stored), id_, event)
            if isinstance(event, Reversal):
                self._undoable.pop()
            else:
                self._undoable.append((id_, event))
