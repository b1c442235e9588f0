"""Captures: what a device sent, byte by byte, and when; to replay, to decode, to hold a driver to.

A capture is a text of lines ``<seconds> <hex>``: what arrived at once, and how many seconds after
the start. Empty lines are skipped. Lines that begin with ``#`` are for people; those like
``# driver: mt_sics`` say how the capture was made.
"""

import binascii
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from drivers.kit.readings import Dialogue, Reading, Send, Step

MAX_LINE = 2 * 65536 + 64
"""Bytes of one line: the largest chunk any stream reads, in hexadecimal, with its time."""

_WORD = re.compile(rb"# ?(?P<name>[a-z]+): (?P<value>.*)")


class NotACapture(ValueError):
    """The file is damaged, or no capture. A person looks at the line that is named."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What arrived at once."""

    seconds: float
    """After the start of the capture."""
    data: bytes

    def __str__(self) -> str:
        return f"{self.seconds:.6f} {self.data.hex()}"


def heading(words: Iterable[tuple[str, str]]) -> str:
    """Return the first lines of a capture that say how it was made, each with its end."""
    return "".join(f"# {name}: {' '.join(value.split())}\n" for name, value in words)


def said(line: bytes) -> tuple[str, str] | None:
    """Return the name and value of a heading's line, None if it is none.

    >>> said(b"# driver: mt_sics")
    ('driver', 'mt_sics')
    """
    found = _WORD.fullmatch(line.strip())
    return (found["name"].decode(), found["value"].decode("utf-8", "replace")) if found else None


def chunk(line: bytes) -> Chunk | None:
    """Return what a line says that arrived, None where it says nothing.

    Raises:
        NotACapture: it is not ``<seconds> <hex>``.

    >>> chunk(b"0.25 53 20 53")
    Chunk(seconds=0.25, data=b'S S')
    """
    words = line.split()
    if not words or words[0].startswith(b"#"):
        return None
    try:
        seconds, data = float(words[0]), binascii.unhexlify(b"".join(words[1:]))
    except (ValueError, binascii.Error) as error:
        raise NotACapture("it is not '<seconds> <hex>'") from error
    if not data or not 0 <= seconds < math.inf:
        raise NotACapture("it is not '<seconds> <hex>'")
    return Chunk(seconds, data)


def play(chunks: Iterable[Chunk], dialogue: Dialogue) -> Iterator[tuple[float, Reading]]:
    """Yield what the chunks mean, each with its seconds, as a session would have said it.

    Nothing is waited for: where the line was quiet for longer than `dialogue.gap`, it is so here.
    """
    decoder, gap = dialogue.decoder, dialogue.gap
    last: float | None = None
    for each in chunks:
        if gap is not None and last is not None and each.seconds - last > gap:
            yield from _readings(last + gap, decoder.quiet())
        yield from _readings(each.seconds, decoder.feed(each.data))
        last = each.seconds
    if gap is not None and last is not None:
        yield from _readings(last + gap, decoder.quiet())


def _readings(seconds: float, steps: list[Step]) -> Iterator[tuple[float, Reading]]:
    for step in steps:
        if not isinstance(step, Send):
            yield seconds, step
