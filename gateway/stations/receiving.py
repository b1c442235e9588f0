"""Goods come in at a dock door: scan the document, then every item; weigh what goes by weight.

Each item scan books one `Receipt` at once. A GS1 label says its own quantity (count or net weight),
a QTY card before it multiplies it, and with `book = "weight"` the scale says it.
"""

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from contract.identifiers import (
    Command,
    Document,
    Gs1,
    Gtin,
    Hibc,
    Identifier,
    Location,
    Mh10,
    Quantity,
    Sscc,
    Tracking,
    Unknown,
)
from contract.transactions import Event, Receipt, Weighing
from contract.values import Document as DocumentName
from contract.values import Evidence, Item, Line, Weight
from contract.values import Quantity as Amount
from gateway.stations.job import Given, Progress, Scanned, Shift, Signal, Step, View, Weighed
from gateway.stations.labels import Much, OnLabel, on_label

_MOST = Decimal(1_000_000)  # of anything in one scan: beyond it, a label was misread
_DECIMALS = 9  # of a quantity, as the contract has it
_LONGEST_SKU = 64  # characters of a label that are held against the pattern
_REPEATED_GROUP = re.compile(r"(?<!\\)\)[*+{]")
_SHOWN = 50  # lines of the table: more fit neither a screen nor one MQTT message


class Config(BaseModel):
    """The part of `[[station]]` that is this job's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job: Literal["receiving"] = "receiving"
    book: Literal["each", "weight"] = "each"
    """Whether an item without a quantity on its label is one piece, or what the scale says."""
    to_location: str | None = Field(default=None, min_length=1, max_length=128)
    """Where goods are received to until a location card says otherwise."""
    sku: str | None = Field(default=None, max_length=200)
    """Pattern (a regular expression) of the house's own item codes, of up to 64 characters; None
    for GTINs only. No group may be repeated: a hostile label must not buy time with backtracking.
    """

    @field_validator("sku")
    @classmethod
    def _is_a_pattern(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "", re.ASCII)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"not a regular expression: {error}") from error
        if _REPEATED_GROUP.search(pattern or ""):
            raise ValueError("a group (in brackets) may be optional but not repeated")
        return pattern


@dataclass(frozen=True, slots=True)
class Tally:
    """What was received of one item in this document."""

    item: Item
    unit: str
    value: Decimal


@dataclass(frozen=True, slots=True)
class State:
    """Where the receipt stands."""

    document: DocumentName | None = None
    tallies: tuple[Tally, ...] = ()
    """The item booked last comes last."""
    to_location: str | None = None
    sscc: str | None = None
    """Handling unit that the next items lie in."""
    times: Decimal | None = None
    """From a quantity card; for the next item only."""
    pending: Line | None = None
    """Item that waits for its weight."""
    pending_evidence: tuple[Evidence, ...] = ()
    last: Item | None = None


def start(config: Config) -> State:
    """No document yet."""
    return State(to_location=config.to_location)


def step(config: Config, state: State, given: Given, shift: Shift) -> Step:
    """Say what becomes of one scan or weight."""
    del shift
    match given:
        case Weighed():
            return _weigh(config, state, given)
        case Scanned(identifier=identifier):
            return _scan(config, state, identifier, given.evidence)


def undo(config: Config, state: State, shift: Shift) -> Step | None:
    """Leave it to the reversal: every item is booked at once."""
    del config, state, shift
    return None


def reversed_(config: Config, state: State, event: Event, shift: Shift) -> State:
    """Take the lines of a receipt out of the table; open a document that was closed too early."""
    del config, shift
    if not isinstance(event, Receipt):
        return state
    if state.document is None and event.documents:
        return replace(state, document=event.documents[0])
    if state.document not in event.documents:
        return state
    tallies = state.tallies
    for line in event.lines:
        tallies = _add(tallies, line, -1)
    return replace(state, tallies=tallies)


def wants_badge(state: State) -> bool:
    """Ask for none."""
    del state
    return False


def view(config: Config, state: State, shift: Shift) -> View:
    """Show the document and what was received of each item, the newest first."""
    del config, shift
    if state.document is None:
        return View("Scan a document to begin")
    return View(
        _headline(state),
        state.document.number,
        tuple(
            Progress(_name(tally.item), f"{tally.value} {tally.unit}")
            for tally in reversed(state.tallies[-_SHOWN:])
        ),
    )


def _headline(state: State) -> str:
    if state.pending is not None:
        return "Put it on the scale"
    if state.times is not None:
        return f"Scan the next item: it counts {state.times} times"
    return "Scan the next item, or DONE"


def _refuse(state: State, text: str, todo: str) -> Step:
    return Step(state, Signal("not_ok", text, todo))


def _scan(config: Config, state: State, identifier: Identifier, evidence: Evidence) -> Step:
    if state.pending is not None and not _cancels(identifier):
        return _weight_first(state)
    match identifier:
        case Document(document=document):
            return _open(state, document)
        case Command(command=word):
            return _command(config, state, word)
        case Location(name=name):
            return Step(replace(state, to_location=name), Signal("ok", f"To {name}"))
        case Sscc(sscc=sscc):
            return Step(replace(state, sscc=sscc), Signal("ok", f"Handling unit {sscc}"))
        case Quantity(value=value) if 0 < value <= _MOST:
            return Step(replace(state, times=value), Signal("ok", f"Next item times {value}"))
        case Gtin() | Gs1() | Hibc() | Mh10() | Tracking() | Unknown():
            return _item(config, state, identifier, evidence)
        case _:
            return _refuse(state, f"{identifier.text[:40]}: no meaning here", "Scan an item.")


def _cancels(identifier: Identifier) -> bool:
    return isinstance(identifier, Command) and identifier.command == "CANCEL"


def _open(state: State, document: DocumentName) -> Step:
    if state.document == document:
        return Step(state, Signal("ok", f"{document.number}: go on"))
    opened = State(
        document=document,
        to_location=state.to_location,
        # A handling unit scanned before the first document is meant for it; one of the document
        # before is not.
        sscc=state.sscc if state.document is None else None,
        times=state.times,
    )
    return Step(opened, Signal("ok", f"{document.number}: scan the items"))


def _command(config: Config, state: State, word: str) -> Step:
    if word == "CANCEL":
        cleared = replace(state, pending=None, pending_evidence=(), times=None, sscc=None)
        return Step(cleared, Signal("ok", "Cancelled; nothing that was booked changed"))
    if word != "DONE":
        return _refuse(state, f"{word}: no meaning here", "Scan an item, or DONE.")
    if state.document is None:
        return _refuse(state, "No document is open", "Scan a document.")
    closed = f"{state.document.number} closed, {len(state.tallies)} items"
    return Step(start(config), Signal("ok", closed))


def _weight_first(state: State) -> Step:
    return _refuse(state, "An item waits for its weight", "Put it on the scale, or scan CANCEL.")


def _item(config: Config, state: State, found: Identifier, evidence: Evidence) -> Step:
    if state.document is None:
        return _refuse(state, "No document is open", "Scan the document first.")
    item = _own(config, found)
    if item is None and found.problems:
        return _refuse(state, "; ".join(found.problems)[:200], "Put the item aside; call support.")
    label = on_label(found)
    item = item or label.item
    if item is None or not label.fits:
        return _refuse(
            state, f"Unknown code {found.text[:40]}", "Put the item aside; call support."
        )
    amount = label.amount
    if amount is None and config.book == "weight":
        if state.times is not None:
            return _refuse(
                state,
                "A quantity card does not go with an item that is weighed",
                "Scan CANCEL, then the item.",
            )
        line = _line(item, Amount(value=Decimal(0), unit="KGM"), label, state)
        waiting = replace(state, pending=line, pending_evidence=(evidence,))
        return Step(waiting, Signal("attention", _name(item), "Put it on the scale."))
    amount = amount or Much(Decimal(1))
    times = state.times or Decimal(1)
    value = amount.value * times
    if not 0 < value <= _MOST or round(value, _DECIMALS) != value:
        return _refuse(state, f"{value} is no quantity", "Check the label; then scan it again.")
    return _book(
        state, _line(item, Amount(value=value, unit=amount.unit), label, state), None, (evidence,)
    )


def _own(config: Config, found: Identifier) -> Item | None:
    """Return an item by the house's own code; digits may look like a GTIN, right or wrong."""
    if (
        config.sku is None
        or isinstance(found, Gs1 | Hibc | Mh10)
        or not 0 < len(found.text) <= _LONGEST_SKU
    ):
        return None
    return Item(sku=found.text) if re.fullmatch(config.sku, found.text, re.ASCII) else None


