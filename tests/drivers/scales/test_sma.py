from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Noise, Range, Refusal, Reply, Step, Weight
from drivers.simulators.sma import SmaSimulator
from tests.drivers.conversation import dialogue, talking
from tests.drivers.expectations import assert_means
from tests.drivers.records import records


def read(data: bytes, **settings: Any) -> list[Step]:
    decoder = dialogue("sma", **settings).decoder
    return decoder.feed(data) + decoder.quiet()


def weight(data: bytes, **settings: Any) -> Weight:
    [step] = read(data, **settings)
    assert isinstance(step, Weight)
    return step


@pytest.mark.parametrize("record", records("sma"), ids=lambda record: record["hex"])
def test_the_manual_is_understood(record: dict[str, Any]) -> None:
    assert_means(read(bytes.fromhex(record["hex"])), record["expect"])


@pytest.mark.parametrize(
    ("unit", "expected"), [(b"kg_", "kg"), (b"g__", "g"), (b"lb ", "lb"), (b"   ", None)]
)
def test_a_blank_of_the_unit_may_be_an_underline(unit: bytes, expected: str | None) -> None:
    step = weight(b"\n 1G       1.250" + unit + b"\r")
    assert (str(step.value), step.unit) == ("1.250", expected)


def test_a_blank_unit_is_the_configured_one() -> None:
    assert weight(b"\n 1G       1.250   \r", unit="kg").unit == "kg"


@pytest.mark.parametrize(
    ("status", "expected", "value"),
    [("O", "over", None), ("U", "under", "-0.020"), ("E", "fault", None), ("I", "fault", None),
     ("T", "fault", None)],
)  # fmt: skip
def test_digits_of_a_scale_that_is_over_are_not_its_weight(
    status: str, expected: str, value: str | None
) -> None:
    step = weight(f"\n{status}1G      -0.020kg \r".encode())
    assert (step.range, step.usable) == (expected, False)
    assert (None if step.value is None else str(step.value)) == value


def test_high_resolution_is_a_digit_more() -> None:
    step = weight(b"\nZ1nM     0.0000kg \r")
    assert (str(step.value), step.measure, step.stable, step.zero) == ("0.0000", "net", False, True)


@pytest.mark.parametrize("text", ["MFG:ACME", "SN_:0123", "CMD:HPTMCR", "END:", "    ", "R  M"])
def test_what_the_scale_says_of_itself_is_a_reply(text: str) -> None:
    [step] = read(f"\n{text}\r".encode())
    assert isinstance(step, Reply)


@pytest.mark.parametrize(
    "body", [b" 1G       1.250kg", b" 1G        1.250kg ", b" 1G  ----------kg ", b"1.250",
             b" 1X       1.250kg ", b" 1G      1.2.50kg ", b"", b" 1G       1,250kg "]
)  # fmt: skip
def test_what_is_no_answer_is_noise(body: bytes) -> None:
    assert all(isinstance(step, Noise) for step in read(b"\n" + body + b"\r"))


def test_a_frame_without_its_line_feed_is_noise() -> None:
    assert [type(s) for s in read(b" 1G       1.250kg \r\n 1G       1.250kg \r")] == [Noise, Weight]


def test_a_torn_frame_is_told_apart_from_the_next() -> None:
    steps = read(b"\n 1G       9.\n 1G       1.250kg \r")
    assert steps[0] == Noise(b"\n 1G       9.", "bytes before a frame")
    assert isinstance(steps[1], Weight)


@given(st.decimals(min_value=-9999, max_value=9999, places=3), st.booleans())
def test_what_the_simulator_weighs_is_what_is_read(load: Decimal, finely: bool) -> None:
    step = weight(SmaSimulator(load=load).answer(b"\nH\r" if finely else b"\nW\r"))
    assert step.value == load
    assert step.measure == "gross"


def test_the_simulator_shows_its_troubles() -> None:
    scale = SmaSimulator(load=Decimal("1.250"))
    scale.moving = True
    assert weight(scale.answer(b"\nW\r")).stable is False
    ranges: list[Range] = ["over", "under", "fault"]
    for reach in ranges:
        scale.range = reach
        step = weight(scale.answer(b"\nW\r"))
        assert (step.value, step.range) == (None, reach)
    assert read(scale.answer(b"\nX\r")) == [Refusal("?", b"\n?\r")]
    assert [type(s) for s in read(scale.answer(b"\nA\r\nD\r"))] == [Reply, Reply]


@pytest.mark.parametrize("command", ["W", "H", "P", "R"])
def test_it_does_what_it_is_told(command: str) -> None:
    talk = dialogue("sma", command=command)
    scale = SmaSimulator(load=Decimal("1.250"))
    scale.answer(talk.commands["tare"])
    assert weight(scale.answer(b"\nW\r")).measure == "net"
    scale.answer(talk.commands["clear_tare"] + talk.commands["next_unit"])
    assert (scale.shown, scale.unit) == (Decimal("1.250"), "lb")
    scale.answer(talk.commands["zero"])
    assert scale.shown == 0
    assert scale.repeating == (command == "R")


async def test_a_scale_can_repeat_its_weight() -> None:
    async with (
        SmaSimulator() as scale,
        talking(scale.url, dialogue("sma", command="R")) as heard,
    ):
        await scale.take("1.250")
        await heard.expect(lambda r: isinstance(r, Weight) and str(r.value) == "1.250")
    assert scale.heard == b"\nR\r"
