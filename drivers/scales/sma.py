r"""Scales with the standard dialogue of the Scale Manufacturers Association, SCP-0499 (9600 8N1).

They are asked with ``LF W CR`` and answer in fixed columns:

    LF  status  range  measure  motion  reserved  weight (10)  unit (3)  CR

Status: space, ``Z`` at the centre of zero, ``O`` over, ``U`` under, ``E`` zero error, ``I`` initial
zero error, ``T`` tare error. Measure: ``G`` gross, ``N`` net, ``T`` tare; in lower case the weight
has a digit more. Motion: ``M``. Manuals print a blank of the unit as ``_``, and some scales send
it. ``LF ? CR`` is a command the scale does not know, ``LF ! CR`` a garbled one.

Source: Scale Manufacturers Association, SCP-0499, sections 4 and 5; Sartorius PR5220, p. 130, and
PR5211, p. 56.

>>> decoder = dialogue(Config(driver="sma")).decoder
>>> [(weight.value, weight.unit) for weight in decoder.feed(b"\n 1G       1.250kg \r")]
[(Decimal('1.250'), 'kg')]
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

MAX_FRAME = 96
"""Bytes of a frame: weights have 20, and the longest are descriptions of the scale."""

_WEIGHT = re.compile(
    rb"(?P<status>[ ZOUEIT])[0-9A-Z ](?P<measure>[GTNgtn])(?P<motion>[ M])."
    rb"(?P<number>[ 0-9.+-]{10})(?P<unit>[A-Za-z/ _]{3})"
)
_NUMBER = re.compile(rb" *(?P<sign>[+-]?) *(?P<digits>[0-9]{1,10}(?:\.[0-9]{0,8})?|\.[0-9]{1,9})")
_ABOUT = re.compile(rb"[A-Z][A-Z_]{2}:[ -~]*|[ A-Z]{4}")
_ERRORS = {b"?", b"!"}
_RANGES: dict[bytes, Range] = {
    b"O": "over",
    b"U": "under",
    b"E": "fault",
    b"I": "fault",
    b"T": "fault",
}
_MEASURES: dict[bytes, Measure] = {b"G": "gross", b"N": "net", b"T": "tare"}
_PADDING = b"\r\n\0 "

_COMMANDS: dict[ScaleCommand, bytes] = {
    "zero": b"\nZ\r",
    "tare": b"\nT\r",
    "clear_tare": b"\nC\r",
    "next_unit": b"\nU\r",
}


class Config(Polled):
    """A scale with the SMA dialogue."""

    driver: Literal["sma"]

    command: Literal["W", "H", "P", "R"] = "W"
    """``W`` asks for the weight now, ``H`` with a digit more, ``P`` for the next stable one. ``R``
    lets the scale repeat it unasked. All but ``W`` need a scale of level 2."""

    unit: Annotated[str, Field(min_length=1, max_length=8)] | None = None
    """The unit of a scale that leaves it blank; None is unknown."""

    bits: Bits = 8
    """Data bits of the line. With 7, bit 7 is parity and is ignored."""


class Decoder(FrameDecoder):
    """Weights out of frames from LF to CR."""

    def __init__(self, config: Config) -> None:
        super().__init__(Frames(b"\r", MAX_FRAME, config.bits))
        self._unit = config.unit

    def read(self, frame: Frame) -> list[Step]:
        """Return what the frame means; it begins at its last LF."""
        before, mark, body = frame.text.rpartition(b"\n")
        if not mark:
            return [Noise(frame.raw, "a frame without its beginning")]
        step = self._read(body, frame.raw[len(before) :])
        if before.strip(_PADDING):
            return [Noise(frame.raw[: len(before)], "bytes before a frame"), step]
        return [step]

    def _read(self, body: bytes, raw: bytes) -> Step:
        if match := _WEIGHT.fullmatch(body):
            return self._weight(match, raw)
        if body in _ERRORS:
            return Refusal(body.decode(), raw)
        if _ABOUT.fullmatch(body):
            return Reply(body.decode().strip(), raw)
        return Noise(raw, "not an SMA answer")

    def _weight(self, match: re.Match[bytes], raw: bytes) -> Step:
        reach = _RANGES.get(match["status"], "ok")
        number = _NUMBER.fullmatch(match["number"])
        if number is None and reach == "ok":
            return Noise(raw, "a weight that is no number")
        value = None
        if number and reach in {"ok", "under"}:
            value = Decimal((number["sign"] + number["digits"]).decode())
        return Weight(
            value,
            match["unit"].decode().strip(" _") or self._unit,
            stable=match["motion"] != b"M",
            raw=raw,
            measure=_MEASURES[match["measure"].upper()],
            range=reach,
            zero=match["status"] == b"Z",
        )


def dialogue(config: Config) -> Dialogue:
    """Ask for the weight, again and again; or have the scale repeat it."""
    ask = f"\n{config.command}\r".encode()
    repeats = config.command == "R"
    return Dialogue(
        Decoder(config),
        ask=ask,
        every=RENEW if repeats else config.every,
        # A scale that waits for a stable weight may wait as long as it likes.
        within=None if config.command == "P" else config.within,
        commands={name: command + (ask if repeats else b"") for name, command in _COMMANDS.items()},
    )
