"""Kills one process again and again, at any moment of its life, and lets it come back."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NoReturn

from scanpost.demo.processes import NotUp, Process
from tests.chaos.walltime import WallClock

_EARLY = 0.25
"""Share of the lives that end before anybody knows whether the process is up."""
_STARTING = 0.05  # mean seconds of those: a start that is a fork takes about as long
_STORMY = {"gateway": 0.07, "bridge": 0.07, "broker": 0.12}
"""Mean seconds a process lives in a storm after it has come up: hardly anything gets through."""
_CALM = 0.7  # mean seconds in between: connections are made, and rows under way when a kill strikes
_STORM_LASTS = (1.5, 4.0)  # seconds, from and to
_CALM_LASTS = (1.0, 2.5)
_DEAD = (0.0, 0.0, 0.0, 0.0, 0.0, 0.15)  # seconds until it is started again


class EndedByItself(Exception):
    """A process was not there any more when it was to be killed."""


class Weather:
    """Storms and calms, for all killers the same. `run` it as a task."""

    def __init__(self, seed: int) -> None:
        self.storm = True
        self.storms = 0
        """How many there were."""
        self._dice = random.Random(f"{seed}/weather")

    async def run(self) -> NoReturn:
        """Change until cancelled."""
        while True:
            self.storm = True
            self.storms += 1
            await asyncio.sleep(self._dice.uniform(*_STORM_LASTS))
            self.storm = False
            await asyncio.sleep(self._dice.uniform(*_CALM_LASTS))


class Killer:
    """Kills one part. How long each life lasts is drawn by the seed."""

    def __init__(
        self,
        part: Process,
        weather: Weather,
        known: Callable[[], bool],
        clock: WallClock,
        seed: int,
    ) -> None:
        """Prepare.

        Args:
            part: the process, running.
            weather: says how long it lives.
            known: whether everybody has noticed that it is gone; before, it does not come back.
            clock: tidied up after each.
            seed: of the dice.
        """
        self._part = part
        self._weather = weather
        self._known = known
        self._clock = clock
        self._dice = random.Random(f"{seed}/{part.name}")

    async def kill(self, turns: Iterator[int], done: Counter[str]) -> None:
        """End it as often as it gets a turn, counting in `done`; it runs again then.

        Args:
            turns: shared with the killers of other parts: who starts slowly has fewer lives.
            done: by name of the part.

        Raises:
            EndedByItself: it did.
            scanpost.demo.processes.NotUp: it does not come up any more.
        """
        for _ in turns:
            if self._dice.random() < _EARLY:
                await self._in_its_start()
            else:
                await self._part.start()
                await asyncio.sleep(self._life())
                await self._kill()
            done[self._part.name] += 1
            while not self._known():
                await asyncio.sleep(0.001)
            await asyncio.sleep(self._dice.choice(_DEAD))
        await self._part.start()

    async def _in_its_start(self) -> None:
        starting = asyncio.create_task(self._part.start())
        while self._part.pid is None and not starting.done():
            await asyncio.sleep(0.001)
        await asyncio.wait([starting], timeout=self._dice.expovariate(1 / _STARTING))
        if starting.done():
            await starting  # it is up, or it has ended by itself
        await self._kill()
        with contextlib.suppress(NotUp):
            await starting

    def _life(self) -> float:
        mean = _STORMY[self._part.name] if self._weather.storm else _CALM
        return self._dice.expovariate(1 / mean)

    async def _kill(self) -> None:
        pid = self._part.pid
        if pid is None:
            raise EndedByItself(f"{self._part.name}:\n{self._part.log_tail()}")
        await self._part.kill()
        self._clock.tidy_up_after(pid)
