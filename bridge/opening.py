"""When a target may be written to: quiet hours, a schedule, closed periods. Pure.

By the wall clock of the office that works with the ERP, since that is what its people mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

_DAY = timedelta(days=1)
_STEP = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Span:
    """Hours of a day, from the first to before the second; over midnight where that is earlier.

    >>> Span.parse("22:00-06:00").holds(time(23, 30)), Span.parse("22:00-06:00").holds(time(6, 0))
    (True, False)
    """

    begin: time
    end: time

    @classmethod
    def parse(cls, text: str) -> "Span":
        """Read `HH:MM-HH:MM`.

        Raises:
            ValueError: it is something else.
        """
        begin, dash, end = text.partition("-")
        if not dash:
            raise ValueError(f"write hours as 22:00-06:00, not {text!r}")
        return cls(time.fromisoformat(begin.strip()), time.fromisoformat(end.strip()))

    def holds(self, at: time) -> bool:
        """Return whether `at` is in it."""
        if self.begin <= self.end:
            return self.begin <= at < self.end
        return at >= self.begin or at < self.end


@dataclass(frozen=True, slots=True)
class Opening:
    """When deliveries may be made. Without anything said: always, at once."""

    quiet: Sequence[Span] = ()
    """Nothing is sent in these hours."""
    windows: Sequence[Span] = ()
    """If any: something is sent in these hours only."""
    every_s: float | None = None
    """If given: what is in line is sent that often, counted from midnight."""
    closed_until: date | None = None
    """The last day that is closed in the books."""
    zone: tzinfo = UTC

    def open_at(self, now: datetime) -> bool:
        """Return whether the hour allows it; `every_s` is not looked at."""
        at = now.astimezone(self.zone).time()
        if any(span.holds(at) for span in self.quiet):
            return False
        return not self.windows or any(span.holds(at) for span in self.windows)

    def next_run(self, after: datetime) -> datetime | None:
        """Return the next time at which a batch begins, None where everything goes at once."""
        if self.every_s is None:
            return None
        local = after.astimezone(self.zone)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        done = int((local - midnight).total_seconds() // self.every_s) + 1
        following = midnight + timedelta(seconds=done * self.every_s)
        return min(following, midnight + _DAY).astimezone(UTC)

    def opens(self, now: datetime) -> datetime:
        """Return when the hour allows it next: `now`, or a minute of the coming day."""
        moment = now
        while not self.open_at(moment) and moment - now < _DAY:
            moment = moment.replace(second=0, microsecond=0) + _STEP
        return moment

    def is_closed(self, occurred: datetime) -> bool:
        """Return whether what happened then belongs to a period that is closed."""
        return (
            self.closed_until is not None
            and occurred.astimezone(self.zone).date() <= self.closed_until
        )
