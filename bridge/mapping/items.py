"""`items.csv`: which item of the ERP a SKU or GTIN is.

Columns, of which each row fills `sku` or `gtin` or both:

- `sku`: as the stations say it.
- `gtin`: 8, 12, 13 or 14 digits.
- `code`: the item at the ERP; may be empty where `active` is no.
- `unit`: of a GTIN alone: what one of it is at the ERP, such as `CT` for a carton of the item; it
  counts where the station did not know the item and so counted pieces of this GTIN.
- `active`: yes or no, yes where it is empty. What is not active is refused.

A SKU may stand in several rows, one for each of its GTINs, all with one code.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.mapping.problems import Problems
from bridge.mapping.sheets import Sheet
from bridge.outcome import Refused
from contract.codes.gtin import canonical_gtin
from contract.values import Item

SHEET = Sheet("items.csv", ("sku", "gtin", "code", "unit", "active"), 0)
UNIT = re.compile(r"[A-Z0-9]{2,3}")
"""A unit of UN/ECE Recommendation 20, as transactions have it."""
NO_UNIT = "is no unit: write a code of UN/ECE Recommendation 20, such as EA, CT or KGM"
_FLAGS = {"": True, "yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
_LENGTHS = (8, 12, 13, 14)


@dataclass(frozen=True, slots=True)
class Items:
    """The table. A code is empty where the item is not active."""

    by_sku: Mapping[str, str] = field(default_factory=dict)
    by_gtin: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    """By GTIN."""
    codes: frozenset[str] = frozenset()
    """All that there are at the ERP."""

    def code(self, item: Item) -> str | Refused | None:
        """Return the item's code; why it has none; or None where the table does not have it."""
        by_sku = None if item.sku is None else self.by_sku.get(item.sku)
        if by_sku is None and item.sku in self.codes:
            by_sku = item.sku  # a person has put the ERP's own code beside it
        by_gtin = None if item.gtin is None else self.by_gtin.get(item.gtin)
        if by_sku is not None and by_gtin is not None and by_sku != by_gtin:
            says = f"SKU {item.sku} is {by_sku or 'not active'}, GTIN {item.gtin} is"
            return Refused("unmapped", f"items.csv: {says} {by_gtin or 'not active'}")
        found = by_gtin if by_sku is None else by_sku
        if found == "":
            return Refused("unknown_sku", f"{named(item)} is not active in items.csv")
        return found


def named(item: Item) -> str:
    """Return an item in words."""
    return f"SKU {item.sku}" if item.sku is not None else f"GTIN {item.gtin}"


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    sku: str
    gtin: str
    code: str
    unit: str


def read_items(data: bytes, problems: Problems) -> Items:
    """Return the table; what is wrong goes to `problems`."""
    books = _Books(problems)
    for line, values in SHEET.rows(data, problems):
        row = _row(line, values, problems)
        if row is not None:
            books.enter(row)
    return Items(
        by_sku={sku: code for sku, (code, _) in books.skus.items()},
        by_gtin={gtin: code for gtin, (code, _) in books.gtins.items()},
        units=books.units,
        codes=frozenset(code for code, _ in books.skus.values() if code)
        | frozenset(code for code, _ in books.gtins.values() if code),
    )


def _row(line: int, values: tuple[str, ...], problems: Problems) -> _Row | None:
    sku, written, code, unit, said = values
    gtin = canonical_gtin(written) if written else ""
    active = _FLAGS.get(said.lower())
    wrong = []
    if gtin is None:
        wrong.append(_no_gtin(written))
    if not sku and not written:
        wrong.append("fill sku or gtin")
    if active is None:
        wrong.append(f"active: write yes or no, not {said!r}")
    if active and not code:
        wrong.append("code must not be empty while the item is active")
    if unit and not UNIT.fullmatch(unit):
        wrong.append(f"unit: {unit!r} {NO_UNIT}")
    if unit and not written:
        wrong.append("unit is that of a GTIN: fill gtin, or leave it empty")
    for text in wrong:
        problems.add(SHEET.name, line, text)
    return None if wrong else _Row(line, sku, gtin or "", code if active else "", unit)


def _no_gtin(written: str) -> str:
    if re.fullmatch(r"[0-9]+[.,][0-9]+[eE]\+?[0-9]+", written):
        return (
            f"gtin: a spreadsheet has rounded it to {written}: make the column text, write it anew"
        )
    if not re.fullmatch("[0-9]+", written) or len(written) not in _LENGTHS:
        return f"gtin: {written!r} has not 8, 12, 13 or 14 digits"
    return f"gtin: the check digit of {written} is wrong"


class _Books:
    """What was read so far: each name with its code and the line it was on."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self.skus: dict[str, tuple[str, int]] = {}
        self.gtins: dict[str, tuple[str, int]] = {}
        self.units: dict[str, str] = {}

    def enter(self, row: _Row) -> None:
        """Take a row, unless it contradicts or repeats an earlier one."""
        by_sku, by_gtin = self.skus.get(row.sku), self.gtins.get(row.gtin)
        for name, before in ((f"SKU {row.sku}", by_sku), (f"GTIN {row.gtin}", by_gtin)):
            if before is not None and before[0] != row.code:
                self._differ(row.line, name, row.code, before)
                return
        unit = self.units.get(row.gtin, "")
        if by_gtin is not None and unit != row.unit:
            text = f"GTIN {row.gtin} has unit {row.unit or 'none'} here and {unit or 'none'}"
            self._both(row.line, text, by_gtin[1])
        elif (by_sku or not row.sku) and (by_gtin or not row.gtin):
            earlier = (by_sku or by_gtin or ("", 0))[1]
            self._both(row.line, "it says nothing that is not there already", earlier)
        else:
            self._store(row)

    def _store(self, row: _Row) -> None:
        if row.sku:
            self.skus[row.sku] = row.code, row.line
        if row.gtin:
            self.gtins[row.gtin] = row.code, row.line
        if row.unit:
            self.units[row.gtin] = row.unit

    def _differ(self, line: int, name: str, code: str, before: tuple[str, int]) -> None:
        text = f"{name} is {code or 'not active'} here and {before[0] or 'not active'}"
        self._both(line, text, before[1])

    def _both(self, line: int, text: str, earlier: int) -> None:
        says = f"{text} on line {earlier}: take one of the two rows out"
        self._problems.add(SHEET.name, line, says)
