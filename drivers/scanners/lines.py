r"""Scanners on a serial port or as USB CDC-ACM that send each scan as a line (all makers).

The terminator is CR, LF or both unless set otherwise. Two-dimensional codes may have CR LF inside:
where those are expected set the scanner, and this driver, to ETX.

What arrives after opening may be the tail of a scan that began earlier. A prefix, or STX with ETX,
makes such a tail noise; without one only the code's own check digit can tell.

With `feedback` the scanner is told what became of each scan, in the words of its maker, once the
scan is on disk or was refused:

| feedback | good | bad | waits to be told |
|---|---|---|---|
| `honeywell_host_ack` | ``ESC 7 ,`` | ``ESC 8 ,`` | yes: without an answer it blocks for 10 s |
| `cr_ack_nak` | ACK | NAK | yes |
| `datalogic` | ``ESC [ 3 q`` amid green light | ``ESC [ 4 q`` | no |
| `datalogic_pos` | ``B`` | ``F`` | no |
| `cipherlab` | ``#@////`` CR | none | no |
| `own` | what `good` says | what `bad` says | no |

Source: framing as in the Datalogic PowerScan D8330, Honeywell Xenon and CipherLab 1663 manuals;
feedback from Honeywell Xenon/Granit p. 111, Datalogic PowerScan PD96xx p. 304 and QuickScan QD2300
p. 185, CipherLab 1663 p. 209.

>>> decoder = dialogue(Config(driver="lines")).decoder
>>> decoder.feed(b"]C10104006381333931\r")
[Scan(data=b'0104006381333931', raw=b']C10104006381333931\r', symbology=']C1')]
"""

import re
from typing import Annotated, Literal

from pydantic import Field

from drivers.kit.lines import Line, Lines
from drivers.kit.readings import MAX_SCAN, Dialogue, Noise, Refusal, Reply, Step
from drivers.kit.wrapping import MAX_NOISE, Wrapped

STX = b"\x02"

DROP_AFTER = 0.5
"""Seconds after which a scan without terminator is torn: a scanner sends one in well under that."""
END_AFTER = 0.05
"""Seconds of quiet that end a scan without terminator: USB scanners pause 10 ms at most."""

Feedback = Literal[
    "none", "honeywell_host_ack", "cr_ack_nak", "datalogic", "datalogic_pos", "cipherlab", "own"
]

Words = Annotated[str, Field(max_length=64, pattern=r"^[\x00-\xff]*$")]
"""Up to 64 characters of ISO 8859-1: each stands for one byte."""

_WORDS: dict[Feedback, tuple[bytes, bytes]] = {
    "none": (b"", b""),
    # The comma is part of it: the scanner waits for one.
    "honeywell_host_ack": (b"\x1b7,", b"\x1b8,"),
    "cr_ack_nak": (b"\x06", b"\x15"),
    # Green on, tone, green off. There is no light for bad: what is red on one is green on another.
    "datalogic": (b"\x1b[6q\x1b[3q\x1b[7q", b"\x1b[4q"),
    "datalogic_pos": (b"B", b"F"),
    # It has a word to halt, but none that says a single scan was bad.
    "cipherlab": (b"#@////\r", b""),
    "own": (b"", b""),
}
"""What says that a scan was stored, and what that it was refused."""
_BLOCKING: set[Feedback] = {"honeywell_host_ack", "cr_ack_nak"}

_MENU_ANSWER = re.compile(rb"([!-~ ]{1,120})([\x05\x06\x15])[.!,;]")
_MENU_WORDS = {b"\x05": "unknown", b"\x15": "refused"}
"""How a Honeywell scanner answers a menu command: its echo, then ENQ, ACK or NAK."""


class Config(Wrapped):
    """A scanner that sends lines."""

    driver: Literal["lines"]

    terminator: Literal["any", "cr", "lf", "crlf", "tab", "etx", "none"] = "any"
    """What ends a scan. `any`: CR, LF or both. `etx`: an STX before the scan is taken off. `none`:
    only quiet ends it; two scans within `gap` are then one, so prefer a terminator."""

    gap: float | None = Field(default=None, ge=0.02, le=5)
    """Seconds of quiet after which what is pending is a scan (`none`, 0.05) or torn (0.5)."""

    feedback: Feedback = "none"
    """How the scanner is told what became of a scan. Set the scanner to it as well."""

    good: Words = ""
    """With feedback `own`: what tells the scanner that its scan was stored."""

    bad: Words = ""
    """With feedback `own`: what tells it that its scan was refused."""


class Decoder:
    """Scans out of lines."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lines = Lines(None if config.terminator == "none" else config.terminator, MAX_SCAN)

    def feed(self, data: bytes) -> list[Step]:
        """Take what arrived and return one step for each scan that is complete. Never raises."""
        return [step for line in self._lines.feed(data) for step in self._read(line)]

    def quiet(self) -> list[Step]:
        """Say what is pending after a quiet gap: a scan, or the first half of one."""
        rest = self._lines.rest()
        if not rest:
            return []
        answer = _MENU_ANSWER.fullmatch(rest)
        if answer and self._config.feedback == "honeywell_host_ack":
            return [_menu_answer(answer, rest)]
        if self._config.terminator == "none":
            return self._read(Line(rest, rest))
        return [Noise(rest[:MAX_NOISE], "a scan without its terminator")]

    def _read(self, line: Line) -> list[Step]:
        if not line.whole:
            return [Noise(line.raw[:MAX_NOISE], f"a scan of more than {MAX_SCAN} bytes")]
        before, body = b"", line.body
        if self._config.terminator == "etx" and STX in body:
            before, _, body = body.rpartition(STX)
        steps: list[Step] = []
        # Some scanners end with ETX CR LF: the CR LF then comes before the next STX.
        if torn := before.strip(b"\r\n"):
            steps.append(Noise(torn[:MAX_NOISE], "bytes before STX"))
        # What was said to be noise is no part of the scan.
        return [*steps, self._config.unwrap(body, line.raw[len(before) :] if torn else line.raw)]


def _menu_answer(answer: re.Match[bytes], raw: bytes) -> Step:
    said = answer[1].decode("ascii")
    if answer[2] in _MENU_WORDS:
        return Refusal(f"{said} {_MENU_WORDS[answer[2]]}", raw)
    return Reply(said, raw)


def dialogue(config: Config) -> Dialogue:
    """Listen; a scanner speaks unasked."""
    usual = END_AFTER if config.terminator == "none" else DROP_AFTER
    good, bad = _WORDS[config.feedback]
    if config.feedback == "own":
        good, bad = config.good.encode("latin-1"), config.bad.encode("latin-1")
    return Dialogue(
        Decoder(config),
        gap=config.gap or usual,
        good=good,
        bad=bad,
        blocks=config.feedback in _BLOCKING,
    )
