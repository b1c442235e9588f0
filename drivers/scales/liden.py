r"""Liden LUW2001 with continuous output A, and Mahak and Pand scales with ``wn`` lines (9600 8N1).

``ww`` gross or ``wn`` net, the weight, the unit: ``ww00015.000kg``. CR LF may follow or not; the
unit ends a frame. The first character of the weight is ``-`` below zero. Nothing says whether the
weight is stable.

Source: Liden LUW2001 manual p. 16; the ``wn`` lines as read by pymahex-scaler.

>>> decoder = dialogue(Config(driver="liden")).decoder
>>> [(step.value, step.measure) for step in decoder.feed(b"wn00015.000kg")]
[(Decimal('15.000'), 'net')]
"""

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict

from drivers.kit.figures import figure
from drivers.kit.readings import Dialogue, Measure, Noise, Step, Weight
from drivers.kit.telegrams import TelegramDecoder

LONGEST = 16
"""Bytes of a frame; the usual ones have 12 and 13."""

_FRAME = re.compile(rb"w(?P<what>[wn])(?P<figure>[-+0-9. ]{3,11})(?P<unit>kg|lb)")
_BEGUN = re.compile(rb"w(?:[wn](?:[-+0-9. ]{0,11}|[-+0-9. ]{3,11}[kl])?)?")
_MEASURES: dict[bytes, Measure] = {b"w": "gross", b"n": "net"}


class Config(BaseModel):
    """A scale that sends ``ww`` and ``wn``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    driver: Literal["liden"]


class Decoder(TelegramDecoder):
    """Weights out of frames."""

    def __init__(self) -> None:
        super().__init__(b"w", LONGEST)

    def measure(self, text: bytes) -> int | None:
        """Return the length up to the unit."""
        if match := _FRAME.match(text):
            return match.end()
        return None if _BEGUN.fullmatch(text) else 0

    def read(self, text: bytes, raw: bytes) -> list[Step]:
        """Return what one frame means."""
        match = _FRAME.fullmatch(text)
        value = None if match is None else figure(match["figure"])
        if match is None or value is None:
            return [Noise(raw, "a weight that is no number")]
        return [Weight(value, match["unit"].decode(), None, raw, _MEASURES[match["what"]])]


def dialogue(config: Config) -> Dialogue:
    """Listen; the scale sends many weights a second."""
    del config
    return Dialogue(Decoder())
