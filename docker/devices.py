#!/usr/bin/env python3
"""The virtual devices of compose.yaml: a scanner and a scale, each behind a TCP port.

Somebody receives purchase orders all day: scans the order, some items, weighs, and is done.
"""

import argparse
import asyncio
import contextlib
import itertools
import signal
from decimal import Decimal

from drivers.simulators.cable import TcpPort
from drivers.simulators.lines import ScannerSimulator
from drivers.simulators.mt_sics import MtSicsSimulator

ITEMS = [
    "]E04006381333931",
    "]C1010401234512345610LOT7",
    "]C102040123451234563712",
]
"""An EAN; a GS1 label with a lot; a GS1 label that says 12 of an item are inside."""
DONE = "CMD:DONE-43"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1", help="address to be reached at")
    parser.add_argument("--scanner", type=int, default=4001, metavar="PORT")
    parser.add_argument("--scale", type=int, default=4002, metavar="PORT")
    parser.add_argument("--every", type=float, default=4.0, help="seconds between two scans")
    return parser.parse_args()


async def main() -> None:
    """Serve both devices and play, until SIGTERM or SIGINT."""
    options = _arguments()
    scanner, scale = ScannerSimulator(TcpPort()), MtSicsSimulator(TcpPort())
    async with scanner, scale:
        servers = [
            await _served(options.listen, options.scanner, scanner.url),
            await _served(options.listen, options.scale, scale.url),
        ]
        playing = asyncio.create_task(_play(scanner, scale, options.every), name="play")
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, playing.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await playing
        for server in servers:
            server.close()


async def _served(host: str, port: int, url: str) -> asyncio.Server:
    """Let others reach a simulator, which listens on its own machine only."""
    inside = int(url.rpartition(":")[2])

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        device_reader, device_writer = await asyncio.open_connection("127.0.0.1", inside)
        ways = [
            asyncio.create_task(_pump(reader, device_writer)),
            asyncio.create_task(_pump(device_reader, writer)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        for end in (writer, device_writer):
            end.close()

    return await asyncio.start_server(relay, host, port)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(4096):
            writer.write(data)
            await writer.drain()


async def _play(scanner: ScannerSimulator, scale: MtSicsSimulator, every: float) -> None:
    for number in itertools.count(4711):
        for code in (f"PO:{number}", *ITEMS):
            await asyncio.sleep(every)
            await scanner.send(code)
        scale.load = Decimal(f"{number % 20}.250")
        await asyncio.sleep(every)
        scale.load = Decimal("0.000")
        await scanner.send(DONE)


if __name__ == "__main__":
    asyncio.run(main())
