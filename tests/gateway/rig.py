"""A bench over a real outbox, a clock that a test turns, and what the operator was told."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contract.transactions import Transaction
from drivers.kit.readings import Scan
from gateway.bench import Bench
from gateway.config import Gateway, parse
from gateway.intake import Intake
from gateway.outbox import Outbox, open_outbox
from gateway.signals import Signals, Told
from runtime.clock import Clock


class TurnedClock(Clock):
    """Stands still until it is turned."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def monotonic_us(self) -> int:
        return int(self.now * 1_000_000)


def gateway(
    job: str = "receiving", devices: dict[str, str] | None = None, **job_settings: Any
) -> Gateway:
    """Return a configuration of one station `door-1`; `devices` are id to driver."""
    devices = {"scanner-1": "lines", "scale-1": "mt_sics"} if devices is None else devices
    problems: list[str] = []
    tables = {
        "site": "north",
        "gateway": "dock-1",
        "station": [
            {
                "name": "door-1",
                "job": job,
                "device": [
                    {"id": name, "url": "serial:///dev/null", "driver": driver}
                    for name, driver in devices.items()
                ],
                **job_settings,
            }
        ],
    }
    config = parse(tables, problems)
    assert config is not None, problems
    return config


def scan(text: str | bytes) -> Scan:
    data = text.encode() if isinstance(text, str) else text
    return Scan(data, data + b"\r")


@dataclass
class Rig:
    """The bench and everything around it."""

    path: Path
    outbox: Outbox
    bench: Bench
    signals: Signals
    clock: TurnedClock
    told: list[Told] = field(default_factory=list)
    changes: int = 0

    async def scan(self, *labels: str | bytes, device: str = "scanner-1") -> Told:
        """Scan labels one after the other, a second apart, and return the last signal."""
        for label in labels:
            self.clock.now += 1
            await self.bench.accept(device, [scan(label)])
        return self.told[-1]

    @property
    def latched(self) -> Told | None:
        return self.signals.latched.get("door-1")

    def stored(self) -> list[Transaction]:
        """Return what anyone who opens the file finds there."""
        with contextlib.closing(sqlite3.connect(self.path)) as store:
            rows = store.execute("SELECT body FROM outbox ORDER BY seq").fetchall()
        return [Transaction.model_validate_json(body) for (body,) in rows]

    async def fill_the_disk(self) -> None:
        """Let the file grow no more; what is free on its last page still takes some rows."""
        cursor = await self.outbox._writer.execute("PRAGMA page_count")
        row = await cursor.fetchone()
        assert row is not None
        await self.outbox._writer.execute(f"PRAGMA max_page_count = {row[0]}")

    async def scan_until_full(self, label: str) -> Told:
        """Fill the disk, scan until the first not-OK, and return that."""
        await self.fill_the_disk()
        for _ in range(50):
            if (await self.scan(label)).signal.kind == "not_ok":
                return self.told[-1]
        raise AssertionError("the disk is not full")

    async def make_room(self) -> None:
        await self.outbox._writer.execute("PRAGMA max_page_count = 1000000")


@contextlib.asynccontextmanager
async def rigged(
    path: Path, config: Gateway | None = None, *, write: bool = True
) -> AsyncIterator[Rig]:
    """Open the bench of `config`; without `write` nothing reaches the disk until a test does it."""
    config = config or gateway()
    async with open_outbox(path) as outbox:
        writer = asyncio.create_task(outbox.write()) if write else None
        signals, clock = Signals(), TurnedClock()
        [station] = config.stations
        rig: Rig

        def changed() -> None:
            rig.changes += 1

        bench = Bench(
            station, Intake(config.gateway, outbox, clock), signals, config.codes, clock, changed
        )
        rig = Rig(path, outbox, bench, signals, clock)
        signals.listen(rig.told.append)
        try:
            yield rig
        finally:
            if writer is not None:
                writer.cancel()
                await asyncio.gather(writer, return_exceptions=True)
