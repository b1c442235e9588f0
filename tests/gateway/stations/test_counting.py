"""Counting: a place as a whole, zero where nothing was found, twice where it differs."""

from decimal import Decimal

import pytest

from gateway.stations import counting
from tests.gateway.stations.stock import CASE, COPY, EAN, amounts, at, play_any_shift
from tests.gateway.stations.table import Copy


def test_a_place_is_booked_as_a_whole_and_what_was_not_found_is_zero() -> None:
    hall = at(counting)
    hall.scan("CS:6", "LOC:A-1", CASE, "QTY:4", EAN)
    assert hall.booked == []
    assert hall.card("DONE") == "attention"
    assert hall.signal.text == "MILK was not found"
    assert hall.card("DONE") == "ok"
    assert amounts(hall) == {"BOLT": "10", "MILKL1": "0"}
    assert [line.document_line for line in hall.lines()] == ["1", "2"]


def test_a_difference_is_counted_again_before_it_is_believed() -> None:
    hall = at(counting)
    hall.scan("CS:6", "LOC:B-1", CASE)
    assert hall.scan("LOC:A-1") == "attention"
    assert hall.signal.text == "BOLT: 6 counted, 5 expected"
    assert hall.scan("LOC:A-1") == "ok"
    assert hall.state.location == "A-1"
    assert amounts(hall) == {"BOLT": "6"}


def test_a_blind_sheet_never_says_what_the_books_say() -> None:
    hall = at(counting)
    hall.scan("CS:66", "LOC:B-1", CASE)
    assert hall.view.lines[0].expected == ""
    hall.card("DONE")
    assert hall.signal.text == "BOLT: count it again"


def test_a_difference_within_bounds_is_booked_at_once() -> None:
    hall = at(counting, recount_percent=Decimal(20))
    hall.scan("CS:6", "LOC:B-1", CASE)
    assert hall.card("DONE") == "ok"


def test_counting_without_a_sheet_books_what_is_found() -> None:
    hall = at(counting)
    assert hall.scan(EAN) == "not_ok"
    hall.scan("LOC:C-1", EAN, "MILK", "L1", "DRILL", "S1", "DRILL", "S1")
    assert hall.signal.text == "Serial S1 is already counted"
    hall.scan("LOC:D-1")
    assert amounts(hall) == {"BOLT": "1", "MILKL1": "1", "DRILLS1": "1"}


def test_undo_takes_back_an_item_and_then_the_place() -> None:
    hall = at(counting)
    hall.scan("LOC:C-1", EAN, CASE)
    hall.card("UNDO")
    hall.restart()
    hall.card("DONE")
    assert amounts(hall) == {"BOLT": "1"}
    hall.card("UNDO")
    assert hall.booked == []
    assert hall.view.lines[0].done == "1"


@pytest.mark.parametrize("copy", [COPY, None], ids=["reference", "none"])
def test_no_shift_can_make_it_fail(copy: Copy | None) -> None:
    play_any_shift(counting, copy)
