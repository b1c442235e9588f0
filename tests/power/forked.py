"""The process that gateways are forked from. `Warm` starts it, with the shim, and talks to it.

python -m tests.power.forked DESCRIPTOR
"""

import asyncio
import gc
import importlib
import json
import os
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gateway import forwarder, outbox, shut
from gateway.__main__ import main
from gateway.outbox import Outbox
from tests.power import shim

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


def serve(wire: socket.socket) -> None:
    """Start gateways and tell how they end, until nobody asks any more."""
    while True:
        request, descriptors, _, _ = socket.recv_fds(wire, 4096, 1)
        if not request:
            return
        words = json.loads(request)
        if "wait" in words:
            _, status = os.waitpid(words["wait"], 0)
            wire.send(str(os.waitstatus_to_exitcode(status)).encode())
            continue
        pid = os.fork()
        if pid == 0:
            wire.close()
            os.dup2(descriptors[0], 2)
            os.close(descriptors[0])
            _be_a_gateway(words)
        for each in descriptors:
            os.close(each)
        wire.send(str(pid).encode())


def _be_a_gateway(words: dict[str, Any]) -> None:
    """Run the daemon, and never come back."""
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
    code = 1
    try:
        code = main(["run", "--config", words["config"]])
    except BaseException:
        traceback.print_exc()
    for thread in threading.enumerate():  # as an interpreter does that ends
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    # What it does after that is to tidy up its memory, which takes longer than the run did.
    os._exit(code)


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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the test that started us ends us
    for module in _NEEDED:
        importlib.import_module(module)
    forwarder._KEEP_EVERY = outbox._WORD_APART = _WORD_APART
    shut._FIRST_APART = _TRY_APART
    gc.freeze()  # or each fork copies the memory it looks through
    serve(socket.socket(fileno=int(sys.argv[1])))
