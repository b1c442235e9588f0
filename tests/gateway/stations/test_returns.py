"""Returns: in which condition, against which papers, and never twice."""

import pytest

from gateway.stations import returns
from tests.gateway.stations.stock import CASE, COPY, EAN, at, play_any_shift
from tests.gateway.stations.table import Copy


def test_the_condition_is_asked_for_once_and_holds() -> None:
    desk = at(returns, to_location="R")
    assert desk.scan(EAN) == "attention"
    assert desk.view.question == "BOLT: in which condition?"
    assert desk.scan("REASON:nonsense") == "not_ok"
    assert desk.scan("REASON:DAMAGED") == "ok"
    assert desk.scan(CASE) == "ok"
    assert [(event.disposition, event.reason) for event in desk.booked] == [
        ("damaged", "DAMAGED"),
        ("damaged", "DAMAGED"),
    ]
    assert desk.last.to_location == "R"


def test_more_than_the_return_has_is_asked_about() -> None:
    desk = at(returns)
    desk.scan("RMA:8", "REASON:GOOD", EAN, EAN)
    assert desk.scan(EAN) == "attention"
    assert desk.card("OVERRIDE") == "ok"
    assert "not on the return" in desk.last.reason
    assert desk.view.lines[0].state == "over"


def test_a_serial_comes_back_once() -> None:
    desk = at(returns)
    desk.scan("REASON:GOOD", "RMA:9", "DRILL")
    assert desk.scan("S1") == "ok"
    desk.scan("DRILL")
    assert desk.scan("S1") == "not_ok"


def test_a_desk_may_want_a_document() -> None:
    assert at(returns, blind=False).scan(EAN) == "not_ok"


@pytest.mark.parametrize("copy", [COPY, None], ids=["reference", "none"])
def test_no_shift_can_make_it_fail(copy: Copy | None) -> None:
    play_any_shift(returns, copy)
