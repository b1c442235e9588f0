"""Four scanners of one kind on one host: none is taken for another, and none wears it out."""

import asyncio
import contextlib
import os
import random
import socket
import threading
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from drivers.kit.hotplug import Hotplug
from drivers.kit.readings import Noise, Reading, Scan
from drivers.kit.registry import load
from drivers.simulators.lines import ScannerSimulator
from gateway.config import Device
from gateway.devices import Supervisor
from tests.drivers.usb_sockets import Sockets, UsbPty

SOCKETS = ("1-1.1", "1-1.2", "1-1.3", "1-1.4")
SCANS = 10_000
CYCLES = int(os.environ.get("SCANPOST_REPLUGS", "500"))
"""How often a cable is pulled."""
CEILING = 100.0
LOOK = 0.01
"""Seconds between two looks: nobody waits for a simulated hub."""


@dataclass
class Host:
    """What one daemon has: its supervisors, and what each passed on."""

    scanners: list[ScannerSimulator]
    supervisors: list[Supervisor] = field(default_factory=list)
    heard: defaultdict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    noise: list[Noise] = field(default_factory=list)
    something: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, name: str, readings: list[Reading]) -> None:
        await asyncio.sleep(0)  # as a commit would let the others run
        self.heard[name] += [each.data for each in readings if isinstance(each, Scan)]
        self.noise += [each for each in readings if isinstance(each, Noise)]
        self.something.set()

    async def open(self, number: int, times: int) -> None:
        async with asyncio.timeout(CEILING):
            while True:
                state = self.supervisors[number].state
                if state.state == "open" and state.opened >= times:
                    return
                self.something.clear()
                await self.something.wait()

    async def has(self, scans: int) -> None:
        async with asyncio.timeout(CEILING):
            while sum(map(len, self.heard.values())) < scans:
                self.something.clear()
                await self.something.wait()


@pytest.fixture
async def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Host]:
    """Four scanners with one serial number, each in its socket, and the real supervisors."""
    sockets = Sockets.made(tmp_path, monkeypatch)
    cables = [UsbPty(sockets, path, "0c2e", "0b61", serial="0123456789") for path in SOCKETS]
    host = Host([ScannerSimulator(cable) for cable in cables])
    module = load("lines")
    settings = module.Config.model_validate({"driver": "lines", "gap": 5})
    async with contextlib.AsyncExitStack() as stack:
        for scanner in host.scanners:
            await stack.enter_async_context(scanner)
        for number, cable in enumerate(cables):
            device = Device(f"scanner-{number}", cable.url, "lines", module, settings)
            hotplug = Hotplug(LOOK, _deaf)
            host.supervisors.append(Supervisor(device, host.take, host.something.set, hotplug))
        tasks = [asyncio.create_task(each.run()) for each in host.supervisors]
        for number in range(len(SOCKETS)):
            await host.open(number, times=1)
        yield host
        assert not any(task.done() for task in tasks), "a supervisor ended"
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _deaf() -> socket.socket:
    raise OSError("this kernel knows nothing of simulated devices")


async def test_ten_thousand_overlapping_scans_are_neither_mixed_nor_lost(host: Host) -> None:
    each = SCANS // len(SOCKETS)

    async def scan(number: int) -> None:
        cuts = random.Random(number)
        for count in range(each):
            code = f"scanner-{number}:{count:06}\r".encode()
            # A hub hands on pieces of all scanners in turn.
            cut = cuts.randrange(len(code))
            await host.scanners[number].say(code[:cut])
            if cuts.random() < 0.5:
                await asyncio.sleep(0)
            await host.scanners[number].say(code[cut:])

    async with asyncio.TaskGroup() as scanning:
        for number in range(len(SOCKETS)):
            scanning.create_task(scan(number))
    await host.has(SCANS)
    assert host.heard == {
        f"scanner-{number}": [f"scanner-{number}:{count:06}".encode() for count in range(each)]
        for number in range(len(SOCKETS))
    }
    assert host.noise == []


async def test_cables_that_are_pulled_all_day_wear_nothing_out(host: Host) -> None:
    """Two at a time, put back in any order: each is found again, whatever its node is called."""
    hands = random.Random(7)
    opened = Counter(dict.fromkeys(range(len(SOCKETS)), 1))
    before: tuple[int, int] | None = None
    for cycle in range(CYCLES // 2):
        pulled = hands.sample(range(len(SOCKETS)), 2)
        for number in pulled:
            # Half a scan is on the way: it must come out nowhere.
            await host.scanners[number].say(f"torn-{number}".encode())
            host.scanners[number].unplug()
        hands.shuffle(pulled)
        for number in pulled:
            host.scanners[number].replug()
        for number in pulled:
            opened[number] += 1
            await host.open(number, opened[number])
        for number in range(len(SOCKETS)):
            await host.scanners[number].send(f"scanner-{number}:{cycle}")
        await host.has(len(SOCKETS) * (cycle + 1))
        before = before or (_descriptors(), threading.active_count())
    assert host.heard == {
        f"scanner-{number}": [f"scanner-{number}:{cycle}".encode() for cycle in range(CYCLES // 2)]
        for number in range(len(SOCKETS))
    }
    assert host.noise == []
    assert before is not None
    assert _descriptors() <= before[0], "a descriptor leaks"
    assert threading.active_count() <= before[1] + (os.cpu_count() or 1) + 4, "a thread leaks"
    returns = [each.state.reopened for each in host.supervisors]
    assert returns == [min(opened[number] - 1, 100) for number in range(len(SOCKETS))]


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))
