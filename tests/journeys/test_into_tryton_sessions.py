"""A receiving and a packing session at the bench, into the real orders of a Tryton.

What the stations know comes from that same Tryton: the bridge reads its products and orders, and
serves them to the gateway.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from contract.identifiers import command_card
from drivers.simulators.cable import Pty
from drivers.simulators.lines import ScannerSimulator
from drivers.simulators.mt_sics import MtSicsSimulator
from scanpost.demo.feed import Feed, Heard
from scanpost.demo.processes import Process, broker, free_port
from tests.tryton.office import Tryton
from tests.tryton.server import target

pytest_plugins = ["tests.tryton.fixtures"]
pytestmark = [pytest.mark.tryton, pytest.mark.timeout(900)]  # the first test may have to build it

GENEROUS = 60.0
WIDGET, COFFEE = "]E04006381333931", "]E09506000134352"
CARTONS = ("106141412345678908", "106141412345678915")

GATEWAY = """\
site = "north"
gateway = "dock-1"

[store]
path = {store}

[broker]
url = "mqtt://127.0.0.1:{broker}"

[web]
listen = "127.0.0.1:{web}"
"""
STATION = """
[[station]]
name = "{name}"
{settings}

[[station.device]]
id = "{name}-scanner"
driver = "lines"
url = {scanner}

[[station.device]]
id = "{name}-scale"
driver = "mt_sics"
url = {scale}
every = 0.1
"""
BRIDGE = """\
site = "north"
ledger = {ledger}

[broker]
url = "mqtt://127.0.0.1:{broker}"

[web]
listen = "127.0.0.1:{web}"

[reference]
source = "target"
every = 5

"""


def serum(lot: str) -> str:
    """A GS1-128 label: GTIN, expiry date, lot."""
    return "]C1010590123412345717310501" + f"10{lot}"


async def answered(web: int, path: str, test: Callable[[Any], bool]) -> None:
    """Ask the gateway until the answer is as it should be."""
    answer: Any = None
    async with aiohttp.ClientSession() as session:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GENEROUS):
                while True:
                    async with session.get(f"http://127.0.0.1:{web}{path}") as response:
                        answer = await response.json()
                    if test(answer):
                        return
                    await asyncio.sleep(0.1)
    pytest.fail(f"not in time: {path} says {answer}")


@dataclass
class Station:
    """A bench with a scanner and a scale, and who works there."""

    name: str
    scanner: ScannerSimulator
    scale: MtSicsSimulator
    feed: Feed
    web: int
    """Port of the gateway's page."""

    async def scan(self, label: str, expect: str = "ok") -> Heard:
        return await self._does(self.scanner.send(label), expect)

    async def weigh(self, kilogram: str) -> Heard:
        """Put something on the empty scale, and take it off again."""
        heard = await self._does(self.scale.take(kilogram), "ok")
        await self.scale.take("0")
        await answered(self.web, "/api/status", self._is_empty)
        return heard

    def _is_empty(self, status: dict[str, Any]) -> bool:
        (mine,) = [each for each in status["stations"] if each["station"] == self.name]
        return float(mine["live_weight"]["value"]) == 0

    async def _does(self, deed: Any, expect: str) -> Heard:
        since = len(self.feed.heard)
        await deed
        heard = await self.feed.wait_for(
            lambda each: each.station == self.name and each.kind != "ignored", since, GENEROUS
        )
        assert heard is not None, f"{self.name} said nothing"
        assert heard.kind == expect, heard
        return heard


@dataclass
class House:
    """Two stations, and everything between them and Tryton."""

    dock: Station
    bench: Station
    gateway: Process

    async def knows(self, documents: int) -> None:
        """Wait until the gateway has a copy of so many orders, and listens to all devices."""

        def there(status: dict[str, Any]) -> bool:
            copy = status["reference"]
            return all(device["state"] == "open" for device in status["devices"]) and bool(
                copy["documents"] >= documents and copy["version"] == copy["newest"]
            )

        await answered(self.gateway.port, "/api/status", there)

    async def posted(self, count: int) -> None:
        """Wait until Tryton has everything: so many transactions."""
        await answered(
            self.gateway.port,
            "/api/rows",
            lambda said: (
                len(said["rows"]) == count and {row["state"] for row in said["rows"]} == {"posted"}
            ),
        )


