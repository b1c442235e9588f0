r"""Epelsa and Dibal checkout scales with the 98/99 protocol, Epelsa in automatic mode (9600 8N1).

The host sends ``98``, a price (5), a check, CR LF; the scale answers ``99``, status, weight (5),
seven more digits, a check, CR LF. Status 0 is good. The check is the XOR of all characters before
it. The last three digits of the weight are decimals; a blank weight is one that moves. Nothing else
tells whether it is stable.

In automatic mode the scale sends ``STX`` state, weight, CR ``ETX``: ``A`` stable, ``!`` moving,
``I`` at the start.

Source: EMDI support pages on Dibal G-310 (``98000001`` and ``9900031600000004``, whose check is
right); Dibal DPOS-400 p. 41; the automatic mode as read by a public Epelsa driver.

>>> decoder = dialogue(Config(driver="epelsa")).decoder
>>> [(step.value, step.unit) for step in decoder.feed(b"9900031600000004\r\n")]
[(Decimal('0.316'), 'kg')]
"""

import re
from decimal import Decimal
from typing import Literal

from pydantic import Field

from drivers.kit.figures import figure
from drivers.kit.frames import Frame, FrameDecoder, Frames
from drivers.kit.polling import Polled
from drivers.kit.readings import Dialogue, Noise, Refusal, Step, Weight
from drivers.kit.telegrams import exclusive

MAX_FRAME = 32
"""Bytes of a frame; an answer has 18."""

_ANSWER = re.compile(rb"99(?P<status>[0-9])(?P<weight>.{5})[0-9 ]{7}(?P<check>.)")
_AUTO = re.compile(rb"\x02(?P<state>[A-Z!]) *(?P<figure>[ +-]*[0-9]+\.[0-9]+)\r")
_STABLE = {b"A": True, b"!": False}


class Config(Polled):
    """An Epelsa or Dibal checkout scale."""

    driver: Literal["epelsa"]

    mode: Literal["asked", "auto"] = "asked"
    """``asked`` is the 98/99 protocol; ``auto`` the scale that sends by itself."""

    price: int = Field(default=0, ge=0, le=99_999)
    """Price of a kilogram in the smallest coin; the scale shows it."""


class Decoder(FrameDecoder):
    """Weights out of frames."""

    def __init__(self, config: Config) -> None:
        super().__init__(Frames(b"\x03" if config.mode == "auto" else b"\r\n", MAX_FRAME))
        self._auto = config.mode == "auto"

    def read(self, frame: Frame) -> list[Step]:
        """Return what one frame means."""
        return [_auto(frame) if self._auto else _answer(frame)]


def _auto(frame: Frame) -> Step:
    match = _AUTO.fullmatch(frame.text)
    value = None if match is None else figure(match["figure"])
    if match is None or value is None:
        return Noise(frame.raw, "not a weight of the automatic mode")
    return Weight(value, "kg", _STABLE.get(match["state"]), frame.raw)


def _answer(frame: Frame) -> Step:
    match = _ANSWER.fullmatch(frame.text)
    if match is None or exclusive(frame.text[:-1]) != match["check"][0]:
        return Noise(frame.raw, "not an answer whose check is right")
    if match["status"] != b"0":
        return Refusal(f"status {match['status'].decode()}", frame.raw)
    if not match["weight"].strip():
        return Weight(None, "kg", stable=False, raw=frame.raw)
    if not re.fullmatch(rb"[0-9-][0-9]{4}", match["weight"]):
        return Noise(frame.raw, "a weight that is no number")
    return Weight(Decimal(match["weight"].decode()).scaleb(-3), "kg", None, frame.raw)


def dialogue(config: Config) -> Dialogue:
    """Send the price again and again, which is answered with the weight; or listen."""
    if config.mode == "auto":
        return Dialogue(Decoder(config))
    ask = b"98%05d" % config.price
    ask += bytes([exclusive(ask)]) + b"\r\n"
    return Dialogue(Decoder(config), ask=ask, every=config.every, within=config.within)
