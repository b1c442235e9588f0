"""HIBC labels of health care suppliers: who made what, and its lot, serial number and expiry.

A label is primary data, secondary data, or both joined with ``/``. One check character covers it
all; where it is wrong nothing on the label is sure.

Source: ANSI/HIBC 2.6, The Health Industry Supplier Labeling Standard.

>>> label = read_hibc("+A99912345/$$52001510X3/16D20111212/S77DEFG457")
>>> label.elements
(('labeler', 'A999'), ('product', '1234'), ('unit', '5'), ('expiry', '20015'), ('lot', '10X3'), \
('produced', '20111212'), ('serial', '77DEFG45'))
>>> label.expiry
datetime.date(2020, 1, 15)
"""

import re
from calendar import monthrange
from dataclasses import dataclass, field
from datetime import date, timedelta

from contract.codes.checks import CODE_39, is_digits, mod43_holds
from contract.codes.dates import REFERENCE_YEAR, full_year

MAX_HIBC = 160
"""Characters of one label: the longest primary, secondary and supplements hold fewer than 100."""

_PRIMARY = re.compile(r"([A-Z][0-9A-Z]{3})([0-9A-Z]{1,18})([0-9])")
_FLAGS = re.compile(r"(\$\$?)(\+?)(.*)", re.DOTALL)
_JULIAN = re.compile(r"([0-9]{5})([^/]{0,18})")
_DATES = {"0": 4, "1": 4, "2": 6, "3": 6, "4": 8, "5": 5, "6": 7, "7": 0}
"""Digits of the date, by the digit that announces it; 0 and 1 are the first digit of the month."""
_QUANTITIES = {"8": 2, "9": 5}
_SUPPLEMENT = re.compile(r"(14D|16D|S|Q)(.+)", re.DOTALL)
_SUPPLEMENTS = {"14D": "expiry", "16D": "produced", "S": "serial", "Q": "quantity"}
_LONGEST_LOT = 18


@dataclass(frozen=True, slots=True)
class Label:
    """What a HIBC label says: elements in label order, dates resolved, problems as sentences."""

    elements: tuple[tuple[str, str], ...]
    check_ok: bool
    problems: tuple[str, ...] = ()
    sound: tuple[tuple[str, str], ...] = ()
    """The elements that can be believed; none where the check character is wrong."""
    expiry: date | None = None
    produced: date | None = None


@dataclass(slots=True)
class _Reading:
    this_year: int
    elements: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    faulty: set[str] = field(default_factory=set)
    dates: dict[str, date] = field(default_factory=dict)

    def add(self, name: str, value: str, fault: str | None = None) -> None:
        if any(name == known for known, _ in self.elements):
            fault = f"the {name} stands there twice"
        self.elements.append((name, value))
        if fault:
            self.problems.append(fault)
            self.faulty.add(name)

    def add_date(self, name: str, digits: str, announced: str) -> None:
        day = _day(digits, announced, self.this_year)
        self.add(name, digits, None if day else f"{digits[:40]!r} is no date")
        if day:
            self.dates[name] = day


def read_hibc(text: str, this_year: int = REFERENCE_YEAR) -> Label | None:
    """Read a HIBC supplier label, or return None for a text that is none.

    Args:
        text: as scanned; the asterisks of Code 39 may be left on.
        this_year: decides on the century of two-digit years.

    Never raises. A check character that is wrong is told in `Label.problems`.
    """
    if len(text) > MAX_HIBC:
        return None
    if len(text) > 2 and text[0] == text[-1] == "*":
        text = text[1:-1]
    if text[:1] != "+" or len(text) < 4 or not {*text} <= {*CODE_39}:
        return None
    # A space can be the check character; it can also be something that a scanner put behind.
    if text[-1] == " ":
        bare = text.rstrip(" ")
        text = bare if len(bare) > 3 and mod43_holds(bare) else f"{bare} "
    holds = mod43_holds(text)
    body = text[1:-1]
    if body[0] == "/":
        provider = "it is a HIBC label of a care provider; only those of suppliers are read"
        return Label((), True, (provider,)) if holds else None
    reading = _Reading(this_year)
    if not _read(body, reading):
        return None
    if not holds:
        if is_digits(body[0]):
            return None  # digits behind a plus sign may be anything
        reading.problems.insert(0, "the check character is wrong")
    problems = tuple(dict.fromkeys(reading.problems))
    if not holds:
        return Label(tuple(reading.elements), False, problems)
    sound = tuple(each for each in reading.elements if each[0] not in reading.faulty)
    days = {name: reading.dates.get(name) for name, _ in sound}
    return Label(
        tuple(reading.elements), True, problems, sound, days.get("expiry"), days.get("produced")
    )


