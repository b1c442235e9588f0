"""`scanpost record`: the bytes of a device and when they came, as a capture.

    $ scanpost record --url 'serial:///dev/ttyUSB0' --driver mt_sics --out scale.hexl
    $ scanpost replay scale.hexl

With a driver the device is asked what that driver asks, and what it says is shown; without one it
is only listened to. Ctrl-C ends the capture, and so does the device that goes. It can be replayed
as a device: `url = "replay:///.../scale.hexl"`.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

from drivers.kit.captures import Chunk, heading
from drivers.kit.errors import DeviceError, DeviceMisconfigured
from drivers.kit.readings import Dialogue, Reading
from drivers.kit.session import Verdicts, converse
from drivers.kit.streams import Stream, address, open_stream
from scanpost import spoken
from scanpost.listen import until_told

MAX_FILE = 100_000_000
"""Characters of a capture: days of a busy scale, and little on any card."""


class _Full(Exception):
    """The capture is as long as it may be."""


def main(arguments: list[str]) -> int:
    """Record until SIGINT, SIGTERM, or the end of the device.

    Returns:
        0; 1 where the device or the file cannot be opened; 2 where the arguments are wrong.
    """
    options = _parser().parse_args(arguments)
    try:
        fresh = spoken.dialogues(options.driver, options.set) if options.driver else None
        if options.set and not fresh:
            raise DeviceMisconfigured("--set is for a driver: say which")
    except DeviceMisconfigured as error:
        print(f"scanpost record: {error}", file=sys.stderr)
        return 2
    try:
        file = options.out.open("x", encoding="ascii", errors="backslashreplace")
    except OSError as error:
        print(f"scanpost record: {options.out}: {error.strerror}", file=sys.stderr)
        return 1
    failed: list[DeviceError] = []
    with file:
        file.write(_heading(options))
        asyncio.run(until_told(_record(options.url, fresh, file, failed)))
    if failed:
        print(f"scanpost record: {failed[0]}", file=sys.stderr)
        options.out.unlink()
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scanpost record", description="Write down the bytes of a device and when they came."
    )
    parser.add_argument("--url", required=True, help="as in the configuration file")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="a new file")
    spoken.add_driver(parser, required=False)
    return parser


def _heading(options: argparse.Namespace) -> str:
    words = [
        ("url", address.text(urlsplit(options.url, allow_fragments=False))),
        ("began", datetime.now(UTC).isoformat(timespec="seconds")),
    ]
    if options.driver:
        words += [("driver", options.driver), *(("set", pair) for pair in options.set)]
    return heading(words)


async def _record(
    url: str, fresh: Callable[[], Dialogue] | None, file: TextIO, failed: list[DeviceError]
) -> None:
    """Record one connection; put what kept it from being opened into `failed`."""
    try:
        stream = await open_stream(url)
    except DeviceError as error:
        failed.append(error)
        return
    recorder = _Recorder(stream, file)
    print(f"recording {stream.description}; Ctrl-C ends it", file=sys.stderr, flush=True)
    try:
        async with stream:
            if fresh is None:
                while True:
                    data = await recorder.read()
                    spoken.say(f"{len(data)} bytes  {data[:24].hex(' ')}")
            await converse(fresh(), recorder, _show)
    except (DeviceError, _Full) as error:
        print(f"the recording ends: {error}", file=sys.stderr)


async def _show(readings: list[Reading]) -> Verdicts | None:
    for reading in readings:
        spoken.say(spoken.as_text(reading))
    return None


class _Recorder(Stream):
    """A stream whose bytes are written down on their way."""

    def __init__(self, stream: Stream, file: TextIO) -> None:
        self.description = stream.description
        self._stream = stream
        self._file = file
        self._clock = asyncio.get_running_loop().time
        self._began = self._clock()

    async def read(self) -> bytes:
        data = await self._stream.read()
        if self._file.tell() > MAX_FILE:
            raise _Full(f"the capture has {MAX_FILE} characters")
        self._file.write(f"{Chunk(self._clock() - self._began, data)}\n")
        self._file.flush()
        return data

    async def write(self, data: bytes) -> None:
        await self._stream.write(data)

    async def close(self) -> None:
        await self._stream.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
