from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Noise
from drivers.simulators.liden import LidenSimulator
from tests.drivers.agreement import arrives, read, said, told, weight
from tests.drivers.conversation import dialogue
from tests.drivers.records import records


@pytest.mark.parametrize("record", records("liden"), ids=lambda record: record["hex"][:24])
def test_the_manual_is_understood(record: dict[str, Any]) -> None:
    assert said("liden", record) == record["expect"]


@pytest.mark.parametrize(
    "frame",
    [b"wx00015.000kg", b"w00015.000kg", b"ww00015.000mg", b"ww0.0.15kg", b"wn.kg", b"ww" * 20],
)
def test_what_is_no_frame_is_noise(frame: bytes) -> None:
    steps = read("liden", frame)
    assert steps
    assert all(isinstance(step, Noise) for step in steps)


def test_the_unit_ends_a_frame() -> None:
    steps = read("liden", b"wn0001.250kgwn0001.251kg\r\nww0001.252lb")
    assert [told(step)["weight"] for step in steps] == ["1.250", "1.251", "1.252"]
    assert told(steps[0])["stable"] is None


@given(st.decimals(min_value=-999, max_value=9999, places=3), st.booleans())
def test_what_the_simulator_weighs_is_what_is_read(load: Decimal, tared: bool) -> None:
    scale = LidenSimulator(load=load + 1 if tared else load)
    scale.tare = Decimal(int(tared))
    step = weight("liden", scale.frame())
    assert (step.value, step.measure) == (load, "net" if tared else "gross")


async def test_a_load_arrives_through_a_cable() -> None:
    scale = LidenSimulator(load=Decimal("1.250"))
    assert (await arrives(scale, dialogue("liden"))).unit == "kg"
