"""How long to wait before trying again: full jitter below a doubling ceiling.

Source: AWS Architecture Blog, "Exponential Backoff And Jitter" (2015): full jitter spreads a herd
best for the work it costs.
"""

import random


class Backoff:
    """Seconds to wait, one attempt after the other."""

    def __init__(self, first: float = 0.5, ceiling: float = 30.0) -> None:
        self._first = first
        self._ceiling = ceiling
        self._reach = first

    def next(self) -> float:
        """Return between 0 and the current reach, in seconds, and double the reach."""
        wait = random.uniform(0, self._reach)  # noqa: S311 - spreading load, not keeping a secret
        self._reach = min(self._reach * 2, self._ceiling)
        return wait

    def reset(self) -> None:
        """Start over: things have been well for a while."""
        self._reach = self._first
