"""Memory that runs short: for a moment a process gets hardly any more than it has.

What it asks for beyond that fails, in Python, in SQLite and in every library: it may end of that,
and systemd would start it again.

Source: getrlimit(2), RLIMIT_DATA: private writable memory, since Linux 4.7.
"""

import asyncio
import contextlib
import random
import resource
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from scanpost.demo.processes import Process

_LEFT = (0, 0, 100_000, 1_000_000)  # bytes it may still take; Python takes a million at a time
_APART = (0.2, 2.0)  # seconds from one to the next
_LASTS = (0.05, 1.0)  # seconds


class Pressure:
    """Takes memory from some processes, one at a time. `run` it as a task."""

    def __init__(self, parts: Sequence[Process], seed: int, faults: Counter[str]) -> None:
        """Prepare.

        Args:
            parts: to take it from.
            seed: of the dice.
            faults: to count in.
        """
        self._parts = parts
        self._dice = random.Random(f"{seed}/memory")
        self._faults = faults
        self._felt: set[int] = set()

    def felt_by(self, pid: int) -> bool:
        """Return whether a process was ever short of memory, and so may end by itself."""
        return pid in self._felt

    async def run(self) -> NoReturn:
        """Press until cancelled."""
        while True:
            await asyncio.sleep(self._dice.uniform(*_APART))
            part = self._dice.choice(self._parts)
            left, seconds = self._dice.choice(_LEFT), self._dice.uniform(*_LASTS)
            if (pid := part.pid) is None:
                continue
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):  # it was killed
                _, most = resource.prlimit(pid, resource.RLIMIT_DATA)
                resource.prlimit(pid, resource.RLIMIT_DATA, (_taken(pid) + left, most))
                self._felt.add(pid)
                self._faults[f"{part.name} short of memory"] += 1
                try:
                    await asyncio.sleep(seconds)
                finally:
                    if part.pid == pid:  # who was killed may have left its number to somebody else
                        resource.prlimit(pid, resource.RLIMIT_DATA, (most, most))


def _taken(pid: int) -> int:
    """Return the bytes of a process that count against the limit.

    Raises:
        FileNotFoundError, ProcessLookupError: it is dead.
    """
    status = Path(f"/proc/{pid}/status").read_text("ascii", "replace")
    for line in status.splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(f"{pid} is dead, and nobody has waited for it")
