"""Everything between a beep and the books, on one machine, each part able to die alone."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from drivers.simulators.cable import Pty
from drivers.simulators.lines import ScannerSimulator
from drivers.simulators.mt_sics import MtSicsSimulator
from scanpost.demo.feed import Feed
from scanpost.demo.network import NetworkCable
from scanpost.demo.processes import Process, broker, free_port

SITE = "demo"
GATEWAY = "dock-1"
DOCK = "dock"
BENCH = "bench"

_GATEWAY_TOML = """\
site = "{site}"
gateway = "{gateway}"

[store]
path = {store}

[broker]
url = "mqtt://127.0.0.1:{broker}"

[web]
listen = "127.0.0.1:{web}"

[[station]]
name = "{dock}"
job = "receiving"
to_location = "DOCK-1"

[[station.device]]
id = "dock-scanner"
driver = "lines"
url = {dock_scanner}

[[station.device]]
id = "dock-scale"
driver = "mt_sics"
url = {dock_scale}
every = 0.1

[[station]]
name = "{bench}"
job = "pass_through"

[[station.device]]
id = "bench-scanner"
driver = "lines"
url = {bench_scanner}
"""

_BRIDGE_TOML = """\
site = "{site}"
name = "books"
ledger = {ledger}

[broker]
url = "mqtt://127.0.0.1:{broker}"

[web]
listen = "127.0.0.1:{web}"

"""

_BOOKS_TOML = """\
[target]
connector = "sql"
url = {books}
"""


@dataclass(slots=True)
class Stack:
    """The running parts."""

    folder: Path
    broker: Process
    broker_kind: str
    gateway: Process
    bridge: Process
    network: NetworkCable
    dock_scanner: ScannerSimulator
    dock_scale: MtSicsSimulator
    bench_scanner: ScannerSimulator
    feed: Feed
    elsewhere: bool = False
    """Whether the bridge writes to a target of the caller's, and not to `books`."""

    @property
    def outbox(self) -> Path:
        """The gateway's store."""
        return self.folder / "outbox.db"

    @property
    def ledger(self) -> Path:
        """The bridge's ledger."""
        return self.folder / "ledger.db"

    @property
    def books(self) -> Path:
        """The ERP's stand-in: a database of the user's own."""
        return self.folder / "books.db"


@contextlib.asynccontextmanager
async def running(folder: Path, target: str | None = None) -> AsyncIterator[Stack]:
    """Start everything under `folder`; at the end stop every process, by its pid.

    Args:
        folder: for stores, ledger, books and logs.
        target: the bridge's `[target]` table, as TOML; None writes to books in `folder`.

    Raises:
        scanpost.demo.processes.NotUp: a part did not come up.
    """
    mqtt, kind = broker(folder)
    async with contextlib.AsyncExitStack() as parts:
        network = await parts.enter_async_context(NetworkCable(mqtt.port))
        dock_scanner = await parts.enter_async_context(
            ScannerSimulator(Pty(folder / "dock-scanner"))
        )
        dock_scale = await parts.enter_async_context(MtSicsSimulator(Pty(folder / "dock-scale")))
        bench_scanner = await parts.enter_async_context(
            ScannerSimulator(Pty(folder / "bench-scanner"))
        )
        gateway_port, bridge_port = free_port(), free_port()
        gateway = _daemon(
            "gateway",
            folder,
            gateway_port,
            _GATEWAY_TOML.format(
                site=SITE,
                gateway=GATEWAY,
                dock=DOCK,
                bench=BENCH,
                store=json.dumps(str(folder / "outbox.db")),
                broker=network.port,
                web=gateway_port,
                dock_scanner=json.dumps(dock_scanner.url),
                dock_scale=json.dumps(dock_scale.url),
                bench_scanner=json.dumps(bench_scanner.url),
            ),
        )
        bridge = _daemon(
            "bridge",
            folder,
            bridge_port,
            _BRIDGE_TOML.format(
                site=SITE,
                ledger=json.dumps(str(folder / "ledger.db")),
                broker=mqtt.port,
                web=bridge_port,
            )
            + (_own_books(folder) if target is None else target),
        )
        for process in (mqtt, bridge, gateway):
            parts.push_async_callback(process.stop)
        await mqtt.start()
        await asyncio.gather(bridge.start(), gateway.start())
        feed = Feed(gateway_port)
        listening = asyncio.create_task(feed.run(), name="feed")
        parts.push_async_callback(_end, listening)
        yield Stack(
            folder,
            mqtt,
            kind,
            gateway,
            bridge,
            network,
            dock_scanner,
            dock_scale,
            bench_scanner,
            feed,
            elsewhere=target is not None,
        )


def _own_books(folder: Path) -> str:
    return _BOOKS_TOML.format(books=json.dumps(f"sqlite+aiosqlite:///{folder / 'books.db'}"))


def _daemon(name: str, folder: Path, port: int, config: str) -> Process:
    file = folder / f"{name}.toml"
    file.write_text(config)
    command = [sys.executable, "-m", name, "run", "--config", str(file)]
    return Process(name, command, port, folder / f"{name}.log")


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
