"""Picking: what the list says, where it says it, and no more of it."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from contract.reference import DocumentLine, DocumentRecord, HeldLot, ItemRecord, Pack
from contract.transactions import Pick
from gateway.stations import picking
from tests.gateway.stations.table import Copy, Table

EAN, CASE = "5901234123457", "15901234123454"
BOLT = ItemRecord(
    sku="BOLT",
    packs=(Pack(gtin="0" + EAN, quantity=Decimal(1)), Pack(gtin=CASE, quantity=Decimal(6))),
)
DRILL = ItemRecord(sku="DRILL", serial=True)
MILK = ItemRecord(sku="MILK", lot=True, held=(HeldLot(lot="L7", why="lab"),))
LIST = DocumentRecord(
    document="pick_list",
    number="3",
    lines=(
        DocumentLine(line="1", sku="BOLT", quantity=Decimal(8), location="A-1"),
        DocumentLine(line="2", sku="DRILL", quantity=Decimal(1), location="B-1"),
        DocumentLine(line="3", sku="MILK", quantity=Decimal(1)),
    ),
)
COPY = Copy.of(BOLT, DRILL, MILK, LIST)


@pytest.fixture
def table() -> Table:
    made = Table(picking, picking.Config(to_location="STAGE"), copy=COPY, today=date(2026, 11, 23))
    made.scan("DOC:3")
    return made


def test_the_screen_says_where_to_go_and_what_to_take(table: Table) -> None:
    assert table.view.headline == "Go to A-1: 8 BOLT"
    table.scan("LOC:A-1")
    assert table.view.headline == "Take 8 BOLT"
    assert table.scan(CASE) == "ok"
    assert table.signal.text == "BOLT: 6 of 8"
    assert table.view.headline == "Take 2 BOLT"
    pick = table.last
    assert isinstance(pick, Pick)
    assert (pick.from_location, pick.to_location) == ("A-1", "STAGE")


def test_an_item_is_taken_only_where_its_line_says(table: Table) -> None:
    assert table.scan(EAN) == "not_ok"
    assert table.signal.text == "BOLT is not picked here"
    assert table.scan("LOC:B-1", EAN) == "not_ok"
    assert table.scan("LOC:C-9") == "not_ok"
    assert table.signal.text == "WRONG PLACE: nothing to pick at C-9"


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["QTY:9", EAN], "TOO MANY: BOLT, 8 ordered"),
        (["4012345678901"], "Unknown code 4012345678901"),
        (["MILK", "L7"], "MILK: lot L7 is held: lab"),
    ],
)
def test_what_must_not_be_picked_is_refused(table: Table, labels: list[str], said: str) -> None:
    table.scan("LOC:A-1")
    assert table.scan(*labels) == "not_ok"
    assert table.signal.text == said


def test_a_serial_number_is_picked_once(table: Table) -> None:
    table.scan("LOC:B-1", "DRILL")
    assert table.view.question == "DRILL: which serial number?"
    assert table.scan("S1") == "ok"
    table.scan("DRILL")
    assert table.scan("S1") == "not_ok"


def test_done_wants_a_reason_while_lines_are_open(table: Table) -> None:
    assert table.card("DONE") == "attention"
    assert table.scan("LOC:A-1") == "ok", "going on is an answer"
    table.card("DONE")
    assert table.scan("REASON:empty bin") == "ok"
    assert table.signal.text == "3 closed short: empty bin"


def test_undo_gives_the_line_back(table: Table) -> None:
    table.scan("LOC:A-1", CASE)
    table.restart()
    table.card("UNDO")
    assert table.view.lines[0].done == "0"


def test_without_a_list_everything_scanned_is_picked_for_the_number() -> None:
    table = Table(picking, picking.Config())
    table.scan("SO:1", "LOC:A-1", EAN)
    assert table.booked[0].documents[0].number == "1"
    assert table.card("DONE") == "ok"


class Picking(RuleBasedStateMachine):
    """Any shift: no line gets more than the list says."""

    def __init__(self) -> None:
        super().__init__()
        self.table = Table(picking, picking.Config(), copy=COPY)

    @rule(
        labels=st.lists(
            st.sampled_from(
                [
                    "DOC:3", "DOC:4", "LOC:A-1", "LOC:B-1", EAN, CASE, "DRILL", "S1", "S2", "MILK",
                    "L1", "QTY:2", "REASON:x", "]C100123456789012345675", "what",
                ]
            ),
            min_size=1,
            max_size=4,
        )
    )  # fmt: skip
    def scan(self, labels: list[str]) -> None:
        self.table.scan(*labels)

    @rule(word=st.sampled_from(["DONE", "CANCEL", "UNDO", "UNDO", "HOLD"]))
    def card(self, word: str) -> None:
        self.table.card(word)  # type: ignore[arg-type]

    @rule()
    def restart(self) -> None:
        self.table.weigh("1")
        self.table.restart()

    @invariant()
    def no_line_is_exceeded(self) -> None:
        for ordered in LIST.lines:
            done = sum(
                line.quantity.value
                for event in self.table.booked
                if event.documents and event.documents[0].number == "3"
                for line in event.lines
                if line.document_line == ordered.line
            )
            assert done <= ordered.quantity

    @invariant()
    def the_screen_can_always_be_drawn(self) -> None:
        assert self.table.view.headline


TestPicking = Picking.TestCase
TestPicking.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
