r"""Sartorius and Minebea balances and scales with SBI (1200 7O1 on old ones, 9600 8N1 on new).

They are asked with ``ESC P``, or print by themselves. A line has 16 characters with its CR LF:
sign, number to column 10, a blank, unit; or 22, with what it is in six characters before:

    +   123.56 g
    N     +   123.56 g
    Stat       High

Without a unit the weight is not stable. A digit in brackets is below the verified interval and
no part of the weight. Instead of a number come ``High`` or ``H``, ``Low`` or ``L``, ``--`` (display
blank), ``OFF``, ``C`` or ``Cal.Ext.`` (calibrating), and errors; these stand in columns that differ
between models, so they are read by their words.

One length is chosen, since a long line whose front was lost looks like a short one.

Source: Sartorius Entris II, p. 3, LE, p. 51, EB, p. 63, EC1XS, p. 11, Quintix, p. 87, and ME215S,
p. 136.

>>> decoder = dialogue(Config(driver="sartorius_sbi")).decoder
>>> [(weight.value, weight.unit) for weight in decoder.feed(b"N     +   123.56 g  \r\n")]
[(Decimal('123.56'), 'g')]
"""

import re
from decimal import Decimal
from typing import Literal

from drivers.kit.frames import Bits, Frame, FrameDecoder, Frames
from drivers.kit.polling import Polled
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

MAX_LINE = 64
"""Bytes of a line: three times the longest."""

IDENTIFIER = 6
"""Characters of what a line of 22 says it is."""
VALUE = 14
"""Characters of sign, number and unit."""

_VALUE = re.compile(
    rb"(?=.{10} )(?P<sign>[ +-]) *(?P<number>[0-9]{1,8}(?:\.[0-9]{0,7})?|\.[0-9]{1,7})"
    rb"(?:\[[0-9]\])? +(?P<unit>[A-Za-z%/][A-Za-z0-9%/]{0,2})? *"
)
_KEY = re.compile(rb" {8}(?P<key>[0-9]{3}) {3}")
_ERROR = re.compile(rb"(?:Err|ERR|E) ?(?P<code>[0-9]{1,4})|(?P<named>(?:APP|DIS|PRT)\.ERR)")

_MEASURES: dict[bytes, Measure | None] = {
    b"": None,
    b"N": "net",
    b"G": "gross",
    b"G#": "gross",
    b"T": "tare",
    b"Qnt": "count",
}
_NUMBERED = re.compile(rb"(?P<letter>[NGT])[0-9]")
_RANGES: dict[bytes, Range] = {b"High": "over", b"H": "over", b"Low": "under", b"L": "under"}
_NOT_NOW = {b"--", b"C", b"Cal.Ext.", b"Cal.Int.", b"OFF"}

COMMANDS: dict[ScaleCommand, bytes] = {"zero": b"\x1bV", "tare": b"\x1bU", "print": b"\x1bP"}


class Config(Polled):
    """A scale with SBI."""

    driver: Literal["sartorius_sbi"]

    length: Literal[16, 22] = 22
    """Characters of a line, as the scale is set."""

    mode: Literal["asked", "unasked"] = "asked"
    """``unasked`` sends nothing, for a scale that prints by itself or at a key."""

    bits: Bits = 7
    """Data bits of the line. With 7, bit 7 is parity and is ignored."""


class Decoder(FrameDecoder):
    """Weights out of lines."""

    def __init__(self, config: Config) -> None:
        super().__init__(Frames(b"\r\n", MAX_LINE, config.bits))
        self._identified = config.length == 22

    def read(self, frame: Frame) -> list[Step]:
        """Return what a line means; the keys pressed before it have no ends."""
        text, raw = frame.text, frame.raw
        steps: list[Step] = []
        while match := _KEY.match(text):
            steps.append(Reply(f"key {match['key'].decode()}", raw[:VALUE]))
            text, raw = text[VALUE:], raw[VALUE:]
        return [*steps, self._read(text, raw)] if text else steps

    def unended(self, frame: Frame) -> list[Step]:
        """Return the keys that were pressed."""
        if len(frame.text) == VALUE and _KEY.match(frame.text):
            return self.read(frame)
        return super().unended(frame)

    def _read(self, text: bytes, raw: bytes) -> Step:
        identifier, value = b"", text
        if self._identified:
            identifier, value = text[:IDENTIFIER].strip(), text[IDENTIFIER:]
        if len(value) == VALUE and (match := _VALUE.fullmatch(value)):
            return _weight(identifier, match, raw)
        return _status(text, raw)


def _weight(identifier: bytes, match: re.Match[bytes], raw: bytes) -> Step:
    if numbered := _NUMBERED.fullmatch(identifier):
        identifier = numbered["letter"]
    if identifier not in _MEASURES:
        return Reply(" ".join(raw.decode("latin-1").split()), raw)
    return Weight(
        Decimal((match["sign"].strip() + match["number"].rstrip(b".")).decode()),
        match["unit"].decode() if match["unit"] else None,
        stable=bool(match["unit"]),
        raw=raw,
        measure=_MEASURES[identifier],
    )


def _status(text: bytes, raw: bytes) -> Step:
    words = text.split()
    if words[:1] == [b"Stat"]:
        words = words[1:]
    said = b" ".join(words)
    if said in _RANGES:
        return Weight(None, None, None, raw, range=_RANGES[said])
    if said in _NOT_NOW:
        return Refusal(said.decode(), raw)
    if error := _ERROR.fullmatch(said):
        return Refusal((error["code"] or error["named"]).decode(), raw)
    return Noise(raw, "not an SBI line")


def dialogue(config: Config) -> Dialogue:
    """Ask for the weight, again and again; or listen."""
    if config.mode == "unasked":
        return Dialogue(Decoder(config), commands=COMMANDS)
    return Dialogue(
        Decoder(config),
        ask=b"\x1bP",
        every=config.every,
        within=config.within,
        commands=COMMANDS,
    )
