r"""Mettler-Toledo scales and balances with MT-SICS; OHAUS with SICS, KERN with KCP (9600 8N1).

The scale is asked with ``SI``: the value now, stable or not; or it is told once to speak unasked
(``SIR``, ``SR``, ``SNR``). Lines are read by their words, not by columns, since makers pad
differently; a line whose beginning is missing has not the right words and is noise, never a smaller
number. The lines of a balance's print key (``N  0.3749 g``) are read too; they do not say whether
the weight is stable.

Source: MT-SICS levels 0 and 1, from the examples in the AL-IC balances' operating instructions
(p. 72) and B-TEK T104 (p. 44); print lines of an MS204TS as captured in NSerialCommTools;
``=Overload=`` as SweepMe's KERN driver meets it.

>>> decoder = dialogue(Config(driver="mt_sics")).decoder
>>> [(weight.value, weight.unit) for weight in decoder.feed(b"S S      1.250 kg\r\n")]
[(Decimal('1.250'), 'kg')]
"""

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from drivers.kit.lines import Line, Lines
from drivers.kit.polling import RENEW
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

MAX_LINE = 256
"""Bytes of a line. Weights take 20; the longest are the quoted texts of `I2` and `I3`."""

_NUMBER = re.compile(rb"[+-]?[0-9]{1,10}(?:\.[0-9]{1,9})?")
_UNIT = re.compile(rb"[!-~]{1,5}")
_COMMAND = re.compile(rb"[A-Z]{1,4}[0-9]{0,2}")
_ERRORS = {b"ES", b"ET", b"EL"}
_RANGES: dict[bytes, Range] = {b"+": "over", b"-": "under"}
_STABLE = {b"S": True, b"D": False}
_PRINTED = re.compile(
    rb"\s*(?P<measure>[NGTB])\s+(?P<number>-?[0-9]{1,10}(?:\.[0-9]{1,9})?)\s+(?P<unit>[!-~]{1,5})\s*"
)
_PRINTED_MEASURES: dict[bytes, Measure] = {b"N": "net", b"G": "gross", b"B": "gross", b"T": "tare"}
_OVERLOAD = b"=Overload="

# Answers that carry a weight, by command and status. `SI` instead of `S` is an emulator's habit.
_MEASURES: dict[tuple[bytes, bytes], Measure | None] = {
    (b"S", b"S"): None,
    (b"S", b"D"): None,
    (b"SI", b"S"): None,
    (b"SI", b"D"): None,
    (b"T", b"S"): "tare",
    (b"TI", b"S"): "tare",
    (b"TI", b"D"): "tare",
    (b"TA", b"A"): "tare",
}


class Config(BaseModel):
    """An MT-SICS scale."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    driver: Literal["mt_sics"]

    every: float = Field(default=0.25, ge=0.1, le=60)
    """Seconds between two weighings in mode ``SI``; KERN scales want at least 0.1."""

    within: float = Field(default=2.0, ge=0.1, le=60)
    """Seconds the scale may stay silent before it counts as lost; not in modes ``SR`` and ``SNR``,
    in which it is silent as long as nothing changes."""

    mode: Literal["SI", "SIR", "SR", "SNR"] = "SI"
    """``SI`` asks for each weight. ``SIR`` lets the scale send all of them, ``SR`` those that
    changed and how they settled, ``SNR`` only settled ones that changed."""

    unit: Annotated[str, Field(min_length=1, max_length=8)] | None = None
    """The unit of a scale that leaves it blank, as some KERN do; None is unknown."""


class Decoder:
    """Weights out of answer lines."""

    def __init__(self, unit: str | None) -> None:
        self._lines = Lines("any", MAX_LINE)
        self._unit = unit

    def feed(self, data: bytes) -> list[Step]:
        """Take what arrived and return one step for each complete line. Never raises."""
        return [_read(line, self._unit) for line in self._lines.feed(data)]

    def quiet(self) -> list[Step]:
        """Drop the line that was begun."""
        rest = self._lines.rest()
        return [Noise(rest, "a line without its end")] if rest else []


def _read(line: Line, unit: str | None) -> Step:
    if not line.whole:
        return Noise(line.raw, f"a line of more than {MAX_LINE} bytes")
    if printed := _PRINTED.fullmatch(line.body):
        return _printed(printed, line.raw)
    if line.body.strip() == _OVERLOAD:
        return Weight(None, None, None, line.raw, range="over")
    words = line.body.split()
    if len(words) == 1 and words[0] in _ERRORS:
        return Refusal(words[0].decode(), line.raw)
    if len(words) < 2 or not _COMMAND.fullmatch(words[0]):
        return Noise(line.raw, "not an MT-SICS answer")
    command, status, *rest = words
    if (command, status) in _MEASURES and rest:
        return _weight(command, status, rest, unit, line.raw)
    if command in {b"S", b"SI"} and status in _RANGES and not rest:
        return Weight(None, None, None, line.raw, range=_RANGES[status])
    return _answer(command, status, rest, line)


def _weight(
    command: bytes, status: bytes, rest: list[bytes], configured: str | None, raw: bytes
) -> Step:
    number, *units = rest
    if not _NUMBER.fullmatch(number) or len(units) > 1:
        return Noise(raw, "a weight that is no number")
    if units and not _UNIT.fullmatch(units[0]):
        return Noise(raw, "a weight with a strange unit")
    return Weight(
        Decimal(number.decode()),
        units[0].decode() if units else configured,
        _STABLE.get(status),
        raw,
        measure=_MEASURES[command, status],
    )


def _printed(match: re.Match[bytes], raw: bytes) -> Weight:
    unit = match["unit"].decode()
    measure = _PRINTED_MEASURES[match["measure"]]
    return Weight(Decimal(match["number"].decode()), unit, None, raw, measure)


def _answer(command: bytes, status: bytes, rest: list[bytes], line: Line) -> Step:
    if status in {b"I", b"L", b"+", b"-"} and not rest:
        return Refusal(f"{command.decode()} {status.decode()}", line.raw)
    done = status in {b"A", b"B"} or (command == b"ZI" and status in _STABLE and not rest)
    if done and command not in {b"S", b"SI"}:
        return Reply(line.body.decode("latin-1").strip(), line.raw)
    return Noise(line.raw, "not an MT-SICS answer")


def dialogue(config: Config) -> Dialogue:
    """Ask for the weight now, again and again; or have the scale tell it unasked."""
    ask = f"{config.mode}\r\n".encode()
    asked = config.mode == "SI"
    again = b"" if asked else ask
    commands: dict[ScaleCommand, bytes] = {
        "zero": b"Z\r\n" + again,
        "tare": b"T\r\n" + again,
        "clear_tare": b"TAC\r\n" + again,
    }
    return Dialogue(
        Decoder(config.unit),
        ask=ask,
        every=config.every if asked else RENEW,
        within=config.within if config.mode in {"SI", "SIR"} else None,
        commands=commands,
    )
