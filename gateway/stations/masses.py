"""Exact conversion between units of mass: what does not come out even is refused, never rounded.

Factors to the gram: SI; the international avoirdupois pound of 1959 is 453.59237 g, an ounce a
sixteenth of it.
"""

from decimal import Decimal
from fractions import Fraction

DECIMALS = 9
"""Of a quantity, as the contract has it."""

_GRAMS = {
    "MGM": Fraction(1, 1000),
    "GRM": Fraction(1),
    "KGM": Fraction(1000),
    "TNE": Fraction(1_000_000),
    "LBR": Fraction("453.59237"),
    "ONZ": Fraction("453.59237") / 16,
}


def is_mass(unit: str | None) -> bool:
    """Whether a UN/ECE unit is a mass that can be converted."""
    return unit in _GRAMS


def convert(value: Decimal, unit: str, to: str) -> Decimal | None:
    """Return `value` in another unit, exactly; None where that cannot be written or is no mass.

    >>> convert(Decimal("0.5"), "KGM", "GRM")
    Decimal('500')
    >>> convert(Decimal(1), "GRM", "LBR") is None
    True
    """
    if unit == to:
        return value
    if unit not in _GRAMS or to not in _GRAMS:
        return None
    exact = Fraction(value) * _GRAMS[unit] / _GRAMS[to]
    scaled = exact * 10**DECIMALS
    if scaled.denominator != 1:
        return None
    found = Decimal(scaled.numerator).scaleb(-DECIMALS)
    return found.quantize(Decimal(1)) if found == found.to_integral() else found.normalize()


def grams(value: Decimal, unit: str | None) -> Decimal | None:
    """Return a mass in gram for comparing, not for booking: up to 9 decimals, rounded."""
    if unit not in _GRAMS:
        return None
    exact = Fraction(value) * _GRAMS[unit]
    return round(Decimal(exact.numerator) / Decimal(exact.denominator), DECIMALS)
