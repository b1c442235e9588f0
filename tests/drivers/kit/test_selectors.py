"""A selector means one device or none, and never the first of two."""

import contextlib
import errno
import importlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit import plugged
from drivers.kit.errors import (
    DeviceBusy,
    DeviceDenied,
    DeviceError,
    DeviceMisconfigured,
    StreamLost,
)
from drivers.kit.plugged import Node
from drivers.kit.selectors import Selector, choose, parse, useless
from drivers.kit.streams import SCHEMES, open_stream
from drivers.simulators.cable import Pty
from drivers.simulators.lines import ScannerSimulator
from tests.drivers.usb_sockets import Sockets, UsbPty

LEFT = Node("tty", "/dev/ttyACM0", "1-1.1", "xhci.0", 0, "0c2e", "0b61", "0", "", "Xenon 1900")
RIGHT = Node("tty", "/dev/ttyACM1", "1-1.2", "xhci.0", 0, "0c2e", "0b61", "0", "", "Xenon 1900")
SCALE = Node("hidraw", "/dev/hidraw0", "1-1.3", "xhci.0", 0, "0922", "8009", "0071")
KEYS = Node("input", "/dev/input/event4", "1-1.4", "xhci.0", 0, "05e0", "1200", "S7")
MEDIA = Node("input", "/dev/input/event5", "1-1.4", "xhci.0", 1, "05e0", "1200", "S7", types=False)
PORTS = [
    Node("tty", f"/dev/ttyUSB{port}", "2-1", "xhci.1", 0, "110a", "1450", port=port)
    for port in range(4)
]
ALL = (LEFT, RIGHT, SCALE, KEYS, MEDIA, *PORTS)


def read(query: str) -> Selector:
    return parse(urlsplit(f"usb://?{query}"))[0]


def meant(query: str) -> Node:
    return choose(read(query), ALL)


@pytest.mark.parametrize(
    ("query", "node"),
    [
        ("path=1-1.2&node=tty", RIGHT),
        ("path=1-1.1&vid=0c2e&pid=0b61&node=tty", LEFT),
        ("path=1.1&host=xhci.0&node=tty", LEFT),
        ("vid=0922&node=hidraw", SCALE),
        ("vid=05E0&node=input", KEYS),
        ("serial=S7&node=input", KEYS),
        ("serial=0071&node=hidraw", SCALE),
        ("path=2-1&port=3&node=tty", PORTS[3]),
        ("path=1-1.1&name=Xenon%201900&interface=0&node=tty", LEFT),
    ],
)
def test_one_that_fits_is_meant(query: str, node: Node) -> None:
    assert meant(query) == node


def test_of_two_that_fit_none_is_taken_and_both_are_named() -> None:
    with pytest.raises(DeviceMisconfigured) as caught:
        meant("vid=0c2e&pid=0b61&node=tty")
    for word in ("2 devices", str(LEFT), str(RIGHT), "path=1-1.1 or path=1-1.2"):
        assert word in str(caught.value)


def test_of_the_ports_of_one_adapter_the_port_is_asked_for() -> None:
    with pytest.raises(DeviceMisconfigured, match="port=0 or port=1 or port=2 or port=3"):
        meant("path=2-1&node=tty")


def test_two_with_one_serial_number_are_two() -> None:
    with pytest.raises(DeviceMisconfigured, match="2 devices"):
        choose(Selector("tty", serial="0"), ALL)


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("path=1-9&node=tty", "fits usb://?path=1-9&node=tty"),
        ("path=1-1.1&vid=05e0&pid=1200&node=tty", "in this socket is 0c2e:0b61 Xenon 1900"),
        ("path=1-1.4&node=tty", "in this socket is 05e0:1200"),
        ("path=1-7&vid=0922&node=hidraw", "one like it is at 1-1.3"),
        ("path=1.1&host=xhci.9&node=tty", "in this socket is 0c2e:0b61 Xenon 1900"),
        ("path=1-1.4&interface=1&node=input", "in this socket is 05e0:1200"),
    ],
)
def test_none_that_fits_is_waited_for_and_what_is_nearly_right_is_said(
    query: str, hint: str
) -> None:
    with pytest.raises(StreamLost) as caught:
        meant(query)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("usb:///dev/ttyUSB0", "must look like"),
        ("usb://1-1.4?node=tty", "must look like"),
        ("usb://?path=1-1", "must say node=tty|input|hidraw"),
        ("usb://?node=tty", "at least a path or a vid"),
        ("usb://?node=tty&pid=0b61", "at least a path or a vid"),
        ("usb://?node=usb&path=1-1", "node cannot be 'usb'"),
        ("usb://?node=tty&path=/dev/ttyUSB0", "path cannot be"),
        ("usb://?node=tty&path=1-1.", "path cannot be"),
        ("usb://?node=tty&vid=c2e", "vid cannot be"),
        ("usb://?node=tty&vid=٠٩٢٢", "vid cannot be"),
        ("usb://?node=tty&path=1-1&path=1-2", "comes twice"),
        ("usb://?node=tty&path=1-1&interface=two", "interface cannot be"),
        ("usb://?node=tty&path=1-1&name=", "name cannot be"),
        ("usb://?node=tty&serial=", "serial= says nothing, as it is empty"),
        ("usb://?node=tty&vid=1a86&serial=0000", "all one character"),
        ("usb://?node=tty&vid=1a86&serial=0123456789", "it only counts up"),
    ],
)
def test_a_selector_that_cannot_be_right_is_refused(url: str, why: str) -> None:
    with pytest.raises(DeviceMisconfigured) as caught:
        parse(urlsplit(url))
    assert why in str(caught.value)


