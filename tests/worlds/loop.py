"""Time that jumps to the next thing that happens, and processes that freeze or vanish in it.

Every callback belongs to the process whose context it was made in. Of a process that was killed no
callback ever runs again: not even a `finally`, as after SIGKILL. Those of a frozen one wait, as
after SIGSTOP. Nothing here waits for the real world, so a world of minutes takes milliseconds.
"""

import asyncio
import contextvars
import heapq
import itertools
import random
from collections.abc import Callable, Coroutine
from typing import Any

_LONGEST = 400_000  # callbacks of one world: ten times what any needs

_TURN = 1e-6  # seconds one turn takes: in no time at all, a wait of 1e-13 s would never be over


class Endless(Exception):
    """Something turns without ever waiting, or nothing will ever happen again."""


class Process:
    """One process of a world: its callbacks, and what the kernel would close when it dies."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        self.frozen = False
        self.tasks: list[asyncio.Task[Any]] = []
        """Kept, so that what was killed is never collected: collecting runs `finally`."""
        self.held: list[asyncio.Handle] = []
        self.at_death: list[Callable[[], None]] = []


HERE: contextvars.ContextVar[Process | None] = contextvars.ContextVar("HERE", default=None)
"""The process that runs; None for the world itself."""


class _Task(asyncio.Task[Any]):
    """A task whose place in a set does not depend on its address: a seed must play again."""

    _numbers = itertools.count()

    def __init__(self, *args: Any, **options: Any) -> None:
        self._place = next(self._numbers)
        super().__init__(*args, **options)

    def __hash__(self) -> int:
        return self._place

    def __eq__(self, other: object) -> bool:
        return self is other


class Loop(asyncio.BaseEventLoop):
    """An event loop whose time is that of the world."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.dice = random.Random(f"{seed}/loop")
        self._now = 0.0
        self._ready: Any
        self._scheduled: list[asyncio.TimerHandle]
        self._turns = 0
        self.set_task_factory(self._make)

    def _make(
        self, loop: asyncio.AbstractEventLoop, coroutine: Any, context: Any = None
    ) -> asyncio.Future[Any]:
        task = _Task(coroutine, loop=loop, context=context)
        where = HERE.get() if context is None else context.get(HERE)
        if where is not None:
            where.tasks.append(task)
        return task

    def time(self) -> float:
        """Return the world's seconds."""
        return self._now

    def start(self, process: Process, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Let `work` be the main task of `process`."""
        context = contextvars.copy_context()
        context.run(HERE.set, process)
        return self.create_task(work, context=context)

    def kill(self, process: Process) -> None:
        """End `process` as SIGKILL does: no callback of it ever runs again."""
        process.dead = True
        process.held.clear()
        for close in process.at_death:
            close()
        process.at_death.clear()

    def freeze(self, process: Process) -> None:
        """Stop `process` as SIGSTOP does."""
        process.frozen = True

    def thaw(self, process: Process) -> None:
        """Let `process` go on where it stopped."""
        process.frozen = False
        self._ready.extend(process.held)
        process.held.clear()

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run `func` in this thread, a moment later."""
        del executor
        future = self.create_future()

        def run() -> None:
            if future.done():
                return
            try:
                future.set_result(func(*args))
            except Exception as error:  # as an executor does
                future.set_exception(error)

        self.call_later(self.dice.uniform(0, 0.005), run)
        return future

    def _run_once(self) -> None:
        self._now += _TURN
        while self._scheduled and self._scheduled[0].cancelled():
            heapq.heappop(self._scheduled)._scheduled = False  # type: ignore[attr-defined]
        if not self._ready:
            if not self._scheduled:
                raise Endless("nothing will ever happen again")
            self._now = max(self._now, self._scheduled[0].when())
        while self._scheduled and self._scheduled[0].when() <= self._now:
            timer = heapq.heappop(self._scheduled)
            timer._scheduled = False  # type: ignore[attr-defined]
            self._ready.append(timer)
        for _ in range(len(self._ready)):
            handle = self._ready.popleft()
            if handle.cancelled():
                continue
            process = handle._context.get(HERE)
            if process is not None and process.dead:
                continue
            if process is not None and process.frozen:
                process.held.append(handle)
                continue
            self._turns += 1
            handle._run()
        if self._turns > _LONGEST:
            raise Endless(f"{self._turns} callbacks by {self._now:.1f} s")

    def add_reader(self, *_: Any) -> None:  # type: ignore[override]
        """Watch no descriptor: the threads that would write to one are none here."""

    def remove_reader(self, *_: Any) -> bool:
        """Say that it was not watched."""
        return False

    def _write_to_self(self) -> None:
        """Wake nobody: there is one thread."""

    def _process_events(self, event_list: Any) -> None:
        """Look at no descriptor: there is none."""

    def _timer_handle_cancelled(self, handle: Any) -> None:
        """Leave it in the heap: it is passed over when its time comes."""
