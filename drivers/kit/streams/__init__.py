"""Where bytes come from and go to: one module per URL scheme, imported when first asked for.

A device is addressed by a URL, so a simulator, a terminal server and a recording are addresses too.
"""

import importlib
from collections.abc import Awaitable, Callable
from typing import Protocol, Self, cast
from urllib.parse import SplitResult, urlsplit

from drivers.kit.errors import DeviceMisconfigured

SCHEMES = {
    "serial": "drivers.kit.streams.serial",
    "usb": "drivers.kit.streams.usb",
    "tcp": "drivers.kit.streams.tcp",
    "evdev": "drivers.kit.streams.evdev",
    "hidraw": "drivers.kit.streams.hidraw",
    "replay": "drivers.kit.streams.replay",
}
"""URL scheme to the module that opens it."""


class Stream(Protocol):
    """One open connection to one device.

    Cancelling `read` loses no byte: what has arrived is there for the next one.
    """

    description: str
    """What a person would call it, for messages: ``/dev/ttyUSB0``."""

    async def read(self) -> bytes:
        """Wait for bytes and return them: at least 1, at most 65536.

        Raises:
            StreamLost: the far end is gone.
        """
        ...

    async def write(self, data: bytes) -> None:
        """Hand all of `data` to the kernel.

        Raises:
            StreamLost: the far end is gone.
        """
        ...

    async def close(self) -> None:
        """Give the device back. Twice is once."""
        ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class _Opener(Protocol):
    parts: Callable[[SplitResult], object]
    open_url: Callable[[SplitResult], Awaitable[Stream]]


def check(url: str) -> None:
    """Look whether `url` is an address that could be opened, without a look at any device.

    Raises:
        DeviceMisconfigured: the address or an option is wrong.
    """
    opener, address = _opener(url)
    opener.parts(address)


async def open_stream(url: str) -> Stream:
    """Open the device at `url`, such as ``serial:///dev/ttyUSB0?baudrate=9600``.

    Use it as ``async with await open_stream(url) as stream``.

    Raises:
        StreamLost: it is not there now, or another program has it; try again later.
        DeviceMisconfigured: the address, an option or a permission is wrong.
    """
    opener, address = _opener(url)
    return await opener.open_url(address)


def _opener(url: str) -> tuple[_Opener, SplitResult]:
    try:
        # A '#' may be part of a udev name, so there are no fragments.
        address = urlsplit(url, allow_fragments=False)
    except ValueError as error:
        raise DeviceMisconfigured(f"{url!r} is no address: {error}") from error
    if address.scheme not in SCHEMES:
        raise DeviceMisconfigured(
            f"{url!r} starts with none of {', '.join(f'{scheme}://' for scheme in SCHEMES)}"
        )
    return cast("_Opener", importlib.import_module(SCHEMES[address.scheme])), address
