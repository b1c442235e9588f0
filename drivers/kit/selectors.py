"""Which of all that is plugged in is meant: ``usb://?path=1-1.4.2&vid=0c2e&pid=0b61&node=tty``.

A selector names a USB device by what it is and where it is, and exactly one node must fit: none is
waited for, and of two none is taken. It has, each once and at least one besides `node`:

| word | means |
|---|---|
| `node` | how to open it: `tty` (serial), `input` (keyboard) or `hidraw` (other HID); always said |
| `path` | the socket, bus and ports: ``1-1.4.2``; or the ports alone, ``1.4.2``, best with `host` |
| `host` | the controller, where a machine has several and numbers them by chance: ``xhci-hcd.0`` |
| `vid`, `pid` | the maker's and the product's number, 4 hexadecimal digits each |
| `serial`, `name` | the serial number and the product's name, exactly |
| `interface`, `port` | which one, of a device with several |

The socket is the best word, with `vid` and `pid` so that nothing else is taken for it. Serial
numbers are good only where makers give them: an empty one, one of a single digit, or one that
counts up says nothing.

All other options are those of the node's own address: ``&baudrate=9600``.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from urllib.parse import SplitResult, parse_qsl, quote, urlencode

from drivers.kit.errors import DeviceMisconfigured, StreamLost
from drivers.kit.plugged import KINDS, Kind, Node
from drivers.kit.streams import address

SCHEME = "usb"
STREAMS: dict[Kind, str] = {"tty": "serial", "input": "evdev", "hidraw": "hidraw"}
"""Kind of node to the URL scheme that opens it."""

_COUNTS = ("01234567890123456789", "0123456789ABCDEF")
_LEAST_COUNT = 4


def _matching(pattern: str) -> Callable[[str], str]:
    def read(word: str) -> str:
        if not re.fullmatch(pattern, word, re.ASCII):
            raise ValueError(word)
        return word.lower()

    return read


def _some(word: str) -> str:
    if not word:
        raise ValueError(word)
    return word


_WORDS: dict[str, Callable[[str], object]] = {
    "node": address.one_of(*KINDS),
    "path": _matching(r"([0-9]{1,3}-)?[0-9]{1,3}(\.[0-9]{1,3}){0,6}"),
    "host": _some,
    "vid": _matching("[0-9a-fA-F]{4}"),
    "pid": _matching("[0-9a-fA-F]{4}"),
    "serial": str,
    "name": _some,
    "interface": int,
    "port": int,
}


@dataclass(frozen=True, slots=True)
class Selector:
    """What a device must be, to be the one; None where it may be anything."""

    node: Kind
    path: str | None = None
    host: str | None = None
    vid: str | None = None
    pid: str | None = None
    serial: str | None = None
    name: str | None = None
    interface: int | None = None
    port: int | None = None

    def fits(self, node: Node) -> bool:
        """Whether `node` is all that is asked for."""
        return self._is_at(node) and all(
            wanted is None or wanted == getattr(node, word)
            for word, wanted in self._asked()
            if word not in {"node", "path"}
        )

    def _is_at(self, node: Node) -> bool:
        here = self.path in (None, node.path, node.ports)
        return here and node.kind == self.node and node.types

    def _asked(self) -> list[tuple[str, object]]:
        return [(field.name, getattr(self, field.name)) for field in fields(self)]

    def __str__(self) -> str:
        asked = {word: str(wanted) for word, wanted in self._asked() if wanted is not None}
        node = asked.pop("node")
        return f"{SCHEME}://?{urlencode({**asked, 'node': node}, quote_via=quote, safe=':')}"


def parse(url: SplitResult) -> tuple[Selector, str]:
    """Return the selector of a ``usb://`` address, and its other options as a query.

    Raises:
        DeviceMisconfigured: it says nothing, or something that cannot be.
    """
    if url.netloc or url.path:
        raise DeviceMisconfigured(
            f"{address.text(url)} must look like usb://?path=1-1.4&vid=0c2e&pid=0b61&node=tty"
        )
    words = parse_qsl(url.query, keep_blank_values=True)
    own = url._replace(query=urlencode([word for word in words if word[0] in _WORDS]))
    asked = address.options(own, _WORDS)
    if "node" not in asked:
        raise DeviceMisconfigured(f"{address.text(url)} must say node={'|'.join(KINDS)}")
    if not asked.keys() & {"path", "vid", "serial", "name"}:
        raise DeviceMisconfigured(f"{address.text(url)} must say at least a path or a vid")
    if "serial" in asked and "path" not in asked and (why := useless(asked["serial"])):
        raise DeviceMisconfigured(
            f"{address.text(url)}: serial={asked['serial']} says nothing, as {why}; say a path"
        )
    return Selector(**asked), urlencode([word for word in words if word[0] not in _WORDS])


def choose(selector: Selector, plugged: Iterable[Node]) -> Node:
    """Return the one node that `selector` means.

    Raises:
        StreamLost: nothing fits now.
        DeviceMisconfigured: several fit; all of them are named, and none is taken.
    """
    plugged = tuple(plugged)
    fitting = [node for node in plugged if selector.fits(node)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise DeviceMisconfigured(
            f"{len(fitting)} devices fit {selector}: {'; '.join(map(str, fitting))}."
            f" Say {_difference(fitting)} too"
        )
    raise StreamLost(f"nothing that is plugged in fits {selector}{_hint(selector, plugged)}")


def _difference(fitting: list[Node]) -> str:
    for word in ("path", "host", "interface", "port"):
        if len({getattr(node, word) for node in fitting}) == len(fitting):
            return " or ".join(f"{word}={getattr(node, word)}" for node in fitting)
    return "more of path, host, interface and port"


def _hint(selector: Selector, plugged: tuple[Node, ...]) -> str:
    """Say what is nearly right: another device in this socket, or this one elsewhere."""
    here = [node for node in plugged if selector.path in (node.path, node.ports)]
    there = sorted({node.what for node in here})
    wanted = Selector(selector.node, vid=selector.vid, pid=selector.pid, serial=selector.serial)
    known = selector.vid is not None or selector.serial is not None
    elsewhere = sorted({node.path for node in plugged if known and wanted.fits(node)})
    if there:
        return f"; in this socket is {' and '.join(there)}, with other nodes or numbers"
    return f"; one like it is at {' and '.join(elsewhere)}" if elsewhere else ""


def useless(serial: str, plugged: Iterable[Node] = ()) -> str | None:
    """Say why a serial number identifies no device; None where it may.

    Args:
        serial: as the device says it.
        plugged: what is there now; two of them with this number have no number at all.
    """
    if not serial:
        return "it is empty"
    if len(set(serial)) == 1:
        return "it is all one character"
    if len(serial) >= _LEAST_COUNT and any(
        count.find(serial.upper()) in {0, 1} for count in _COUNTS
    ):
        return "it only counts up"
    sockets = {(node.host, node.path) for node in plugged if node.serial == serial}
    return f"{len(sockets)} devices have it" if len(sockets) > 1 else None
