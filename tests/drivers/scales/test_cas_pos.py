from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Noise, Send
from drivers.simulators.cas_pos import CasPosSimulator
from tests.drivers.agreement import arrives, read, said, told, weight
from tests.drivers.conversation import dialogue
from tests.drivers.records import records


@pytest.mark.parametrize("record", records("cas_pos"), ids=lambda record: record["hex"][:24])
def test_the_manual_is_understood(record: dict[str, Any]) -> None:
    assert said("cas_pos", record) == record["expect"]


FRAME = bytes.fromhex(records("cas_pos")[0]["hex"])


def test_an_ack_is_answered_with_dc1_once() -> None:
    decoder = dialogue("cas_pos").decoder
    assert decoder.feed(b"\x06") == [Send(b"\x11")]
    [noise] = decoder.feed(b"\x06")
    assert isinstance(noise, Noise)
    assert decoder.feed(b"\x06") == [Send(b"\x11")]


@pytest.mark.parametrize("at", range(15))
def test_one_wrong_bit_is_no_weight(at: int) -> None:
    frame = bytearray(FRAME)
    frame[at] ^= 0x10
    assert not [step for step in read("cas_pos", bytes(frame)) if told(step).get("weight")]


@given(st.decimals(min_value="-9", max_value="29", places=3), st.booleans())
def test_what_the_simulator_weighs_is_what_is_read(load: Decimal, moving: bool) -> None:
    scale = CasPosSimulator(load=load)
    scale.moving = moving
    step = weight("cas_pos", scale.answer(b"\x11"))
    assert (step.value, step.unit, step.stable) == (load, "kg", not moving)


def test_the_simulator_shows_its_troubles() -> None:
    scale = CasPosSimulator(load=Decimal("1.250"))
    scale.range = "over"
    assert weight("cas_pos", scale.frame()).range == "over"
    scale.range = "fault"
    assert scale.answer(b"\x05") == b"\x15"


async def test_a_load_arrives_through_a_cable() -> None:
    scale = CasPosSimulator(load=Decimal("1.250"))
    found = await arrives(scale, dialogue("cas_pos", every=0.1))
    assert (str(found.value), found.stable) == ("1.250", True)
