from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Noise
from drivers.simulators.tfo import TfoSimulator
from tests.drivers.agreement import arrives, read, said, weight
from tests.drivers.conversation import dialogue
from tests.drivers.records import records


@pytest.mark.parametrize("record", records("tfo"), ids=lambda record: record["hex"][:24])
def test_the_manual_is_understood(record: dict[str, Any]) -> None:
    assert said("tfo", record) == record["expect"]


BLOCK = bytes.fromhex(records("tfo")[0]["hex"])


@pytest.mark.parametrize("field", [b"A", b"0", b"4"])
def test_a_block_that_lacks_a_weight_is_noise(field: bytes) -> None:
    lines = [line for line in BLOCK.split(b"\r") if not line.startswith(field + b" ")]
    [step] = read("tfo", b"\r".join(lines))
    assert isinstance(step, Noise)


def test_a_block_without_an_end_is_not_kept_for_ever() -> None:
    steps = read("tfo", b"F      0.0\r" + b"x\r" * 40)
    assert all(isinstance(step, Noise) for step in steps)
    assert len(steps) > 10


def test_the_unit_is_the_configured_one() -> None:
    assert weight("tfo", BLOCK, unit="kg").unit == "kg"


@given(st.decimals(min_value=-999, max_value=9999, places=1))
def test_what_the_simulator_weighs_is_what_is_read(load: Decimal) -> None:
    step = weight("tfo", TfoSimulator(load=load, decimals=1).frame())
    assert (step.value, step.measure, step.stable) == (load, "net", None)


async def test_a_load_arrives_through_a_cable() -> None:
    scale = TfoSimulator(load=Decimal("12.5"))
    assert (await arrives(scale, dialogue("tfo"))).value == Decimal("12.5")
