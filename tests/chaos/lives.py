"""Daemons that come back in no time: most of their lives are forks of a warm process.

Now and then one is started as it is on a machine, interpreter, imports and all.
"""

import asyncio
import contextlib
import os
import signal
from collections import Counter
from pathlib import Path
from typing import BinaryIO, Self

from scanpost.demo.processes import Life, Process
from tests.warm.process import WarmProcess

COLD = 20
"""Each so many-th start is a cold one, and the first is."""


class Lives:
    """The warm processes, and the daemons that are made of them. Use as a context."""

    def __init__(self) -> None:
        self.cold: Counter[str] = Counter()
        """How often each daemon was started cold."""
        self._warm: dict[str, WarmProcess] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for warm in self._warm.values():
            warm.close()

    def process(self, name: str, command: list[str], port: int, log: Path) -> Process:
        """Return what stands for `Process` of a daemon, `command` being ``python -m NAME ...``."""
        if name not in self._warm:
            environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
            environment.pop("NOTIFY_SOCKET", None)
            self._warm[name] = WarmProcess("tests.chaos.forked", name, env=environment)
        return _Daemon(self._warm[name], self.cold, name, command, port, log)


class _Daemon(Process):
    def __init__(
        self,
        warm: WarmProcess,
        cold: Counter[str],
        name: str,
        command: list[str],
        port: int,
        log: Path,
    ) -> None:
        super().__init__(name, command, port, log)
        self._warm = warm
        self._cold = cold
        self._starts = 0

    async def _begin(self, log: BinaryIO) -> Life:
        self._starts += 1
        if self._starts % COLD == 1:
            self._cold[self.name] += 1
            return await super()._begin(log)
        _, _, daemon, *arguments = self._command
        words = {"daemon": daemon, "arguments": arguments}
        return _Fork(self._warm, self._warm.fork(words, log.fileno()))


class _Fork:
    """The life of one fork."""

    def __init__(self, warm: WarmProcess, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._warm = warm
        self._over = asyncio.Event()
        # Nobody else has this number before the warm process has waited for it.
        self._watch = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self._watch, self._ended)

    def _ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._watch)
        os.close(self._watch)
        self.returncode = self._warm.wait(self.pid)
        self._over.set()

    def send_signal(self, number: int, /) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.Signals(number))

    async def wait(self) -> int:
        await self._over.wait()
        assert self.returncode is not None
        return self.returncode
