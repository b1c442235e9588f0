"""A shift for a proof: real outboxes, a real broker and a real bridge write into a real ERP.

Bridge and ERP are killed in the middle of it, again and again. What it proves is for the caller to
look up in the ERP's own books, by its own means.
"""

import asyncio
import contextlib
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, Protocol
from uuid import UUID

from contract.envelope import encode
from contract.topics import Topics
from contract.transactions import Event, Transaction
from contract.values import Clock as Stamp
from gateway.forwarder import Forwarder
from gateway.group import Write
from gateway.outbox import Outbox, open_outbox
from runtime.clock import Clock
from runtime.mqtt import Broker
from scanpost.demo.processes import Process, broker, free_port

SITE = "proof"
AHEAD = 12
"""Transactions a station is ahead of the books at most: each kill finds work that has begun."""
_PATIENCE = 20.0
"""Seconds for one transaction, on a machine with other things to do."""


class Mortal(Protocol):
    """An ERP that can be killed. Both calls may block."""

    def kill(self) -> None: ...

    def start(self) -> None: ...


@dataclass
class Report:
    """What befell a shift."""

    kills: Counter[str] = field(default_factory=Counter)
    rejected: list[str] = field(default_factory=list)
    seconds: float = 0.0
    log: str = ""
    """The end of the bridge's."""


def transaction(gateway: str, rng: random.Random, event: Event, clock: Clock) -> Transaction:
    """Return what a station books; the outbox gives it its place."""
    return Transaction(
        id=UUID(int=rng.getrandbits(128), version=4),
        gateway=gateway,
        epoch=UUID(int=0),
        seq=1,
        station=gateway,
        clock=Stamp(wall=clock.utc(), boot=UUID(int=1), monotonic="1", synchronised=True),
        event=event,
    )


async def work(
    folder: Path,
    target: str,
    streams: Mapping[str, Sequence[Transaction]],
    erp: Mortal,
    *,
    kills: int,
    seed: int,
) -> Report:
    """Let every station book its stream, with `kills` deaths, until the bridge has settled all.

    Args:
        folder: for all that is written.
        target: the `[target]` table of the bridge.
        streams: transactions by gateway, in order.
        erp: running.
        kills: of the bridge and of the ERP, together.
        seed: says when and whom.

    Raises:
        TimeoutError: it did not come to an end.
    """
    began = time.monotonic()
    report = Report()
    line, _ = broker(folder)
    await line.start()
    bridge = _bridge(folder, target, f"mqtt://127.0.0.1:{line.port}")
    try:
        await bridge.start()
        total = sum(map(len, streams.values()))
        async with (
            asyncio.timeout(60 + _PATIENCE * total + 10 * kills),
            contextlib.AsyncExitStack() as stack,
        ):
            stations = [
                await stack.enter_async_context(_station(folder, name, line.port))
                for name in streams
            ]
            async with asyncio.TaskGroup() as shift:
                for outbox, stream in zip(stations, streams.values(), strict=True):
                    shift.create_task(_book(outbox, stream))
                deaths = _deaths(stations, total, kills, seed)
                shift.create_task(_kill(deaths, bridge, erp, report))
            for outbox in stations:
                report.rejected += [
                    f"{code}: {text}" for _, code, text in await outbox.rejections(50)
                ]
    finally:
        await bridge.stop()
        await line.stop()
        report.log = bridge.log_tail(60)
    report.seconds = round(time.monotonic() - began, 1)
    return report


def _bridge(folder: Path, target: str, url: str) -> Process:
    port = free_port()
    file = folder / "bridge.toml"
    file.write_text(
        f'site = "{SITE}"\nledger = "{folder / "ledger.db"}"\n'
        f'[broker]\nurl = "{url}"\n[web]\nlisten = "127.0.0.1:{port}"\n'
        f"[breaker]\nopen = 1\n{target}"
    )
    command = [sys.executable, "-m", "scanpost", "bridge", "run", "--config", str(file)]
    return Process("bridge", command, port, folder / "bridge.log")


@contextlib.asynccontextmanager
async def _station(folder: Path, name: str, port: int) -> AsyncIterator[Outbox]:
    url = Broker(url=f"mqtt://127.0.0.1:{port}")
    async with open_outbox(folder / f"{name}.db") as outbox:
        forwarder = Forwarder(outbox, url, Topics(SITE, name), Clock(), stall=0.5, stall_ceiling=2)
        tasks = [
            asyncio.create_task(outbox.write()),
            asyncio.create_task(forwarder.run("{}", "{}", _idle)),
        ]
        try:
            yield outbox
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


async def _idle(_connection: Any) -> NoReturn:
    await asyncio.Event().wait()
    raise AssertionError


async def _book(outbox: Outbox, stream: Sequence[Transaction]) -> None:
    """Put a stream into the outbox, never far ahead, and wait until all of it is settled."""
    for number, each in enumerate(stream, start=1):
        await outbox.put([_write(each)])
        await _until(outbox, number - AHEAD)
    await _until(outbox, len(stream))


async def _until(outbox: Outbox, posted: int) -> None:
    while outbox.standing.posted < posted:
        await asyncio.sleep(0.02)


def _write(each: Transaction) -> Write:
    def write(epoch: UUID, seq: int) -> str:
        return encode(each.model_copy(update={"epoch": epoch, "seq": seq}))

    return write


async def _deaths(
    stations: Sequence[Outbox], total: int, kills: int, seed: int
) -> AsyncIterator[str]:
    """Yield whose time has come, spread over the work, and never with all of it done."""
    dice = random.Random(seed)
    victims = ["bridge", "erp"] * (kills // 2 + 1)
    for number, victim in enumerate(victims[:kills]):
        due = total * (number + dice.random()) / (kills + 1)
        while sum(outbox.standing.posted for outbox in stations) < due:
            await asyncio.sleep(0.005)
        await asyncio.sleep(dice.uniform(0, 0.05))  # anywhere in the midst of a delivery
        yield victim


async def _kill(deaths: AsyncIterator[str], bridge: Process, erp: Mortal, report: Report) -> None:
    async for victim in deaths:
        if victim == "bridge":
            await bridge.kill()
            await bridge.start()
        else:
            await asyncio.to_thread(erp.kill)
            await asyncio.to_thread(erp.start)
        report.kills[victim] += 1
