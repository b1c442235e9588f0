"""The stopwatch of the tests: it counts waiting, and nothing else."""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scanpost.demo.processes import free_port
from tests.stopwatch import Stopwatch

CEILING = 60.0


@contextmanager
def running(*command: str) -> Iterator[int]:
    with subprocess.Popen(command) as process:
        try:
            yield process.pid
        finally:
            process.kill()


def _ticks(pid: int) -> int:
    """Return the processor time of a process, in ticks of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


async def test_waiting_is_counted() -> None:
    with running("sleep", "600") as pid, Stopwatch(pid) as other, Stopwatch() as own:
        async with asyncio.timeout(CEILING):
            while other.waited < 0.3:
                await asyncio.sleep(0.05)
    assert own.waited > 0.1


async def test_work_is_not_counted_however_long_it_takes() -> None:
    with running("sh", "-c", "while :; do :; done") as pid, Stopwatch(pid) as stopwatch:
        async with asyncio.timeout(CEILING):
            while _ticks(pid) < 50:
                await asyncio.sleep(0.05)
    assert stopwatch.waited < 0.1


def test_a_process_that_has_ended_waits_no_more() -> None:
    with running("true") as pid:
        pass
    with Stopwatch(pid) as stopwatch:
        pass
    assert stopwatch.waited == 0


def test_no_port_is_chosen_that_the_kernel_may_give_to_somebody_else() -> None:
    given = Path("/proc/sys/net/ipv4/ip_local_port_range")
    if not given.exists():
        pytest.skip("no kernel that says which ports it gives")
    lowest = int(given.read_text().split()[0])
    ports = [free_port() for _ in range(20)]
    assert len(set(ports)) == 20
    assert max(ports) < lowest
