r"""Fairbanks instruments, and parcel scales set to UPS WorldShip (9600 7E1, 7O2 or 8N1).

| dialect | frame |
|---|---|
| demand | ``STX`` weight, space, unit, space, ``GR`` or ``NT``, CR LF |
| worldship | weight, space, ``lb`` or ``lb.``, space, ``GR``, two spaces, CR LF, ETX or EOT |
| fbputr | ``STX 4`` and what, weight (6), ``ETX`` |

Overload is CR and ETX, or EOT alone, with worldship, dashes with fbputr, and no answer with demand.

All but fbputr are asked with CR. Small letters, ``gr``, mean that the load moves. What does not
begin with STX must have a weight of just so many characters, so that none can be missing.

Source: Fairbanks FB2255 p. 72, 2800 series p. 66 (FBPUTR), Transcell PC-150 p. B-8 (demand and its
commands), Sterling 7600 interface manual (WorldShip).

>>> decoder = dialogue(Config(driver="fairbanks")).decoder
>>> [(step.value, step.stable) for step in decoder.feed(b"\x02    12.34 lb gr\r\n")]
[(Decimal('12.34'), False)]
"""

import re
from typing import Literal

from pydantic import Field

from drivers.kit.figures import figure
from drivers.kit.polling import Polled
from drivers.kit.readings import Dialogue, Measure, Noise, ScaleCommand, Step, Weight

MAX_FRAME = 64
"""Bytes of a frame; the longest have 25."""

_ENDS = {"demand": b"[\r\n\x04]", "worldship": b"[\x03\x04]", "fbputr": b"\x03"}
_LINE = re.compile(
    rb"(?P<stx>\x02?)(?P<figure>[ 0-9.+-]*[0-9.]) {1,2}(?P<unit>lb|kg|oz|g)\.? +"
    rb"(?P<what>GR|NT|gr|nt) *\r?\n?"
)
_COMPUTER = re.compile(rb"\x024(?P<what>[0134])(?P<figure>[ 0-9.-]{6})")
_MEASURES: dict[bytes, Measure] = {b"GR": "gross", b"NT": "net"}
_WHAT: dict[bytes, tuple[Measure, str]] = {
    b"0": ("gross", "lb"),
    b"1": ("net", "lb"),
    b"3": ("gross", "kg"),
    b"4": ("net", "kg"),
}
_KEYS: dict[ScaleCommand, bytes] = {"zero": b"Z", "tare": b"T", "clear_tare": b"G", "print": b"\r"}
_SEVEN_BITS = bytes(value & 0x7F for value in range(256))


class Config(Polled):
    """A Fairbanks instrument, or a scale that talks like one."""

    driver: Literal["fairbanks"]

    dialect: Literal["demand", "worldship", "fbputr"] = "demand"
    """Which frames the scale sends."""

    width: int | None = Field(default=None, ge=4, le=12)
    """Characters of a weight that has no STX before it: 6 on Sterling scales, 7 on an FB2255. None
    is 6 with ``worldship``, and with ``demand`` no such weight is taken."""

    bits: Literal[7, 8] = 7
    """Data bits of the line. With 7, bit 7 is parity and is ignored."""


class Decoder:
    """Weights out of frames."""

    def __init__(self, config: Config) -> None:
        self._config = config
        usual = 6 if config.dialect == "worldship" else None
        self._width = config.width or usual
        self._end = re.compile(_ENDS[config.dialect])
        self._pending = b""
        self._torn = False

    def feed(self, data: bytes) -> list[Step]:
        """Take what arrived and return one step for each frame. Never raises."""
        raw = self._pending + data
        text = raw.translate(_SEVEN_BITS) if self._config.bits == 7 else raw
        steps: list[Step] = []
        start = 0
        for end in self._end.finditer(text):
            steps += self._frame(text[start : end.start()], end[0], raw[start : end.end()])
            start = end.end()
        rest = raw[start:]
        if len(rest) > MAX_FRAME and not self._torn:
            steps.append(_overlong(rest))
            self._torn = True
        self._pending = b"" if self._torn else rest
        return steps

    def quiet(self) -> list[Step]:
        """Drop the frame that was begun."""
        rest, self._pending, self._torn = self._pending, b"", False
        return [Noise(rest, "a frame without its end")] if rest else []

    def _frame(self, text: bytes, end: bytes, raw: bytes) -> list[Step]:
        torn, self._torn = self._torn, False
        if torn:
            return []  # said already
        if len(text) > MAX_FRAME:
            return [_overlong(raw)]
        if self._config.dialect == "fbputr":
            return [self._computer(text, raw)]
        if self._config.dialect == "worldship":
            if text == b"\r" or (not text and end == b"\x04"):
                return [Weight(None, None, None, raw, range="over")]
            return [self._line(text, raw)]
        text = text.strip(b"\x03")
        return [self._line(text, raw)] if text else []

    def _line(self, text: bytes, raw: bytes) -> Step:
        match = _LINE.fullmatch(text)
        value = None if match is None else figure(match["figure"])
        if match is None or value is None:
            return Noise(raw, "neither a weight nor an overload")
        if not match["stx"] and len(match["figure"]) != self._width:
            return Noise(raw, "a weight that may lack a digit")
        what, unit = match["what"], match["unit"].decode()
        return Weight(value, unit, what.isupper(), raw, _MEASURES[what.upper()])

    def _computer(self, text: bytes, raw: bytes) -> Step:
        match = _COMPUTER.fullmatch(text)
        if match is None:
            return Noise(raw, "neither a weight nor an overload")
        measure, unit = _WHAT[match["what"]]
        if not match["figure"].strip(b"- "):
            return Weight(None, unit, None, raw, measure, "over")
        value = figure(match["figure"])
        if value is None:
            return Noise(raw, "a weight that is no number")
        return Weight(value, unit, None, raw, measure)


def _overlong(frame: bytes) -> Noise:
    return Noise(frame[:MAX_FRAME], "more bytes than any frame has")


def dialogue(config: Config) -> Dialogue:
    """Ask for the weight now, again and again; or listen."""
    if config.dialect == "fbputr":
        return Dialogue(Decoder(config))
    return Dialogue(
        Decoder(config), ask=b"\r", every=config.every, within=config.within, commands=_KEYS
    )
