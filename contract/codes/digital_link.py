"""GS1 Digital Link: a web address that holds a key and its elements. It is read, never fetched.

Links of any host are read, compressed ones too. Source: GS1 Digital Link Standard, URI Syntax 1.2
to 1.6.

>>> link = read_link("https://id.example.com/some/stem/01/614141123452/10/A%2F1?17=260200")
>>> link.pairs
[('01', '00614141123452'), ('10', 'A/1'), ('17', '260200')]
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import unquote

from contract.codes.checks import is_digits
from contract.codes.compressed_link import expanded
from contract.codes.gs1 import definition_of
from contract.codes.gtin import LENGTHS

_QUALIFIERS: dict[str, tuple[tuple[str, ...], ...]] = {
    **dict.fromkeys(("00", "253", "255", "401", "402", "8003", "8013"), ()),
    "01": (("22", "10", "21"), ("235",)),
    "8006": (("22", "10", "21"),),
    "414": (("254",), ("7040",)),
    "415": (("8020",),),
    "417": (("7040",),),
    "8004": (("7040",),),
    "8010": (("8011",),),
    **dict.fromkeys(("8017", "8018"), (("8019",),)),
}
"""Key to the qualifiers that may follow it in the path, in this order."""
_NAMES = {
    "gtin": "01", "itip": "8006", "cpid": "8010", "gln": "414", "party": "417", "gsrnp": "8017",
    "gsrn": "8018", "gcn": "255", "sscc": "00", "gdti": "253", "ginc": "401", "gsin": "402",
    "grai": "8003", "giai": "8004", "gmn": "8013", "cpv": "22", "lot": "10", "ser": "21",
    "cpsn": "8011", "glnx": "254", "refno": "8020", "srin": "8019",
}  # fmt: skip
"""Words that 1.0 to 1.2 allowed in place of AIs, in the path."""
_ALL_QUALIFIERS = frozenset(ai for ways in _QUALIFIERS.values() for way in ways for ai in way)

_URI = re.compile(
    r"(?:https?|HTTPS?)://[0-9A-Za-z.:\[\]-]+"
    r"(?P<path>/[!$&'()*+,;=:@%/._~0-9A-Za-z\[\]-]*)"
    r"(?:\?(?P<query>[!$&'()*+,;=:@%/?._~0-9A-Za-z\[\]-]*))?(?:#.*)?"
)
_BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Link:
    """Key, qualifiers and attributes in the order of the address, and what is wrong with it."""

    pairs: list[tuple[str, str]]
    problems: list[str] = field(default_factory=list)


def is_web_address(text: str) -> bool:
    """Whether `text` is an http or https address at all."""
    return text[:8].lower().startswith(("http://", "https://"))


def read_link(text: str) -> Link | None:
    """Read a Digital Link, or return None for a web address that is none.

    A GTIN of 8, 12 or 13 digits and words such as ``gtin`` and ``ser``, as links up to 1.2 have
    them, come back as 14 digits and as AIs. Never raises.
    """
    match = _URI.fullmatch(text)
    if match is None:
        return None
    segments = match["path"].split("/")
    at = _key_position(segments)
    if at is None:
        return None
    names, values = segments[at::2], segments[at + 1 :: 2]
    path = [(_ai(name), unquote(value)) for name, value in zip(names, values, strict=True)]
    key, qualifiers = path[0][0], [ai for ai, _ in path[1:]]
    if names[0] in _NAMES and not _fits(key, path[0][1]):
        return None  # /party/ and /lot/ are words of other addresses too
    problems = ["the percent encoding is broken"] if _BROKEN.search(text) else []
    if qualifiers and not any(_in_order(qualifiers, way) for way in _QUALIFIERS[key]):
        problems.append(f"({key}) may not be followed by ({')('.join(qualifiers)})")
    attributes = _attributes(match["query"] or "")
    counts = Counter(ai for ai, _ in path + attributes)
    problems += [f"({ai}) stands there twice" for ai, count in counts.items() if count > 1]
    problems += [
        f"({ai}) belongs into the path"
        for ai, _ in attributes
        if any(ai in way and {*qualifiers} <= {*way} for way in _QUALIFIERS[key])
    ]
    return Link([(ai, _padded(ai, value)) for ai, value in path + attributes], problems)


def read_compressed(text: str) -> Link | None:
    """Read a compressed Digital Link, or return None for a web address that is none.

    It has one key. Key and qualifiers come back before the attributes, as in a path. Never raises.

    >>> read_compressed("https://example.com/HxHKVAdpQgZzjr-hCDKigI").pairs
    [('01', '09780345418913'), ('10', '231'), ('21', '345345'), ('15', '120820')]
    """
    pairs = expanded(text)
    keys = [ai for ai, _ in pairs or () if ai in _QUALIFIERS]
    if pairs is None or len(keys) != 1:
        return None
    pairs += _attributes(text.partition("?")[2].partition("#")[0])
    if len({ai for ai, _ in pairs}) < len(pairs):
        return None
    [key] = keys
    order = [key, *(ai for way in _QUALIFIERS[key] for ai in way)]
    return Link(sorted(pairs, key=lambda pair: (*order, pair[0]).index(pair[0])))


def _key_position(segments: list[str]) -> int | None:
    """Return where the key stands, going left from the end, two segments at a time."""
    for at in range(len(segments) - 2, 0, -2):
        if _ai(segments[at]) in _QUALIFIERS:
            return at
        if _ai(segments[at]) not in _ALL_QUALIFIERS:
            return None
    return None


def _ai(segment: str) -> str:
    return _NAMES.get(segment, segment)


def _fits(key: str, value: str) -> bool:
    known = definition_of(key)
    return known is not None and known.pattern.fullmatch(_padded(key, value)) is not None


def _in_order(qualifiers: list[str], way: tuple[str, ...]) -> bool:
    remaining = iter(way)
    return all(ai in remaining for ai in qualifiers)


def _attributes(query: str) -> list[tuple[str, str]]:
    """Return the numeric parameters; the others are the resolver's own."""
    parts = (part.partition("=") for part in re.split("[&;]", query))
    return [(name, unquote(value.replace("+", " "))) for name, _, value in parts if is_digits(name)]


def _padded(ai: str, value: str) -> str:
    return value.zfill(14) if ai in {"01", "02"} and len(value) in LENGTHS else value
