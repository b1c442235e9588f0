r"""Bilanciai terminals: DD700, DD700i, DD700ic (B-TEK), D70A, D70B.

They send a string all the time, or answer ``XB`` with the gross and ``XN`` with the net weight:

| form | string |
|---|---|
| extended | ``$`` net (9) tare (9) unit (2) four digits of status CR LF, with blanks between |
| short | ``$`` or ``@`` state, net (5) CR: Cb, Bilanciai and Idea |
| visual | ``$0`` state, net with sign (5, or 6 with its point) CR |
| asked | weight (9) unit (2) ``B`` or ``NT`` CR LF, with blanks between |

The status are hexadecimal digits: 1, bit 3 centre of zero; 2, bit 1 stable and 2 overload; 3, bit 0
tare and 2 invalid; 4, bits 1 and 2 faults. The state is 0 stable, 1 moving, 3 invalid: below zero,
or over the limit.

Short strings have no point and no unit, and of a weight with more than five digits the last ones
are missing: prefer the extended string.

Source: Bilanciai DD700 advanced use manual, p. 7 to 9, 29 and 31; D70A manual, p. 1-62 to 1-64.

>>> decoder = dialogue(Config(driver="bilanciai")).decoder
>>> decoder.feed(b"$    1.250     0.000 kg 0200\r\n")[0].value
Decimal('1.250')
"""

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from drivers.kit.figures import figure
from drivers.kit.frames import Frame, FrameDecoder, Frames
from drivers.kit.polling import Polled
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

MAX_FRAME = 40
"""Bytes of a string; the extended one has 28."""

CENTRE, STABLE, OVER, TARED, INVALID, FAULTS = 8, 2, 4, 1, 4, 6

_EXTENDED = re.compile(
    rb"\$(?P<net>.{9}) (?P<tare>.{9}) (?P<unit>[A-Za-z ]{2}) (?P<status>[0-9A-F]{4})"
)
_SHORT = re.compile(rb"[$@](?P<state>[013])(?P<net> *[0-9]+)")
_VISUAL = re.compile(rb"\$0(?P<state>[013])(?P<net>[ +-]*[0-9]+(?:[.,][0-9]*)?)")
_FORMS = {"short": _SHORT, "visual": _VISUAL}
_ASKED = re.compile(rb"(?P<value>.{9}) (?P<unit>[A-Za-z ]{2}) (?P<what>B|NT)")
_MEASURES: dict[bytes, Measure] = {b"B": "gross", b"NT": "net"}
_COMMANDS: dict[ScaleCommand, bytes] = {"zero": b"AZ\r", "tare": b"AT\r", "clear_tare": b"CT\r"}


class Config(Polled):
    """A Bilanciai terminal."""

    driver: Literal["bilanciai"]

    form: Literal["extended", "short", "visual"] = "extended"
    """Which string the terminal is set to send."""

    asked: Literal["never", "gross", "net"] = "never"
    """``never``: the terminal sends by itself. Else it is asked for this weight."""

    decimals: int = Field(default=0, ge=0, le=4)
    """Digits behind the point of a short string, or of a visual one that has none."""

    unit: Annotated[str, Field(min_length=1, max_length=8)] | None = None
    """The unit the terminal is set to, which short and visual strings do not say."""


class Decoder(FrameDecoder):
    """Weights out of strings."""

    def __init__(self, config: Config) -> None:
        super().__init__(Frames(b"\r\n", MAX_FRAME))
        self._config = config

    def read(self, frame: Frame) -> list[Step]:
        """Return what one string means, which may have rubbish before its first character."""
        at = max(frame.text.rfind(b"$"), frame.text.rfind(b"@"), 0)
        step = self._string(frame.text[at:], frame.raw[at:])
        if at and not isinstance(step, Noise):
            return [Noise(frame.raw[:at], "bytes before a string"), step]
        return [step] if not at else [Noise(frame.raw, "not a string of a Bilanciai terminal")]

    def _string(self, text: bytes, raw: bytes) -> Step:
        if match := _ASKED.fullmatch(text):
            value = figure(match["value"], comma=True)
            if value is not None:
                unit = match["unit"].decode().strip() or self._config.unit
                return Weight(value, unit, None, raw, _MEASURES[match["what"]])
        if text in {b"??", b"OK"}:
            return Refusal("??", raw) if text == b"??" else Reply("OK", raw)
        if self._config.form == "extended":
            return self._extended(text, raw)
        match = _FORMS[self._config.form].fullmatch(text)
        # A point makes a visual string longer.
        if match is None or len(match["net"]) != 5 + _pointed(match["net"]):
            return Noise(raw, "not a string of a Bilanciai terminal")
        return self._stated(match, raw)

    def _stated(self, match: re.Match[bytes], raw: bytes) -> Step:
        value = figure(match["net"], comma=True)
        if match["state"] == b"3":
            return Weight(None, self._config.unit, None, raw, range="fault")
        if value is None:
            return Noise(raw, "a weight that is no number")
        if not _pointed(match["net"]):
            value = value.scaleb(-self._config.decimals)
        return Weight(value, self._config.unit, match["state"] == b"0", raw, "net")

    def _extended(self, text: bytes, raw: bytes) -> Step:
        match = _EXTENDED.fullmatch(text)
        if match is None:
            return Noise(raw, "not a string of a Bilanciai terminal")
        value = figure(match["net"], comma=True)
        status = [int(chr(digit), 16) for digit in match["status"]]
        reach = _range(status, value)
        if value is None and reach == "ok":
            return Noise(raw, "a weight that is no number")
        return Weight(
            value if reach == "ok" else None,
            match["unit"].decode().strip() or self._config.unit,
            bool(status[1] & STABLE),
            raw,
            measure="net" if status[2] & TARED else "gross",
            range=reach,
            zero=bool(status[0] & CENTRE),
        )


def _pointed(number: bytes) -> bool:
    return b"." in number or b"," in number


def _range(status: list[int], value: Decimal | None) -> Range:
    if status[3] & FAULTS:
        return "fault"
    if status[1] & OVER:
        return "over"
    if status[2] & INVALID:
        return "under" if value is not None and value < 0 else "fault"
    return "ok"


def dialogue(config: Config) -> Dialogue:
    """Listen; or ask for the weight, again and again."""
    if config.asked == "never":
        return Dialogue(Decoder(config), commands=_COMMANDS)
    return Dialogue(
        Decoder(config),
        ask=b"XB\r" if config.asked == "gross" else b"XN\r",
        every=config.every,
        within=config.within,
        commands=_COMMANDS,
    )
