"""Everything between a beep and the books, on one machine, each part able to die alone."""

import asyncio
import contextlib
import json
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from drivers.simulators.cable import Pty
from drivers.simulators.lines import ScannerSimulator
from drivers.simulators.mt_sics import MtSicsSimulator
from scanpost.demo.feed import Feed
from scanpost.demo.network import NetworkCable
from scanpost.demo.processes import Process, broker, free_port
from scanpost.demo.shelves import stock, worlds
from scanpost.demo.shifts import AnyJob, Shifts
from scanpost.rehearse.scripts import SCRIPTS
from scanpost.rehearse.world import BOSS, QUARANTINE
from scanpost.rehearse.world import DOCK as DOCK_PLACE

SITE = "demo"
GATEWAY = "dock-1"
DOCK = "dock"
BENCH = "bench"
ANY = "any-job"

_READY_WITHIN = 30.0  # seconds until the gateway has its copy of the documents
_READ_WITHIN = 10.0  # seconds the bridge may take to read the documents before all else goes on
_VERSION = re.compile(r"^scanpost_bridge_reference_version (\S+)$", re.MULTILINE)
_ASK_WITHIN = aiohttp.ClientTimeout(total=5)  # seconds for an answer on this machine

_GATEWAY_TOML = """\
site = "{site}"
gateway = "{gateway}"
supervisors = ["{boss}"]

[store]
path = {store}

[broker]
url = "mqtt://{broker}"

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

_ANY_TOML = """
[[station]]
name = "{station}"
{first}
[[station.device]]
id = "any-scanner"
driver = "lines"
url = {scanner}

[[station.device]]
id = "any-scale"
driver = "mt_sics"
url = {scale}
every = 0.1
"""

_SETTINGS = {
    "receiving": f'to_location = "{DOCK_PLACE}"\nquarantine = "{QUARANTINE}"\n',
    "packing": "carton_g = 300\n",
    "pass_through": "cards = true\n",  # else it would pass on the card that ends it
    "putaway": f'from_location = "{DOCK_PLACE}"\n',
    "transfer": f'from_location = "{DOCK_PLACE}"\n',
}
"""What the scripts of a job take for granted."""

_REFERENCE_TOML = """
[reference]
source = "files"
folder = {folder}

"""

_BRIDGE_TOML = """\
site = "{site}"
name = "books"
ledger = {ledger}

[broker]
url = "mqtt://{broker}"

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
    shifts: Shifts | None = None
    """Of the station that does every job, where there is one."""
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
async def running(
    folder: Path, target: str | None = None, *, every_job: bool = False
) -> AsyncIterator[Stack]:
    """Start everything under `folder`; at the end stop every process, by its pid.

    Args:
        folder: for stores, ledger, books and logs.
        target: the bridge's `[target]` table, as TOML; None writes to books in `folder`.
        every_job: whether there is a third station that can do every job, and reference data.

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
        station = (
            await parts.enter_async_context(_any_job(folder, gateway_port)) if every_job else None
        )
        gateway = _daemon(
            "gateway",
            folder,
            gateway_port,
            _GATEWAY_TOML.format(
                site=SITE,
                gateway=GATEWAY,
                boss=BOSS,
                dock=DOCK,
                bench=BENCH,
                store=json.dumps(str(folder / "outbox.db")),
                broker=f"{network.host}:{network.port}",
                web=gateway_port,
                dock_scanner=json.dumps(dock_scanner.url),
                dock_scale=json.dumps(dock_scale.url),
                bench_scanner=json.dumps(bench_scanner.url),
            )
            + (_any_station(station) if station else ""),
        )
        bridge = _daemon(
            "bridge",
            folder,
            bridge_port,
            _BRIDGE_TOML.format(
                site=SITE,
                ledger=json.dumps(str(folder / "ledger.db")),
                broker=f"{mqtt.host}:{mqtt.port}",
                web=bridge_port,
            )
            + (_served(folder) if station else "")
            + (_own_books(folder) if target is None else target),
        )
        for process in (mqtt, bridge, gateway):
            parts.push_async_callback(process.stop)
        await mqtt.start()
        if station:
            await network.pull()
        await asyncio.gather(bridge.start(), gateway.start())
        if station:
            plugging = asyncio.create_task(_plug(network, bridge_port), name="plug in the cable")
            parts.push_async_callback(_end, plugging)
        feed = Feed(gateway_port)
        listening = asyncio.create_task(feed.run(), name="feed")
        parts.push_async_callback(_end, listening)
        shifts = Shifts(station, feed, gateway, network) if station else None
        if shifts is not None:
            parts.push_async_callback(shifts.close)
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
            shifts=shifts,
            elsewhere=target is not None,
        )


@contextlib.asynccontextmanager
async def _any_job(folder: Path, gateway_port: int) -> AsyncIterator[AnyJob]:
    of = worlds()
    items = stock(folder / "reference", of)
    async with (
        ScannerSimulator(Pty(folder / "any-scanner")) as scanner,
        MtSicsSimulator(Pty(folder / "any-scale")) as scale,
    ):
        yield AnyJob(ANY, scanner, scale, of, lambda: _ready(gateway_port, items))


def _any_station(station: AnyJob) -> str:
    first, *rest = SCRIPTS
    tables = "".join(f'\n[[station.mode]]\njob = "{job}"\n{_SETTINGS.get(job, "")}' for job in rest)
    return (
        _ANY_TOML.format(
            station=station.name,
            first=f'job = "{first}"\n{_SETTINGS.get(first, "")}',
            scanner=json.dumps(station.scanner.url),
            scale=json.dumps(station.scale.url),
        )
        + tables
    )


def _served(folder: Path) -> str:
    return _REFERENCE_TOML.format(folder=json.dumps(str(folder / "reference")))


async def _plug(network: NetworkCable, bridge_port: int) -> None:
    """Plug the cable in when the bridge has read its files, or after a while in any case.

    A gateway that asks for them before that is not heard, and asks again after 20 seconds.
    """
    with contextlib.suppress(TimeoutError):
        async with (
            asyncio.timeout(_READ_WITHIN),
            aiohttp.ClientSession(timeout=_ASK_WITHIN) as asking,
        ):
            while not await _has_read(asking, bridge_port):  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(0.05)
    network.plug()


async def _has_read(asking: aiohttp.ClientSession, bridge_port: int) -> bool:
    with contextlib.suppress(aiohttp.ClientError):
        async with asking.get(f"http://127.0.0.1:{bridge_port}/metrics") as answer:
            found = _VERSION.search(await answer.text())
            return found is not None and float(found[1]) > 0
    return False


async def _ready(port: int, items: int) -> None:
    """Wait until the gateway listens to all devices, and has a copy of so many items.

    Raises:
        TimeoutError: it does not, or it does not answer.
    """

    def there(status: dict[str, Any]) -> bool:
        copy = status["reference"]
        return all(device["state"] == "open" for device in status["devices"]) and bool(
            copy["items"] >= items and copy["version"] == copy["newest"]
        )

    async with asyncio.timeout(_READY_WITHIN), aiohttp.ClientSession(timeout=_ASK_WITHIN) as asking:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with asking.get(f"http://127.0.0.1:{port}/api/status") as answer:
                    if there(await answer.json()):
                        return
            await asyncio.sleep(0.1)


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
