"""How one of many comes back: in turned time, with the dice of a seed."""

import heapq
import random

import pytest

from runtime.manners import CALM, PACE, PATIENCE, SLOWLY, STABLE, Manners
from runtime.mqtt import BrokerLost, BrokerRefused, SessionTakenOver

LOST = BrokerLost("gone")


class Hand:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def manners(seed: int = 1, fleet: int = 1) -> tuple[Manners, Hand]:
    hand = Hand()
    return Manners(hand, fleet, random.Random(seed)), hand


def session(polite: Manners, hand: Hand, seconds: float, why: Exception = LOST) -> float:
    """Be connected for some seconds, and return the wait after it."""
    polite.connected()
    hand.now += seconds
    return polite.next_wait(why)


def rival(speaker: str = "another") -> bytes:
    return f'{{"online":false,"speaker":"{speaker}"}}'.encode()


def own(polite: Manners) -> bytes:
    return rival(polite.name)


# The spread


def restart(seed: int, gateways: int, down: float) -> tuple[list[float], list[float]]:
    """Return when who came back was let in, and all tries, in seconds after the broker died.

    It answers nobody for `down` seconds. Nothing here is real but the manners.
    """
    dice = random.Random(seed)
    came, tries = [], []
    waiting: list[tuple[float, int, Manners]] = []
    for number in range(gateways):
        hand = Hand()
        polite = Manners(hand, gateways, random.Random(dice.random()))
        waiting.append((session(polite, hand, 3600.0), number, polite))
    heapq.heapify(waiting)
    while waiting:
        now, number, polite = heapq.heappop(waiting)
        tries.append(now)
        if now >= down:
            came.append(now)
        else:
            heapq.heappush(waiting, (now + polite.next_wait(LOST), number, polite))
    return came, tries


def busiest_second(moments: list[float]) -> int:
    ordered = sorted(moments)
    most = start = 0
    for end, moment in enumerate(ordered):
        while moment - ordered[start] >= 1.0:
            start += 1
        most = max(most, end - start + 1)
    return most


@pytest.mark.parametrize("down", [0.0, 1.0, 15.0, 120.0, 900.0])
def test_two_hundred_come_back_at_most_twenty_in_any_second(down: float) -> None:
    for seed in range(60):
        came, _ = restart(seed, 200, down)
        assert len(came) == 200
        assert busiest_second(came) <= 20
        assert max(came) - down < 4 * 200 / PACE


def test_a_broker_that_is_down_is_not_stormed_either() -> None:
    for seed in range(20):
        _, tries = restart(seed, 200, 600.0)
        assert busiest_second(tries) <= 30
        assert len(tries) / 600 < 2 * PACE


@pytest.mark.parametrize("gateways", [20, 60, 600])
def test_the_pace_does_not_depend_on_how_many_there_are(gateways: int) -> None:
    assert all(busiest_second(restart(seed, gateways, 1.0)[0]) <= 20 for seed in range(20))


def test_clients_that_know_of_no_others_would_storm() -> None:
    """The measure measures: with the manners of one alone, two hundred are a storm."""
    hand = Hand()
    waits = [Manners(hand, 1, random.Random(seed)).next_wait(LOST) for seed in range(200)]
    assert busiest_second(waits) == 200


def test_one_alone_is_back_at_once_and_does_not_wait_long_for_a_broker_that_was_away() -> None:
    for seed in range(50):
        polite, hand = manners(seed)
        assert polite.first_wait() == 0
        assert session(polite, hand, 3600) <= 0.2
        for _ in range(30):
            assert polite.next_wait(LOST) <= PATIENCE


def test_many_that_get_power_together_do_not_come_together() -> None:
    waits = [manners(seed, 200)[0].first_wait() for seed in range(200)]
    assert busiest_second(waits) <= 20


def test_a_no_is_not_asked_about_every_second() -> None:
    waits = []
    for seed in range(50):
        polite, _ = manners(seed)
        waits += [polite.next_wait(BrokerRefused("no")) for _ in range(12)][8:]
    assert sum(waits) / len(waits) > 10
    assert max(waits) <= 30


def test_the_reach_starts_over_only_after_a_connection_that_lasted() -> None:
    def mean(seconds: float) -> float:
        total = 0.0
        for seed in range(200):
            polite, hand = manners(seed, 60)
            for _ in range(5):
                polite.next_wait(LOST)
            total += session(polite, hand, seconds)
        return total / 200

    assert mean(STABLE - 1) > 9.5  # half of 24
    assert mean(STABLE + 1) < 7.5  # half of 12


def test_a_long_try_is_no_connection_that_lasted() -> None:
    waits = []
    for seed in range(200):
        polite, hand = manners(seed, 60)
        for _ in range(5):
            hand.now += 20  # seconds until the connecting timed out
            waits.append(polite.next_wait(LOST))
    assert sum(waits[4::5]) / 200 > 9.5


@pytest.mark.parametrize("said", [None, "", "many", "-5", "1e9", "٣", "9999999", "0"])
def test_nonsense_about_the_fleet_is_not_believed(said: str | None) -> None:
    polite, _ = manners()
    polite.share(said)
    assert polite.fleet == 1


def test_the_fleet_is_what_was_said_last_within_bounds() -> None:
    polite, _ = manners()
    for said, meant in (("200", 200), ("999999", 1000), ("3", 3)):
        polite.share(said)
        assert polite.fleet == meant


# The battle


def test_who_is_told_of_a_takeover_stops_fighting() -> None:
    polite, hand = manners()
    assert not polite.taken_over
    wait = session(polite, hand, 0.1, SessionTakenOver("0x8E"))
    assert SLOWLY[0] <= wait <= SLOWLY[1]
    assert polite.taken_over


def test_where_the_broker_does_not_say_it_the_other_one_gives_itself_away() -> None:
    polite, hand = manners()
    polite.overhear(rival("our own earlier life"))
    polite.overhear(own(polite))
    assert session(polite, hand, 0.5) < 1
    polite.overhear(rival())
    polite.overhear(own(polite))
    assert session(polite, hand, 0.5) < 1  # once may be a broker that went back in time
    assert not polite.taken_over
    polite.overhear(rival())
    assert session(polite, hand, 0.5) >= SLOWLY[0]
    assert polite.taken_over


def test_a_broker_that_restarts_all_the_time_is_no_battle() -> None:
    polite, hand = manners()
    for _ in range(100):
        polite.overhear(rival("our own earlier life") if not polite._said else own(polite))
        polite.overhear(own(polite))
        assert session(polite, hand, 0.5) <= PATIENCE
    assert not polite.taken_over


@pytest.mark.parametrize(
    "said", [b"", b"no json", b"null", b"[]", b"{}", b"[" * 50_000, b'{"online":true}', b"\xff"]
)
def test_what_names_no_speaker_proves_nothing(said: bytes) -> None:
    polite, hand = manners()
    polite.overhear(own(polite))
    for _ in range(5):
        polite.overhear(said)
    assert session(polite, hand, 0.5) < 1


def test_it_is_over_when_a_connection_outlasts_the_other_ones_wait() -> None:
    polite, hand = manners()
    session(polite, hand, 1, SessionTakenOver("0x8E"))
    polite.connected()
    known = []
    for seconds in (SLOWLY[1], CALM - SLOWLY[1] + 1):  # at first it may still come
        hand.now += seconds
        known.append(polite.taken_over)
    assert polite.next_wait(LOST) <= 0.2
    assert [*known, polite.taken_over] == [True, False, False]
