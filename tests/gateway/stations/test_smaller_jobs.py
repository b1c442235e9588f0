"""Returns, counting, adjustment and assembly: each rule, and any shift at all."""

from decimal import Decimal
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.codes.cards import COMMANDS, command_card
from contract.reference import Component, DocumentLine, DocumentRecord, HeldLot, ItemRecord, Pack
from gateway.stations import adjustment, assembly, counting, returns
from tests.gateway.stations.table import Copy, Table

EAN, CASE = "5901234123457", "15901234123454"
BOLT = ItemRecord(
    sku="BOLT",
    packs=(Pack(gtin="0" + EAN, quantity=Decimal(1)), Pack(gtin=CASE, quantity=Decimal(6))),
)
DRILL = ItemRecord(sku="DRILL", serial=True)
MILK = ItemRecord(sku="MILK", lot=True, held=(HeldLot(lot="L7", why="lab"),))
KIT = ItemRecord(
    sku="KIT",
    components=(
        Component(sku="BOLT", quantity=Decimal(4)),
        Component(sku="DRILL", quantity=Decimal(1)),
    ),
)
RMA = DocumentRecord(
    document="rma", number="8", lines=(DocumentLine(line="1", sku="BOLT", quantity=Decimal(2)),)
)
SHEET = DocumentRecord(
    document="count_sheet",
    number="6",
    lines=(
        DocumentLine(line="1", sku="BOLT", quantity=Decimal(10), location="A-1"),
        DocumentLine(line="2", sku="MILK", quantity=Decimal(3), location="A-1", lot="L1"),
        DocumentLine(line="3", sku="BOLT", quantity=Decimal(5), location="B-1"),
    ),
)
BLIND = SHEET.model_copy(update={"number": "66", "blind": True})
COPY = Copy.of(BOLT, DRILL, MILK, KIT, RMA, SHEET, BLIND)


def at(job: ModuleType, **settings_: object) -> Table:
    return Table(job, job.Config(**settings_), copy=COPY)


def amounts(table: Table) -> dict[str, str]:
    return {
        f"{line.item.sku}{line.lot or ''}{line.serial or ''}": str(line.quantity.value)
        for line in table.lines()
    }


# Returns


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


# Counting


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


# Adjustment


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


# Assembly


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


# Any shift

LABELS = st.sampled_from(
    [
        EAN, CASE, "DRILL", "MILK", "KIT", "S1", "S2", "L1", "L7", "RMA:8", "CS:6", "CS:66", "PO:1",
        "LOC:A-1", "LOC:B-1", "LOC:Z", "QTY:2", "QTY:0", "REASON:LOST", "REASON:GOOD", "REASON:x",
        "OP:1", "MODE:x", "]C100123456789012345675", "what is this", "\x00\x1d",
        *(command_card(word) for word in COMMANDS), command_card("UNDO"), command_card("UNDO"),
    ]
)  # fmt: skip
INPUTS = st.lists(st.one_of(LABELS, st.decimals("-1", "20", places=2)), max_size=40)


@pytest.mark.parametrize("job", [returns, counting, adjustment, assembly])
@pytest.mark.parametrize("copy", [COPY, None], ids=["reference", "none"])
def test_no_shift_can_make_it_fail(job: ModuleType, copy: Copy | None) -> None:
    @settings(max_examples=150, deadline=None)
    @given(INPUTS)
    def shift(inputs: list[str | Decimal]) -> None:
        table = Table(job, job.Config(), copy=copy)
        for number, each in enumerate(inputs):
            if isinstance(each, Decimal):
                table.weigh(str(each))
            else:
                table.scan(each)
            assert table.view.headline
            if number % 7 == 0:
                table.restart()
        for event in table.booked:
            serials = [
                line.serial
                for line in getattr(event, "lines", getattr(event, "consumed", ()))
                if line.serial
            ]
            assert len(serials) == len(set(serials))
        for _ in range(60):
            table.card("UNDO")
        assert table.booked == []

    shift()
