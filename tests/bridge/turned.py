"""A clock that a test moves on."""

from datetime import UTC, datetime

from runtime.clock import Clock

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class Turned(Clock):
    """Wall time that a test sets; monotonic time that runs, and that a test moves on.

    What ends after an hour is a state that waits for the test, however slow the machine.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.ahead = 0.0

    def utc(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead

    def pass_by(self, seconds: float) -> None:
        self.ahead += seconds
