r"""Toledo 8217 and 8213, Magellan and other checkout scales with the same dialogue (9600 7E1).

The scale is asked with ``W``. It answers ``STX digits [N] CR``, or ``STX ? status CR`` when it has
no weight to give. Neither tells the unit.

Of the status bits 0 to 4 decide; 7 is parity, and of 5 and 6 makers disagree: see `Config.profile`.

| bit | meaning |
|---|---|
| 0 | in motion |
| 1 | over capacity |
| 2 | under zero |
| 3 | outside the zero-capture range |
| 4 | at the centre of zero: no fault, there is just nothing to weigh |

`Config.probe` asks at opening whether it is such a scale at all: with ``E`` it echoes each byte
that comes, until ``F``.

Source: Datalogic DIVA service manual, p. 45 to 51; Salter Brecknell 3700LP, p. 11 (8213); Global
Industrial 412584, p. 25.

>>> decoder = dialogue(Config(driver="toledo_8217", unit="kg")).decoder
>>> [(weight.value, weight.unit) for weight in decoder.feed(b"\x0201.250\r")]
[(Decimal('1.250'), 'kg')]
"""

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

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

STX, CR, QUERY = 0x02, 0x0D, 0x3F

MAX_FRAME = 16
"""Bytes between STX and CR: the longest weight has nine."""
MAX_NOISE = 64
"""Bytes between frames that are reported together."""

MOTION, OVER, UNDER, OUTSIDE, ZERO, NET, BAD = 1, 2, 4, 8, 16, 32, 64
PROBE = b"hello"

COMMANDS: dict[ScaleCommand, bytes] = {"zero": b"Z", "tare": b"T", "clear_tare": b"C"}
"""Each is answered with a status."""

_WEIGHT = re.compile(rb"(?P<number>[0-9]{2,3}\.(?P<decimals>[0-9]{2,4}))(?P<net>N?)")
_SEVEN_BITS = bytes(value & 0x7F for value in range(256))
_EIGHT_BITS = bytes(range(256))
_PADDING = b"\r\n\0"


