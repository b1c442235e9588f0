r"""Any scale that sends lines, read by patterns of its user's own.

Each line is tried with the patterns of the configuration, in their order; a pattern matches the
line as a whole. Named groups say what is where:

| group | meaning |
|---|---|
| value | the number; with it or in it a sign, far from the digits if need be |
| sign | ``-`` makes the value negative |
| unit | the unit, where the line tells it |
| stable, moving | if one of them is in the pattern, it tells whether the weight is stable |
| net, gross, tare, count | what was measured |
| zero | at the centre of zero |
| over, under, fault | no weight, whatever digits there are |
| error | the scale refuses; the text is the code |

A group counts if it holds at least one character. A number needs a decimal point unless `integers`
is set, and a comma is none unless `comma` is set.

A line that lost its front may end in a smaller number. A pattern that begins with something that is
always there, or wants a fixed number of columns, makes such a line noise: write it so.

Source: the user's manual. SparkFun's OpenScale, trickler scales and laboratory lines as
``+007.12/3 G S`` can be read with it.

>>> pattern = r"(?:(?P<stable>W)|(?P<moving>w)):(?P<value>[ +-]*[0-9]+\.[0-9]+) ?(?P<unit>kg|g|lb)"
>>> decoder = dialogue(Config(driver="generic_line", patterns=(pattern,))).decoder
>>> [(step.value, step.unit, step.stable) for step in decoder.feed(b"W:  1.250 kg\r\n")]
[(Decimal('1.250'), 'kg', True)]
"""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from drivers.kit.figures import figure
from drivers.kit.frames import Frame, FrameDecoder, Frames
from drivers.kit.patterns import MAX_PATTERN, Pattern, compiled
from drivers.kit.polling import Polled
from drivers.kit.readings import (
    Dialogue,
    Measure,
    Noise,
    Range,
    Refusal,
    ScaleCommand,
    Step,
    Weight,
)
from drivers.kit.wrapping import Affix

MAX_LINE = 128
"""Bytes of a line: the longest weights, with lb and oz, date and number, take half of it."""

_MEASURES: tuple[Measure, ...] = ("net", "gross", "tare", "count")
_RANGES: tuple[Range, ...] = ("fault", "over", "under")
_ENDING = {*_RANGES, "error"}
_KNOWN = {"value", "sign", "unit", "stable", "moving", "zero", *_MEASURES, *_ENDING}

Groups = dict[str, bytes | None]


class Config(Polled):
    """A scale that is read by patterns."""

    driver: Literal["generic_line"]

    patterns: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=MAX_PATTERN)], ...],
        Field(min_length=1, max_length=8),
    ]
    """One to eight patterns, the first that matches counts. Regular expressions without back
    references and look-around."""

    end: Literal["line", "etx"] = "line"
    """What ends a line: CR or LF, or ETX."""

    comma: bool = False
    """Whether a comma may stand for the decimal point."""

    integers: bool = False
    """Whether a value without a decimal point is one."""

    unit: Annotated[str, Field(min_length=1, max_length=8)] | None = None
    """The unit where the line tells none; None is unknown."""

    bits: Literal[7, 8] = 8
    """Data bits of the line. With 7, bit 7 is parity and is ignored."""

    ask: Affix = ""
    """What asks for a weight; empty for a scale that sends by itself."""

    zero: Affix = ""
    """What makes the scale zero; empty if nothing does."""

    tare: Affix = ""
    """What makes it tare."""

    clear_tare: Affix = ""
    """What takes the tare off again."""

    print: Affix = ""
    """What makes it print."""

    next_unit: Affix = ""
    """What makes it change its unit."""

    @field_validator("patterns")
    @classmethod
    def _patterns_are_sound(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for text in patterns:
            names = set(compiled(text).names)
            if unknown := names - _KNOWN:
                raise ValueError(f"no group may be called {', '.join(sorted(unknown))}")
            if not names & {"value", *_ENDING}:
                raise ValueError(f"{text!r} has neither a value nor over, under, fault or error")
        return patterns


class Decoder(FrameDecoder):
    """Weights out of lines."""

    def __init__(self, config: Config) -> None:
        super().__init__(Frames(b"\x03" if config.end == "etx" else b"\r\n", MAX_LINE, config.bits))
        self._config = config
        self._patterns = [compiled(text) for text in config.patterns]

    def read(self, frame: Frame) -> list[Step]:
        """Return what one line means."""
        text = frame.text.strip(b"\r\n")
        for pattern in self._patterns:
            if (groups := pattern.match(text)) is not None:
                return [self._read(pattern, groups, frame.raw)]
        return [Noise(frame.raw, "no pattern matches the line")]

    def _read(self, pattern: Pattern, groups: Groups, raw: bytes) -> Step:
        if code := groups.get("error"):
            return Refusal(code.decode("latin-1").strip(), raw)
        unit = (groups.get("unit") or b"").decode("latin-1").strip() or self._config.unit
        measure = next((name for name in _MEASURES if groups.get(name)), None)
        for where in _RANGES:
            if groups.get(where):
                return Weight(None, unit, None, raw, measure, where)
        digits = (groups.get("sign") or b"") + (groups.get("value") or b"")
        value = figure(digits, comma=self._config.comma)
        if value is None:
            return Noise(raw, "a weight that is no number")
        if not self._config.integers and value.as_tuple().exponent == 0:
            return Noise(raw, "a number without decimals")
        zero = bool(groups["zero"]) if "zero" in pattern.names else None
        return Weight(value, unit, _stable(groups), raw, measure, zero=zero)


def _stable(groups: Groups) -> bool | None:
    if groups.get("moving"):
        return False
    if "stable" in groups:
        return bool(groups["stable"])
    return True if "moving" in groups else None


def dialogue(config: Config) -> Dialogue:
    """Ask for the weight again and again, if the scale is to be asked; or listen."""
    keys: dict[ScaleCommand, str] = {
        "zero": config.zero,
        "tare": config.tare,
        "clear_tare": config.clear_tare,
        "print": config.print,
        "next_unit": config.next_unit,
    }
    commands = {name: key.encode("latin-1") for name, key in keys.items() if key}
    if not config.ask:
        return Dialogue(Decoder(config), commands=commands)
    return Dialogue(
        Decoder(config),
        ask=config.ask.encode("latin-1"),
        every=config.every,
        within=config.within,
        commands=commands,
    )
