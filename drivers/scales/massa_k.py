r"""Massa-K scales: TB, MK, AB, 4D and others with Protocol 100 or 2 or a line of text (8N1, 8E1).

| protocol | asked with | answer |
|---|---|---|
| 100 | ``F8 55 CE``, length, 23h, check | the same with 24h, weight (4) and five fields |
| 2 | 4Ah | status (80h stable, 40h zero), division, weight (3): nothing but a pause around it |
| text | ``N`` CR | ``$   1.234``; without ``$`` the load moves |

Of Protocol 100 the fields are division, stable, net, zero and tare; the length (2 bytes) and the
check cover the body, low byte first; errors are 28h with a code, 08h overload. Weights are whole
divisions. The lines of text have no unit, or a Russian one.

Source: Massa-K, document Mk.2.790.237 (Protocol 100), as its users describe it; Protocol 2 as
sniffed at 4800 8E1 (``80 00 D0 07 00`` is 2 kg); text as TelePOS reads it.

>>> decoder = dialogue(Config(driver="massa_k")).decoder
>>> frame = telegram(bytes([0x24, 0xE2, 4, 0, 0, 1, 1, 0, 0]))
>>> [(step.value, step.unit, step.stable) for step in decoder.feed(frame)]
[(Decimal('1.250'), 'kg', True)]
"""

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from drivers.kit.figures import figure
from drivers.kit.frames import Frame, FrameDecoder, Frames
from drivers.kit.polling import Polled
from drivers.kit.readings import (
    Decoder,
    Dialogue,
    Noise,
    Refusal,
    Reply,
    ScaleCommand,
    Step,
    Weight,
)
from drivers.kit.telegrams import LOSS, TelegramDecoder

HEADER = b"\xf8\x55\xce"
GET_WEIGHT, WEIGHT, ERROR, SET_ZERO, DONE = 0x23, 0x24, 0x28, 0x72, 0x27
OVERLOAD = 0x08

LONGEST = 64
"""Bytes of a telegram; a weight with tare has 20, a name 40."""
MAX_LINE = 32
"""Bytes of a line of text; weights have 16."""
GAP = 0.05
"""Seconds of pause that end an answer of Protocol 2: 24 bytes long at 4800 baud."""

_WHOLE = {9, 13}
_DECIMALS = {0: 4, 1: 3, 2: 2, 3: 1, 4: 0}
"""Of a kilogram, by the division of Protocol 100: 100 mg, 1 g, 10 g, 100 g, 1 kg."""
_DECIMALS_2 = {0: 3, 1: 4, 4: 2, 5: 1}
"""Of a kilogram, by the division of Protocol 2: 1 g, 100 mg, 10 g, 100 g."""
_LINE = re.compile(rb"(?P<mark>[$ ])(?P<figure>[ +-]*[0-9]*\.?[0-9]+) *(?P<unit>.{0,4}?) *")
_UNITS = {
    b"": None,
    b"kg": "kg",
    b"g": "g",
    # The Russian units in UTF-8, Windows-1251 and code page 866.
    b"\xd0\xba\xd0\xb3": "kg",
    b"\xea\xe3": "kg",
    b"\xaa\xa3": "kg",
    b"\xd0\xb3": "g",
    b"\xe3": "g",
    b"\xa3": "g",
}


class Config(Polled):
    """A Massa-K scale."""

    driver: Literal["massa_k"]

    protocol: Literal["100", "2", "text"] = "100"
    """Which protocol the scale is set to."""

    unit: Annotated[str, Field(min_length=1, max_length=8)] | None = "kg"
    """The unit of a line of text that has none."""


def check(body: bytes) -> int:
    """Return the check of a body: the remainder of CRC-CCITT, without 16 zero bits behind it."""
    crc = 0
    for byte in body:
        crc = (_remainder(crc >> 8) ^ (crc << 8) ^ byte) & 0xFFFF
    return crc


def _remainder(high: int) -> int:
    crc = high << 8
    for _ in range(8):
        crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
    return crc & 0xFFFF


def telegram(body: bytes) -> bytes:
    """Return `body` as it goes over the wire."""
    return HEADER + len(body).to_bytes(2, "little") + body + check(body).to_bytes(2, "little")


