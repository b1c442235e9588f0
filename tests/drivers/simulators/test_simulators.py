"""The simulators, as devices and as a command."""

import asyncio
import signal
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from drivers import simulators
from drivers.kit.readings import Scan, Weight
from drivers.kit.streams import open_stream
from drivers.simulators.cable import Cable, Pty, TcpPort
from drivers.simulators.lines import ScannerSimulator
from drivers.simulators.mt_sics import MtSicsSimulator
from drivers.simulators.toledo_8217 import Toledo8217Simulator
from drivers.simulators.wedge import WedgeSimulator
from tests.drivers.agreement import NEEDED
from tests.drivers.conversation import CEILING, dialogue, talking

CODES = {"lines": "4006381333931", "wedge": "Ab-1"}
"""What each scanner scans; a scale weighs 1.250."""


@pytest.mark.parametrize("cable", [Pty, TcpPort])
@pytest.mark.parametrize("name", simulators.names())
async def test_a_simulator_is_understood_by_its_driver(name: str, cable: type[Cable]) -> None:
    async with (
        simulators.load(name)(cable()) as device,
        talking(device.url, dialogue(name, **NEEDED.get(name, {}))) as heard,
    ):
        if isinstance(device.cable, TcpPort):
            await device.cable.connected()
        taken = CODES.get(name, "1.250")
        await device.take(taken)
        reading = await heard.expect(
            lambda r: isinstance(r, Scan) or (isinstance(r, Weight) and str(r.value) == "1.250")
        )
    said = (
        reading.data.decode() if isinstance(reading, Scan) else str(getattr(reading, "value", ""))
    )
    assert said == taken


@pytest.mark.parametrize("name", simulators.names())
async def test_a_simulator_can_be_left_at_any_time(name: str) -> None:
    async with simulators.load(name)() as device:
        await device.take("1")
    async with simulators.load(name)() as device:
        device.unplug()
        device.unplug()
        await device.take("1")
        device.replug()
        device.replug()


async def test_a_scanner_has_the_faults_of_real_ones() -> None:
    async with (
        ScannerSimulator() as scanner,
        talking(scanner.url, dialogue("lines", prefix="#", gap=5)) as heard,
    ):
        await scanner.noise()
        await scanner.send("", terminator=b"\r")
        await scanner.glued(["#one", "#two"], terminator=b"\r\n")
        await scanner.cut("#three", after=3)
        await scanner.send("ree")
        await scanner.send("four", prefix="#", aim="")
        await heard.expect(lambda r: isinstance(r, Scan) and r.data == b"four")
    assert [r.data for r in heard.readings if isinstance(r, Scan)] == [
        b"one",
        b"two",
        b"three",
        b"four",
    ]


async def test_a_mute_device_hears_all_and_says_nothing() -> None:
    async with (
        Toledo8217Simulator(load=Decimal("1.250")) as scale,
        await open_stream(scale.url) as stream,
    ):
        scale.mute = True
        await stream.write(b"W")
        async with asyncio.timeout(CEILING):
            while scale.heard != b"W":
                await asyncio.sleep(0)
        scale.mute = False
        await stream.write(b"W")
        assert await asyncio.wait_for(stream.read(), CEILING) == b"\x0201.250\r"


async def test_a_keyboard_loses_events() -> None:
    async with (
        WedgeSimulator() as scanner,
        talking(scanner.url, dialogue("wedge")) as heard,
    ):
        await scanner.type("123", end=None)
        await scanner.lose_events()
        await scanner.type("456")
        await scanner.type("789")
        await heard.expect(lambda r: isinstance(r, Scan))
    assert [r.data for r in heard.readings if isinstance(r, Scan)] == [b"789"]


def test_a_load_that_is_too_much_is_over() -> None:
    assert Toledo8217Simulator(load=Decimal(100)).answer(b"W") == b"\x02?B\r"
    assert Toledo8217Simulator(load=Decimal("3.5"), decimals=2).answer(b"W") == b"\x0203.50\r"


async def command(*words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "drivers.simulators", *words,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def test_the_command_prints_its_url_and_takes_loads(tmp_path: Path) -> None:
    link = tmp_path / "scale"
    process = await command("mt_sics", "--load", "1.250", "--link", str(link))
    assert process.stdin is not None
    assert process.stdout is not None
    async with asyncio.timeout(CEILING):
        url = (await process.stdout.readline()).decode().strip()
        assert url == f"serial://{link}"
        async with talking(url, dialogue("mt_sics")) as heard:
            await heard.expect(lambda r: isinstance(r, Weight) and str(r.value) == "1.250")
            process.stdin.write(b"heavy\nNaN\n7.5\n")
            await heard.expect(lambda r: isinstance(r, Weight) and str(r.value) == "7.500")
        process.send_signal(signal.SIGTERM)
        _, complaints = await process.communicate()
    assert process.returncode == 0
    assert complaints.decode().splitlines() == [
        "'heavy' is nothing this device can take",
        "'NaN' is nothing this device can take",
    ]
    assert not link.is_symlink()


async def test_the_command_knows_the_drivers() -> None:
    process = await command("abacus")
    async with asyncio.timeout(CEILING):
        _, complaints = await process.communicate()
    assert process.returncode == 2
    assert b"mt_sics" in complaints


async def test_a_device_tells_when_the_host_has_had_its_answers() -> None:
    async with MtSicsSimulator() as scale, await open_stream(scale.url) as stream:
        assert not await scale.spoken_to(1, within=0.01)
        asked = asyncio.create_task(scale.spoken_to(2, within=CEILING))
        for _ in range(2):
            assert not asked.done()
            await stream.write(b"S\r\n")
            assert await asyncio.wait_for(stream.read(), CEILING)
        assert await asked