@contextlib.asynccontextmanager
async def house(folder: Path, table: str) -> AsyncIterator[House]:
    """Start broker, bridge and gateway; at the end stop each."""
    mqtt, _ = broker(folder)
    web, bridge_web = free_port(), free_port()
    feed = Feed(web)
    jobs = {
        "dock": 'job = "receiving"\nto_location = "DOCK-1"',
        "bench": 'job = "packing"\ncarton_g = 300',
    }
    async with contextlib.AsyncExitStack() as parts:
        stations: dict[str, Station] = {}
        text = GATEWAY.format(
            store=json.dumps(str(folder / "outbox.db")), broker=mqtt.port, web=web
        )
        for name, settings in jobs.items():
            scanner = ScannerSimulator(Pty(folder / f"{name}-scanner"))
            scale = MtSicsSimulator(Pty(folder / f"{name}-scale"))
            for device in (scanner, scale):
                await parts.enter_async_context(device)
            stations[name] = Station(name, scanner, scale, feed, web)
            text += STATION.format(
                name=name,
                settings=settings,
                scanner=json.dumps(scanner.url),
                scale=json.dumps(scale.url),
            )
        ledger = json.dumps(str(folder / "ledger.db"))
        books = BRIDGE.format(ledger=ledger, broker=mqtt.port, web=bridge_web) + table
        gateway = _daemon("gateway", folder, web, text)
        bridge = _daemon("bridge", folder, bridge_web, books)
        for process in (mqtt, bridge, gateway):
            parts.push_async_callback(process.stop)
        await mqtt.start()
        await asyncio.gather(bridge.start(), gateway.start())
        listening = asyncio.create_task(feed.run(), name="feed")
        parts.push_async_callback(_end, listening)
        assert await feed.wait_open(GENEROUS)
        yield House(stations["dock"], stations["bench"], gateway)


def _daemon(name: str, folder: Path, port: int, config: str) -> Process:
    file = folder / f"{name}.toml"
    file.write_text(config)
    command = [sys.executable, "-m", name, "run", "--config", str(file)]
    return Process(name, command, port, folder / f"{name}.log")


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_what_is_received_and_packed_at_the_bench_is_in_the_orders_of_tryton(
    tryton: Tryton, tmp_path: Path
) -> None:
    office = tryton.office
    bought = office.order("ACME-7", widget=10, serum=4, beans=2.5)
    sold = office.sell("CORNER-9", widget=6, serum=3)
    table = target(tryton.server, tmp_path / "key")
    table += 'order_by = "reference"\nsales_order_by = "reference"\n'
    async with house(tmp_path, table) as here:
        await here.knows(documents=5)

        dock = here.dock
        await dock.scan("PO:ACME-7")
        await dock.scan("QTY:9")
        await dock.scan(WIDGET)
        await dock.scan(COFFEE, "attention")  # Tryton did not order it here
        await dock.scan(command_card("CANCEL"))
        await dock.scan("QTY:3")
        await dock.scan(serum("A7"))
        await dock.scan(serum("B8"))
        await dock.scan("BEAN-1", "attention")  # it goes by weight
        await dock.weigh("2.500")
        await here.posted(4)
        assert office.received(bought) == {
            ("widget", None): 9,
            ("serum", "A7"): 3,
            ("serum", "B8"): 1,
            ("beans", None): 2.5,
        }
        assert office.order_state(bought) == ("processing", "partially shipped")
        await dock.scan(WIDGET)

        bench = here.bench
        await bench.scan("SO:CORNER-9")
        await bench.scan(f"]C100{CARTONS[0]}")
        await bench.scan("QTY:6")
        await bench.scan(WIDGET)
        await bench.scan(serum("A7"))
        await bench.scan(COFFEE, "not_ok")  # the customer did not order it
        await bench.scan(f"]C100{CARTONS[0]}", "attention")
        await bench.weigh("1.250")
        await bench.scan(f"]C100{CARTONS[1]}")
        await bench.scan(serum("A7"))
        await bench.scan(serum("B8"))
        await bench.scan(serum("A7"), "not_ok")  # all three are packed
        await bench.scan(f"]C100{CARTONS[1]}", "attention")
        await bench.weigh("0.620")
        await bench.scan(command_card("DONE"))
        await here.posted(8)

    assert office.order_state(bought)[1] == "received"
    assert office.sent(sold) == {("widget", None): 6, ("serum", "A7"): 2, ("serum", "B8"): 1}
    assert office.sale_state(sold)[1] == "sent"
    assert {state for number in CARTONS for _, _, state in office.cartons(number)} == {"done"}
    in_house = {name: office.on_hand(name) for name in ("widget", "serum", "beans")}
    assert in_house == {"widget": 4, "serum": 1, "beans": 2.5}
    assert office.on_hand("widget", "OUT") == 0