def _line(item: Item, amount: Amount, label: OnLabel, state: State) -> Line:
    return Line(
        item=item,
        quantity=amount,
        lot=label.lot,
        serial=label.serial,
        expiry=label.expiry,
        best_before=label.best_before,
        sscc=label.sscc or state.sscc,
    )


def _weigh(config: Config, state: State, given: Weighed) -> Step:
    weight = given.weight
    shown = f"{weight.value} {weight.unit or ''}".strip()
    if state.document is None:
        return _refuse(state, f"{shown}: no document is open", "Scan the document first.")
    if not 0 < weight.value <= _MOST:
        return _refuse(state, f"{shown} is no weight", "Zero the scale and weigh again.")
    if state.pending is None and config.book == "weight":
        return Step(state, Signal("attention", shown, "Scan what lies on the scale."))
    if state.pending is None:
        event = Weighing(
            documents=(state.document,), weight=weight, item=state.last, sscc=state.sscc
        )
        return Step(state, Signal("ok", f"Weighed {shown}"), (event,))
    if weight.unit_code is None:
        return _refuse(
            state, f"{shown}: the unit is not known", "Set the scale's unit; then weigh again."
        )
    amount = Amount(value=weight.value, unit=weight.unit_code)
    line = state.pending.model_copy(update={"quantity": amount})
    return _book(state, line, weight, (*state.pending_evidence, given.evidence))


def _book(state: State, line: Line, weight: Weight | None, evidence: tuple[Evidence, ...]) -> Step:
    assert state.document is not None  # noqa: S101 - both ways here have checked it
    event = Receipt(
        documents=(state.document,),
        lines=(line,),
        weight=weight,
        to_location=state.to_location,
        sscc=line.sscc,
    )
    after = replace(
        state,
        tallies=_add(state.tallies, line),
        times=None,
        pending=None,
        pending_evidence=(),
        last=line.item,
    )
    text = f"{line.quantity.value} {line.quantity.unit} {_name(line.item)}"
    return Step(after, Signal("ok", text), (event,), evidence)


def _add(tallies: tuple[Tally, ...], line: Line, sign: int = 1) -> tuple[Tally, ...]:
    unit, value = line.quantity.unit, sign * line.quantity.value
    for place, tally in enumerate(tallies):
        if tally.item == line.item and tally.unit == unit:
            grown = replace(tally, value=tally.value + value)
            rest = (*tallies[:place], *tallies[place + 1 :])
            return (*rest, grown) if grown.value else rest
    return (*tallies, Tally(line.item, unit, value))


def _name(item: Item) -> str:
    return item.sku or item.gtin or ""
