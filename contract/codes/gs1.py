"""GS1 element strings: pairs of an application identifier (AI) and a value, one after the other.

Cutting the string into elements is done here and not by a library, so that one wrong element loses
none of the others, no hidden clock decides on a century, and the time a hostile label takes grows
no faster than its length.

Source: GS1 General Specifications 7.8 (FNC1, predefined lengths) and 7.11 (characters).

>>> message = read_elements("0105901234123457" + "10LOT7" + GS + "17260200")
>>> [(element.ai, element.value) for element in message.elements]
[('01', '05901234123457'), ('10', 'LOT7'), ('17', '260200')]
>>> read_elements("17260230" + "10LOT7").problems
('(17) 260230 is no date',)
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from contract.codes.checks import is_digits
from contract.codes.dates import REFERENCE_YEAR
from contract.codes.gs1_content import content_fault
from contract.codes.gs1_dictionary import look_up

GS = "\x1d"
"""FNC1 inside data, as scanners send it."""
SHOWN = 40
"""Characters of a value that a problem repeats: enough to find it on the label."""

_PREDEFINED = {
    "00": 20, "01": 16, "02": 16, "03": 16, "04": 18, "11": 8, "12": 8, "13": 8, "14": 8, "15": 8,
    "16": 8, "17": 8, "18": 8, "19": 8, "20": 4, "31": 10, "32": 10, "33": 10, "34": 10, "35": 10,
    "36": 10, "41": 16,
}  # fmt: skip
"""Length, AI included, by the first two digits. Normative and closed: it can never grow."""

_THREE_DIGITS = frozenset({"23", "24", "25", "40", "41", "42", "71"})
_FOUR_DIGITS = frozenset(
    {"31", "32", "33", "34", "35", "36", "39", "43", "70", "72", "80", "81", "82"}
)

_CHARACTERS = {
    "N": "[0-9]",
    "X": '[!-"%-?A-Z_a-z]',
    "Y": "[#/0-9A-Z-]",
    "Z": "[-0-9A-Z_a-z]",
    "-": "-",
}
_PART = re.compile(r"(\[?)\+?(\[?)([NXYZ-])([0-9]*)(?:\.\.N?([0-9]+))?\]?")
_BRACKET = re.compile(r"(?<!\\)\(([0-9]{2,4})\)")

_EXCLUSIVE = {
    "01": {"02", "37", "255", "8006"},
    "21": {"235"},
    "255": {"02", "415", "8006", "8020", "8026"},
    "390": {"391", "394", "8111"},
    "392": {"393", "395"},
    "393": {"395"},
    "394": {"8111"},
    "395": {"8005"},
    "420": {"421"},
    "421": {"4307"},
    "426": {"422", "423", "424", "425"},
    "4330": {"4331"},
    "4332": {"4333"},
    "8006": {"37", "8026"},
    "8017": {"8018"},
    "8026": {"02"},
}
"""AIs (or families of them) that may not stand in one message. Source: GS1 Syntax Dictionary."""


class Element(NamedTuple):
    """One AI and its value, as the label has it. `fault` says what is wrong with the value."""

    ai: str
    value: str
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """All elements in label order, the pieces no AI explains, and every problem as a sentence."""

    elements: tuple[Element, ...]
    rest: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    this_year: int = REFERENCE_YEAR
    """By which the dates were judged."""


@dataclass(frozen=True, slots=True)
class Definition:
    """What the dictionary says of one AI."""

    ai: str
    title: str
    form: str
    """Such as ``N6`` or ``X..20``."""
    pattern: re.Pattern[str]
    longest: int
    fixed: bool
    """Of one length, whatever it holds."""


def definition_of(text: str) -> Definition | None:
    """Return the definition of the AI that `text` begins with, or None if there is none.

    >>> definition_of("10LOT7").form
    'X..20'
    """
    digits = text[: _ai_length(text)]
    return _definition(digits) if is_digits(digits) else None


def _ai_length(text: str) -> int:
    head = text[:2]
    return 3 if head in _THREE_DIGITS else 4 if head in _FOUR_DIGITS else 2


# All AIs there are fit; a hostile label can only make it look one up anew.
@lru_cache(maxsize=1024)
def _definition(ai: str) -> Definition | None:
    known = look_up(ai)
    if known is None:
        return None
    form, title = known
    pattern, longest, fixed = "", 0, True
    for outer, inner, kind, least, most in _PART.findall(form):
        optional = bool(outer or inner)
        low, high = int(least or 1), int(most or least or 1)
        low = 1 if most and not least else low
        part = f"{_CHARACTERS[kind]}{{{low},{high}}}"
        pattern += f"(?:{part})?" if optional else part
        longest += high
        fixed = fixed and low == high and not optional
    return Definition(ai, title, form, re.compile(pattern), longest, fixed)


def read_elements(text: str, this_year: int = REFERENCE_YEAR) -> Message:
    """Read an element string, with or without the leading FNC1.

    Args:
        text: as scanned, GS (1D hex) for FNC1; one at either end or two in a row do no harm.
        this_year: decides on the century of dates.

    Never raises. What begins with no known AI goes to `Message.rest` up to the next GS.
    """
    elements: list[Element] = []
    rest: list[str] = []
    problems: list[str] = []
    for field in text.split(GS):
        left = field
        while left:
            element, used = _next(left, this_year)
            if element is None:
                rest.append(left)
                problems.append(f"no application identifier begins {left[:SHOWN]!r}")
                break
            elements.append(element)
            left = left[used:]
            if left and element.ai[:2] not in _PREDEFINED:
                problems.append(f"the separator after ({element.ai}) is missing")
    return _message(elements, rest, problems, this_year)


def glued(message: Message) -> str | None:
    """Say why the last value may hold more elements, if separators get lost; None if it cannot.

    Whether they do is for who knows the scanner: ``10ABC21XYZ`` is a good lot number too.

    Args:
        message: of an element string without any separator in it.

    >>> glued(read_elements("10ABC21XYZ"))
    '(10) may hold (21) too: no separator came'
    >>> glued(read_elements("10ABC"))
    """
    last = message.elements[-1] if message.elements else None
    known = definition_of(last.ai) if last else None
    if last is None or known is None or known.fixed or last.fault:
        return None
    present = {element.ai for element in message.elements}
    for at in range(1, len(last.value)):
        behind = read_elements(last.value[at:], message.this_year)
        inner = {element.ai for element in behind.elements}
        if inner and not behind.problems and not inner & present:
            return f"({last.ai}) may hold ({behind.elements[0].ai}) too: no separator came"
    return None


def read_brackets(text: str, this_year: int = REFERENCE_YEAR) -> Message | None:
    r"""Read the form people read and type, ``(01)05901234123457(10)LOT7``, or None if it is not.

    An opening bracket that belongs to a value and looks like an AI is written ``\(``.
    """
    if not _BRACKET.match(text):
        return None
    parts = _BRACKET.split(text)
    values = (value.replace("\\(", "(") for value in parts[2::2])
    pairs = list(zip(parts[1::2], values, strict=True))
    return read_pairs(pairs, this_year)


def read_pairs(pairs: list[tuple[str, str]], this_year: int = REFERENCE_YEAR) -> Message:
    """Judge pairs of AI and value that something else has already cut apart."""
    elements = [Element(ai, value, _fault(ai, value, this_year)) for ai, value in pairs]
    return _message(elements, [], [], this_year)


def _next(text: str, this_year: int) -> tuple[Element | None, int]:
    """Return the first element of `text`, which holds no GS, and the characters it takes."""
    length = _PREDEFINED.get(text[:2])
    known = definition_of(text)
    ai = text[: _ai_length(text)]
    if known is None and (length is None or not is_digits(ai)):
        return None, 0
    used = length or len(text)
    value = text[len(ai) : used]
    if known and known.fixed and length is None and len(value) > known.longest:
        head, tail = value[: known.longest], value[known.longest :]
        if known.pattern.fullmatch(head) and definition_of(tail):
            value, used = head, len(ai) + known.longest
    return Element(ai, value, _fault(ai, value, this_year)), used


def _fault(ai: str, value: str, this_year: int) -> str | None:
    known = definition_of(ai)
    if known is None or known.ai != ai:
        return "is no known application identifier"
    if known.pattern.fullmatch(value):
        return content_fault(ai, value, this_year)
    if not value:
        return "is empty"
    if len(value) > known.longest:
        doubt = "" if ai[:2] in _PREDEFINED else "; is a separator missing?"
        return f"has {len(value)} characters, its form is {known.form}{doubt}"
    return f"{value[:SHOWN]!r} does not fit its form {known.form}"


def _message(
    elements: list[Element], rest: list[str], problems: list[str], this_year: int
) -> Message:
    found = [f"({element.ai}) {element.fault}" for element in elements if element.fault]
    values: dict[str, str] = {}
    families: dict[str, str] = {}
    for element in elements:
        if values.setdefault(element.ai, element.value) != element.value:
            found.append(f"({element.ai}) stands there twice, with different values")
        other = families.setdefault(_family(element.ai), element.ai)
        if other != element.ai:
            found.append(f"({other}) and ({element.ai}) exclude each other")
    for family, ai in families.items():
        clashes = _EXCLUSIVE.get(family, set()) & families.keys()
        found.extend(
            f"({ai}) and ({families[clash]}) exclude each other" for clash in sorted(clashes)
        )
    return Message(tuple(elements), tuple(rest), tuple(dict.fromkeys(found + problems)), this_year)


def _family(ai: str) -> str:
    return ai[:3] if ai[0] == "3" and len(ai) == 4 else ai
