"""Recordings: ``replay:///var/lib/scanpost/morning.hexl?speed=1``.

A recording is a text as in `drivers.kit.captures`. `speed` is how many times faster than it was; 0
plays without waiting. The end of the recording is the end of the stream.
"""

import asyncio
import math
from io import BufferedReader
from pathlib import Path
from urllib.parse import SplitResult

from drivers.kit.captures import MAX_LINE, Chunk, NotACapture, chunk
from drivers.kit.errors import DeviceMisconfigured, StreamLost
from drivers.kit.streams import Stream, address


def _speed(text: str) -> float:
    speed = float(text)
    if not 0 <= speed < math.inf:
        raise ValueError(text)
    return speed


class _Recording(Stream):
    def __init__(self, path: str, file: BufferedReader, speed: float) -> None:
        self.description = path
        self._file = file
        self._speed = speed
        self._began = asyncio.get_running_loop().time()
        self._number = 0
        self._next: Chunk | None = None

    async def read(self) -> bytes:
        if self._next is None:
            self._next = self._line()
        seconds, data = self._next.seconds, self._next.data
        now = asyncio.get_running_loop().time()
        due = self._began + seconds / self._speed if self._speed else now
        # Waits even when it is due: a long recording must not keep the loop from everything else.
        await asyncio.sleep(max(0.0, due - now))
        self._next = None
        return data

    def _line(self) -> Chunk:
        while text := self._file.readline(MAX_LINE):
            self._number += 1
            try:
                found = chunk(text)
            except NotACapture as error:
                raise DeviceMisconfigured(
                    f"line {self._number} of {self.description}: {error}"
                ) from error
            if found is not None:
                return found
        raise StreamLost(f"{self.description} is at its end")

    async def write(self, data: bytes) -> None:
        """Take `data` and do nothing: a recording has no ears."""

    async def close(self) -> None:
        self._file.close()


def parts(url: SplitResult) -> tuple[str, float]:
    """Return path and speed of `url`."""
    return address.path(url), address.options(url, {"speed": _speed}).get("speed", 1.0)


async def open_url(url: SplitResult) -> Stream:
    """Open the recording of `url`."""
    path, speed = parts(url)
    try:
        file = Path(path).open("rb")  # noqa: ASYNC230, SIM115
    except OSError as error:
        raise DeviceMisconfigured(f"the recording {path} cannot be read: {error}") from error
    return _Recording(path, file, speed)
