"""Assembly: a kit is made of what goes into it and nothing else."""

import pytest

from gateway.stations import assembly
from tests.gateway.stations.stock import CASE, COPY, EAN, at, play_any_shift
from tests.gateway.stations.table import Copy


def test_a_kit_is_made_of_what_goes_into_it_and_nothing_else() -> None:
    table = at(assembly, location="K")
    assert table.scan(EAN) == "not_ok"
    table.scan("QTY:2", "KIT", CASE)
    assert table.scan("MILK") == "not_ok"
    assert table.signal.text == "WRONG ITEM: MILK does not go in"
    assert table.scan(CASE) == "not_ok"
    assert table.signal.text == "TOO MANY: BOLT, 8 go in"
    assert table.card("DONE") == "not_ok"
    assert table.signal.text == "2 BOLT are missing"
    table.scan("QTY:2", EAN, "DRILL", "S1", "DRILL", "S1")
    assert table.signal.text == "Serial S1 is already in"
    table.card("CANCEL")


def test_a_complete_kit_is_one_assembly() -> None:
    table = at(assembly, location="K")
    table.scan("KIT", "QTY:4", EAN, "DRILL", "S1")
    assert table.view.headline == "Complete: scan DONE"
    table.restart()
    assert table.card("DONE") == "ok"
    made = table.last
    assert (made.produced[0].item.sku, made.location) == ("KIT", "K")
    assert [(line.item.sku, line.serial) for line in made.consumed] == [
        ("BOLT", None),
        ("DRILL", "S1"),
    ]
    table.card("UNDO")
    assert table.booked == []
    assert table.card("DONE") == "ok", "the kit was in hand again"


@pytest.mark.parametrize("copy", [COPY, None], ids=["reference", "none"])
def test_no_shift_can_make_it_fail(copy: Copy | None) -> None:
    play_any_shift(assembly, copy)
