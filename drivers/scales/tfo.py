r"""TFO1 and TFO3 floor scale terminals with their printed block (9600 8N1).

Fields in lines that end in CR, CR LF at the end; status and date have bytes above 7Fh. TFO1 names
its fields with a letter (``A`` gross, ``0`` net, ``4`` tare) from ``F`` to ``V``, TFO3 with words
from ``SET P1`` to ``STATUS``. The net weight is the reading; a block that lacks gross, net or tare
is noise. The fields are not of one moment, so they need not add up. The status is not documented:
whether the weight is stable is not known, nor is the unit.

Source: captures of both in NSerialCommTools.

>>> decoder = dialogue(Config(driver="tfo", unit="kg")).decoder
>>> block = b"F      0.0\rA    349.5\r0      6.0\r4    343.5\rB\x83\rV1\r\n"
>>> [(step.value, step.measure) for step in decoder.feed(block)]
[(Decimal('6.0'), 'net')]
"""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from drivers.kit.figures import figure
from drivers.kit.frames import Frame, FrameDecoder, Frames
from drivers.kit.readings import Dialogue, Noise, Step, Weight

MAX_LINE = 64
"""Bytes of a line; the longest, TFO3's date, has 33."""
MAX_LINES = 24
"""Lines of a block; TFO1's has twelve."""
GAP = 2.0
"""Seconds after which a block without its end is torn: it goes out in well under one."""

_BEGIN = re.compile(rb"F +[ 0-9.+-]+|SET P1.*")
_END = re.compile(rb"V[0-9]|STATUS .{1,2}", re.DOTALL)
_FIELD = re.compile(
    rb"(?P<name>[A-Z0-4]|GROSS WEIGHT|NET WEIGHT|TARE) (?P<figure>[ +-]*[0-9]*\.?[0-9]+)"
)
_NAMES = {
    b"A": "gross", b"0": "net", b"4": "tare",
    b"GROSS WEIGHT": "gross", b"NET WEIGHT": "net", b"TARE": "tare",
}  # fmt: skip


class Config(BaseModel):
    """A TFO terminal."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    driver: Literal["tfo"]

    unit: Annotated[str, Field(min_length=1, max_length=8)] | None = None
    """The unit the terminal is set to, which it does not say; None is unknown."""


class Decoder(FrameDecoder):
    """Net weights out of blocks."""

    def __init__(self, unit: str | None) -> None:
        super().__init__(Frames(b"\r\n", MAX_LINE))
        self._unit = unit
        self._block: list[Frame] = []

    def read(self, frame: Frame) -> list[Step]:
        """Take one field; the last one of a block says what it means."""
        if _BEGIN.fullmatch(frame.text):
            steps = self._give_up()
            self._block = [frame]
            return steps
        if not self._block:
            return [Noise(frame.raw, "a field outside a block")]
        self._block.append(frame)
        if _END.fullmatch(frame.text):
            block, self._block = self._block, []
            return [_weight(block, self._unit)]
        return self._give_up() if len(self._block) > MAX_LINES else []

    def quiet(self) -> list[Step]:
        """Drop the block that was begun."""
        return [*self._give_up(), *super().quiet()]

    def _give_up(self) -> list[Step]:
        raw, self._block = b"".join(frame.raw for frame in self._block), []
        return [Noise(raw, "a block without its end")] if raw else []


def _weight(block: list[Frame], unit: str | None) -> Step:
    raw = b"".join(frame.raw for frame in block)
    fields = [match for frame in block if (match := _FIELD.fullmatch(frame.text))]
    values = {_NAMES[match["name"]]: match["figure"] for match in fields if match["name"] in _NAMES}
    net = figure(values.get("net", b""))
    if net is None or len(values) != len(set(_NAMES.values())):
        return Noise(raw, "not a whole block")
    return Weight(net, unit, None, raw, "net")


def dialogue(config: Config) -> Dialogue:
    """Listen; the terminal sends blocks by itself."""
    return Dialogue(Decoder(config.unit), gap=GAP)
