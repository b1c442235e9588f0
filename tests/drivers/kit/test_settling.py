from dataclasses import replace
from decimal import Decimal

import pytest

from drivers.kit.readings import Refusal, Weight
from drivers.kit.settling import (
    Expired,
    NoAnswer,
    Refused,
    Settled,
    Settling,
    Waiting,
)

STABLE = Weight(Decimal("1.250"), "kg", True, b"S S 1.250 kg")
EMPTY = replace(STABLE, value=Decimal("0.000"))
MOVING = replace(STABLE, stable=False)
UNSAID = replace(STABLE, stable=None)
OVER = Weight(None, None, None, b"S +", range="over")
BUSY = Refusal("S I", b"S I")


def settled(settling: Settling, *weights: Weight) -> list[Decimal | None]:
    found = [settling.feed(weight, now=float(at)) for at, weight in enumerate(weights)]
    return [weight.value for weight in found if weight is not None]


def test_a_stable_weight_settles_at_once_and_as_it_was_sent() -> None:
    assert Settling().feed(STABLE, now=0.0) is STABLE


def test_a_load_counts_once() -> None:
    heavier = replace(STABLE, value=Decimal("2.000"))
    assert settled(Settling(), STABLE, STABLE, MOVING, STABLE, heavier) == [Decimal("1.250")]


def test_an_empty_pan_makes_room_for_the_next() -> None:
    assert len(settled(Settling(), STABLE, EMPTY, STABLE)) == 2


def test_the_centre_of_zero_without_a_value_is_an_empty_pan() -> None:
    at_zero = Weight(None, "kg", True, b"\x02?P\r", zero=True)
    assert len(settled(Settling(), STABLE, at_zero, STABLE)) == 2


def test_passing_zero_while_moving_is_no_empty_pan() -> None:
    passing = replace(EMPTY, stable=False)
    moving_at_zero = Weight(None, "kg", False, b"\x02?Q\r", zero=True)
    assert len(settled(Settling(), STABLE, passing, moving_at_zero, STABLE)) == 1


def test_dust_on_the_pan_is_an_empty_pan() -> None:
    dusty = replace(STABLE, value=Decimal("0.002"))
    assert len(settled(Settling(empty=Decimal("0.005")), STABLE, dusty, STABLE)) == 2


def test_zero_and_less_never_settle() -> None:
    assert settled(Settling(), EMPTY, replace(STABLE, value=Decimal("-0.500"))) == []


def test_equal_readings_settle_where_the_scale_does_not_say() -> None:
    settling = Settling(equal=3)
    assert [settling.feed(UNSAID, now=at) for at in (0.0, 0.1)] == [None, None]
    assert settling.feed(UNSAID, now=0.2) is UNSAID


def test_another_value_or_unit_begins_to_count_again() -> None:
    grams = replace(UNSAID, unit="g")
    other = replace(UNSAID, value=Decimal("1.251"))
    assert settled(Settling(equal=2), UNSAID, other, UNSAID, grams, UNSAID) == []


def test_a_pause_begins_to_count_again() -> None:
    settling = Settling(equal=2, within=5.0)
    assert settling.feed(UNSAID, now=0.0) is None
    assert settling.feed(UNSAID, now=60.0) is None
    assert settling.feed(UNSAID, now=60.5) is UNSAID


@pytest.mark.parametrize("between", [MOVING, OVER, Weight(None, None, None, b"?")])
def test_a_reading_that_cannot_be_used_begins_to_count_again(between: Weight) -> None:
    assert settled(Settling(equal=2), UNSAID, between, UNSAID) == []


@pytest.mark.parametrize("word", ["over", "under", "fault"])
def test_digits_of_a_weight_out_of_range_are_never_used(word: str) -> None:
    stale = replace(STABLE, range=word)  # type: ignore[arg-type]
    assert settled(Settling(equal=2), stale, stale, stale) == []


def test_a_tare_is_no_load() -> None:
    assert settled(Settling(), replace(STABLE, measure="tare")) == []


def test_a_weight_that_was_not_used_can_be_had_again() -> None:
    settling = Settling()
    assert settled(settling, STABLE, STABLE) == [STABLE.value]
    settling.rearm()
    assert settled(settling, STABLE, STABLE) == [STABLE.value]


def test_one_reading_is_equal_to_nothing() -> None:
    with pytest.raises(ValueError, match="equal to nothing"):
        Settling(equal=1)


def waiting(budget: float = 3.0) -> Waiting:
    return Waiting(Settling(equal=2), budget, now=10.0)


def test_a_wait_ends_with_the_weight() -> None:
    wait = waiting()
    assert wait.feed(MOVING, now=10.5) is None
    assert wait.feed(STABLE, now=11.0) == Settled(STABLE)


def test_a_weight_at_the_last_moment_counts() -> None:
    assert waiting().feed(STABLE, now=13.0) == Settled(STABLE)


def test_a_load_that_never_comes_to_rest_expires() -> None:
    wait = waiting()
    assert wait.feed(MOVING, now=12.0) is None
    assert wait.tick(now=12.9) is None
    assert wait.tick(now=13.0) == Expired("moving")


def test_an_empty_pan_expires() -> None:
    wait = waiting()
    wait.feed(EMPTY, now=12.0)
    assert wait.tick(now=13.0) == Expired("no new load")


def test_a_scale_that_says_nothing_is_no_answer() -> None:
    wait = waiting()
    assert wait.tick(now=12.9) is None
    assert wait.tick(now=13.0) == NoAnswer()


def test_a_load_out_of_range_is_refused_at_once() -> None:
    assert waiting().feed(OVER, now=10.1) == Refused("over")


def test_a_busy_scale_may_still_answer() -> None:
    wait = waiting()
    assert wait.feed(BUSY, now=10.5) is None
    assert wait.feed(STABLE, now=11.0) == Settled(STABLE)


def test_a_scale_that_stays_busy_has_refused() -> None:
    wait = waiting()
    wait.feed(MOVING, now=11.0)
    assert wait.feed(BUSY, now=13.5) == Refused("S I")
