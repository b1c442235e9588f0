"""`scanpost listen`: what a device says, decoded while it speaks.

    $ scanpost listen --driver mt_sics --url 'serial:///dev/ttyUSB0?baudrate=9600'
    12:03:04.510  weight  1.250 kg  stable
    $ scanpost listen --driver lines --url 'usb://?path=1-1.4&node=tty' --json

One line for each reading on stdout; how the device is, on stderr. A device that is not there is
waited for, and one that goes is too. Ctrl-C ends it. The gateway must not have the device open.
"""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from drivers.kit.errors import DeviceMisconfigured
from drivers.kit.readings import Reading, Scan
from drivers.kit.session import Verdicts
from gateway.config import Device
from gateway.devices import Supervisor
from runtime import logs
from scanpost import spoken


def main(arguments: list[str]) -> int:
    """Listen until SIGINT or SIGTERM.

    Returns:
        0, or 2 where the arguments are wrong; the reason is on stderr.
    """
    options = _parser().parse_args(arguments)
    try:
        module, settings = spoken.driver(options.driver, options.set)
    except DeviceMisconfigured as error:
        print(f"scanpost listen: {error}", file=sys.stderr)
        return 2
    logs.configure("info")
    device = Device("device", options.url, options.driver, module, settings)
    emit = _as_json if options.json else _as_text

    async def told(_: str, readings: list[Reading]) -> Verdicts:
        for reading in readings:
            emit(reading)
        # A scanner that waits to be told reads on; here nothing is stored or refused.
        return ["good" if isinstance(reading, Scan) else None for reading in readings]

    asyncio.run(until_told(Supervisor(device, told, lambda: None).run()))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scanpost listen", description="Show what a device says, one line for each reading."
    )
    spoken.add_driver(parser, required=True)
    parser.add_argument("--url", required=True, help="as in the configuration file")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    return parser


async def until_told(work: Coroutine[Any, Any, None]) -> None:
    """Do `work` until it ends, or SIGINT or SIGTERM does."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


def _as_json(reading: Reading) -> None:
    now = datetime.now(UTC)
    at = now.isoformat(timespec="milliseconds")
    spoken.say(json.dumps({"at": at, **spoken.as_json(reading, now.date())}))


def _as_text(reading: Reading) -> None:
    at = datetime.now().astimezone().strftime("%H:%M:%S.%f")[:-3]
    spoken.say(f"{at}  {spoken.as_text(reading)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
