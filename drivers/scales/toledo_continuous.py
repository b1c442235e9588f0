r"""Indicators with Toledo continuous output, of Mettler-Toledo and many others (9600 7E1 or 8N1).

They speak unasked, seven to twenty times a second. Standard form, with six digits each for weight
and tare, unsigned and without a point:

    STX  status A  status B  status C  weight  tare  CR  [checksum]

Status A bits 0 to 2 say where the point is (0: two zeros follow, 2: none, 7: five decimals); with
the tenfold resolution of status C bit 4 they already count the digit more. Status B: 0 net,
1 negative, 2 out of range, 3 in motion, 4 kg, 6 not zeroed since it was switched on. Status C bits
0 to 2 are the unit where it is neither lb nor kg.

Extended form, where weight (9) and tare (8) have sign and point:

    SOH  address  status 1 to 4  weight  tare  CR  [checksum]

The checksum is the two's complement of the seven-bit sum of all bytes before it. A frame has a
fixed length and begins with a byte that only the checksum may be too, so that one cut at its front
is noise.

Source: Mettler-Toledo Wildcat technical manual, p. 40; Rice Lake 880, p. 108; Fairbanks FB3000,
p. 55; Mettler-Toledo ICS425, p. 50 (extended); WorldWeigh BWS, p. 22 (LF instead of a checksum).

>>> decoder = dialogue(Config(driver="toledo_continuous", end="none")).decoder
>>> [(weight.value, weight.unit) for weight in decoder.feed(b"\x02-0 001250000000\r")]
[(Decimal('1.250'), 'kg')]
"""

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from drivers.kit.frames import BLOCK, EIGHT, SEVEN, Bits
from drivers.kit.readings import Dialogue, Measure, Noise, Range, ScaleCommand, Step, Weight

SOH, STX, LF, CR = 0x01, 0x02, 0x0A, 0x0D

CONSTANT = 0x20
"""Bit 5 is 1 in each status byte; one maker differs, and only a checksum makes up for it."""

NET, NEGATIVE, OUT_OF_RANGE, MOTION, KG, NOT_ZEROED = 0x01, 0x02, 0x04, 0x08, 0x10, 0x40
_UNITS = {1: "g", 2: "t", 3: "oz", 4: "ozt", 5: "dwt", 6: "ton"}

X_ZERO, X_MOTION = 0x10, 0x40
X_NOT_READY, X_UNDER, X_OVER, X_NOT_ZEROED = 0x01, 0x02, 0x04, 0x08
_X_UNITS = {1: "lb", 2: "kg", 3: "g", 4: "t", 5: "ton", 6: "ozt", 7: "dwt", 8: "oz", 9: "N"}

COMMANDS: dict[ScaleCommand, bytes] = {
    "zero": b"Z",
    "tare": b"T",
    "clear_tare": b"C",
    "print": b"P",
}

_DIGITS = re.compile(rb" *[0-9]{1,6}")
_SIGNED = re.compile(rb" *-? *[0-9]{0,8}\.?[0-9]{0,8}")
_PADDING = b"\r\n\0"


