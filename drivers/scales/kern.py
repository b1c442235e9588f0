r"""KERN balances and scales that are asked with single letters: FKB, KDE, KFB, SFB, KXS and others.

The letter ``w`` asks for the weight now, ``s`` for a stable one; no CR LF follows (9600 8N1). Those
with KCP instead speak MT-SICS: driver ``mt_sics``. Two kinds of lines come:

    -      1.234 kg       sign, number to a fixed column, blank, unit (FKB, KDE, DE)
    ST,GS 1.342KG         ST stable, US moving, OL out of range; GS gross, NT net (KFB, SFB, KXS)

Of the first kind a line without a unit is moving. Its minus stands far from the digits, and a line
that lost it looks whole; so of the first line after opening the columns must be known ones.

Source: KERN FKB-A, p. 37; KDE-T, p. 36; DE (print line); KFB-TM, p. 50; SFB, p. 51; KXS-TM, p. 70;
GAB-N, p. 37; ``=Overload=`` as SweepMe's driver meets it.

>>> decoder = dialogue(Config(driver="kern")).decoder
>>> [(weight.value, weight.unit) for weight in decoder.feed(b" -     1.234 kg \r\n")]
[(Decimal('-1.234'), 'kg')]
"""

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from drivers.kit.frames import Bits, Frame, FrameDecoder, Frames
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

MAX_LINE = 64
"""Bytes of a line: weights have 18."""

_NUMBER = rb"(?P<number>[0-9]{1,10}(?:\.[0-9]{1,8})?|\.[0-9]{1,8})"
_UNIT = rb"(?P<unit>[A-Za-z%][A-Za-z0-9%/]{0,3})?"
_PLAIN = re.compile(
    rb"(?P<mark>M)?(?P<front> *)(?P<sign>[+-]?)(?P<gap> *)"
    + _NUMBER + rb"(?P<tail> *" + _UNIT + rb" *)"
)  # fmt: skip
_HEADED = re.compile(
    rb"(?P<state>ST|US|OL)[, ] *(?P<measure>GS|NT|TR|G|N)[, ]* *"
    rb"(?P<sign>[+-]?) *(?:" + _NUMBER + rb")?[, ]*" + _UNIT + rb" *"
)
_MEASURES: dict[bytes, Measure] = {
    b"GS": "gross",
    b"G": "gross",
    b"NT": "net",
    b"N": "net",
    b"TR": "tare",
}
_STATES = {b"ST": True, b"US": False}
_COUNTED = b"PCS"
_OVERLOAD = b"=Overload="

_COLUMNS = {(12, 4), (12, 1), (14, 3), (10, 5)}
"""Where a number ends, and how many characters follow: KDE and FKB, FKB moving, DE, and shorter."""
_MOVING_COLUMN = 10
"""Where it ends in the shorter line, whatever number of blanks stands for the unit."""

COMMANDS: dict[ScaleCommand, bytes] = {"zero": b"z", "tare": b"t"}


class Config(Polled):
    """A KERN scale that is asked with letters."""

    driver: Literal["kern"]

    ask: Literal["w", "s", ""] = "w"
    """``w`` asks for the weight now, ``s`` for the next stable one; with nothing the scale must be
    set to send by itself."""

    unit: Annotated[str, Field(min_length=1, max_length=8)] | None = None
    """The unit of a weight that has none, which is a moving one; None is unknown."""

    length: int | None = Field(default=None, ge=6, le=80)
    """Characters of a weight as this scale sends it, without its end. One of another length is
    noise, so that a lost byte cannot change a weight. None takes every length."""

    bits: Bits = 8
    """Data bits of the line. With 7, bit 7 is parity and is ignored."""


class Decoder(FrameDecoder):
    """Weights out of lines."""

    def __init__(self, config: Config) -> None:
        super().__init__(Frames(b"\r\n", MAX_LINE, config.bits), config.length)
        self._unit = config.unit

    def read(self, frame: Frame) -> list[Step]:
        """Return what a line means."""
        if match := _HEADED.fullmatch(frame.text):
            return [self._headed(match, frame.raw)]
        if match := _PLAIN.fullmatch(frame.text):
            return [self._plain(match, frame)]
        match frame.text.strip():
            case b"Error":
                return [Refusal("Error", frame.raw)]
            case word if word == _OVERLOAD:
                return [Weight(None, self._unit, None, frame.raw, range="over")]
        return [Noise(frame.raw, "not a KERN line")]

    def _headed(self, match: re.Match[bytes], raw: bytes) -> Step:
        unit = match["unit"].decode() if match["unit"] else self._unit
        measure = _MEASURES[match["measure"]]
        if match["state"] == b"OL":
            reach: Range = "under" if match["sign"] == b"-" else "over"
            return Weight(None, unit, None, raw, measure, reach)
        if not match["number"]:
            return Noise(raw, "a weight without a number")
        return Weight(_value(match), unit, _STATES[match["state"]], raw, measure)

    def _plain(self, match: re.Match[bytes], frame: Frame) -> Step:
        known = _known(match)
        if not (known or frame.begun):
            return Noise(frame.raw, "a line whose beginning may be missing")
        counted = (match["unit"] or b"").upper() == _COUNTED
        return Weight(
            _value(match),
            match["unit"].decode() if match["unit"] else self._unit,
            stable=bool(match["unit"]) if known and not match["mark"] else None,
            raw=frame.raw,
            measure="count" if counted else None,
        )


def _known(match: re.Match[bytes]) -> bool:
    """Return whether the number stands where a whole line has it."""
    ends, follow = match.end("number"), len(match["tail"])
    if match["sign"] and match.start("sign") > 1:
        return not match["gap"] and bool(match["front"])
    if match.start("number") == 0:
        return False
    moving = ends == _MOVING_COLUMN and not match["unit"]
    return (ends, follow) in _COLUMNS or moving


def _value(match: re.Match[bytes]) -> Decimal:
    value = Decimal((match["sign"] + match["number"]).decode())
    # An empty pan that drifted has a minus before its zero.
    return value or abs(value)


def dialogue(config: Config) -> Dialogue:
    """Ask for the weight, again and again; or listen."""
    if not config.ask:
        return Dialogue(Decoder(config), commands=COMMANDS)
    return Dialogue(
        Decoder(config),
        ask=config.ask.encode(),
        every=config.every,
        # Asked for a stable weight the scale is silent as long as the load moves.
        within=config.within if config.ask == "w" else None,
        commands=COMMANDS,
    )
