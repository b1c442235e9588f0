"""Receiving against what the ERP expects: how far each line is, and what is asked before OK."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from contract.reference import DocumentLine, DocumentRecord, HeldLot, ItemRecord, Pack
from contract.values import Document
from gateway.stations import receiving
from gateway.stations.receiving import Config
from tests.gateway.stations.table import Copy, Table

EAN, CASE = "5901234123457", "15901234123454"
DRILL_GTIN = "04006381333931"
BOLT = ItemRecord(
    sku="BOLT",
    packs=(Pack(gtin="0" + EAN, quantity=Decimal(1)), Pack(gtin=CASE, quantity=Decimal(12))),
)
DRILL = ItemRecord(sku="DRILL", packs=(Pack(gtin=DRILL_GTIN, quantity=Decimal(1)),), serial=True)
MILK = ItemRecord(
    sku="MILK", lot=True, expiry=True, held=(HeldLot(lot="L7", why="lab"),), codes=("MILK-1L",)
)
HAM = ItemRecord(sku="HAM", unit="KGM")
PO = DocumentRecord(
    document="po",
    number="7",
    lines=(
        DocumentLine(line="1", sku="BOLT", quantity=Decimal(20)),
        DocumentLine(line="2", sku="DRILL", quantity=Decimal(2)),
        DocumentLine(line="3", sku="MILK", quantity=Decimal(5), done=Decimal(2)),
        DocumentLine(line="4", sku="HAM", quantity=Decimal(10)),
        DocumentLine(line="5", sku="BOLT", quantity=Decimal(4)),
    ),
    over_percent=Decimal(50),
)
COPY = Copy.of(BOLT, DRILL, MILK, HAM, PO)
TODAY = date(2026, 11, 23)


@pytest.fixture
def dock() -> Table:
    table = Table(
        receiving,
        Config(quarantine="QUAR"),
        copy=COPY,
        today=TODAY,
        supervisors=("boss",),
    )
    table.scan("PO:7")
    return table


def shown(table: Table) -> dict[str, tuple[str, str, str]]:
    return {
        f"{row.label} {row.expected}": (row.done, row.expected, row.state)
        for row in table.view.lines
    }


def test_lines_begin_with_what_the_erp_has_and_grow_with_each_scan(dock: Table) -> None:
    assert shown(dock)["MILK 5"] == ("2", "5", "open")
    assert dock.scan(CASE) == "ok"
    assert dock.signal.text == "12 EA BOLT"
    assert shown(dock)["BOLT 20"] == ("12", "20", "open")
    [line] = dock.lines()
    assert (line.document_line, line.item.sku, line.item.gtin) == ("1", "BOLT", CASE)


def test_an_item_fills_its_lines_in_their_order(dock: Table) -> None:
    dock.scan("QTY:22", EAN)
    assert [(line.document_line, line.quantity.value) for line in dock.lines()] == [
        ("1", Decimal(20)),
        ("5", Decimal(2)),
    ]
    assert shown(dock)["BOLT 20"][2] == "done"


def test_too_much_within_the_tolerance_is_booked_and_warned_of(dock: Table) -> None:
    dock.scan("QTY:24", EAN)
    assert dock.scan(EAN) == "attention"
    assert dock.signal.text == "1 EA BOLT: 5 of 4, within tolerance"
    assert sum(line.quantity.value for line in dock.lines()) == 25


def test_too_much_beyond_the_tolerance_waits_for_a_supervisor(dock: Table) -> None:
    dock.scan("QTY:24", EAN)
    assert dock.scan("QTY:3", EAN) == "attention"
    assert dock.signal.text == "BOLT: 7 of 4 is too much"
    assert dock.view.question == dock.signal.text
    booked = len(dock.booked)
    assert dock.scan(EAN) == "not_ok"
    assert dock.card("OVERRIDE") == "attention"
    assert dock.scan("OP:thief") == "not_ok"
    assert len(dock.booked) == booked
    assert dock.scan("OP:boss") == "ok"
    assert dock.last.reason == "override by boss: BOLT: 7 of 4 is too much"
    assert dock.shift.operator is None, "an answer is not a sign-in"


def test_without_supervisors_the_operator_decides_and_it_is_recorded() -> None:
    dock = Table(receiving, Config(), copy=COPY)
    dock.scan("OP:4711", "PO:7", "QTY:24", EAN, "QTY:9", EAN)
    assert dock.card("OVERRIDE") == "ok"
    assert dock.last.reason.startswith("override by 4711")


def test_an_item_that_is_not_on_the_order_is_asked_about(dock: Table) -> None:
    other = Table(
        receiving, Config(), copy=Copy.of(BOLT, DRILL, PO.model_copy(update={"lines": ()}))
    )
    other.scan("PO:7")
    assert other.scan(EAN) == "ok", "a document without lines has no list"
    lone = PO.model_copy(update={"lines": PO.lines[1:2]})
    other = Table(receiving, Config(), copy=Copy.of(BOLT, DRILL, lone))
    other.scan("PO:7")
    assert other.scan(EAN) == "attention"
    assert other.signal.text == "BOLT is not on this document"
    assert other.card("CANCEL") == "ok"
    assert other.booked == []


def test_a_serial_number_is_asked_for_and_never_counts_twice(dock: Table) -> None:
    assert dock.scan(DRILL_GTIN) == "attention"
    assert dock.view.question == "DRILL: which serial number?"
    assert dock.scan("SN-1") == "ok"
    assert dock.lines()[0].serial == "SN-1"
    assert dock.scan(f"]C101{DRILL_GTIN}21SN-1".encode()) == "not_ok"
    assert dock.signal.text == "Serial SN-1 is already received"
    assert dock.scan(f"]C101{DRILL_GTIN}21SN-2".encode()) == "ok"
    assert dock.card("UNDO") == "ok"
    assert dock.scan(f"]C101{DRILL_GTIN}21SN-2".encode()) == "ok"


def test_a_lot_and_a_date_are_asked_for_one_after_the_other(dock: Table) -> None:
    assert dock.scan("MILK") == "attention"
    assert dock.scan("L1") == "attention"
    assert dock.view.question == "MILK: which expiry date?"
    assert dock.scan("tomorrow") == "not_ok"
    assert dock.scan("2027-01-31") == "ok"
    [line] = dock.lines()
    assert (line.lot, line.expiry) == ("L1", date(2027, 1, 31))


def test_what_has_expired_or_is_held_goes_to_quarantine_or_waits_for_a_supervisor(
    dock: Table,
) -> None:
    dock.scan("MILK", "L1")
    assert dock.scan("2026-01-31") == "attention"
    assert "expired" in dock.signal.text
    assert dock.card("HOLD") == "ok"
    assert (dock.last.to_location, dock.last.reason) == ("QUAR", "MILK: expired 2026-01-31")
    dock.scan("MILK", "L7")
    assert dock.scan("2027-01-31") == "attention"
    assert dock.signal.text == "MILK: lot L7 is held: lab"
    dock.card("OVERRIDE")
    assert dock.scan("OP:boss") == "ok"


def test_a_code_nobody_knows_is_refused_and_hold_books_it_to_quarantine(dock: Table) -> None:
    assert dock.scan("4012345678901") == "not_ok"
    assert dock.booked == []
    assert dock.scan("REASON:no label") == "ok"
    assert (dock.last.to_location, dock.last.reason) == ("QUAR", "no label")
    assert dock.lines()[0].item.sku == "4012345678901"
    assert dock.card("HOLD") == "not_ok", "only once"


def test_what_goes_by_mass_is_weighed_in_its_own_unit(dock: Table) -> None:
    assert dock.scan("HAM") == "attention"
    assert dock.weigh("2500", "g") == "ok"
    [line] = dock.lines()
    assert (line.quantity.value, line.quantity.unit, line.document_line) == (
        Decimal("2.5"),
        "KGM",
        "4",
    )
    dock.scan("HAM")
    assert dock.weigh("3", "pcs") == "not_ok"


def test_done_asks_once_while_lines_are_open(dock: Table) -> None:
    dock.scan(CASE)
    assert dock.card("DONE") == "attention"
    assert dock.view.question == "Close short?"
    assert dock.scan(EAN) == "ok", "going on is an answer, too"
    assert dock.card("DONE") == "attention"
    assert dock.card("DONE") == "ok"
    assert dock.signal.text == "7 closed short"
    dock.scan("PO:7")
    assert shown(dock)["BOLT 20"][0] == "13", "the next delivery goes on where this one ended"


def test_a_document_nobody_knows_is_opened_by_a_second_scan(dock: Table) -> None:
    assert dock.scan("PO:99") == "attention"
    assert dock.view.document == "7"
    assert dock.scan("PO:99") == "ok"
    assert dock.scan(EAN) == "ok"
    assert dock.lines()[0].document_line is None


def test_blind_receiving_needs_no_document() -> None:
    dock = Table(receiving, Config(blind=True, to_location="DOCK"), copy=COPY)
    assert dock.scan(EAN) == "ok"
    assert (dock.last.documents, dock.last.to_location) == ((), "DOCK")


def test_two_stations_on_one_document_see_each_other(dock: Table) -> None:
    other = Table(receiving, Config(), copy=COPY)
    other.book = dock.book
    other.shift = dock.shift
    dock.scan("QTY:20", EAN)
    other.scan("PO:7")
    assert shown(other)["BOLT 20"][0] == "20"
    other.scan("QTY:4", EAN)
    assert other.lines()[-1].document_line == "5"


def test_a_restart_with_an_item_in_hand_goes_on_asking(dock: Table) -> None:
    dock.scan("MILK", "L1")
    dock.restart()
    assert dock.view.question == "MILK: which expiry date?"
    assert dock.scan("2027-01-31") == "ok"


def test_undo_lets_the_item_in_hand_go_before_it_reverses_anything(dock: Table) -> None:
    dock.scan(EAN, "MILK")
    assert dock.card("UNDO") == "ok"
    assert len(dock.booked) == 1
    assert dock.card("UNDO") == "ok"
    assert dock.booked == []


class Receiving(RuleBasedStateMachine):
    """Any shift: what the lines show is what the ERP had and what stands booked, never else."""

    def __init__(self) -> None:
        super().__init__()
        self.dock = Table(
            receiving, Config(quarantine="QUAR"), copy=COPY, today=TODAY, supervisors=("boss",)
        )
        self.said: set[str] = set()

    @rule(
        labels=st.lists(
            st.sampled_from(
                [
                    "PO:7", "PO:99", EAN, CASE, DRILL_GTIN, "MILK", "HAM", "SN-1", "SN-2",
                    "L1", "L7", "2027-01-31", "2026-01-31", "QTY:3", "OP:boss", "OP:x",
                    "REASON:torn", "LOC:A", "4012345678901", f"]C101{DRILL_GTIN}21SN-1",
                ]
            ),
            min_size=1,
            max_size=4,
        )
    )  # fmt: skip
    def scan(self, labels: list[str]) -> None:
        self.dock.scan(*labels)

    @rule(
        word=st.sampled_from(["DONE", "CANCEL", "HOLD", "OVERRIDE", "UNDO", "UNDO", "ACK"]),
    )
    def card(self, word: str) -> None:
        self.dock.card(word)  # type: ignore[arg-type]

    @rule(value=st.decimals("-1", "30", places=3))
    def weigh(self, value: Decimal) -> None:
        self.dock.weigh(str(value))

    @rule()
    def restart(self) -> None:
        self.dock.restart()

    @invariant()
    def lines_are_what_stands_booked(self) -> None:
        booked: dict[str, Decimal] = {}
        for event in self.dock.booked:
            if event.type == "receipt" and event.documents and event.documents[0].number == "7":
                for line in event.lines:
                    if line.document_line:
                        booked[line.document_line] = (
                            booked.get(line.document_line, Decimal(0)) + line.quantity.value
                        )
        stand = receiving._Job(
            self.dock.config,
            receiving.State(document=Document(kind="po", number="7")),
            self.dock.shift,
        ).stand()
        for each in stand:
            assert each.done == each.line.done + booked.get(each.line.line, Decimal(0))

    @invariant()
    def no_serial_stands_twice(self) -> None:
        serials = [line.serial for line in self.dock.lines() if line.serial]
        by_document: dict[tuple[str, str], int] = {}
        for event in self.dock.booked:
            for line in getattr(event, "lines", ()):
                if line.serial:
                    number = event.documents[0].number if event.documents else ""
                    key = (number, line.serial)
                    by_document[key] = by_document.get(key, 0) + 1
        assert all(count == 1 for count in by_document.values()), serials


TestReceiving = Receiving.TestCase
TestReceiving.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
