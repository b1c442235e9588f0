"""Compressed GS1 Digital Links: the end of the address is a number in base 64, made of bits.

Eight bits are the first two digits of an AI, of which some need one or two more (four bits each);
with a letter in it they stand for several AIs at once. Each value follows as its AI says: digits of
a fixed number as one binary number, other digits behind their count, text behind a way of writing
(digits, hexadecimal, base 64, ASCII) and its count. A letter F begins a parameter of the resolver's
own. The last character is filled up with zeros. Where the key stands readable in the path, only
what qualifies it is compressed.

Of two combinations (1A and 9D) programs disagree in which order the values stand. Such links, and
those with AIs that are newer than the tables here, are told from other addresses but not read.

Source: GS1 Digital Link Standard 1.1, chapter 7; the tables of GS1's own toolkit
(gs1/GS1DigitalLinkToolkit.js).

>>> expanded("https://example.com/AQnYUc1gmiCNV4JG")
[('01', '05412345000013'), ('10', 'ABC123')]
>>> expanded("https://example.com/01/05412345000013/EEarwSM")
[('01', '05412345000013'), ('10', 'ABC123')]
>>> expanded("https://example.com/departments") is None
True
"""

import math
import re
from urllib.parse import unquote

from contract.codes.checks import gs1_digit_holds

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}
_LAST = re.compile(
    r"[A-Za-z]{4,5}://[^/?#]+/(?:[^?#]*/)?([0-9A-Za-z_-]{6,300})/?(?:[?#].*)?", re.DOTALL
)
_KEY_BEFORE = re.compile(r"/([0-9]{2,4})/([^/?#]+)/[0-9A-Za-z_-]{6,300}/?(?:[?#].*)?", re.DOTALL)
_LONGEST = 1000
_DIGITS = {"00": 18, "01": 14, "25": 13, "41": 13}
"""Digits of the numeric keys, by the two digits of the AI that come first."""


def _formats() -> dict[str, str]:
    """Return the tables: AI to its parts, N or X and a number, which is the most behind a dot."""
    table = {
        "N18": "00 8006 8017 8018 8026", "N17": "402", "N14": "01 02 8001",
        "N13": "410 411 412 413 414 415 416 417 7001", "N10": "7003 4324 4325",
        "N6": "11 12 13 15 16 17 4326 7006 8005", "N4": "3940 3941 3942 3943 8111",
        "N3": "422 424 426", "N2": "20", "N1": "4321 4322 4323",
        "N.15": " ".join(f"390{n} 392{n}" for n in range(10)), "N.12": "8011", "N.10": "8019",
        "N.8": "30 37", "N.6": "242", "N.4": "7004",
        "N3 N.15": " ".join(f"391{n} 393{n}" for n in range(10)),
        "N13 X.17": "253", "N13 N.12": "255", "N14 X.16": "8003", "N3 X.9": "421",
        "N3 N.12": "423 425", "N6 N.6": "7007", "N8 N.4": "8008", "N1 X3": "7040",
        "N3 X.27": " ".join(f"703{n}" for n in range(10)),
        "X.90": " ".join(f"{n}" for n in range(91, 100)),
        "X.70": "4302 4303 4304 4305 4306 4312 4313 4314 4315 4316 8110 8112 8200",
        "X.50": "8009", "X.35": "4300 4301 4310 4311 4320",
        "X.30": "240 241 250 251 400 401 403 4308 4319 7002 7023 8004 8010 8013 90 "
        + " ".join(f"723{n}" for n in range(10)),
        "X.28": "235", "X.25": "8020", "X.24": "8007",
        "X.20": "10 21 22 243 254 420 4318 7020 7021 7022 710 711 712 713 714 7240 8002 8012",
        "X.12": "7005", "X.10": "7009", "X.3": "427 7008", "X.2": "7010", "X2": "4307 4317",
    }  # fmt: skip
    formats = {ai: form for form, ais in table.items() for ai in ais.split()}
    measures = (*range(310, 317), *range(320, 338), *range(340, 358), *range(360, 370))
    formats |= {f"{ai}{n}": "N6" for ai in measures for n in range(6)}
    return formats | {f"395{n}": "N6" for n in range(10)}


