"""Wrong tries are counted by address and by name, and forgotten in time."""

import pytest

from bridge.web import tries as counting
from bridge.web.tries import ADDRESS_WAIT_S, FORGOTTEN_S, FREE, NAME_WAIT_S, Tries


class Seconds:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def wrong(tries: Tries, times: int, address: str, name: str) -> None:
    for _ in range(times):
        tries.wrong(address, name)


def test_a_name_waits_a_minute_at_most_and_an_address_a_quarter_of_an_hour() -> None:
    tries = Tries(Seconds())
    wrong(tries, 60, "192.0.2.7", "anna")
    assert tries.wait("192.0.2.8", "Anna") == NAME_WAIT_S
    assert tries.wait("192.0.2.7", "ben") == ADDRESS_WAIT_S
    assert tries.wait("192.0.2.8", "ben") == 0.0


def test_a_household_of_ipv6_is_one_address() -> None:
    tries = Tries(Seconds())
    for part in range(FREE):
        tries.wrong(f"2001:db8::{part:x}", f"name-{part}")
    assert tries.wait("2001:db8::ffff", "anna") == 1.0
    assert tries.wait("2001:db8:0:1::", "anna") == 0.0


def test_what_was_wrong_is_forgotten_in_an_hour_or_with_the_right_word() -> None:
    seconds = Seconds()
    tries = Tries(seconds)
    wrong(tries, FREE + 3, "192.0.2.7", "anna")
    assert tries.wait("192.0.2.7", "anna") == 8.0
    seconds.now = FORGOTTEN_S + 1.0
    assert tries.wait("192.0.2.7", "anna") == 0.0
    tries.wrong("192.0.2.7", "anna")
    assert tries.wait("192.0.2.7", "anna") == 0.0
    wrong(tries, FREE, "192.0.2.7", "anna")
    tries.right("192.0.2.7", "anna")
    assert (tries.wait("192.0.2.7", "anna"), len(tries)) == (0.0, 0)


def test_a_flood_of_names_does_not_let_an_address_be_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(counting, "MOST_KNOWN", 20)
    tries = Tries(Seconds())
    for number in range(1_000):
        tries.wrong("not an address", f"name-{number}")
    assert len(tries) == 20
    assert tries.wait("not an address", "anna") == ADDRESS_WAIT_S
