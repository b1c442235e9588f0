"""Packing: what belongs into the carton, what stops the bench, and what comes out of it."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from contract.reference import DocumentLine, DocumentRecord, HeldLot, ItemRecord, Pack
from contract.transactions import Pack as Packed
from contract.transactions import Shipment
from gateway.stations import packing
from gateway.stations.packing import Config
from tests.gateway.stations.table import Copy, Table

EAN, CASE, DRILL_GTIN = "5901234123457", "15901234123454", "04006381333931"
CUP = ItemRecord(
    sku="CUP",
    packs=(Pack(gtin="0" + EAN, quantity=Decimal(1)), Pack(gtin=CASE, quantity=Decimal(6))),
    weight_g=Decimal(250),
    tolerance_g=Decimal(5),
)
DRILL = ItemRecord(
    sku="DRILL",
    packs=(Pack(gtin=DRILL_GTIN, quantity=Decimal(1)),),
    serial=True,
    weight_g=Decimal(1800),
)
MILK = ItemRecord(sku="MILK", lot=True, held=(HeldLot(lot="L7", why="lab"),))
OTHER = ItemRecord(sku="OTHER")
SO = DocumentRecord(
    document="so",
    number="9",
    lines=(
        DocumentLine(line="1", sku="CUP", quantity=Decimal(8)),
        DocumentLine(line="2", sku="DRILL", quantity=Decimal(1)),
        DocumentLine(line="3", sku="MILK", quantity=Decimal(1)),
    ),
)
COPY = Copy.of(CUP, DRILL, MILK, OTHER, SO)
BOX, BOX_2 = "]C100123456789012345675", "]C100" + "340123450000000017"
SSCC, SSCC_2 = BOX[5:], BOX_2[5:]
TODAY = date(2026, 11, 23)


def bench(config: Config | None = None, *, today: date = TODAY) -> Table:
    return Table(
        packing,
        config or Config(carton_g=Decimal(300)),
        copy=COPY,
        today=today,
        supervisors=("boss",),
    )


@pytest.fixture
def table() -> Table:
    made = bench()
    made.scan("SO:9", BOX)
    return made


def test_an_order_a_carton_and_its_items_become_a_pack_with_its_weight(table: Table) -> None:
    assert table.scan(CASE) == "ok"
    assert table.signal.text == "CUP: 6 of 8"
    assert dict(table.view.facts)["Should weigh"] == "1800 g"
    assert table.booked == [], "an open carton is in hand"
    assert table.scan(BOX) == "attention"
    assert table.signal.todo == "Put it on the scale."
    assert table.weigh("1.810") == "ok"
    [pack] = table.booked
    assert isinstance(pack, Packed)
    assert (pack.sscc, pack.weight.value if pack.weight else None) == (SSCC, Decimal("1.810"))
    assert [(line.document_line, line.quantity.value) for line in pack.lines] == [("1", Decimal(6))]
    assert [each.kind for each in table.evidence] == ["scan", "weight"]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["OTHER"], "WRONG ITEM: OTHER is not in this order"),
        (["QTY:9", EAN], "TOO MANY: CUP, 8 ordered"),
        (["4012345678901"], "Unknown code 4012345678901"),
        (["MILK", "L7"], "MILK: lot L7 is held: lab"),
        ([f"]C101{DRILL_GTIN}21S1", f"]C101{DRILL_GTIN}21S1"], "Serial S1 is already packed"),
        (["]C101" + "0" + EAN + "17260101"], "CUP: expired 2026-01-01"),
    ],
)
def test_what_does_not_belong_into_the_carton_stops_the_bench(
    table: Table, labels: list[str], said: str
) -> None:
    assert table.scan(*labels) == "not_ok"
    assert table.signal.text == said
    assert table.booked == []


def test_a_weight_that_does_not_fit_stays_until_it_is_right_or_a_supervisor_allows_it(
    table: Table,
) -> None:
    table.scan(CASE, BOX)
    assert table.weigh("1.550") == "attention"
    assert table.signal.text == "WEIGHT: 1.550 kg instead of 1800 g (+- 30 g)"
    assert table.scan(EAN) == "not_ok"
    assert table.weigh("1.795") == "ok"
    table.scan(BOX_2, EAN, BOX_2)
    table.weigh("0.900")
    assert table.card("OVERRIDE") == "attention"
    assert table.scan("OP:someone") == "not_ok"
    assert table.scan("OP:boss") == "ok"
    assert table.last.reason.startswith("override by boss: WEIGHT: 0.900 kg instead of 550 g")


def test_the_carton_is_opened_again_by_its_label_after_a_wrong_weight(table: Table) -> None:
    table.scan(CASE, BOX)
    table.weigh("1.550")
    assert table.scan(BOX) == "ok"
    assert table.scan(EAN) == "ok"


def test_done_ships_what_is_packed_and_only_a_reason_ships_it_short(table: Table) -> None:
    table.scan("QTY:8", EAN, BOX)
    table.weigh("2.300")
    assert table.card("DONE") == "attention"
    assert table.signal.text == "9: 2 lines are still open"
    assert table.scan("REASON:out of stock") == "ok"
    shipment = table.last
    assert isinstance(shipment, Shipment)
    assert shipment.reason == "out of stock"
    assert [package.sscc for package in shipment.packages] == [SSCC]
    assert table.view.headline == "Scan an order to begin"


def test_going_on_is_an_answer_to_the_question_of_a_short_order(table: Table) -> None:
    table.scan(EAN, BOX)
    table.weigh("0.550")
    table.card("DONE")
    assert table.scan(BOX_2) == "ok"
    assert table.scan(EAN) == "ok"


def test_a_whole_order_ships_without_a_question(table: Table) -> None:
    table.scan("QTY:8", EAN, BOX)
    table.weigh("2.300")
    table.scan(BOX_2, f"]C101{DRILL_GTIN}21S1", "MILK", "L1", "1Z999AA10123456784", BOX_2)
    assert table.weigh("2.111") == "ok", "the weight of milk is not known"
    assert table.card("DONE") == "ok"
    assert [package.tracking for package in table.last.packages] == [None, "1Z999AA10123456784"]
    assert table.signal.text == "9 ready: 2 cartons"


def test_undo_takes_out_item_by_item_and_then_opens_what_was_closed(table: Table) -> None:
    table.scan(EAN, CASE)
    assert table.card("UNDO") == "ok"
    assert table.signal.text == "CUP: take it out again"
    table.scan(BOX)
    table.weigh("0.550")
    assert table.card("UNDO") == "ok"
    assert table.booked == []
    assert dict(table.view.facts)["Carton"] == SSCC
    assert table.view.lines[0].done == "1"
    table.card("UNDO", "UNDO")
    assert "Carton" not in dict(table.view.facts)


def test_undo_of_a_shipment_brings_its_cartons_back(table: Table) -> None:
    table.scan("QTY:8", EAN, BOX)
    table.weigh("2.300")
    table.card("DONE")
    table.scan("REASON:x")
    table.card("UNDO")
    assert dict(table.view.facts)["Cartons closed"] == "1"
    table.scan("SO:9", BOX_2, f"]C101{DRILL_GTIN}21S1", BOX_2)
    assert table.weigh("2.1") == "ok"


def test_a_carton_in_hand_survives_a_restart(table: Table) -> None:
    table.scan(CASE)
    table.restart()
    assert table.view.lines[0].done == "6"
    table.scan(BOX)
    table.restart()
    assert table.view.headline == "Put the closed carton on the scale"
    assert table.weigh("1.800") == "ok"


def test_another_order_waits_until_this_one_is_finished(table: Table) -> None:
    table.scan(EAN)
    assert table.scan("SO:10") == "not_ok"
    assert table.signal.text == "9 is not finished"


def test_a_label_of_a_carton_is_used_once(table: Table) -> None:
    table.scan(EAN, BOX)
    table.weigh("0.550")
    assert table.scan(BOX) == "not_ok"
    table.scan(BOX_2)
    assert table.scan(BOX) == "not_ok"
    assert table.signal.text == f"Carton {SSCC_2} is still open"


def test_without_carton_labels_done_closes_and_ships() -> None:
    table = bench(Config(cartons=False, weigh="off"))
    table.scan("SO:9", "QTY:8", EAN)
    assert table.card("DONE") == "ok"
    assert table.card("DONE") == "attention"
    table.scan("REASON:later")
    assert table.last.packages[0].sscc is None


def test_without_a_reference_an_order_is_packed_as_it_is_scanned() -> None:
    table = Table(packing, Config(weigh="record"))
    table.scan("SO:9", BOX, EAN, EAN, BOX)
    assert table.weigh("1.2") == "ok"
    assert sum(line.quantity.value for line in table.lines()) == 2
    assert table.card("DONE") == "ok"


class Packing(RuleBasedStateMachine):
    """Any shift: nothing is packed twice, more than ordered, or out of thin air."""

    def __init__(self) -> None:
        super().__init__()
        self.table = bench()

    @rule(
        labels=st.lists(
            st.sampled_from(
                [
                    "SO:9", "SO:10", BOX, BOX_2, EAN, CASE, "OTHER", "MILK", "L1", "L7", "QTY:2",
                    f"]C101{DRILL_GTIN}21S1", "OP:boss", "OP:x", "REASON:r", "1Z999AA10123456784",
                    "LOC:A", "what",
                ]
            ),
            min_size=1,
            max_size=5,
        )
    )  # fmt: skip
    def scan(self, labels: list[str]) -> None:
        self.table.scan(*labels)

    @rule(word=st.sampled_from(["DONE", "CANCEL", "OVERRIDE", "UNDO", "UNDO", "REPRINT", "HOLD"]))
    def card(self, word: str) -> None:
        self.table.card(word)  # type: ignore[arg-type]

    @rule(value=st.sampled_from(["0", "0.55", "1.8", "2.3", "9.9", "-1"]))
    def weigh(self, value: str) -> None:
        self.table.weigh(value)

    @rule()
    def restart(self) -> None:
        self.table.restart()

    @invariant()
    def no_line_has_more_than_was_ordered(self) -> None:
        done: dict[str, Decimal] = {}
        in_hand = [line for tick in self.table.state.ticks for line in tick.lines]
        packed = [
            line
            for event in self.table.booked
            if isinstance(event, Packed) and event.documents[0].number == "9"
            for line in event.lines
        ]
        open_ = self.table.state.document
        for line in (*packed, *(in_hand if open_ and open_.number == "9" else ())):
            if line.document_line:
                before = done.get(line.document_line, Decimal(0))
                done[line.document_line] = before + line.quantity.value
        for ordered in SO.lines:
            assert done.get(ordered.line, Decimal(0)) <= ordered.quantity

    @invariant()
    def the_screen_can_always_be_drawn(self) -> None:
        view = self.table.view
        assert view.headline
        assert bool(view.question) == (self.table.state.ask is not None)


TestPacking = Packing.TestCase
TestPacking.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
