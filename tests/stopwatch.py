"""How long something waited, whatever else the machine did meanwhile.

A bound on seconds by the clock fails on a machine that stands still for a moment, or has others to
serve; one wide enough for that says nothing any more. What such a test wants to know is whether
somebody *waits*: for an answer that does not come, for a limit that is too long. So only moments in
which the watched process sleeps are counted, not those in which it works, waits for its turn on a
processor, or waits for the disk; and what passes while this process itself does not run is no more
than one moment.
"""

import os
import threading
import time
from pathlib import Path
from types import TracebackType

_LOOK = 0.01  # seconds between two looks: a bound of a second is met or missed by a hundred of them
_MOST = 2 * _LOOK  # what one look counts for at most


class Stopwatch:
    """Counts the seconds in which a process did nothing but wait.

    Args:
        pid: whom to watch; this process, if none is given.
    """

    def __init__(self, pid: int | None = None) -> None:
        self.waited = 0.0
        """Seconds of waiting so far."""
        self._threads = Path(f"/proc/{pid or os.getpid()}/task")
        self._over = threading.Event()
        self._watching = threading.Thread(target=self._watch, name="stopwatch")

    def __enter__(self) -> "Stopwatch":
        self._watching.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._watching.join()

    def _watch(self) -> None:
        own = str(threading.get_native_id())
        then = time.monotonic()
        while not self._over.wait(_LOOK):
            now = time.monotonic()
            if self._asleep(own):
                self.waited += min(now - then, _MOST)
            then = now

    def _asleep(self, own: str) -> bool:
        """Return whether there are threads, and each but our own waits for something to happen."""
        try:
            states = [
                (thread / "stat").read_text().rpartition(")")[2].split()[0]
                for thread in self._threads.iterdir()
                if thread.name != own
            ]
        except OSError:
            return False  # one ended while we looked: somebody did something
        return bool(states) and set(states) == {"S"}
