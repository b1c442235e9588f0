"""A device that comes back is noticed at once, and one that stays away costs next to nothing."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.kit.hotplug import Hotplug, Trace, trace
from drivers.kit.plugged import look
from tests.drivers.usb_sockets import Sockets

CEILING = 30.0
NEVER = 3600.0
USB = "usb://?path=1-1&node=tty"


@pytest.fixture
def sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sockets:
    return Sockets.made(tmp_path, monkeypatch)


@pytest.fixture
def bell() -> Iterator[tuple[socket.socket, socket.socket]]:
    """What stands for the kernel's socket, and for the kernel."""
    ear, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ear.setblocking(False)
    yield ear, kernel
    ear.close()
    kernel.close()


def deaf() -> socket.socket:
    raise OSError("Address family not supported by protocol")


# --- What there is ---


def test_a_node_that_comes_goes_or_changes_hands_leaves_another_trace(tmp_path: Path) -> None:
    node = tmp_path / "tty USB0"
    url = f"serial://{tmp_path}/tty%20USB0?baudrate=9600"
    traces = [trace(url)]
    node.write_text("")
    traces.append(trace(url))
    node.chmod(0o600)
    traces.append(trace(url))
    os.chown(node, 0, 7) if os.geteuid() == 0 else node.chmod(0o640)
    traces.append(trace(url))
    assert len(set(traces)) == 4
    assert trace(url) == traces[-1], "and nothing else does"
    assert all(not each.what for each in traces)


def test_a_device_plugged_in_anew_leaves_another_trace(sockets: Sockets) -> None:
    device = sockets.plug("1-1", "0c2e", "0b61", product="Xenon 1900")
    device.tty()
    first = trace(USB)
    assert (first, first.what) == (trace(USB), "0c2e:0b61 Xenon 1900")
    device.unplug()
    assert trace(USB) == Trace()
    sockets.plug("1-1", "0c2e", "0b61").tty()
    assert trace(USB) not in {first, Trace()}


def test_a_link_of_udev_is_known_for_the_device_it_leads_to(
    sockets: Sockets, tmp_path: Path
) -> None:
    node = sockets.plug("1-1", "0c2e", "0b61", product="Xenon 1900").tty()
    (tmp_path / "by-path").symlink_to(node)
    assert trace(f"serial://{tmp_path}/by-path").what == "0c2e:0b61 Xenon 1900"


def test_of_two_devices_nobody_can_say_what_it_is(sockets: Sockets) -> None:
    for path in ("1-1", "1-2"):
        sockets.plug(path, "0c2e", "0b61").tty()
    both = trace("usb://?vid=0c2e&node=tty")
    assert (len(both.nodes), both.what) == (2, "")


@pytest.mark.parametrize(
    "url",
    [
        "tcp://127.0.0.1:4001",
        "replay:///x.hexl",
        "usb://?what=now",
        "serial://no/path",
        "x",
        "usb:",
    ],
)
def test_an_address_without_a_node_leaves_no_trace(url: str) -> None:
    assert trace(url) == Trace()


@pytest.mark.parametrize("url", ["serial:///dev/%00", "serial:///" + "x" * 5000])
def test_a_node_there_cannot_be_is_not_there(url: str) -> None:
    assert all(ids is None for _, ids in trace(url).files)


# --- Waiting ---


async def test_what_was_plugged_in_before_the_wait_began_is_seen(sockets: Sockets) -> None:
    async with Hotplug(NEVER, deaf) as hotplug:
        before = await hotplug.look(USB)
        sockets.plug("1-1", "0c2e", "0b61").tty()
        async with asyncio.timeout(CEILING):
            assert await hotplug.changed(USB, before, NEVER)


async def test_the_kernel_s_word_is_enough(
    sockets: Sockets, bell: tuple[socket.socket, socket.socket]
) -> None:
    ear, kernel = bell
    async with Hotplug(NEVER, lambda: ear) as hotplug:
        waiting = asyncio.create_task(hotplug.changed(USB, await hotplug.look(USB), NEVER))
        kernel.send(b"add@/devices/platform/led0")
        sockets.plug("1-1", "0c2e", "0b61").tty()
        kernel.send(b"add@/devices/pci0000:00/usb1/1-1/1-1:1.0/tty/ttyACM0")
        async with asyncio.timeout(CEILING):
            assert await waiting


async def test_without_the_kernel_one_looks_now_and_then(sockets: Sockets) -> None:
    async with Hotplug(0.05, deaf) as hotplug:
        waiting = asyncio.create_task(hotplug.changed(USB, await hotplug.look(USB), NEVER))
        await asyncio.sleep(0)
        sockets.plug("1-1", "0c2e", "0b61").tty()
        async with asyncio.timeout(CEILING):
            assert await waiting


async def test_other_devices_end_no_wait(
    sockets: Sockets, bell: tuple[socket.socket, socket.socket]
) -> None:
    ear, kernel = bell
    async with Hotplug(0.02, lambda: ear) as hotplug:
        before = await hotplug.look(USB)
        sockets.plug("1-2", "0c2e", "0b61").tty()
        kernel.send(b"add@/devices/x")
        began = time.monotonic()
        assert not await hotplug.changed(USB, before, 0.3)
        assert time.monotonic() - began >= 0.3


async def test_a_storm_of_events_is_taken_calmly(
    sockets: Sockets,
    bell: tuple[socket.socket, socket.socket],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = 0

    def counted() -> tuple[object, ...]:
        nonlocal looks
        looks += 1
        return look()

    monkeypatch.setattr("drivers.kit.plugged.look", counted)
    ear, kernel = bell
    kernel.setblocking(False)
    async with Hotplug(NEVER, lambda: ear) as hotplug:
        before = await hotplug.look(USB)
        storm = asyncio.create_task(_storm(kernel))
        assert not await hotplug.changed(USB, before, 0.5)
        storm.cancel()
        await asyncio.wait([storm])
    assert 1 < looks <= 0.5 / 0.05 + 4


async def _storm(kernel: socket.socket) -> None:
    while True:
        with contextlib.suppress(BlockingIOError):
            kernel.send(b"change@/devices/power")
        await asyncio.sleep(0)


async def test_a_kernel_that_falls_silent_for_good_is_done_without(
    sockets: Sockets, bell: tuple[socket.socket, socket.socket]
) -> None:
    ear, kernel = bell
    async with Hotplug(0.05, lambda: ear) as hotplug:
        before = await hotplug.look(USB)
        kernel.send(b"")
        assert not await hotplug.changed(USB, before, 0.2)
        assert ear.fileno() == -1, "it was closed"
        sockets.plug("1-1", "0c2e", "0b61").tty()
        async with asyncio.timeout(CEILING):
            assert await hotplug.changed(USB, before, NEVER)


async def test_this_kernel_can_be_heard_or_done_without() -> None:
    async with Hotplug(0.05) as hotplug:
        url = "serial:///dev/ttyNOTHING0"
        assert not await hotplug.changed(url, await hotplug.look(url), 0.2)
