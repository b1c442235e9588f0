"""What GS1 element values must satisfy beyond their length and characters.

Each rule takes a value of the right form and this year, and returns what is wrong with it, or None.
Source: GS1 General Specifications 3 and the component rules of the GS1 Syntax Dictionary.
"""

import re
from collections.abc import Callable

from contract.codes.checks import gs1_digit_holds, gs1_pair_holds, mod97_10_holds
from contract.codes.dates import date_of
from contract.codes.iso_codes import COUNTRIES, COUNTRY_LETTERS, CURRENCIES

Rule = Callable[[str, int], str | None]

_HOUR = re.compile(r"([01][0-9]|2[0-3])")
_HOUR_MINUTE = re.compile(r"([01][0-9]|2[0-3])[0-5][0-9]")
_MINUTE_SECOND = re.compile(r"[0-5][0-9]([0-5][0-9])?")
_PERCENT = re.compile(r"([^%]|%[0-9A-Fa-f]{2})*")
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{1,30}")


def content_fault(ai: str, value: str, this_year: int) -> str | None:
    """Return what is wrong with `value`, whose form fits the AI, or None.

    >>> content_fault("01", "05901234123458", 2025)
    'has a wrong check digit'
    """
    rule = _RULES.get(ai) or _RULES.get(ai[:3])
    return rule(value, this_year) if rule else None


def _checked(start: int, end: int) -> Rule:
    def rule(value: str, _: int) -> str | None:
        return None if gs1_digit_holds(value[start:end]) else "has a wrong check digit"

    return rule


def _date(value: str, this_year: int) -> str | None:
    return None if date_of(value, this_year) else f"{value} is no date"


def _whole_date(value: str, this_year: int) -> str | None:
    return f"{value} is no day" if value[4:6] == "00" else _date(value, this_year)


def _delivery_time(value: str, this_year: int) -> str | None:
    if value[6:] != "9999" and not _HOUR_MINUTE.fullmatch(value[6:]):
        return f"{value[6:]} is no time of day"
    return _date(value[:6], this_year)


def _date_time(value: str, this_year: int) -> str | None:
    if value[6:] and not _HOUR_MINUTE.fullmatch(value[6:]):
        return f"{value[6:]} is no time of day"
    return _whole_date(value[:6], this_year)


def _date_range(value: str, this_year: int) -> str | None:
    return _whole_date(value[:6], this_year) or (
        _whole_date(value[6:], this_year) if value[6:] else None
    )


def _production_time(value: str, this_year: int) -> str | None:
    rest = value[8:]
    if not _HOUR.fullmatch(value[6:8]) or (rest and not _MINUTE_SECOND.fullmatch(rest)):
        return f"{value[6:]} is no time of day"
    return _whole_date(value[:6], this_year)


def _birth(value: str, _: int) -> str | None:
    if value[8:] and not _HOUR_MINUTE.fullmatch(value[8:]):
        return f"{value[8:]} is no time of day"
    return _whole_date(value[2:8], int(value[:4]))


def _country(value: str, _: int) -> str | None:
    return None if value[:3] in COUNTRIES else f"{value[:3]} is no ISO 3166 country"


def _countries(value: str, _: int) -> str | None:
    codes = [value[at : at + 3] for at in range(0, len(value), 3)]
    wrong = [code for code in codes if code not in COUNTRIES]
    return f"{wrong[0]} is no ISO 3166 country" if wrong else None


def _processor(value: str, this_year: int) -> str | None:
    return None if value.startswith("999") else _country(value, this_year)


def _country_letters(value: str, _: int) -> str | None:
    return None if value in COUNTRY_LETTERS else f"{value} is no ISO 3166 country"


def _currency(value: str, _: int) -> str | None:
    return None if value[:3] in CURRENCIES else f"{value[:3]} is no ISO 4217 currency"


def _yes_no(value: str, _: int) -> str | None:
    return None if value in {"0", "1"} else "is neither 0 nor 1"