_FORMATS = _formats()
_AI_LENGTHS = {ai[:2]: len(ai) for ai in _FORMATS}
_SEVERAL: dict[str, tuple[str, ...]] = {
    "0A": ("01", "22"), "0B": ("01", "10"), "0C": ("01", "21"), "0D": ("01", "17"),
    "0E": ("01", "7003"), "0F": ("01", "30"),
    "1B": ("01", "15"), "1C": ("01", "11"), "1D": ("01", "16"), "1E": ("01", "91"),
    "1F": ("01", "10", "15"),
    **{f"2{letter}": ("01", f"310{n}") for n, letter in enumerate("ABCDEF")},
    **{f"3{letter}": ("01", f"320{n}") for n, letter in enumerate("ABCDEF")},
    "9A": ("8010", "8011"), "9B": ("8017", "8019"), "9C": ("8018", "8019"),
    **{f"A{n}": ("01", f"392{n}") for n in range(10)},
    **{f"C{n}": ("255", f"390{n}") for n in range(10)},
    **{f"C{letter}": ("255", f"394{n}") for n, letter in enumerate("ABCD")},
}  # fmt: skip
"""What a byte with a letter in it stands for."""
_WAYS = {1: "0123456789abcdef", 2: "0123456789ABCDEF", 3: _ALPHABET, 4: bytes(range(128)).decode()}
"""Of text: a character of each is as many bits as count it; 0 is digits as one number."""


class _NotCompressed(Exception):
    """The bits mean nothing."""


class _Bits:
    """Bits that are read once, from the left."""

    def __init__(self, text: str) -> None:
        self._rest = "".join(f"{_VALUES[character]:06b}" for character in text)

    def ended(self) -> bool:
        """Whether only what fills up the last character is left."""
        return len(self._rest) < 6 and "1" not in self._rest

    def number(self, width: int) -> int:
        if len(self._rest) < width:
            raise _NotCompressed
        number, self._rest = int(self._rest[:width] or "0", 2), self._rest[width:]
        return number

    def digits(self, count: int) -> str:
        """Return `count` digits that were written as one number; none are one bit."""
        said = str(self.number(math.ceil(count * math.log2(10) + 0.01)))
        if len(said) > max(count, 1) or (count == 0 and said != "0"):
            raise _NotCompressed
        return said.zfill(count) if count else ""

    def text(self, way: int, count: int) -> str:
        if way == 0:
            return self.digits(count)
        if way not in _WAYS:
            raise _NotCompressed
        signs = _WAYS[way]
        return "".join(signs[self.number(len(signs).bit_length() - 1)] for _ in range(count))

    def part(self, form: str) -> str:
        """Return one part of a value: ``N6``, ``N.8``, ``X2`` or ``X.20``."""
        way = self.number(3) if form[0] == "X" else 0
        most = int(form[1:].lstrip("."))
        count = self.number(most.bit_length()) if "." in form else most
        if count > most:
            raise _NotCompressed
        return self.text(way, count)

    def value(self, ai: str) -> tuple[str, str]:
        if ai not in _FORMATS:
            raise _NotCompressed
        return ai, "".join(self.part(form) for form in _FORMATS[ai].split())

    def pairs(self) -> list[tuple[str, str]]:
        """Return the next AI with its value, several at once, or none for a parameter."""
        first = f"{self.number(4):X}"
        if first == "F":
            # A key of the resolver's own: its length, the key in base 64, and its value.
            self.text(3, self.number(7))
            way = self.number(3)
            self.text(way, self.number(7))
            return []
        head = f"{first}{self.number(4):X}"
        if not head.isdigit():
            return [self.value(ai) for ai in _SEVERAL.get(head, ("none",))]
        more = _AI_LENGTHS.get(head, 0) - 2
        return [self.value(head + "".join(f"{self.number(4):X}" for _ in range(more)))]


def expanded(text: str) -> list[tuple[str, str]] | None:
    """Return the AIs and values of a compressed link, in its order; None if it is none.

    Whether they are right and belong together is not looked at. Never raises.
    """
    found = _LAST.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        return None
    before = _KEY_BEFORE.search(text)
    pairs = [(before[1], unquote(before[2]))] if before else []
    bits = _Bits(found[1])
    try:
        while not bits.ended():
            pairs += bits.pairs()
    except _NotCompressed:
        return None
    return pairs or None


def is_compressed(text: str) -> bool:
    """Whether a web address begins as a GS1 Digital Link in its compressed form. Never raises.

    Where its first bits name a GTIN or another key whose check digit is right, it is no accident.
    """
    found = _LAST.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        return False
    bits = "".join(f"{_VALUES[character]:06b}" for character in found[1][:14])
    key = f"{int(bits[:4], 2):X}{int(bits[4:8], 2):X}"
    # A letter in it stands for several AIs at once, nearly all of which begin with a GTIN.
    digits = _DIGITS.get(key) if key.isdigit() else 14
    if digits is None:
        return False
    width = (10**digits - 1).bit_length()
    start = 12 if key in {"25", "41"} else 8  # a third digit tells 253 from 255, 414 from 417
    if len(bits) < start + width:
        return False
    value = f"{int(bits[start : start + width], 2):0{digits}}"
    return len(value) == digits and gs1_digit_holds(value)
