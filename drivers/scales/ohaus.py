r"""OHAUS scales, indicators and balances with the OHAUS command set: Defender, Ranger and others.

They are asked with ``IP`` (weight now) or ``P`` (as set), told to go on with ``CP``, or print by
themselves (9600 8N1). A line has polarity, number, unit, ``?`` while moving, and what it is, in
columns that differ between models:

    Defender        -  1.640 kg   ?N
    Ranger          -   0.050 kg ? NET
    Ranger, key     G                 1.234 kg
    balances               12.73 g    ?

Lines are therefore read by their words. Only for the first line after opening, whose front may be
lost, the columns count: the minus stands far from the digits, and a line without it looks whole.

Pounds and ounces are given as ounces. Sums (``TOTAL``) and other results are no loads, and come as
replies.

Source: OHAUS Defender 3000, p. 37, with captures in NSerialCommTools (which have a blank less);
Ranger Compact, p. 36; RS232 manual for balances, p. 5.

>>> decoder = dialogue(Config(driver="ohaus")).decoder
>>> [(weight.value, weight.unit) for weight in decoder.feed(b"-  1.640 kg    N\r\n")]
[(Decimal('-1.640'), 'kg')]
"""

import re
from decimal import Decimal
from typing import Literal

from pydantic import Field

from drivers.kit.frames import Bits, Frame, FrameDecoder, Frames
from drivers.kit.polling import RENEW, Polled
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

MAX_LINE = 80
"""Bytes of a line. Weights take up to 36; a label before the number is 24 more."""

OUNCES = 16
"""Ounces of a pound."""

_LINE = re.compile(
    rb"(?P<key>[GTN] +)?(?P<front> *)(?P<sign>[+-]?)(?P<gap> *)"
    rb"(?P<number>[0-9]{1,9}(?:\.[0-9]{1,7})?|\.[0-9]{1,7})"
    rb"(?P<tail> *(?P<unit>[A-Za-z%][A-Za-z%/]{0,4})"
    rb" *(?P<moving>\??) *(?P<legend>[A-Za-z/]{0,8})(?P<more> [A-Za-z ]{1,16})?) *"
)
_POUNDS = re.compile(
    rb"(?P<front> *)(?P<sign>-?) *(?P<pounds>[0-9]{1,5}) ?lb ?:? *"
    rb"(?P<ounces>[0-9]{1,2}(?:\.[0-9]{1,4})?) ?oz *(?P<moving>\??) *(?P<legend>[A-Za-z/]{0,3}) *"
)
POUNDS_LINE = 26
"""Characters of a line in pounds and ounces."""
_TROUBLE = re.compile(rb" *Err(?:or)?:? *(?P<code>[0-9]{1,2}\.[0-9]) *", re.IGNORECASE)
_TROUBLES: dict[bytes, Range] = {b"8.3": "over", b"8.4": "under"}

_LEGENDS: dict[bytes, Measure | None] = {
    b"": None,
    b"G": "gross",
    b"B": "gross",
    b"B/G": "gross",
    b"N": "net",
    b"NET": "net",
    b"T": "tare",
    b"PT": "tare",
}
_COUNTED = b"PCS"

_COMMANDS: dict[ScaleCommand, bytes] = {
    "zero": b"Z\r\n",
    "tare": b"T\r\n",
    "clear_tare": b"0T\r\n",
    "print": b"P\r\n",
}


class Config(Polled):
    """An OHAUS scale."""

    driver: Literal["ohaus"]

    mode: Literal["IP", "P", "CP", "unasked"] = "IP"
    """``IP`` asks for each weight as it is, ``P`` for each as the scale is set to print it; ``CP``
    is sent once, and the scale goes on; ``unasked`` sends nothing, for a scale that prints by
    itself or at a key."""

    length: int | None = Field(default=None, ge=6, le=80)
    """Characters of a weight as this scale sends it, without its end. One of another length is
    noise, so that a lost byte cannot change a weight. None takes every length."""

    bits: Bits = 8
    """Data bits of the line. With 7, bit 7 is parity and is ignored."""


