r"""CAS indicators and scales: CI-series, NT-200, PD-II and others (9600 8N1).

The scale sends lines by itself, or one for each request byte. The 22-byte form is
``ST,GS,`` device, lamps, ``,`` weight (8), a space or the relays, unit (2), CR LF: device and lamps
are raw bytes in a line that is ASCII otherwise. The 18-byte form has neither of them. The 10-byte
form is the bare weight, eight characters; only its length says that none is missing.

| bit of the lamps | meaning |
|---|---|
| 0 | zero |
| 1 | tare |
| 2 | gross |
| 3 | printed |
| 4 | hold |
| 6 | stable |
| 7 | always 1 |

Source: CAS CI-600D p. 74, CI-400 p. 103, CI-150A p. 54, PDI p. 37, NT-200 p. 48.

>>> decoder = dialogue(Config(driver="cas")).decoder
>>> [(step.value, step.unit) for step in decoder.feed(b"ST,GS,1\xc4,   12.34 kg\r\n")]
[(Decimal('12.34'), 'kg')]
"""

import re
from typing import Annotated, Literal

from pydantic import Field

from drivers.kit.figures import figure
from drivers.kit.frames import Frame, FrameDecoder, Frames
from drivers.kit.headed import headed
from drivers.kit.polling import Polled
from drivers.kit.readings import Dialogue, Measure, Noise, Refusal, Reply, Step, Weight

MAX_FRAME = 40
"""Bytes of a line: weights take 22 at most, banners are longer."""

ZERO = 1
DEVICE_1 = 0x31
"""The request byte of device 1; those of the others follow."""

# A relay byte may be CR, so only LF ends a line.
_LAMPED = re.compile(
    rb"(?P<state>ST|US|OL),(?P<what>GS|NT),[1-=](?P<lamps>[\x80-\xff]),"
    rb"(?P<figure>.{8}).(?P<unit>[A-Za-z ]{2})\r?",
    re.DOTALL,
)
_BARE = re.compile(rb"(?P<figure> *[+-]? *[0-9]*\.?[0-9]+)\r?")
_ERROR = re.compile(rb"ERR ?[0-9]{1,2}")
_MEASURES: dict[bytes, Measure] = {b"GS": "gross", b"NT": "net"}


class Config(Polled):
    """A CAS scale."""

    driver: Literal["cas"]

    form: Literal["headed", "bare"] = "headed"
    """``bare`` is the 10-byte form, the weight alone; ``headed`` is any other."""

    device: int | None = Field(default=None, ge=1, le=13)
    """The number of a scale that sends on request. None: it sends by itself."""

    unit: Annotated[str, Field(min_length=1, max_length=8)] | None = None
    """The unit of a scale that sends none; None is unknown."""


class Decoder(FrameDecoder):
    """Weights out of lines."""

    def __init__(self, config: Config) -> None:
        super().__init__(Frames(b"\n", MAX_FRAME))
        self._config = config

    def read(self, frame: Frame) -> list[Step]:
        """Return what one line means."""
        if self._config.form == "bare":
            return [self._bare(frame)]
        if match := _LAMPED.fullmatch(frame.text):
            return [self._lamped(match, frame.raw)]
        text = frame.text.rstrip(b"\r")
        if step := headed(text, frame.raw, self._config.unit):
            return [step]
        if _ERROR.fullmatch(text):
            return [Refusal(text.decode(), frame.raw)]
        if text.startswith(b"CAS "):
            return [Reply(text.decode("latin-1"), frame.raw)]
        return [Noise(frame.raw, "not a line of a CAS scale")]

    def _lamped(self, match: re.Match[bytes], raw: bytes) -> Step:
        unit = match["unit"].decode().strip() or self._config.unit
        measure = _MEASURES[match["what"]]
        if match["state"] == b"OL":
            under = b"-" in match["figure"]
            return Weight(None, unit, None, raw, measure, "under" if under else "over")
        value = figure(match["figure"])
        if value is None:
            return Noise(raw, "a weight that is no number")
        zero = bool(match["lamps"][0] & ZERO)
        return Weight(value, unit, match["state"] == b"ST", raw, measure, zero=zero)

    def _bare(self, frame: Frame) -> Step:
        match = _BARE.fullmatch(frame.text)
        value = None if match is None else figure(match["figure"])
        if match is None or value is None or len(match["figure"]) != 8:
            return Noise(frame.raw, "not a weight of eight characters")
        return Weight(value, self._config.unit, None, frame.raw)


def dialogue(config: Config) -> Dialogue:
    """Listen; or send the device's number again and again."""
    if config.device is None:
        return Dialogue(Decoder(config))
    ask = bytes([DEVICE_1 - 1 + config.device])
    return Dialogue(Decoder(config), ask=ask, every=config.every, within=config.within)
