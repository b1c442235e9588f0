r"""Adam Equipment scales: CPWplus, AZextra, PGL, Highland (9600 or 4800 8N1).

| dialect | asked with | answer |
|---|---|---|
| cpw | ``G`` or ``N`` CR LF | ``G/W  + 5.00 lb``, with other firmware ``G +``, or the sign first |
| azextra | ``P`` CR LF | ``  1.250kg``; an empty line means zero, or that nothing has changed |
| pgl | ``!KP`` CR | as highland; ``!EU`` ``!EK`` ``!EF`` for a wrong command |
| highland | ``P`` CR LF | ``GROSS   123.45 g``, or sign, weight and unit in 16 characters |

A Highland that sends by itself begins with ``ST,GS``.

Source: Adam CPWplus manual p. 14, PGL manual p. 28, Highland manual p. 25 to 27; AZextra: `Adam`
driver of Odoo for its commands and the empty answer.

>>> decoder = dialogue(Config(driver="adam")).decoder
>>> [(step.value, step.measure) for step in decoder.feed(b"N/W  -   1.25 kg\r\n")]
[(Decimal('-1.25'), 'net')]
"""

import re
from typing import Literal

from drivers.kit.figures import figure
from drivers.kit.headed import headed
from drivers.kit.polling import Polled
from drivers.kit.readings import (
    Dialogue,
    Measure,
    Noise,
    Refusal,
    Reply,
    ScaleCommand,
    Step,
    Weight,
)

MAX_FRAME = 64
"""Bytes of a line; weights have 22 at most."""

_FIGURE = rb"(?P<figure>[ +-]*[0-9]*\.?[0-9]+) *(?P<unit>[A-Za-z]{1,4}) *"
_LETTERS = re.compile(rb"(?P<what>[GNT](?:/W)?)(?= *[+-])" + _FIGURE)
_WORDS = re.compile(rb"(?P<what>GROSS|NET)(?= )" + _FIGURE)
_SIGNED = re.compile(rb"(?=[+-])" + _FIGURE)
_WIDE = re.compile(rb"(?=.{16}$)(?P<figure>[ -] *[0-9]*\.?[0-9]+) ?(?P<unit>[A-Za-z]{1,3}) {0,2}")
_PADDED = re.compile(rb"(?P<figure> +-?[0-9]+\.[0-9]+) ?(?P<unit>[A-Za-z]{1,3}) *")
_FORMS = {
    "cpw": (_LETTERS, _SIGNED),
    "azextra": (_PADDED,),
    "pgl": (_WORDS, _WIDE),
    "highland": (_WORDS, _WIDE),
}
_ERROR = re.compile(rb"!E[UKF]")
_OTHER = re.compile(rb"<Z.*|(?:Total|No\.) .*|ID.*")
_MEASURES: dict[bytes, Measure] = {b"G": "gross", b"N": "net", b"T": "tare"}

_ASKS = {"azextra": b"P\r\n", "pgl": b"!KP\r", "highland": b"P\r\n"}
_COMMANDS: dict[str, dict[ScaleCommand, bytes]] = {
    "cpw": {"tare": b"Z\r\n"},
    "azextra": {"zero": b"Z\r\n", "tare": b"T\r\n"},
    "pgl": {"tare": b"!KT\r", "print": b"!KP\r"},
    "highland": {"zero": b"Z\r\n", "tare": b"T\r\n", "print": b"P\r\n"},
}


class Config(Polled):
    """An Adam Equipment scale."""

    driver: Literal["adam"]

    dialect: Literal["cpw", "azextra", "pgl", "highland"] = "cpw"
    """Which of Adam's dialects the scale speaks."""

    named: bool | None = None
    """Whether the lines of a CPWplus begin with ``G/W``, ``N/W`` or ``T/W``. True makes a line that
    begins with the sign, and so may have lost its name, noise; None takes both."""

    measure: Literal["gross", "net"] = "gross"
    """What a CPWplus is asked for."""

    asked: bool = True
    """Whether the scale is asked; it may also send by itself."""


class Decoder:
    """Weights out of lines. An empty line counts: it is an answer."""

    def __init__(self, config: Config) -> None:
        self._dialect = config.dialect
        self._forms = [
            form for form in _FORMS[config.dialect] if not (form is _SIGNED and config.named)
        ]
        self._pending = b""
        self._torn = False

    def feed(self, data: bytes) -> list[Step]:
        """Take what arrived and return one step for each complete line. Never raises."""
        *lines, rest = (self._pending + data).split(b"\n")
        steps = [step for line in lines for step in self._line(line)]
        if len(rest) > MAX_FRAME and not self._torn:
            steps.append(_overlong(rest))
            self._torn = True
        self._pending = b"" if self._torn else rest
        return steps

    def quiet(self) -> list[Step]:
        """Drop the line that was begun."""
        rest, self._pending, self._torn = self._pending, b"", False
        return [Noise(rest, "a line without its end")] if rest else []

    def _line(self, line: bytes) -> list[Step]:
        torn, self._torn = self._torn, False
        raw, text = line + b"\n", line.rstrip(b"\r")
        if torn:
            return []  # said already
        if len(line) > MAX_FRAME:
            return [_overlong(line)]
        if not text:
            return [Reply("zero or unchanged", raw)] if line and self._dialect == "azextra" else []
        if self._dialect == "highland" and (step := headed(text, raw, None)):
            return [step]
        for form in self._forms:
            if match := form.fullmatch(text):
                return [_weight(match, raw)]
        if _ERROR.fullmatch(text):
            return [Refusal(text[1:].decode(), raw)]
        if _OTHER.fullmatch(text):
            return [Reply(text.decode("latin-1"), raw)]
        return [Noise(raw, "not a line of an Adam scale")]


def _overlong(line: bytes) -> Noise:
    return Noise(line[:MAX_FRAME], "more bytes than any line has")


def _weight(match: re.Match[bytes], raw: bytes) -> Step:
    value = figure(match["figure"])
    if value is None:
        return Noise(raw, "a weight that is no number")
    unit = match["unit"].decode()
    if unit.upper() == "PCS":
        return Weight(value, unit, None, raw, "count")
    what = match.groupdict().get("what") or b"-"
    return Weight(value, unit, None, raw, _MEASURES.get(what[:1]))


def dialogue(config: Config) -> Dialogue:
    """Ask for the weight now, again and again; or listen."""
    commands = _COMMANDS[config.dialect]
    if not config.asked:
        return Dialogue(Decoder(config), commands=commands)
    letter = b"N\r\n" if config.measure == "net" else b"G\r\n"
    return Dialogue(
        Decoder(config),
        ask=_ASKS.get(config.dialect, letter),
        every=config.every,
        within=config.within,
        commands=commands,
    )
