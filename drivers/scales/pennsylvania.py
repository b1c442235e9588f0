r"""Pennsylvania Scale (Sterling) 7600 counting scales (9600 8N1).

The scale is asked with ``SGW``, ``SNW`` or ``SCO`` and answers ``Gross 100.55 lb.``, ``Net ...`` or
``Count 157 Pieces``. Newer firmware puts an echo of the command before the answer, all of it or
what is left (``SGWGross``, ``WGross``). Nothing says whether the weight is stable, unless the first
letter does: see `leading_s`.

Source: 7600 operation manual UM-12199; Sterling 7600 interface manual 7600TM2021REV7, with captures
of firmware 4.31.0.

>>> decoder = dialogue(Config(driver="pennsylvania")).decoder
>>> [(step.value, step.unit) for step in decoder.feed(b"SNWNet    -0.915 lb\r\n")]
[(Decimal('-0.915'), 'lb')]
"""

import re
from typing import Literal

from drivers.kit.figures import figure
from drivers.kit.frames import Frame, FrameDecoder, Frames
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

MAX_FRAME = 64
"""Bytes of a line; weights have 26 at most."""

_LINE = re.compile(
    rb"(?P<echo>(?:SGW|GW|W)(?=Gross)|(?:SNW|NW|W)(?=Net)|(?:SCO|CO|O)(?=Count)|)"
    rb"(?P<what>Gross|Net|Count) +(?P<rest>.*)"
)
_VALUE = re.compile(rb"(?P<figure>[ +-]*[0-9]*\.?[0-9]+) +(?P<unit>[A-Za-z]{1,6})\.? *")
_ERROR = re.compile(rb"(?:[A-Z]{1,3})?(?P<code>Err\.[0-9]{2})")
_OTHER = re.compile(rb"(?:[A-Z]{1,3})?(?:Piece Weight .*|V .*|OK)")
_MEASURES: dict[bytes, Measure] = {b"Gross": "gross", b"Net": "net", b"Count": "count"}
_RANGES: dict[bytes, Range] = {b"OL": "over", b"UL": "under"}
_ASKS = {"gross": b"SGW\r", "net": b"SNW\r", "count": b"SCO\r"}
_KEYS: dict[ScaleCommand, bytes] = {"zero": b"ZRO\r", "tare": b"ATW\r", "print": b"SRP\r"}


class Config(Polled):
    """A 7600 counting scale."""

    driver: Literal["pennsylvania"]

    measure: Literal["gross", "net", "count"] = "gross"
    """What the scale is asked for."""

    leading_s: Literal["echo", "stable"] = "echo"
    """What an ``S`` at the front means: the first letter of the echoed command, as the interface
    manual has it, or that the weight is stable."""


class Decoder(FrameDecoder):
    """Weights out of lines."""

    def __init__(self, config: Config) -> None:
        super().__init__(Frames(b"\r\n", MAX_FRAME))
        self._tells = config.leading_s == "stable"

    def read(self, frame: Frame) -> list[Step]:
        """Return what one line means."""
        text = frame.text.strip()
        if match := _LINE.fullmatch(text):
            stable = True if self._tells and match["echo"].startswith(b"S") else None
            return [_weight(match, stable, frame.raw)]
        if where := _range(text):
            return [Weight(None, None, None, frame.raw, range=where)]
        if match := _ERROR.fullmatch(text):
            return [Refusal(match["code"].decode(), frame.raw)]
        if _OTHER.fullmatch(text):
            return [Reply(text.decode("latin-1"), frame.raw)]
        return [Noise(frame.raw, "not a line of a 7600")]


def _weight(match: re.Match[bytes], stable: bool | None, raw: bytes) -> Step:
    measure = _MEASURES[match["what"]]
    if where := _range(match["rest"]):
        return Weight(None, None, None, raw, measure, where)
    if re.match(rb"-{6,}", match["rest"]):
        return Weight(None, None, False, raw, measure)
    value = _VALUE.fullmatch(match["rest"])
    number = None if value is None else figure(value["figure"])
    if value is None or number is None:
        return Noise(raw, "a weight that is no number")
    unit = "pcs" if value["unit"] == b"Pieces" else value["unit"].decode()
    return Weight(number, unit, stable, raw, measure)


def _range(text: bytes) -> Range | None:
    """Return what a display full of ``OL`` or ``UL`` means."""
    found = re.match(rb"(OL|UL)\1*(?![A-Za-z])", text)
    return None if found is None else _RANGES[found[1]]


def dialogue(config: Config) -> Dialogue:
    """Ask for the weight now, again and again."""
    return Dialogue(
        Decoder(config),
        ask=_ASKS[config.measure],
        every=config.every,
        within=config.within,
        commands=_KEYS,
    )
