"""Random deaths: three killers, one for each daemon, while two operators work.

A seed replays what is killed when; what the machine makes of it differs from run to run, so a
failing run keeps its folder for a look.
"""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from scanpost.demo.audit import Report, audit, drained, read_books
from scanpost.demo.operator import Operator
from scanpost.demo.processes import Process
from scanpost.demo.stack import BENCH, DOCK, Stack, running

DRAIN_WITHIN = 120.0  # seconds after the last fault
_ALIVE = {"gateway": 0.7, "bridge": 0.7, "broker": 1.5}  # mean seconds; a broker starts faster


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a chaotic shift."""

    report: Report
    kills: Counter[str]
    drained: bool
    logs: str


async def chaos(folder: Path, seed: int, kills: int) -> Outcome:
    """Play a shift in which `kills` processes are ended by SIGKILL, and audit it."""
    done: Counter[str] = Counter()
    async with running(folder) as stack:
        await stack.feed.wait_open(20)
        operators = [
            Operator(DOCK, stack.dock_scanner, stack.feed, (0.0, 0.05), stack.dock_scale, seed),
            Operator(BENCH, stack.bench_scanner, stack.feed, (0.0, 0.05), seed=seed),
        ]
        over = asyncio.Event()
        async with asyncio.TaskGroup() as shift:
            for operator in operators:
                shift.create_task(operator.work(over))
            pulling = shift.create_task(_pull(stack, seed))
            async with asyncio.TaskGroup() as killers:
                parts = (stack.gateway, stack.bridge, stack.broker)
                for number, part in enumerate(parts):
                    share = kills // 3 + (number < kills % 3)
                    killers.create_task(_kill(part, seed, share, done))
            pulling.cancel()
            stack.network.plug()
            over.set()
        complete = await drained(stack, DRAIN_WITHIN)
        offers = [offer for operator in operators for offer in operator.offers]
        report = audit(dict(stack.feed.saved), offers, read_books(stack))
        logs = "\n".join(
            f"--- {part.name}\n{part.log_tail(60)}"
            for part in (stack.gateway, stack.bridge, stack.broker)
        )
    return Outcome(report, done, complete, logs)


async def _kill(part: Process, seed: int, kills: int, done: Counter[str]) -> None:
    dice = random.Random(f"{seed}/{part.name}")
    for _ in range(kills):
        # Mostly soon after it is up again, when it has most to make good; now and then late.
        await asyncio.sleep(dice.expovariate(1 / _ALIVE[part.name]))
        await part.kill()
        done[part.name] += 1
        await asyncio.sleep(dice.choice((0.0, 0.0, 0.3)))
        await part.start()


async def _pull(stack: Stack, seed: int) -> None:
    """Pull the network cable now and then."""
    dice = random.Random(f"{seed}/cable")
    while True:
        await asyncio.sleep(dice.uniform(1, 3))
        await stack.network.pull()
        await asyncio.sleep(dice.uniform(0.1, 1))
        stack.network.plug()
