"""The process that gateways are forked from. `Warm` starts it, with the shim, and talks to it.

python -m tests.power.forked DESCRIPTOR
"""

import asyncio
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gateway import forwarder, outbox, shut
from gateway.__main__ import main
from gateway.outbox import Outbox
from tests.power import shim
from tests.warm.nursery import serve

_NEEDED = (
    "aiomqtt",
    "concurrent.futures.thread",
    "drivers.scales",
    "encodings.idna",
    "importlib.resources.readers",
    "pydantic.dataclasses",
    "drivers.kit.streams.serial",
    "drivers.scanners.lines",
    "gateway.daemon",
    "gateway.stations.pass_through",
)
"""What a gateway imports when it first needs it: here once, for all forks to have."""
_WORD_APART = 0.005
"""Seconds between two writes of the bridge's word, so that a run of a fraction of one has some."""
_TRY_APART = 0.01
"""Seconds between the first two tries to open a store that cannot be had."""


def be_a_gateway(words: dict[str, Any]) -> int:
    """Run the daemon with its faults, and return its exit code."""
    own = shim.Shim()
    own.store(Path(words["store"]))
    if words["tape"] is not None:
        own.tape(Path(words["tape"]), data=False)
    lasts = Path(words["lasts"]) if words["lasts"] else None
    own.fail(words["fail"], words["error"], lasts, words["only"])
    own.kill(words["kill"])
    if words["lie"]:
        own.lie()
    if words["careless"]:
        _be_careless()
    return main(["run", "--config", words["config"]])


def _be_careless() -> None:
    """Let the outbox answer before it has stored."""
    store: Any = Outbox.put
    promised = 0
    under_way = set()

    async def put(self: Outbox, writes: Any, *rest: Any) -> list[Any]:
        nonlocal promised
        under_way.add(asyncio.create_task(store(self, writes, *rest)))
        first = max(promised, self.standing.last) + 1
        promised = first + len(writes) - 1
        return [SimpleNamespace(seq=first + n) for n in range(len(writes))]

    Outbox.put = put  # type: ignore[assignment, method-assign]


if __name__ == "__main__":
    forwarder._KEEP_EVERY = outbox._WORD_APART = _WORD_APART
    shut._FIRST_APART = _TRY_APART
    serve(int(sys.argv[1]), _NEEDED, be_a_gateway)
