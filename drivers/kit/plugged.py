"""What is plugged into USB now, and through which nodes it can be opened, as /sys says.

Source: Linux Documentation/ABI/stable/sysfs-bus-usb (names of devices, ports and interfaces),
Documentation/ABI/testing/sysfs-bus-usb, and `drivers/input/input.c` for the key bits.
"""

import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Kind = Literal["tty", "input", "hidraw"]
"""The kernel's classes of nodes that a driver can use: serial ports, keyboards, other HID."""
KINDS: tuple[Kind, ...] = get_args(Kind)

SYS = Path("/sys")
DEV = Path("/dev")

MAX_TEXT = 256
"""Characters of a name or serial number that are kept: a USB string has 126 at most."""
MAX_DESCRIPTOR = 4096
"""Bytes of a HID report descriptor: the kernel takes no longer one."""

_NODES: dict[Kind, tuple[str, str]] = {
    "tty": ("tty*", ""),
    "input": ("event*", "input"),
    "hidraw": ("hidraw*", ""),
}
"""Class to the names of its nodes, and their folder in /dev."""

_PLACE = re.compile(
    r"/(?P<host>[^/]+)/usb[0-9]+/(?:[^/]+/)*?"
    r"(?P<path>[0-9]+-[0-9]+(?:\.[0-9]+)*)/(?P=path):[0-9]+\.(?P<interface>[0-9]+)/"
)
_TYPING = 1 << 2 | 1 << 28 | 1 << 30
"""KEY_1, KEY_ENTER and KEY_A: what a node that types has, and media keys have not."""
_WORD = struct.calcsize("l") * 8


@dataclass(frozen=True, slots=True)
class Node:
    """One node of one USB device."""

    kind: Kind
    node: str
    """What to open, ``/dev/ttyACM0``; another one at each plugging in."""
    path: str
    """The socket: bus, and the ports from its root on, ``1-1.4.2``."""
    host: str
    """The controller of the bus, as /sys names it: ``xhci-hcd.0``."""
    interface: int
    vid: str
    pid: str
    serial: str = ""
    maker: str = ""
    name: str = ""
    """The product's name, in its own words."""
    port: int | None = None
    """Which port, of a serial adapter that has several in one interface."""
    types: bool = True
    """Whether an input node is a keyboard; always true of others."""
    descriptor: bytes = b""
    """The HID report descriptor, of a hidraw node."""
    enumeration: int = 0
    """A number that the device gets anew at each plugging in."""

    @property
    def ports(self) -> str:
        """The socket without its bus, ``1.4.2``."""
        return self.path.partition("-")[2]

    @property
    def what(self) -> str:
        """What kind of device it is: ``0c2e:0b61 Xenon 1900``."""
        return f"{self.vid}:{self.pid} {self.name}".rstrip()

    def __str__(self) -> str:
        serial = f", serial number {self.serial}" if self.serial else ""
        return f"{self.what}{serial}, interface {self.interface} at {self.path} ({self.node})"


def look() -> tuple[Node, ...]:
    """Return every node that is plugged in now, by socket, interface and name.

    May block for seconds while the kernel resets a device. Never raises: what vanishes while it is
    looked at is not there.
    """
    found = [node for kind in KINDS for node in _nodes(kind)]
    return tuple(sorted(found, key=lambda node: (node.path, node.interface, node.kind, node.node)))


def _nodes(kind: Kind) -> Iterator[Node]:
    pattern, folder = _NODES[kind]
    for link in (SYS / "class" / kind).glob(pattern):
        with suppress(OSError, ValueError):
            # Most terminals are no USB devices: their link says so, and nothing else is read.
            place = _PLACE.search(str(link.readlink()))
            if place is not None:
                yield _node(kind, link, str(DEV / folder / link.name), place)


def _node(kind: Kind, link: Path, node: str, place: re.Match[str]) -> Node:
    device = link.parent / place.string[: place.end("path")]
    port = _text(link / "device" / "port_number")
    return Node(
        kind=kind,
        node=node,
        path=place["path"],
        host=place["host"],
        interface=int(place["interface"]),
        vid=_text(device / "idVendor"),
        pid=_text(device / "idProduct"),
        serial=_text(device / "serial"),
        maker=_text(device / "manufacturer"),
        name=_text(device / "product"),
        port=int(port) if port else None,
        types=kind != "input" or _can_type(_text(link / "device" / "capabilities" / "key")),
        descriptor=_bytes(link / "device" / "report_descriptor") if kind == "hidraw" else b"",
        enumeration=int(_text(device / "devnum") or 0),
    )


def _bytes(path: Path) -> bytes:
    with suppress(OSError), path.open("rb") as file:
        return file.read(MAX_DESCRIPTOR)
    return b""


def _text(path: Path) -> str:
    text = _bytes(path).decode("utf-8", "replace").strip()[:MAX_TEXT]
    return "".join(letter for letter in text if letter.isprintable())


def _can_type(bits: str) -> bool:
    """Read a bit map of keys: hexadecimal words of a machine's length, the highest first."""
    keys = 0
    for word in bits.split():
        keys = keys << _WORD | int(word, 16)
    return keys & _TYPING == _TYPING
