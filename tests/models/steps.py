"""A state machine over code that awaits: one event loop and one folder for each history."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine

T = TypeVar("T")

_MEMORY = "/dev/shm"


def steady(examples: int, steps: int) -> settings:
    """Return how many histories of how many steps; exploring plays ten times as many."""
    if os.environ.get("HYPOTHESIS_PROFILE") == "explore":
        examples *= 10
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


class History(RuleBasedStateMachine):
    """One history. Call `begin` in the rule that initialises, and do not forget `end`."""

    runner: asyncio.Runner

    def begin(self) -> None:
        """Make the loop and the folder."""
        self.runner = asyncio.Runner()
        where = _MEMORY if os.access(_MEMORY, os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(prefix="scanpost-model-", dir=where))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Let `work` happen, within bounds."""
        return self.runner.run(asyncio.wait_for(work, 60))

    async def stop(self) -> None:
        """Close what is open."""
        raise NotImplementedError

    def teardown(self) -> None:
        """Leave nothing."""
        if hasattr(self, "runner"):
            try:
                self.run(self.stop())
            finally:
                self.runner.close()
                shutil.rmtree(self.folder)
