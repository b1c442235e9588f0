"""Devices come, go and fail; the others, and the store, decide for themselves."""

import asyncio
import contextlib
import textwrap
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from drivers.kit.errors import DeviceDenied
from drivers.kit.readings import Noise, Reading, Scan, Weight
from drivers.kit.streams import Stream, open_stream
from drivers.simulators.cable import Pty
from drivers.simulators.lines import ScannerSimulator
from drivers.simulators.mt_sics import MtSicsSimulator
from gateway.config import Device, parse
from gateway.devices import DeviceState, Supervisor
from gateway.errors import StoreFailed
from gateway.health import Snapshot, alerts
from tests.drivers.usb_sockets import Sockets, UsbPty
from tests.stopwatch import Stopwatch

CEILING = 30.0  # seconds for what takes a few at most: reopening waits up to 5


@pytest.fixture
def sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sockets:
    return Sockets.made(tmp_path, monkeypatch)


def device(url: str, driver: str = "lines", name: str = "device-1", **settings: Any) -> Device:
    problems: list[str] = []
    table = {"id": name, "url": url, "driver": driver, **settings}
    station = {"name": "door-1", "job": "pass_through", "device": [table]}
    config = parse({"site": "s", "gateway": "g", "station": [station]}, problems)
    assert config is not None, problems
    return config.stations[0].devices[0]


class Watch:
    """A supervisor with what it passed on and every state it was in."""

    def __init__(self, watched: Device) -> None:
        self.heard: list[Reading] = []
        self.states: list[str] = []
        self.something = asyncio.Event()
        self.supervisor = Supervisor(watched, self._emit, self._changed)

    async def _emit(self, name: str, readings: list[Reading]) -> None:
        assert name == self.supervisor.state.id
        self.heard += readings
        self.something.set()

    def _changed(self) -> None:
        self.states.append(self.supervisor.state.state)
        self.something.set()

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(CEILING):
            while not true():
                await self.something.wait()
                self.something.clear()

    async def is_open(self) -> None:
        await self.until(lambda: self.supervisor.state.state == "open")

    @property
    def scans(self) -> list[bytes]:
        return [each.data for each in self.heard if isinstance(each, Scan)]


@contextlib.asynccontextmanager
async def watching(*devices: Device) -> AsyncIterator[list[Watch]]:
    watches = [Watch(each) for each in devices]
    tasks = [asyncio.create_task(watch.supervisor.run()) for watch in watches]
    try:
        yield watches
    finally:
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in outcomes), outcomes


async def test_what_a_device_says_is_passed_on_and_counted() -> None:
    async with ScannerSimulator() as scanner, watching(device(scanner.url)) as [watch]:
        await watch.is_open()
        await scanner.glued(["A", "B"])
        await watch.until(lambda: watch.scans == [b"A", b"B"])
        await scanner.noise(b"\x80" * 9000)
        await watch.until(lambda: watch.supervisor.state.noise == 1)
        state = watch.supervisor.state
        assert (state.readings, state.opened, state.state) == (2, 1, "open")


async def test_a_pulled_cable_is_not_the_end(tmp_path: Path) -> None:
    async with (
        ScannerSimulator(Pty(tmp_path / "scanner")) as scanner,
        watching(device(scanner.url)) as [watch],
    ):
        await watch.is_open()
        for turn in range(1, 3):
            await scanner.send(f"before {turn}")
            await watch.until(lambda turn=turn: f"before {turn}".encode() in watch.scans)  # type: ignore[misc]
            scanner.unplug()
            await watch.until(lambda: watch.supervisor.state.state == "waiting")
            assert watch.supervisor.state.why
            scanner.replug()
            await watch.is_open()
        await scanner.send("after")
        await watch.until(lambda: b"after" in watch.scans)
        assert watch.supervisor.state.opened == 3


async def test_a_device_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    cable = Pty(tmp_path / "scanner")
    async with watching(device(cable.url)) as [watch]:
        await watch.until(lambda: watch.states == ["waiting"])
        assert "not there" in watch.supervisor.state.why
        async with ScannerSimulator(cable) as scanner:
            await watch.is_open()
            await scanner.send("A")
            await watch.until(lambda: watch.scans == [b"A"])


async def test_a_half_scan_before_the_cable_was_pulled_is_dropped(tmp_path: Path) -> None:
    async with (
        ScannerSimulator(Pty(tmp_path / "scanner")) as scanner,
        watching(device(scanner.url, gap=5)) as [watch],
    ):
        await watch.is_open()
        await scanner.send("whole")
        await scanner.cut("5901234123457", after=7)
        await watch.until(lambda: watch.scans == [b"whole"])
        scanner.unplug()
        await watch.until(lambda: watch.supervisor.state.state == "waiting")
        scanner.replug()
        await watch.is_open()
        await scanner.send("next")
        await watch.until(lambda: len(watch.heard) > 1)
        assert watch.scans == [b"whole", b"next"]
        assert not any(isinstance(each, Noise) for each in watch.heard)


