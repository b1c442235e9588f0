r"""Checkout scales with the CAS or ECR-Posnet protocol: CAS, OHAUS Aviator, Dibal (9600 8N1).

| host | scale |
|---|---|
| ``ENQ`` | ``ACK`` ready, ``NAK`` not |
| ``DC1`` | ``SOH STX`` status, sign, weight (6 with its point), unit (2), check ``ETX EOT`` |

Status ``S`` stable, ``U`` moving. Sign space, ``-``, or ``F`` out of range; then the weight may be
``FFFFFF`` too. The check is the XOR of what stands between STX and itself.

Source: OHAUS Aviator 7000 service manual p. 36; Dibal DPOS-400 p. 27.

>>> decoder = dialogue(Config(driver="cas_pos")).decoder
>>> [(step.value, step.stable) for step in decoder.feed(b"\x01\x02S-00.500kgi\x03\x04")]
[(Decimal('-0.500'), True)]
"""

import re
from typing import Literal

from drivers.kit.figures import figure
from drivers.kit.polling import Polled
from drivers.kit.readings import Dialogue, Noise, Refusal, Send, Step, Weight
from drivers.kit.telegrams import TelegramDecoder, exclusive

SOH, ENQ, ACK, DC1, NAK = 1, 5, 6, 0x11, 0x15

LENGTH = 15
"""Bytes of a weight."""

_WEIGHT = re.compile(
    rb"\x01\x02(?P<state>[SU])(?P<sign>[ F-])(?P<figure>.{6})(?P<unit>[A-Za-z ]{2})"
    rb"(?P<check>.)\x03\x04",
    re.DOTALL,
)


class Config(Polled):
    """A checkout scale with the CAS or ECR-Posnet protocol."""

    driver: Literal["cas_pos"]

    bits: Literal[7, 8] = 8
    """Data bits of the line. With 7, bit 7 is parity and is ignored."""


class Decoder(TelegramDecoder):
    """The till's side of the conversation."""

    def __init__(self, bits: int) -> None:
        super().__init__(bytes([SOH, ACK, NAK]), LENGTH, bits=bits)
        self._requested = False
        """Whether `DC1` was sent and not answered yet."""

    def measure(self, text: bytes) -> int | None:
        """Return 1 for a control character, and the one length of a weight whose check is right."""
        if text[0] != SOH:
            return 1
        if len(text) < LENGTH:
            return None
        match = _WEIGHT.fullmatch(text)
        return LENGTH if match and exclusive(text[2:12]) == match["check"][0] else 0

    def read(self, text: bytes, raw: bytes) -> list[Step]:
        """Return what one answer means, and what is to be said to it."""
        requested, self._requested = self._requested, False
        if text[0] == ACK and requested:
            # A scale that says ACK to DC1 too must not make this go round and round.
            return [Noise(raw, "an ACK to nothing")]
        if text[0] == ACK:
            self._requested = True
            return [Send(bytes([DC1]))]
        match = _WEIGHT.fullmatch(text)
        if match is None:
            return [Refusal("NAK", raw)]
        unit = match["unit"].decode().strip() or None
        if match["sign"] == b"F" or b"F" in match["figure"]:
            return [Weight(None, unit, None, raw, range="over")]
        stable = match["state"] == b"S"
        if not match["figure"].strip():
            return [Weight(None, unit, stable, raw)]
        value = figure(match["sign"] + match["figure"])
        if value is None:
            return [Noise(raw, "a weight that is no number")]
        return [Weight(value, unit, stable, raw)]


def dialogue(config: Config) -> Dialogue:
    """Begin with ENQ again and again; DC1 is said in answer to ACK."""
    return Dialogue(
        Decoder(config.bits), ask=bytes([ENQ]), every=config.every, within=config.within
    )
