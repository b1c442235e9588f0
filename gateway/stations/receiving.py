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
    Identifier,
    Location,
    Measure,
    Quantity,
    Sscc,
    Unknown,
)
from contract.transactions import Receipt, Weighing
from contract.values import Document as DocumentName
from contract.values import Evidence, Item, Line, Weight
from contract.values import Quantity as Amount
from gateway.stations.job import Given, Progress, Scanned, Signal, Step, View, Weighed

_MOST = Decimal(1_000_000)  # of anything in one scan: beyond it, a label was misread


class Config(BaseModel):
    """The part of `[[station]]` that is this job's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job: Literal["receiving"] = "receiving"
    book: Literal["each", "weight"] = "each"
    """Whether an item without a quantity on its label is one piece, or what the scale says."""
    to_location: str | None = Field(default=None, min_length=1, max_length=128)
    """Where goods are received to until a location card says otherwise."""
    sku: str | None = Field(default=None, max_length=200)
    """Pattern (a regular expression) of the house's own item codes; None for GTINs only."""

    @field_validator("sku")
    @classmethod
    def _is_a_pattern(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
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


def step(config: Config, state: State, given: Given) -> Step:
    """Say what becomes of one scan or weight."""
    match given:
        case Weighed():
            return _weigh(state, given)
        case Scanned(identifier=identifier):
            return _scan(config, state, identifier, given.evidence)


def view(config: Config, state: State) -> View:
    """Show the document and what was received of each item."""
    del config
    if state.document is None:
        return View("Scan a document to begin")
    headline = "Put it on the scale" if state.pending else "Scan the next item, or DONE"
    return View(
        headline,
        state.document.number,
        tuple(
            Progress(_name(tally.item), f"{tally.value} {tally.unit}") for tally in state.tallies
        ),
    )


def _refuse(state: State, text: str, todo: str) -> Step:
    return Step(state, Signal("not_ok", text, todo))


def _scan(config: Config, state: State, identifier: Identifier, evidence: Evidence) -> Step:
    match identifier:
        case Document(document=document):
            return _open(config, state, document)
        case Command(command=word):
            return _command(config, state, word)
        case Location(name=name):
            return Step(replace(state, to_location=name), Signal("ok", f"To {name}"))
        case Sscc(sscc=sscc):
            return Step(replace(state, sscc=sscc), Signal("ok", f"Handling unit {sscc}"))
        case Quantity(value=value) if 0 < value <= _MOST:
            return Step(replace(state, times=value), Signal("ok", f"Next item times {value}"))
        case Gtin() | Gs1() | Unknown():
            return _item(config, state, identifier, evidence)
        case _:
            return _refuse(state, f"{identifier.text[:40]}: no meaning here", "Scan an item.")


def _open(config: Config, state: State, document: DocumentName) -> Step:
    if state.pending is not None:
        return _weight_first(state)
    if state.document == document:
        return Step(state, Signal("ok", f"{document.number}: go on"))
    fresh = State(document=document, to_location=config.to_location)
    return Step(fresh, Signal("ok", f"{document.number}: scan the items"))


def _command(config: Config, state: State, word: str) -> Step:
    if word == "CANCEL":
        cleared = replace(state, pending=None, pending_evidence=(), times=None, sscc=None)
        return Step(cleared, Signal("ok", "Cancelled; nothing that was booked changed"))
    if word != "DONE":
        return _refuse(state, f"{word}: no meaning here", "Scan an item, or DONE.")
    if state.pending is not None:
        return _weight_first(state)
    if state.document is None:
        return _refuse(state, "No document is open", "Scan a document.")
    closed = f"{state.document.number} closed, {len(state.tallies)} items"
    return Step(start(config), Signal("ok", closed))


def _weight_first(state: State) -> Step:
    return _refuse(state, "An item waits for its weight", "Put it on the scale, or scan CANCEL.")


def _item(config: Config, state: State, found: Gtin | Gs1 | Unknown, evidence: Evidence) -> Step:
    if state.document is None:
        return _refuse(state, "No document is open", "Scan the document first.")
    if state.pending is not None:
        return _weight_first(state)
    if found.problems:
        return _refuse(state, "; ".join(found.problems)[:200], "Put the item aside; call support.")
    item = _which(config, found)
    if item is None:
        return _refuse(
            state, f"Unknown code {found.text[:40]}", "Put the item aside; call support."
        )
    amount = _amount(found)
    if amount is None and config.book == "weight":
        line = _line(item, Amount(value=Decimal(0), unit="KGM"), found, state)
        waiting = replace(state, pending=line, pending_evidence=(evidence,))
        return Step(waiting, Signal("attention", _name(item), "Put it on the scale."))
    amount = amount or Amount(value=Decimal(1))
    times = state.times or Decimal(1)
    if not 0 < amount.value * times <= _MOST:
        return _refuse(state, f"{amount.value * times} is no quantity", "Check the label.")
    amount = Amount(value=amount.value * times, unit=amount.unit)
    return _book(state, _line(item, amount, found, state), None, (evidence,))


def _which(config: Config, found: Gtin | Gs1 | Unknown) -> Item | None:
    match found:
        case Gtin(gtin=gtin):
            return Item(gtin=gtin)
        case Gs1():
            gtin_inside = found.gtin or found.content
            return Item(gtin=gtin_inside) if gtin_inside else None
        case Unknown(text=text):
            own = config.sku is not None and len(text) <= 128 and re.fullmatch(config.sku, text)
            return Item(sku=text) if own else None


def _amount(found: Gtin | Gs1 | Unknown) -> Amount | None:
    if not isinstance(found, Gs1):
        return None
    weight: Measure | None = found.net_weight
    if weight is not None:
        return Amount(value=weight.value, unit=weight.unit)
    return None if found.count is None else Amount(value=Decimal(found.count))


def _line(item: Item, amount: Amount, found: Gtin | Gs1 | Unknown, state: State) -> Line:
    if not isinstance(found, Gs1):
        return Line(item=item, quantity=amount, sscc=state.sscc)
    return Line(
        item=item,
        quantity=amount,
        lot=found.lot,
        serial=found.serial,
        expiry=found.expiry,
        best_before=found.best_before,
        sscc=found.sscc or state.sscc,
    )


def _weigh(state: State, given: Weighed) -> Step:
    weight = given.weight
    shown = f"{weight.value} {weight.unit or ''}".strip()
    if state.document is None:
        return _refuse(state, f"{shown}: no document is open", "Scan the document first.")
    if weight.value <= 0:
        return _refuse(state, f"{shown} is no weight", "Zero the scale and weigh again.")
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


def _add(tallies: tuple[Tally, ...], line: Line) -> tuple[Tally, ...]:
    unit, value = line.quantity.unit, line.quantity.value
    for place, tally in enumerate(tallies):
        if tally.item == line.item and tally.unit == unit:
            grown = replace(tally, value=tally.value + value)
            return (*tallies[:place], grown, *tallies[place + 1 :])
    return (*tallies, Tally(line.item, unit, value))


def _name(item: Item) -> str:
    return item.sku or item.gtin or ""
