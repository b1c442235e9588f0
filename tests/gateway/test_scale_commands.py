"""Cards that make the scale of a station do something, and only that scale."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from contract.codes.cards import command_card
from drivers.kit.session import MAX_ORDERS, Orders
from drivers.simulators.lines import ScannerSimulator
from drivers.simulators.mt_sics import MtSicsSimulator
from gateway.config import parse
from gateway.devices import Supervisor
from tests.gateway.rig import Rig, rigged

CEILING = 30.0


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(CEILING):
        while not true():
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def with_a_scale(
    folder: Path, scale: MtSicsSimulator, **settings: Any
) -> AsyncIterator[tuple[Rig, Supervisor]]:
    """Put `scale` at a station, with everything between it and the disk."""
    async with scale, ScannerSimulator() as scanner:
        devices = [
            {"id": "scanner-1", "url": scanner.url, "driver": "lines"},
            {"id": "scale-1", "url": scale.url, "driver": "mt_sics", **settings},
        ]
        station = {"name": "door-1", "job": "receiving", "device": devices}
        problems: list[str] = []
        config = parse({"site": "north", "gateway": "dock-1", "station": [station]}, problems)
        assert config is not None, problems
        async with rigged(folder / "o.db", config) as rig:
            supervisor = Supervisor(config.stations[0].devices[1], rig.bench.accept, lambda: None)
            rig.bench.command = lambda device, word: (
                device == "scale-1" and supervisor.command(word)
            )
            running = asyncio.create_task(supervisor.run())
            try:
                await until(lambda: rig.bench.live is not None)
                yield rig, supervisor
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("stream", [False, True], ids=["asked", "streaming"])
async def test_a_tare_card_tares_the_scale_and_weights_go_on(tmp_path: Path, stream: bool) -> None:
    scale = MtSicsSimulator(load=Decimal("2.5"))
    async with with_a_scale(tmp_path, scale, **({"mode": "SIR"} if stream else {})) as (rig, _):
        await until(lambda: rig.bench.live is not None and rig.bench.live.value == Decimal("2.5"))
        told = await rig.scan(command_card("TARE"))
        assert told.signal.kind == "ok"
        await until(lambda: rig.bench.live is not None and rig.bench.live.value == 0)
        scale.load += 1
        await until(lambda: rig.bench.live is not None and rig.bench.live.value == 1)


async def test_what_the_scale_cannot_do_is_said(tmp_path: Path) -> None:
    async with with_a_scale(tmp_path, MtSicsSimulator()) as (rig, supervisor):
        supervisor._commands = {}
        told = await rig.scan(command_card("ZERO"))
        assert told.signal.kind == "not_ok"
        assert told.signal.todo == "Use the key on the scale."


async def test_a_station_without_a_scale_sends_nothing_anywhere(tmp_path: Path) -> None:
    async with rigged(tmp_path / "o.db") as rig:
        asked: list[str] = []

        def command(device: str, _word: object) -> bool:
            asked.append(device)
            return True

        rig.bench.command = command
        rig.bench._scales = set()
        assert (await rig.scan(command_card("ZERO"))).signal.kind == "not_ok"
        assert asked == []


def test_commands_that_do_not_go_out_do_not_pile_up() -> None:
    orders = Orders()
    assert all(orders.give(b"Z") for _ in range(MAX_ORDERS))
    assert not orders.give(b"Z")
    assert orders.take() == b"Z" * MAX_ORDERS
    assert orders.give(b"T")
