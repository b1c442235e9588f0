from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Noise, Range, Refusal, Reply, Step, Weight
from drivers.simulators.ohaus import OhausSimulator
from tests.drivers.conversation import dialogue, talking
from tests.drivers.expectations import assert_means
from tests.drivers.records import records

Family = Literal["defender", "ranger", "balance"]
FAMILIES: list[Family] = ["defender", "ranger", "balance"]


def read(data: bytes, **settings: Any) -> list[Step]:
    decoder = dialogue("ohaus", **settings).decoder
    return decoder.feed(data) + decoder.quiet()


def after_another(line: bytes) -> Step:
    """What `line` means where its beginning is sure."""
    _, step = read(b"ES\r\n" + line + b"\r\n")
    return step


@pytest.mark.parametrize("record", records("ohaus"), ids=lambda record: record["hex"])
def test_the_manual_is_understood(record: dict[str, Any]) -> None:
    assert_means(read(bytes.fromhex(record["hex"])), record["expect"])


@pytest.mark.parametrize(
    ("line", "value", "unit", "stable", "measure"),
    [
        (b"   0.360 kg    G", "0.360", "kg", True, "gross"),
        (b"-  1.640 kg   ?N", "-1.640", "kg", False, "net"),
        (b"   0.360 kg    NET", "0.360", "kg", True, "net"),
        (b"     5.0 lb    PT", "5.0", "lb", True, "tare"),
        (b"-   0.050 kg   NET", "-0.050", "kg", True, "net"),
        (b"    1.234 kg ? B/G", "1.234", "kg", False, "gross"),
        (b"G              -  1.234 kg ?", "-1.234", "kg", False, "gross"),
        (b"T              -  1.234 kg", "-1.234", "kg", True, "tare"),
        (b"      -12.73 g     ", "-12.73", "g", True, None),
        (b"      0.5950 oz   ?", "0.5950", "oz", False, None),
        (b"           3 PCS  ?", "3", "PCS", False, "count"),
        (b"     207.80 g ? NET", "207.80", "g", False, "net"),
        (b"           12 lb:  5.50 oz   ", "197.50", "oz", True, None),
        (b"-          12 lb:  5.50 oz ? G", "-197.50", "oz", False, "gross"),
    ],
)
def test_lines_of_all_families_are_read(
    line: bytes, value: str, unit: str, stable: bool, measure: str | None
) -> None:
    for step in (*read(line + b"\r\n"), after_another(line)):
        assert isinstance(step, Weight)
        assert (str(step.value), step.unit) == (value, unit)
        assert (step.stable, step.measure) == (stable, measure)


@pytest.mark.parametrize(
    ("line", "value"),
    [(b"1.250 kg", "1.250"), (b"  1.250 kg  G", "1.250"), (b"-    1.250 kg    G", "-1.250"),
     (b"- 1.250 kg", "-1.250"), (b"5 PCS", "5"), (b" 1lb 2.5oz", "18.5")],
)  # fmt: skip
def test_a_line_in_other_columns_is_a_weight_only_where_its_beginning_is_sure(
    line: bytes, value: str
) -> None:
    assert [type(step) for step in read(line + b"\r\n")] == [Noise]
    step = after_another(line)
    assert isinstance(step, Weight)
    assert str(step.value) == value


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("load", ["-1.640", "-123.45", "-0.005", "1.640", "123.456"])
def test_a_line_that_lost_its_front_is_never_another_weight(family: Family, load: str) -> None:
    line = OhausSimulator(load=Decimal(load), family=family).answer(b"IP\r\n")
    [whole] = read(line)
    assert isinstance(whole, Weight)
    for missing in range(1, len(line)):
        steps = read(line[missing:])
        assert {step.value for step in steps if isinstance(step, Weight)} <= {whole.value}


@pytest.mark.parametrize(
    "line", [b"     207.80 g TOTAL", b"        0.85 oz     WET WT", b"        0.85 oz     AIR WT"]
)
def test_a_sum_is_no_load(line: bytes) -> None:
    assert [type(step) for step in read(line + b"\r\n")] == [Reply]


@pytest.mark.parametrize(
    "line", [b"   G", b" N", b"\0\0\x7f\x7f     0.0 kg    G", b"0.360 kg    G",
             b"   0.3-  1.640 kg   N", b"OHAUS Defender 3000", b"   1.2.3 kg    G",
             b"   0.360 kilograms G", b"        0.00"]
)  # fmt: skip
def test_what_is_no_line_is_noise(line: bytes) -> None:
    assert [type(step) for step in read(line + b"\r\n")] == [Noise]


def test_an_overload_has_no_value() -> None:
    for code, expected in ((b"Err 8.3", "over"), (b"Error 8.4", "under")):
        step = after_another(code)
        assert isinstance(step, Weight)
        assert (step.value, step.range) == (None, expected)
    assert after_another(b"Err 8.1") == Refusal("8.1", b"Err 8.1\r")


@pytest.mark.parametrize("family", FAMILIES)
@given(load=st.decimals(min_value=-99, max_value=99, places=3))
def test_what_the_simulator_weighs_is_what_is_read(family: Family, load: Decimal) -> None:
    [step] = read(OhausSimulator(load=load, family=family).answer(b"IP\r\n"))
    assert isinstance(step, Weight)
    assert step.value == load


def test_the_simulator_shows_its_troubles() -> None:
    scale = OhausSimulator(load=Decimal("1.250"))
    scale.moving = True
    [moving] = read(scale.answer(b"P\r\n"))
    assert isinstance(moving, Weight)
    assert moving.stable is False
    ranges: list[Range] = ["over", "under"]
    for reach in ranges:
        scale.range = reach
        [step] = read(scale.answer(b"IP\r\n"))
        assert isinstance(step, Weight)
        assert step.range == reach
    assert read(scale.answer(b"HELLO\r\n")) == [Refusal("ES", b"ES\r")]


@pytest.mark.parametrize("mode", ["IP", "P", "CP", "unasked"])
def test_it_does_what_it_is_told(mode: str) -> None:
    talk = dialogue("ohaus", mode=mode)
    scale = OhausSimulator(load=Decimal("1.250"))
    scale.answer(talk.commands["tare"])
    [step] = read(scale.answer(b"IP\r\n"))
    assert isinstance(step, Weight)
    assert step.measure == "net"
    scale.answer(talk.commands["clear_tare"])
    assert scale.shown == Decimal("1.250")
    scale.answer(talk.commands["zero"])
    assert scale.shown == 0
    assert scale.answer(talk.commands["print"]).startswith(b"   0.000 kg")
    assert scale.printing == (mode == "CP")
    scale.answer(b"0P\r\n")
    assert not scale.printing


async def test_a_scale_can_go_on_printing() -> None:
    async with (
        OhausSimulator() as scale,
        talking(scale.url, dialogue("ohaus", mode="CP")) as heard,
    ):
        await scale.take("1.250")
        await heard.expect(lambda r: isinstance(r, Weight) and str(r.value) == "1.250")
    assert scale.heard == b"CP\r\n"


def test_a_known_length_catches_a_lost_byte() -> None:
    good, torn = b"   1.234 kg    G\r\n", b"   1.34 kg    G\r\n"
    steps = read(good + torn + good, length=16)
    assert [type(step) for step in steps] == [Weight, Noise, Weight]
    assert all(isinstance(step, Weight) for step in read(good + torn + good))
