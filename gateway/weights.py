"""Unit texts of scales and the UN/ECE Recommendation 20 code of each.

Nothing is converted and nothing is guessed: a unit that is not in the table has no code, and the
text as sent stays with the weight.
"""

_CODES = {
    "g": "GRM",
    "kg": "KGM",
    "mg": "MGM",
    "t": "TNE",
    "lb": "LBR",
    "oz": "ONZ",
    "ozt": "APZ",
    "ct": "CTM",
    "gn": "GRN",
    "pcs": "EA",
    "pc": "EA",
}


def unit_code(unit: str | None) -> str | None:
    """Return the Rec 20 code of a unit as a scale writes it, or None.

    >>> unit_code("KG"), unit_code("stone"), unit_code(None)
    ('KGM', None, None)
    """
    return None if unit is None else _CODES.get(unit.strip().lower())
