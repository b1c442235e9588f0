r"""Checkout scales with the EPOS or Berkel protocol: Avery-Berkel, OHAUS, Magellan (2400 7E1).

| host | scale |
|---|---|
| ``ENQ`` | ``ACK`` ready, ``NAK``, ``CAN`` weigh again, ``NUL`` no data |
| ``DC1`` | ``STX`` id, weight (5), check ``ETX`` |
| the same bytes back | CR: they are right; ``ACK``: they are not |

The check is the XOR of id and weight. A weight counts when the scale has confirmed it, or when it
says nothing more. Where bits 3 and 5 of the id are set, as on an Aviator, bits 0 to 2 tell
capacity, unit and decimals, and bit 4 a load out of range.

Source: OHAUS Aviator 7000 service manual p. 37 and 38; Datalogic DIVA service manual p. 53 and 54.

>>> decoder = dialogue(Config(driver="epos_berkel")).decoder
>>> decoder.feed(b"\x02001250\x06\x03")
[Send(data=b'\x02001250\x06\x03')]
>>> [(step.value, step.unit) for step in decoder.feed(b"\r")]
[(Decimal('1.250'), 'kg')]
"""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from drivers.kit.polling import Polled
from drivers.kit.readings import (
    Dialogue,
    Noise,
    Refusal,
    Reply,
    ScaleCommand,
    Send,
    Step,
    Weight,
)
from drivers.kit.telegrams import TelegramDecoder, exclusive

NUL, STX, ETX, ENQ, ACK, CR, DC1, NAK, CAN = 0, 2, 3, 5, 6, 13, 0x11, 0x15, 0x18

LENGTH = 9
"""Bytes of a weight."""
GAP = 0.3
"""Seconds of quiet after which a scale confirms no more; a byte takes 5 ms at 2400 baud."""

AVIATOR, OUT = 0x28, 0x10
_CAPACITIES = {1: ("kg", 3), 2: ("lb", 2), 3: ("kg", 3)}

_COMMANDS: dict[ScaleCommand, bytes] = {
    "zero": b"\x02Z\0\0\0\0\0\x03Z",
    "tare": b"\x02N\0\0\0\0\0\x03N",
}


class Config(Polled):
    """A checkout scale with the EPOS or Berkel protocol."""

    driver: Literal["epos_berkel"]

    unit: Annotated[str, Field(min_length=1, max_length=8)] = "kg"
    """The unit of a scale whose id does not tell it."""

    decimals: int = Field(default=3, ge=0, le=4)
    """Digits behind the point of a scale whose id does not tell them: 3 for kg, 2 for lb."""

    bits: Literal[7, 8] = 7
    """Data bits of the line. With 7, bit 7 is parity and is ignored."""


class Decoder(TelegramDecoder):
    """The till's side of the conversation."""

    def __init__(self, config: Config) -> None:
        begins = bytes([NUL, STX, ACK, CR, NAK, CAN])
        super().__init__(begins, LENGTH, bits=config.bits, padding=b"")
        self._config = config
        self._held: Weight | None = None
        self._requested = False
        """Whether `DC1` was sent and not answered yet."""

    def measure(self, text: bytes) -> int | None:
        """Return 1 for a control character, and the one length of a weight whose check is right."""
        if text[0] != STX:
            return 1
        if len(text) < LENGTH:
            return None
        sound = text[8] == ETX and text[2:7].isdigit() and exclusive(text[1:7]) == text[7]
        return LENGTH if sound else 0

    def read(self, text: bytes, raw: bytes) -> list[Step]:
        """Return what one answer means, and what is to be said to it."""
        held, self._held = self._held, None
        requested, self._requested = self._requested, False
        match text[0]:
            case 0x02:
                self._held = self._weight(text, raw)
                return [Send(text)]
            case 0x0D:
                return [Noise(raw, "a CR to nothing")] if held is None else [held]
            case 0x06 if held is not None:
                return [Refusal("the scale did not confirm the weight", raw)]
            case 0x06 if requested:
                # A scale that says ACK to DC1 too must not make this go round and round.
                return [Noise(raw, "an ACK to nothing")]
            case 0x06:
                self._requested = True
                return [Send(bytes([DC1]))]
            case 0x15:
                return [Refusal("NAK", raw)]
            case 0x18:
                return [Refusal("CAN: weigh again", raw)]
        return [Reply("no data", raw)]

    def quiet(self) -> list[Step]:
        """Give the weight that was not confirmed: its check was right."""
        held, self._held = self._held, None
        self._requested = False
        return [*([] if held is None else [held]), *super().quiet()]

    def _weight(self, text: bytes, raw: bytes) -> Weight:
        unit, decimals, out = self._config.unit, self._config.decimals, False
        if text[1] & AVIATOR == AVIATOR:
            unit, decimals = _CAPACITIES.get(text[1] & 0x47, (unit, decimals))
            out = bool(text[1] & OUT)
        if out:
            return Weight(None, unit, None, raw, range="fault")
        return Weight(Decimal(text[2:7].decode()).scaleb(-decimals), unit, stable=True, raw=raw)


def dialogue(config: Config) -> Dialogue:
    """Begin with ENQ again and again; the rest is said in answer to what the scale says."""
    return Dialogue(
        Decoder(config),
        ask=bytes([ENQ]),
        every=config.every,
        within=config.within,
        gap=GAP,
        commands=_COMMANDS,
    )