async def test_a_silent_scale_is_said_to_be_silent_until_it_answers() -> None:
    async with (
        MtSicsSimulator(load=Decimal("1.250")) as scale,
        watching(device(scale.url, "mt_sics", every=0.1, within=0.3)) as [watch],
    ):
        await watch.until(lambda: len(watch.heard) > 2)
        scale.mute = True
        await watch.until(lambda: watch.supervisor.state.state == "silent")
        assert "did not answer" in watch.supervisor.state.why
        opened = watch.supervisor.state.opened
        del watch.states[:]
        await watch.until(lambda: watch.supervisor.state.opened >= opened + 2)
        assert set(watch.states) <= {"silent"}, "a port that opens is no scale that answers"
        scale.mute = False
        await watch.is_open()
        assert isinstance(watch.heard[-1], Weight)


async def test_an_address_that_cannot_work_is_faulty_and_says_why(tmp_path: Path) -> None:
    file = tmp_path / "no port"
    file.write_text("")
    async with watching(device(f"serial://{tmp_path}/no%20port")) as [watch]:
        await watch.until(lambda: watch.supervisor.state.state == "faulty")
        assert "settings" in watch.supervisor.state.why


async def test_a_scanner_that_is_plugged_in_again_is_back_before_anybody_wonders(
    sockets: Sockets,
) -> None:
    async with (
        ScannerSimulator(UsbPty(sockets, "1-1.2", "0c2e", "0b61", product="Xenon")) as scanner,
        ScannerSimulator(UsbPty(sockets, "1-1.3", "0c2e", "0b61", product="Xenon")) as other,
        watching(device(scanner.url)) as [watch],
    ):
        await watch.is_open()
        assert watch.supervisor.state.what == "0c2e:0b61 Xenon"
        for turn in range(2):
            for each in (scanner, other):
                each.unplug()
            await watch.until(lambda: "nothing that is plugged in" in watch.supervisor.state.why)
            # The other one comes first now, and has its node.
            other.replug()
            scanner.replug()
            with Stopwatch() as stopwatch:
                await watch.is_open()
            assert stopwatch.waited < 2
            await other.send("of the other")
            await scanner.send(f"own {turn}")
            await watch.until(lambda turn=turn: f"own {turn}".encode() in watch.scans)  # type: ignore[misc]
        state = watch.supervisor.state
        assert (watch.scans, state.opened, state.reopened) == ([b"own 0", b"own 1"], 3, 2)


async def test_another_kind_of_device_in_the_socket_is_said(
    sockets: Sockets, caplog: pytest.LogCaptureFixture
) -> None:
    url = "usb://?path=1-1&node=tty"
    async with watching(device(url)) as [watch]:
        async with ScannerSimulator(UsbPty(sockets, "1-1", "0c2e", "0b61")):
            await watch.is_open()
        await watch.until(lambda: watch.supervisor.state.state == "waiting")
        async with ScannerSimulator(UsbPty(sockets, "1-1", "05e0", "1200")):
            await watch.is_open()
            state = watch.supervisor.state
        assert "here is 05e0:1200 now, where 0c2e:0b61 was" in state.why
        assert state.what == "05e0:1200"
    assert "another kind of device" in caplog.text


async def test_two_devices_that_fit_are_a_fault_until_one_is_pulled(sockets: Sockets) -> None:
    async with (
        ScannerSimulator(UsbPty(sockets, "1-1", "0c2e", "0b61")) as left,
        ScannerSimulator(UsbPty(sockets, "1-2", "0c2e", "0b61")) as right,
        watching(device("usb://?vid=0c2e&pid=0b61&node=tty")) as [watch],
    ):
        await watch.until(lambda: watch.supervisor.state.state == "faulty")
        assert "path=1-1 or path=1-2" in watch.supervisor.state.why
        right.unplug()
        await watch.is_open()
        await left.send("A")
        await watch.until(lambda: watch.scans == [b"A"])


async def test_a_port_another_program_has_is_busy_until_it_lets_go() -> None:
    async with ScannerSimulator() as scanner:
        other = await open_stream(scanner.url)
        async with watching(device(scanner.url)) as [watch]:
            await watch.until(lambda: watch.supervisor.state.state == "busy")
            assert "another program" in watch.supervisor.state.why
            await other.close()
            await watch.is_open()
            assert watch.supervisor.state.reopened == 0


