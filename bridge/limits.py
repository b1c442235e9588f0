"""How fast a target may be called, and when it is to be left alone. Pure: the caller has the clock.

All times are monotonic seconds.
"""

from typing import Literal


class Bucket:
    """A token bucket that may go into debt: what a delivery costs is known only after it.

    >>> bucket = Bucket(per_second=2.0, burst=1)
    >>> bucket.free_at(0.0)
    0.0
    >>> bucket.charge(3, 0.0)
    >>> bucket.free_at(0.0)
    1.5
    """

    def __init__(self, per_second: float | None, burst: int = 1) -> None:
        """Take a rate in calls a second, None for any, and how many may come at once."""
        self._rate = per_second
        self._burst = float(burst)
        self._tokens = float(burst)
        self._at = 0.0

    def free_at(self, now: float) -> float:
        """Return when the next call may be made: `now`, or later."""
        if self._rate is None:
            return now
        self._fill(now)
        return now if self._tokens >= 1.0 else now + (1.0 - self._tokens) / self._rate

    def charge(self, calls: int, now: float) -> None:
        """Pay for calls that were made."""
        if self._rate is not None:
            self._fill(now)
            self._tokens -= calls

    def drain(self, now: float) -> None:
        """Start again from nothing: the target said that it was too much."""
        if self._rate is not None:
            self._fill(now)
            self._tokens = min(self._tokens, 0.0)

    def _fill(self, now: float) -> None:
        if self._rate is not None and now > self._at:
            grown = (now - self._at) * self._rate
            self._tokens = min(self._burst, self._tokens + grown)
            self._at = now


class Breaker:
    """Leaves a target alone that fails: closed, open for a time, then half-open for one probe.

    >>> breaker = Breaker(after=2, first=30.0, ceiling=300.0)
    >>> breaker.failed(0.0); breaker.failed(1.0); breaker.state(2.0)
    'open'
    >>> breaker.state(31.0)
    'half-open'
    >>> breaker.succeeded(); breaker.state(31.0)
    'closed'
    """

    def __init__(self, after: int, first: float, ceiling: float) -> None:
        """Take failures in a row that open it, and seconds it stays open: at first, at most."""
        self._after = after
        self._first = first
        self._ceiling = ceiling
        self.succeeded()

    def succeeded(self) -> None:
        """Close it: the target answers."""
        self._failures = 0
        self._pause = self._first
        self.until = 0.0
        """Until when it is open."""

    def failed(self, now: float) -> None:
        """Count a failure."""
        self._failures += 1
        if self._failures >= self._after:
            self.trip(now)

    def trip(self, now: float) -> None:
        """Open it at once; each time in a row for twice as long."""
        self._failures = max(self._failures, self._after)
        self.until = now + self._pause
        self._pause = min(2 * self._pause, self._ceiling)

    def state(self, now: float) -> Literal["closed", "open", "half-open"]:
        """Return how it is."""
        if self._failures < self._after:
            return "closed"
        return "open" if now < self.until else "half-open"
