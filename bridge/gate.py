"""Whether a target may be called now, and if not, why not and when.

What is asked: the target's own wish, its rate, its daily budget, the breaker, the hour.
"""

from datetime import UTC, datetime, timedelta

from bridge.limits import Breaker, Bucket
from bridge.terms import Terms

BREAK_CEILING = 300.0
"""Seconds a target that fails is left alone, at most."""
LONGEST = 3_600.0
"""Seconds until the gate is asked again, at most: a wall clock may be set meanwhile."""


class Gate:
    """Of one target. Times are monotonic seconds, but for `utc`."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._bucket = Bucket(terms.per_second, terms.burst)
        self.breaker = Breaker(terms.break_after, terms.break_s, BREAK_CEILING)
        self._failing: set[int] = set()
        self._quiet_until = 0.0
        self._day = ""
        self._spent = 0
        self._running = False
        self._next_run: datetime | None = None
        self.said = ""
        """What the target said when it failed last."""
        self.why = ""
        """Why the target may not be called now; empty while it may."""

    @property
    def spent(self) -> int:
        """Calls made today, as far as this process knows."""
        return self._spent

    def needs_count(self, utc: datetime, *, again: bool = False) -> str | None:
        """Return the day whose calls must be read from the ledger first, None if none must be.

        Args:
            utc: now.
            again: whether others may have made calls since: readings count, too.
        """
        day = day_of(utc)
        return None if self._terms.per_day is None or (day == self._day and not again) else day

    def count(self, day: str, calls: int) -> None:
        """Take the calls of a day from the ledger."""
        self._day, self._spent = day, calls

    def opens_at(self, now: float, utc: datetime) -> float:
        """Return when a call may be made: `now`, or later; `why` says what for."""
        waits = (
            (self._quiet_until, "the target asked to be left alone, or failed"),
            (self._break_until(now), "the breaker is open: the target fails"),
            (self._bucket.free_at(now), "the rate that was agreed is used up"),
            (now + self._until_budget(utc), "the daily budget is used up"),
            (now + self._until_hour(utc), "it is outside of the hours or between two batches"),
        )
        until, why = max(waits)
        self.why = why if until > now else ""
        return max(now, min(until, now + LONGEST))

    def trouble(self, now: float) -> str | None:
        """Return what a person may want to act on; hours, rates and batches are none."""
        if self.breaker.state(now) != "closed":
            return f"the target fails and is left alone: {self.said}"
        if self._terms.per_day is not None and self._spent >= self._terms.per_day:
            return f"the daily budget of {self._terms.per_day} calls is used up"
        return None

    def probing(self, now: float) -> bool:
        """Whether the next delivery is a probe: one entry alone."""
        return self.breaker.state(now) == "half-open"

    def nothing_left(self) -> None:
        """Say that nothing in line is due: a batch ends here."""
        self._running = False

    def paid(self, calls: int, now: float) -> None:
        """Count calls that were made."""
        self._bucket.charge(calls, now)
        self._spent += calls

    def rest(self, until: float) -> None:
        """Leave the target alone until then."""
        self._quiet_until = max(self._quiet_until, until)

    def succeeded(self) -> None:
        """The target answers."""
        self._failing.clear()
        self.breaker.succeeded()

    def failed(self, number: int, now: float) -> None:
        """An entry failed. One alone, tried again and again, does not open the breaker."""
        self._failing.add(number)
        if len(self._failing) > 1 or self.probing(now):
            self.breaker.failed(now)

    def throttled(self, now: float) -> None:
        """The target said that it was too much."""
        self._bucket.drain(now)

    def _break_until(self, now: float) -> float:
        return self.breaker.until if self.breaker.state(now) == "open" else 0.0

    def _until_budget(self, utc: datetime) -> float:
        if self._terms.per_day is None or self._spent < self._terms.per_day:
            return 0.0
        midnight = utc.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return (midnight - utc).total_seconds()

    def _until_hour(self, utc: datetime) -> float:
        opening = self._terms.opening
        if not opening.open_at(utc):
            return (opening.opens(utc) - utc).total_seconds()
        if opening.every_s is None or self._running:
            return 0.0
        if self._next_run is None:
            self._next_run = opening.next_run(utc)
        if self._next_run is not None and utc < self._next_run:
            return (self._next_run - utc).total_seconds()
        self._running = True
        self._next_run = opening.next_run(utc)
        return 0.0


def day_of(utc: datetime) -> str:
    """Return the day calls are counted on, `YYYY-MM-DD` in UTC."""
    return utc.astimezone(UTC).date().isoformat()