def test_options_of_the_node_are_left_to_the_node() -> None:
    url = urlsplit("usb://?path=1-1&baudrate=2400&node=tty&parity=E")
    assert parse(url) == (Selector("tty", path="1-1"), "baudrate=2400&parity=E")


words = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=20)
places = st.lists(st.integers(0, 99), min_size=1, max_size=5).map(
    lambda ports: "1-" + ".".join(map(str, ports))
)


@given(
    st.builds(
        Selector,
        node=st.sampled_from(plugged.KINDS),
        path=places,
        host=st.none() | words,
        vid=st.none() | st.from_regex("[0-9a-f]{4}", fullmatch=True),
        serial=st.none() | words,
        name=st.none() | words,
        interface=st.none() | st.integers(0, 99),
    )
)
def test_a_selector_reads_as_it_is_written(selector: Selector) -> None:
    assert parse(urlsplit(str(selector), allow_fragments=False)) == (selector, "")


@pytest.mark.parametrize(
    "serial", ["", "0", "000000", "AAAA", "0123456789", "12345678", "0123456789ABCDEF", "1234"]
)
def test_a_serial_number_that_many_have_is_useless(serial: str) -> None:
    assert useless(serial)


@pytest.mark.parametrize("serial", ["0071", "S7", "12", "4567890", "9876543210", "A1B2C3"])
def test_a_serial_number_that_may_be_one_is_taken_for_one(serial: str) -> None:
    assert useless(serial, ALL) is None


def test_a_serial_number_that_two_have_is_useless_but_not_one_with_two_nodes() -> None:
    twins = [Node("tty", f"/dev/ttyACM{n}", f"1-{n}", "h", 0, "a", "b", "S9") for n in range(2)]
    assert useless("S9", twins) == "2 devices have it"
    assert useless("S9", twins[:1]) is None


# --- Opening ---


@pytest.fixture
def sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sockets:
    return Sockets.made(tmp_path, monkeypatch)


@contextlib.asynccontextmanager
async def scanner(sockets: Sockets, path: str) -> AsyncIterator[ScannerSimulator]:
    async with ScannerSimulator(UsbPty(sockets, path, "0c2e", "0b61")) as device:
        yield device


async def test_the_scanner_in_the_left_socket_is_the_one_that_is_read(sockets: Sockets) -> None:
    async with scanner(sockets, "1-1.1") as left, scanner(sockets, "1-1.2") as right:
        async with await open_stream(left.url + "&baudrate=115200") as stream:
            await right.send("RIGHT")
            await left.send("LEFT")
            assert await stream.read() == b"LEFT\r"
        with pytest.raises(DeviceMisconfigured, match=r"path=1-1.1 or path=1-1.2"):
            await open_stream("usb://?vid=0c2e&node=tty")


async def test_it_is_found_under_another_node(sockets: Sockets) -> None:
    async with scanner(sockets, "1-1.1") as left, scanner(sockets, "1-1.2") as right:
        left.unplug()
        right.unplug()
        with pytest.raises(StreamLost, match="nothing that is plugged in fits"):
            await open_stream(left.url)
        right.replug()
        left.replug()
        async with await open_stream(left.url) as stream:
            await left.send("LEFT")
            assert await stream.read() == b"LEFT\r"


async def test_an_option_the_node_does_not_have_is_refused(sockets: Sockets) -> None:
    async with scanner(sockets, "1-1") as left:
        with pytest.raises(DeviceMisconfigured, match="no option 'colour'"):
            await open_stream(left.url + "&colour=red")


async def test_a_port_another_program_has_is_busy(tmp_path: Path) -> None:
    cable = Pty(tmp_path / "port")
    async with cable, await open_stream(cable.url):
        with pytest.raises(DeviceBusy):
            await open_stream(cable.url)


async def test_what_is_plugged_in_anew_while_it_is_opened_is_not_taken(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number may be another device's by then; here it is another one each time one looks."""
    real = plugged.look

    def look() -> tuple[Node, ...]:
        found = real()
        for file in sockets.sys.rglob("devnum"):
            file.write_text(str(int(file.read_text()) + 1))
        return found

    async with scanner(sockets, "1-1") as left:
        monkeypatch.setattr(plugged, "look", look)
        with pytest.raises(StreamLost, match="plugged in anew"):
            await open_stream(left.url)


@pytest.mark.parametrize("name", ["serial", "evdev", "hidraw"])
@pytest.mark.parametrize(
    ("number", "kind"), [(errno.EACCES, DeviceDenied), (errno.EBUSY, DeviceBusy)]
)
def test_a_lacking_permission_and_another_owner_are_told_apart(
    name: str, number: int, kind: type[DeviceError]
) -> None:
    """Root is denied nothing, so the kernel's word is put in its mouth."""
    module = importlib.import_module(SCHEMES[name])
    error = module._explained("/dev/ttyACM0", OSError(number, os.strerror(number)))
    assert type(error) is kind
    assert "/dev/ttyACM0" in str(error)