class Protocol100(TelegramDecoder):
    """Weights out of telegrams."""

    def __init__(self) -> None:
        super().__init__(HEADER[:1], LONGEST, padding=b"")

    def measure(self, text: bytes) -> int | None:
        """Return the length the telegram says it has, if its check is right."""
        if text[:3] != HEADER[: len(text)]:
            return 0
        if len(text) < 5:
            return None
        body = int.from_bytes(text[3:5], "little")
        length = 5 + body + 2
        if not 1 <= body <= LONGEST - 7:
            return 0
        if len(text) < length:
            return None
        right = check(text[5 : 5 + body]).to_bytes(2, "little")
        return length if text[length - 2 : length] == right else 0

    def read(self, text: bytes, raw: bytes) -> list[Step]:
        """Return what one telegram means."""
        body = text[5:-2]
        if body[0] == WEIGHT and len(body) in _WHOLE and body[5] in _DECIMALS:
            count = int.from_bytes(body[1:5], "little", signed=True)
            value = Decimal(count).scaleb(-_DECIMALS[body[5]])
            measure: Literal["net", "gross"] = "net" if body[7] else "gross"
            return [Weight(value, "kg", body[6] == 1, raw, measure, zero=body[8] == 1)]
        if body[0] == ERROR and len(body) == 2:
            if body[1] == OVERLOAD:
                return [Weight(None, "kg", None, raw, range="over")]
            return [Refusal(f"error {body[1]:02X}", raw)]
        if body[0] == DONE:
            return [Reply("done", raw)]
        return [Refusal(f"answer {body[0]:02X}", raw)]


class Protocol2:
    """Weights out of five bytes and a pause."""

    def __init__(self) -> None:
        self._pending = b""
        self._torn = False

    def feed(self, data: bytes) -> list[Step]:
        """Keep what arrived: only the pause says how much belongs together."""
        self._pending += data
        steps: list[Step] = []
        while len(self._pending) >= LOSS:
            steps.append(Noise(self._pending[:LOSS], "more bytes than an answer has"))
            self._pending, self._torn = self._pending[LOSS:], True
        return steps

    def quiet(self) -> list[Step]:
        """Say what the bytes before the pause mean."""
        raw, self._pending = self._pending, b""
        torn, self._torn = self._torn, False
        if not raw:
            return []
        if torn or len(raw) != 5 or raw[0] & 0x3F or raw[1] not in _DECIMALS_2:
            return [Noise(raw, "not an answer of five bytes")]
        count = int.from_bytes(raw[2:5], "little")
        count = -(count & 0x7FFFFF) if count & 0x800000 else count
        value = Decimal(count).scaleb(-_DECIMALS_2[raw[1]])
        return [Weight(value, "kg", bool(raw[0] & 0x80), raw, zero=bool(raw[0] & 0x40))]


class Text(FrameDecoder):
    """Weights out of lines."""

    def __init__(self, unit: str | None) -> None:
        super().__init__(Frames(b"\r\n", MAX_LINE))
        self._unit = unit

    def read(self, frame: Frame) -> list[Step]:
        """Return what one line means.

        Without a mark or a blank in front it may lack a digit. Behind a blank it may lack the mark
        and the sign, and is moving: nothing books such a weight.
        """
        match = _LINE.fullmatch(frame.text)
        value = None if match is None else figure(match["figure"])
        if match is None or value is None or match["unit"] not in _UNITS:
            return [Noise(frame.raw, "not a line of a Massa-K scale")]
        unit = _UNITS[match["unit"]] or self._unit
        return [Weight(value, unit, match["mark"] == b"$", frame.raw)]


def dialogue(config: Config) -> Dialogue:
    """Ask for the weight now, again and again."""
    asks = {"100": telegram(bytes([GET_WEIGHT])), "2": b"\x4a", "text": b"N\r"}
    commands: dict[str, dict[ScaleCommand, bytes]] = {
        "100": {"zero": telegram(bytes([SET_ZERO]))},
        "2": {"zero": b"\x0e"},
        "text": {"tare": b"T\r"},
    }
    return Dialogue(
        _decoder(config),
        ask=asks[config.protocol],
        every=config.every,
        within=config.within,
        gap=GAP if config.protocol == "2" else None,
        commands=commands[config.protocol],
    )


def _decoder(config: Config) -> Decoder:
    match config.protocol:
        case "100":
            return Protocol100()
        case "2":
            return Protocol2()
        case "text":
            return Text(config.unit)
