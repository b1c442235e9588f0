"""What time it is, and how far to believe it.

A Raspberry Pi has no battery clock: wall time may be years off until NTP has set it. Everything
that waits or measures uses `monotonic`; wall time is only written down.
"""

import ctypes
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIME_ERROR = 5  # adjtimex(2): the return value of a clock that is not synchronised
_ASK_EVERY = 0.5  # seconds: a scan asks more than once, and the answer changes once a day
_TIMEX_BYTES = 256  # struct timex is 208 bytes on 64-bit Linux, 128 on 32-bit; zeros mean "read"


class Clock:
    """The machine's clocks. Tests pass one of their own."""

    def __init__(self) -> None:
        try:
            self.boot = uuid.UUID(_BOOT_ID.read_text("ascii").strip())
            """The kernel's id of this boot."""
        except (OSError, ValueError):
            self.boot = uuid.uuid4()
        # PyDLL keeps the interpreter for itself: the kernel answers within a microsecond, and to
        # let another thread in meanwhile costs a scan more than the answer.
        libc = ctypes.PyDLL(None)
        self._adjtimex = getattr(libc, "adjtimex", None)
        self._ask_at = 0.0
        self._right = False
        self._timex = ctypes.create_string_buffer(_TIMEX_BYTES)

    def utc(self) -> datetime:
        """Return aware wall time."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds since boot, never set back."""
        return time.monotonic()

    def monotonic_us(self) -> int:
        """Return whole microseconds since boot."""
        return time.monotonic_ns() // 1000

    def synchronised(self) -> bool:
        """Return whether the kernel says NTP keeps the clock right; False where it cannot say."""
        if self._adjtimex is None:
            return False
        now = time.monotonic()
        if now >= self._ask_at:
            self._ask_at = now + _ASK_EVERY
            ctypes.memset(self._timex, 0, _TIMEX_BYTES)
            self._right = 0 <= self._adjtimex(self._timex) < _TIME_ERROR
        return self._right
