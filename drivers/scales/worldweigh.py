r"""WorldWeigh BWS platform scales with continuous output Con3 (9600 8N1).

``SOH`` sign, weight (7), unit (2), ``0`` stable or ``1`` moving; nothing ends a frame but its
length. Con1 is the driver `st_gs`, Con2 Toledo's continuous output.

Source: WorldWeigh BWS technical manual p. 22.

>>> decoder = dialogue(Config(driver="worldweigh")).decoder
>>> [(step.value, step.stable) for step in decoder.feed(b"\x01-  1.250kg1")]
[(Decimal('-1.250'), False)]
"""

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict

from drivers.kit.figures import figure
from drivers.kit.readings import Dialogue, Noise, Step, Weight
from drivers.kit.telegrams import TelegramDecoder

SOH = 1
LENGTH = 12

_FRAME = re.compile(
    rb"\x01(?P<figure>[ +-][ 0-9.]{6}[0-9.])(?P<unit>[A-Za-z]{2}|[A-Za-z] | [A-Za-z])"
    rb"(?P<moving>[01])"
)


class Config(BaseModel):
    """A scale that sends Con3."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    driver: Literal["worldweigh"]


class Decoder(TelegramDecoder):
    """Weights out of frames."""

    def __init__(self) -> None:
        super().__init__(b"\x01", LENGTH)

    def measure(self, text: bytes) -> int | None:
        """Return the one length there is."""
        if len(text) < LENGTH:
            return None
        return LENGTH if _FRAME.fullmatch(text[:LENGTH]) else 0

    def read(self, text: bytes, raw: bytes) -> list[Step]:
        """Return what one frame means."""
        match = _FRAME.fullmatch(text)
        value = None if match is None else figure(match["figure"])
        if match is None or value is None:
            return [Noise(raw, "a weight that is no number")]
        return [Weight(value, match["unit"].decode().strip(), match["moving"] == b"0", raw)]


def dialogue(config: Config) -> Dialogue:
    """Listen; the scale sends many weights a second."""
    del config
    return Dialogue(Decoder())
