r"""Checkout scales with Dialog 06, 04 or 02: Bizerba, Avery-Berkel, Dibal, Cely, OHAUS, ACLAS.

Dialog 06 is 9600 7O1 or 8N1; 04 and 02 are the same records at 4800 and 2400 7O1. A two-way
conversation, with the till as master:

| host | scale |
|---|---|
| ``EOT STX 01 ESC`` price (6) ``ESC ETX``, or ``03`` with a tare (4) behind | ``ACK`` or ``NAK`` |
| ``EOT ENQ`` | ``STX 02 ESC`` unit, weight (5), price, amount (6) ``ETX``, or ``NAK`` |
| after ``NAK``: ``EOT STX 08 ETX`` | ``STX 09 ESC`` reason (2) ``ETX`` |

ESC parts all fields. Units: ``3`` kg with three decimals, ``1`` lb with two, ``2`` lb with three,
``0`` pounds and ounces, which are refused. Some end records in EOT instead of ETX. A weight is only
given when it is stable, and once for each load.

A verified scale may ask for checksums (record 11) before it weighs. The key to them is known only
to the makers of the scale and of a verified till: such a scale is recognised and cannot be used.

Source: OHAUS Aviator 7000 service manual p. 38 to 41 and 45; Cely PI-100 p. 14 to 16; Dibal
DPOS-400 p. 52.

>>> decoder = dialogue(Config(driver="dialog_06")).decoder
>>> decoder.feed(b"\x06")
[Send(data=b'\x04\x05')]
>>> weighed = b"\x0202\x1b3\x1b01250\x1b000001\x1b000001\x03"
>>> [(step.value, step.unit) for step in decoder.feed(weighed)]
[(Decimal('1.250'), 'kg')]
"""

import re
from decimal import Decimal
from typing import Literal

from pydantic import Field

from drivers.kit.polling import Polled
from drivers.kit.readings import Dialogue, Measure, Noise, Range, Refusal, Reply, Send, Step, Weight
from drivers.kit.telegrams import TelegramDecoder

STX, ETX, EOT, ACK, NAK = 2, 3, 4, 6, 0x15
WEIGH = b"\x04\x05"
WHY = b"\x04\x0208\x03"

LONGEST = 48
"""Bytes of a record; a weight has 29."""

GAP = 1.0
"""Seconds of quiet after which an answer no longer belongs to what was asked: scales take 5 ms."""

_WEIGHT = re.compile(
    rb"02\x1b(?P<unit>[0-3])\x1b(?P<weight>[0-9]{5})\x1b(?P<price>[0-9 ]{5,6})\x1b"
    rb"(?P<amount>[0-9 ]{6})"
)
_STATUS = re.compile(rb"09\x1b?(?P<code>[0-9]{2})")
_CHECKSUMS = re.compile(rb"11\x1b(?P<what>[0-2])(?P<random>.*)", re.DOTALL)
_UNITS = {b"1": ("lb", 2), b"2": ("lb", 3), b"3": ("kg", 3)}
_RANGES: dict[bytes, Range] = {b"31": "under", b"32": "over"}
_MOVING = {b"20", b"22"}
_TOO_LITTLE, _SAME_LOAD, _NO_ERROR = b"30", b"21", b"00"
_REASONS = {
    b"01": "general error",
    b"02": "parity error or too many bytes",
    b"10": "no such record",
    b"11": "invalid unit price",
    b"12": "invalid tare",
    b"13": "invalid text",
}


class Config(Polled):
    """A checkout scale with Dialog 06, 04 or 02."""

    driver: Literal["dialog_06"]

    price: int = Field(default=1, ge=0, le=999_999)
    """Price of a kilogram in the smallest coin. The scale shows it; some refuse 0."""

    tare: int = Field(default=0, ge=0, le=9_999)
    """Tare in grams that the scale takes off; 0 sends none."""

    bits: Literal[7, 8] = 7
    """Data bits of the line. With 7, bit 7 is parity and is ignored."""


class Decoder(TelegramDecoder):
    """The till's side of the conversation."""

    def __init__(self, config: Config) -> None:
        super().__init__(bytes([STX, ACK, NAK]), LONGEST, bits=config.bits)
        self._measure: Measure | None = "net" if config.tare else None
        self._said = b""
        """What was sent last and not answered yet, of `WEIGH` and `WHY`."""

    def measure(self, text: bytes) -> int | None:
        """Return 1 for ACK and NAK, and for a record the length up to ETX or EOT."""
        if text[0] != STX:
            return 1
        for at in range(1, len(text)):
            if text[at] in {ETX, EOT}:
                return at + 1
            if text[at] == STX:
                return 0
        return None

    def read(self, text: bytes, raw: bytes) -> list[Step]:
        """Return what one answer means, and what is to be said to it."""
        said, self._said = self._said, b""
        if text[0] == ACK:
            # A scale that says ACK to `WEIGH` too must not make this go round and round.
            return [Noise(raw, "an ACK to nothing")] if said == WEIGH else self._say(WEIGH)
        if text[0] == NAK:
            refusal = Refusal("NAK", raw)
            return [refusal] if said == WHY else [refusal, *self._say(WHY)]
        return [self._record(text[1:-1], raw)]

    def quiet(self) -> list[Step]:
        """Drop the record that was begun, and what was being asked."""
        self._said = b""
        return super().quiet()

    def _say(self, data: bytes) -> list[Step]:
        self._said = data
        return [Send(data)]

    def _record(self, record: bytes, raw: bytes) -> Step:
        if match := _WEIGHT.fullmatch(record):
            if match["unit"] not in _UNITS:
                return Refusal("the scale weighs in pounds and ounces", raw)
            unit, decimals = _UNITS[match["unit"]]
            value = Decimal(match["weight"].decode()).scaleb(-decimals)
            return Weight(value, unit, stable=True, raw=raw, measure=self._measure)
        if match := _STATUS.fullmatch(record):
            return self._status(match["code"], raw)
        if match := _CHECKSUMS.fullmatch(record):
            if match["what"] == b"1":
                return Reply("checksums valid", raw)
            return Refusal("11: this scale wants the checksums of a verified till", raw)
        return Noise(raw, "no record of Dialog 06")

    def _status(self, code: bytes, raw: bytes) -> Step:
        if code in _MOVING:
            return Weight(None, None, stable=False, raw=raw)
        if code in _RANGES:
            return Weight(None, None, None, raw, range=_RANGES[code])
        if code == _TOO_LITTLE:
            # An empty pan is never called zero: this is how the scale says that it is empty.
            return Weight(None, None, None, raw, zero=True)
        if code in {_NO_ERROR, _SAME_LOAD}:
            return Reply("no error" if code == _NO_ERROR else "the same load as before", raw)
        return Refusal(f"{code.decode()}: {_REASONS.get(code, 'unknown')}", raw)


def dialogue(config: Config) -> Dialogue:
    """Send the price again and again; the rest is said in answer to what the scale says."""
    price = b"%06d" % config.price
    record = b"01\x1b%s\x1b" % price
    if config.tare:
        record = b"03\x1b%s\x1b%04d" % (price, config.tare)
    return Dialogue(
        Decoder(config),
        ask=b"\x04\x02" + record + b"\x03",
        every=config.every,
        within=config.within,
        gap=GAP,
    )
