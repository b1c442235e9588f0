r"""Scales that send ``ST,GS,+  1.234kg``: T-Scale, KERN KFB and KXS, Jadever, Excell, Rinstrum ...

One line, CR LF, in many spellings: one comma or two, the sign next to the digits or far from them,
a decimal comma, the unit behind a comma or right behind the digits, and with some (USR-W610) the
stability in the second place. 9600 8N1 with most.

``GS`` is gross and not grams. A line that only ends in the words, as ``TOL,GS,``, is another. An
overload has no value whatever it carries; an empty value without overload is no weight.

Source: captures of T-Scale QHW and NHB in NSerialCommTools; KERN KXS-TM p. 70, SFB p. 51, KFB-TM
p. 50; Tiger TI-02-P p. 21; WorldWeigh BWS p. 22 (Con1); Triner TS-700 p. 15.

>>> decoder = dialogue(Config(driver="st_gs")).decoder
>>> [(step.value, step.unit) for step in decoder.feed(b"ST,NT,-  0,500kg\r\n")]
[(Decimal('-0.500'), 'kg')]
"""

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from drivers.kit.frames import Frame, FrameDecoder, Frames
from drivers.kit.headed import headed
from drivers.kit.polling import Polled
from drivers.kit.readings import Dialogue, Noise, Refusal, ScaleCommand, Step, Weight

MAX_FRAME = 64
"""Bytes of a line; the longest weights take 22."""

_COUNT = re.compile(rb" *(?P<figure>[0-9]{1,9}) *(?P<unit>PCS|pcs) *")
_ERROR = re.compile(rb"ERR?[0-9 ]{0,3}|ERROR|Error")
_LETTERS: dict[ScaleCommand, bytes] = {"zero": b"Z", "tare": b"T", "print": b"P"}


class Config(Polled):
    """A scale that says ``ST,GS``."""

    driver: Literal["st_gs"]

    asked: Literal["never", "letters"] = "never"
    """``never``: the scale sends by itself. ``letters``: it is asked with ``W``, as KERN KFB."""

    counts: bool = False
    """Whether a bare ``10PCS`` is a count. Nothing in it shows a digit lost at its front, so it is
    noise unless the scale is used for counting."""

    unit: Annotated[str, Field(min_length=1, max_length=8)] | None = None
    """The unit of a scale that sends none; None is unknown."""


class Decoder(FrameDecoder):
    """Weights out of lines."""

    def __init__(self, config: Config) -> None:
        super().__init__(Frames(b"\r\n", MAX_FRAME))
        self._config = config

    def read(self, frame: Frame) -> list[Step]:
        """Return what one line means."""
        if step := headed(frame.text, frame.raw, self._config.unit):
            return [step]
        if self._config.counts and (match := _COUNT.fullmatch(frame.text)):
            value, unit = Decimal(match["figure"].decode()), match["unit"].decode()
            return [Weight(value, unit, None, frame.raw, "count")]
        if _ERROR.fullmatch(frame.text.strip()):
            return [Refusal(frame.text.decode().strip(), frame.raw)]
        return [Noise(frame.raw, "a line without ST, US, OL or UL")]


def dialogue(config: Config) -> Dialogue:
    """Listen; or ask for the weight now, again and again."""
    if config.asked == "never":
        return Dialogue(Decoder(config))
    return Dialogue(
        Decoder(config),
        ask=b"W",
        every=config.every,
        within=config.within,
        commands=_LETTERS,
    )
