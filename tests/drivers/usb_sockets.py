"""USB sockets made of files: a /sys and a /dev in which devices are plugged in and out.

What stands here for the kernel is only its tree; the nodes are real pseudo-terminals or files.
"""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest

from drivers.kit import plugged
from drivers.kit.plugged import Kind
from drivers.simulators.cable import Pty

HOST = "pci0000:00/0000:00:14.0"
KEYBOARD = (2, 28, 30)
"""KEY_1, KEY_ENTER, KEY_A."""
_FOLDERS: dict[Kind, str] = {"tty": "", "input": "input", "hidraw": ""}
_WORD = 64


@dataclass
class Sockets:
    """Somewhere to plug devices in; `plugged.look` sees this machine's no more."""

    root: Path
    _numbers: dict[str, int] = field(default_factory=dict)

    @property
    def sys(self) -> Path:
        return self.root / "sys"

    @property
    def dev(self) -> Path:
        return self.root / "dev"

    @classmethod
    def made(cls, root: Path, monkeypatch: pytest.MonkeyPatch) -> Self:
        sockets = cls(root)
        for kind in plugged.KINDS:
            (sockets.sys / "class" / kind).mkdir(parents=True)
        (sockets.dev / "input").mkdir(parents=True)
        sockets._virtual_terminal()
        monkeypatch.setattr(plugged, "SYS", sockets.sys)
        monkeypatch.setattr(plugged, "DEV", sockets.dev)
        return sockets

    def _virtual_terminal(self) -> None:
        folder = self.sys / "devices/virtual/tty/tty0"
        folder.mkdir(parents=True)
        (self.sys / "class/tty/tty0").symlink_to("../../devices/virtual/tty/tty0")

    def _next(self, what: str) -> int:
        self._numbers[what] = self._numbers.get(what, -1) + 1
        return self._numbers[what]

    def plug(self, path: str, vid: str, pid: str, *, host: str = HOST, **words: str) -> "Usb":
        """Plug a device without any interface into the socket `path`, such as ``1-1.4``."""
        bus, _, ports = path.partition("-")
        chain = ports.split(".")
        hubs = [f"{bus}-{'.'.join(chain[: length + 1])}" for length in range(len(chain))]
        folder = self.sys.joinpath("devices", host, f"usb{bus}", *hubs)
        folder.mkdir(parents=True, exist_ok=True)
        number = str(self._next("devnum") + 2)
        for name, text in {"idVendor": vid, "idProduct": pid, "devnum": number, **words}.items():
            (folder / name).write_text(f"{text}\n", encoding="utf-8")
        return Usb(self, folder)


@dataclass
class Usb:
    """One plugged device."""

    sockets: Sockets
    folder: Path
    nodes: list[Path] = field(default_factory=list)

    def interface(self, number: int) -> Path:
        folder = self.folder / f"{self.folder.name}:1.{number}"
        folder.mkdir(exist_ok=True)
        return folder

    def _node(self, kind: Kind, name: str, folder: Path, target: Path | None) -> Path:
        folder.mkdir(parents=True)
        (folder / "device").symlink_to("../..")
        link = self.sockets.sys / "class" / kind / name
        link.symlink_to(Path("../..") / folder.relative_to(self.sockets.sys))
        node = self.sockets.dev / _FOLDERS[kind] / name
        if target is None:
            node.write_bytes(b"")
        else:
            node.symlink_to(target)
        self.nodes += [link, node]
        return node

    def tty(self, number: int = 0, *, name: str = "ttyACM", target: Path | None = None) -> Path:
        """Give it a serial port on interface `number`, which is `target`."""
        name = f"{name}{self.sockets._next(name)}"
        return self._node("tty", name, self.interface(number) / "tty" / name, target)

    def multiport(self, port: int) -> Path:
        """Give it one of several serial ports of interface 0."""
        name = f"ttyUSB{self.sockets._next('ttyUSB')}"
        serial = self.interface(0) / name
        serial.mkdir()
        (serial / "port_number").write_text(f"{port}\n")
        return self._node("tty", name, serial / "tty" / name, None)

    def keyboard(self, number: int = 0, keys: Iterable[int] = KEYBOARD) -> Path:
        """Give it an event node with `keys`."""
        event = f"event{self.sockets._next('event')}"
        device = self.interface(number) / "input" / f"input{self.sockets._next('input')}"
        bits = sum(1 << key for key in keys)
        words = [f"{bits >> shift & (1 << _WORD) - 1:x}" for shift in (2 * _WORD, _WORD, 0)]
        (device / "capabilities").mkdir(parents=True)
        (device / "capabilities" / "key").write_text(" ".join(words) + "\n")
        node = self._node("input", event, device / event, None)
        (device / event / "device").unlink()
        (device / event / "device").symlink_to("..")
        return node

    def hidraw(self, number: int = 0, descriptor: bytes = b"") -> Path:
        """Give it a hidraw node whose reports are as `descriptor` says."""
        hid = self.interface(number) / "0003:0000:0000.0001"
        hid.mkdir()
        (hid / "report_descriptor").write_bytes(descriptor)
        name = f"hidraw{self.sockets._next('hidraw')}"
        return self._node("hidraw", name, hid / "hidraw" / name, None)

    def unplug(self) -> None:
        for node in self.nodes:
            node.unlink()
        shutil.rmtree(self.folder)


class UsbPty(Pty):
    """The cable of a simulated USB device: in one socket, but on a new node each time."""

    def __init__(self, sockets: Sockets, path: str, vid: str, pid: str, **words: str) -> None:
        super().__init__()
        self._sockets = sockets
        self._place = path, vid, pid
        self._words = words
        self._usb: Usb | None = None

    @property
    def url(self) -> str:
        path, vid, pid = self._place
        return f"usb://?path={path}&vid={vid}&pid={pid}&node=tty"

    def replug(self) -> None:
        super().replug()
        if self._usb is None:
            self._usb = self._sockets.plug(*self._place, **self._words)
            self._usb.tty(target=Path(self.path))

    def unplug(self) -> None:
        if self._usb is not None:
            self._usb.unplug()
            self._usb = None
        super().unplug()
