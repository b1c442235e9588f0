"""A gateway that starts in no time: everything is imported once, and each run is a fork of that.

What runs is the daemon's own `main`, in a process of its own, with the shim set as asked.
"""

import json
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from tests.power import shim

_ANSWER_WITHIN = 60.0  # seconds for the imports on a very busy machine


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to go wrong in one run, counted from its start."""

    store: Path
    """The folder whose I/O calls count."""
    tape: Path | None = None
    fail: int = 0
    """Number of the I/O call on the store that fails; 0 for none."""
    error: int = 0
    """Its errno; 0 cuts a write short."""
    lasts: Path | None = None
    """Later calls fail too as long as this file is there."""
    only: shim.Only = "any"
    """Which of them."""
    kill: int = 0
    """Die before this call of those that change anything outside the process; 0 for never."""
    lie: bool = False
    """Whether fsync lies."""
    careless: bool = False
    """Whether it says OK first and stores then: the fault that a test must find."""


class Warm:
    """The warm process. Use as a context."""

    def __init__(self) -> None:
        self._here, there = socket.socketpair()
        self._here.settimeout(_ANSWER_WITHIN)
        with there:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.power.forked", str(there.fileno())],
                pass_fds=[there.fileno()],
                env=shim.preloaded(),
                cwd=shim.ROOT,
                stdin=subprocess.DEVNULL,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it. The gateways it started end with their desks."""
        self._here.close()
        self._process.kill()
        self._process.wait()

    def start(self, config: Path, plan: Plan, told: int) -> int:
        """Start a gateway whose log goes to the descriptor `told`; return its pid."""
        request = json.dumps({"config": str(config), **asdict(plan)}, default=str).encode()
        socket.send_fds(self._here, [request], [told])
        return self._answer()

    def wait(self, pid: int) -> int:
        """Return how `pid`, which was told to end or ended by itself, came to its end.

        Returns:
            The exit code, or minus the signal.
        """
        self._here.send(json.dumps({"wait": pid}).encode())
        return self._answer()

    def _answer(self) -> int:
        answer = self._here.recv(64)
        if not answer:
            raise RuntimeError("the warm process has ended")
        return int(answer)
