"""What in-store numbers hold: an item of the shop, and its weight, price or count.

EAN codes that begin with 02, 04 or 20 to 29 are not given out by GS1: each country and shop has its
own layout. Without one chosen nothing is read out of them.

Source: the national rules as biip 5.2 (Apache-2.0) names them with their publishers; price check
digits by GS1 General Specifications 7.9.

>>> layouts = NATIONAL["dk"]
>>> contents = read_in_store("02135040039753", layouts)
>>> contents.price, contents.currency, contents.item
(Decimal('39.75'), 'DKK', '02135040000005')
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Literal, get_args

from pydantic import Field, StringConstraints, field_validator

from contract.codes.checks import gs1_digit, price_digit
from contract.codes.gtin import in_store
from contract.codes.measures import Measure, measure_of
from contract.values import Frozen

Country = Literal["de", "dk", "ee", "fi", "gb", "lt", "lv", "no", "se"]
COUNTRIES: tuple[Country, ...] = get_args(Country)
"""Countries whose layouts are known, by ISO 3166-1."""

_LAYOUT = re.compile(r"[0-9]{1,8}(I*C?V+|I*V+C?)")


class InStoreLayout(Frozen):
    """How one prefix of in-store numbers is laid out."""

    pattern: Annotated[str, StringConstraints(pattern=r"^[0-9ICV]{12}$")]
    """The first 12 of the 13 digits: the prefix in digits, then I for the digits of the item, V for
    those of the value, C for a check digit over the value. The twelve digits of a UPC have a 0 in
    front: ``02IIIIICVVVV``."""
    holds: Literal["weight", "price", "count"]
    """A weight is in kilograms, a price in `currency`."""
    decimals: Annotated[int, Field(ge=0, le=5)] = 0
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] | None = None

    @field_validator("pattern")
    @classmethod
    def _in_order(cls, pattern: str) -> str:
        if not _LAYOUT.fullmatch(pattern):
            raise ValueError("it has digits, then I, then V with an optional C beside it")
        if "C" in pattern and pattern.count("V") not in {4, 5}:
            raise ValueError("a check digit covers a value of 4 or 5 digits")
        if pattern.count("V") > 6:
            raise ValueError("a value has at most 6 digits")
        if not in_store(f"0{pattern[:2]}00000000000"):
            raise ValueError("in-store numbers begin with 02, 04 or 20 to 29")
        return pattern

    @cached_property
    def prefix(self) -> str:
        """The digits the number begins with."""
        return self.pattern.rstrip("ICV")


@dataclass(frozen=True, slots=True)
class Contents:
    """What an in-store number holds.

    `item` is the same number with the value zeroed: 14 digits, check digit right, one for every
    weight and price.
    """

    item: str
    weight: Measure | None = None
    price: Decimal | None = None
    currency: str | None = None
    count: int | None = None
    problem: str | None = None


def read_in_store(gtin: str, layouts: Iterable[InStoreLayout]) -> Contents | None:
    """Return what a canonical GTIN holds by the first layout that fits, or None.

    Where the check digit of the value is wrong there is an item, no value, and a problem.
    """
    if not in_store(gtin) or gtin.startswith("000000"):
        return None
    digits = gtin[1:]
    layout = next((each for each in layouts if digits.startswith(each.prefix)), None)
    if layout is None:
        return None
    places = list(zip(layout.pattern, digits, strict=False))
    payload = "0" + "".join("0" if place in "CV" else digit for place, digit in places)
    item = payload + gs1_digit(payload)
    value = "".join(digit for place, digit in places if place == "V")
    check = "".join(digit for place, digit in places if place == "C")
    if check and price_digit(value) != check:
        return Contents(item, problem=f"the check digit of the {layout.holds} is wrong")
    if layout.holds == "weight":
        return Contents(item, weight=measure_of(f"310{layout.decimals}", value.zfill(6)))
    if layout.holds == "count":
        return Contents(item, count=int(value))
    price = Decimal(value).scaleb(-layout.decimals)
    return Contents(item, price=price, currency=layout.currency)


def _weights(pattern: str, prefixes: str, decimals: int) -> tuple[InStoreLayout, ...]:
    return tuple(
        InStoreLayout(pattern=prefix + pattern, holds="weight", decimals=decimals)
        for prefix in prefixes.split()
    )


def _prices(pattern: str, prefixes: str, currency: str, decimals: int) -> tuple[InStoreLayout, ...]:
    return tuple(
        InStoreLayout(pattern=prefix + pattern, holds="price", decimals=decimals, currency=currency)
        for prefix in prefixes.split()
    )


_BY_DECIMALS = (
    *_weights("IIIIIIVVVV", "23", 3),
    *_weights("IIIIIIVVVV", "24", 2),
    *_weights("IIIIIIVVVV", "25", 1),
)
_GERMAN_COUNTS = tuple(
    InStoreLayout(pattern=f"{prefix}IIIICVVVVV", holds="count") for prefix in ("25", "26")
)


def _nordic_prices(currency: str) -> tuple[InStoreLayout, ...]:
    return (
        *_prices("IIIIIIVVVV", "20", currency, 2),
        *_prices("IIIIIIVVVV", "21", currency, 1),
        *_prices("IIIIIIVVVV", "22", currency, 0),
    )


NATIONAL: dict[Country, tuple[InStoreLayout, ...]] = {
    "de": (
        *_prices("IIIICVVVVV", "22 23", "EUR", 2),
        *_GERMAN_COUNTS,
        *_weights("IIIICVVVVV", "28 29", 3),
    ),
    "dk": (
        *_prices("IIIIVVVVVV", "21 22 23 24", "DKK", 2),
        *_weights("IIIIVVVVVV", "26 28", 3),
        *_weights("IIIIIVVVVV", "27", 3),
    ),
    "ee": _BY_DECIMALS,
    "fi": _BY_DECIMALS,
    "gb": _prices("IIIIICVVVV", "20", "GBP", 2),
    "lt": _BY_DECIMALS,
    "lv": _BY_DECIMALS,
    # Norway has published none; what is sold there follows the Swedish rules.
    "no": (*_nordic_prices("NOK"), *_BY_DECIMALS),
    "se": (*_nordic_prices("SEK"), *_BY_DECIMALS),
}
