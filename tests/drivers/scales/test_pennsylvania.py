from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Noise
from drivers.simulators.pennsylvania import PennsylvaniaSimulator
from tests.drivers.agreement import arrives, read, said, told, weight
from tests.drivers.conversation import dialogue
from tests.drivers.records import records


@pytest.mark.parametrize("record", records("pennsylvania"), ids=lambda record: record["hex"][:24])
def test_the_manual_is_understood(record: dict[str, Any]) -> None:
    assert said("pennsylvania", record) == record["expect"]


@pytest.mark.parametrize(
    ("line", "value", "unit", "measure"),
    [
        (b"SGWGross   0.010 lb", "0.010", "lb", "gross"),
        (b"WGross   0.010 lb", "0.010", "lb", "gross"),
        (b"SNWNet    -0.915 lb", "-0.915", "lb", "net"),
        (b"SCOCount      15 Pieces", "15", "pcs", "count"),
        (b"OCount     -14 Pieces", "-14", "pcs", "count"),
    ],
)
def test_an_echo_before_the_answer_is_passed_over(
    line: bytes, value: str, unit: str, measure: str
) -> None:
    step = weight("pennsylvania", line + b"\r\n")
    assert (str(step.value), step.unit, step.measure, step.stable) == (value, unit, measure, None)
    for missing in range(len(line)):
        for torn in read("pennsylvania", line[missing:] + b"\r\n"):
            assert told(torn) == {"noise": True} or told(torn)["weight"] == value


def test_a_leading_s_may_mean_stable() -> None:
    assert weight("pennsylvania", b"SGWGross  1.0 lb\r\n", leading_s="stable").stable is True
    assert weight("pennsylvania", b"WGross  1.0 lb\r\n", leading_s="stable").stable is None


@pytest.mark.parametrize(
    ("line", "where"),
    [
        (b"SGWGross OLOLOL lb", "over"),
        (b"Net ULULUL lb", "under"),
        (b"OLOLOL", "over"),
        (b"UL", "under"),
    ],
)
def test_out_of_range_there_is_no_value(line: bytes, where: str) -> None:
    step = weight("pennsylvania", line + b"\r\n")
    assert (step.range, step.value) == (where, None)


@pytest.mark.parametrize(
    "line", [b"ross 1.0 lb", b"Gross lb", b"Gross 1.0", b"XGross 1.0 lb", b"OLD"]
)
def test_what_is_no_line_is_noise(line: bytes) -> None:
    [step] = read("pennsylvania", line + b"\r\n")
    assert isinstance(step, Noise)


@given(st.decimals(min_value=-9, max_value=99, places=3))
def test_what_the_simulator_weighs_is_what_is_read(load: Decimal) -> None:
    step = weight("pennsylvania", PennsylvaniaSimulator(load=load).answer(b"SGW\r"))
    assert (step.value, step.unit) == (load, "lb")


def test_the_simulator_keeps_to_the_dialogue() -> None:
    commands = dialogue("pennsylvania").commands
    scale = PennsylvaniaSimulator(load=Decimal("1.500"))
    assert (
        weight("pennsylvania", scale.answer(dialogue("pennsylvania", measure="count").ask)).value
        == 15
    )
    assert scale.answer(commands["tare"]) == b""
    assert weight("pennsylvania", scale.answer(b"SNW\r")).value == 0
    assert told(read("pennsylvania", scale.answer(b"HUH\r"))[0]) == {"refusal": "Err.81"}
    assert scale.answer(commands["zero"]) == b""
    scale.moving = True
    assert weight("pennsylvania", scale.answer(b"SGW\r")).stable is False
    scale.range = "over"
    assert weight("pennsylvania", scale.answer(b"SGW\r")).range == "over"


async def test_a_load_arrives_through_a_cable() -> None:
    scale = PennsylvaniaSimulator(load=Decimal("1.250"))
    assert (await arrives(scale, dialogue("pennsylvania"))).measure == "gross"
