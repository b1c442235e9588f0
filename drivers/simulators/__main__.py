"""`python -m drivers.simulators mt_sics --load 1.250`: one simulated device, to try things with.

It prints the URL to put into the configuration, and stays until Ctrl+C. A scale takes a new load
from each line of standard input; a scanner scans each line.
"""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from drivers import simulators
from drivers.simulators.cable import Cable, Pty, TcpPort
from drivers.simulators.device import Device


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m drivers.simulators", description=__doc__)
    parser.add_argument("driver", choices=simulators.names())
    parser.add_argument("--load", help="what is on the scale at first: 1.250")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--link", type=Path, help="a fixed name for the port")
    where.add_argument("--tcp", action="store_true", help="a TCP port instead of a serial one")
    return parser.parse_args(words)


async def run(words: list[str] | None = None) -> None:
    """Simulate one device until SIGINT or SIGTERM.

    Args:
        words: the arguments; those of the process if None.
    """
    arguments = _arguments(words)
    cable: Cable = TcpPort() if arguments.tcp else Pty(arguments.link)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with simulators.load(arguments.driver)(cable) as device:
        if arguments.load is not None:
            await _take(device, arguments.load)
        sys.stdout.write(f"{device.url}\n")
        sys.stdout.flush()
        listening = asyncio.create_task(_listen(device), name="standard input")
        await stop.wait()
        listening.cancel()
        await asyncio.wait([listening])


async def _listen(device: Device) -> None:
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    try:
        pipe, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
        )
    except (OSError, ValueError):
        return  # a file or nothing: there is nobody to listen to
    try:
        async for line in lines:
            await _take(device, line.decode("utf-8", "replace").rstrip("\r\n"))
    finally:
        # The terminal is the shell's too.
        os.set_blocking(sys.stdin.fileno(), True)
        pipe.close()


async def _take(device: Device, line: str) -> None:
    try:
        await device.take(line)
    except (ArithmeticError, ValueError, KeyError):
        sys.stderr.write(f"{line!r} is nothing this device can take\n")


if __name__ == "__main__":
    asyncio.run(run())