async def test_a_permission_that_is_lacking_is_denied_until_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root is denied nothing: a port that is refused by its mode stands for the kernel."""
    link = tmp_path / "port"

    async def opening(url: str) -> Stream:
        if not link.stat().st_mode & 0o007:
            raise DeviceDenied(f"no permission for {url}")
        return await open_stream(url)

    monkeypatch.setattr("gateway.devices.open_stream", opening)
    async with ScannerSimulator(Pty(link)) as scanner:
        link.chmod(0o600)
        async with watching(device(scanner.url)) as [watch]:
            await watch.until(lambda: watch.supervisor.state.state == "denied")
            link.chmod(0o666)
            await watch.is_open()


async def test_a_silent_scale_is_not_one_that_comes_and_goes() -> None:
    async with (
        MtSicsSimulator() as scale,
        watching(device(scale.url, "mt_sics", every=0.1, within=0.2)) as [watch],
    ):
        scale.mute = True
        await watch.until(lambda: watch.supervisor.state.opened > 2)
        assert watch.supervisor.state.reopened == 0


def test_a_device_that_comes_and_goes_all_the_time_wants_a_powered_hub() -> None:
    calm = DeviceState("scanner-1", "lines", "open", opened=40, reopened=5)
    weak = DeviceState("scanner-2", "lines", "open", opened=40, reopened=6)
    snapshot = Snapshot(
        site="s", gateway="g", version="1", epoch="e", last=0, upto=0, posted=0, at_broker=0,
        conflict=None, waiting=0, oldest_s=0.0, broker="online", broker_refusal=None,
        bridge_absent=False, resends=0, clock_synchronised=True, disk_free_bytes=10**12,
        uptime_s=0.0, signals={}, devices=(calm, weak),
    )  # fmt: skip
    [alert] = alerts(snapshot)
    assert (alert.code, alert.text) == (
        "device-unsteady",
        "gone and back within the hour: scanner-2 6 times",
    )
    assert "powered hub" in alert.todo


async def test_what_came_back_long_ago_is_forgotten(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        ScannerSimulator(UsbPty(sockets, "1-1", "0c2e", "0b61")) as scanner,
        watching(device(scanner.url)) as [watch],
    ):
        await watch.is_open()
        scanner.unplug()
        await watch.until(lambda: watch.supervisor.state.state == "waiting")
        scanner.replug()
        await watch.is_open()
        assert watch.supervisor.state.reopened == 1
        monkeypatch.setattr("gateway.devices._HOUR", 0.0)
        assert watch.supervisor.state.reopened == 0


EXPLODING = '''
    """A driver from elsewhere, with a fault of its own."""

    from typing import Literal

    from pydantic import BaseModel

    from drivers.kit.readings import Dialogue


    class Config(BaseModel):
        driver: Literal["exploding"]


    class Decoder:
        def feed(self, data):
            raise ZeroDivisionError(data)

        def quiet(self):
            return []


    def dialogue(config):
        return Dialogue(Decoder())
'''


@pytest.fixture
def exploding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Install a package with a driver that fails, as pip would."""
    site = tmp_path / "site"
    info = site / "exploding_driver-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "exploding_driver.py").write_text(textwrap.dedent(EXPLODING))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: exploding-driver\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[scanpost.drivers]\nexploding = exploding_driver\n")
    monkeypatch.syspath_prepend(site)
    return "exploding"


async def test_a_driver_that_fails_does_not_end_the_others(
    exploding: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        ScannerSimulator() as bad,
        ScannerSimulator() as good,
        watching(device(bad.url, exploding), device(good.url, name="device-2")) as watches,
    ):
        failing, working = watches
        await failing.is_open()
        await working.is_open()
        await bad.send("A")
        await failing.until(lambda: failing.supervisor.state.state == "faulty")
        assert failing.supervisor.state.why == "the driver exploding failed; see the log"
        await good.send("B")
        await working.until(lambda: working.scans == [b"B"])
    assert "ZeroDivisionError" in caplog.text


async def test_a_store_that_failed_ends_the_supervisor() -> None:
    async def emit(name: str, readings: list[Reading]) -> None:
        raise StoreFailed(f"{name}: {len(readings)}")

    opened = asyncio.Event()
    async with ScannerSimulator() as scanner:
        running = asyncio.create_task(Supervisor(device(scanner.url), emit, opened.set).run())
        async with asyncio.timeout(CEILING):
            await opened.wait()
            await scanner.send("A")
            with pytest.raises(StoreFailed, match="device-1: 1"):
                await running


async def test_a_device_waits_while_its_reading_is_stored() -> None:
    """The only queue is the kernel's: nothing is read while `emit` has not returned."""
    taken: list[list[Reading]] = []
    opened, first, may_go = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def emit(_: str, readings: list[Reading]) -> None:
        taken.append(readings)
        first.set()
        await may_go.wait()

    async with ScannerSimulator() as scanner:
        running = asyncio.create_task(Supervisor(device(scanner.url), emit, opened.set).run())
        async with asyncio.timeout(CEILING):
            await opened.wait()
            await scanner.send("A")
            await first.wait()
            for code in "BCD":
                await scanner.send(code)
            for _ in range(50):
                await asyncio.sleep(0)
            assert len(taken) == 1
            may_go.set()
            while sum(len(group) for group in taken) < 4:
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    scans = [each.data for group in taken for each in group if isinstance(each, Scan)]
    assert scans == [b"A", b"B", b"C", b"D"]
