r"""Avery Weigh-Tronix, Brecknell and other scales with the NCI dialogues SCP-01, SCP-02 and SCP-12.

They are asked with ``W CR`` (9600 7E1; some 2400 or 4800) and answer with weight and status, or
with the status alone where there is nothing to weigh:

| dialogue | answer |
|---|---|
| SCP-01, 3825, NCI 7800 | ``LF 0012.34lb CR LF 00 CR ETX`` |
| SCP-02, ECR, Avery Berkel 6702 | ``LF 12.345LB CR LF S00 CR ETX`` |
| SCP-12, 3835, Brecknell PS-USB | ``LF  012.34LB CR 00 ETX`` |
| in pounds and ounces | ``LF 12lb  5.5oz CR LF 00 CR ETX`` |
| command not known | ``LF ? CR ETX`` |

All of these are read at once. Of the status bytes bits 4 and 5 are always 1, which makes them
characters. Byte 1: 0 motion, 1 zero, 2 and 3 memory faults; byte 2: 0 under, 1 over, 2 and 3
faults, 6 another byte follows; byte 3: 2 net, 3 initial zero error. Whether the bits of byte 1 mean
what they say or the opposite, as SCP-12 has it, cannot be seen from a frame: `Config.sense`.

A field filled with ``^`` is over capacity, with ``_`` under, with ``-`` not zeroed. Pounds and
ounces are given as ounces.

Source: Avery Weigh-Tronix 8408-14788-01; OHAUS Aviator 7000, p. 49; Datalogic DIVA, p. 40 to 42;
Avery 7821, p. 25; NCI 7800, p. 32; Brecknell AWT35-100089, p. 26, DS-1000, p. 28 and SBI140, p. 25;
Fairbanks FB2255, p. 74 (FedEx PowerShip).

>>> decoder = dialogue(Config(driver="nci")).decoder
>>> [(weight.value, weight.unit) for weight in decoder.feed(b"\n0002.50lb\r\n00\r\x03")]
[(Decimal('2.50'), 'lb')]
"""

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from drivers.kit.frames import Bits, Frame, FrameDecoder, Frames
from drivers.kit.polling import Polled
from drivers.kit.readings import (
    Dialogue,
    Measure,
    Noise,
    Range,
    Refusal,
    ScaleCommand,
    Step,
    Weight,
)

MAX_FRAME = 64
"""Bytes of a frame: the longest, in pounds and ounces with six status bytes, has 26."""

MOTION, ZERO, FAULTS = 1, 2, 4 | 8
UNDER, OVER = 1, 2
NET, NOT_ZEROED = 4, 8
OUNCES = 16
"""Ounces of a pound."""

COMMANDS: dict[ScaleCommand, bytes] = {"zero": b"Z\r", "next_unit": b"U\r"}

# Two to six status bytes. One alone is no status: "?" could be either, and is an error.
_STATUS = rb"S?(?P<status>[0-?p-\x7f]{2,6})\r?"
_ANSWER = re.compile(
    rb"\n(?:"
    rb" *(?P<fill>\^{3,12}|_{3,12}|-{3,12})|"
    rb" *(?P<pounds>[0-9]{1,5}) ?[lL][bB] *(?P<ounces>[0-9]{1,2}(?:\.[0-9]{1,4})?) ?[oO][zZ]|"
    rb" *(?P<sign>-?) *(?P<number>[0-9]{1,9}(?:\.[0-9]{1,6})?|\.[0-9]{1,6})"
    rb") *(?P<unit>[A-Za-z]{1,3})?\r\n?" + _STATUS
)
_STATUS_ONLY = re.compile(rb"\n" + _STATUS)
_FILLS: dict[bytes, Range] = {b"^": "over", b"_": "under", b"-": "fault"}
_PADDING = b"\r\n\0 "


class Config(Polled):
    """A scale with one of the NCI dialogues."""

    driver: Literal["nci"]

    sense: Literal["high", "low"] = "high"
    """Whether a 1 (``high``) or a 0 (``low``, as in SCP-12) in status byte 1 means motion, zero and
    fault. Try it once: press the pan and see whether the weight counts as moving."""

    unit: Annotated[str, Field(min_length=1, max_length=8)] | None = None
    """The unit of a scale that sends none; None is unknown."""

    length: int | None = Field(default=None, ge=6, le=80)
    """Characters of a weight as this scale sends it, LF and status too, without ETX. One of another
    length is noise, so that a lost byte cannot change a weight. None takes every length."""

    bits: Bits = 7
    """Data bits of the line. With 7, bit 7 is parity and is ignored."""


class Decoder(FrameDecoder):
    """Weights out of frames from LF to ETX."""

    def __init__(self, config: Config) -> None:
        super().__init__(Frames(b"\x03", MAX_FRAME, config.bits), config.length)
        self._config = config

    def read(self, frame: Frame) -> list[Step]:
        """Return what the frame means, which may have rubbish before its LF."""
        at = frame.text.find(b"\n")
        while at >= 0:
            if step := self._answer(frame.text[at:], frame.raw[at:]):
                stray = frame.raw[:at]
                torn = frame.text[:at].strip(_PADDING)
                return [Noise(stray, "bytes before a frame"), step] if torn else [step]
            at = frame.text.find(b"\n", at + 1)
        return [Noise(frame.raw, "neither a weight nor a status")]

    def _answer(self, text: bytes, raw: bytes) -> Step | None:
        if match := _ANSWER.fullmatch(text):
            return self._weight(match, raw)
        if match := _STATUS_ONLY.fullmatch(text):
            return self._said(None, self._config.unit, match["status"], raw)
        return Refusal("?", raw) if text == b"\n?\r" else None

    def _weight(self, match: re.Match[bytes], raw: bytes) -> Weight:
        unit = match["unit"].decode() if match["unit"] else self._config.unit
        if fill := match["fill"]:
            return self._said(None, unit, match["status"], raw, _FILLS[fill[:1]])
        if match["pounds"]:
            pounds, ounces = Decimal(match["pounds"].decode()), Decimal(match["ounces"].decode())
            return self._said(pounds * OUNCES + ounces, "oz", match["status"], raw)
        value = Decimal((match["sign"] + match["number"]).decode())
        return self._said(value, unit, match["status"], raw)

    def _said(
        self, value: Decimal | None, unit: str | None, status: bytes, raw: bytes, fill: Range = "ok"
    ) -> Weight:
        first = status[0] if self._config.sense == "high" else ~status[0]
        reach = fill if fill != "ok" else _range(first, status[1:])
        measure: Measure | None = "net" if len(status) > 2 and status[2] & NET else None
        return Weight(
            value if reach in {"ok", "under"} else None,
            unit,
            stable=not first & MOTION,
            raw=raw,
            measure=measure,
            range=reach,
            zero=bool(first & ZERO),
        )


def _range(first: int, others: bytes) -> Range:
    """Return what the status says: its first byte the way it is meant, and the others."""
    if first & FAULTS or others[0] & FAULTS or (len(others) > 1 and others[1] & NOT_ZEROED):
        return "fault"
    match others[0] & (OVER | UNDER):
        case 0:
            return "ok"
        case 1:
            return "under"
        case 2:
            return "over"
    return "fault"


def dialogue(config: Config) -> Dialogue:
    """Ask for the weight, again and again."""
    return Dialogue(
        Decoder(config),
        ask=b"W\r",
        every=config.every,
        within=config.within,
        commands=COMMANDS,
    )
