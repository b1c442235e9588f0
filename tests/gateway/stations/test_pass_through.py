"""Pass-through: every scan and every weight is a reading, whatever is on the label."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.codes.cards import command_card
from contract.envelope import MAX_ROW
from contract.identifiers import MAX_DATA, identify
from contract.transactions import Reading, event_adapter
from contract.values import Evidence, Weight
from gateway.book import Book
from gateway.stations import pass_through
from gateway.stations.job import Scanned, Shift, Step, Weighed
from gateway.stations.pass_through import Config, State

SHIFT = Shift(Book())
CONFIG = Config()
WEIGHT = Evidence(kind="weight", device="scale", raw="00")


def scan(data: bytes, state: State | None = None) -> Step:
    evidence = Evidence(kind="scan", device="scanner", raw=data.hex()[: 2 * MAX_DATA])
    given_ = Scanned(identify(data), evidence)
    return pass_through.step(CONFIG, state or pass_through.start(CONFIG), given_, SHIFT)


def reading(step: Step) -> Reading:
    [event] = step.events
    assert isinstance(event, Reading)
    return event


def test_an_ean_is_a_reading_with_its_item() -> None:
    step = scan(b"5901234123457")
    assert step.signal.kind == "ok"
    assert step.signal.text == "5901234123457"
    assert reading(step).identifier == "gtin"
    item = reading(step).item
    assert item is not None
    assert item.gtin == "05901234123457"


def test_a_gs1_label_gives_all_the_fields_a_reading_has() -> None:
    step = scan(b"]C1010590123412345710LOT7\x1d21SER9\x1d00123456789012345675")
    said = reading(step)
    assert (said.identifier, said.lot, said.serial) == ("gs1", "LOT7", "SER9")
    assert said.sscc == "123456789012345675"


def test_a_handling_unit_is_a_reading_with_its_sscc() -> None:
    assert reading(scan(b"]C100123456789012345675")).sscc == "123456789012345675"


@pytest.mark.parametrize(
    "label",
    [
        b"what is this",
        b"5901234123458",
        b"OP:4711",
        b"PO:1",
        b"LOC:A-1",
        b"QTY:3",
        command_card("UNDO").encode(),
    ],
)
def test_a_label_that_is_no_item_is_passed_on_as_it_is(label: bytes) -> None:
    step = scan(label)
    assert step.signal.kind == "ok"
    assert reading(step).text == label.decode()
    assert reading(step).item is None


def test_a_weight_is_passed_on_with_the_digits_the_scale_sent() -> None:
    weight = Weight(value=Decimal("1.250"), unit="kg", unit_code="KGM")
    step = pass_through.step(CONFIG, pass_through.start(CONFIG), Weighed(weight, WEIGHT), SHIFT)
    assert step.signal.text == "1.250 kg"
    said = reading(step).weight
    assert said is not None
    assert str(said.value) == "1.250"


def test_a_weight_below_zero_without_a_unit_is_passed_on_too() -> None:
    weight = Weight(value=Decimal("-0.5"), unit=None)
    step = pass_through.step(CONFIG, pass_through.start(CONFIG), Weighed(weight, WEIGHT), SHIFT)
    assert step.signal.text == "-0.5"
    assert step.signal.kind == "ok"


def test_the_screen_counts_scans_and_weights() -> None:
    state = pass_through.start(CONFIG)
    for label in (b"a", b"b"):
        state = scan(label, state).state
    weight = Weight(value=Decimal(1), unit="kg")
    state = pass_through.step(CONFIG, state, Weighed(weight, WEIGHT), SHIFT).state
    assert (
        pass_through.view(CONFIG, state, SHIFT).headline == "Scan or weigh; everything is passed on"
    )


HOSTILE = [
    b"<script>alert(1)</script>",
    b"'; DROP TABLE outbox; --",
    b"${jndi:ldap://x}",
    b"../../etc/passwd",
    "\u202egnp.exe \U0001f4a9".encode(),
    b"\x1b[2J\x00\x07",
    b"\x00" * MAX_DATA,
    b"\xff" * MAX_DATA,
    b'"' * (MAX_DATA + 1),
    b"%s%n{0}{__class__}",
]


@pytest.mark.parametrize("label", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_label_is_plain_text_and_bounded(label: bytes) -> None:
    step = scan(label)
    said = reading(step)
    assert said.text == identify(label).text
    assert said.text is not None
    assert len(said.text) <= MAX_DATA
    assert len(step.signal.text) <= 200
    assert len(event_adapter.dump_json(said)) < MAX_ROW


@given(st.binary(max_size=MAX_DATA + 10))
def test_whatever_is_on_a_label_becomes_one_valid_reading(data: bytes) -> None:
    step = scan(data)
    event = reading(step)
    assert event_adapter.validate_json(event_adapter.dump_json(event)) == event
    assert step.signal.kind == "ok"
