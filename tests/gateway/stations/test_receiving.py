"""Receiving: what each scan and weight becomes, and that nothing can make it fail."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from contract.canonical import canonical
from contract.codes.cards import COMMANDS, CommandWord, command_card
from contract.envelope import MAX_ROW
from contract.identifiers import identify
from contract.transactions import Receipt, Weighing, event_adapter
from contract.values import Evidence, Line, Weight
from gateway.book import Book
from gateway.stations import receiving
from gateway.stations.job import Scanned, Signal, View, Weighed
from gateway.stations.job import Shift as ShiftNow
from gateway.stations.receiving import Config
from gateway.weights import unit_code
from tests.gateway.stations.table import Table

EAN = "5901234123457"
SHIFT = ShiftNow(Book())
GTIN = "05901234123457"
OTHER_EAN = "4006381333931"
SSCC = "123456789012345675"


class Shift(Table):
    """One shift at the dock door: what was scanned and weighed, and what came of it."""

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(receiving, config or Config())

    def scan(self, *labels: str | bytes, symbology: str | None = None) -> Signal:  # type: ignore[override]
        super().scan(*labels, symbology=symbology)
        return self.signal

    def card(self, *words: CommandWord) -> Signal:  # type: ignore[override]
        return self.scan(*(command_card(word) for word in words))

    def weigh(self, value: str, unit: str | None = "kg") -> Signal:  # type: ignore[override]
        super().weigh(value, unit)
        return self.signal

    def receipt(self) -> Receipt:
        assert isinstance(self.last, Receipt)
        return self.last

    def line(self) -> Line:
        [line] = self.receipt().lines
        return line


@pytest.fixture
def shift() -> Shift:
    return Shift()


@pytest.fixture
def by_weight() -> Shift:
    return Shift(Config(book="weight"))


# The document


def test_an_item_before_any_document_is_refused(shift: Shift) -> None:
    signal = shift.scan(EAN)
    assert signal == Signal("not_ok", "No document is open", "Scan the document first.")
    assert shift.booked == []


def test_the_screen_asks_for_a_document_then_for_items(shift: Shift) -> None:
    assert shift.view == View("Scan a document to begin")
    assert shift.scan("PO:4711").kind == "ok"
    assert shift.view == View("Scan the next item, or DONE", "4711")


def test_a_document_that_is_scanned_again_goes_on(shift: Shift) -> None:
    shift.scan("PO:4711", EAN)
    assert shift.scan("PO:4711") == Signal("ok", "4711: go on")
    assert len(shift.view.lines) == 1


def test_another_document_begins_at_nothing(shift: Shift) -> None:
    shift.scan("PO:1", EAN, "PO:2")
    assert shift.view.lines == ()
    shift.scan(EAN)
    assert [each.number for each in shift.receipt().documents] == ["2"]


def test_a_number_is_one_document_whatever_card_it_stands_on(shift: Shift) -> None:
    shift.scan("PO:1", EAN, "ASN:1")
    assert shift.signal.text == "1: go on"
    assert len(shift.view.lines) == 1


def test_done_closes_the_document(shift: Shift) -> None:
    shift.scan("PO:1", EAN, OTHER_EAN)
    assert shift.card("DONE") == Signal("ok", "1 closed")
    assert shift.scan(EAN).kind == "not_ok"


def test_done_without_a_document_is_refused(shift: Shift) -> None:
    assert shift.card("DONE") == Signal("not_ok", "No document is open", "Scan a document.")


# Items


def test_each_scan_of_an_item_is_one_more_piece(shift: Shift) -> None:
    shift.scan("PO:1", EAN, EAN, OTHER_EAN)
    assert [event.lines[0].quantity.value for event in shift.booked] == [1, 1, 1]
    assert {line.label: line.done for line in shift.view.lines} == {
        GTIN: "2 EA",
        "0" + OTHER_EAN: "1 EA",
    }


def test_the_item_of_the_last_scan_is_on_top_of_the_table(shift: Shift) -> None:
    shift.scan("PO:1", EAN, OTHER_EAN, EAN)
    assert [line.label for line in shift.view.lines] == [GTIN, "0" + OTHER_EAN]


def test_a_booked_item_names_its_document(shift: Shift) -> None:
    shift.scan("PO:1", EAN)
    assert shift.line().item.gtin == GTIN
    assert [each.number for each in shift.receipt().documents] == ["1"]
    assert shift.receipt().biz_step == "receiving"


def test_a_gs1_label_says_lot_expiry_and_serial(shift: Shift) -> None:
    shift.scan("PO:1", b"]C101" + GTIN.encode() + b"17271231" + b"10LOT7\x1d21SER9")
    line = shift.line()
    assert (line.item.gtin, line.lot, line.serial) == (GTIN, "LOT7", "SER9")
    assert line.expiry == date(2027, 12, 31)
    assert line.quantity.value == 1


def test_a_best_before_date_is_not_an_expiry(shift: Shift) -> None:
    shift.scan("PO:1", b"]C101" + GTIN.encode() + b"15271231")
    assert (shift.line().best_before, shift.line().expiry) == (date(2027, 12, 31), None)


def test_a_pallet_label_says_what_is_inside_and_how_many(shift: Shift) -> None:
    shift.scan("PO:1", b"]C102" + GTIN.encode() + b"3748\x1d00" + SSCC.encode())
    assert shift.line().item.gtin == GTIN
    assert (shift.line().quantity.value, shift.line().quantity.unit) == (Decimal(48), "EA")
    assert shift.receipt().sscc == shift.line().sscc == SSCC


def test_a_net_weight_on_the_label_is_the_quantity(shift: Shift) -> None:
    shift.scan("PO:1", b"]C101" + GTIN.encode() + b"3103001250")
    assert (str(shift.line().quantity.value), shift.line().quantity.unit) == ("1.250", "KGM")


def test_pieces_and_kilograms_of_one_item_are_two_lines_of_the_table(shift: Shift) -> None:
    shift.scan("PO:1", EAN, b"]C101" + GTIN.encode() + b"3103001250")
    assert sorted(line.done for line in shift.view.lines) == ["1 EA", "1.250 KGM"]


def test_a_count_of_zero_is_no_quantity(shift: Shift) -> None:
    signal = shift.scan("PO:1", b"]C102" + GTIN.encode() + b"3700000000")
    assert (signal.kind, signal.text) == ("not_ok", "0 is no quantity")


def test_an_unknown_code_is_refused_aloud(shift: Shift) -> None:
    signal = shift.scan("PO:1", "what is this")
    assert (signal.kind, signal.text) == ("not_ok", "Unknown code what is this")
    assert "aside" in signal.todo


def test_a_wrong_check_digit_is_said(shift: Shift) -> None:
    assert shift.scan("PO:1", "5901234123458").text == "the check digit is wrong"


def test_a_label_with_any_problem_is_not_booked(shift: Shift) -> None:
    signal = shift.scan("PO:1", b"]C101" + GTIN.encode() + b"17271399")
    assert signal.kind == "not_ok"
    assert shift.booked == []


@pytest.mark.parametrize("word", ["MODE:count"])
def test_a_card_of_another_job_has_no_meaning_here(shift: Shift, word: str) -> None:
    signal = shift.scan("PO:1", word)
    assert (signal.kind, signal.text) == ("not_ok", f"{word}: no meaning here")


def test_a_command_of_another_job_has_no_meaning_here(shift: Shift) -> None:
    assert shift.card("REPRINT").text == "REPRINT: no meaning here"


def test_a_code_of_the_house_is_an_item_where_its_form_is_configured() -> None:
    shift = Shift(Config(sku=r"ART-[0-9]{4}"))
    shift.scan("PO:1", "ART-0815")
    assert shift.line().item.sku == "ART-0815"
    assert shift.scan("ART-08151").kind == "not_ok"
    assert shift.scan("ART-\u0660\u0661\u0662\u0663").kind == "not_ok"


def test_labels_of_other_standards_say_part_lot_and_quantity_too(shift: Shift) -> None:
    shift.scan("PO:1", "[)>\x1e06\x1dP0815-4711\x1dQ25\x1d1TL77\x1e\x04")
    line = shift.line()
    assert (line.item.sku, str(line.quantity.value), line.lot) == ("0815-4711", "25", "L77")


def test_a_label_with_a_field_too_long_to_book_is_refused(shift: Shift) -> None:
    label = "[)>\x1e06\x1dP0815\x1d1T" + "L" * 200 + "\x1e\x04"
    assert shift.scan("PO:1", label).kind == "not_ok"


def test_a_code_of_the_house_that_could_be_a_parcel_number_is_the_houses() -> None:
    shift = Shift(Config(sku=r"[0-9]{10}"))
    shift.scan("PO:1", "1234567890", "0000000017")
    assert [event.lines[0].item.sku for event in shift.booked] == ["1234567890", "0000000017"]


@pytest.mark.parametrize("code", ["5901234123458", EAN, "12345678"])
def test_a_code_of_the_house_may_look_like_a_gtin_right_or_wrong(code: str) -> None:
    shift = Shift(Config(sku=r"[0-9]{8}|[0-9]{13}"))
    shift.scan("PO:1", code)
    assert shift.line().item.sku == code


def test_a_label_too_long_for_a_code_of_the_house_is_not_tried() -> None:
    shift = Shift(Config(sku=r".*.*.*"))
    assert shift.scan("PO:1", "x" * 64).kind == "ok"
    assert shift.scan("x" * 65).kind == "not_ok"


@pytest.mark.parametrize("pattern", ["(", "(a+)+", "(a|b){9}"])
def test_a_pattern_that_is_none_or_could_run_for_ever_is_refused(pattern: str) -> None:
    with pytest.raises(ValidationError):
        Config(sku=pattern)


# Locations and handling units


def test_goods_go_where_the_last_location_card_says(shift: Shift) -> None:
    shift.scan("PO:1", "LOC:A-1", EAN)
    assert shift.receipt().to_location == "A-1"


def test_a_location_card_before_the_document_holds(shift: Shift) -> None:
    shift.scan("LOC:A-1", "PO:1", EAN)
    assert shift.receipt().to_location == "A-1"


def test_without_a_location_card_goods_go_where_the_configuration_says() -> None:
    shift = Shift(Config(to_location="DOCK"))
    shift.scan("PO:1", "LOC:A-1")
    shift.card("DONE")
    shift.scan("PO:2", EAN)
    assert shift.receipt().to_location == "DOCK"


def test_a_handling_unit_holds_the_items_that_follow(shift: Shift) -> None:
    shift.scan("PO:1", "]C100" + SSCC, EAN, EAN)
    assert [event.sscc for event in shift.booked] == [SSCC, SSCC]


def test_a_handling_unit_before_the_document_holds_its_items(shift: Shift) -> None:
    shift.scan("]C100" + SSCC, "PO:1", EAN)
    assert shift.receipt().sscc == SSCC


def test_the_items_of_another_document_are_not_in_the_old_handling_unit(shift: Shift) -> None:
    shift.scan("PO:1", "]C100" + SSCC, EAN, "PO:2", EAN)
    assert shift.receipt().sscc is None


# Quantity cards


def test_a_quantity_card_multiplies_the_next_item_once(shift: Shift) -> None:
    shift.scan("PO:1", "QTY:12", EAN, EAN)
    assert [event.lines[0].quantity.value for event in shift.booked] == [12, 1]


def test_a_quantity_card_multiplies_what_the_label_says(shift: Shift) -> None:
    shift.scan("PO:1", "QTY:3", b"]C102" + GTIN.encode() + b"3710")
    assert shift.line().quantity.value == 30


def test_a_quantity_card_before_the_document_is_for_its_first_item(shift: Shift) -> None:
    shift.scan("QTY:3", "PO:1", EAN)
    assert shift.line().quantity.value == 3


def test_a_refused_item_does_not_use_the_quantity_card_up(shift: Shift) -> None:
    shift.scan("PO:1", "QTY:3", "what is this", EAN)
    assert shift.line().quantity.value == 3


def test_the_screen_says_what_a_quantity_card_will_do(shift: Shift) -> None:
    shift.scan("PO:1", "QTY:3")
    assert shift.view.headline == "Scan the next item: it counts 3 times"
    shift.scan(EAN)
    assert shift.view.headline == "Scan the next item, or DONE"


def test_the_second_of_two_quantity_cards_counts(shift: Shift) -> None:
    shift.scan("PO:1", "QTY:3", "QTY:4", EAN)
    assert shift.line().quantity.value == 4


@pytest.mark.parametrize("card", ["QTY:0", "QTY:1000001", "QTY:-1", "QTY:1e3", "QTY:"])
def test_a_quantity_that_is_none_is_refused(shift: Shift, card: str) -> None:
    signal = shift.scan("PO:1", card)
    assert signal.kind == "not_ok"
    assert signal.todo
    shift.scan(EAN)
    assert shift.line().quantity.value == 1


@pytest.mark.parametrize(
    ("card", "label"),
    [
        ("QTY:1000000", b"]C102" + GTIN.encode() + b"372"),
        ("QTY:0.000001", b"]C101" + GTIN.encode() + b"3105000001"),
    ],
)
def test_a_product_beyond_what_a_quantity_can_be_is_refused(
    shift: Shift, card: str, label: bytes
) -> None:
    signal = shift.scan("PO:1", card, label)
    assert signal.kind == "not_ok"
    assert "is no quantity" in signal.text
    assert shift.booked == []


def test_cancel_takes_the_quantity_card_and_the_handling_unit_back(shift: Shift) -> None:
    shift.scan("PO:1", "QTY:9", "]C100" + SSCC)
    assert shift.card("CANCEL").kind == "ok"
    shift.scan(EAN)
    assert shift.line().quantity.value == 1
    assert shift.receipt().sscc is None


# By weight


def test_an_item_by_weight_waits_for_the_scale(by_weight: Shift) -> None:
    signal = by_weight.scan("PO:1", EAN)
    assert signal == Signal("attention", GTIN, "Put it on the scale.")
    assert by_weight.booked == []
    assert by_weight.view.headline == "Put it on the scale"


def test_the_weight_is_the_quantity_with_scan_and_frame_as_evidence(by_weight: Shift) -> None:
    by_weight.scan("PO:1", EAN)
    assert by_weight.weigh("1.250").kind == "ok"
    assert (str(by_weight.line().quantity.value), by_weight.line().quantity.unit) == (
        "1.250",
        "KGM",
    )
    weight = by_weight.receipt().weight
    assert weight is not None
    assert (str(weight.value), weight.unit) == ("1.250", "kg")
    assert [each.kind for each in by_weight.evidence] == ["scan", "weight"]
    assert by_weight.view.headline == "Scan the next item, or DONE"


@pytest.mark.parametrize("label", [EAN, "PO:2", "QTY:3", "LOC:A-1", "]C100" + SSCC, "what is this"])
def test_nothing_else_is_taken_while_an_item_waits_for_its_weight(
    by_weight: Shift, label: str
) -> None:
    by_weight.scan("PO:1", EAN)
    waiting = by_weight.state
    signal = by_weight.scan(label)
    assert signal == Signal(
        "not_ok", "An item waits for its weight", "Put it on the scale, or scan CANCEL."
    )
    assert by_weight.state == waiting


def test_done_is_refused_while_an_item_waits_for_its_weight(by_weight: Shift) -> None:
    by_weight.scan("PO:1", EAN)
    assert by_weight.card("DONE").text == "An item waits for its weight"


def test_cancel_lets_the_waiting_item_go(by_weight: Shift) -> None:
    by_weight.scan("PO:1", EAN)
    assert by_weight.card("CANCEL").kind == "ok"
    assert by_weight.scan(OTHER_EAN).kind == "attention"
    by_weight.weigh("2.0")
    assert by_weight.line().item.gtin == "0" + OTHER_EAN


def test_a_label_that_says_its_weight_does_not_wait_for_the_scale(by_weight: Shift) -> None:
    by_weight.scan("PO:1", b"]C101" + GTIN.encode() + b"3103001250")
    assert by_weight.line().quantity.unit == "KGM"


def test_a_quantity_card_does_not_go_with_an_item_that_is_weighed(by_weight: Shift) -> None:
    signal = by_weight.scan("PO:1", "QTY:3", EAN)
    assert (signal.kind, signal.todo) == ("not_ok", "Scan CANCEL, then the item.")


def test_a_weight_of_no_known_unit_is_refused_and_the_item_still_waits(by_weight: Shift) -> None:
    by_weight.scan("PO:1", EAN)
    assert by_weight.weigh("1.250", "stone").text == "1.250 stone: the unit is not known"
    assert by_weight.weigh("1.250", None).kind == "not_ok"
    assert by_weight.weigh("1.250", "g").kind == "ok"
    assert by_weight.line().quantity.unit == "GRM"


@pytest.mark.parametrize("value", ["0", "0.000", "-0.010", "1000001"])
def test_a_load_that_is_none_is_refused(by_weight: Shift, value: str) -> None:
    by_weight.scan("PO:1", EAN)
    signal = by_weight.weigh(value)
    assert (signal.kind, signal.text) == ("not_ok", f"{value} kg is no weight")
    assert by_weight.state.waiting is not None


# Weighings


def test_a_weight_without_a_document_is_refused(shift: Shift) -> None:
    assert shift.weigh("1.250").text == "1.250 kg: no document is open"


def test_a_weight_after_an_item_is_a_weighing_of_it(shift: Shift) -> None:
    shift.scan("PO:1", EAN)
    assert shift.weigh("1.250") == Signal("ok", "Weighed 1.250 kg")
    event = shift.last
    assert isinstance(event, Weighing)
    assert event.item is not None
    assert event.item.gtin == GTIN
    assert [each.number for each in event.documents] == ["1"]


def test_a_weighing_before_any_item_names_the_document_only(shift: Shift) -> None:
    shift.scan("PO:1")
    shift.weigh("1.250")
    event = shift.last
    assert isinstance(event, Weighing)
    assert event.item is None


def test_a_weighing_of_a_handling_unit_names_it(shift: Shift) -> None:
    shift.scan("PO:1", "]C100" + SSCC)
    shift.weigh("120.5")
    event = shift.last
    assert isinstance(event, Weighing)
    assert event.sscc == SSCC


# Bounds, and what must hold whatever comes


def test_the_table_on_the_screen_is_bounded_and_shows_the_newest() -> None:
    shift = Shift(Config(sku="S[0-9]+"))
    shift.scan("PO:1", *(f"S{n}" for n in range(120)))
    assert len(shift.view.lines) == 50
    assert shift.view.lines[0].label == "S119"
    assert shift.card("DONE").text == "1 closed"


HOSTILE = [
    b"<img src=x onerror=alert(1)>",
    b"'; DROP TABLE outbox; --",
    b"\x1b[2J\x00\x07\x1d",
    b"]C1" + b"\x1d" * 1000,
    b"]C101" + b"9" * 8000,
    b"PO:" + b"\x00" * 128,
    b"LOC:" + b"A" * 9000,
    b"https://id.gs1.org/01/" + b"9" * 8000,
    b"\xff" * 8192,
    b"x" * 8192,
]


@pytest.mark.parametrize("label", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("sku", [None, ".*"])
def test_a_hostile_label_is_plain_text_and_bounded(label: bytes, sku: str | None) -> None:
    shift = Shift(Config(sku=sku))
    shift.scan("PO:1")
    signal = shift.scan(label)
    assert len(signal.text) <= 250
    assert signal.kind in {"ok", "not_ok"}
    if label.startswith((b"<", b"'")) and sku is None:
        assert signal.text == f"Unknown code {label.decode()}"[:53]


LABELS = st.one_of(
    st.sampled_from(
        [
            EAN.encode(),
            OTHER_EAN.encode(),
            b"PO:1",
            b"ASN:2",
            b"LOC:A-1",
            b"OP:7",
            b"QTY:3",
            b"QTY:0.000001",
            b"QTY:999999999.999999",
            b"]C100" + SSCC.encode(),
            b"]C101" + GTIN.encode() + b"3105000001",
            b"]C101" + GTIN.encode() + b"3100999999",
            b"]C102" + GTIN.encode() + b"3799999999",
            b"]C101" + GTIN.encode() + b"17000000" + b"10" + b"L" * 20,
            b"ART-1",
            *(command_card(word).encode() for word in COMMANDS),
        ]
    ),
    st.binary(max_size=60),
    st.builds(lambda text: b"]C1" + text, st.binary(max_size=60)),
    st.builds(
        lambda ai, rest: f"]C101{GTIN}{ai}{rest}".encode(),
        st.sampled_from(["10", "15", "17", "21", "30", "3102", "3105", "37", "400", "7003"]),
        st.text("0123456789AB/-\x1d", max_size=24),
    ),
)
WEIGHTS = st.builds(
    lambda value, unit: Weight(value=value, unit=unit, unit_code=unit_code(unit)),
    st.decimals("-10000000000", "10000000000", places=9),
    st.sampled_from(["kg", "g", "lb", "stone", "pcs", None]),
)
CONFIGS = st.builds(
    Config,
    book=st.sampled_from(["each", "weight"]),
    to_location=st.sampled_from([None, "DOCK"]),
    sku=st.sampled_from([None, "ART-.*", ".*"]),
)


@settings(max_examples=200, deadline=None)
@given(CONFIGS, st.lists(st.one_of(LABELS, WEIGHTS), max_size=25))
def test_no_shift_can_make_it_fail(config: Config, shift: list[bytes | Weight]) -> None:
    state = receiving.start(config)
    for each in shift:
        kind: Any = "weight" if isinstance(each, Weight) else "scan"
        evidence = Evidence(kind=kind, device="d", raw="00")
        given_ = (
            Weighed(each, evidence)
            if isinstance(each, Weight)
            else Scanned(identify(each), evidence)
        )
        step = receiving.step(config, state, given_, SHIFT)
        if step.signal.kind in {"not_ok", "attention"}:
            assert step.events == ()
            assert step.signal.todo
        if step.signal.kind == "not_ok":
            assert step.state == state
        assert step.signal.text
        assert len(step.signal.text) <= 250
        for event in step.events:
            body = canonical(event_adapter.dump_python(event, mode="json", exclude_none=True))
            assert event_adapter.validate_json(body) == event
            assert len(body.encode()) < MAX_ROW
        state = step.state
        receiving.view(config, state, SHIFT)