class Config(BaseModel):
    """An indicator set to continuous output."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    driver: Literal["toledo_continuous"]

    form: Literal["standard", "extended"] = "standard"
    """Which of the two forms it sends."""

    end: Literal["checksum", "none", "lf"] = "checksum"
    """What follows the CR. Without a checksum a damaged digit cannot be told from a right one."""

    unit: Annotated[str, Field(min_length=1, max_length=8)] | None = None
    """The unit where the frame says it is another than those it has codes for; None is unknown."""

    bits: Bits = 7
    """Data bits of the line. With 7, bit 7 is parity and is ignored."""


class Decoder:
    """Weights out of frames of one length."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._mask = SEVEN if config.bits == 7 else EIGHT
        self._start = STX if config.form == "standard" else SOH
        body = 17 if config.form == "standard" else 24
        self._cr = body - 1
        self._length = body if config.end == "none" else body + 1
        self._pending = b""
        self._stray = b""

    def feed(self, data: bytes) -> list[Step]:
        """Take what arrived and return one step for each frame. Never raises."""
        raw = self._pending + data
        text = raw.translate(self._mask)
        steps: list[Step] = []
        at = 0
        while True:
            begin = text.find(self._start, at)
            if begin < 0:
                begin = len(text)
            steps += self._strays(raw[at:begin], text[at:begin])
            end = begin + self._length
            if len(text) < end:
                self._pending = raw[begin:]
                return steps
            frame = self._frame(text[begin:end], raw[begin:end])
            if frame is None:
                steps += self._strays(raw[begin : begin + 1], text[begin : begin + 1])
                at = begin + 1
                continue
            steps += [*self._stray_end(), frame]
            at = end

    def quiet(self) -> list[Step]:
        """Drop the frame that was begun."""
        steps = self._stray_end()
        begun, self._pending = self._pending, b""
        return [*steps, Noise(begun, "a frame without its end")] if begun else steps

    def _strays(self, raw: bytes, text: bytes) -> list[Step]:
        self._stray += bytes(raw[at] for at in range(len(raw)) if text[at] not in _PADDING)
        steps: list[Step] = []
        while len(self._stray) >= BLOCK:
            steps.append(Noise(self._stray[:BLOCK], "bytes outside any frame"))
            self._stray = self._stray[BLOCK:]
        return steps

    def _stray_end(self) -> list[Step]:
        stray, self._stray = self._stray, b""
        return [Noise(stray, "bytes outside any frame")] if stray else []

    def _frame(self, text: bytes, raw: bytes) -> Weight | None:
        if text[self._cr] != CR or not self._ended(text):
            return None
        standard = self._config.form == "standard"
        statuses = text[1:4] if standard else text[2:6]
        if self._config.end != "checksum" and not all(byte & CONSTANT for byte in statuses):
            return None
        if standard:
            return _standard(text, raw, self._config.unit)
        return _extended(text, raw, self._config.unit)

    def _ended(self, text: bytes) -> bool:
        match self._config.end:
            case "checksum":
                return (sum(text) & 0x7F) == 0
            case "lf":
                return text[-1] == LF
            case "none":
                return True


def _standard(text: bytes, raw: bytes, unit: str | None) -> Weight | None:
    a, b, c = text[1:4]
    digits = text[4:10]
    kg_or_lb = "kg" if b & KG else "lb"
    reach = _reach(b)
    number = _DIGITS.fullmatch(digits)
    if number is None and reach == "ok":
        return None
    return Weight(
        _value(digits, a & 7, negative=bool(b & NEGATIVE)) if number and reach != "over" else None,
        _UNITS.get(c & 7, unit) if c & 7 else kg_or_lb,
        stable=not b & MOTION,
        raw=raw,
        measure=_measure(b),
        range=reach,
    )


def _reach(b: int) -> Range:
    if b & OUT_OF_RANGE:
        return "under" if b & NEGATIVE else "over"
    return "fault" if b & NOT_ZEROED else "ok"


def _value(digits: bytes, point: int, *, negative: bool) -> Decimal:
    """Return the number, with as many decimals as `point` says; 0 and 1 add zeros instead."""
    whole = digits.decode().strip() + "0" * max(0, 2 - point)
    number = Decimal(int(whole)).scaleb(-max(0, point - 2))
    return number.copy_negate() if negative else number


def _extended(text: bytes, raw: bytes, unit: str | None) -> Weight | None:
    first, second, third = text[2:5]
    field = text[6:15]
    reach = _extended_reach(third)
    number = field.replace(b" ", b"") if _SIGNED.fullmatch(field) else b""
    if not any(digit in b"0123456789" for digit in number):
        if reach == "ok":
            return None
        number = b""
    return Weight(
        Decimal(number.decode()) if number and reach != "over" else None,
        _X_UNITS.get(first & 15, unit),
        stable=not first & X_MOTION,
        raw=raw,
        measure=_measure(second),
        range=reach,
        zero=bool(first & X_ZERO),
    )


def _extended_reach(third: int) -> Range:
    if third & X_OVER:
        return "over"
    if third & X_UNDER:
        return "under"
    return "fault" if third & (X_NOT_READY | X_NOT_ZEROED) else "ok"


def _measure(status: int) -> Measure:
    return "net" if status & NET else "gross"


def dialogue(config: Config) -> Dialogue:
    """Listen: the indicator speaks unasked."""
    return Dialogue(Decoder(config), commands=COMMANDS)