def _read(body: str, reading: _Reading) -> bool:
    """Read all between plus sign and check character; return whether it has the form of HIBC."""
    link = None
    if body[0] == "$" or (is_digits(body[:5]) and len(body) > 5):
        body, link = body[:-1], body[-1]
    first, *parts = body.split("/")
    primary = _PRIMARY.fullmatch(first)
    if link is not None:
        parts.insert(0, first)
    elif primary:
        for name, value in zip(("labeler", "product", "unit"), primary.groups(), strict=True):
            reading.add(name, value)
    else:
        return False
    for at, part in enumerate(parts):
        _part(part, at == 0, reading)
    if link is not None:
        reading.add("link", link)
    return True


def _part(part: str, first: bool, reading: _Reading) -> None:
    flags, julian = _FLAGS.fullmatch(part), _JULIAN.fullmatch(part)
    supplement = _SUPPLEMENT.fullmatch(part)
    if flags:
        doubled, plus, rest = flags.groups()
        if doubled == "$$":
            rest = _counted(rest, reading)
        _lot("serial" if plus else "lot", rest, reading)
    elif first and julian:
        reading.add_date("expiry", julian[1], "5")
        _lot("lot", julian[2], reading)
    elif supplement:
        name = _SUPPLEMENTS[supplement[1]]
        if name in {"expiry", "produced"}:
            reading.add_date(name, supplement[2], "day")
        elif name == "quantity":
            _quantity(supplement[2], reading)
        else:
            reading.add(name, supplement[2])
    else:
        reading.problems.append(f"{part[:40]!r} is no part of a HIBC label")


def _counted(rest: str, reading: _Reading) -> str:
    """Read quantity and date behind ``$$``; return the lot or serial number that is left."""
    digits = _QUANTITIES.get(rest[:1])
    if digits:
        _quantity(rest[1 : 1 + digits], reading, digits)
        rest = rest[1 + digits :]
        if not rest:
            return ""
    announced = rest[:1]
    length = _DATES.get(announced)
    if length is None:
        reading.problems.append(f"{announced!r} announces no date format")
        return rest
    start = 0 if length == 4 else 1
    if length:
        reading.add_date("expiry", rest[start : start + length], announced)
    return rest[start + length :]


def _quantity(digits: str, reading: _Reading, length: int = 0) -> None:
    sound = is_digits(digits) and len(digits) <= 9 and length in {0, len(digits)}
    reading.add("quantity", digits, None if sound else f"{digits[:40]!r} is no quantity")


def _lot(name: str, value: str, reading: _Reading) -> None:
    if value:
        long = len(value) > _LONGEST_LOT
        reading.add(name, value, f"the {name} has {len(value)} characters" if long else None)


def _day(digits: str, announced: str, this_year: int) -> date | None:
    """Return the date that `digits` are in the announced format; a month means its last day."""
    if not is_digits(digits) or len(digits) != _DATES.get(announced, 8):
        return None
    if announced in {"5", "6"}:
        year, days = full_year(int(digits[:2]), this_year), int(digits[2:5])
        last = date(year, 12, 31).timetuple().tm_yday
        hour = int(digits[5:] or 0)
        return date(year, 1, 1) + timedelta(days - 1) if 1 <= days <= last and hour < 24 else None
    if announced in {"0", "1"}:
        year, month, day, hour = full_year(int(digits[2:]), this_year), int(digits[:2]), 0, 0
    elif announced == "2":
        year, month, day = full_year(int(digits[4:]), this_year), int(digits[:2]), int(digits[2:4])
        hour = 0
    elif announced == "day":
        year, month, day, hour = int(digits[:4]), int(digits[4:6]), int(digits[6:]), 0
    else:
        year, month, day = full_year(int(digits[:2]), this_year), int(digits[2:4]), int(digits[4:6])
        hour = int(digits[6:] or 0)
    if not (1 <= month <= 12 and 1900 <= year <= 2199 and hour < 24):
        return None
    last = monthrange(year, month)[1]
    if announced in {"0", "1"}:
        day = last
    return date(year, month, day) if 1 <= day <= last else None
