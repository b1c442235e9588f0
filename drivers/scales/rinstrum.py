r"""Rinstrum indicators with automatic output: R300, R400, C500 and others (9600 8N1).

| format | frame |
|---|---|
| 1 | ``STX`` sign, weight (7), status ``ETX`` |
| 2 | ``STX`` sign, weight (7), ``G N U O E``, ``M``, ``Z``, range, unit (3) ``ETX`` |
| 3 | ``STX`` weight (8), ``G N``, ``M S``, ``I O U``, ``Z``, two spaces ``ETX`` |

The status is ``G`` gross, ``N`` net, ``M`` moving, ``U`` under, ``O`` over, ``E`` error. Format 2
leaves the unit blank while the load moves. Format 4, ``ST,GS,``, is the driver `st_gs`; format 5 is
Rice Lake's stream without STX.

Source: Rinstrum R320 reference manual p. 44, C530 p. 53.

>>> decoder = dialogue(Config(driver="rinstrum", unit="kg")).decoder
>>> [(step.value, step.measure) for step in decoder.feed(b"\x02   1.234G\x03")]
[(Decimal('1.234'), 'gross')]
"""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from drivers.kit.figures import figure
from drivers.kit.readings import Dialogue, Measure, Noise, Range, Step, Weight
from drivers.kit.telegrams import TelegramDecoder, enclosed

STX, ETX = 2, 3

LONGEST = 24
"""Bytes of a frame; format 2 has 17."""

_FIRST = re.compile(rb"\x02(?P<figure>[ +-].{7})(?P<what>[GNMUOE])\x03")
_SECOND = re.compile(
    rb"\x02(?P<figure>[ +-].{7})(?P<what>[GNUOE])(?P<motion>[M ])(?P<zero>[Z ])[-12 ]"
    rb"(?P<unit>.{3})\x03"
)
_THIRD = re.compile(
    rb"\x02(?P<figure>.{8})(?P<what>[GN])(?P<motion>[MS])(?P<out>[IOU ])(?P<zero>[Z ])  \x03"
)
_MEASURES: dict[bytes, Measure] = {b"G": "gross", b"N": "net"}
_RANGES: dict[bytes, Range] = {b"U": "under", b"O": "over", b"E": "fault"}


class Config(BaseModel):
    """A Rinstrum indicator."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    driver: Literal["rinstrum"]

    unit: Annotated[str, Field(min_length=1, max_length=8)] | None = None
    """The unit the indicator is set to, which formats 1 and 3 do not say; None is unknown."""


class Decoder(TelegramDecoder):
    """Weights out of frames."""

    def __init__(self, unit: str | None) -> None:
        super().__init__(b"\x02", LONGEST)
        self._unit = unit

    def measure(self, text: bytes) -> int | None:
        """Return the length up to ETX."""
        return enclosed(text, ETX, LONGEST)

    def read(self, text: bytes, raw: bytes) -> list[Step]:
        """Return what one frame means."""
        if match := _SECOND.fullmatch(text):
            out, zero = match["what"], match["zero"] == b"Z"
            return [self._weight(match, out, match["motion"] == b"M", raw, zero)]
        if match := _THIRD.fullmatch(text):
            out, zero = match["out"], match["zero"] == b"Z"
            return [self._weight(match, out, match["motion"] == b"M", raw, zero)]
        if match := _FIRST.fullmatch(text):
            return [self._weight(match, match["what"], match["what"] == b"M", raw, None)]
        return [Noise(raw, "not a frame of a Rinstrum indicator")]

    def _weight(
        self, match: re.Match[bytes], out: bytes, moving: bool, raw: bytes, zero: bool | None
    ) -> Step:
        sent = match.groupdict().get("unit") or b""
        unit = sent.decode("latin-1").strip() or self._unit
        measure = _MEASURES.get(match["what"])
        if out in _RANGES:
            return Weight(None, unit, None, raw, measure, _RANGES[out])
        value = figure(match["figure"])
        if value is None:
            return Noise(raw, "a weight that is no number")
        return Weight(value, unit, not moving, raw, measure, zero=zero)


def dialogue(config: Config) -> Dialogue:
    """Listen; the indicator sends many weights a second."""
    return Dialogue(Decoder(config.unit))
