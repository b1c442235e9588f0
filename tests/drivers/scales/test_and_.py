from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Noise, Range, Refusal, Reply, Step, Weight
from drivers.simulators.and_ import AndSimulator
from tests.drivers.conversation import dialogue, talking
from tests.drivers.expectations import assert_means
from tests.drivers.records import records

Format = Literal["standard", "industrial", "csv", "kf", "nu"]
FORMATS: list[Format] = ["standard", "industrial", "csv", "kf", "nu"]


def read(data: bytes, **settings: Any) -> list[Step]:
    decoder = dialogue("and_", **settings).decoder
    return decoder.feed(data) + decoder.quiet()


def weight(line: bytes, **settings: Any) -> Weight:
    [step] = read(line + b"\r\n", **settings)
    assert isinstance(step, Weight)
    return step


@pytest.mark.parametrize("record", records("and_"), ids=lambda record: record["hex"])
def test_the_manual_is_understood(record: dict[str, Any]) -> None:
    steps = read(bytes.fromhex(record["hex"]), **record.get("settings", {}))
    assert_means(steps, record["expect"])


@pytest.mark.parametrize(
    ("line", "value", "unit", "stable", "measure"),
    [
        (b"ST,+00123.45  g", "123.45", "g", True, None),
        (b"US,-00123.45  g", "-123.45", "g", False, None),
        (b"QT,+00000123 PC", "123", "PC", True, "count"),
        (b"ST,+0001.234 kg", "1.234", "kg", True, None),
        (b"ST,+00000.00  %", "0.00", "%", True, None),
        (b"ST,OK,+0001.234 kg", "1.234", "kg", True, None),
        (b"US,HI,-0001.234 kg", "-1.234", "kg", False, None),
        (b"ST,GS,+0012.345kg", "12.345", "kg", True, "gross"),
        (b"US,NT,-0012.345kg", "-12.345", "kg", False, "net"),
        (b"ST,TR,+0000.500kg", "0.500", "kg", True, "tare"),
        (b"ST,NT,LO,+0000.500kg", "0.500", "kg", True, "net"),
        (b"ST,+000.1278,  g", "0.1278", "g", True, None),
        (b"ST;+00123,45;  g", "123.45", "g", True, None),
        (b"LAB-0123,No.012,2026/11/23,12:34:56,ST,+000.1278,  g", "0.1278", "g", True, None),
        (b"WT     +1.278 ct", "1.278", "ct", True, None),
        (b"US     -1.278 ct", "-1.278", "ct", False, None),
        (b"S     12.78 g", "12.78", "g", True, None),
        (b"S 1.278ct", "1.278", "ct", True, None),
        (b"SD   -12.78 g", "-12.78", "g", False, None),
    ],
)
def test_formats_with_a_header_are_read_at_once(
    line: bytes, value: str, unit: str, stable: bool, measure: str | None
) -> None:
    step = weight(line)
    assert (str(step.value), step.unit) == (value, unit)
    assert (step.stable, step.measure, step.range) == (stable, measure, "ok")


@pytest.mark.parametrize(
    ("form", "line", "value", "unit", "stable"),
    [
        ("kf", b"+     12.78 g ", "12.78", "g", True),
        ("kf", b"-     12.78   ", "-12.78", None, False),
        ("kf", b"       0.00 g ", "0.00", "g", True),
        ("nu", b"+00012.78", "12.78", None, None),
        ("nu", b"-00012.78", "-12.78", None, None),
        ("plain", b"+0045.02 GN", "45.02", "GN", None),
        ("plain", b"+  45.020gn", "45.020", "gn", None),
        ("plain", b"-   0.020 g", "-0.020", "g", None),
    ],
)
def test_formats_without_a_header_are_chosen(
    form: str, line: bytes, value: str, unit: str | None, stable: bool | None
) -> None:
    step = weight(line, format=form)
    assert (str(step.value), step.unit, step.stable) == (value, unit, stable)
    assert [type(s) for s in read(line + b"\r\n")] == [Noise]


@pytest.mark.parametrize("form", ["kf", "nu", "plain"])
@pytest.mark.parametrize(
    "line", [b"ST,+00123.45  g", b"2.78 g", b"12.78", b"+", b"EC,+1", b"x+1.0"]
)
def test_nothing_else_is_read_as_a_bare_number(form: str, line: bytes) -> None:
    assert [type(s) for s in read(line + b"\r\n", format=form)] == [Noise]


@pytest.mark.parametrize(
    ("line", "unit", "measure", "expected"),
    [
        (b"OL,+9999999E+19", None, None, "over"),
        (b"OL,-9999999E+19", None, None, "under"),
        (b"OL,+9999999E+19,  g", "g", None, "over"),
        (b"OL,+999999.9  g", "g", None, "over"),
        (b"OL,-9999.999 kg", "kg", None, "under"),
        (b"OL,+0000.234 PC", "PC", None, "over"),
        (b"OL,GS,+9999.999kg", "kg", "gross", "over"),
        (b"OL,OK,+9999.999 kg", "kg", None, "over"),
        (b"OL,+       ", None, None, "over"),
        (b"SI", None, None, "over"),
    ],
)
def test_an_overload_has_no_value_however_it_is_spelled(
    line: bytes, unit: str | None, measure: str | None, expected: str
) -> None:
    step = weight(line)
    assert (step.value, step.unit, step.measure) == (None, unit, measure)
    assert (step.range, step.stable) == (expected, None)


