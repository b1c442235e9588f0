"""One station with a real store and its pages, driven as its devices drive it."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from contract.envelope import Ack, Rejected
from contract.identifiers import command_card
from contract.reference import DocumentLine, DocumentRecord, ItemRecord, Pack, Record
from contract.topics import Topics
from drivers.kit.readings import Weight
from gateway.bench import Bench
from gateway.book import Book
from gateway.config import Gateway
from gateway.devices import Supervisor
from gateway.forwarder import Forwarder
from gateway.health import Health
from gateway.intake import Intake
from gateway.web.pin import hashed
from gateway.web.server import Server, serve
from runtime.mqtt import Broker
from tests.gateway.rig import Rig, gateway, rigged
from tests.gateway.stations.table import Copy

PIN = "4711"
DRILL, BOLTS, BEANS, SERUM = "4006381333931", "5901234123457", "9506000134352", "0012345678905"
ITEMS = (
    ItemRecord(sku="DRILL-18V", weight_g=1450, packs=(Pack(gtin="0" + DRILL),)),
    ItemRecord(sku="BOLT-M8", weight_g=2300, packs=(Pack(gtin="0" + BOLTS),)),
    ItemRecord(sku="BEANS-1KG", weight_g=1020, packs=(Pack(gtin="0" + BEANS),)),
    ItemRecord(sku="SERUM", lot=True, packs=(Pack(gtin="0" + SERUM),)),
)  # fmt: skip
ORDER = DocumentRecord(
    document="po",
    number="PO-1001",
    partner="Example Tools Ltd",
    lines=(
        DocumentLine(line="1", sku="DRILL-18V", quantity=4, location="A-12-3"),
        DocumentLine(line="2", sku="BOLT-M8", quantity=12),
        DocumentLine(line="3", sku="BEANS-1KG", quantity=24, done=6),
        DocumentLine(line="4", sku="SERUM", quantity=2, lot="L2411"),
    ),
)
LONG = DocumentRecord(
    document="po",
    number="PO-1002",
    lines=tuple(DocumentLine(line=str(n), sku=f"PART-{n:03}", quantity=n) for n in range(1, 41)),
)


@dataclass
class Site:
    """The station, its pages, and what can be done to both."""

    rig: Rig
    health: Health
    forwarder: Forwarder
    url: str

    async def scan(self, *labels: str) -> None:
        await self.rig.scan(*labels)

    async def weigh(self, value: str, *, stable: bool = True) -> None:
        self.rig.clock.now += 0.2
        await self.rig.bench.accept("scale-1", [Weight(Decimal(value), "kg", stable, b"")])

    async def card(self, word: Any) -> None:
        await self.scan(command_card(word))

    async def confirm(self, upto: int, *rejected: int) -> None:
        """Let the bridge have taken rows up to `upto`."""
        ack = Ack(
            epoch=self.rig.outbox.standing.epoch,
            upto=upto,
            posted=upto,
            rejected=tuple(Rejected(seq=n, code="unknown_sku", text="no such") for n in rejected),
        )
        self.rig.outbox.confirm(ack)
        await self.rig.outbox.keep(1000)

    def unplug(self, device: str) -> None:
        for each in self.health.supervisors:
            if each.state.id == device:
                each.state = replace(each.state, state="waiting", why="not there")


@contextlib.asynccontextmanager
async def site(
    folder: Path, config: Gateway | None = None, *records: Record, listen: str = "127.0.0.1:0"
) -> AsyncIterator[Site]:
    """Run a station that receives, with a copy of `records` or of a small ERP."""
    config = config or gateway()
    async with rigged(folder / "o.db", config) as rig:
        rig.bench = Bench(
            config.stations[0],
            Intake(config.gateway, rig.outbox, rig.clock),
            rig.signals,
            config.codes,
            rig.clock,
            lambda: None,
            book=Book(Copy.of(*(records or (*ITEMS, ORDER, LONG)))),
        )
        rig.clock.synchronised = lambda: True  # type: ignore[method-assign]
        topics = Topics("north", "dock-1")
        forwarder = Forwarder(rig.outbox, Broker(), topics, rig.clock)
        health = Health(
            topics, "1.2.3", rig.outbox, forwarder, rig.signals, rig.clock, str(folder)
        )  # fmt: skip
        health.benches = [rig.bench]
        health.supervisors = [
            Supervisor(device, rig.bench.accept, lambda: None)
            for device in rig.bench.station.devices
        ]
        for each in health.supervisors:
            each.state = replace(each.state, state="open", what="0c2e:0b61 Xenon 1900")
        server = Server(
            health, rig.signals, rig.outbox, forwarder, pin=hashed(PIN), codes=config.codes
        )
        async with serve(server.app(), listen) as url:
            yield Site(rig, health, forwarder, url)
