"""Serial ports: ``serial:///dev/ttyUSB0?baudrate=9600&bytesize=7&parity=E&stopbits=1``.

Options, all of them optional: `baudrate` (9600), `bytesize` (7 or 8), `parity` (N, E, O, M, S),
`stopbits` (1, 1.5 or 2), `rtscts`, `xonxoff`, `dsrdtr` (flow control, off), `dtr` and `rts` (the
level to set after opening; some scales reset when they rise).

The port is taken exclusively, by `flock` and by TIOCEXCL.
"""

import errno
import fcntl
import os
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult

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

if TYPE_CHECKING:
    from serial import Serial

_OPTIONS: dict[str, Callable[[str], Any]] = {
    "baudrate": int,
    "bytesize": {"7": 7, "8": 8}.__getitem__,
    "parity": address.one_of("N", "E", "O", "M", "S"),
    "stopbits": {"1": 1, "1.5": 1.5, "2": 2}.__getitem__,
    "rtscts": address.switch,
    "xonxoff": address.switch,
    "dsrdtr": address.switch,
    "dtr": address.switch,
    "rts": address.switch,
}
_TAKEN = {errno.EAGAIN, errno.EBUSY}
_GONE = {errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO}


def parts(url: SplitResult) -> tuple[str, dict[str, Any]]:
    """Return path and settings of `url`."""
    return address.path(url), address.options(url, _OPTIONS)


async def open_url(url: SplitResult) -> Stream:
    """Open the port of `url`."""
    path, settings = parts(url)
    try:
        port, seven_bits = await opened(partial(_open, path, settings), lambda it: _shut(it[0]))
    except (OSError, ValueError, OverflowError, termios.error) as error:
        raise _explained(path, error) from error
    fd = port.fileno()
    return Descriptor(
        fd, path, partial(_shut, port), seven_bits=seven_bits, unsent=partial(_unsent, fd)
    )


def _open(path: str, settings: dict[str, Any]) -> "tuple[Serial, bool]":
    """Return the open port, and whether the seven bits asked for come with parity in the eighth."""
    import serial  # noqa: PLC0415 - who only checks an address needs none of it

    lines = {name: settings[name] for name in ("dtr", "rts") if name in settings}
    line = {name: value for name, value in settings.items() if name not in lines}
    port = serial.Serial(timeout=0, exclusive=True, **line)
    port.port = path
    for name, level in lines.items():
        setattr(port, name, level)
    try:
        port.open()
    except termios.error:
        if port.bytesize == 8:
            raise
        # Some ports refuse 7 bits: parity then arrives in bit 7 of 8.
        port.bytesize, port.parity = 8, serial.PARITY_NONE
        port.open()
    try:
        bits = _settle(port.fileno())
    except (OSError, termios.error):
        port.close()
        raise
    return port, settings.get("bytesize") == 7 and bits == 8


def _settle(fd: int) -> int:
    """Make reading and owning right, and return the data bits the port really has."""
    # pyserial leaves VMIN at 0: then no bytes and a hang-up look the same.
    attributes = termios.tcgetattr(fd)
    attributes[6][termios.VMIN] = 1
    termios.tcsetattr(fd, termios.TCSANOW, attributes)
    # On a pseudo-terminal this mark would outlive a killed process; there `flock` must do.
    if not os.ttyname(fd).startswith("/dev/pts/"):
        fcntl.ioctl(fd, termios.TIOCEXCL)
    # A pseudo-terminal takes 7 bits without having them.
    return 7 if termios.tcgetattr(fd)[2] & termios.CSIZE == termios.CS7 else 8


def _unsent(fd: int) -> int:
    """Return how many bytes are still to go out."""
    return int.from_bytes(fcntl.ioctl(fd, termios.TIOCOUTQ, bytes(4)), sys.byteorder)


def _shut(port: "Serial") -> None:
    with suppress(OSError, termios.error):
        if _unsent(port.fileno()):
            # Closing waits up to 30 s for output that a held flow control will never let out.
            termios.tcflush(port.fileno(), termios.TCOFLUSH)
    with suppress(OSError):
        port.close()


def _explained(path: str, error: Exception) -> DeviceError:
    number = error.errno if isinstance(error, OSError) else None
    if number in _GONE:
        return StreamLost(f"{path} is not there")
    if number in _TAKEN:
        return DeviceBusy(f"another program has {path} open; it must let go first")
    if number in DENIED:
        return DeviceDenied(
            f"no permission for {path}: add the user to the group that owns it (dialout), or a udev"
            " rule that gives it to the daemon's group"
        )
    if number is None or number in {errno.ENOTTY, errno.EISDIR, errno.EINVAL}:
        return DeviceMisconfigured(f"{path} does not take these settings: {error}")
    return StreamLost(f"{path}: {error}")
