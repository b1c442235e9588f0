"""Every scan has a name of its own, so what arrived can be counted to the scan."""

import re
from dataclasses import dataclass, field

_CODE = re.compile(rb"BX(\d\d)-(\d{8})Z")

Scan = tuple[int, int]
"""Port, and number on that port."""


def code(port: int, number: int) -> bytes:
    """Return what scanner `port` sends as its `number`-th scan, without the terminator.

    >>> code(3, 1234)
    b'BX03-00001234Z'
    """
    return b"BX%02d-%08dZ" % (port, number)


def scans_in(text: bytes) -> list[Scan]:
    """Return every scan that `text` names, in order, as often as it names it."""
    return [(int(port), int(number)) for port, number in _CODE.findall(text)]


@dataclass(slots=True)
class Tally:
    """What the subscriber saw."""

    first: dict[Scan, int] = field(default_factory=dict)
    """When each scan arrived first, in monotonic nanoseconds."""
    doubled: int = 0
    reordered: int = 0
    """Scans that arrived, for the first time, after a later one of their port."""
    _highest: dict[int, int] = field(default_factory=dict)

    def take(self, payload: bytes, at_ns: int) -> None:
        """Count the scans of one message."""
        for scan in scans_in(payload):
            if scan in self.first:
                self.doubled += 1
                continue
            self.first[scan] = at_ns
            port, number = scan
            if number < self._highest.get(port, -1):
                self.reordered += 1
            else:
                self._highest[port] = number

    def missing(self, wanted: set[Scan]) -> set[Scan]:
        """Return which of `wanted` never arrived."""
        return wanted - self.first.keys()
