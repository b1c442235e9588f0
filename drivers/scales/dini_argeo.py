r"""Dini Argeo indicators: 3590, CPWE, DFW, DGT (9600 8N1).

The indicator is asked with ``READ``, or sends by itself:

| string | form |
|---|---|
| standard | ``[CC]ST,GS,`` weight (8) ``,kg`` |
| extended (``REXT``) | ``[CC]1ST,`` net (10) ``,PT`` tare (10) ``,`` pieces (10) ``,kg`` |
| AF | ``[CC]ST,1,`` gross (10) ``kg,PT`` tare (10) ``kg`` |

CC is the address on an RS485 line, ``PT`` two spaces where the tare is not preset. ``TL`` is a
scale that stands askew. ``VL`` and ``RZ`` are microvolts and converter points, not weights.

Source: Dini Argeo 3590 technical manual p. 65 and 81, DGT4X p. 52 and 54, DGT1P p. 41.

>>> decoder = dialogue(Config(driver="dini_argeo")).decoder
>>> [(step.value, step.unit) for step in decoder.feed(b"01ST,GS,   1.250,kg\r\n")]
[(Decimal('1.250'), 'kg')]
"""

import re
from typing import Literal

from pydantic import Field

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

MAX_FRAME = 80
"""Bytes of a line; an extended string with its date takes 60."""

_ADDRESS = rb"(?P<address>[0-9]{2})?"
_STATE = rb"(?P<state>ST|US|OL|UL|TL)"
_STANDARD = re.compile(
    _ADDRESS + _STATE + rb",(?P<what>GS|NT|GX|NX|VL|RZ),(?P<figure>.{8,10}),(?P<unit>[A-Za-z ]{2})"
)
_EXTENDED = re.compile(
    _ADDRESS
    + rb"(?P<scale>[0-9])"
    + _STATE
    + rb",(?P<figure>.{10}),(?:PT|  )(?P<tare>.{10}),(?P<pieces>.{10})"
    + rb"(?:,[0-9/: -]{8,10}){0,2},(?P<unit>[A-Za-z ]{2})"
)
_AF = re.compile(
    _ADDRESS
    + rb"(?:PID)?"
    + _STATE
    + rb",(?P<scale>[0-9]),(?P<figure>.{10})(?P<unit>[A-Za-z ]{2})"
    + rb",(?:PT|  )(?P<tare>.{10})[A-Za-z ]{2}"
    + rb"(?:,(?:[0-9]{5}-[0-9]{6}|NO))?"
)
_ERROR = re.compile(_ADDRESS + rb"ERR[0-9]{2}")
_MEASURES: dict[bytes, Measure] = {b"GS": "gross", b"GX": "gross", b"NT": "net", b"NX": "net"}
_RANGES: dict[bytes, Range] = {b"OL": "over", b"UL": "under", b"TL": "fault"}


class Config(Polled):
    """A Dini Argeo indicator."""

    driver: Literal["dini_argeo"]

    asked: Literal["READ", "REXT", "GR10", "never"] = "READ"
    """The command that asks for the weight, ``GR10`` for one digit more; ``never`` if the indicator
    sends by itself."""

    address: int | None = Field(default=None, ge=0, le=99)
    """The indicator's address on an RS485 line. Lines from other addresses are noise."""


class Decoder(FrameDecoder):
    """Weights out of lines."""

    def __init__(self, config: Config) -> None:
        super().__init__(Frames(b"\r\n", MAX_FRAME))
        self._config = config

    def read(self, frame: Frame) -> list[Step]:
        """Return what one line means."""
        text = frame.text.strip(b"\x1b\x02")
        for form, measure in ((_STANDARD, None), (_EXTENDED, "net"), (_AF, "gross")):
            if match := form.fullmatch(text):
                return [self._weight(match, measure, frame.raw)]
        if _ERROR.fullmatch(text):
            return [Refusal(text.decode(), frame.raw)]
        if text.endswith(b"OK") and len(text) in {2, 4}:
            return [Reply(text.decode("latin-1"), frame.raw)]
        return [Noise(frame.raw, "not a string of a Dini Argeo indicator")]

    def _weight(self, match: re.Match[bytes], measure: str | None, raw: bytes) -> Step:
        if self._config.address is not None and match["address"] != b"%02d" % self._config.address:
            return Noise(raw, "a string from another address")
        what = _MEASURES.get(match["what"]) if measure is None else measure
        if what is None:
            return Reply(match[0].decode("latin-1"), raw)
        kind: Measure = "net" if what == "net" else "gross"
        unit = match["unit"].decode().strip() or None
        if match["state"] in _RANGES:
            return Weight(None, unit, None, raw, kind, _RANGES[match["state"]])
        value = figure(match["figure"])
        if value is None:
            return Noise(raw, "a weight that is no number")
        return Weight(value, unit, match["state"] == b"ST", raw, kind)


def dialogue(config: Config) -> Dialogue:
    """Ask for the weight now, again and again; or listen."""
    address = b"" if config.address is None else b"%02d" % config.address
    keys: dict[ScaleCommand, bytes] = {
        "zero": b"Z",
        "tare": b"T",
        "clear_tare": b"C",
        "print": b"P",
    }
    commands = {name: address + key + b"\r\n" for name, key in keys.items()}
    if config.asked == "never":
        return Dialogue(Decoder(config), commands=commands)
    return Dialogue(
        Decoder(config),
        ask=address + config.asked.encode() + b"\r\n",
        every=config.every,
        within=config.within,
        commands=commands,
    )
