"""Lines out of bytes, however the wire cuts them up, and never more memory than the limit."""

import re
from dataclasses import dataclass
from typing import Literal

End = Literal["any", "cr", "lf", "crlf", "tab", "etx"]

_ENDS: dict[End, bytes] = {
    "any": rb"[\r\n]",
    "cr": rb"\r",
    "lf": rb"\n",
    "crlf": rb"\r\n",
    "tab": rb"\t",
    "etx": rb"\x03",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line; `raw` has its terminator too. `whole` is False where the rest was thrown away."""

    body: bytes
    raw: bytes
    whole: bool = True


class Lines:
    r"""Cuts bytes into lines.

    `any` ends a line at CR and at LF; the empty line between them does not count.

    >>> lines = Lines("any", limit=80)
    >>> [line.body for line in lines.feed(b"4006381333931\r\n590123")]
    [b'4006381333931']
    >>> lines.feed(b"4123457\r")
    [Line(body=b'5901234123457', raw=b'5901234123457\r', whole=True)]
    """

    def __init__(self, end: End | None, limit: int) -> None:
        """Prepare for lines of at most `limit` bytes, without their terminator.

        Args:
            end: the terminator; None where only silence ends a line.
            limit: a longer line comes out once, cut to `limit` and marked; its rest is skipped.
        """
        self._end = re.compile(_ENDS[end] if end else rb"(?!)")
        self._limit = limit
        # Bytes at the end of what is pending that may be the beginning of a terminator.
        self._overlap = 1 if end == "crlf" else 0
        self._pending = b""
        self._skipping = False

    def feed(self, data: bytes) -> list[Line]:
        """Take what arrived and return the lines it ends, without the empty ones."""
        text = self._pending + data
        lines: list[Line] = []
        start = 0
        for end in self._end.finditer(text):
            self._close(lines, text[start : end.start()], text[start : end.end()])
            start = end.end()
        self._pending = text[start:]
        if len(self._pending) > self._limit + self._overlap:
            self._close(lines, self._pending, self._pending)
            self._skipping = True
        if self._skipping:
            self._pending = self._pending[len(self._pending) - self._overlap :]
        return lines

    def _close(self, lines: list[Line], body: bytes, raw: bytes) -> None:
        if self._skipping:
            self._skipping = False
        elif len(body) > self._limit:
            lines.append(Line(body[: self._limit], body[: self._limit], whole=False))
        elif body:
            lines.append(Line(body, raw))

    def rest(self) -> bytes:
        """Return the line that has no terminator yet, and begin afresh."""
        rest, self._pending = self._pending, b""
        if self._skipping:
            self._skipping = False
            return b""
        return rest
