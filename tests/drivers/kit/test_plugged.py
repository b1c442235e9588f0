"""What is plugged in is seen as the kernel lays it out."""

import os
import shutil
from pathlib import Path

import pytest

from drivers.kit import plugged
from tests.drivers.usb_sockets import Sockets


@pytest.fixture
def sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sockets:
    return Sockets.made(tmp_path, monkeypatch)


def test_an_empty_machine_has_nothing(sockets: Sockets) -> None:
    assert plugged.look() == ()


def test_a_serial_scanner_behind_hubs_is_seen_whole(sockets: Sockets) -> None:
    scanner = sockets.plug(
        "1-1.4.2", "0c2e", "0b61", serial="S1234", manufacturer="Honeywell", product="Xenon 1900"
    )
    node = scanner.tty()
    [seen] = plugged.look()
    assert seen == plugged.Node(
        "tty", str(node), "1-1.4.2", "0000:00:14.0", 0, "0c2e", "0b61", "S1234", "Honeywell",
        "Xenon 1900", enumeration=2,
    )  # fmt: skip
    assert (seen.ports, seen.what) == ("1.4.2", "0c2e:0b61 Xenon 1900")
    assert str(seen) == (
        f"0c2e:0b61 Xenon 1900, serial number S1234, interface 0 at 1-1.4.2 ({node})"
    )


def test_a_hub_with_a_serial_port_of_its_own_is_not_the_device_behind_it(sockets: Sockets) -> None:
    sockets.plug("1-1", "0403", "6011").tty(name="ttyUSB")
    sockets.plug("1-1.4", "0c2e", "0b61").tty()
    assert [(node.path, node.vid) for node in plugged.look()] == [
        ("1-1", "0403"),
        ("1-1.4", "0c2e"),
    ]


def test_a_scanner_that_types_is_told_from_its_media_keys(sockets: Sockets) -> None:
    scanner = sockets.plug("1-1", "0c2e", "0b61")
    scanner.keyboard(0)
    scanner.keyboard(1, keys=(113, 114, 115))
    scanner.hidraw(2, b"\x05\x8c\x09\x02")
    keys, media, raw = plugged.look()
    assert (keys.types, media.types, raw.types) == (True, False, True)
    assert (keys.kind, raw.kind) == ("input", "hidraw")
    assert (keys.interface, media.interface, raw.interface) == (0, 1, 2)
    assert keys.node.endswith("dev/input/event0")
    assert (keys.descriptor, raw.descriptor) == (b"", b"\x05\x8c\x09\x02")


def test_the_ports_of_one_adapter_are_numbered(sockets: Sockets) -> None:
    adapter = sockets.plug("2-3", "110a", "1450")
    for port in (1, 0):
        adapter.multiport(port)
    assert {(node.interface, node.port) for node in plugged.look()} == {(0, 0), (0, 1)}


def test_each_plugging_in_is_another_one(sockets: Sockets) -> None:
    first = sockets.plug("1-1", "0c2e", "0b61")
    first.tty()
    [before] = plugged.look()
    first.unplug()
    assert plugged.look() == ()
    sockets.plug("1-1", "0c2e", "0b61").tty()
    [after] = plugged.look()
    assert before.enumeration != after.enumeration


def test_a_device_that_goes_while_it_is_looked_at_is_not_there(sockets: Sockets) -> None:
    going = sockets.plug("1-1", "0c2e", "0b61")
    going.tty()
    staying = sockets.plug("1-2", "0c2e", "0b61")
    staying.tty()
    (sockets.sys / "class/tty/ttyNothing").symlink_to("../../devices/gone")
    (going.folder / "idVendor").unlink()
    (going.folder / "devnum").unlink()
    assert [(node.path, node.vid) for node in plugged.look()] == [("1-1", ""), ("1-2", "0c2e")]
    shutil.rmtree(sockets.sys)
    assert plugged.look() == ()


def test_a_device_may_call_itself_anything(sockets: Sockets) -> None:
    words = {"serial": "\x1b[2J\x00\n", "product": "N" * 5000, "manufacturer": "ÅÄÖ \ufffd"}
    sockets.plug("1-1", "0c2e", "0b61", **words).tty()
    [seen] = plugged.look()
    assert (seen.serial, seen.maker) == ("[2J", "ÅÄÖ \ufffd")
    assert len(seen.name) == plugged.MAX_TEXT


@pytest.mark.parametrize("name", ["devnum", "key"])
def test_a_device_whose_numbers_are_none_does_not_hide_the_others(
    sockets: Sockets, name: str
) -> None:
    odd = sockets.plug("1-1", "0c2e", "0b61")
    odd.keyboard(0)
    sockets.plug("1-2", "0c2e", "0b61").tty()
    [file] = odd.folder.rglob(name)
    file.write_text("many\n")
    assert [node.path for node in plugged.look()] == ["1-2"]


@pytest.mark.skipif(not os.path.isdir("/sys/class/tty"), reason="no /sys here")
def test_this_machine_can_be_looked_at() -> None:
    assert all(node.path and node.node.startswith("/dev/") for node in plugged.look())
