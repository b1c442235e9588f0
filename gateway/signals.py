"""What the operator is told, and who passes it on: screen, sound, log.

Telling never waits: an output that is slow loses what it did not take, and knows it.
"""

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

from gateway.intake import Booked
from gateway.stations.job import Signal

_HISTORY = 100  # told lately, for a screen that reloads
_LAG = 1000  # told but not yet taken by one output


@dataclass(frozen=True, slots=True)
class Told:
    """One signal that was given."""

    number: int
    station: str
    signal: Signal
    booked: tuple[Booked, ...] = ()
    """What is on disk behind an OK."""
    device: str | None = None
    text: str = ""
    """What the label said, or the weight."""


class Fallen(Exception):
    """The output was too slow and missed signals. It must start over."""


@dataclass(eq=False)
class _Output:
    waiting: deque[Told] = field(default_factory=lambda: deque(maxlen=_LAG))
    arrival: asyncio.Event = field(default_factory=asyncio.Event)
    fallen: bool = False


class Signals:
    """The one place signals go through."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._outputs: set[_Output] = set()
        self._listeners: list[Callable[[Told], None]] = []
        self.latched: dict[str, Told] = {}
        """Per station, the not-OK or question that nobody has resolved yet."""
        self.history: deque[Told] = deque(maxlen=_HISTORY)
        self.counts: dict[str, int] = {"ok": 0, "not_ok": 0, "ignored": 0, "attention": 0}

    def tell(
        self,
        station: str,
        signal: Signal,
        booked: tuple[Booked, ...] = (),
        device: str | None = None,
        text: str = "",
    ) -> None:
        """Give `signal` at `station`. An OK resolves what was latched; `ignored` does not."""
        told = Told(next(self._numbers), station, signal, booked, device, text)
        self.counts[signal.kind] += 1
        self.history.append(told)
        if signal.kind in {"not_ok", "attention"}:
            self.latched[station] = told
        elif signal.kind == "ok":
            self.latched.pop(station, None)
        for output in self._outputs:
            output.fallen = output.fallen or len(output.waiting) == _LAG
            output.waiting.append(told)
            output.arrival.set()
        for listener in self._listeners:
            listener(told)

    def listen(self, listener: Callable[[Told], None]) -> None:
        """Call `listener` at every signal. It must return at once and never raise."""
        self._listeners.append(listener)

    @contextlib.contextmanager
    def subscribe(self) -> Iterator[AsyncIterator[Told]]:
        """Yield the signals from now on.

        Raises:
            Fallen: out of the iterator, when its reader is too slow.
        """
        output = _Output()
        self._outputs.add(output)
        try:
            yield _take(output)
        finally:
            self._outputs.discard(output)


async def _take(output: _Output) -> AsyncIterator[Told]:
    while True:
        while output.waiting:
            if output.fallen:
                raise Fallen(Fallen.__doc__)
            yield output.waiting.popleft()
        output.arrival.clear()
        await output.arrival.wait()
