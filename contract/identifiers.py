"""What a scan means: the bytes of a code in, one `Identifier` out.

What carried the code decides first (its AIM identifier), then the site's own labels, then the
content with its check digits. What fits nothing is `Unknown`, a value that a station refuses aloud.

Typed fields (`gtin`, `lot`, `expiry` ...) hold only what is sound; what is wrong with the rest of
the label is in `problems`, a sentence each. `text` always has all of the label.

Source: GS1 General Specifications, ISO/IEC 15424 (AIM identifiers), GS1 Digital Link.

>>> identify(b"]C10105901234123457" + b"10LOT7").lot
'LOT7'
>>> identify(b"5901234123457").gtin
'05901234123457'
>>> identify(b"5901234123458").problems
('the check digit is wrong',)
>>> identify(b"LOC:A-12-3").name
'A-12-3'
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import ClassVar, Literal

from contract.codes.cards import (
    COMMANDS,
    CommandWord,
    DocumentPattern,
    Rules,
    command_card,
    read_command,
    read_document,
)
from contract.codes.carriers import (
    ADD_ONS,
    GS1_CARRIERS,
    RETAIL_CARRIERS,
    decoded,
    split_carrier,
    without_ecis,
)
from contract.codes.checks import is_digits
from contract.codes.dates import REFERENCE_YEAR, date_of
from contract.codes.digital_link import is_web_address, read_link
from contract.codes.gs1 import (
    GS,
    Message,
    definition_of,
    read_brackets,
    read_elements,
    read_pairs,
)
from contract.codes.gtin import LENGTHS, canonical_gtin, from_upc_e, in_store
from contract.codes.measures import Measure, measure_of
from contract.values import Document as DocumentName

__all__ = [
    "COMMANDS",
    "DEFAULT_RULES",
    "MAX_DATA",
    "Badge",
    "Command",
    "CommandWord",
    "Document",
    "DocumentPattern",
    "Gs1",
    "Gtin",
    "Identifier",
    "Location",
    "Measure",
    "Mode",
    "Quantity",
    "Reason",
    "Rules",
    "Sscc",
    "Unknown",
    "command_card",
    "identify",
]

MAX_DATA = 8192
"""Bytes of one code that are looked at: a QR code, the largest symbol there is, holds 7089."""
MAX_NAME = 128
"""Characters of a bin, badge or document number: what a transaction can carry."""

DEFAULT_RULES = Rules()

Elements = tuple[tuple[str, str], ...]
"""GS1 elements in label order: (AI, value), the value as the label has it."""


@dataclass(frozen=True, slots=True)
class _Label:
    text: str
    """What the label says, without the AIM identifier."""
    symbology: str | None = None
    """The AIM identifier, where the scanner or the start of the data gave one."""
    problems: tuple[str, ...] = ()
    """What is wrong with it, a sentence each; empty for a sound label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gtin(_Label):
    """A trade item number and nothing else: EAN, UPC, ITF-14."""

    kind: ClassVar[Literal["gtin"]] = "gtin"
    gtin: str
    """14 digits, check digit verified."""
    add_on: str | None = None
    """The 2 or 5 digits beside an EAN: an issue number or a price."""

    @property
    def in_store(self) -> bool:
        """Whether it is a shop's own number, which may hold a weight or price."""
        return in_store(self.gtin)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sscc(_Label):
    """A handling unit and nothing else."""

    kind: ClassVar[Literal["sscc"]] = "sscc"
    sscc: str
    """18 digits, check digit verified."""
    elements: Elements = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gs1(_Label):
    """A GS1 element string or Digital Link."""

    kind: ClassVar[Literal["gs1"]] = "gs1"
    elements: Elements = ()
    rest: tuple[str, ...] = ()
    """Pieces that no application identifier explains."""
    gtin: str | None = None
    """Of the item itself (AI 01), or of an EAN symbol this one belongs to."""
    content: str | None = None
    """GTIN of the items inside (AI 02); `count` says how many."""
    sscc: str | None = None
    lot: str | None = None
    serial: str | None = None
    expiry: date | None = None
    """AI 17, or the day of AI 7003."""
    best_before: date | None = None
    produced: date | None = None
    count: int | None = None
    """Items inside (AI 37), or items of a variable-measure item (AI 30)."""
    measures: tuple[Measure, ...] = ()
    order: str | None = None
    """The customer's purchase order number (AI 400)."""

    @property
    def net_weight(self) -> Measure | None:
        """The net weight, in the unit of the label."""
        return next((m for m in self.measures if m.what == "net weight"), None)

    @property
    def gross_weight(self) -> Measure | None:
        """The gross weight, in the unit of the label."""
        return next((m for m in self.measures if m.what == "gross weight"), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Location(_Label):
    """A bin, dock door or staging place."""

    kind: ClassVar[Literal["location"]] = "location"
    name: str
    """As on the card; for a GLN its 13 digits, with ``/`` and the extension where there is one."""
    elements: Elements = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge(_Label):
    """Who works here."""

    kind: ClassVar[Literal["badge"]] = "badge"
    operator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Document(_Label):
    """A purchase order, despatch advice, count sheet or the like."""

    kind: ClassVar[Literal["document"]] = "document"
    document: DocumentName


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity(_Label):
    """A quantity card."""

    kind: ClassVar[Literal["quantity"]] = "quantity"
    value: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode(_Label):
    """A card that asks for another job."""

    kind: ClassVar[Literal["mode"]] = "mode"
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason(_Label):
    """A reason card."""

    kind: ClassVar[Literal["reason"]] = "reason"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(_Label):
    """A command card whose check digits are right."""

    kind: ClassVar[Literal["command"]] = "command"
    command: CommandWord


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown(_Label):
    """Nothing of the above. With a problem it nearly was something; without, it is just text."""

    kind: ClassVar[Literal["unknown"]] = "unknown"


Identifier = (
    Gtin | Sscc | Gs1 | Location | Badge | Document | Quantity | Mode | Reason | Command | Unknown
)

# str.strip() without these would take the GS off the end of an element string too.
_BLANKS = " \t\r\n"
_COMPOSITE = re.compile(r"([0-9]{8}|[0-9]{12,13})\|?\]e0(.+)", re.DOTALL)
_AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
# Elements strong enough to be believed where no AIM identifier and no FNC1 says GS1: digits with a
# check digit of their own.
_STRONG = frozenset({"00", "01", "02", *(f"41{n}" for n in range(8))})


def identify(
    data: bytes,
    symbology: str | None = None,
    rules: Rules = DEFAULT_RULES,
    today: date | None = None,
) -> Identifier:
    """Say what a code means.

    Args:
        data: the code, at most `MAX_DATA` bytes of it are looked at. Where `symbology` is None an
            AIM identifier at its start is understood.
        symbology: the AIM identifier such as ``]C1``, where the scanner sent one.
        rules: the site's own labels.
        today: places two-digit years; without it they are taken as in `REFERENCE_YEAR`.

    Never raises. `symbology` and `text` of the result together hold all the label said.
    """
    text = decoded(data[:MAX_DATA])
    if symbology is None:
        symbology, text = split_carrier(text)
    text = without_ecis(text, symbology)
    if len(data) > MAX_DATA:
        return replace(_unknown(text, f"it is longer than {MAX_DATA} bytes"), symbology=symbology)
    found = _identify(
        text.strip(_BLANKS), symbology, rules, today.year if today else REFERENCE_YEAR
    )
    return replace(found, text=text, symbology=symbology)


def _identify(text: str, symbology: str | None, rules: Rules, year: int) -> Identifier:
    if not text:
        return _unknown(text, "there is nothing in it")
    if symbology in ADD_ONS:
        return _unknown(text, "it is the add-on of another code")
    if symbology in RETAIL_CARRIERS:
        return _retail(text, symbology, year)
    if is_web_address(text):
        return _link(text, year)
    if symbology in GS1_CARRIERS:
        return _gs1(text, _bracketed(text, year) or read_elements(text, year))
    return (
        _card(text, rules)
        or _numbers(text, symbology, rules)
        or _bare_gs1(text, symbology, year)
        or _unknown(text, *_doubts(text, symbology))
    )


def _unknown(text: str, *problems: str) -> Unknown:
    return Unknown(text, None, problems)


def _doubts(text: str, symbology: str | None) -> tuple[str, ...]:
    wrong = is_digits(text) and len(text) in LENGTHS and symbology in {None, "]I1"}
    return ("the check digit is wrong",) if wrong else ()


def _retail(text: str, symbology: str | None, year: int) -> Identifier:
    """EAN and UPC, alone, with an add-on behind, or with a composite component above."""
    composite = _COMPOSITE.fullmatch(text)
    if composite:
        item = _retail(composite[1], symbology, year)
        found = _gs1(text, read_elements(composite[2], year))
        if isinstance(item, Gtin) and isinstance(found, Gs1):
            return replace(found, gtin=found.gtin or item.gtin)
        return _unknown(text, *item.problems, *found.problems)
    if not is_digits(text):
        return _unknown(text, "an EAN or UPC code holds digits only")
    main, add_on = text, None
    if symbology == "]E3" and len(text) in {14, 15, 17, 18}:
        length = 13 if len(text) in {15, 18} else 12
        main, add_on = text[:length], text[length:]
    proper = 8 if symbology == "]E4" else 13
    if len(main) != proper and (proper == 8 or len(main) not in {8, 12}):
        return _unknown(text, f"an EAN or UPC code does not hold {len(text)} digits")
    gtin = from_upc_e(main) if proper > len(main) == 8 else canonical_gtin(main)
    if gtin is None:
        return _unknown(text, "the check digit is wrong")
    # Some scanners can be set to leave the zeros away; a wedge can drop a digit just as well.
    short = (
        () if len(main) == proper else (f"{symbology} promises 13 digits, here are {len(main)}",)
    )
    return Gtin(text, problems=short, gtin=gtin, add_on=add_on)


def _link(text: str, year: int) -> Identifier:
    link = read_link(text)
    if link is None:
        return _unknown(text, "this web address is no GS1 Digital Link")
    message = read_pairs(link.pairs, year)
    problems = dict.fromkeys((*link.problems, *message.problems))
    return _gs1(text, replace(message, problems=tuple(problems)))


def _bracketed(text: str, year: int) -> Message | None:
    """Brackets belong under a symbol; some label programs print them into it."""
    message = read_brackets(text, year)
    if message is None:
        return None
    return replace(message, problems=(*message.problems, "the brackets are part of the symbol"))


def _card(text: str, rules: Rules) -> Identifier | None:
    for prefix, kind in rules.prefixes:
        if text.startswith(prefix):
            return _read_card(text, prefix, kind, rules)
    document = read_document(text, rules)
    return Document(text, document=document) if document else None


def _read_card(text: str, prefix: str, kind: str, rules: Rules) -> Identifier:
    if kind == "command":
        command = read_command(text, prefix)
        found = [word for word in COMMANDS if word == command]
        return Command(text, command=found[0]) if found else _unknown(text, command)
    name = text[len(prefix) :]
    if not 1 <= len(name) <= MAX_NAME:
        return _unknown(text, f"a {kind} card holds 1 to {MAX_NAME} characters, not {len(name)}")
    if kind == "quantity":
        if not _AMOUNT.fullmatch(name):
            return _unknown(text, f"{name[:40]!r} is no quantity")
        return Quantity(text, value=Decimal(name))
    if kind == "document":
        return Document(text, document=DocumentName(kind=rules.documents[prefix], number=name))
    return _NAMED[kind](text, name)


_NAMED: dict[str, Callable[[str, str], Identifier]] = {
    "location": lambda text, name: Location(text, name=name),
    "badge": lambda text, name: Badge(text, operator=name),
    "mode": lambda text, name: Mode(text, mode=name),
    "reason": lambda text, name: Reason(text, reason=name),
}


def _numbers(text: str, symbology: str | None, rules: Rules) -> Identifier | None:
    """Bare digits: a GTIN if length and check digit say so and the symbology does not object."""
    if not is_digits(text) or len(text) not in LENGTHS:
        return None
    if symbology is None and len(text) == 8:
        gtin, short = canonical_gtin(text), from_upc_e(text)
        if gtin and short:
            return Gtin(text, problems=(f"it could also be UPC-E for {short}",), gtin=gtin)
        gtin = gtin or short
        return Gtin(text, gtin=gtin) if gtin else None
    if symbology is not None and (len(text) == 8 or not rules.gtin_in_plain_codes):
        itf_14 = len(text) == 14 and symbology in {"]I0", "]I1"}
        if not itf_14:
            return None
    gtin = canonical_gtin(text)
    return Gtin(text, gtin=gtin) if gtin else None


def _bare_gs1(text: str, symbology: str | None, year: int) -> Identifier | None:
    """An element string whose carrier is not known: typed, or from a scanner without AIM ids."""
    if symbology is not None:
        return None
    typed = read_brackets(text, year)
    if typed:
        known = all(definition_of(ai) for ai, _, _ in typed.elements)
        return _gs1(text, typed) if known else None
    if GS in text:
        message = read_elements(text, year)
        believable = message.elements and not message.elements[0].fault
        return _gs1(text, message) if believable else None
    first = definition_of(text)
    if first is None or first.ai not in _STRONG:
        return None
    message = read_elements(text, year)
    if not message.problems:
        return _gs1(text, message)
    # Digits only and of the right length, but for the check digit: worth a word to the operator.
    nearly = (
        is_digits(text)
        and len(message.elements) == 1
        and first.pattern.fullmatch(message.elements[0].value)
    )
    return _unknown(text, *message.problems) if nearly else None


def _gs1(text: str, message: Message) -> Identifier:
    """Make the typed fields, out of elements without a fault and without a rival."""
    elements = tuple((element.ai, element.value) for element in message.elements)
    if not elements:
        return _unknown(text, *message.problems)
    sound: dict[str, str] = {}
    rivals: set[str] = set()
    for ai, value, fault in message.elements:
        if fault is None and sound.setdefault(ai, value) != value:
            rivals.add(ai)
    for ai in rivals:
        del sound[ai]
    if not message.problems and sound.keys() == {"00"}:
        return Sscc(text, sscc=sound["00"], elements=elements)
    if not message.problems and sound.keys() in ({"414"}, {"414", "254"}):
        extension = sound.get("254")
        name = f"{sound['414']}/{extension}" if extension else sound["414"]
        return Location(text, name=name, elements=elements)
    return _fields(text, message, elements, sound)


def _fields(text: str, message: Message, elements: Elements, sound: dict[str, str]) -> Gs1:
    def day(*ais: str) -> date | None:
        value = next((sound[ai] for ai in ais if ai in sound), None)
        return date_of(value[:6], message.this_year) if value else None

    count = sound.get("37") or sound.get("30")
    measures = (measure_of(ai, value) for ai, value in sound.items())
    return Gs1(
        text,
        problems=message.problems,
        elements=elements,
        rest=message.rest,
        gtin=sound.get("01"),
        content=sound.get("02"),
        sscc=sound.get("00"),
        lot=sound.get("10"),
        serial=sound.get("21"),
        expiry=day("17", "7003"),
        best_before=day("15"),
        produced=day("11"),
        count=int(count) if count else None,
        measures=tuple(measure for measure in measures if measure),
        order=sound.get("400"),
    )
