r"""Radwag scales and balances: WPT, WTC, WLT, PUE, AS, PS, R series (4800 or 9600 8N1).

The scale is asked with ``SUI``: the mass now, in the unit it shows. Its answers have fixed columns:
the command (3), stability, a space, the sign, the mass (9), a space, the unit (3). Stability is a
space, ``?`` moving, ``^`` over, ``v`` under. What the print key sends has no command in front; it
is read from a scale that is not asked.

``XX_A`` and ``XX_D`` are obeyed, ``XX_I`` not now, ``XX_^`` and ``XX_v`` out of range, ``XX_E``
not stable in time, ``ES`` unknown; ``_`` is a space.

Source: Radwag WPT p. 69, R-series balances p. 85 to 88, AS R2 PLUS p. 83, PUE C41H p. 148, WTC p.
29.

>>> decoder = dialogue(Config(driver="radwag")).decoder
>>> [(step.value, step.stable) for step in decoder.feed(b"SI ?       18.5 kg \r\n")]
[(Decimal('18.5'), False)]
"""

import re
from typing import Literal

from drivers.kit.figures import figure
from drivers.kit.frames import Frame, FrameDecoder, Frames
from drivers.kit.polling import Polled
from drivers.kit.readings import (
    Dialogue,
    Noise,
    Range,
    Refusal,
    Reply,
    ScaleCommand,
    Step,
    Weight,
)

MAX_FRAME = 128
"""Bytes of a line. Weights take 21; the list of all commands is longer, and is noise."""

_ANSWER = re.compile(
    rb"(?P<command>SUI|SU |SI |S  )(?P<state>[ ?^v]) (?P<figure>[ -][ 0-9.]{9}) "
    rb"(?P<unit>[!-~]{1,3}) *"
)
_PRINTED = re.compile(
    rb"(?P<state>[ ?^v]) (?P<figure>[ -][ 0-9.]{9}) (?P<unit>[!-~]{1,3} {0,2}(?<=...))"
)
_REPLY = re.compile(rb"(?P<command>[A-Z]{1,3}[0-9]?)[ _](?P<result>[ADIE^v])(?: .*)?")
_OUT = re.compile(rb"(?:(?:SUI|SU|SI|S)[ _]*)?(?P<state>[\^v])")
_RANGES: dict[bytes, Range] = {b"^": "over", b"v": "under"}
_COMMANDS: dict[ScaleCommand, bytes] = {"zero": b"Z\r\n", "tare": b"T\r\n", "print": b"SS\r\n"}


class Config(Polled):
    """A Radwag scale."""

    driver: Literal["radwag"]

    asked: Literal["SUI", "SI", "never"] = "SUI"
    """``SUI`` asks for the unit shown, ``SI`` for the basic one; ``never`` if the scale sends by
    itself or when its print key is pressed."""


class Decoder(FrameDecoder):
    """Weights out of lines."""

    def __init__(self, *, printed: bool) -> None:
        super().__init__(Frames(b"\r\n", MAX_FRAME))
        self._forms = (_ANSWER, _PRINTED) if printed else (_ANSWER,)

    def read(self, frame: Frame) -> list[Step]:
        """Return what one line means."""
        for form in self._forms:
            if match := form.fullmatch(frame.text):
                return [_weight(match, frame.raw)]
        return [_answer(frame.text, frame.raw)]


def _answer(text: bytes, raw: bytes) -> Step:
    if match := _OUT.fullmatch(text.rstrip(b" ")):
        return Weight(None, None, None, raw, range=_RANGES[match["state"]])
    if text.strip() == b"ES":
        return Refusal("ES", raw)
    if match := _REPLY.fullmatch(text.rstrip(b" ")):
        answer = f"{match['command'].decode()} {match['result'].decode()}"
        done = match["result"] in {b"A", b"D"}
        return Reply(answer, raw) if done else Refusal(answer, raw)
    return Noise(raw, "not an answer of a Radwag scale")


def _weight(match: re.Match[bytes], raw: bytes) -> Step:
    unit = match["unit"].decode().strip()
    if match["state"] in _RANGES:
        return Weight(None, unit, None, raw, range=_RANGES[match["state"]])
    value = figure(match["figure"])
    if value is None or match["figure"].endswith(b" "):
        return Noise(raw, "a weight that is no number")
    return Weight(value, unit, match["state"] == b" ", raw)


def dialogue(config: Config) -> Dialogue:
    """Ask for the weight now, again and again; or listen."""
    if config.asked == "never":
        return Dialogue(Decoder(printed=True), commands=_COMMANDS)
    return Dialogue(
        Decoder(printed=False),
        ask=config.asked.encode() + b"\r\n",
        every=config.every,
        within=config.within,
        commands=_COMMANDS,
    )
