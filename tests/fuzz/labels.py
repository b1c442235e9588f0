"""Labels nobody printed: half right, cut, doubled and mixed, for every kind of code."""

import json
import random
from collections.abc import Callable
from dataclasses import fields
from datetime import date
from typing import Any

from contract.codes.checks import CODE_39, gs1_digit
from contract.identifiers import Identifier, InStoreLayout, Rules, identify
from tests.drivers.records import FOLDER

TODAY = date(2026, 11, 23)
GS, RS, EOT = "\x1d", "\x1e", "\x04"

Source = Callable[[random.Random], str]

ALPHANUMERIC = CODE_39[:36]
AIS = [
    "00", "01", "02", "10", "11", "15", "17", "21", "30", "37", "3103", "3922", "3932", "400",
    "410", "414", "420", "7003", "8003", "8008", "91", "96", "99",
]  # fmt: skip
DIS = [
    "P", "1P", "30P", "K", "1K", "Q", "S", "1T", "4L", "9D", "10D", "14D", "16D", "D", "7Q", "13Q",
    "1J", "5J", "6J", "8P", "9N", "3S", "4S", "1V",
]  # fmt: skip


def some(r: random.Random, characters: str, least: int, most: int) -> str:
    return "".join(r.choices(characters, k=r.randint(least, most)))


def digits(r: random.Random, least: int, most: int) -> str:
    return some(r, "0123456789", least, most)


def checked(r: random.Random, length: int) -> str:
    payload = digits(r, length - 1, length - 1)
    return payload + (gs1_digit(payload) if r.random() < 0.8 else digits(r, 1, 1))


def value(r: random.Random) -> str:
    return r.choice(
        [
            digits(r, 0, 22),
            checked(r, r.choice([8, 12, 13, 14, 18])),
            some(r, ALPHANUMERIC, 0, 24),
            f"{r.randint(0, 99):02}{r.randint(0, 13):02}{r.randint(0, 32):02}",
            some(r, "ab%()/\\\x1d\u0661é", 0, 6),
        ]
    )


def element_string(r: random.Random) -> str:
    ends = ["", GS, GS + GS]
    parts = [r.choice(AIS) + value(r) + r.choice(ends) for _ in range(r.randint(1, 6))]
    return r.choice(["]C1", "]d2", "]Q3", "", GS]) + "".join(parts)


def brackets(r: random.Random) -> str:
    return "".join(f"({r.choice(AIS)}){value(r)}" for _ in range(r.randint(1, 6)))


def digital_link(r: random.Random) -> str:
    words = [*AIS, "gtin", "lot", "ser", "cpv", "sscc", "party", "stem"]
    path = "/".join(f"{r.choice(words)}/{value(r)}" for _ in range(r.randint(0, 4)))
    tail = some(r, ALPHANUMERIC + "abcdef-_", 0, 40)
    query = "&".join(f"{r.choice(words)}={value(r)}" for _ in range(r.randint(0, 3)))
    scheme = r.choice(["https", "HTTPS", "http", "Https"])
    return f"{scheme}://a.example/{path}{r.choice(['', '/'])}{tail}?{query}"


def retail(r: random.Random) -> str:
    front = r.choice(["]E0", "]E3", "]E4", "]E1", "]I1", "]A0", ""])
    length = r.choice([8, 12, 13, 14])
    start = r.choice(["", "2", "02", "977", "978", "979", "21", "28"])
    payload = (start + digits(r, length, length))[: length - 1]
    behind = r.choice(["", digits(r, 2, 2), digits(r, 5, 5), "]E1" + digits(r, 2, 2), "|]e010A"])
    return front + payload + gs1_digit(payload) + behind


def book(r: random.Random) -> str:
    front = r.choice(["ISBN ", "ISSN ", "ISMN ", "ISBN-10: ", "M-", ""])
    return front + some(r, "0123456789X- ", 0, 20)


def hibc(r: random.Random) -> str:
    primary = some(r, "ABCDEF", 1, 1) + some(r, ALPHANUMERIC, 3, 22) + digits(r, 0, 1)
    flag = r.choice(["$", "$+", "$$", "$$+", "", "14D", "16D", "S", "Q"])
    parts = [
        flag + r.choice(["", "8", "9"]) + digits(r, 0, 14) + some(r, CODE_39, 0, 20)
        for _ in range(r.randint(0, 4))
    ]
    text = "+" + "/".join([primary, *parts] if r.random() < 0.7 else parts)
    if r.random() < 0.8:
        text += CODE_39[sum(map(CODE_39.index, text)) % 43]
    return r.choice([text, text, f"*{text}*", text + " "])


