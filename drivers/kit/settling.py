"""From a stream of weight readings to settled weights: one for each load that is put on the scale.

Pure: the caller brings the clock.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from drivers.kit.readings import Range, Refusal, Weight


class Settling:
    """Watches one scale. A new one takes the load that is on it.

    A weight is settled when the scale calls it stable, or, where the protocol does not say, when
    `equal` readings in a row are the same. It is in range, above `empty`, and not a tare. After it
    the pan must be empty once before another weight can settle, so that no load counts twice.

    >>> settling = Settling()
    >>> weight = Weight(Decimal("1.250"), "kg", True, b"S S      1.250 kg")
    >>> settling.feed(weight, now=0.0) is weight, settling.feed(weight, now=0.5)
    (True, None)
    """

    def __init__(self, equal: int = 3, empty: Decimal = Decimal(0), within: float = 5.0) -> None:
        """Watch a scale.

        Args:
            equal: readings in a row that settle a weight of which the scale does not say whether it
                is stable; at least 2.
            empty: the largest value, in the scale's unit, that is still an empty pan: dust, drift.
            within: seconds between two readings after which they are no longer "in a row".
        """
        if equal < 2:
            raise ValueError("one reading is equal to nothing")
        self._equal = equal
        self._empty = empty
        self._within = within
        self._armed = True
        self._last: tuple[Decimal, str | None] | None = None
        self._last_at = 0.0
        self._run = 0

    def feed(self, weight: Weight, now: float) -> Weight | None:
        """Take one reading and return it if it settles the load, once for each load.

        Args:
            weight: as the driver gave it, in the order of the wire.
            now: seconds of a monotonic clock.
        """
        if weight.measure == "tare":
            return None
        if weight.range != "ok" or weight.stable is False:
            self._run = 0
            return None
        if weight.value is None:
            self._run = 0
            self._armed = self._armed or weight.zero is True
            return None
        self._count(weight.value, weight.unit, now)
        if not (weight.stable or self._run >= self._equal):
            return None
        if weight.value <= self._empty or weight.zero:
            self._armed = True
            return None
        if not self._armed:
            return None
        self._armed = False
        return weight

    def rearm(self) -> None:
        """Let the load on the scale settle once more: the last one was not used after all."""
        self._armed = True

    def disarm(self) -> None:
        """Wait for an empty pan first: the load on the scale may have been used already."""
        self._armed = False

    def _count(self, value: Decimal, unit: str | None, now: float) -> None:
        in_a_row = self._run > 0 and now - self._last_at <= self._within
        self._run = self._run + 1 if in_a_row and (value, unit) == self._last else 1
        self._last, self._last_at = (value, unit), now


@dataclass(frozen=True, slots=True)
class Settled:
    """The weight that was waited for."""

    weight: Weight


@dataclass(frozen=True, slots=True)
class Refused:
    """The scale will not weigh this: take the load off, zero the scale, or look at it."""

    why: Range | str
    """`over`, `under` or `fault`, or the code of the scale's refusal."""


@dataclass(frozen=True, slots=True)
class Expired:
    """Readings came, but the load did not settle in time."""

    reason: Literal["moving", "no new load"]


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nothing came from the scale in time."""


End = Settled | Refused | Expired | NoAnswer


class Waiting:
    """One wait for a weight. It ends once, with exactly one `End`.

    A load that is out of range ends it at once. A refused command does not: a busy scale refuses
    one question and answers the next, so a refusal counts only if it was the scale's last word.
    """

    def __init__(self, settling: Settling, budget: float, now: float) -> None:
        """Begin to wait.

        Args:
            settling: of the scale. `rearm` it before, if the load on the scale is to count.
            budget: seconds to wait at most.
            now: seconds of the same clock as in `feed` and `tick`.
        """
        self._settling = settling
        self._until = now + budget
        self._last: Weight | Refusal | None = None

    def feed(self, reading: Weight | Refusal, now: float) -> End | None:
        """Take one reading of the scale and return how the wait ended, if it did."""
        self._last = reading
        if isinstance(reading, Weight):
            settled = self._settling.feed(reading, now)
            if settled is not None:
                return Settled(settled)
            if reading.range != "ok":
                return Refused(reading.range)
        return self.tick(now)

    def tick(self, now: float) -> End | None:
        """Return how the wait ended if its time is up; call it while nothing comes."""
        if now < self._until:
            return None
        match self._last:
            case None:
                return NoAnswer()
            case Refusal(code=code):
                return Refused(code)
            case Weight(stable=False):
                return Expired("moving")
            case _:
                return Expired("no new load")
