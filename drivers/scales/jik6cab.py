r"""JIK-6CAB indicators with the printed block of 14 lines (9600 8N1).

Sent when the print key is pressed: ``^KJIK000``, date, time, tare, gross, two numbers, net twice,
pieces, blanks, ``E``, ``~P1``. The net weight is the reading; a block that lacks a line, or in
which the two net weights differ, is noise. Nothing says whether the weight is stable.

Source: captures of a JIK6CAB in NSerialCommTools, whose notes name the lines.

>>> decoder = dialogue(Config(driver="jik6cab")).decoder
>>> block = ["^KJIK000", "25-10-2025", "01:25:29", "123.00 kg", "789.00 kg", "0", "0",
...          "456.00 kg", "456.00 kg", "  123 pcs", " ", " ", "E", "~P1", ""]
>>> [(step.value, step.measure) for step in decoder.feed("\r\n".join(block).encode())]
[(Decimal('456.00'), 'net')]
"""

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict

from drivers.kit.figures import figure
from drivers.kit.frames import Frame, FrameDecoder, Frames
from drivers.kit.readings import Dialogue, Noise, Step, Weight

MAX_LINE = 40
"""Bytes of a line; the longest have eleven."""
MAX_LINES = 16
"""Lines of a block; it has fourteen."""

GAP = 2.0
"""Seconds after which a block without its end is torn: it goes out in well under one."""

BEGIN, END = b"^KJIK000", b"~P1"

_WEIGHT = re.compile(rb"(?P<figure>[ 0-9.+-]{1,12}) +(?P<unit>[A-Za-z]{1,3})")
_BLOCK = re.compile(
    rb"[0-9-]{8,10}\n[0-9:]{5,8}\n"
    rb"(?P<tare>[^\n]+)\n(?P<gross>[^\n]+)\n *[0-9]+\n *[0-9]+\n"
    rb"(?P<net>[^\n]+)\n(?P=net)\n *[0-9]+ *pcs(?:\n *)*\nE"
)


class Config(BaseModel):
    """A JIK-6CAB indicator."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    driver: Literal["jik6cab"]


class Decoder(FrameDecoder):
    """Net weights out of blocks."""

    def __init__(self) -> None:
        super().__init__(Frames(b"\r\n", MAX_LINE))
        self._block: list[Frame] = []

    def read(self, frame: Frame) -> list[Step]:
        """Take one line; the last one of a block says what it means."""
        if frame.text == BEGIN:
            steps = self._give_up()
            self._block = [frame]
            return steps
        if not self._block:
            return [Noise(frame.raw, "a line outside a block")]
        self._block.append(frame)
        if frame.text == END:
            block, self._block = self._block, []
            return [_weight(block)]
        return self._give_up() if len(self._block) > MAX_LINES else []

    def quiet(self) -> list[Step]:
        """Drop the block that was begun."""
        return [*self._give_up(), *super().quiet()]

    def _give_up(self) -> list[Step]:
        raw, self._block = b"".join(frame.raw for frame in self._block), []
        return [Noise(raw, "a block without its end")] if raw else []


def _weight(block: list[Frame]) -> Step:
    raw = b"".join(frame.raw for frame in block)
    lines = _BLOCK.fullmatch(b"\n".join(frame.text for frame in block[1:-1]))
    match = None if lines is None else _WEIGHT.fullmatch(lines["net"])
    value = None if match is None else figure(match["figure"])
    if match is None or value is None:
        return Noise(raw, "not a whole block")
    return Weight(value, match["unit"].decode(), None, raw, "net")


def dialogue(config: Config) -> Dialogue:
    """Listen; the indicator sends a block when its print key is pressed."""
    del config
    return Dialogue(Decoder(), gap=GAP)
