"""Books, periodicals and sheet music: the numbers inside EAN codes that begin with 977 to 979.

Source: ISO 2108 (ISBN), ISO 3297 (ISSN), ISO 10957 (ISMN); GS1 General Specifications 2.1.13; the
currencies of the price add-on are those of the Book Industry Study Group.

>>> publication_of("09780306406157")
Publication(kind='isbn', number='9780306406157')
>>> typed_publication("ISBN 0-306-40615-2")
'09780306406157'
"""

import re
from decimal import Decimal
from typing import Literal, NamedTuple

from contract.codes.checks import gs1_digit, gs1_digit_holds, is_digits, mod11_digit


class Publication(NamedTuple):
    """The number of a publication.

    `number` has 13 digits for ISBN and ISMN, and the form NNNN-NNNC for an ISSN.
    """

    kind: Literal["isbn", "issn", "ismn"]
    number: str


_NAMED = re.compile(r"(ISBN|ISSN|ISMN)(?:-1[03])?:? ?")
_LONGEST = 32
_CURRENCIES = {"0": "GBP", "1": "GBP", "3": "AUD", "4": "NZD", "5": "USD", "6": "CAD"}


def publication_of(gtin: str) -> Publication | None:
    """Return the publication that a canonical GTIN names, or None where it names none."""
    if gtin.startswith("0977"):
        serial = gtin[4:11]
        return Publication("issn", f"{serial[:4]}-{serial[4:]}{mod11_digit(serial)}")
    if gtin.startswith("09790"):
        return Publication("ismn", gtin[1:])
    if gtin.startswith(("0978", "0979")):
        return Publication("isbn", gtin[1:])
    return None


def typed_publication(text: str) -> str | None:
    """Return the canonical GTIN of an ISBN, ISSN or ISMN as printed, or None.

    It must show what it is, by its name in front or by its hyphens: ten digits alone can be the
    number of anything. An ISSN names all issues; its GTIN has the variant 00.
    """
    if len(text) > _LONGEST:
        return None
    named = _NAMED.match(text)
    number = text[named.end() :] if named else text
    kind = named[1] if named else None
    if kind is None and number[-2:-1] != "-":
        return None
    if kind is None and number.count("-") != (3 if len(number) == 13 else 4):
        return None
    digits = number.replace("-", "").replace(" ", "")
    if kind in {None, "ISMN"} and digits[:1] == "M":
        digits = "9790" + digits[1:]
    if not is_digits(digits[:-1] + "0") or digits[-1:] not in {*"0123456789X"}:
        return None
    if kind == "ISSN":
        return _from_issn(digits)
    if kind != "ISMN" and len(digits) == 10 and mod11_digit(digits[:9]) == digits[9]:
        payload = "978" + digits[:9]
        return f"0{payload}{gs1_digit(payload)}"
    whole = len(digits) == 13 and digits.isdigit() and gs1_digit_holds(digits)
    return f"0{digits}" if whole and digits[:3] in {"978", "979"} else None


def _from_issn(digits: str) -> str | None:
    if len(digits) != 8 or mod11_digit(digits[:7]) != digits[7]:
        return None
    payload = f"977{digits[:7]}00"
    return f"0{payload}{gs1_digit(payload)}"


def price_of(add_on: str) -> tuple[Decimal, str] | None:
    """Return price and ISO 4217 currency of the five digits beside a book, or None.

    >>> price_of("52495")
    (Decimal('24.95'), 'USD')
    """
    currency = _CURRENCIES.get(add_on[:1])
    # 9999 stands for a price too high for four digits.
    if len(add_on) != 5 or currency is None or add_on[1:] == "9999":
        return None
    return Decimal(add_on[1:]).scaleb(-2), currency
