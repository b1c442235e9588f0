"""A wall clock that jumps by hours and decades under real processes, by libfaketime.

Only the wall clock: the monotonic one goes on, as the kernel's does. Where libfaketime is not
installed nothing jumps, and the caller says so.

Source: faketime(1), FAKETIME_TIMESTAMP_FILE, FAKETIME_DONT_FAKE_MONOTONIC, FAKETIME_NO_CACHE.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_PLACES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")
_SHARED = Path("/dev/shm")
_LEFT = "*faketime_s*_[0-9]*"  # memory and semaphore of each process, by its number
_LEFT_BY = ("faketime_shm_{}", "sem.faketime_sem_{}")
HOUR = 3600
YEAR = 365 * 24 * HOUR


def library() -> Path | None:
    """Return where libfaketime is, None if it is not installed."""
    for place in _PLACES:
        found = sorted(Path("/").glob(place.lstrip("/")))
        if found:
            return found[0]
    return None


class WallClock:
    """The clock of every process that is started inside `under`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._write(0)

    def _write(self, seconds: int) -> None:
        # Replaced, not written over: a process may read it at any time.
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n")
        fresh.replace(self._file)

    def step(self, seconds: int) -> None:
        """Let the clock be `seconds` off, from now on."""
        self._write(seconds)

    def tidy_up_after(self, pid: int) -> None:
        """Take away what a process that is dead has left in the memory of the machine."""
        for name in _LEFT_BY:
            (_SHARED / name.format(pid)).unlink(missing_ok=True)

    @contextlib.contextmanager
    def under(self) -> Iterator[bool]:
        """Give this clock to processes started inside; yield whether that works."""
        found = library()
        if found is None:
            yield False
            return
        wanted = {
            "LD_PRELOAD": str(found),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",  # most lives are too short to see a step a second later
            # What it does otherwise to waits by the monotonic clock ends them at once: two threads
            # that wait for Python's lock then keep a core busy each.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        }
        before = {name: os.environ.get(name) for name in wanted}
        there = set(_SHARED.glob(_LEFT))
        os.environ.update(wanted)
        try:
            yield True
        finally:
            for file in set(_SHARED.glob(_LEFT)) - there:
                # Who is killed cannot tidy up; those of the living are theirs.
                if not Path(f"/proc/{file.name.rpartition('_')[2]}").exists():
                    file.unlink(missing_ok=True)
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
