"""Transfer: goods are in hand between two places, and booked when they have arrived."""

from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from contract.reference import DocumentLine, DocumentRecord, ItemRecord, Pack
from gateway.stations import transfer
from tests.gateway.stations.table import Copy, Table

EAN, CASE = "5901234123457", "15901234123454"
BOLT = ItemRecord(
    sku="BOLT",
    packs=(Pack(gtin="0" + EAN, quantity=Decimal(1)), Pack(gtin=CASE, quantity=Decimal(12))),
)
DRILL = ItemRecord(sku="DRILL", serial=True, lot=True)
ORDER = DocumentRecord(
    document="transfer",
    number="5",
    lines=(DocumentLine(line="1", sku="BOLT", quantity=Decimal(20)),),
    from_location="A-1",
)
COPY = Copy.of(BOLT, DRILL, ORDER)


@pytest.fixture
def hall() -> Table:
    return Table(transfer, transfer.Config(), copy=COPY)


def test_a_trip_needs_a_place_to_come_from(hall: Table) -> None:
    assert hall.scan(EAN) == "not_ok"
    assert hall.view.headline == "Scan where you take it from"
    assert hall.scan("LOC:A-1", EAN) == "ok"


def test_goods_do_not_go_where_they_come_from(hall: Table) -> None:
    assert hall.scan("LOC:A-1", EAN, "LOC:A-1") == "not_ok"
    assert hall.scan("LOC:B-1") == "ok"


def test_serial_and_lot_are_asked_for_and_a_serial_goes_once_on_a_trip(hall: Table) -> None:
    hall.scan("LOC:A-1")
    assert hall.scan("DRILL") == "attention"
    assert hall.view.question == "DRILL: which lot?"
    assert hall.scan("L1") == "attention"
    assert hall.scan("S1") == "ok"
    hall.scan("DRILL", "L1")
    assert hall.scan("S1") == "not_ok"
    assert hall.scan("LOC:B-1") == "ok"
    assert hall.lines()[0].serial == "S1"


def test_a_transfer_order_says_where_from_and_how_much(hall: Table) -> None:
    hall.scan("TR:5", CASE)
    assert [(row.done, row.expected) for row in hall.view.lines] == [("12", "20")]
    assert hall.scan(CASE) == "not_ok"
    assert hall.scan("LOC:B-1") == "ok"
    assert hall.last.from_location == "A-1"
    assert hall.lines()[0].document_line == "1"
    assert hall.scan(CASE) == "not_ok", "what was booked counts, too"


def test_undo_puts_back_item_by_item_and_then_has_the_trip_in_hand_again(hall: Table) -> None:
    hall.scan("LOC:A-1", EAN, CASE)
    assert hall.card("UNDO") == "ok"
    hall.scan("LOC:B-1")
    assert hall.card("UNDO") == "ok"
    assert hall.booked == []
    assert hall.scan("LOC:C-1") == "ok"
    assert [line.quantity.value for line in hall.lines()] == [Decimal(1)]


def test_a_trip_survives_a_restart(hall: Table) -> None:
    hall.scan("LOC:A-1", "QTY:3", EAN)
    hall.restart()
    assert hall.scan("LOC:B-1") == "ok"
    assert hall.lines()[0].quantity.value == 3


def test_done_with_goods_on_the_way_is_refused(hall: Table) -> None:
    hall.scan("LOC:A-1", EAN)
    assert hall.card("DONE") == "not_ok"
    assert hall.card("CANCEL") == "ok"
    assert hall.card("DONE") == "ok"
    assert hall.booked == []


class Trips(RuleBasedStateMachine):
    """Any shift: what is booked is what was taken and not put back, and never from A to A."""

    def __init__(self) -> None:
        super().__init__()
        self.table = Table(transfer, transfer.Config(), copy=COPY)

    @rule(
        labels=st.lists(
            st.sampled_from(
                ["LOC:A-1", "LOC:B-1", EAN, CASE, "DRILL", "L1", "S1", "S2", "TR:5", "TR:6",
                 "QTY:2", "]C100123456789012345675", "what", "REASON:x", "MODE:y"]
            ),
            min_size=1,
            max_size=4,
        )
    )  # fmt: skip
    def scan(self, labels: list[str]) -> None:
        self.table.scan(*labels)

    @rule(word=st.sampled_from(["DONE", "CANCEL", "UNDO", "UNDO", "HOLD", "OVERRIDE"]))
    def card(self, word: str) -> None:
        self.table.card(word)  # type: ignore[arg-type]

    @rule()
    def weigh(self) -> None:
        self.table.weigh("1.0")

    @rule()
    def restart(self) -> None:
        self.table.restart()

    @invariant()
    def no_trip_ends_where_it_began(self) -> None:
        assert all(event.from_location != event.to_location for event in self.table.booked)

    @invariant()
    def no_serial_goes_twice_on_one_trip(self) -> None:
        for event in self.table.booked:
            serials = [line.serial for line in event.lines if line.serial]
            assert len(serials) == len(set(serials))

    @invariant()
    def an_order_is_never_exceeded(self) -> None:
        moved = sum(line.quantity.value for line in self.table.lines() if line.document_line == "1")
        assert moved <= 20

    @invariant()
    def the_screen_can_always_be_drawn(self) -> None:
        assert self.table.view.headline


TestTrips = Trips.TestCase
TestTrips.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
