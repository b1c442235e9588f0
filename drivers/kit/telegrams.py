"""Frames found by their first byte and measured by what is in them.

For protocols whose end cannot be looked for: a check byte or a status may have any value, and some
telegrams have no end at all. After damage the search goes on one byte later, not one frame later.
"""

import re

from drivers.kit.readings import Noise, Step

LOSS = 64
"""Bytes that belong to no telegram and are reported together."""

_SEVEN_BITS = bytes(value & 0x7F for value in range(256))
_EIGHT_BITS = bytes(range(256))


class TelegramDecoder:
    """A decoder for telegrams; a driver says how long one is and what it means."""

    def __init__(
        self, begins: bytes, longest: int, *, bits: int = 8, padding: bytes = b"\r\n\0"
    ) -> None:
        """Prepare.

        Args:
            begins: each of these bytes may begin a telegram.
            longest: bytes of the longest telegram; more are never waited for.
            bits: data bits of the line. With 7, bit 7 is parity, and is ignored.
            padding: bytes between telegrams that mean nothing.
        """
        self._begins = re.compile(b"[" + re.escape(begins) + b"]")
        self._longest = longest
        self._mask = _SEVEN_BITS if bits == 7 else _EIGHT_BITS
        self._padding = padding
        self._pending = b""
        self._stray = b""

    def measure(self, text: bytes) -> int | None:
        """Return how long the telegram at the beginning of `text` is.

        More bytes behind `text` must never change the answer.

        Args:
            text: at least one byte, at most the longest telegram, without parity.

        Returns:
            Its length, 0 if there is none, or None if that cannot be said yet.
        """
        raise NotImplementedError

    def read(self, text: bytes, raw: bytes) -> list[Step]:
        """Return what one telegram means, at least one step."""
        raise NotImplementedError

    def feed(self, data: bytes) -> list[Step]:
        """Take what arrived and say what each complete telegram means. Never raises."""
        raw = self._pending + data
        text = raw.translate(self._mask)
        steps: list[Step] = []
        at = 0
        while begin := self._begins.search(text, at):
            start = begin.start()
            steps += self._strays(raw[at:start], text[at:start])
            window = text[start : start + self._longest]
            length = self.measure(window)
            if length is None and len(window) < self._longest:
                self._pending = raw[start:]
                return steps
            at = start + (length or 1)
            if length:
                steps += self._stray_end()
                steps += self.read(window[:length], raw[start:at])
            else:
                steps += self._strays(raw[start:at], text[start:at])
        self._pending = b""
        return steps + self._strays(raw[at:], text[at:])

    def quiet(self) -> list[Step]:
        """Look for telegrams behind the one that was begun, and drop the rest."""
        steps: list[Step] = []
        while raw := self._pending:
            self._pending = b""
            steps += self._strays(raw[:1], raw[:1].translate(self._mask))
            steps += self.feed(raw[1:])
        return steps + self._stray_end()

    def _strays(self, raw: bytes, text: bytes) -> list[Step]:
        if raw:
            self._stray += bytes(raw[at] for at in range(len(raw)) if text[at] not in self._padding)
        steps: list[Step] = []
        while len(self._stray) >= LOSS:
            steps.append(Noise(self._stray[:LOSS], "bytes outside any frame"))
            self._stray = self._stray[LOSS:]
        return steps

    def _stray_end(self) -> list[Step]:
        stray, self._stray = self._stray, b""
        return [Noise(stray, "bytes outside any frame")] if stray else []


def enclosed(text: bytes, end: int, longest: int) -> int | None:
    r"""Measure a telegram that ends in the byte `end` and has its first byte nowhere else.

    >>> [enclosed(text, 3, 12) for text in (b"\x02 1.250G\x03", b"\x021.2\x02", b"\x021")]
    [9, 0, None]
    """
    for at in range(1, min(len(text), longest)):
        if text[at] == end:
            return at + 1
        if text[at] == text[0]:
            return 0
    return 0 if len(text) >= longest else None


def exclusive(text: bytes) -> int:
    """Return the XOR of all bytes of `text`, the check byte of most of these protocols."""
    check = 0
    for byte in text:
        check ^= byte
    return check
