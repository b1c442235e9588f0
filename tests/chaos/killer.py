"""Kills one process again and again, at any moment of its life, and lets it come back."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NoReturn

from scanpost.demo.processes import NotUp, Process
from tests.chaos.pressure import Pressure
from tests.chaos.walltime import WallClock

_EARLY = 0.25
"""Share of the lives that end before anybody knows whether the process is up."""
_STARTING = 0.05  # mean seconds of those: a start that is a fork takes about as long
_STORMY = {"gateway": 0.07, "bridge": 0.07, "broker": 0.12}
"""Mean seconds a process lives in a storm after it has come up: hardly anything gets through."""
_CALM = 0.7  # mean seconds in between: connections are made, and rows under way when a kill strikes
_STORM_LASTS = (1.5, 4.0)  # seconds, from and to
_CALM_LASTS = (1.0, 2.5)
_KNOWN_WITHIN = 60.0  # seconds; a line that is silent is given up after 20
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
        pressure: Pressure,
        seed: int,
    ) -> None:
        """Prepare.

        Args:
            part: the process, running.
            weather: says how long it lives.
            known: whether everybody has noticed that it is gone; before, it does not come back.
            clock: tidied up after each.
            pressure: knows who may have ended by itself.
            seed: of the dice.
        """
        self._part = part
        self._weather = weather
        self._known = known
        self._clock = clock
        self._pressure = pressure
        self._pid = 0
        """Of its last life."""
        self._dice = random.Random(f"{seed}/{part.name}")

    async def kill(self, turns: Iterator[int], done: Counter[str]) -> None:
        """End it as often as it gets a turn, counting in `done`; it runs again then.

        Args:
            turns: shared with the killers of other parts: who starts slowly has fewer lives.
            done: by name of the part.

        Raises:
            EndedByItself: it did.
            TimeoutError: nobody notices that it is gone.
            scanpost.demo.processes.NotUp: it does not come up any more.
        """
        for _ in turns:
            while not await self._live_and_die():
                pass
            done[self._part.name] += 1
            async with asyncio.timeout(_KNOWN_WITHIN):
                while not self._known():
                    await asyncio.sleep(0.001)
            await asyncio.sleep(self._dice.choice(_DEAD))
        await self._start()

    async def _live_and_die(self) -> bool:
        """Start it and end it; False if it ended by itself, and had a reason."""
        if self._dice.random() < _EARLY:
            return await self._die_in_its_start()
        await self._start()
        await asyncio.sleep(self._life())
        return await self._kill()

    async def _start(self) -> None:
        while True:
            starting = await self._begun()
            try:
                await starting
            except NotUp:
                if not self._pressure.felt_by(self._pid):
                    raise
            else:
                return

    async def _begun(self) -> asyncio.Task[None]:
        """Return its start when there is a process, or when it is over."""
        starting = asyncio.create_task(self._part.start())
        while self._part.pid is None and not starting.done():
            await asyncio.sleep(0.001)
        self._pid = self._part.pid or self._pid
        return starting

    async def _die_in_its_start(self) -> bool:
        starting = await self._begun()
        await asyncio.wait([starting], timeout=self._dice.expovariate(1 / _STARTING))
        if starting.done() and not self._pressure.felt_by(self._pid):
            await starting  # it is up, or it has ended by itself
        killed = await self._kill()
        with contextlib.suppress(NotUp):
            await starting
        return killed

    def _life(self) -> float:
        mean = _STORMY[self._part.name] if self._weather.storm else _CALM
        return self._dice.expovariate(1 / mean)

    async def _kill(self) -> bool:
        alive = self._part.pid is not None
        if not alive and not self._pressure.felt_by(self._pid):
            raise EndedByItself(f"{self._part.name}:\n{self._part.log_tail()}")
        await self._part.kill()
        self._clock.tidy_up_after(self._pid)
        return alive
