"""A process that has imported everything, and of which each run is a fork: it starts in no time.

What runs is the real thing, in a process of its own with a pid of its own, and it dies for real.
"""

import json
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

_ROOT = Path(__file__).resolve().parents[2]
_ANSWER_WITHIN = 60.0  # seconds for the imports on a very busy machine


class WarmProcess:
    """The warm process. Use as a context."""

    def __init__(self, *command: str, env: Mapping[str, str]) -> None:
        """Start it.

        Args:
            command: the module that calls `tests.warm.nursery.serve`, and its arguments; the
                descriptor to serve follows them.
            env: its environment, and that of its forks.
        """
        self._here, there = socket.socketpair()
        self._here.settimeout(_ANSWER_WITHIN)
        with there:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *command, str(there.fileno())],
                pass_fds=[there.fileno()],
                env=env,
                cwd=_ROOT,
                stdin=subprocess.DEVNULL,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Its own number."""
        return self._process.pid

    def close(self) -> None:
        """End it. Whoever asked for a fork ends that."""
        self._here.close()
        self._process.kill()
        self._process.wait()

    def fork(self, words: Mapping[str, Any], told: int) -> int:
        """Fork, to live as `words` say and to write to the descriptor `told`; return the pid.

        Raises:
            RuntimeError: the warm process has ended.
            TimeoutError: it does not answer.
        """
        request = json.dumps(words, default=str).encode()
        socket.send_fds(self._here, [request], [told])
        return self._answer()

    def wait(self, pid: int) -> int:
        """Return how fork `pid`, which was told to end or ended by itself, came to its end.

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
