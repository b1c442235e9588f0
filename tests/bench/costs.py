"""What one process costs, as Linux counts it."""

import os
import statistics
import time
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """Return CPU seconds of all threads of `pid`, dead ones too, to the nanosecond.

    Source: clock_getcpuclockid(3); the kernel makes the clock's number from the pid.
    """
    return time.clock_gettime(~pid << 3 | 2)


def memory_mb(pid: int) -> tuple[float, float]:
    """Return (RSS, PSS) in MB; PSS counts pages shared with others only in part."""
    found = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()[1:]:
        name, kilobytes, *_ = line.split()
        found[name] = int(kilobytes) / 1000
    return found["Rss:"], found["Pss:"]


def wake_ups(pid: int) -> int:
    """Return how often the threads of `pid` that live have gone to sleep since they began."""
    found = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text("ascii").splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                found += int(line.split()[1])
    return found


def written_bytes(pid: int) -> int:
    """Return what `pid` has caused to be written to disk.

    Good for "nothing" against "something" only: a small overwrite may be booked as a megabyte.
    """
    for line in Path(f"/proc/{pid}/io").read_text("ascii").splitlines():
        if line.startswith("write_bytes:"):
            return int(line.split()[1])
    raise ValueError("no write_bytes in /proc/PID/io")


def sync_ms(folder: Path) -> float:
    """Return the median milliseconds of a small fdatasync in `folder`: how busy the disk is now."""
    path = folder / "sync-probe"
    took = []
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        for _ in range(15):
            os.write(descriptor, b"x" * 100)
            began = time.perf_counter()
            os.fdatasync(descriptor)
            took.append(time.perf_counter() - began)
    finally:
        os.close(descriptor)
        path.unlink()
    return statistics.median(took) * 1000
