from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Noise
from drivers.simulators.rinstrum import RinstrumSimulator
from tests.drivers.agreement import arrives, read, said, told, weight
from tests.drivers.conversation import dialogue
from tests.drivers.records import records


@pytest.mark.parametrize("record", records("rinstrum"), ids=lambda record: record["hex"][:24])
def test_the_manual_is_understood(record: dict[str, Any]) -> None:
    assert said("rinstrum", record) == record["expect"]


@pytest.mark.parametrize(
    "frame",
    [b"\x02   1.234X\x03", b"\x02  1.234G\x03\x03", b"   1.234G\x03", b"\x02   1.2.4G\x03",
     b"\x02   1.234GQ -   \x03", b"\x02" + b" " * 40 + b"\x03"],
)  # fmt: skip
def test_what_is_no_frame_is_noise(frame: bytes) -> None:
    steps = read("rinstrum", frame)
    assert not [step for step in steps if "weight" in told(step) and told(step)["weight"]]
    assert any(isinstance(step, Noise) for step in steps)


@given(st.decimals(min_value=-99, max_value=999, places=3), st.booleans())
def test_what_the_simulator_weighs_is_what_is_read(load: Decimal, moving: bool) -> None:
    scale = RinstrumSimulator(load=load)
    scale.moving = moving
    step = weight("rinstrum", scale.frame(), unit="kg")
    assert (step.value, step.unit, step.stable) == (load, "kg", not moving)


@pytest.mark.parametrize("where", ["over", "under", "fault"])
def test_the_simulator_shows_its_troubles(where: Any) -> None:
    scale = RinstrumSimulator(load=Decimal("1.234"))
    scale.range = where
    step = weight("rinstrum", scale.frame())
    assert (step.range, step.value) == (where, None)


async def test_a_load_arrives_through_a_cable() -> None:
    scale = RinstrumSimulator(load=Decimal("1.250"))
    assert (await arrives(scale, dialogue("rinstrum"))).measure == "gross"
