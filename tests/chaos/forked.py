"""The process that daemons of one kind are forked from, for `tests.chaos.lives`.

python -m tests.chaos.forked gateway|bridge DESCRIPTOR
"""

import importlib
import os
import sys
from typing import Any

from tests.warm.nursery import serve

_NEEDED = {
    "gateway": (
        "concurrent.futures.thread",
        "drivers.kit.streams.serial",
        "drivers.scales.mt_sics",
        "drivers.scanners.lines",
        "encodings.idna",
        "gateway.daemon",
        "gateway.stations.pass_through",
        "gateway.stations.receiving",
        "gateway.web.server",
        "importlib.resources.readers",
        "pydantic.dataclasses",
        "serial",
    ),
    "bridge": (
        "aiosqlite",
        "bridge.connectors.sql",
        "bridge.daemon",
        "bridge.web.server",
        "concurrent.futures.thread",
        "encodings.idna",
        "importlib.resources.readers",
        "sqlalchemy.dialects.sqlite.aiosqlite",
    ),
}
"""What a daemon imports when it first needs it: here once, for all forks to have."""
_STALL = 0.3
"""Seconds of silence of the bridge after which a forked gateway sends again. The two of a real one
are longer than most lives are here; cold ones keep them."""


def send_again_soon() -> None:
    """Let the forks that are gateways not outwait every bridge there is."""
    begin: Any = importlib.import_module("gateway.forwarder").Forwarder.__init__
    begin.__kwdefaults__["stall"] = _STALL


def be_a_daemon(words: dict[str, Any]) -> int:
    """Run the daemon's own `main` and return its exit code."""
    os.setsid()
    code: int = importlib.import_module(f"{words['daemon']}.__main__").main(words["arguments"])
    return code


if __name__ == "__main__":
    daemon = sys.argv[1]
    if daemon == "gateway":
        send_again_soon()
    serve(int(sys.argv[2]), (f"{daemon}.__main__", *_NEEDED[daemon]), be_a_daemon)
