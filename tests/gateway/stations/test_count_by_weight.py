"""Counting by weight: only what the scale can be sure of is booked."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.reference import ItemRecord
from contract.transactions import Count
from gateway.stations import count_by_weight
from gateway.stations.count_by_weight import Config
from tests.gateway.stations.table import Copy, Table

SCREW = ItemRecord(sku="SCREW", weight_g=Decimal("4.2"))
NUT = ItemRecord(sku="NUT")
DRILL = ItemRecord(sku="DRILL", serial=True, weight_g=Decimal(1800))
OIL = ItemRecord(sku="OIL", unit="KGM")
PASTE = ItemRecord(sku="PASTE", lot=True, weight_g=Decimal(100))
COPY = Copy.of(SCREW, NUT, DRILL, OIL, PASTE)


@pytest.fixture
def table() -> Table:
    made = Table(count_by_weight, Config(), copy=COPY)
    made.scan("LOC:A-1")
    return made


def test_pieces_of_a_known_weight_are_counted_at_once(table: Table) -> None:
    assert table.scan("SCREW") == "attention"
    assert table.weigh("0.4200") == "ok"
    count = table.last
    assert isinstance(count, Count)
    assert (count.location, count.lines[0].quantity.value) == ("A-1", Decimal(100))
    assert count.weight is not None
    assert [each.kind for each in table.evidence] == ["scan", "weight"]


def test_a_sample_teaches_what_a_piece_weighs(table: Table) -> None:
    table.scan("NUT")
    assert table.view.headline == "Scan a QTY card: pieces of the sample"
    table.scan("QTY:20")
    assert table.view.headline == "Put 20 pieces on the scale"
    assert table.weigh("50.0", "g") == "attention"
    assert dict(table.view.facts)["One piece"] == "2.5000 g"
    table.restart()
    assert table.weigh("250.0", "g") == "ok"
    assert table.lines()[0].quantity.value == 100


def test_a_scale_too_coarse_for_the_piece_is_refused(table: Table) -> None:
    table.scan("SCREW")
    assert table.weigh("0.42") == "not_ok"
    assert table.signal.text == "The scale is too coarse for this piece"


def test_a_sample_too_small_for_the_load_is_refused(table: Table) -> None:
    table.scan("NUT", "QTY:5")
    table.weigh("12.5", "g")
    assert table.weigh("2500.0", "g") == "not_ok"
    assert "coarse" in table.signal.text
    assert table.booked == []


def test_what_is_no_whole_number_is_refused(table: Table) -> None:
    table.scan("SCREW")
    assert table.weigh("421.9", "g") == "not_ok"
    assert table.signal.text == "100.45 pieces: that is no whole number"
    assert table.weigh("420.1", "g") == "ok"


@pytest.mark.parametrize(
    ("item", "said"),
    [("DRILL", "DRILL has serial numbers"), ("OIL", "OIL is not counted in pieces")],
)
def test_what_is_not_counted_by_weight_is_refused(table: Table, item: str, said: str) -> None:
    assert table.scan(item) == "not_ok"
    assert table.signal.text == said


def test_a_lot_is_asked_for(table: Table) -> None:
    assert table.scan("PASTE") == "attention"
    assert table.view.question == "PASTE: which lot?"
    table.scan("L1")
    assert table.weigh("1.000") == "ok"
    assert (table.lines()[0].lot, table.lines()[0].quantity.value) == ("L1", Decimal(10))


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 5000), st.decimals("0.5", "500", places=2), st.sampled_from([0, 1, 2]), st.data()
)
def test_a_count_that_is_booked_is_the_right_one(
    pieces: int, weight: Decimal, digits: int, data: st.DataObject
) -> None:
    """Whatever the scale rounds away, by half a step up or down."""
    item = ItemRecord(sku="X", weight_g=weight)
    table = Table(count_by_weight, Config(off_by=Decimal("0.5")), copy=Copy.of(item))
    table.scan("LOC:A", "X")
    true = weight * pieces
    step_ = Decimal(1).scaleb(-digits)
    off = data.draw(st.sampled_from([-1, 0, 1])) * step_ / 2
    shown = (true + off).quantize(step_)
    if shown > 0 and abs(shown - true) <= step_ / 2:
        table.weigh(f"{shown:f}", "g")
        for line in table.lines():
            assert line.quantity.value == pieces


INPUTS = st.lists(
    st.one_of(
        st.sampled_from(
            ["LOC:A", "SCREW", "NUT", "PASTE", "L1", "QTY:3", "QTY:0.5", "CS:1", "what", "REASON:x"]
        ),
        st.decimals("-1", "100", places=3),
    ),
    max_size=20,
)


@settings(max_examples=150, deadline=None)
@given(INPUTS)
def test_no_shift_can_make_it_fail(inputs: list[str | Decimal]) -> None:
    table = Table(count_by_weight, Config(), copy=COPY)
    for each in inputs:
        if isinstance(each, Decimal):
            table.weigh(str(each), "g")
        else:
            table.scan(each)
        assert table.view.headline
    table.restart()
    for _ in range(30):
        table.card("UNDO")
    assert table.booked == []
