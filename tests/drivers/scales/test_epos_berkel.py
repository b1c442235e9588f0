from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Refusal, Send, Weight
from drivers.simulators.epos_berkel import EposBerkelSimulator
from tests.drivers.agreement import arrives, read, said, told, weight
from tests.drivers.conversation import dialogue, talking
from tests.drivers.records import records


@pytest.mark.parametrize("record", records("epos_berkel"), ids=lambda record: record["hex"][:24])
def test_the_manual_is_understood(record: dict[str, Any]) -> None:
    assert said("epos_berkel", record) == record["expect"]


FRAME = bytes.fromhex(records("epos_berkel")[0]["hex"])


def test_a_weight_counts_when_it_is_confirmed() -> None:
    decoder = dialogue("epos_berkel").decoder
    assert decoder.feed(b"\x06") == [Send(b"\x11")]
    assert decoder.feed(FRAME) == [Send(FRAME)]
    [step] = decoder.feed(b"\r")
    assert told(step)["weight"] == "1.250"
    assert decoder.quiet() == []


def test_a_weight_that_is_not_confirmed_is_refused() -> None:
    decoder = dialogue("epos_berkel").decoder
    assert decoder.feed(FRAME + b"\x06") == [
        Send(FRAME),
        Refusal("the scale did not confirm the weight", b"\x06"),
    ]
    assert decoder.quiet() == []


def test_a_scale_that_says_ack_to_everything_does_not_make_it_go_round() -> None:
    said = dialogue("epos_berkel").decoder.feed(b"\x06" * 100)
    assert sum(isinstance(step, Send) for step in said) == 50


@pytest.mark.parametrize("at", range(9))
def test_one_wrong_bit_is_no_weight(at: int) -> None:
    frame = bytearray(FRAME)
    frame[at] ^= 0x10
    steps = read("epos_berkel", bytes(frame))
    assert not [step for step in steps if told(step).get("weight")]


def test_parity_is_ignored_with_seven_bits() -> None:
    frame = bytes(byte | 0x80 * (byte.bit_count() % 2) for byte in FRAME)
    assert str(weight("epos_berkel", frame).value) == "1.250"


def test_unit_and_decimals_are_configured_where_the_id_does_not_tell() -> None:
    step = weight("epos_berkel", FRAME, unit="lb", decimals=2)
    assert (str(step.value), step.unit) == ("12.50", "lb")


def test_zero_and_tare_are_the_strings_of_the_manual() -> None:
    commands = dialogue("epos_berkel").commands
    assert commands["zero"] == b"\x02Z" + bytes(5) + b"\x03Z"
    assert commands["tare"] == b"\x02N" + bytes(5) + b"\x03N"


@given(st.decimals(min_value="0", max_value="14.999", places=3))
def test_what_the_simulator_weighs_is_what_is_read(load: Decimal) -> None:
    step = weight("epos_berkel", EposBerkelSimulator(load=load).answer(b"\x11"))
    assert (step.value, step.unit) == (load, "kg")


async def test_a_load_arrives_through_a_cable_and_is_confirmed() -> None:
    scale = EposBerkelSimulator(load=Decimal("1.250"))
    found = await arrives(scale, dialogue("epos_berkel", every=0.1))
    assert (str(found.value), found.stable) == ("1.250", True)
    assert b"\x05\x11" + scale.frame() in scale.heard


async def test_a_scale_that_denies_gives_no_weight() -> None:
    scale = EposBerkelSimulator(load=Decimal("1.250"))
    scale.denies = True
    async with scale, talking(scale.url, dialogue("epos_berkel", every=0.1)) as heard:
        await heard.expect(lambda reading: isinstance(reading, Refusal))
    assert not [reading for reading in heard.readings if isinstance(reading, Weight)]


async def test_the_simulator_shows_its_troubles() -> None:
    scale = EposBerkelSimulator(load=Decimal("1.250"))
    scale.moving = True
    assert told(read("epos_berkel", scale.answer(b"\x05"))[0])["refusal"].startswith("CAN")
    scale.moving, scale.range = False, "over"
    assert weight("epos_berkel", scale.frame()).range == "fault"
