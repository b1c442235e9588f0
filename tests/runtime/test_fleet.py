"""Two hundred real connections to a real mosquitto that restarts.

The default run turns the pace up fourfold and measures quarters of a second; with
SCANPOST_FLEET_SPEED=1 it takes its time, and the broker's own log is counted too.
"""

import asyncio
import os
import re
from collections import Counter
from pathlib import Path

import pytest

from runtime import manners as manners_module
from runtime.clock import Clock
from runtime.manners import PACE, Manners, returning
from runtime.mqtt import Broker, connect
from tests.mosquitto import Mosquitto

GATEWAYS = 200
LIMIT = 20  # connects in any second, at a speed of 1
SPEED = float(os.environ.get("SCANPOST_FLEET_SPEED", "4"))


class Gateway:
    """Keeps a connection, and writes down when it was to come and when it was let in."""

    def __init__(self, number: int, broker: Broker) -> None:
        self.number = number
        self.broker = broker
        self.due = self.came = 0.0
        self.manners = Manners(Clock().monotonic)
        self.connected = asyncio.Event()

    async def run(self) -> None:
        await returning(self._session, self.manners, self._ended)

    def _ended(self, why: Exception, wait: float) -> None:
        self.due = asyncio.get_running_loop().time() + wait
        self.connected.clear()

    async def _session(self) -> None:
        async with connect(self.broker, client_id=f"scanpost-fleet-{self.number}") as connection:
            self.came = asyncio.get_running_loop().time()
            self.manners.connected()
            self.manners.share(str(GATEWAYS))  # as the bridge tells it beside its first word
            self.connected.set()
            async for _ in connection.messages:
                pass


def busiest(moments: list[float], window: float) -> int:
    return max(sum(1 for each in moments if start <= each < start + window) for start in moments)


def log_of(folder: Path) -> Counter[int]:
    """Return how many came in which second, as the broker tells it."""
    text = (folder / "mosquitto" / "mosquitto.log").read_text()
    return Counter(int(second) for second in re.findall(r"(\d+): New client connected", text))


@pytest.mark.timeout(300)
async def test_a_broker_that_restarts_is_not_stormed(
    mosquitto: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manners_module, "PACE", PACE * SPEED)
    gateways = [Gateway(n, Broker(url=mosquitto.url)) for n in range(GATEWAYS)]
    tasks = []
    try:
        async with asyncio.timeout(120):
            for gateway in gateways:
                tasks.append(asyncio.create_task(gateway.run()))
                await gateway.connected.wait()
        assert sum(log_of(tmp_path).values()) == GATEWAYS
        before = log_of(tmp_path)
        mosquitto.kill()
        async with asyncio.timeout(30):
            while any(gateway.connected.is_set() for gateway in gateways):
                await asyncio.sleep(0.001)
        await mosquitto.start()
        async with asyncio.timeout(200):
            for gateway in gateways:
                await gateway.connected.wait()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert all(gateway.came >= gateway.due for gateway in gateways)
    # Not when they came: after a moment in which this machine stood still, all whose time it was
    # come at once.
    due = [gateway.due for gateway in gateways]
    peak = busiest(due, 1 / SPEED)
    print(f"peak {peak} in {1 / SPEED:g} s, all within {max(due) - min(due):.1f} s")
    assert peak <= LIMIT
    if SPEED == 1:
        assert max((log_of(tmp_path) - before).values()) <= LIMIT
