"""Dates as GS1 writes them: YYMMDD, the century left to the reader.

Source: GS1 General Specifications 3.4 and 7.12.
"""

from calendar import monthrange
from datetime import date

from contract.codes.checks import is_digits

REFERENCE_YEAR = 2025
"""Stands for today's year where nobody says it: years 76 to 99 are 19.., the others 20.."""


def full_year(yy: int, this_year: int) -> int:
    """Return the year ending in `yy` that lies at most 49 years back or 50 ahead.

    >>> full_year(75, 2025), full_year(76, 2025)
    (2075, 1976)
    """
    return this_year - 49 + (yy - (this_year - 49)) % 100


def date_of(yymmdd: str, this_year: int = REFERENCE_YEAR) -> date | None:
    """Return the date, or None where there is none. Day 00 is the last day of the month.

    >>> date_of("240200")
    datetime.date(2024, 2, 29)
    >>> date_of("260230") is None
    True
    """
    if len(yymmdd) != 6 or not is_digits(yymmdd):
        return None
    year, month, day = full_year(int(yymmdd[:2]), this_year), int(yymmdd[2:4]), int(yymmdd[4:])
    if not 1 <= month <= 12:
        return None
    last = monthrange(year, month)[1]
    return date(year, month, day or last) if day <= last else None
