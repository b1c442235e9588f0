r"""A&D scales, balances and indicators, and trickler scales that copy them (2400 7E1).

They are asked with ``Q``, told to stream with ``SIR``, or send by themselves. Their format is a
setting of the scale:

| format | line | is |
|---|---|---|
| standard | ``ST,+00123.45  g`` | ST stable, US moving, QT stable count, OL out of range |
| industrial | ``ST,GS,+0012.345kg`` | the same with GS gross, NT net, TR tare |
| comparator | ``ST,OK,+0001.234 kg`` | the same with HI, OK, LO |
| CSV | ``ST,+00123.45,  g`` or ``ST;+00123,45;  g`` | the same |
| dump print | ``WT     +1.278 ct`` | WT stable |
| MT | ``S     12.78 g`` | S stable, SD moving, SI out of range |
| KF | ``+     12.78 g`` | 14 characters; without a unit it is moving |
| NU | ``+00012.78`` | a number only |
| plain | ``+0045.02 GN`` | Creedmoor, US Solid: they never say whether it is stable |

The first six are told by their headers and read at once; the others have none and must be chosen:
else the end of an ``OL`` line whose front was lost would be a weight. ``OL`` has digits in at least
five spellings, some of them an old weight; none is ever used.

Source: A&D EK-L, p. 30, GC, p. 51, GH-252, p. 44, AD-4212D, p. 29, HC-3Ki, p. 50; GX and FZ-CT
manuals (KF, MT, NU, CSV and dump print).

>>> decoder = dialogue(Config(driver="and_")).decoder
>>> [(weight.value, weight.unit) for weight in decoder.feed(b"ST,+00123.45  g\r\n")]
[(Decimal('123.45'), 'g')]
"""

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from drivers.kit.frames import Bits, Frame, FrameDecoder, Frames
from drivers.kit.polling import RENEW, Polled
from drivers.kit.readings import (
    Dialogue,
    Measure,
    Noise,
    Range,
    Refusal,
    Reply,
    ScaleCommand,
    Step,
    Weight,
)

MAX_LINE = 96
"""Bytes of a line. Weights take 15; identification, date and time may stand before them."""

ACK = b"\x06"

_UNIT = rb"(?P<unit>[A-Za-z%/][A-Za-z0-9%/]{0,3})?"
_NUMBER = rb"(?P<sign>[+-]?) *(?P<number>[0-9]{1,10}(?:[.,][0-9]{1,8})?)"
_HEADERS = (
    rb"(?:[!-+\--~]{1,20}, *){0,5}?(?P<state>ST|US|QT|OL|WT)"
    rb"(?:[,;] ?(?P<measure>GS|NT|TR))?(?:[,;] ?(?:HH|HI|OK|LO|LL))?(?:[,;] *| +)"
)
_HEADED = re.compile(_HEADERS + _NUMBER + rb" *[,;]? *" + _UNIT + rb" *")
_OVERLOAD = re.compile(
    _HEADERS + rb"(?P<sign>[+-]?)[ 0-9.]*(?:E[+-]?[0-9]{1,3})? *[,;]? *" + _UNIT + rb" *"
)
_MT = re.compile(rb"S(?P<state>[ DI])(?: *(?P<sign>-?)(?P<number>[0-9]{1,10}(?:\.[0-9]{1,8})?)"
                 rb" *" + _UNIT + rb")? *")  # fmt: skip
_ERROR = re.compile(rb"EC, ?(?P<code>E[0-9]{1,2})")
_REPLY = re.compile(rb"(?:ID|SN|TN|PT|MD),[ -~]*")
_SIGNED = rb"(?P<sign>[+-]) *(?P<number>[0-9]{1,10}(?:\.[0-9]{1,8})?)"
_BARE = {
    "kf": re.compile(rb"(?=.{14}\Z)(?P<sign>[ +-]) *(?P<number>[0-9]{1,10}(?:\.[0-9]{1,8})?) *"
                     + _UNIT + rb" *"),
    "nu": re.compile(_SIGNED + rb"(?P<unit>)"),
    "plain": re.compile(_SIGNED + rb" *" + _UNIT + rb" *"),
}  # fmt: skip

_STATES = {b"ST": True, b"WT": True, b"QT": True, b"US": False}
_MEASURES: dict[bytes, Measure] = {b"GS": "gross", b"NT": "net", b"TR": "tare"}
_RANGES: dict[bytes, Range] = {b"+": "over", b"": "over", b"-": "under"}

