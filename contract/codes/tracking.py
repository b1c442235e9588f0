"""Parcel numbers of carriers: which carriers a number can be of.

The forms overlap, so every one that fits is told, those with the most marks of their own first.
Where a carrier defines a check digit the number must have the right one. A form that is not
`distinctive` fits other numbers by chance: one in seven numbers of ten digits passes for DHL.

Source: tracking_number_data (MIT licence, Jeff Keen) for the forms, its words for carriers and
services; USPS Publication 199 (IMpb); UPU standard S10; DPD Parcel Label Specification 2.4;
Deutsche Post (identcode) and GLS for their check digits.

>>> [match.service for match in carriers_of("1Z5R89390357567127")]
['UPS']
>>> carriers_of("420902459261290336128704042634")[0].number
'9261290336128704042634'
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Literal, NamedTuple, get_args

from contract.codes.checks import gs1_digit_holds, is_digits, luhn_holds, mod37_36_holds
from contract.codes.iso_codes import COUNTRY_LETTERS

Carrier = Literal[
    "amazon", "canada_post", "canpar", "dhl", "dpd", "fedex", "gls", "gofo", "landmark",
    "lasership", "old_dominion", "ontrac", "purolator", "s10", "speedee", "ups", "usps", "yodel",
    "yunexpress",
]  # fmt: skip
"""s10 stands for the postal services of all countries."""
CARRIERS: tuple[Carrier, ...] = get_args(Carrier)

SHORTEST, LONGEST = 10, 42
"""Characters of a parcel number, blanks left out."""


class TrackingMatch(NamedTuple):
    """One carrier and service a number can be of."""

    carrier: Carrier
    service: str
    number: str
    """What to look it up by: without routing codes and blanks."""
    checked: bool
    """Whether it has a check digit, and the right one."""
    distinctive: bool
    """Whether its form is hardly met by chance."""


class _Form(NamedTuple):
    carrier: Carrier
    service: str
    pattern: re.Pattern[str]
    """Group ``number`` is what to look it up by, group ``c`` what the check digit covers."""
    check: Callable[[str], bool] | None = None
    distinctive: bool = True


def _weighed(weights: tuple[int, ...]) -> Callable[[str], bool]:
    def holds(digits: str) -> bool:
        total = sum(int(d) * w for d, w in zip(digits[:-1], weights, strict=True))
        return total % 11 % 10 == int(digits[-1])

    return holds


def _ups(text: str, front: str = "") -> bool:
    """Modulo 10, every second weighs two; a letter counts as the last digit of its place plus 2."""
    total = 0
    for at, character in enumerate(front + text[:-1]):
        value = int(character) if character.isdigit() else (ord(character) - 3) % 10
        total += value * (1 + at % 2)
    return str(-total % 10) == text[-1]


def _mod7(digits: str) -> bool:
    return int(digits[:-1]) % 7 == int(digits[-1])


def _s10(text: str) -> bool:
    digits, country = text[:9], text[9:]
    total = sum(int(d) * w for d, w in zip(digits[:8], (8, 6, 4, 2, 3, 5, 9, 7), strict=True))
    right = {0: 5, 1: 0}.get(total % 11, 11 - total % 11)
    return right == int(digits[8]) and country in COUNTRY_LETTERS


def _identcode(digits: str) -> bool:
    total = sum(int(d) * (4, 9)[at % 2] for at, d in enumerate(digits[:-1]))
    return -total % 10 == int(digits[-1])


def _gls(digits: str) -> bool:
    total = 3 * sum(map(int, digits[-2::-2])) + sum(map(int, digits[-3::-2])) + 1
    return -total % 10 == int(digits[-1])


_FEDEX_12 = _weighed((3, 1, 7, 3, 1, 7, 3, 1, 7, 3, 1))
_FEDEX_14 = _weighed((1, 7, 3, 1, 7, 3, 1, 7, 3, 1, 7, 3, 1))
_LAST_14 = "(?P<c>00(?P<number>[0-9]{12})|[0-9]{14})"
_ZIP = "(?:420(?:[0-9]{5}|[0-9]{9}))?"


def _form(
    carrier: Carrier,
    service: str,
    pattern: str,
    check: Callable[[str], bool] | None = None,
    *,
    distinctive: bool = True,
) -> _Form:
    return _Form(carrier, service, re.compile(pattern), check, distinctive)


_LETTERED = (
    _form("ups", "UPS", "1Z(?P<c>[0-9A-Z]{15}[0-9])", _ups),
    _form("s10", "S10", "[A-Z]{2}(?P<c>[0-9]{9}[A-Z]{2})", _s10),
    _form("dpd", "DPD (28)", "%?(?P<c>[0-9A-Z]{7}[0-9]{20}[0-9A-Z])", mod37_36_holds),
    _form("ontrac", "OnTrac", "C(?P<c>[0-9]{14})", lambda c: _ups(c, "4")),
    _form("ontrac", "OnTrac D", "D(?P<c>[0-9]{14})", lambda c: _ups(c, "5")),
    _form("ups", "UPS Waybill", "[AHJKTV](?P<c>[0-9]{10})", _ups, distinctive=False),
    _form(
        "dpd", "DPD (14)", "(?P<c>(?P<number>[0-9]{14})[0-9A-Z])", mod37_36_holds, distinctive=False
    ),
    _form("amazon", "Amazon Logistics", "TB[ACM][0-9]{12}"),
    _form("amazon", "Amazon International", "C10[0-9]{8}"),
    _form("yodel", "Yodel", "J?JD[0-9]{16}"),
    _form("dhl", "DHL Parcel", "JJD[0-9]{11,20}"),
    _form("dhl", "DHL Express (Piece ID)", "J[A-Z]{2,3}[0-9]{9,10}"),
    _form(
        "dhl",
        "DHL E-Commerce",
        "(?:GM|LX|RX|UV|CN|SG|TH|IN|HK|MY)[0-9]{10,39}|GM[0-9A-F]{20}",
    ),
    _form("gofo", "GOFO Express (US)", "GFUS[0-9]{14}"),
    _form("landmark", "Landmark Global LTN", "LTN[0-9]{8}N1"),
    _form("lasership", "LaserShip LX", "L[AEHINX][1-3][0-9]{7}"),
    _form("lasership", "LaserShip 1LS7 (15)", "1LS7[12][0-9]{10}"),
    _form("lasership", "LaserShip 1LS7 (18)", "1LS7[12][0-9]{2}01[1-4][0-9]{6}-1"),
    _form("lasership", "LaserShip 1LSCX (15)", "1LSCX[0-9A-Z]{10}"),
    _form("speedee", "Spee-Dee (20)", "SP[0-9]{18}"),
    _form("yunexpress", "YunExpress", "YT[0-9]{16}"),
    _form("canpar", "Canpar (22)", "[CDKLSUXZ][0-9]{21}"),
    _form("purolator", "Purolator (alpha + 9)", "[A-Z]{3}[0-9]{9}", distinctive=False),
)
_IN_GS1 = (
    _form(
        "usps",
        "USPS IMpb C",
        f"{_ZIP}(?P<number>9[235](?:[0-9]{{20}}|[0-9]{{24}}|[0-9]{{28}}))",
        gs1_digit_holds,
    ),
    _form(
        "usps",
        "USPS IMpb N",
        f"{_ZIP}(?P<number>94(?:[0-9]{{20}}|[0-9]{{24}}|[0-9]{{28}}))",
        gs1_digit_holds,
    ),
    _form("usps", "USPS Legacy", f"{_ZIP}(?P<number>91[0-9]{{20}})", gs1_digit_holds),
    _form("fedex", "FedEx Ground 96 (22)", "96[0-9]{5}(?P<number>[0-9]{15})", gs1_digit_holds),
    _form("fedex", "FedEx Ground GSN", f"96[0-9]{{18}}{_LAST_14}", _FEDEX_14),
)
"""Those that begin with an application identifier, 420 or 91 to 96, and are printed as GS1-128."""
_DIGITS = (
    *_IN_GS1,
    _form("fedex", "FedEx Express (34)", f"1[01][0-9]{{18}}{_LAST_14}", _FEDEX_14),
    _form("fedex", "FedEx ASTRA (32)", "[0-9]{16}(?P<number>[0-9]{12})[0-9]{4}", _FEDEX_12),
    _form("dpd", "DPD (28)", "[0-9]{28}", mod37_36_holds),
    _form("old_dominion", "Old Dominion", "(?:77[78]|072)[0-9]{8}", luhn_holds),
    _form("old_dominion", "Old Dominion Guaranteed Shipment", "80[0-9]{9}", luhn_holds),
    _form("fedex", "FedEx Ground (SSCC-18)", "0[0124][0-9]{16}", gs1_digit_holds),
    _form("usps", "USPS 20", "[0-9]{20}", gs1_digit_holds, distinctive=False),
    _form(
        "usps",
        "USPS Legacy",
        f"{_ZIP}(?P<number>[0-9]{{20}})",
        lambda c: gs1_digit_holds("91" + c),
        distinctive=False,
    ),
    _form("fedex", "FedEx Express (12)", "[0-9]{12}", _FEDEX_12, distinctive=False),
    _form("purolator", "Purolator (12)", "[0-5][0-9]{11}", luhn_holds, distinctive=False),
    _form("gls", "GLS (12)", "[0-9]{12}", _gls, distinctive=False),
    _form("dhl", "DHL Identcode", "[0-9]{12}", _identcode, distinctive=False),
    _form("fedex", "FedEx Ground", "[0-9]{15}", gs1_digit_holds, distinctive=False),
    _form(
        "dpd", "DPD (14)", "(?P<c>(?P<number>[0-9]{14})[0-9])", mod37_36_holds, distinctive=False
    ),
    _form("canada_post", "Canada Post (16)", "[0-9]{16}", gs1_digit_holds, distinctive=False),
    _form("dhl", "DHL Express", "[0-9]{10,11}", _mod7, distinctive=False),
    _form("dhl", "DHL E-Commerce (14)", "(?:51|60)[0-9]{12}", distinctive=False),
)
_FORMS = {"gs1": _IN_GS1, "digits": _DIGITS, "lettered": _LETTERED}
_GROUP_NAME = re.compile(r"\(\?P<[a-z]+>")
_POSTCODE = re.compile(r"420([0-9]{5}|[0-9]{9})9[1-5](?:[0-9]{20}|[0-9]{24}|[0-9]{28})")


def carriers_of(number: str, *, in_gs1: bool = False) -> tuple[TrackingMatch, ...]:
    """Return every carrier that `number`, without blanks, can be of; the most certain first.

    Args:
        number: capital letters and digits as printed.
        in_gs1: whether a GS1 symbol carried it, so that only numbers that are GS1 elements count.
    """
    if not SHORTEST <= len(number) <= LONGEST or not number.isascii():
        return ()
    kind = "gs1" if in_gs1 else "digits" if is_digits(number) else "lettered"
    if not _shape_of(kind).fullmatch(number):
        return ()
    matches = (_match(form, number) for form in _FORMS[kind])
    return tuple(match for match in matches if match)


@cache
def _shape_of(kind: str) -> re.Pattern[str]:
    """Return what matches the numbers that any of the forms matches: most labels are no parcel's.

    By name: forms as a key would have all their patterns hashed for each label.
    """
    shapes = (_GROUP_NAME.sub("(?:", form.pattern.pattern) for form in _FORMS[kind])
    return re.compile("|".join(f"(?:{shape})" for shape in shapes))


def postcode_of(number: str) -> str | None:
    """Return the ZIP code in front of a number of USPS, or None."""
    match = _POSTCODE.fullmatch(number)
    return match[1] if match else None


def _match(form: _Form, number: str) -> TrackingMatch | None:
    found = form.pattern.fullmatch(number)
    if found is None:
        return None
    groups = found.groupdict()
    inner = groups.get("number")
    covered = groups.get("c") or inner or number
    if form.check and not form.check(covered):
        return None
    checked = form.check is not None
    return TrackingMatch(form.carrier, form.service, inner or number, checked, form.distinctive)
