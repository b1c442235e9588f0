"""What a scan means: the bytes of a code in, one `Identifier` out.

What carried the code decides first (its AIM identifier), then the site's own labels, then the
content with its check digits. What fits nothing is `Unknown`, a value that a station refuses aloud.

Typed fields (`gtin`, `lot`, `expiry` ...) hold only what is sound; what is wrong with the rest of
the label is in `problems`, a sentence each. `text` always has all of the label.

Source: GS1 General Specifications, ISO/IEC 15424 (AIM identifiers), GS1 Digital Link; other labels
as their modules in `contract.codes` say.

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
from dataclasses import replace
from datetime import date
from decimal import Decimal

from contract.codes.books import price_of, publication_of, typed_publication
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
from contract.codes.compressed_link import is_compressed
from contract.codes.dates import REFERENCE_YEAR, date_of
from contract.codes.digital_link import is_web_address, read_compressed, read_link
from contract.codes.gs1 import (
    GS,
    Message,
    definition_of,
    glued,
    read_brackets,
    read_elements,
    read_pairs,
)
from contract.codes.gtin import LENGTHS, canonical_gtin, from_upc_e
from contract.codes.hibc import read_hibc
from contract.codes.in_store import InStoreLayout, read_in_store
from contract.codes.kinds import (
    AddOn,
    Badge,
    Command,
    Document,
    Elements,
    Gs1,
    Gtin,
    Hibc,
    Identifier,
    Location,
    Mh10,
    Mode,
    Quantity,
    Reason,
    Sscc,
    Tracking,
    Unknown,
)
from contract.codes.measures import Measure, measure_of
from contract.codes.mh10 import day_of, is_mh10, read_mh10
from contract.codes.tracking import LONGEST, TrackingMatch, carriers_of, postcode_of
from contract.values import Document as DocumentName

__all__ = [
    "COMMANDS",
    "DEFAULT_RULES",
    "MAX_DATA",
    "AddOn",
    "Badge",
    "Command",
    "CommandWord",
    "Document",
    "DocumentPattern",
    "Gs1",
    "Gtin",
    "Hibc",
    "Identifier",
    "InStoreLayout",
    "Location",
    "Measure",
    "Mh10",
    "Mode",
    "Quantity",
    "Reason",
    "Rules",
    "Sscc",
    "Tracking",
    "TrackingMatch",
    "Unknown",
    "command_card",
    "identify",
]

MAX_DATA = 8192
"""Bytes of one code that are looked at: a QR code, the largest symbol there is, holds 7089."""
MAX_NAME = 128
"""Characters of a bin, badge or document number: what a transaction can carry."""

DEFAULT_RULES = Rules()

# str.strip() without these would take the GS off the end of an element string too.
_BLANKS = " \t\r\n"
_COMPOSITE = re.compile(r"([0-9]{8}|[0-9]{12,13})\|?\]e0(.+)", re.DOTALL)
_WITH_ADD_ON = re.compile(r"([0-9]{8}|[0-9]{12,13})\](?:E1([0-9]{2})|E2([0-9]{5}))")
_BARE_ADD_ON = re.compile(r"(977[0-9]{10})([0-9]{2})|(97[89][0-9]{10})([0-9]{5})")
_FIRST = "(0123456789"
"""What an element string begins with: an application identifier, as printed in brackets."""
_ITF = frozenset({"]I0", "]I1", "]I3"})
_SPACED = 2 * LONGEST + 2
"""Characters of the longest parcel number with a blank around each of its digits."""
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
    found = _identify(_trimmed(text), symbology, rules, today.year if today else REFERENCE_YEAR)
    same = found.text == text and found.symbology == symbology
    return found if same else replace(found, text=text, symbology=symbology)


def _trimmed(text: str) -> str:
    bare = text.strip(_BLANKS)
    # The last character of a HIBC label is its check character, and that can be a blank.
    return text.lstrip(_BLANKS).rstrip("\t\r\n") if bare[:1] == "+" else bare


def _identify(text: str, symbology: str | None, rules: Rules, year: int) -> Identifier:
    if not text:
        return _unknown(text, "there is nothing in it")
    if symbology in ADD_ONS:
        return _add_on(text, symbology)
    if symbology in RETAIL_CARRIERS:
        return _enriched(_retail(text, symbology, year), rules)
    if is_mh10(text):
        return _mh10(text, year)
    if is_web_address(text):
        return _link(text, year)
    if symbology in GS1_CARRIERS:
        parcel = _gs1_parcel(text, rules)
        return parcel or _scanned_gs1(text, rules, year)
    digits = is_digits(text)
    found = (
        _card(text, rules)
        or _publication(text, symbology)
        or (_numbers(text, symbology, rules) if digits else None)
        or (_gs1_parcel(text, rules) if GS in text else None)
        or _bare_gs1(text, symbology, rules, year)
        or _hibc(text, year)
        or _parcel(text, symbology, rules)
        or _unknown(text, *(_doubts(text, symbology) if digits else ()))
    )
    return _enriched(found, rules)


def _unknown(text: str, *problems: str) -> Unknown:
    return Unknown(text, None, problems)


def _doubts(text: str, symbology: str | None) -> tuple[str, ...]:
    wrong = len(text) in LENGTHS and symbology in {None, "]I1"}
    return ("the check digit is wrong",) if wrong else ()


def _retail(text: str, symbology: str | None, year: int) -> Identifier:
    """EAN and UPC, alone, with an add-on behind, or with a composite component above."""
    beside = _WITH_ADD_ON.fullmatch(text)
    if beside:
        item = _retail(beside[1], symbology, year)
        return replace(item, add_on=beside[2] or beside[3]) if isinstance(item, Gtin) else item
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


def _add_on(text: str, symbology: str | None) -> Identifier:
    length = 2 if symbology == "]E1" else 5
    if len(text) != length or not is_digits(text):
        return _unknown(text, f"an add-on of this kind holds {length} digits")
    value, currency = price_of(text) or (None, None)
    return AddOn(text, digits=text, price=value, currency=currency)


def _link(text: str, year: int) -> Identifier:
    link = read_link(text)
    if link is None:
        return _compressed(text, year)
    message = read_pairs(link.pairs, year)
    problems = dict.fromkeys((*link.problems, *message.problems))
    return _gs1(text, replace(message, problems=tuple(problems)))


def _compressed(text: str, year: int) -> Identifier:
    """Read a link that is compressed. One fault, and it may be any web address."""
    link = read_compressed(text)
    message = read_pairs(link.pairs, year) if link else None
    if message and not message.problems:
        return _gs1(text, message)
    if is_compressed(text):
        return _unknown(text, "this GS1 Digital Link is compressed; print it uncompressed")
    return _unknown(text, "this web address is no GS1 Digital Link")


def _bracketed(text: str, year: int) -> Message | None:
    """Brackets belong under a symbol; some label programs print them into it."""
    message = read_brackets(text, year)
    if message is None:
        return None
    return replace(message, problems=(*message.problems, "the brackets are part of the symbol"))


def _card(text: str, rules: Rules) -> Identifier | None:
    if text.startswith(rules.any_prefix):
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
    if len(text) not in LENGTHS:
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


def _publication(text: str, symbology: str | None) -> Gtin | None:
    """A book or periodical as printed, or as a scanner without AIM ids sends it with its add-on."""
    if symbology is not None:
        return None
    gtin = typed_publication(text)
    if gtin:
        return Gtin(text, gtin=gtin)
    beside = _BARE_ADD_ON.fullmatch(text)
    if beside:
        gtin = canonical_gtin(beside[1] or beside[3])
        return Gtin(text, gtin=gtin, add_on=beside[2] or beside[4]) if gtin else None
    return None


def _enriched(found: Identifier, rules: Rules) -> Identifier:
    """Add what the digits of a trade item number say by themselves: publication, weight, price."""
    if not isinstance(found, Gtin):
        return found
    publication = publication_of(found.gtin)
    if publication:
        price = price_of(found.add_on or "") if publication.kind != "issn" else None
        value, currency = price or (None, None)
        return replace(found, publication=publication, price=value, currency=currency)
    contents = read_in_store(found.gtin, rules.in_store_layouts)
    if contents is None:
        return found
    return replace(
        found,
        problems=(*found.problems, contents.problem) if contents.problem else found.problems,
        item=contents.item,
        net_weight=contents.weight,
        price=contents.price,
        currency=contents.currency,
        count=contents.count,
    )


def _scanned_gs1(text: str, rules: Rules, year: int) -> Identifier:
    typed = _bracketed(text, year)
    return _gs1(text, typed) if typed else _unglued(text, read_elements(text, year), rules)


def _unglued(text: str, message: Message, rules: Rules) -> Identifier:
    """Refuse what may be two elements in one, where the separator between them may be lost."""
    doubt = glued(message) if rules.separators == "dropped" and GS not in text else None
    return _unknown(text, *message.problems, doubt) if doubt else _gs1(text, message)


def _bare_gs1(text: str, symbology: str | None, rules: Rules, year: int) -> Identifier | None:
    """An element string whose carrier is not known: typed, or from a scanner without AIM ids."""
    if symbology is not None or not (text[0] in _FIRST or GS in text):
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
        return _unglued(text, message, rules)
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
    price, currency = _price(sound)
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
        price=price,
        currency=currency,
        order=sound.get("400"),
    )


def _price(sound: dict[str, str]) -> tuple[Decimal | None, str | None]:
    ai = next((ai for ai in sound if ai[:3] in {"392", "393"}), None)
    if ai is None:
        return None, None
    currency, digits = (sound[ai][:3], sound[ai][3:]) if ai[2] == "3" else (None, sound[ai])
    return Decimal(digits).scaleb(-int(ai[3])), currency


def _hibc(text: str, year: int) -> Identifier | None:
    label = read_hibc(text, year) if text[0] in "+*" else None
    if label is None:
        return None
    if not label.elements:
        return _unknown(text, *label.problems)
    sound = dict(label.sound)
    return Hibc(
        text,
        problems=label.problems,
        elements=label.elements,
        check_ok=label.check_ok,
        labeler=sound.get("labeler"),
        product=sound.get("product"),
        unit=int(sound["unit"]) if "unit" in sound else None,
        lot=sound.get("lot"),
        serial=sound.get("serial"),
        expiry=label.expiry,
        produced=label.produced,
        quantity=Decimal(sound["quantity"]) if "quantity" in sound else None,
        link=sound.get("link"),
    )


def _mh10(text: str, year: int) -> Identifier:
    label = read_mh10(text, year)
    if not label.elements:
        return _unknown(text, *label.problems)
    if label.formats == ("05",):
        message = read_pairs(list(label.elements), year)
        return _gs1(text, replace(message, rest=label.rest, problems=label.problems))
    sound = dict(label.sound)

    def first(*names: str) -> str | None:
        return next((sound[name] for name in names if name in sound), None)

    def day(*names: str) -> date | None:
        return day_of(first(*names) or "", year)

    amount, unit = first("Q"), None
    if amount is None and "7Q" in sound:
        amount, unit = sound["7Q"][:-2], sound["7Q"][-2:]
    return Mh10(
        text,
        problems=label.problems,
        elements=label.elements,
        formats=label.formats,
        rest=label.rest,
        complete=label.complete,
        part=first("P"),
        supplier_part=first("1P", "PNR"),
        gtin=first("8P", "01"),
        lot=first("1T", "LOT", "10"),
        serial=first("S", "SER", "21"),
        # Pharmacies (9N) write the expiry date as a plain date.
        expiry=day("14D", "17", *(("D",) if "9N" in sound else ())),
        produced=day("16D", "11"),
        quantity=Decimal(amount) if amount else None,
        unit=unit,
        order=first("K", "400"),
        origin=first("4L"),
        date_code=first("9D", "10D"),
        plate=first("1J", "2J", "3J", "4J", "5J", "6J"),
        tracking=first("tracking"),
    )


def _parcel(text: str, symbology: str | None, rules: Rules) -> Tracking | None:
    """A parcel number; people copy it with the blanks it is printed with."""
    number = text.replace(" ", "") if len(text) <= _SPACED else ""
    matches = _known(carriers_of(number), rules)
    if symbology in _ITF:
        matches = tuple(match for match in matches if match.checked)
    if not matches:
        return None
    # Fourteen digits that no check digit vouches for are more often a GTIN misread.
    sure = len(number) != 14 or any(match.checked for match in matches)
    doubts = () if sure else ("it could also be a GTIN with a wrong check digit",)
    return _tracking(text, number, matches, doubts)


def _gs1_parcel(text: str, rules: Rules) -> Tracking | None:
    """Some carriers print their numbers as GS1-128, with or without a separator behind the ZIP."""
    number = text.replace(GS, "") if text[0] in "49" and len(text) <= _SPACED else ""
    matches = _known(carriers_of(number, in_gs1=True), rules)
    if not matches:
        return None
    found = _tracking(text, number, matches)
    rest = number[3 + len(found.postcode) :] if found.postcode else number
    route = (("420", found.postcode),) if found.postcode else ()
    return replace(found, elements=(*route, (rest[:2], rest[2:])))


def _known(matches: tuple[TrackingMatch, ...], rules: Rules) -> tuple[TrackingMatch, ...]:
    if rules.carriers is None:
        return matches
    return tuple(match for match in matches if match.carrier in rules.carriers)


def _tracking(
    text: str, number: str, matches: tuple[TrackingMatch, ...], problems: tuple[str, ...] = ()
) -> Tracking:
    return Tracking(
        text,
        problems=problems,
        matches=matches,
        number=matches[0].number,
        postcode=postcode_of(number),
    )
