r"""Yaohua indicators: XK3190-A12(E), A23p, A26 and those who copy them (9600 8N1).

| form | frame |
|---|---|
| a12e | ``WG`` or ``WN``, weight (7), unit (2), check, CR LF |
| a26 | ``STX`` sign, 6 digits, number of decimals, check, ``ETX`` (tF=0) |
| forward | ``=`` and 8 characters, ``=0003.000``, ``=-0001.00`` (tF=2) |
| reversed | the same with the characters in reverse, ``=000.3000``, ``=00.1000-`` (tF=1) |

The check is the XOR of what stands before it, without STX, in two hex digits. Out of range A12E
sends nine spaces and ``OL`` or ``LO`` in place of the unit.

Which form it is must be set: ``=0003.000`` may be 3 forward and 0.003 reversed. Nothing says
whether a weight is stable.

Source: Yaohua XK3190-A12E manual p. 12, A23p p. 22, A26 p. 10 and 11.

>>> decoder = dialogue(Config(driver="yaohua")).decoder
>>> [(step.value, step.measure) for step in decoder.feed(b"WG004.139kg3D\r\n")]
[(Decimal('4.139'), 'gross')]
"""

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from drivers.kit.figures import figure
from drivers.kit.readings import Dialogue, Measure, Noise, Range, Step, Weight
from drivers.kit.telegrams import TelegramDecoder, exclusive

_LENGTHS = {"a12e": 14, "a26": 12, "forward": 9, "reversed": 9}
"""Bytes of a frame; of A12E's up to the CR."""
_BEGINS = {"a12e": b"W ", "a26": b"\x02", "forward": b"=", "reversed": b"="}

_A12E = re.compile(
    rb"(?:W(?P<what>[GN])(?P<figure>[-0-9][0-9.]{5}[0-9. ])(?P<unit>[A-Za-z ]{2})"
    rb"| {9}(?P<out>OL|LO))"
    rb"(?P<check>[0-9A-F]{2})\r"
)
_A26 = re.compile(
    rb"\x02(?P<sign>[+-])(?P<digits>[0-9]{6})(?P<point>[0-4])(?P<check>[0-9A-F]{2})\x03"
)
_EQUALS = re.compile(rb"=(?P<figure>[-0-9][0-9.]{6}[0-9])")
_MEASURES: dict[bytes, Measure] = {b"G": "gross", b"N": "net"}
_RANGES: dict[bytes, Range] = {b"OL": "over", b"LO": "under"}


class Config(BaseModel):
    """A Yaohua indicator."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    driver: Literal["yaohua"]

    form: Literal["a12e", "a26", "forward", "reversed"] = "a12e"
    """Which frames the indicator sends."""

    unit: Annotated[str, Field(min_length=1, max_length=8)] | None = None
    """The unit the indicator is set to, which only A12E says; None is unknown."""


class Decoder(TelegramDecoder):
    """Weights out of frames."""

    def __init__(self, config: Config) -> None:
        self._length = _LENGTHS[config.form]
        padding = b" \r\n\0" if config.form == "a12e" else b"\r\n\0"
        super().__init__(_BEGINS[config.form], self._length, padding=padding)
        self._config = config

    def measure(self, text: bytes) -> int | None:
        """Return the one length there is, if the frame is sound."""
        if len(text) < self._length:
            return None
        return self._length if self._match(text) else 0

    def _match(self, text: bytes) -> re.Match[bytes] | None:
        match self._config.form:
            case "a12e":
                return _checked(_A12E.fullmatch(text), text[:11])
            case "a26":
                return _checked(_A26.fullmatch(text), text[1:9])
            case "forward":
                return _EQUALS.fullmatch(text)
            case "reversed":
                return _EQUALS.fullmatch(b"=" + text[:0:-1])

    def read(self, text: bytes, raw: bytes) -> list[Step]:
        """Return what one frame means."""
        match = self._match(text)
        found = {} if match is None else match.groupdict()
        unit = (found.get("unit") or b"").decode().strip() or self._config.unit
        if out := found.get("out"):
            return [Weight(None, self._config.unit, None, raw, range=_RANGES[out])]
        value = _value(found)
        if value is None:
            return [Noise(raw, "a weight that is no number")]
        return [Weight(value, unit, None, raw, _MEASURES.get(found.get("what") or b""))]


def _value(found: dict[str, bytes]) -> Decimal | None:
    if "digits" in found:
        number = Decimal((found["sign"] + found["digits"]).decode())
        return number.scaleb(-int(found["point"]))
    return figure(found["figure"]) if found.get("figure") else None


def _checked(match: re.Match[bytes] | None, covered: bytes) -> re.Match[bytes] | None:
    if match is None or match["check"] != b"%02X" % exclusive(covered):
        return None
    return match


def dialogue(config: Config) -> Dialogue:
    """Listen; the indicator sends many weights a second."""
    return Dialogue(Decoder(config))