def test_the_front_of_an_overload_may_be_lost_and_it_is_still_no_weight() -> None:
    assert [type(s) for s in read(b"+9999.999 kg\r\n")] == [Noise]


@pytest.mark.parametrize("code", ["E00", "E01", "E07", "E11", "E0"])
def test_an_error_is_a_refusal(code: str) -> None:
    line = f"EC,{code}\r\n".encode()
    assert read(line) == [Refusal(code, line[:-1])]


@pytest.mark.parametrize("line", [b"ID,LAB-0123", b"SN,01234567", b"TN,HC-3Ki", b"PT,+0000.500 kg"])
def test_what_the_scale_says_of_itself_is_a_reply(line: bytes) -> None:
    assert [type(s) for s in read(line + b"\r\n")] == [Reply]


def test_an_acknowledgement_has_no_end_and_hides_no_weight() -> None:
    assert read(b"\x06") == [Reply("ACK", b"\x06")]
    steps = read(b"\x06\x06ST,+00123.45  g\r\n\x06\r\n")
    assert [type(s) for s in steps] == [Reply, Reply, Weight, Reply]


def test_parity_is_ignored_with_seven_bits() -> None:
    line = bytes(b | b.bit_count() % 2 << 7 for b in b"ST,+00123.45  g")
    assert str(weight(line).value) == "123.45"
    assert read(line + b"\r\n", bits=8)[0] == Noise(line + b"\r", "not an A&D line")


def test_an_unstated_unit_is_the_configured_one() -> None:
    assert weight(b"+00012.78", format="nu", unit="g").unit == "g"


@pytest.mark.parametrize("form", FORMATS)
@given(load=st.decimals(min_value=-999, max_value=999, places=3))
def test_what_the_simulator_weighs_is_what_is_read(form: Format, load: Decimal) -> None:
    driver = form if form in {"kf", "nu"} else "standard"
    [step] = read(AndSimulator(load=load, format=form).answer(b"Q\r\n"), format=driver)
    assert isinstance(step, Weight)
    assert step.value == load


def test_the_simulator_shows_its_troubles() -> None:
    scale = AndSimulator(load=Decimal("1.250"))
    scale.stable = False
    assert read(scale.answer(b"Q\r\n"))[0] == Weight(
        Decimal("1.250"), "kg", False, b"US,+0001.250 kg\r"
    )
    assert read(scale.answer(b"Z\r\n")) == [Refusal("E02", b"EC,E02\r")]
    ranges: list[Range] = ["over", "under"]
    for reach in ranges:
        scale.range = reach
        [step] = read(scale.answer(b"Q\r\n"))
        assert isinstance(step, Weight)
        assert (step.value, step.range) == (None, reach)
    assert read(scale.answer(b"HELLO\r\n")) == [Refusal("E01", b"EC,E01\r")]
    assert [type(s) for s in read(scale.answer(b"?ID\r\n"))] == [Reply]


@pytest.mark.parametrize("mode", ["asked", "told", "unasked"])
def test_it_does_what_it_is_told(mode: str) -> None:
    talk = dialogue("and_", mode=mode)
    scale = AndSimulator(load=Decimal("1.250"), format="industrial")
    scale.acknowledges = True
    scale.answer(talk.commands["tare"])
    [step] = read(scale.answer(b"Q\r\n"))
    assert isinstance(step, Weight)
    assert step.measure == "net"
    assert read(scale.answer(talk.commands["zero"]))[0] == Reply("ACK", b"\x06")
    assert isinstance(read(scale.answer(talk.commands["print"]))[0], Weight)
    assert scale.streaming == (mode == "told")
    assert scale.answer(b"C\r\n") == b"\x06"


async def test_a_scale_can_stream() -> None:
    async with (
        AndSimulator() as scale,
        talking(scale.url, dialogue("and_", mode="told")) as heard,
    ):
        await scale.take("1.250")
        await heard.expect(lambda r: isinstance(r, Weight) and str(r.value) == "1.250")
    assert scale.heard == b"SIR\r\n"


async def test_a_scale_that_streams_by_itself_is_only_listened_to() -> None:
    async with (
        AndSimulator() as scale,
        talking(scale.url, dialogue("and_", mode="unasked")) as heard,
    ):
        scale.streaming = True
        await scale.take("1.250")
        await heard.expect(lambda r: isinstance(r, Weight) and str(r.value) == "1.250")
    assert scale.heard == b""


def test_a_known_length_catches_a_lost_byte() -> None:
    good, torn = b"ST,+0001.234 kg\r\n", b"ST,+000.234 kg\r\n"
    steps = read(good + torn + good, length=15)
    assert [type(step) for step in steps] == [Weight, Noise, Weight]
    assert all(isinstance(step, Weight) for step in read(good + torn + good))
