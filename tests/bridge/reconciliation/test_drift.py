"""Stock rolled forward through any history: what somebody else moved is found, and nothing else."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bridge.reconciliation.drift import Key, Level, Move, Rolled, Span, roll

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
KEYS = [Key("BOLT-8", "DOCK", "EA"), Key("BOLT-8", "A-1", "EA"), Key("NUT-8", "DOCK", "KGM")]


def at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


def moved(begin: float, booked: float, decided: float | None, **more: object) -> tuple[float, Move]:
    """A move the ERP books at a time between its beginning and its decision."""
    when = None if decided is None else at(decided)
    return booked, Move(at(begin), when, **more)  # type: ignore[arg-type]


@dataclass
class House:
    """What the ERP has, minute by minute."""

    moves: list[tuple[float, Move]] = field(default_factory=list)
    others: list[tuple[float, Key, Decimal]] = field(default_factory=list)
    """What somebody else did."""

    def stock(self, minute: float) -> dict[Key, Decimal]:
        found: dict[Key, Decimal] = defaultdict(Decimal)
        for booked, move in self.moves:
            if booked <= minute:
                for key, change in move.changes.items():
                    found[key] += change
        for when, key, change in self.others:
            if when <= minute:
                found[key] += change
        return found

    def known(self, minute: float) -> list[Move]:
        """What the ledger says at a time, of what was begun by then."""
        said = []
        for _, move in self.moves:
            if move.began_at is not None and move.began_at <= at(minute):
                late = move.decided_at is not None and move.decided_at > at(minute)
                said.append(Move(move.began_at, None if late else move.decided_at, move.changes))
        return said


changes = st.dictionaries(st.sampled_from(KEYS), st.integers(-9, 9).map(Decimal), min_size=1)


@st.composite
def houses(draw: st.DrawFn) -> House:
    house = House()
    for _ in range(draw(st.integers(0, 12))):
        begin = draw(st.floats(0, 100))
        booked = begin + draw(st.floats(0, 15))
        decided = booked + draw(st.floats(0.001, 15))
        house.moves.append(moved(begin, booked, decided, changes=draw(changes)))
    return house


readings = st.lists(st.tuples(st.floats(5, 30), st.floats(0, 3)), min_size=2, max_size=6)


def followed(house: House, readings: list[tuple[float, float]]) -> list[dict[Key, Decimal]]:
    """Return by how much each reading finds levels off; a reading sees one moment of its span."""
    levels: dict[Key, Level] = {}
    last: Span | None = None
    minute = 0.0
    off: list[dict[Key, Decimal]] = []
    for pause, long in readings:
        minute += pause
        now = Span(at(minute), at(minute + long))
        shown = house.stock(minute + long / 2)
        rolled = roll(levels, last, shown, now, house.known(minute + long + 0.1))
        off.append({key: Decimal(0) for key in rolled.judged})
        for each in rolled.differences:
            [key] = [key for key in KEYS if key.subject == each.subject]
            off[-1][key] = each.excess
        levels, last = dict(rolled.levels), now
        minute += long
    return off


@given(houses(), readings)
def test_what_only_the_bridge_moved_never_drifts(
    house: House, readings: list[tuple[float, float]]
) -> None:
    for off in followed(house, readings):
        assert not any(off.values())


@given(
    houses(),
    readings,
    st.lists(
        st.tuples(st.floats(0, 100), st.sampled_from(KEYS), st.integers(1, 9).map(Decimal)),
        min_size=1,
        max_size=3,
    ),
)
def test_what_somebody_else_moved_is_found_or_the_level_begins_anew(
    house: House, readings: list[tuple[float, float]], others: list[tuple[float, Key, Decimal]]
) -> None:
    house.others = others
    for off in followed(house, readings):
        for key, excess in off.items():
            most = sum((change for _, it, change in others if it == key), Decimal(0))
            assert Decimal(0) <= excess <= most, "never more than was done, never of another key"


def test_in_quiet_times_it_is_found_exactly_and_stays_until_it_is_mended() -> None:
    key = KEYS[0]
    house = House([moved(45, 46, 47, changes={key: Decimal(5)})])
    house.others = [(25, key, Decimal(3)), (85, key, Decimal(-3))]
    offs = followed(house, [(10, 0.5)] * 10)
    assert [off.get(key) for off in offs] == [None, None, *map(Decimal, (3, 3, 3, 3, 3, 3)), 0, 0]


def test_a_count_takes_what_the_erp_shows_for_right() -> None:
    key = KEYS[0]
    first, second = Span(at(0), at(1)), Span(at(10), at(11))
    count = Move(at(5), at(6), unclear=frozenset({key}))
    before = {key: Level(Decimal(10), first)}
    rolled = roll(before, first, {key: Decimal(7)}, second, [count])
    assert rolled.differences == ()
    assert rolled.levels == {key: Level(Decimal(7), second)}


def test_what_names_no_place_may_be_at_any() -> None:
    here, there, other = KEYS
    first, second = Span(at(0), at(1)), Span(at(10), at(11))
    lost = Move(at(5), at(6), {Key(here.item, "?", here.unit): Decimal(4)})
    shown = {here: Decimal(4), other: Decimal(2)}
    rolled = roll({}, first, shown, second, [lost])
    assert [each.subject for each in rolled.differences] == [other.subject]
    assert there not in rolled.levels


def test_what_is_under_way_waits_for_the_next_reading() -> None:
    key = KEYS[0]
    first, second, third = (Span(at(m), at(m + 1)) for m in (0, 10, 20))
    levels = {key: Level(Decimal(10), first)}
    under_way = Move(at(9), None, {key: Decimal(5)})
    rolled = roll(levels, first, {key: Decimal(15)}, second, [under_way])
    assert (rolled.judged, rolled.levels) == (frozenset(), levels)
    done = Move(at(9), at(12), {key: Decimal(5)})
    rolled = roll(rolled.levels, second, {key: Decimal(16)}, third, [done])
    [difference] = rolled.differences
    assert (difference.ours, difference.theirs) == (Decimal(15), Decimal(16))


def test_what_is_booked_while_stock_is_read_may_not_be_in_it() -> None:
    key = KEYS[0]
    first, second = Span(at(0), at(1)), Span(at(10), at(12))
    levels = {key: Level(Decimal(10), first)}
    meanwhile = Move(at(10.5), at(11), {key: Decimal(5)})
    for shown in (10, 15):
        rolled = roll(levels, first, {key: Decimal(shown)}, second, [meanwhile])
        assert (rolled.judged, rolled.levels) == (frozenset(), levels)


def test_levels_that_are_none_and_should_be_none_are_not_kept() -> None:
    key = KEYS[0]
    first, second = Span(at(0), at(1)), Span(at(10), at(11))
    sold = Move(at(5), at(6), {key: Decimal(-10)})
    rolled = roll({key: Level(Decimal(10), first)}, first, {}, second, [sold])
    assert rolled == Rolled({}, (), frozenset({key}))


def test_a_tolerance_is_kept_to() -> None:
    key = KEYS[2]
    first, second = Span(at(0), at(1)), Span(at(10), at(11))
    levels = {key: Level(Decimal("10.000"), first)}
    for shown, count in (("10.05", 0), ("10.051", 1)):
        rolled = roll(levels, first, {key: Decimal(shown)}, second, [], Decimal("0.05"))
        assert len(rolled.differences) == count
