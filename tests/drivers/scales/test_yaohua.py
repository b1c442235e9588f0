from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Noise
from drivers.simulators.yaohua import YaohuaSimulator
from tests.drivers.agreement import arrives, read, said, told, weight
from tests.drivers.conversation import dialogue
from tests.drivers.records import records


@pytest.mark.parametrize("record", records("yaohua"), ids=lambda record: record["hex"][:24])
def test_the_manual_is_understood(record: dict[str, Any]) -> None:
    assert said("yaohua", record) == record["expect"]


@pytest.mark.parametrize(
    "frame",
    [b"WG004.139kg3E\r\n", b"WG004.138kg3D\r\n", b"WX004.139kg32\r\n", b"         OL24\r\n",
     b"G004.139kg3D\r\n", b"WG004.139kg3d\r\n"],
)  # fmt: skip
def test_a_wrong_check_is_noise(frame: bytes) -> None:
    steps = read("yaohua", frame)
    assert steps
    assert all(isinstance(step, Noise) for step in steps)


@pytest.mark.parametrize(
    "frame", [b"\x02+00123431D\x03", b"\x02+00123531C\x03", b"\x02 00123431C\x03"]
)
def test_a_wrong_check_of_a26_is_noise(frame: bytes) -> None:
    [step] = read("yaohua", frame, form="a26")
    assert isinstance(step, Noise)


def test_forward_and_reversed_are_a_setting() -> None:
    assert str(weight("yaohua", b"=0003.000", form="forward").value) == "3.000"
    assert str(weight("yaohua", b"=000.3000", form="reversed").value) == "3.000"
    assert str(weight("yaohua", b"=0003.000", form="reversed").value) == "0.3000"


def test_a_stream_without_ends_is_cut_by_its_marks() -> None:
    steps = read("yaohua", b".000=0003.000=-0001.00=003.000=0004.000", form="forward")
    values = [told(step)["weight"] for step in steps if "weight" in told(step)]
    assert values == ["3.000", "-1.00", "4.000"]


@given(st.decimals(min_value=-99, max_value=999, places=3))
def test_what_the_simulator_weighs_is_what_is_read(load: Decimal) -> None:
    step = weight("yaohua", YaohuaSimulator(load=load).frame())
    assert (step.value, step.unit, step.stable) == (load, "kg", None)


@pytest.mark.parametrize("where", ["over", "under"])
def test_the_simulator_shows_its_troubles(where: Any) -> None:
    scale = YaohuaSimulator(load=Decimal("1.250"))
    scale.range = where
    step = weight("yaohua", scale.frame())
    assert (step.range, step.value) == (where, None)


async def test_a_load_arrives_through_a_cable() -> None:
    scale = YaohuaSimulator(load=Decimal("1.250"))
    assert (await arrives(scale, dialogue("yaohua"))).measure == "gross"
