from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Noise, Range, Refusal, Step, Weight
from drivers.simulators.nci import NciSimulator
from tests.drivers.conversation import dialogue
from tests.drivers.expectations import assert_means
from tests.drivers.records import records

Form = Literal["scp01", "scp02", "scp12"]
FORMS: list[Form] = ["scp01", "scp02", "scp12"]
Sense = Literal["high", "low"]
SENSES: list[Sense] = ["high", "low"]


def read(data: bytes, **settings: Any) -> list[Step]:
    decoder = dialogue("nci", **settings).decoder
    return decoder.feed(data) + decoder.quiet()


def weight(data: bytes, **settings: Any) -> Weight:
    [step] = read(data, **settings)
    assert isinstance(step, Weight)
    return step


@pytest.mark.parametrize("record", records("nci"), ids=lambda record: record["hex"])
def test_the_manual_is_understood(record: dict[str, Any]) -> None:
    steps = read(bytes.fromhex(record["hex"]), **record.get("settings", {}))
    assert_means(steps, record["expect"])


@pytest.mark.parametrize(
    ("frame", "value", "unit"),
    [
        (b"\n 001.25LB\r00\x03", "1.25", "LB"),
        (b"\n-001.25LB\r00\x03", "-1.25", "LB"),
        (b"\n-  1.25lb\r\n00\r\x03", "-1.25", "lb"),
        (b"\n   1.250\r\n00\r\x03", "1.250", None),
        (b"\n  12lb  5.5oz\r\n00\r\x03", "197.5", "oz"),
        (b"\n 0LB 05.25OZ\r\nS00\r\x03", "5.25", "oz"),
    ],
)
def test_the_digits_stay_as_they_were_sent(frame: bytes, value: str, unit: str | None) -> None:
    step = weight(frame)
    assert (str(step.value), step.unit) == (value, unit)


@pytest.mark.parametrize(
    ("status", "stable", "zero", "expected"),
    [(b"00", True, False, "ok"), (b"10", False, False, "ok"), (b"20", True, True, "ok"),
     (b"40", True, False, "fault"), (b"80", True, False, "fault"), (b"01", True, False, "under"),
     (b"02", True, False, "over"), (b"03", True, False, "fault"), (b"04", True, False, "fault"),
     (b"0p8", True, False, "fault"), (b"0p1", True, False, "ok")],
)  # fmt: skip
def test_the_status_decides(status: bytes, stable: bool, zero: bool, expected: Range) -> None:
    step = weight(b"\n0012.34lb\r\n" + status + b"\r\x03")
    assert (step.stable, step.zero, step.range) == (stable, zero, expected)
    assert (step.value is None) == (expected in {"over", "fault"})
    alone = weight(b"\n" + status + b"\r\x03")
    assert (alone.value, alone.stable, alone.range) == (None, stable, expected)


def test_the_sense_of_the_first_byte_is_the_customer_s_to_say() -> None:
    quiet = b"\n 001.25LB\r?0\x03"
    assert (weight(quiet, sense="low").stable, weight(quiet, sense="low").range) == (True, "ok")
    assert (weight(quiet).stable, weight(quiet).range) == (False, "fault")


def test_a_question_mark_is_an_error_alone_and_a_status_in_company() -> None:
    assert read(b"\n?\r\x03") == [Refusal("?", b"\n?\r\x03")]
    assert weight(b"\n?0\r\x03", sense="low").stable is True


@pytest.mark.parametrize(("fill", "expected"), [(b"^", "over"), (b"_", "under"), (b"-", "fault")])
def test_a_filled_field_has_no_value(fill: bytes, expected: str) -> None:
    step = weight(b"\n" + fill * 7 + b"lb\r\n00\r\x03")
    assert (step.value, step.range, step.unit) == (None, expected, "lb")


@pytest.mark.parametrize(
    "frame", [b"\n12.34lb\r\n\r\x03", b"\n12.34lb\x03", b"\n1.2.3lb\r\n00\r\x03", b"\x03",
              b"\n\x03", b"12.34lb\r00\x03", b"\nERROR\r\n00\r\x03", b"\n12,34lb\r\n00\r\x03"]
)  # fmt: skip
def test_what_is_no_frame_is_no_weight(frame: bytes) -> None:
    assert not [s for s in read(frame) if isinstance(s, Weight) and s.value is not None]


def test_rubbish_before_a_frame_is_told_apart() -> None:
    steps = read(b"0.50lb\r\n0012.34lb\r\n00\r\x03")
    assert steps[0] == Noise(b"0.50lb\r", "bytes before a frame")
    assert isinstance(steps[1], Weight)
    assert str(steps[1].value) == "12.34"


def test_parity_is_ignored_with_seven_bits() -> None:
    frame = bytes(b | b.bit_count() % 2 << 7 for b in b"\n0002.50lb\r\n00\r\x03")
    assert str(weight(frame).value) == "2.50"
    assert not [s for s in read(frame, bits=8) if isinstance(s, Weight)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sense", SENSES)
@given(load=st.decimals(min_value="0.001", max_value="99.999", places=3))
def test_what_the_simulator_weighs_is_what_is_read(form: Form, sense: Sense, load: Decimal) -> None:
    scale = NciSimulator(load=load, dialogue=form, sense=sense)
    step = weight(scale.answer(b"W\r"), sense=sense)
    assert (step.value, step.range, step.stable, step.zero) == (load, "ok", True, False)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sense", SENSES)
def test_the_simulator_shows_its_troubles(form: Form, sense: Sense) -> None:
    scale = NciSimulator(load=Decimal("1.250"), dialogue=form, sense=sense)
    scale.moving = True
    assert weight(scale.answer(b"W\r"), sense=sense).stable is False
    ranges: list[Range] = ["over", "under", "fault"]
    for reach in ranges:
        scale.range = reach
        step = weight(scale.answer(b"W\r"), sense=sense)
        assert (step.value, step.range) == (None, reach)
        assert weight(scale.answer(b"S\r"), sense=sense).range == reach
    assert read(scale.answer(b"X\r")) == [Refusal("?", b"\n?\r\x03")]


def test_it_does_what_it_is_told() -> None:
    talk = dialogue("nci")
    scale = NciSimulator(load=Decimal("1.250"))
    assert str(weight(scale.answer(talk.ask)).value) == "1.250"
    assert weight(scale.answer(talk.commands["zero"])).zero is True
    scale.answer(talk.commands["next_unit"])
    assert weight(scale.answer(talk.ask)).unit == "lb"


def test_a_known_length_catches_a_lost_byte() -> None:
    good, torn = b"\n0012.34lb\r\n00\r\x03", b"\n002.34lb\r\n00\r\x03"
    steps = read(good + torn + good, length=15)
    assert [type(step) for step in steps] == [Weight, Noise, Weight]
    assert all(isinstance(step, Weight) for step in read(good + torn + good))
