"""Asking a serial port which scale is behind it, with the questions of the drivers themselves.

For each way a line can be set, one listens first, since many scales speak unasked; then each
question is asked, and all drivers may say what they make of the answer. It ends at the first way in
which some driver understands all it heard.
"""

import asyncio
import inspect
import itertools
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlencode

from pydantic import BaseModel, ValidationError

from drivers.kit import registry
from drivers.kit.errors import DeviceDenied, DeviceMisconfigured
from drivers.kit.readings import Noise, Step, Weight
from drivers.kit.registry import DriverModule
from drivers.kit.streams import Stream, open_stream

LISTEN = 1.2
"""Seconds for a scale to speak unasked: those that do, do so at least twice a second."""
ANSWER = 0.7
"""Seconds for an answer: scales that are asked ten times a second answer in a tenth."""
SETTLE = 0.2
"""Seconds for a complaint about an empty line."""
WITHIN = 120.0
"""Seconds in all; what has not been tried by then is not."""
MAX_HEARD = 65536
"""Bytes of one answer: more than any line carries meanwhile."""

_SPEED = re.compile(r"\b(1200|2400|4800|9600|19200|38400|57600|115200)\b")
_FORMAT = re.compile(r"\b([78])([NEO])([12])\b")


@dataclass(frozen=True, slots=True)
class Line:
    """How a serial line is set."""

    baudrate: int = 9600
    bytesize: int = 8
    parity: str = "N"
    stopbits: int = 1

    @property
    def query(self) -> str:
        """The options of a ``serial://`` address, without those that are its defaults."""
        words = {
            name: getattr(self, name)
            for name in ("baudrate", "bytesize", "parity", "stopbits")
            if name == "baudrate" or getattr(self, name) != getattr(Line(), name)
        }
        return urlencode(words)


@dataclass(frozen=True, slots=True)
class Found:
    """A driver that made sense of what was heard."""

    driver: str
    line: Line
    weights: int
    noise: int
    asked: bool
    """Whether the scale had to be asked, with this driver's question."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    name: str
    module: DriverModule
    config: BaseModel
    ask: bytes

    def hear(self, heard: bytes) -> list[Step]:
        decoder = self.module.dialogue(self.config).decoder
        return [*decoder.feed(heard), *decoder.quiet()]


def lines(docstring: str) -> list[Line]:
    """Return how a driver's lines are set, as its docstring says: ``(9600 7E1 or 8N1)``.

    >>> lines("Toledo 8217 (9600 7E1).")
    [Line(baudrate=9600, bytesize=7, parity='E', stopbits=1)]
    """
    text = inspect.cleandoc(docstring).partition("Source:")[0]
    speeds = list(dict.fromkeys(int(found[1]) for found in _SPEED.finditer(text))) or [9600]
    formats = list(dict.fromkeys(found.groups() for found in _FORMAT.finditer(text)))
    return [
        Line(speed, int(bits), parity, int(stop))
        for speed, (bits, parity, stop) in itertools.product(speeds, formats or [("8", "N", "1")])
    ]


def plan() -> dict[Line, list[_Candidate]]:
    """Return the scales to try by line, in the order in which to try.

    At 9600 first, as most are; with seven bits before eight, since checkout scales on seven take
    letters out of other scales' questions for commands of their own.
    """
    by_line: dict[Line, list[_Candidate]] = {}
    for candidate in _candidates():
        for line in lines(candidate.module.__doc__ or ""):
            by_line.setdefault(line, []).append(candidate)
    usual = Line().baudrate
    return {
        line: by_line[line]
        for line in sorted(
            by_line,
            key=lambda line: (line.baudrate != usual, line.bytesize, -len(by_line[line])),
        )
    }


def _candidates() -> Iterator[_Candidate]:
    for name in registry.names()["scales"]:
        module = registry.load(name)
        if "hidraw://" in (module.__doc__ or ""):
            continue  # not on a line
        try:
            config = module.Config.model_validate({"driver": name})
        except ValidationError:
            continue  # one that nothing can be said of without its settings
        yield _Candidate(name, module, config, module.dialogue(config).ask)


async def probe(url: str) -> list[Found]:
    """Return the drivers that understand the scale at `url`, the best first; empty if none does.

    Args:
        url: of a serial port, without options of its line, or of a TCP port; it is spoken to.

    Raises:
        DeviceError: it cannot be opened, or goes away.
    """
    found: list[Found] = []
    refused: DeviceMisconfigured | None = None
    lines_heard = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(WITHIN):
            for line, candidates in _plan_for(url).items():
                try:
                    found += await _try(url, line, candidates)
                    lines_heard += 1
                except DeviceDenied:
                    raise
                except DeviceMisconfigured as error:
                    refused = error  # not every port can be set to every line
                if any(not each.noise for each in found):
                    break
    if refused is not None and not lines_heard:
        raise refused
    return sorted(found, key=_worth)


def _plan_for(url: str) -> dict[Line, list[_Candidate]]:
    if not _is_remote(url):
        return plan()
    # How the line is set is the terminal server's business.
    return {Line(): list(_candidates())}


def _is_remote(url: str) -> bool:
    return url.startswith("tcp:")


def address(url: str, line: Line) -> str:
    """Return `url` with the options of `line`, where it can have any."""
    return url if _is_remote(url) else f"{url}{'&' if '?' in url else '?'}{line.query}"


async def _try(url: str, line: Line, candidates: list[_Candidate]) -> list[Found]:
    async with await open_stream(address(url, line)) as stream:
        heard = await _hear(stream, LISTEN)
        if found := _understood(heard, line, candidates, b""):
            return found
        for ask in dict.fromkeys(each.ask for each in candidates if each.ask):
            # What another question left behind must not become the front of this one.
            await stream.write(b"\r\n")
            await _hear(stream, SETTLE)
            await stream.write(ask)
            heard = await _hear(stream, ANSWER)
            found = _understood(heard, line, [each for each in candidates if each.ask == ask], ask)
            if found:
                return found
    return []


async def _hear(stream: Stream, seconds: float) -> bytes:
    heard = b""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while len(heard) < MAX_HEARD:
                heard += await stream.read()
    return heard


def _understood(heard: bytes, line: Line, candidates: list[_Candidate], ask: bytes) -> list[Found]:
    found = []
    for each in candidates if heard else ():
        steps = each.hear(heard)
        weights = sum(isinstance(step, Weight) for step in steps)
        noise = sum(isinstance(step, Noise) for step in steps)
        if weights > noise:
            found.append(Found(each.name, line, weights, noise, asked=bool(ask)))
    return found


def _worth(found: Found) -> tuple[int, int, str]:
    return found.noise, -found.weights, found.driver
