r"""ISO/IEC 15434 labels: data identifiers of ANSI MH10.8.2 in an envelope of control characters.

The envelope is ``[)>`` RS, then formats, each two digits and fields behind GS, then RS EOT. Labels
without the closing RS EOT and with the older header ``>[)>06`` are about in numbers and are read.
Where no GS is left the fields cannot be told apart, and nothing is read.

Source: ISO/IEC 15434; ANSI MH10.8.2 (data identifiers); ATA Spec 2000 chapter 9 (format 12).

>>> label = read_mh10("[)>\x1e06\x1d1PMC34063ADR\x1dQ3\x1d4LMX\x1e\x04")
>>> label.elements, label.complete
((('1P', 'MC34063ADR'), ('Q', '3'), ('4L', 'MX')), True)
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from contract.codes.checks import gs1_digit_holds, is_digits
from contract.codes.dates import REFERENCE_YEAR, date_of
from contract.codes.gs1 import GS, SHOWN, read_elements
from contract.codes.iso_codes import COUNTRY_LETTERS

RS, EOT = "\x1e", "\x04"

_HEADER = re.compile(r">?\[\)>\x1e?(?=[0-9]{2})")
_IDENTIFIER = re.compile(r"([0-9]{0,3}[A-Z])(.*)", re.DOTALL)
_TEXT_ELEMENT = re.compile(r"([A-Z]{3}) (.*)", re.DOTALL)
_AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_AMOUNT_UNIT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?[A-Z0-9]{2}")
_YEAR_WEEK = re.compile(r"[0-9]{2}(0[1-9]|[1-4][0-9]|5[0-3])")

IDENTIFIERS = {
    "P": "customer's part number",
    "1P": "supplier's part number",
    "2P": "revision",
    "8P": "GTIN",
    "30P": "part number of the distributor",
    "33P": "bin code",
    "K": "purchase order",
    "1K": "supplier's order number",
    "4K": "line of the purchase order",
    "10K": "invoice",
    "11K": "packing list",
    "14K": "purchase order and line",
    "16K": "despatch advice",
    "Q": "quantity",
    "7Q": "quantity and unit",
    "13Q": "number of packages",
    "S": "serial number",
    "3S": "package",
    "4S": "package of one item",
    "5S": "package of several items",
    "1T": "lot",
    "4L": "country of origin",
    "D": "date",
    "6D": "date",
    "9D": "date code",
    "10D": "year and week",
    "14D": "expiry date",
    "16D": "production date",
    "V": "supplier",
    "1V": "manufacturer",
    "1J": "licence plate",
    "2J": "licence plate of a load unit",
    "3J": "licence plate with shipper's data",
    "4J": "licence plate with shipper's data of a load unit",
    "5J": "licence plate of a mixed load",
    "6J": "licence plate of a master load",
    "9N": "pharmacy product number",
}
"""What the data identifiers of goods labels mean. Others are kept all the same."""
_TRANSPORT = ("version and postcode", "country", "service class", "tracking", "carrier")
"""The mandatory fields of format 01, by place."""


@dataclass(frozen=True, slots=True)
class Label:
    """What an ISO 15434 label says, in label order.

    `elements` are pairs of data identifier and value; those of format 05 are GS1 elements, those of
    format 12 have words of three letters, those of format 01 their names. `rest` is what nothing
    explains.
    """

    formats: tuple[str, ...] = ()
    elements: tuple[tuple[str, str], ...] = ()
    rest: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    complete: bool = False
    """Whether header and trailer stand as the norm has them."""
    sound: tuple[tuple[str, str], ...] = ()
    """The elements that can be believed."""


def is_mh10(text: str) -> bool:
    """Whether `text` begins as an ISO 15434 label does."""
    return text.startswith(("[)>", ">[)>"))


def read_mh10(text: str, this_year: int = REFERENCE_YEAR) -> Label:
    """Read an ISO 15434 label, a text for which `is_mh10` holds.

    Never raises. A label that cannot be read has no elements and a problem that says why.
    """
    if GS not in text:
        return Label(
            problems=(
                "its separators are lost: let the scanner send control characters (GS is 1D hex)",
            )
        )
    header = _HEADER.match(text)
    if header is None:
        return Label(problems=("the header of the label is damaged",))
    body, _, behind = text[header.end() :].partition(EOT)
    complete = header[0] == "[)>" + RS and text.endswith(RS + EOT)
    formats: list[str] = []
    elements: list[tuple[str, str]] = []
    sound: list[tuple[str, str]] = []
    rest: list[str] = []
    problems: list[str] = []
    for part in filter(None, body.split(RS)):
        formats.append(part[:2])
        fields = part[2:].split(GS)
        read = _FORMATS.get(part[:2])
        if read is None or fields[0]:
            rest.append(part)
            problems.append(f"format {part[:2]!r} is not read")
            continue
        found = read(fields[1:], this_year)
        elements += found.elements
        sound += found.sound
        rest += found.rest
        problems += found.problems
    if behind:
        problems.append(f"{behind[:SHOWN]!r} stands behind the end of the label")
    values: dict[str, str] = {}
    rivals = {name for name, value in elements if values.setdefault(name, value) != value}
    problems += [f"({name}) stands there twice, with different values" for name in sorted(rivals)]
    return Label(
        tuple(formats),
        tuple(elements),
        tuple(rest),
        tuple(dict.fromkeys(problems)),
        complete,
        tuple(each for each in sound if each[0] not in rivals),
    )


def _data_identifiers(fields: list[str], this_year: int) -> Label:
    return _split(fields, _IDENTIFIER, "data identifier", this_year)


def _text_elements(fields: list[str], this_year: int) -> Label:
    return _split(fields, _TEXT_ELEMENT, "text element identifier", this_year)


def _split(fields: list[str], form: re.Pattern[str], called: str, this_year: int) -> Label:
    matches = [(each, form.fullmatch(each)) for each in fields if each]
    elements = tuple((match[1], match[2]) for _, match in matches if match)
    rest = tuple(each for each, match in matches if match is None)
    problems = [f"no {called} begins {each[:SHOWN]!r}" for each in rest]
    sound = []
    for name, value in elements:
        rule = _RULES.get(name)
        if value and rule and not rule(value, this_year):
            problems.append(f"({name}) {value[:SHOWN]!r} is no {IDENTIFIERS[name]}")
        elif value:
            sound.append((name, value))
    return Label((), elements, rest, tuple(problems), sound=tuple(sound))


def _application_identifiers(fields: list[str], this_year: int) -> Label:
    message = read_elements(GS.join(fields), this_year)
    elements = tuple((element.ai, element.value) for element in message.elements)
    sound = tuple(each for each, of in zip(elements, message.elements, strict=True) if not of.fault)
    return Label((), elements, message.rest, message.problems, sound=sound)


def _transport(fields: list[str], _: int) -> Label:
    named = tuple(zip(_TRANSPORT, fields, strict=False))
    missing = len(fields) < len(_TRANSPORT)
    problems = ("the transport data are not whole",) if missing else ()
    return Label((), named, tuple(fields[len(_TRANSPORT) :]), problems, sound=named)


_FORMATS: dict[str, Callable[[list[str], int], Label]] = {
    "01": _transport,
    "05": _application_identifiers,
    "06": _data_identifiers,
    "12": _text_elements,
}


def day_of(value: str, this_year: int) -> date | None:
    """Return the date of a ``14D``, ``16D`` or ``D`` element, YYYYMMDD or YYMMDD, or None."""
    if len(value) == 8 and is_digits(value) and value[:2] in {"19", "20", "21"}:
        return date_of(value[2:], int(value[:4])) if value[6:] != "00" else None
    return date_of(value, this_year) if len(value) == 6 else None


_RULES: dict[str, Callable[[str, int], bool]] = {
    "Q": lambda value, _: bool(_AMOUNT.fullmatch(value)),
    "7Q": lambda value, _: bool(_AMOUNT_UNIT.fullmatch(value)),
    "4L": lambda value, _: value in COUNTRY_LETTERS or value == "ZZ",
    "8P": lambda value, _: len(value) == 14 and is_digits(value) and gs1_digit_holds(value),
    "10D": lambda value, _: bool(_YEAR_WEEK.fullmatch(value)),
    "14D": lambda value, year: day_of(value, year) is not None,
    "16D": lambda value, year: day_of(value, year) is not None,
}
"""What a value must be to be believed; ZZ is mixed origin."""
