"""Adjustment: a difference with a reason."""

import pytest

from gateway.stations import adjustment
from tests.gateway.stations.stock import COPY, EAN, at, play_any_shift
from tests.gateway.stations.table import Copy


def test_a_reason_says_up_or_down_and_holds() -> None:
    hall = at(adjustment, location="A-1")
    assert hall.scan("QTY:3", EAN) == "attention"
    assert hall.scan("REASON:LOST") == "ok"
    assert hall.signal.text == "-3 BOLT: LOST"
    hall.scan("REASON:FOUND", EAN)
    assert [(event.direction, event.reason) for event in hall.booked] == [
        ("decrease", "LOST"),
        ("increase", "FOUND"),
    ]


def test_a_reason_nobody_knows_is_refused() -> None:
    assert at(adjustment).scan("REASON:because") == "not_ok"


@pytest.mark.parametrize("copy", [COPY, None], ids=["reference", "none"])
def test_no_shift_can_make_it_fail(copy: Copy | None) -> None:
    play_any_shift(adjustment, copy)
