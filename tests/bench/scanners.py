"""Pseudo-terminals that stand for serial scanners, both ends held by the bench."""

import contextlib
import fcntl
import os
import struct
import termios
import tty
from pathlib import Path

from tests.bench.tally import Scan, code

_AT_ONCE = 32  # scans handed to the kernel at a time: a terminal's line holds 4 KiB


class Scanner:
    """One port. The bench keeps the far end open too, so that a restart hangs nothing up."""

    def __init__(self, index: int, folder: Path) -> None:
        self.index = index
        self.device, self._host = os.openpty()
        tty.setraw(self._host)
        os.set_blocking(self.device, False)
        self.path = folder / f"scanner-{index:02d}"
        self.path.symlink_to(os.ttyname(self._host))
        self.count = 0
        """Scans handed over so far; the next one has this number."""
        self.pending = b""
        """What the kernel has not taken yet."""

    def scan(self, count: int = 1) -> list[Scan]:
        """Send scans, as far as the kernel takes them now; `push` sends the rest."""
        numbers = range(self.count, self.count + count)
        self.count += count
        self.pending += b"".join(code(self.index, number) + b"\r\n" for number in numbers)
        self.push()
        return [(self.index, number) for number in numbers]

    def push(self) -> None:
        """Send what the kernel takes of what is pending."""
        if self.pending:
            with contextlib.suppress(BlockingIOError):
                self.pending = self.pending[os.write(self.device, self.pending[:4096]) :]

    def flood(self, most: int) -> list[Scan]:
        """Send up to `most` scans, but nothing while earlier ones are still pending."""
        self.push()
        return [] if self.pending else self.scan(min(most, _AT_ONCE))

    @property
    def unread(self) -> int:
        """Bytes that wait in the kernel for the contender."""
        found: int = struct.unpack("i", fcntl.ioctl(self._host, termios.FIONREAD, bytes(4)))[0]
        return found

    def close(self) -> None:
        """Give the port back."""
        os.close(self.device)
        os.close(self._host)
