"""A stack light on GPIO lines, through the kernel's GPIO character device.

Source: the kernel's `include/uapi/linux/gpio.h`, version 2 of the interface, Linux 5.10 and newer.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import struct
from collections.abc import Callable, Mapping
from typing import Literal

from gateway.signals import Told
from runtime.logs import event

log = logging.getLogger(__name__)

Lamp = Literal["green", "amber", "red"]
Ioctl = Callable[[int, int, bytearray], int]

_GET_LINE = 0xC250B407
_SET_VALUES = 0xC010B40F
_OUTPUT = 1 << 3
_ACTIVE_LOW = 1 << 1
# offsets[64], consumer[32], flags, number of attributes, 5 and 60 words of attributes that are not
# used, number of lines, size of an event buffer, 5 words of padding, the descriptor of the lines.
_REQUEST = struct.Struct("=64I32sQI20x240xII20xi")
_VALUES = struct.Struct("=QQ")
_GREEN = 0.6  # seconds the green lamp answers an OK
_LAMPS: dict[str, Lamp] = {"not_ok": "red", "attention": "amber"}


class StackLight:
    """Green for a moment at an OK; amber or red for as long as something is to be resolved."""

    def __init__(
        self,
        chip: str,
        lines: Mapping[Lamp, int],
        *,
        active_low: bool = False,
        ioctl: Ioctl = fcntl.ioctl,
    ) -> None:
        """Take where the lamps are.

        Args:
            chip: such as ``/dev/gpiochip0``.
            lines: the line of each lamp there is.
            active_low: whether a lamp burns while its line is low, as with many relay boards.
            ioctl: the system call.
        """
        self._chip = chip
        self._lamps = tuple(lines)
        self._offsets = tuple(lines.values())
        self._flags = _OUTPUT | (_ACTIVE_LOW if active_low else 0)
        self._ioctl = ioctl
        self._lines: int | None = None
        self._out: asyncio.TimerHandle | None = None
        self._latched: dict[str, Lamp] = {}

    def __enter__(self) -> "StackLight":
        """Take the lines. Without them it goes on in the dark, and says so once."""
        try:
            chip = os.open(self._chip, os.O_RDWR | os.O_CLOEXEC)
            try:
                self._lines = self._request(chip)
            finally:
                os.close(chip)
        except OSError as error:
            event(log, logging.WARNING, "no stack light", chip=self._chip, why=error.strerror)
        return self

    def __exit__(self, *_: object) -> None:
        """Put the lamps out, and let go of the lines."""
        if self._out is not None:
            self._out.cancel()
        self._show(None)
        if self._lines is not None:
            with contextlib.suppress(OSError):
                os.close(self._lines)
            self._lines = None

    def _request(self, chip: int) -> int:
        wanted = (*self._offsets, *(0,) * (64 - len(self._offsets)))
        asked = bytearray(
            _REQUEST.pack(*wanted, b"scanpost", self._flags, 0, len(self._offsets), 0, 0)
        )
        self._ioctl(chip, _GET_LINE, asked)
        descriptor: int = _REQUEST.unpack(asked)[-1]
        return descriptor

    def tell(self, told: Told) -> None:
        """Show this signal. It returns at once: a line is set in microseconds."""
        kind = told.signal.kind
        if kind == "ignored":
            return
        if kind == "ok":
            self._latched.pop(told.station, None)
        else:
            self._latched[told.station] = _LAMPS[kind]
        if self._out is not None:
            self._out.cancel()
            self._out = None
        if self._stays is None and kind == "ok":
            self._out = asyncio.get_running_loop().call_later(_GREEN, self._show, None)
            self._show("green")
        else:
            self._show(self._stays)

    @property
    def _stays(self) -> Lamp | None:
        """The lamp that burns until something is resolved; the worst of all stations."""
        lamps = set(self._latched.values())
        return "red" if "red" in lamps else "amber" if lamps else None

    def _show(self, lamp: Lamp | None) -> None:
        if self._lines is None:
            return
        bits = 1 << self._lamps.index(lamp) if lamp in self._lamps else 0
        values = bytearray(_VALUES.pack(bits, (1 << len(self._lamps)) - 1))
        try:
            self._ioctl(self._lines, _SET_VALUES, values)
        except OSError as error:
            event(log, logging.WARNING, "stack light gone", why=error.strerror)
            with contextlib.suppress(OSError):
                os.close(self._lines)
            self._lines = None
