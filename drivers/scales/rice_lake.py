r"""Rice Lake, IND-style and Cardinal indicators that send a stream (9600 8N1).

| dialect | frame |
|---|---|
| rice_lake | ``STX`` sign, weight (7), unit ``L K T G O``, ``G`` or ``N``, status, CR LF |
| cardinal | CR, sign, weight (6 and a point), status, unit, ``g`` or ``n``, two spaces, ETX |
| weigh_tronix | space, ``G`` or ``N``, sign, weight (6 and a point), unit, CR LF |

Status: space good, ``Z`` centre of zero, ``M`` moving, ``O`` over or under, ``I`` invalid. Out of
range the digits are replaced: ``^^^^^^^``, ``&&&&&&&``, ``OVERFL`` over, ``]]]]]]]``, ``=======``,
``:::::::`` under; models differ.

Source: Rice Lake Tracer AV p. 38, 682 p. 118, 482 p. 37 (all three dialects), Counterpart p. 74;
880 p. 71 (EDP commands, answered ``OK`` or ``??``).

>>> decoder = dialogue(Config(driver="rice_lake")).decoder
>>> [(step.value, step.unit) for step in decoder.feed(b"\x02   12.34LG \r\n")]
[(Decimal('12.34'), 'lb')]
"""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from drivers.kit.figures import figure
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
from drivers.kit.telegrams import TelegramDecoder

STX, ETX, CR, LF = 2, 3, 13, 10

LONGEST = 24
"""Bytes of a frame; the longest, Cardinal's, has 20."""

_WEIGHT = (
    rb"(?P<sign>[ +^\]-])(?P<figure>[ 0-9.^&\]=:\-]{7}|OVERFL ?| OVERFL)(?P<unit>[LKTGO ])"
    rb"(?P<what>[GN])(?P<state>[ IMOZ])"
)
_FORMS = {
    "rice_lake": re.compile(rb"\x02" + _WEIGHT + rb"\r"),
    "cardinal": re.compile(
        rb"\r(?P<sign>[+-])(?P<figure>[0-9.]{6,7}|[^0-9]{6,7}?)(?P<state>[ mo]) "
        rb"(?P<unit>[a-z ]{1,2}) (?P<what>[gn])  \x03"
    ),
    "weigh_tronix": re.compile(
        rb" (?P<what>[GNgn])(?P<sign>[+-])(?P<figure>[0-9.]{6,7}|[^0-9]{6,7}?)(?P<state> )"
        rb"(?P<unit>[a-z ]{1,2})\r"
    ),
}
_BEGINS = {"rice_lake": b"\x02O?", "cardinal": b"\rO?", "weigh_tronix": b" O?"}
_LETTERS = {b"L": "lb", b"K": "kg", b"T": "t", b"G": "g", b"O": "oz"}
_ANSWER = re.compile(rb"(?:OK|\?\?)\r")
_UNDER = frozenset(b"]=:")
_KEYS: dict[ScaleCommand, bytes] = {
    "zero": b"KZERO\r",
    "tare": b"KTARE\r",
    "clear_tare": b"KCLRTAR\r",
    "print": b"KPRINT\r",
    "next_unit": b"KUNITS\r",
}


class Config(BaseModel):
    """An indicator that sends a stream."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    driver: Literal["rice_lake"]

    dialect: Literal["rice_lake", "cardinal", "weigh_tronix"] = "rice_lake"
    """Which stream the indicator is set to."""

    unit: Annotated[str, Field(min_length=1, max_length=8)] | None = None
    """The unit where the stream has a blank in its place; None is unknown."""


class Decoder(TelegramDecoder):
    """Weights out of a stream."""

    def __init__(self, config: Config) -> None:
        padding = b" \r\n\0" if config.dialect == "weigh_tronix" else b"\r\n\0"
        super().__init__(_BEGINS[config.dialect], LONGEST, padding=padding)
        self._form = _FORMS[config.dialect]
        self._end = ETX if config.dialect == "cardinal" else CR
        self._unit = config.unit

    def measure(self, text: bytes) -> int | None:
        """Return the length up to the end byte, if what is between is a frame or an answer."""
        end = text.find(self._end, 1)
        if text[:1] in {b"O", b"?"}:
            end = text.find(CR)
        if end < 0:
            return None
        telegram = text[: end + 1]
        return end + 1 if self._form.fullmatch(telegram) or _ANSWER.fullmatch(telegram) else 0

    def read(self, text: bytes, raw: bytes) -> list[Step]:
        """Return what one frame means."""
        match = self._form.fullmatch(text)
        if match is None:
            return [Reply("OK", raw) if text.startswith(b"OK") else Refusal("??", raw)]
        unit = self._unit_of(match["unit"])
        measure: Measure = "gross" if match["what"] in b"Gg" else "net"
        state = match["state"].upper()
        value = figure(match["sign"].replace(b"^", b" ").replace(b"]", b" ") + match["figure"])
        if where := _range(match["sign"], match["figure"], state, known=value is not None):
            return [Weight(None, unit, None, raw, measure, where)]
        if value is None:
            return [Noise(raw, "a weight that is no number")]
        zero = True if state == b"Z" else None
        return [Weight(value, unit, state != b"M", raw, measure, zero=zero)]

    def _unit_of(self, sent: bytes) -> str | None:
        if len(sent) == 1 and sent in _LETTERS:
            return _LETTERS[sent]
        return sent.decode().strip() or self._unit


def _range(sign: bytes, digits: bytes, state: bytes, *, known: bool) -> Range | None:
    """Return why there is no weight, or None if there is one."""
    if state == b"I":
        return "fault"
    if not known and (sign == b"]" or _UNDER & set(digits)):
        return "under"
    if sign == b"^" or (not known and re.search(rb"[\^&]|OVERFL", digits)):
        return "over"
    if sign == b"]":
        return "under"
    if state == b"O":
        return "under" if sign == b"-" else "over"
    return None


def dialogue(config: Config) -> Dialogue:
    """Listen; the indicator sends many weights a second."""
    return Dialogue(Decoder(config), commands=_KEYS)
