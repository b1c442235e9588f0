"""Waiting for a device to be plugged in, without wearing out the machine or the operator.

The kernel says when something is plugged in or out. What it says is not read, only that it speaks:
then, and every second all the same, since a container or a hardened unit may not hear the kernel,
each who waits looks whether its own device is there. No library is needed for that.

Source: netlink(7); Linux `lib/kobject_uevent.c`: group 1 carries the kernel's own events, and only
the kernel may send to it.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from drivers.kit import plugged, selectors
from drivers.kit.errors import DeviceMisconfigured
from drivers.kit.plugged import Node
from drivers.kit.streams import address

EVERY = 1.0
"""Seconds between two looks where the kernel is not heard: nobody waits two for a scanner."""

_SETTLE = 0.05
"""Seconds to let a burst of events pass: one USB device is a dozen of them."""
_KOBJECT_UEVENT = 15
_FROM_THE_KERNEL = 1
_DRAIN = 1000
"""Events taken at one go, so that a storm of them holds up nothing else."""
_EVENT = 8192
"""Bytes of one event: the kernel has room for 2048."""

Ids = tuple[int, int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Trace:
    """What there is at an address: when it changes, opening may go another way than before."""

    files: tuple[tuple[str, Ids | None], ...] = ()
    """Each node with its device, inode, number, mode and owner; None where it is not there."""
    nodes: tuple[Node, ...] = ()
    """What is known of them, of USB devices."""

    @property
    def what(self) -> str:
        """What kind of device it is, ``0c2e:0b61 Xenon 1900``; empty where it is not known."""
        return self.nodes[0].what if len(self.nodes) == 1 else ""


def trace(url: str) -> Trace:
    """Return what there is at `url` now. Never raises; may block while a device is reset."""
    parts = urlsplit(url, allow_fragments=False)
    try:
        if parts.scheme == selectors.SCHEME:
            selector, _ = selectors.parse(parts)
            nodes = tuple(filter(selector.fits, plugged.look()))
            return Trace(tuple(_file(node.node) for node in nodes), nodes)
        if parts.scheme in selectors.STREAMS.values():
            file = _file(address.path(parts))
            real = os.path.realpath(file[0])
            known = plugged.look() if file[1] else ()
            return Trace((file,), tuple(node for node in known if node.node == real))
    except (DeviceMisconfigured, ValueError):
        pass  # whoever opens it says what is wrong with it
    return Trace()


def _file(path: str) -> tuple[str, Ids | None]:
    try:
        found = os.stat(path)  # noqa: PTH116 - a path from outside may hold anything, NUL too
    except OSError:
        return path, None
    owner = found.st_mode, found.st_uid, found.st_gid
    return path, (found.st_dev, found.st_ino, found.st_rdev, *owner)


class Hotplug:
    """Wakes one who waits for a device, inside its `async with`."""

    def __init__(
        self, every: float = EVERY, hear: Callable[[], socket.socket] | None = None
    ) -> None:
        """Prepare to listen.

        Args:
            every: seconds between two looks while the kernel says nothing.
            hear: opens the socket on which events come, non-blocking; the kernel's if None. An
                `OSError` means that there are none.
        """
        self._every = every
        self._hear = hear or _kernel
        self._bell: socket.socket | None = None
        self._rung = asyncio.Event()

    async def __aenter__(self) -> Self:
        with suppress(OSError):
            self._bell = self._hear()
            asyncio.get_running_loop().add_reader(self._bell.fileno(), self._ring)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._hang_up()

    def _hang_up(self) -> None:
        if self._bell is not None:
            asyncio.get_running_loop().remove_reader(self._bell.fileno())
            self._bell.close()
            self._bell = None

    def _ring(self) -> None:
        self._rung.set()
        for _ in range(_DRAIN):
            try:
                if self._bell is None or not self._bell.recv(_EVENT):
                    self._hang_up()
                    return
            except BlockingIOError:
                return
            except OSError as error:
                # Events that were lost are events; anything else ends the listening.
                if error.errno != errno.ENOBUFS:
                    self._hang_up()
                    return

    async def look(self, url: str) -> Trace:
        """Return what there is at `url` now, without holding up the loop."""
        return await asyncio.get_running_loop().run_in_executor(None, trace, url)

    async def changed(self, url: str, before: Trace, within: float) -> bool:
        """Wait until there is something else at `url` than `before`, for `within` seconds at most.

        Returns:
            Whether there is. It may have changed before the call: then it returns at once.
        """
        clock = asyncio.get_running_loop().time
        until = clock() + within
        while True:
            self._rung.clear()
            if await self.look(url) != before:
                return True
            if (left := until - clock()) <= 0:
                return False
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, self._every)):
                    await self._rung.wait()
                    await asyncio.sleep(_SETTLE)


def _kernel() -> socket.socket:
    bell = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _KOBJECT_UEVENT)
    try:
        bell.setblocking(False)
        bell.bind((0, _FROM_THE_KERNEL))
    except OSError:
        bell.close()
        raise
    return bell
