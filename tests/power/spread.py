"""Plays runs on as many warm gateways as the machine has cores for."""

import os
import queue
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tests.power.warm import Warm

Result = TypeVar("Result")

_AT_ONCE = min(2, os.cpu_count() or 1)  # a run keeps one core busy, half of it the tester's


def spread(points: Iterable[int], run: Callable[[Warm, int], Result]) -> list[Result]:
    """Return what `run` made of each point, in order."""
    idle: queue.SimpleQueue[Warm] = queue.SimpleQueue()

    def one(point: int) -> Result:
        warm = idle.get()
        try:
            return run(warm, point)
        finally:
            idle.put(warm)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        warms = [Warm() for _ in range(_AT_ONCE)]
        try:
            for warm in warms:
                idle.put(warm)
            return list(pool.map(one, points))
        finally:
            pool.shutdown(cancel_futures=True)
            for warm in warms:
                warm.close()