def _percent_encoded(value: str, _: int) -> str | None:
    return None if _PERCENT.fullmatch(value) else "has a broken percent encoding"


def _place(value: str, _: int) -> str | None:
    if int(value[:10]) > 180_0000000 or int(value[10:]) > 360_0000000:
        return "is no place on Earth"
    return None


def _company(value: str, _: int) -> str | None:
    # The shortest company prefix has 4 digits.
    begin = value[:4]
    return None if len(begin) == 4 and begin.isdigit() else "does not begin with a company prefix"


def _model(value: str, this_year: int) -> str | None:
    if not gs1_pair_holds(value):
        return "has wrong check characters"
    return _company(value, this_year)


def _asset(value: str, this_year: int) -> str | None:
    return "does not begin with 0" if value[0] != "0" else _checked(1, 14)(value, this_year)


def _piece(value: str, this_year: int) -> str | None:
    piece, total = int(value[14:16]), int(value[16:18])
    if not 1 <= piece <= total:
        return f"piece {piece} of {total} cannot be"
    return _checked(0, 14)(value, this_year)


def _position(value: str, _: int) -> str | None:
    return None if value[1] == "/" and "1" <= value[0] <= value[2] else "is no place in a sequence"


def _roll(value: str, _: int) -> str | None:
    parts = (value[:4], value[4:9], value[9:12])
    if any(int(part) == 0 for part in parts):
        return "has a dimension of zero"
    return None if value[12] in "019" else f"winding direction {value[12]} is not known"


def _iban(value: str, _: int) -> str | None:
    if not _IBAN.fullmatch(value) or value[:2] not in COUNTRY_LETTERS:
        return "is no IBAN"
    return None if mod97_10_holds(value[4:] + value[:4]) else "has wrong check digits"


def _importer(value: str, _: int) -> str | None:
    index = value[3]
    return None if index.isalnum() or index in "-_" else f"importer index {index} is not known"


def _media(value: str, _: int) -> str | None:
    return None if 1 <= int(value) <= 10 or int(value) >= 80 else "is no known media type"


def _no_leading_zero(value: str, _: int) -> str | None:
    return "begins with 0" if len(value) > 1 and value[0] == "0" else None


_RULES: dict[str, Rule] = {
    **dict.fromkeys(("00", "8017", "8018"), _checked(0, 18)),
    **dict.fromkeys(("01", "02", "03"), _checked(0, 14)),
    **dict.fromkeys((*(f"41{n}" for n in range(8)), "253", "255"), _checked(0, 13)),
    "402": _checked(0, 17),
    "8003": _asset,
    **dict.fromkeys(("8006", "8026"), _piece),
    "8013": _model,
    **dict.fromkeys(("401", "7023", "8004", "8010"), _company),
    **dict.fromkeys(("11", "12", "13", "15", "16", "17"), _date),
    **dict.fromkeys(("4324", "4325"), _delivery_time),
    **dict.fromkeys(("4326", "7006"), _whole_date),
    **dict.fromkeys(("7003", "7011"), _date_time),
    "7007": _date_range,
    "8008": _production_time,
    **dict.fromkeys(("7250", "7251"), _birth),
    **dict.fromkeys(("421", "422", "424", "426"), _country),
    **dict.fromkeys(("423", "425"), _countries),
    "703": _processor,
    **dict.fromkeys(("4307", "4317"), _country_letters),
    **dict.fromkeys(("391", "393"), _currency),
    **dict.fromkeys(("4321", "4322", "4323"), _yes_no),
    **dict.fromkeys(
        (*(f"43{n:02}" for n in (*range(7), *range(10, 17), 20)), "7253", "7254", "7259"),
        _percent_encoded,
    ),
    "4309": _place,
    "7040": _importer,
    "7241": _media,
    "7258": _position,
    "8001": _roll,
    "8007": _iban,
    "8011": _no_leading_zero,
}
"""By AI, or by the first three digits of a family."""
