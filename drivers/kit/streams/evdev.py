"""Keyboards and keyboard scanners: ``evdev:///dev/input/by-path/...-event-kbd``.

Every event node of the same physical device is grabbed, so that a scan reaches no console or
desktop; what is read are the raw `struct input_event`s of the node that was named. Option: `grab`.
"""

import errno
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
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
    from evdev import InputDevice

INPUT_CLASS = Path("/sys/class/input")

EV_KEY, EV_LED, LED_CAPSLOCK = 0x01, 0x11, 0x01
_TYPING = {2, 28, 30}
"""KEY_1, KEY_ENTER and KEY_A: what a node that types has, and media keys have not."""

_MISSING = (
    "keyboard scanners need python-evdev, which is built from source: either `apt install"
    " python3-evdev` and a venv made with --system-site-packages, or gcc, linux-libc-dev and"
    " python3-dev and then `pip install 'scanpost[evdev]'`"
)


def parts(url: SplitResult) -> tuple[str, bool]:
    """Return the path of `url`, and whether the keyboard is to be grabbed."""
    return address.path(url), address.options(url, {"grab": address.switch}).get("grab", True)


async def open_url(url: SplitResult) -> Stream:
    """Open and grab the keyboard of `url`."""
    path, grab = parts(url)
    try:
        devices = await opened(partial(_open, path, grab=grab), _shut)
    except ImportError as error:
        raise DeviceMisconfigured(_MISSING) from error
    # python-evdev raises SystemError when a device vanishes while it is asked what it is.
    except SystemError as error:
        raise StreamLost(f"{path} went away while it was opened") from error
    except OSError as error:
        raise _explained(path, error) from error
    return Descriptor(devices[0].fd, path, partial(_shut, devices))


def _open(path: str, *, grab: bool) -> "list[InputDevice[Any]]":
    from evdev import InputDevice  # noqa: PLC0415 - not everyone has it

    devices = [InputDevice(path)]
    try:
        if not set(devices[0].capabilities().get(EV_KEY, ())) >= _TYPING:
            raise DeviceMisconfigured(
                f"{path} types nothing: take the link that ends in -event-kbd"
            )
        if grab:
            devices += [InputDevice(node) for node in _siblings(path)]
            for device in devices:
                device.grab()
        # Some scanners look at this light and turn upper and lower case round.
        if LED_CAPSLOCK in devices[0].capabilities().get(EV_LED, ()):
            devices[0].set_led(LED_CAPSLOCK, 0)
    except (OSError, SystemError, DeviceMisconfigured):
        _shut(devices)
        raise
    return devices


def _siblings(path: str) -> list[str]:
    """Return the other event nodes of the device at `path`: its media and system keys."""
    own = Path(path).resolve().name
    place = _place(own)
    if not place:
        return []
    nodes = (node.name for node in INPUT_CLASS.glob("event*"))
    return [f"/dev/input/{node}" for node in sorted(nodes) if node != own and _place(node) == place]


def _place(node: str) -> str:
    """Return the socket an event node is plugged into, ``usb-3f980000.usb-1.2``; empty if none."""
    with suppress(OSError):
        return (INPUT_CLASS / node / "device" / "phys").read_text().strip().rpartition("/input")[0]
    return ""


def _shut(devices: "Iterable[InputDevice[Any]]") -> None:
    for device in devices:
        # Closing lets go of the grab too.
        with suppress(OSError):
            device.close()


def _explained(path: str, error: OSError) -> DeviceError:
    if error.errno == errno.EBUSY:
        return DeviceBusy(f"another program has grabbed {path}; it must let go first")
    if error.errno in DENIED:
        return DeviceDenied(
            f"no permission for {path}: add a udev rule that gives this scanner to the daemon's"
            " group (the group `input` has every keyboard)"
        )
    if error.errno in {errno.ENOTTY, errno.EINVAL, errno.EISDIR}:
        return DeviceMisconfigured(f"{path} is no event node: {error.strerror}")
    return StreamLost(f"{path} is not there")
