"""Ready, watchdog and stopping: the sd_notify protocol; a no-op where systemd does not ask.

Source: sd_notify(3), sd_watchdog_enabled(3).
"""

import asyncio
import os
import socket
from collections.abc import Callable


def _notify(text: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.sendto(text.encode(), address)


def notify_ready(status: str = "") -> None:
    """Tell systemd that the daemon takes scans now."""
    _notify(f"READY=1\nSTATUS={status}")


def notify_stopping() -> None:
    """Tell systemd that the daemon ends on purpose."""
    _notify("STOPPING=1")


def watchdog_interval() -> float | None:
    """Return seconds between two signs of life, half of what systemd allows; None if unasked."""
    usec = os.environ.get("WATCHDOG_USEC", "")
    pid = os.environ.get("WATCHDOG_PID", "")
    if not usec.isdigit() or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 1_000_000 / 2


async def watchdog(healthy: Callable[[], bool]) -> None:
    """Give signs of life for as long as `healthy()`; return at once where systemd wants none."""
    interval = watchdog_interval()
    if interval is None:
        return
    while True:
        if healthy():
            _notify("WATCHDOG=1")
        await asyncio.sleep(interval)