class Config(BaseModel):
    """A scale that speaks the 8217 dialogue."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    driver: Literal["toledo_8217"]

    unit: Annotated[str, Field(min_length=1, max_length=8)] | None = None
    """The unit the scale is set to, which it does not say; None is unknown."""

    decimals: int | None = Field(default=None, ge=2, le=4)
    """Digits behind the point this scale sends. A weight with another number of them is noise, so
    that a lost byte cannot change one. None takes 2 (lb), 3 (kg) and 4 (tenfold resolution)."""

    profile: Literal["any", "magellan", "clone"] = "any"
    """What bits 5 and 6 of the status mean to this scale's maker. ``any`` asks neither. To
    ``magellan`` (Datalogic, Mettler-Toledo) 5 is a net weight and 6 always 1; to ``clone`` (as
    Odoo's driver reads it) 5 is a net weight and 6 a command it does not know. Others have both
    always 1 (Global Industrial): ``any``."""

    probe: bool = False
    """Whether the scale is asked for an echo first; the answers are ``echo on`` and ``echo``."""

    bits: Literal[7, 8] = 7
    """Data bits of the line. With 7, bit 7 is parity and is ignored."""

    every: float = Field(default=0.25, ge=0.2, le=60)
    """Seconds between two weighings; these scales answer five times a second at most."""

    within: float = Field(default=2.0, ge=0.1, le=60)
    """Seconds the scale may stay silent before it counts as lost."""


class Decoder:
    """Weights out of frames."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._mask = _SEVEN_BITS if config.bits == 7 else _EIGHT_BITS
        self._pending = b""
        self._stray = b""

    def feed(self, data: bytes) -> list[Step]:
        """Take what arrived and return one step for each frame. Never raises."""
        raw = self._pending + data
        text = raw.translate(self._mask)
        steps: list[Step] = []
        at = 0
        while True:
            begin = text.find(STX, at)
            if begin < 0:
                self._pending = b""
                return steps + self._strays(raw[at:], text[at:])
            steps += self._strays(raw[at:begin], text[at:begin])
            end = _end(text, begin)
            if end is None:
                self._pending = raw[begin:]
                return steps
            steps += self._stray_end()
            steps.append(self._frame(text[begin + 1 : end - 1], text[end - 1], raw[begin:end]))
            at = end

    def quiet(self) -> list[Step]:
        """Drop the frame that was begun."""
        steps = self._stray_end()
        begun, self._pending = self._pending, b""
        return [*steps, Noise(begun, "a frame without its end")] if begun else steps

    def _strays(self, raw: bytes, text: bytes) -> list[Step]:
        self._stray += bytes(raw[at] for at in range(len(raw)) if text[at] not in _PADDING)
        steps: list[Step] = []
        while len(self._stray) >= MAX_NOISE:
            steps.append(Noise(self._stray[:MAX_NOISE], "bytes outside any frame"))
            self._stray = self._stray[MAX_NOISE:]
        return steps

    def _stray_end(self) -> list[Step]:
        stray, self._stray = self._stray, b""
        if self._config.probe and stray.translate(self._mask) == PROBE:
            return [Reply("echo", stray)]
        return [Noise(stray, "bytes outside any frame")] if stray else []

    def _frame(self, body: bytes, last: int, raw: bytes) -> Step:
        if last != CR:
            return Noise(raw, "a frame without its end")
        if match := _WEIGHT.fullmatch(body):
            return self._weight(match, raw)
        if len(body) == 2 and body[0] == QUERY:
            return self._status(body[1], raw)
        if body == b"E":
            return Reply("echo on", raw)
        if len(body) == 1:
            return Reply(f"self-test {body.hex()}", raw)
        return Noise(raw, "neither a weight nor a status")

    def _weight(self, match: re.Match[bytes], raw: bytes) -> Step:
        if self._config.decimals not in {None, len(match["decimals"])}:
            return Noise(raw, "a weight with the wrong number of decimals")
        return Weight(
            Decimal(match["number"].decode()),
            self._config.unit,
            stable=True,
            raw=raw,
            measure="net" if match["net"] else "gross",
        )

    def _status(self, status: int, raw: bytes) -> Step:
        profile = self._config.profile
        if profile == "clone" and status & BAD:
            return Refusal("command", raw)
        measure: Measure | None = None
        if profile != "any":
            measure = "net" if status & NET else "gross"
        return Weight(
            None,
            self._config.unit,
            stable=not status & MOTION,
            raw=raw,
            measure=measure,
            range=_range(status),
            zero=bool(status & ZERO),
        )


def _end(text: bytes, begin: int) -> int | None:
    """Return where the frame that begins at `begin` ends, or None if that has not arrived.

    The status byte may have any value, STX and CR too, so a status is taken by length. What is no
    frame ends before the next STX.
    """
    if len(text) < begin + 2:
        return None
    if text[begin + 1] == QUERY:
        if len(text) < begin + 4:
            return None
        return begin + 4 if text[begin + 3] == CR else begin + 2
    limit = begin + 1 + MAX_FRAME + 1
    for at in range(begin + 1, min(len(text), limit)):
        if text[at] == CR:
            return at + 1
        if text[at] == STX:
            return at
    return limit if len(text) >= limit else None


def _range(status: int) -> Range:
    if status & OVER and status & UNDER:
        return "fault"
    if status & OVER:
        return "over"
    if status & UNDER:
        return "under"
    return "fault" if status & OUTSIDE else "ok"


def dialogue(config: Config) -> Dialogue:
    """Ask for the weight, again and again."""
    return Dialogue(
        Decoder(config),
        hello=b"E" + PROBE + b"F" if config.probe else b"",
        ask=b"W",
        every=config.every,
        within=config.within,
        commands=COMMANDS,
    )
