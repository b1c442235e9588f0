from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Noise
from drivers.simulators.epelsa import EpelsaSimulator
from tests.drivers.agreement import arrives, read, said, told, weight
from tests.drivers.conversation import dialogue
from tests.drivers.records import records


@pytest.mark.parametrize("record", records("epelsa"), ids=lambda record: record["hex"][:24])
def test_the_manual_is_understood(record: dict[str, Any]) -> None:
    assert said("epelsa", record) == record["expect"]


def test_the_question_has_its_check() -> None:
    assert dialogue("epelsa").ask == b"98000001\r\n"
    assert dialogue("epelsa", price=199).ask == b"98001990\r\n"
    assert dialogue("epelsa", mode="auto").ask == b""


@pytest.mark.parametrize("at", range(16))
def test_one_wrong_digit_is_noise(at: int) -> None:
    frame = bytearray(b"9900031600000004\r\n")
    frame[at] ^= 1
    [step] = read("epelsa", bytes(frame))
    assert isinstance(step, Noise)


@given(st.decimals(min_value="0", max_value="29", places=3))
def test_what_the_simulator_weighs_is_what_is_read(load: Decimal) -> None:
    step = weight("epelsa", EpelsaSimulator(load=load).answer(dialogue("epelsa").ask))
    assert (step.value, step.unit) == (load, "kg")


def test_the_simulator_shows_its_troubles() -> None:
    scale = EpelsaSimulator(load=Decimal("1.250"))
    assert scale.answer(b"98000002\r\n") == b""
    scale.moving = True
    assert weight("epelsa", scale.frame()).stable is False
    scale.range = "over"
    assert told(read("epelsa", scale.frame())[0]) == {"refusal": "status 1"}


async def test_a_load_arrives_through_a_cable() -> None:
    scale = EpelsaSimulator(load=Decimal("1.250"))
    assert (await arrives(scale, dialogue("epelsa"))).value == Decimal("1.250")