_COMMANDS: dict[ScaleCommand, bytes] = {"zero": b"Z\r\n", "tare": b"T\r\n", "print": b"PRT\r\n"}


class Config(Polled):
    """An A&D scale, or a copy of one."""

    driver: Literal["and_"]

    format: Literal["standard", "kf", "nu", "plain"] = "standard"
    """``standard`` for all formats with a header, else the one without that the scale is set to."""

    mode: Literal["asked", "told", "unasked"] = "asked"
    """``asked`` sends ``Q`` for each weight; ``told`` sends ``SIR``, and the scale streams;
    ``unasked`` sends nothing, for a scale set to stream or to print at a key."""

    unit: Annotated[str, Field(min_length=1, max_length=8)] | None = None
    """The unit where the scale sends none; None is unknown."""

    length: int | None = Field(default=None, ge=6, le=80)
    """Characters of a weight as this scale sends it, without its end. One of another length is
    noise, so that a lost byte cannot change a weight. None takes every length."""

    bits: Bits = 7
    """Data bits of the line. With 7, bit 7 is parity and is ignored."""


class Decoder(FrameDecoder):
    """Weights out of lines."""

    def __init__(self, config: Config) -> None:
        super().__init__(Frames(b"\r\n", MAX_LINE, config.bits), config.length)
        self._config = config

    def read(self, frame: Frame) -> list[Step]:
        """Return what a line means; acknowledgements may stand before it."""
        line = frame.text.lstrip(ACK)
        count = len(frame.text) - len(line)
        steps: list[Step] = [Reply("ACK", frame.raw[at : at + 1]) for at in range(count)]
        return [*steps, self._read(line, frame.raw[count:])] if line else steps

    def unended(self, frame: Frame) -> list[Step]:
        """Return the acknowledgements, which have no end."""
        if frame.text.strip(ACK):
            return super().unended(frame)
        return self.read(frame)

    def _read(self, line: bytes, raw: bytes) -> Step:
        if match := _ERROR.fullmatch(line.strip()):
            return Refusal(match["code"].decode(), raw)
        if _REPLY.fullmatch(line):
            return Reply(line.decode().strip(), raw)
        if self._config.format != "standard":
            return self._bare(line, raw)
        if (match := _OVERLOAD.fullmatch(line)) and match["state"] == b"OL":
            return Weight(
                None,
                self._unit(match),
                None,
                raw,
                measure=_MEASURES.get(match["measure"]),
                range=_RANGES[match["sign"]],
            )
        if (match := _HEADED.fullmatch(line)) and match["state"] != b"OL":
            counted = match["state"] == b"QT"
            measure = "count" if counted else _MEASURES.get(match["measure"])
            return self._weight(match, _STATES[match["state"]], measure, raw)
        return self._mt(line, raw)

    def _mt(self, line: bytes, raw: bytes) -> Step:
        match = _MT.fullmatch(line)
        if match is None or (match["number"] is None) != (match["state"] == b"I"):
            return Noise(raw, "not an A&D line")
        if match["number"] is None:
            return Weight(None, self._config.unit, None, raw, range="over")
        return self._weight(match, match["state"] == b" ", None, raw)

    def _bare(self, line: bytes, raw: bytes) -> Step:
        match = _BARE[self._config.format].fullmatch(line)
        if match is None:
            return Noise(raw, f"not a line in the format {self._config.format}")
        stable = bool(match["unit"]) if self._config.format == "kf" else None
        return self._weight(match, stable, None, raw)

    def _weight(
        self, match: re.Match[bytes], stable: bool | None, measure: Measure | None, raw: bytes
    ) -> Weight:
        digits = (match["sign"].strip() + match["number"]).decode().replace(",", ".")
        return Weight(Decimal(digits), self._unit(match), stable, raw, measure)

    def _unit(self, match: re.Match[bytes]) -> str | None:
        return match["unit"].decode() if match["unit"] else self._config.unit


def dialogue(config: Config) -> Dialogue:
    """Ask for the weight, again and again; or have the scale stream it; or listen."""
    match config.mode:
        case "asked":
            return Dialogue(
                Decoder(config),
                ask=b"Q\r\n",
                every=config.every,
                within=config.within,
                commands=_COMMANDS,
            )
        case "told":
            return Dialogue(
                Decoder(config),
                ask=b"SIR\r\n",
                every=RENEW,
                within=config.within,
                commands={name: command + b"SIR\r\n" for name, command in _COMMANDS.items()},
            )
        case "unasked":
            return Dialogue(Decoder(config), commands=_COMMANDS)
