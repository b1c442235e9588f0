"""Stock that moves by other than what was booked, from one reading to the next. Pure.

What should be on hand is rolled forward: what it should have been at the last reading, and what was
booked since. A reading takes its time, and deliveries go on meanwhile: what was under way during a
reading may or may not be in it, so its item and place are left until the next one. A count, or the
undoing of something, starts anew with what the ERP shows. A difference stays until it is gone: what
the ERP shows is not taken for right just because time has passed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal, localcontext
from typing import NamedTuple

from bridge.reconciliation.differences import Difference

UNNAMED = "?"
"""A place that only the ERP knows; see `bridge.connector`."""
_DIGITS = 60  # the sum of any number of amounts of 20 digits and 9 places


class Key(NamedTuple):
    """What a stock level is of; lots together."""

    item: str
    location: str
    unit: str

    @property
    def subject(self) -> str:
        """The same, for people."""
        return f"{self.item} ({self.unit}) at {self.location}"


@dataclass(frozen=True, slots=True)
class Span:
    """When a reading began, and when it came to its end."""

    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Level:
    """What should have been on hand when stock was read then."""

    expected: Decimal
    read: Span


@dataclass(frozen=True, slots=True)
class Move:
    """What one entry moves, that was sent to the ERP at some time."""

    began_at: datetime | None
    """When it was first sent; None where nobody knows any more."""
    decided_at: datetime | None
    """When it was known to be booked; None while it is under way."""
    changes: Mapping[Key, Decimal] = field(default_factory=dict)
    unclear: frozenset[Key] = frozenset()
    """Levels it sets, or changes by what only the ERP knows."""

    def is_in(self, read: Span) -> bool:
        """Whether a reading has certainly seen it."""
        return self.decided_at is not None and self.decided_at < read.begin

    def is_after(self, read: Span) -> bool:
        """Whether a reading can certainly not have seen it."""
        return self.began_at is not None and self.began_at > read.end

    def straddles(self, read: Span) -> bool:
        """Whether nobody can say."""
        return not self.is_in(read) and not self.is_after(read)


@dataclass(frozen=True, slots=True)
class Rolled:
    """What should be on hand now, and where the ERP shows something else."""

    levels: Mapping[Key, Level]
    """Without those that should be none, and are."""
    differences: tuple[Difference, ...]
    judged: frozenset[Key]
    """Levels of which it can be said."""


def roll(
    levels: Mapping[Key, Level],
    last: Span | None,
    shown: Mapping[Key, Decimal],
    now: Span,
    moves: Iterable[Move],
    tolerance: Decimal = Decimal(0),
) -> Rolled:
    """Roll every level forward to a new reading, and hold it against that.

    Args:
        levels: as of earlier readings.
        last: the last reading before this one; None if there was none. What is not in `levels`
            was none then, and should have been.
        shown: what the ERP shows now; what is not there is none.
        now: the new reading.
        moves: of every entry that was under way at, or begun after, the oldest of these readings.
        tolerance: by how much a level may differ.
    """
    touching = _touching(moves, {*levels, *shown})
    rolled: dict[Key, Level] = {}
    differences: list[Difference] = []
    judged: set[Key] = set()
    with localcontext(prec=_DIGITS):
        for key in sorted({*levels, *shown, *touching}):
            there = shown.get(key, Decimal(0))
            level = levels.get(key) or (None if last is None else Level(Decimal(0), last))
            mine = touching.get(key, ())
            if any(move.straddles(now) for move in mine):
                if level is not None:
                    rolled[key] = level
                continue
            expected = None if level is None else _expected(key, level, now, mine)
            if level is not None:
                judged.add(key)
            if expected is not None and abs(expected - there) > tolerance:
                differences.append(_difference(key, expected, there))
            settled = there if expected is None else expected
            if settled or there:
                rolled[key] = Level(settled, now)
    return Rolled(rolled, tuple(differences), frozenset(judged))


def _touching(moves: Iterable[Move], known: Iterable[Key]) -> dict[Key, list[Move]]:
    """Sort moves by the levels they touch; what names no place may touch any of its item."""
    places: dict[tuple[str, str], set[Key]] = defaultdict(set)
    for key in known:
        places[key.item, key.unit].add(key)
    touching: dict[Key, list[Move]] = defaultdict(list)
    for move in moves:
        keys = {*move.changes, *move.unclear}
        unnamed = {(key.item, key.unit) for key in keys if key.location == UNNAMED}
        spread = frozenset(each for name in unnamed for each in places[name])
        clear = replace(move, unclear=move.unclear | spread) if spread else move
        for key in {*keys, *spread}:
            if key.location != UNNAMED:
                touching[key].append(clear)
    return touching


def _expected(key: Key, level: Level, now: Span, moves: Iterable[Move]) -> Decimal | None:
    """Return what should be on hand; None where only the ERP can say."""
    expected = level.expected
    for move in moves:
        if move.is_in(level.read):
            continue
        if key in move.unclear or move.straddles(level.read):
            return None
        if move.is_in(now):
            expected += move.changes[key]
    return expected


def _difference(key: Key, expected: Decimal, shown: Decimal) -> Difference:
    return Difference("stock", key.subject, ours=expected, theirs=shown, unit=key.unit)
