"""Random deaths and worse: killers for each daemon, freezes, a bad line, clocks, clumsy hands.

Two operators work meanwhile, and write down what they are told. A seed replays what is done when;
what the machine makes of it differs from run to run, so a failing run keeps its folder for a look.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from unittest.mock import patch

from scanpost.demo.audit import Books, Report, audit, drained, read_books
from scanpost.demo.processes import Process
from scanpost.demo.stack import BENCH, DOCK, Stack, running
from tests.chaos.hands import ClumsyOperator
from tests.chaos.killer import Killer, Weather
from tests.chaos.line import BadLine
from tests.chaos.lives import Lives
from tests.chaos.pressure import Pressure
from tests.chaos.screen import Screen
from tests.chaos.walltime import HOUR, YEAR, WallClock

DRAIN_WITHIN = 120.0  # seconds after the last fault, and half a one for each kill's backlog
_BEGUN_WITHIN = 120.0  # seconds for two scans
_FROZEN = {"gateway": 2.0, "bridge": 6.0, "broker": 6.0}
"""Seconds a process may be stopped at most; every second time it is half a second at most."""
_STEPS = (0, HOUR, -HOUR, 30 * HOUR, 10 * YEAR, -30 * YEAR)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a chaotic shift."""

    report: Report
    kills: Counter[str]
    faults: Counter[str]
    """Everything else that was done."""
    cold: Counter[str]
    """Starts with interpreter and imports, as on a machine; all others were forks."""
    meanwhile: int
    """How many were in the books before the last kill."""
    years: int
    """How many years the clocks of what was booked lie apart."""
    clock: bool
    """Whether the wall clock could be stepped."""
    drained: bool
    logs: str


async def chaos(folder: Path, seed: int, kills: int) -> Outcome:
    """Play a shift in which `kills` processes are ended by SIGKILL, and audit it."""
    done: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    meanwhile: list[int] = []
    clock = WallClock(folder / "faketime")
    with (
        patch("scanpost.demo.stack.NetworkCable", BadLine),
        clock.under() as stepped,
        Lives() as lives,
        patch("scanpost.demo.stack.Process", lives.process),
    ):
        async with running(folder) as stack, Screen(stack.gateway.port) as screen:
            await stack.feed.wait_open(90)
            operators = [
                ClumsyOperator(
                    DOCK, stack.dock_scanner, stack.feed, screen, stack.dock_scale, seed
                ),
                ClumsyOperator(BENCH, stack.bench_scanner, stack.feed, screen, seed=seed),
            ]
            over = asyncio.Event()
            async with asyncio.TaskGroup() as shift:
                for operator in operators:
                    shift.create_task(operator.work(over))
                await _begun(operators)
                weather = Weather(seed)
                daemons = (stack.gateway, stack.bridge)
                pressure = Pressure(daemons, seed, faults)
                others: list[asyncio.Task[NoReturn]] = [
                    shift.create_task(weather.run()),
                    shift.create_task(pressure.run()),
                    shift.create_task(_worsen(stack, seed, faults)),
                    shift.create_task(_freeze(stack, seed, faults)),
                ]
                if stepped:
                    others.append(shift.create_task(_step(clock, seed, faults)))
                async with asyncio.TaskGroup() as killers:
                    turns = _turns(kills, stack, meanwhile)
                    for part in (*daemons, stack.broker):
                        known = _heard_of(part, stack)
                        killer = Killer(part, weather, known, clock, pressure, seed)
                        killers.create_task(killer.kill(turns, done))
                for other in others:
                    other.cancel()
                for daemon in daemons:  # one that was short of memory may just be ending
                    await daemon.kill()
                    await daemon.start()
                over.set()
            faults["storm"] = weather.storms
            complete = await drained(stack, DRAIN_WITHIN + kills / 2)
            faults["cable pulled in mid-frame"] = sum(operator.torn for operator in operators)
            offers = [offer for operator in operators for offer in operator.offers]
            books = read_books(stack)
            report = audit(dict(stack.feed.saved), offers, books)
            logs = "\n".join(
                f"--- {part.name}\n{part.log_tail(60)}"
                for part in (stack.gateway, stack.bridge, stack.broker)
            )
    return Outcome(
        report,
        done,
        faults,
        lives.cold,
        sum(meanwhile),
        _apart(books),
        stepped,
        complete,
        logs,
    )


async def _begun(operators: list[ClumsyOperator]) -> None:
    """Wait until each has booked something: from then on a gateway says at each start what."""
    async with asyncio.timeout(_BEGUN_WITHIN):
        while not all(operator.recorded for operator in operators):
            await asyncio.sleep(0.05)


def _turns(kills: int, stack: Stack, booked: list[int]) -> Iterator[int]:
    """Give so many turns to kill; before the last one see how many rows are booked."""
    for number in range(kills):
        if number == kills - 1:
            booked.append(len(read_books(stack).postings))
        yield number


def _heard_of(part: Process, stack: Stack) -> Callable[[], bool]:
    """Return what says whether everybody here knows that a part is gone."""
    return lambda: part is not stack.gateway or not stack.feed.open


def _apart(books: Books) -> int:
    years = [int(json.loads(body)["clock"]["wall"][:4]) for _, _, _, body in books.entries]
    return max(years, default=0) - min(years, default=0)


async def _worsen(stack: Stack, seed: int, faults: Counter[str]) -> NoReturn:
    """Pull the network cable now and then, or let it fall silent, or slow down."""
    dice = random.Random(f"{seed}/cable")
    line = stack.network
    assert isinstance(line, BadLine)
    try:
        while True:
            await asyncio.sleep(dice.uniform(0.5, 4))
            what = dice.choice(("cable pulled", "partition", "delay"))
            faults[what] += 1
            if what == "cable pulled":
                await line.pull()
                await asyncio.sleep(dice.uniform(0.1, 1))
            elif what == "partition":
                line.silence()
                await asyncio.sleep(dice.uniform(0.2, 2))
            else:
                line.delay = dice.uniform(0.05, 0.5)
                await asyncio.sleep(dice.uniform(0.2, 2))
            line.plug()
            line.end_silence()
            line.delay = 0.0
    finally:
        line.plug()
        line.end_silence()
        line.delay = 0.0


async def _freeze(stack: Stack, seed: int, faults: Counter[str]) -> NoReturn:
    """Stop a process now and then, and let it go on."""
    dice = random.Random(f"{seed}/freeze")
    while True:
        await asyncio.sleep(dice.uniform(0.5, 2))
        part = dice.choice((stack.gateway, stack.bridge, stack.broker))
        pid = part.pid
        if pid is None:
            continue
        faults[f"{part.name} frozen"] += 1
        with contextlib.suppress(ProcessLookupError):  # it was killed meanwhile
            os.kill(pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(dice.uniform(0.05, dice.choice((0.5, _FROZEN[part.name]))))
            finally:
                if part.pid == pid:  # who was killed may have left its number to somebody else
                    os.kill(pid, signal.SIGCONT)


async def _step(clock: WallClock, seed: int, faults: Counter[str]) -> NoReturn:
    """Set the wall clock of all of them, forth and back."""
    dice = random.Random(f"{seed}/clock")
    while True:
        await asyncio.sleep(dice.uniform(1, 5))
        clock.step(dice.choice(_STEPS))
        faults["clock stepped"] += 1
