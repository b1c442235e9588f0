"""Weights behind two words, ``ST,GS,+  1.234kg``: the lines of CAS and of the many who copy it.

The words are always the same; what stands between and behind them is not. A comma may part fields
or stand for the decimal point, and the sign may be far from the digits.
"""

import re

from drivers.kit.figures import figure
from drivers.kit.readings import Measure, Noise, Range, Step, Weight

_HEADED = re.compile(rb"(?P<state>ST|US|OL|UL)(?:[ ,]+(?P<what>[A-Z]{2}))?(?P<rest>|[ ,+-].*)")
_VALUE = re.compile(
    rb"[ ,]?(?P<figure>[ +\-0-9.,]*[0-9]\.?) *,? *(?P<unit>[A-Za-z%][A-Za-z./%]{0,4})? *"
)
_UNIT_AT_END = re.compile(rb"(?P<unit>[A-Za-z%][A-Za-z./%]{0,4}) *$")
_MEASURES: dict[bytes, Measure] = {
    b"GS": "gross", b"GW": "gross", b"GR": "gross",
    b"NT": "net", b"NW": "net",
    b"TR": "tare", b"TW": "tare",
}  # fmt: skip
_MOTION = {b"ST", b"US"}


def headed(text: bytes, raw: bytes, unit: str | None) -> Step | None:
    """Return what a line means, or None if it does not begin with the words.

    ``OL`` and ``UL`` never have a value, whatever digits they carry. With some the second word
    says whether the load moves (``ST,US,``); if either word says so, it does.

    Args:
        text: a line without its end.
        raw: the line as it came.
        unit: of a scale that sends none.
    """
    match = _HEADED.fullmatch(text.rstrip(b" "))
    if match is None:
        return None
    state, what, rest = match["state"], match["what"], match["rest"]
    if what is not None and what not in _MEASURES and what not in _MOTION:
        return None
    measure = None if what is None else _MEASURES.get(what)
    if state in {b"OL", b"UL"}:
        return _outside(state, rest, raw, measure, unit)
    if what is None:
        return None
    value = _VALUE.fullmatch(rest)
    number = None if value is None else figure(value["figure"], comma=True)
    if value is None or number is None:
        return Noise(raw, "a weight that is no number")
    return Weight(
        number,
        value["unit"].decode() if value["unit"] else unit,
        stable=state == b"ST" and what != b"US",
        raw=raw,
        measure=measure,
    )


def _outside(
    state: bytes, rest: bytes, raw: bytes, measure: Measure | None, unit: str | None
) -> Weight:
    under = state == b"UL" or b"-" in rest
    where: Range = "under" if under else "over"
    sent = _UNIT_AT_END.search(rest)
    return Weight(None, sent["unit"].decode() if sent else unit, None, raw, measure, where)
