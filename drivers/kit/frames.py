"""Frames that end in a certain byte, on lines of seven or eight bits.

What scales send is mostly a line. Two things make it more than that: bit 7 may be parity, and the
first frame after opening may have lost its front, with the sign or a digit in it. `Frame.begun`
says whether the frame's beginning is sure.
"""

from dataclasses import dataclass
from typing import Literal

from drivers.kit.readings import Noise, Step, Weight

Bits = Literal[7, 8]
"""Data bits of a line. With 7, bit 7 is parity, and is ignored where it is not taken off."""

SEVEN = bytes(value & 0x7F for value in range(256))
EIGHT = bytes(range(256))

BLOCK = 64
"""Bytes without an end that are reported together."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, without its end in `text` and with it in `raw`."""

    text: bytes
    """The bytes without parity."""
    raw: bytes
    """The bytes as they came."""
    begun: bool
    """Whether the end of another frame came right before: nothing is missing at the front."""


class Frames:
    r"""Cuts bytes into frames; what is too long for a frame is noise.

    >>> frames = Frames(b"\r\n", limit=80)
    >>> [(frame.text, frame.begun) for frame in frames.feed(b"2.50 kg\r\n1.25 kg\r")]
    [(b'2.50 kg', False), (b'1.25 kg', True)]
    """

    def __init__(self, ends: bytes, limit: int, bits: Bits = 8) -> None:
        """Prepare for frames of at most `limit` bytes.

        Args:
            ends: each of these bytes ends a frame; a frame without any text is none.
            limit: of a longer one only the last bytes are kept, and its front is noise.
            bits: data bits of the line.
        """
        self._ends = ends
        self._limit = limit
        self._mask = SEVEN if bits == 7 else EIGHT
        self._pending = b""
        self._begun = False

    def feed(self, data: bytes) -> list[Frame | Noise]:
        """Take what arrived and return the frames it ends."""
        raw = self._pending + data
        text = raw.translate(self._mask)
        found: list[Frame | Noise] = []
        start = 0
        for at in range(len(self._pending), len(raw)):
            if text[at] in self._ends:
                if at > start:
                    found.append(Frame(text[start:at], raw[start : at + 1], self._begun))
                start, self._begun = at + 1, True
            elif at + 1 - start >= self._limit + BLOCK:
                found.append(Noise(raw[start : start + BLOCK], "more bytes than any frame has"))
                start, self._begun = start + BLOCK, False
        self._pending = raw[start:]
        return found

    def rest(self) -> Frame | None:
        """Return the frame that has no end yet, if there is one, and begin afresh."""
        raw, self._pending = self._pending, b""
        if not raw:
            return None
        rest = Frame(raw.translate(self._mask), raw, self._begun)
        self._begun = False
        return rest


class FrameDecoder:
    """A decoder that reads whole frames; a driver says in `read` what one of them means."""

    def __init__(self, frames: Frames, length: int | None = None) -> None:
        """Read what `frames` cuts.

        Args:
            frames: of the wire.
            length: bytes that every weight of this scale has, without the end. One with another
                number of them is noise, so that a lost byte cannot change it.
        """
        self._frames = frames
        self._length = length

    def feed(self, data: bytes) -> list[Step]:
        """Take what arrived and say what each complete frame means. Never raises."""
        steps: list[Step] = []
        for found in self._frames.feed(data):
            steps += [found] if isinstance(found, Noise) else map(self._checked, self.read(found))
        return steps

    def _checked(self, step: Step) -> Step:
        if not isinstance(step, Weight) or step.value is None:
            return step
        if self._length in {None, len(step.raw) - 1}:
            return step
        return Noise(step.raw, "a weight with the wrong number of characters")

    def quiet(self) -> list[Step]:
        """Say what the frame that was begun means without its end."""
        rest = self._frames.rest()
        return [] if rest is None else self.unended(rest)

    def read(self, frame: Frame) -> list[Step]:
        """Return what `frame` means, at least one step."""
        return [Noise(frame.raw, "not a frame of this protocol")]

    def unended(self, frame: Frame) -> list[Step]:
        """Return what `frame` means, of which no end has come."""
        return [Noise(frame.raw, "a frame without its end")]
