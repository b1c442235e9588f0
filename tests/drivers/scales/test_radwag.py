from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Noise
from drivers.simulators.radwag import RadwagSimulator
from tests.drivers.agreement import arrives, read, said, told, weight
from tests.drivers.conversation import dialogue
from tests.drivers.records import records


@pytest.mark.parametrize("record", records("radwag"), ids=lambda record: record["hex"][:24])
def test_the_manual_is_understood(record: dict[str, Any]) -> None:
    assert said("radwag", record) == record["expect"]


@pytest.mark.parametrize(
    "line",
    [
        b"I ?       18.5 kg ", b"SI?       18.5 kg ", b"SI ?     18.5 kg ", b"SI ?         - kg ",
        b"SI ?      1 8.5 kg", b"SI ?       18.5", b"18.5 kg", b"x" * 400,
    ],
)  # fmt: skip
def test_what_is_no_answer_is_noise(line: bytes) -> None:
    steps = read("radwag", line + b"\r\n")
    assert steps
    assert all(isinstance(step, Noise) for step in steps)


def test_a_line_of_the_print_key_is_read_only_from_a_scale_that_is_not_asked() -> None:
    line = b"? -   18.275 kg \r\n"
    assert told(weight("radwag", line, asked="never"))["weight"] == "-18.275"
    [step] = read("radwag", line)
    assert isinstance(step, Noise)


@given(
    st.decimals(min_value=-9999, max_value=99999, places=3),
    st.sampled_from(["S", "SI", "SU", "SUI"]),
    st.booleans(),
)
def test_what_the_simulator_weighs_is_what_is_read(
    load: Decimal, command: str, moving: bool
) -> None:
    scale = RadwagSimulator(load=load)
    scale.moving = moving
    step = weight("radwag", scale.answer(f"{command}\r\n".encode()))
    assert (step.value, step.unit, step.stable) == (load, "kg", not moving)


def test_the_simulator_keeps_to_the_dialogue() -> None:
    commands = dialogue("radwag").commands
    scale = RadwagSimulator(load=Decimal("1.250"))
    assert scale.answer(commands["tare"]) == b"T A\r\nT D\r\n"
    assert weight("radwag", scale.answer(b"SUI\r\n")).value == 0
    assert scale.answer(commands["zero"] + b"HUH\r\n") == b"Z A\r\nZ D\r\nES\r\n"
    scale.range = "over"
    assert weight("radwag", scale.answer(b"SUI\r\n")).range == "over"
    assert told(read("radwag", scale.answer(b"Z\r\n"))[1]) == {"refusal": "Z ^"}
    scale.range = "fault"
    assert scale.answer(b"SUI\r\n") == b"SUI I\r\n"


async def test_a_load_arrives_through_a_cable() -> None:
    scale = RadwagSimulator(load=Decimal("1.250"))
    assert (await arrives(scale, dialogue("radwag"))).stable is True
