"""USB HID devices that are no keyboards: ``hidraw:///dev/hidraw0``. There are no options.

What is read are frames as `drivers.kit.hid` has them: the report descriptor once, then each report.
What is written are frames of reports too; each goes out as what the descriptor says it is, an
output or a feature report, filled up with zeros to its length.

The node is taken by `flock`, which keeps off only those who ask. Nothing else is locked: hidraw
hands every report to all who have the node open.

Source: Linux Documentation/hid/hidraw.rst and `hidraw.h`.
"""

import asyncio
import errno
import fcntl
import os
import struct
import threading
from functools import partial
from urllib.parse import SplitResult

from drivers.kit import hid
from drivers.kit.errors import (
    DeviceBusy,
    DeviceDenied,
    DeviceError,
    DeviceMisconfigured,
    StreamLost,
)
from drivers.kit.streams import Stream, address
from drivers.kit.streams.descriptor import Descriptor
from drivers.kit.streams.opening import DENIED, opened

_LENGTH = struct.Struct("@I")
_GET_LENGTH = 0x80044801
_GET_DESCRIPTOR = 0x90044802
_SET_FEATURE = 0xC0004806
"""HIDIOCGRDESCSIZE, HIDIOCGRDESC, and HIDIOCSFEATURE for a report of no bytes."""

_GONE = {errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO, errno.ETIMEDOUT, errno.EBADF}
_TAKEN = {errno.EAGAIN, errno.EBUSY}


def parts(url: SplitResult) -> str:
    """Return the path of `url`."""
    address.options(url, {})
    return address.path(url)


async def open_url(url: SplitResult) -> Stream:
    """Open the node of `url`."""
    path = parts(url)
    try:
        node = await opened(partial(_Node, path), _Node.shut)
    except OSError as error:
        raise _explained(path, error) from error
    return _Hidraw(node)


class _Node:
    """An open node. What blocks is called in a thread, one thing at a time."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._turn = threading.Lock()
        self._open = True
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.descriptor = _descriptor(self.fd)
        except OSError:
            self.shut()
            raise
        self._lengths = hid.lengths(hid.walk(self.descriptor))

    def put(self, report: bytes) -> None:
        """Hand one report to the device; one that does not answer makes this take 5 s."""
        key = report[0]
        feature = ("feature", key) in self._lengths and ("output", key) not in self._lengths
        length = self._lengths.get(("feature" if feature else "output", key), 0)
        # Where there are no ids the kernel wants a 0 in front that is not part of the report.
        full = report.ljust(length + (key == 0), b"\0")
        with self._turn:
            if not self._open:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            if feature:
                fcntl.ioctl(self.fd, _SET_FEATURE | len(full) << 16, bytearray(full))
            else:
                os.write(self.fd, full)

    def shut(self) -> None:
        """Close the node, after a report that is on its way."""
        with self._turn:
            if self._open:
                self._open = False
                os.close(self.fd)


def _descriptor(fd: int) -> bytes:
    answer = bytearray(_LENGTH.size)
    fcntl.ioctl(fd, _GET_LENGTH, answer)
    (length,) = _LENGTH.unpack(answer)
    answer += bytes(hid.MAX_REPORT)
    fcntl.ioctl(fd, _GET_DESCRIPTOR, answer)
    return bytes(answer[_LENGTH.size : _LENGTH.size + length])


class _Hidraw(Stream):
    def __init__(self, node: _Node) -> None:
        self.description = node.path
        self._node = node
        # One read of hidraw is one report: the boundaries are the chunks.
        self._reports = Descriptor(node.fd, node.path, node.shut)
        self._described = False

    async def read(self) -> bytes:
        """Return one frame: the descriptor at first, then one report each time."""
        if not self._described and self._node.descriptor:
            self._described = True
            return hid.frame(hid.DESCRIPTOR, self._node.descriptor)
        return hid.frame(hid.REPORT, await self._reports.read())

    async def write(self, data: bytes) -> None:
        """Hand the reports in the frames of `data` to the device, one after the other."""
        frames = hid.Frames()
        loop = asyncio.get_running_loop()
        for piece in [*frames.feed(data), *frames.quiet()]:
            if piece.kind != "report":
                raise DeviceMisconfigured(
                    f"{self.description} takes HID reports; this driver is for another address"
                )
            try:
                await loop.run_in_executor(None, self._node.put, piece.data)
            except OSError as error:
                raise self._refused(piece.data, error) from error

    def _refused(self, report: bytes, error: OSError) -> DeviceError:
        if error.errno in _GONE:
            return StreamLost(f"{self.description} went away: {error.strerror}")
        return DeviceMisconfigured(
            f"{self.description} does not take report {report[0]}: {error.strerror}; is the"
            " profile that of another device?"
        )

    async def close(self) -> None:
        """Give the node back."""
        await self._reports.close()


def _explained(path: str, error: OSError) -> DeviceError:
    if error.errno in _GONE:
        return StreamLost(f"{path} is not there")
    if error.errno in _TAKEN:
        return DeviceBusy(f"another program has {path} open; it must let go first")
    if error.errno in DENIED:
        return DeviceDenied(
            f"no permission for {path}: add a udev rule that gives this device to the daemon's"
            " group"
        )
    if error.errno in {errno.ENOTTY, errno.EISDIR, errno.EINVAL}:
        return DeviceMisconfigured(f"{path} is no hidraw node: {error.strerror}")
    return StreamLost(f"{path}: {error.strerror}")
