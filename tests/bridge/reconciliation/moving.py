"""A clock that is moved on by hand."""

from datetime import UTC, datetime, timedelta

from runtime.clock import Clock


class Moving(Clock):
    """Stands still until time is passed by."""

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

    def utc(self) -> datetime:
        return self.now

    def pass_by(self, **time: float) -> None:
        self.now += timedelta(**time)