class Decoder(FrameDecoder):
    """Weights out of lines."""

    def __init__(self, config: Config) -> None:
        super().__init__(Frames(b"\r\n", MAX_LINE, config.bits), config.length)

    def read(self, frame: Frame) -> list[Step]:
        """Return what a line means."""
        if match := _LINE.fullmatch(frame.text):
            return [_line(match, frame)]
        if match := _POUNDS.fullmatch(frame.text):
            return [_pounds(match, frame)]
        if match := _TROUBLE.fullmatch(frame.text):
            return [_trouble(match["code"], frame.raw)]
        match frame.text.strip():
            case b"ES":
                return [Refusal("ES", frame.raw)]
            case b"OK!":
                return [Reply("OK!", frame.raw)]
        return [Noise(frame.raw, "not an OHAUS line")]


def _line(match: re.Match[bytes], frame: Frame) -> Step:
    if not (frame.begun or match["key"] or _whole(match)):
        return Noise(frame.raw, "a line whose beginning may be missing")
    legend = match["key"].strip() if match["key"] else match["legend"].upper()
    if legend not in _LEGENDS or (match["more"] and legend != b"NET"):
        return Reply(" ".join(frame.text.decode().split()), frame.raw)
    measure = _LEGENDS[legend]
    if match["unit"].upper() == _COUNTED:
        measure = measure or "count"
    return Weight(
        Decimal((match["sign"] + match["number"]).decode()),
        match["unit"].decode(),
        stable=not match["moving"],
        raw=frame.raw,
        measure=measure,
    )


def _whole(match: re.Match[bytes]) -> bool:
    """Return whether a line of which nothing came before has its beginning.

    A number at the very front may have lost digits. A blank there may have lost a minus before it;
    which it has not where the number ends in a column that fits the rest of the line.
    """
    ends, tail = match.end("number"), match["tail"]
    if match["sign"]:
        if not match["gap"]:
            return True
        fits = (ends == 8 and _defender(tail)) or (ends == 9 and _ranger(tail))
        return fits and not match["front"]
    if not match["front"]:
        return False
    return 10 <= ends <= 13 or (ends in {8, 9} and _defender(tail)) or (ends == 9 and _ranger(tail))


def _defender(tail: bytes) -> bool:
    """Return whether what follows a number has five columns for the unit."""
    return len(tail) > 7 and tail[6:7] in {b" ", b"?"}


def _ranger(tail: bytes) -> bool:
    """Return whether what follows a number has two columns for the unit."""
    return tail[3:4] == b" " and tail[4:5] in {b" ", b"?"} and tail[6:7].isalpha()


def _pounds(match: re.Match[bytes], frame: Frame) -> Step:
    legend = match["legend"].upper()
    if not frame.begun and len(frame.text) < POUNDS_LINE:
        return Noise(frame.raw, "a line whose beginning may be missing")
    ounces = Decimal(match["pounds"].decode()) * OUNCES + Decimal(match["ounces"].decode())
    return Weight(
        ounces.copy_negate() if match["sign"] else ounces,
        "oz",
        stable=not match["moving"],
        raw=frame.raw,
        measure=_LEGENDS.get(legend),
    )


def _trouble(code: bytes, raw: bytes) -> Step:
    if code in _TROUBLES:
        return Weight(None, None, None, raw, range=_TROUBLES[code])
    return Refusal(code.decode(), raw)


def dialogue(config: Config) -> Dialogue:
    """Ask for the weight, again and again; or have the scale go on printing; or listen."""
    ask = f"{config.mode}\r\n".encode()
    match config.mode:
        case "IP" | "P":
            return Dialogue(
                Decoder(config),
                ask=ask,
                every=config.every,
                # Set to stable weights only, `P` waits as long as the load moves.
                within=config.within if config.mode == "IP" else None,
                commands=_COMMANDS,
            )
        case "CP":
            return Dialogue(
                Decoder(config),
                ask=ask,
                every=RENEW,
                within=config.within,
                commands={name: command + ask for name, command in _COMMANDS.items()},
            )
        case "unasked":
            return Dialogue(Decoder(config), commands=_COMMANDS)
