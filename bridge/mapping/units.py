"""`units.csv`: how many of the ERP's unit one of the stations' units is, exactly.

Columns:

- `sku`: the item as it is at the ERP, so after `items.csv`; `*` for every item.
- `from`, `to`: units of UN/ECE Recommendation 20, such as CT, EA, KGM.
- `factor`: how many `to` are one `from`: `12`, `0.001` or `1/12`.

A quantity is converted by the row of its unit, what comes of it by the row of that unit, and so on
to a unit that has none. An item's own row goes before that for `*`; with the same unit twice and
factor 1 it says that this item is left in that unit. Each unit has one way, and none goes round.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from bridge.mapping.items import NO_UNIT, UNIT
from bridge.mapping.problems import Problems
from bridge.mapping.sheets import Sheet

SHEET = Sheet("units.csv", ("sku", "from", "to", "factor"), 4)
ALL = "*"
MAX_PLACES = 9
"""Decimal places of a quantity in a transaction."""
MAX_WAY = 8
"""Units on one way: a piece, its packs and their pallets are five."""
_NUMBER = r"[0-9]{1,12}(?:\.[0-9]{1,9})?"
_FACTOR = re.compile(rf"({_NUMBER})(?:\s*/\s*({_NUMBER}))?")


@dataclass(frozen=True, slots=True)
class Step:
    """One row."""

    to: str
    factor: Fraction
    line: int


@dataclass(frozen=True, slots=True)
class Units:
    """The table, by item and unit."""

    steps: Mapping[tuple[str, str], Step] = field(default_factory=dict)

    def step(self, sku: str | None, unit: str) -> Step | None:
        """Return the row for a unit, the item's own first; None where it stays."""
        found = self.steps.get((sku, unit)) if sku is not None else None
        found = found or self.steps.get((ALL, unit))
        return None if found is None or found.to == unit else found

    def way(self, sku: str | None, unit: str) -> tuple[str, Fraction]:
        """Return the unit at the ERP, and how many of it one `unit` is."""
        factor = Fraction(1)
        while (step := self.step(sku, unit)) is not None:
            unit, factor = step.to, factor * step.factor
        return unit, factor


def exact(value: Decimal, factor: Fraction, places: int) -> Decimal | None:
    """Return `value` times `factor`, or None where that needs more than `places` decimal places.

    >>> exact(Decimal("24"), Fraction(1, 12), 0), exact(Decimal("25"), Fraction(1, 12), 9)
    (Decimal('2'), None)
    """
    scaled = Fraction(value) * factor * 10**places
    if scaled.denominator != 1:
        return None
    number = scaled.numerator
    while places and number % 10 == 0:
        number, places = number // 10, places - 1
    return Decimal((0, tuple(map(int, str(number))), -places))


def read_units(data: bytes, problems: Problems) -> Units:
    """Return the table; what is wrong goes to `problems`."""
    steps: dict[tuple[str, str], Step] = {}
    for line, (sku, unit, to, written) in SHEET.rows(data, problems):
        factor = _factor(written)
        wrong = [f"{name} {NO_UNIT}" for name in (unit, to) if not UNIT.fullmatch(name)]
        if factor is None:
            wrong.append(_no_factor(written))
        elif unit == to and factor != 1:
            wrong.append(f"one {unit} is one {unit}: write 1 as factor, or another unit")
        before = steps.get((sku, unit))
        if before is not None:
            wrong.append(
                f"{unit} of {sku} is on line {before.line} already: take one of the two rows out"
            )
        for text in wrong:
            problems.add(SHEET.name, line, text)
        if factor is not None and not wrong:
            steps[sku, unit] = Step(to, factor, line)
    units = Units(steps)
    for line, text in _astray(units):
        problems.add(SHEET.name, line, text)
    return units


def _factor(written: str) -> Fraction | None:
    found = _FACTOR.fullmatch(written)
    if found is None:
        return None
    above, below = Fraction(found[1]), Fraction(found[2] or 1)
    return above / below if above and below else None


def _no_factor(written: str) -> str:
    if re.fullmatch(r"[0-9]+,[0-9]+", written):
        point, fraction = written.replace(",", "."), Fraction(written.replace(",", "."))
        return f"factor: write {point} or {fraction}: a comma can also stand between thousands"
    if re.search("[^0-9./, -]", written) and re.search("[0-9]", written):
        return (
            f"factor: {written!r} is no number, perhaps a date that a spreadsheet made of 1/12:"
            " make the column text, write it anew"
        )
    return f"factor: {written!r} is no factor above 0: write 12, 0.001 or 1/12"


def _astray(units: Units) -> Iterator[tuple[int, str]]:
    """Yield the line and the fault of each row whose way comes back to itself, or is too long."""
    told: set[tuple[str, ...]] = set()
    for (sku, unit), row in units.steps.items():
        seen = [unit]
        while (step := units.step(sku, seen[-1])) is not None and step.to not in seen:
            seen.append(step.to)
        if len(seen) > MAX_WAY:
            yield row.line, f"there are more than {MAX_WAY} units on the way from {unit}"
        name = (sku, *sorted(seen))
        if step is not None and step.to == unit and name not in told:
            told.add(name)
            round_ = " -> ".join([*seen, unit])
            yield row.line, f"it goes round, {round_}: take out what leads away from the ERP's unit"
