"""Random deaths and worse: killers for each daemon, freezes, a bad line, clocks, clumsy hands.

Two operators work meanwhile, and write down what they are told. A seed replays what is done when;
what the machine makes of it differs from run to run, so a failing run keeps its folder for a look.
"""

import asyncio
import contextlib
import os
import random
import signal
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from scanpost.demo.audit import Report, audit, drained, read_books
from scanpost.demo.processes import Process
from scanpost.demo.stack import BENCH, DOCK, Stack, running
from tests.chaos.hands import ClumsyOperator
from tests.chaos.line import BadLine
from tests.chaos.walltime import HOUR, YEAR, WallClock

DRAIN_WITHIN = 120.0  # seconds after the last fault, and half a one for each kill's backlog
_ALIVE = {"gateway": 0.7, "bridge": 0.7, "broker": 1.5}  # mean seconds; a broker starts faster
_FROZEN = {"gateway": 2.0, "bridge": 6.0, "broker": 6.0}
"""Seconds a process may be stopped: an operator scans again after `_PATIENCE`."""
_PATIENCE = 8.0
"""Seconds: who scans again while the gateway is only slow books twice what was meant once. On a
machine that serves others as well a gateway may be slow for longer than it was stopped for."""
_LOOKS = 3.0  # seconds at the screen of one that is back, for the same reason
_STEPS = (0, HOUR, -HOUR, 30 * HOUR, 10 * YEAR, -30 * YEAR)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a chaotic shift."""

    report: Report
    kills: Counter[str]
    faults: Counter[str]
    """Everything else that was done."""
    clock: bool
    """Whether the wall clock could be stepped."""
    drained: bool
    logs: str


async def chaos(folder: Path, seed: int, kills: int) -> Outcome:
    """Play a shift in which `kills` processes are ended by SIGKILL, and audit it."""
    done: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    clock = WallClock(folder / "faketime")
    with (
        patch("scanpost.demo.stack.NetworkCable", BadLine),
        patch("scanpost.demo.operator._PATIENCE", _PATIENCE),
        patch("scanpost.demo.operator._LOOKS", _LOOKS),
        clock.under() as stepped,
    ):
        async with running(folder) as stack:
            await stack.feed.wait_open(90)
            operators = [
                ClumsyOperator(
                    DOCK, stack.dock_scanner, stack.feed, (0.0, 0.05), stack.dock_scale, seed
                ),
                ClumsyOperator(BENCH, stack.bench_scanner, stack.feed, (0.0, 0.05), seed=seed),
            ]
            over = asyncio.Event()
            async with asyncio.TaskGroup() as shift:
                for operator in operators:
                    shift.create_task(operator.work(over))
                others = [
                    shift.create_task(_worsen(stack, seed, faults)),
                    shift.create_task(_freeze(stack, seed, faults)),
                ]
                if stepped:
                    others.append(shift.create_task(_step(clock, seed, faults)))
                async with asyncio.TaskGroup() as killers:
                    parts = (stack.gateway, stack.bridge, stack.broker)
                    for number, part in enumerate(parts):
                        share = kills // 3 + (number < kills % 3)
                        killers.create_task(_kill(part, seed, share, done))
                for other in others:
                    other.cancel()
                over.set()
            complete = await drained(stack, DRAIN_WITHIN + kills / 2)
            faults["cable pulled in mid-frame"] = sum(operator.torn for operator in operators)
            offers = [offer for operator in operators for offer in operator.offers]
            report = audit(dict(stack.feed.saved), offers, read_books(stack))
            logs = "\n".join(
                f"--- {part.name}\n{part.log_tail(60)}"
                for part in (stack.gateway, stack.bridge, stack.broker)
            )
    return Outcome(report, done, faults, stepped, complete, logs)


async def _kill(part: Process, seed: int, kills: int, done: Counter[str]) -> None:
    dice = random.Random(f"{seed}/{part.name}")
    for _ in range(kills):
        # Mostly soon after it is up again, when it has most to make good; now and then late.
        await asyncio.sleep(dice.expovariate(1 / _ALIVE[part.name]))
        await part.kill()
        done[part.name] += 1
        await asyncio.sleep(dice.choice((0.0, 0.0, 0.3)))
        await part.start()


async def _worsen(stack: Stack, seed: int, faults: Counter[str]) -> None:
    """Pull the network cable now and then, or let it fall silent, or slow down."""
    dice = random.Random(f"{seed}/cable")
    line = stack.network
    assert isinstance(line, BadLine)
    try:
        while True:
            await asyncio.sleep(dice.uniform(1, 3))
            what = dice.choice(("cable pulled", "partition", "delay"))
            faults[what] += 1
            if what == "cable pulled":
                await line.pull()
                await asyncio.sleep(dice.uniform(0.1, 1))
            elif what == "partition":
                line.silence()
                await asyncio.sleep(dice.uniform(0.5, 4))
            else:
                line.delay = dice.uniform(0.05, 0.5)
                await asyncio.sleep(dice.uniform(0.5, 3))
            line.plug()
            line.end_silence()
            line.delay = 0.0
    finally:
        line.plug()
        line.end_silence()
        line.delay = 0.0


async def _freeze(stack: Stack, seed: int, faults: Counter[str]) -> None:
    """Stop a process now and then, and let it go on."""
    dice = random.Random(f"{seed}/freeze")
    while True:
        await asyncio.sleep(dice.uniform(1, 4))
        part = dice.choice((stack.gateway, stack.bridge, stack.broker))
        pid = part.pid
        if pid is None:
            continue
        faults[f"{part.name} frozen"] += 1
        with contextlib.suppress(ProcessLookupError):  # it was killed meanwhile
            os.kill(pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(dice.uniform(0.1, _FROZEN[part.name]))
            finally:
                if part.pid == pid:  # who was killed may have left its number to somebody else
                    os.kill(pid, signal.SIGCONT)


async def _step(clock: WallClock, seed: int, faults: Counter[str]) -> None:
    """Set the wall clock of all of them, forth and back."""
    dice = random.Random(f"{seed}/clock")
    while True:
        await asyncio.sleep(dice.uniform(1, 5))
        clock.step(dice.choice(_STEPS))
        faults["clock stepped"] += 1
