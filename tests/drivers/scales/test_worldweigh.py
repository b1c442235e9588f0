from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Noise
from drivers.simulators.worldweigh import WorldWeighSimulator
from tests.drivers.agreement import arrives, read, said, told, weight
from tests.drivers.conversation import dialogue
from tests.drivers.records import records


@pytest.mark.parametrize("record", records("worldweigh"), ids=lambda record: record["hex"][:24])
def test_the_manual_is_understood(record: dict[str, Any]) -> None:
    assert said("worldweigh", record) == record["expect"]


@pytest.mark.parametrize(
    "frame",
    [b"\x01+  1.250kg2", b"\x01*  1.250kg0", b"\x01+  1.2 0kg0", b"+  1.250kg0", b"\x01+  1.250k0"],
)  # fmt: skip
def test_what_is_no_frame_is_noise(frame: bytes) -> None:
    [step] = read("worldweigh", frame)
    assert isinstance(step, Noise)


def test_frames_need_nothing_between_them() -> None:
    steps = read("worldweigh", b"\x01+  1.250kg1\x01+  1.251kg0\r\n\x01+  1.2")
    assert [told(step).get("weight") for step in steps] == ["1.250", "1.251", None]


@given(st.decimals(min_value=-99, max_value=999, places=3), st.booleans())
def test_what_the_simulator_weighs_is_what_is_read(load: Decimal, moving: bool) -> None:
    scale = WorldWeighSimulator(load=load)
    scale.moving = moving
    step = weight("worldweigh", scale.frame())
    assert (step.value, step.unit, step.stable) == (load, "kg", not moving)


async def test_a_load_arrives_through_a_cable() -> None:
    scale = WorldWeighSimulator(load=Decimal("1.250"))
    assert (await arrives(scale, dialogue("worldweigh"))).stable is True