def mh10(r: random.Random) -> str:
    names = {"05": AIS, "06": DIS, "12": ["SER ", "PNR ", "LOT "], "01": ["96", "840"]}
    formats = []
    for _ in range(r.randint(1, 3)):
        kind = r.choice(["06", "06", "05", "12", "01", "07"])
        known = names.get(kind, [""])
        said = GS.join(r.choice(known) + value(r) for _ in range(r.randint(0, 8)))
        formats.append(kind + r.choice([GS, GS, ""]) + said)
    header = r.choice(["[)>" + RS, "[)>" + RS, "[)>", ">[)>"])
    return header + RS.join(formats) + r.choice([RS + EOT, RS, "", EOT, EOT + "X"])


def parcel(r: random.Random) -> str:
    form = r.choice(
        [
            "1Z" + some(r, ALPHANUMERIC, 15, 17),
            r.choice(["TBA", "C10", "JJD", "JD", "GM", "GFUS", "LTN", "LX1", "1LS7", "SP", "YT"])
            + digits(r, 6, 22),
            some(r, "ABCDEFGHR", 1, 3) + digits(r, 8, 22) + r.choice(["", "US", "DE", "N1"]),
            r.choice(["420", "42090245", ""])
            + r.choice(["92", "94", "95", "96", ""])
            + checked(r, r.choice([10, 12, 14, 15, 16, 18, 20, 22, 26])),
            digits(r, 9, 35),
            some(r, ALPHANUMERIC, 27, 29),
        ]
    )
    return r.choice(["", "", "]C0", "]C1", "]I1"]) + (" ".join(form) if r.random() < 0.1 else form)


def card(r: random.Random) -> str:
    front = r.choice(["LOC:", "OP:", "PO:", "QTY:", "MODE:", "REASON:", "CMD:", "CMD:DONE-", ""])
    return front + some(r, ALPHANUMERIC + ":-. é\x00", 0, 140)


FAMILIES: dict[str, Source] = {
    each.__name__: each
    for each in (
        element_string, brackets, digital_link, retail, book, hibc, mh10, parcel, card,
    )
}  # fmt: skip


def printed(r: random.Random) -> str:
    """A label that somebody printed, most of them samples of other people's tests."""
    return r.choice(_PRINTED)


_PRINTED = [
    bytes.fromhex(json.loads(line)["hex"]).decode("latin-1")
    for path in sorted(FOLDER.parent.glob("barcodes*.jsonl"))
    for line in path.read_text().splitlines()
]
FAMILIES["printed"] = printed


def spoilt(r: random.Random, text: str) -> str:
    """Do to a label what wires and people do: cut it, double a piece, change a character."""
    at, to = sorted((r.randint(0, len(text)), r.randint(0, len(text))))
    return r.choice(
        [
            text[:at],
            text[at:],
            text[:at] + text[to:],
            text[:to] + text[at:],
            text[:at] + chr(r.choice([r.randint(0, 127), r.randint(0, 0x2FF)])) + text[at + 1 :],
        ]
    )


LAYOUT = InStoreLayout(pattern="21IIIIICVVVV", holds="price", decimals=2)
RULES = (
    Rules(),
    Rules(in_store_country="de", in_store=(LAYOUT,), separators="dropped"),
    Rules(in_store_country="se", carriers=("ups",), gtin_in_plain_codes=False),
)


def size(found: Any) -> int:
    """Characters of all that was found."""
    if isinstance(found, tuple):
        return sum(map(size, found)) + len(found)
    return len(str(found))


def judge(found: Identifier, text: str) -> None:
    assert len(found.problems) <= 4 * len(text) + 4
    for field in fields(found):
        assert size(getattr(found, field.name)) <= 400 * len(text) + 2000, field.name
    assert isinstance(hash(found), int)


def label(family: str) -> Callable[[random.Random], None]:
    """Return what tries one label of a family, half of them spoilt."""
    make = FAMILIES[family]

    def one(r: random.Random) -> None:
        text = make(r)
        if r.random() < 0.5:
            text = spoilt(r, text)
        data = text.encode(r.choice(["utf-8", "latin-1"]), "replace")
        judge(identify(data, r.choice([None, None, "]C0"]), r.choice(RULES), TODAY), text)

    return one
