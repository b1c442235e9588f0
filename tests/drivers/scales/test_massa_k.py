from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Noise
from drivers.scales.massa_k import telegram
from drivers.simulators.massa_k import MassaKSimulator
from tests.drivers.agreement import arrives, read, said, told, weight
from tests.drivers.conversation import dialogue
from tests.drivers.records import records


@pytest.mark.parametrize("record", records("massa_k"), ids=lambda record: record["hex"][:24])
def test_the_manual_is_understood(record: dict[str, Any]) -> None:
    assert said("massa_k", record) == record["expect"]


def test_the_questions_are_those_of_the_document() -> None:
    assert dialogue("massa_k").ask.hex(" ") == "f8 55 ce 01 00 23 23 00"
    assert dialogue("massa_k").commands["zero"].hex(" ") == "f8 55 ce 01 00 72 72 00"


@pytest.mark.parametrize(
    ("line", "value", "unit", "stable"),
    [
        (b"$ -  0.500", "-0.500", "kg", True),
        (b"$    1.250", "1.250", "kg", True),
        (b"   12.345", "12.345", "kg", False),
        ("$   1.250 \u043a\u0433".encode(), "1.250", "kg", True),
        ("$   1.250 \u043a\u0433".encode("cp1251"), "1.250", "kg", True),
        ("$   1.250 \u043a\u0433".encode("cp866"), "1.250", "kg", True),
        ("$   125.0 \u0433".encode("cp866"), "125.0", "g", True),
        (b"$  500.0 g", "500.0", "g", True),
    ],
)
def test_a_line_of_text_is_read(line: bytes, value: str, unit: str, stable: bool) -> None:
    step = weight("massa_k", line + b"\r\n", protocol="text")
    assert (str(step.value), step.unit, step.stable) == (value, unit, stable)


def test_a_line_of_text_without_its_front_is_never_a_stable_weight() -> None:
    line = b"$ -  0.500\r\n"
    torn = [
        step
        for missing in range(1, len(line))
        for step in read("massa_k", line[missing:], protocol="text")
    ]
    assert not [step for step in torn if told(step).get("stable")]


@pytest.mark.parametrize("line", [b"$", b"#####", b"2.345", b"$ 1.2 xx", b"$ 1.2.3"])
def test_what_is_no_line_of_text_is_noise(line: bytes) -> None:
    [step] = read("massa_k", line + b"\r\n", protocol="text")
    assert isinstance(step, Noise)


@pytest.mark.parametrize("at", range(18))
def test_one_wrong_bit_is_noise(at: int) -> None:
    frame = bytearray(telegram(bytes([0x24, 0xE2, 4, 0, 0, 1, 1, 0, 0])))
    if at < len(frame):
        frame[at] ^= 0x10
        steps = read("massa_k", bytes(frame))
        assert steps
        assert all(isinstance(step, Noise) for step in steps)


@pytest.mark.parametrize("answer", ["8000d007", "8000d0070000", "8100d00700", "8002d00700"])
def test_protocol_2_is_five_bytes_and_a_pause(answer: str) -> None:
    [step] = read("massa_k", bytes.fromhex(answer), protocol="2")
    assert isinstance(step, Noise)


@given(st.decimals(min_value=-99999, max_value=99999, places=3), st.booleans())
def test_what_the_simulator_weighs_is_what_is_read(load: Decimal, moving: bool) -> None:
    scale = MassaKSimulator(load=load)
    scale.moving = moving
    step = weight("massa_k", scale.answer(dialogue("massa_k").ask))
    assert (step.value, step.stable, step.zero) == (load, not moving, load == 0)


def test_the_simulator_keeps_to_the_dialogue() -> None:
    scale = MassaKSimulator(load=Decimal("1.250"))
    assert told(read("massa_k", scale.answer(dialogue("massa_k").commands["zero"]))[0]) == {
        "reply": "done"
    }
    assert weight("massa_k", scale.answer(dialogue("massa_k").ask)).value == 0
    assert told(read("massa_k", scale.answer(telegram(b"\x75")))[0]) == {"refusal": "answer F0"}
    scale.range = "over"
    assert weight("massa_k", scale.frame()).range == "over"
    scale.range = "fault"
    assert told(read("massa_k", scale.frame())[0]) == {"refusal": "error 19"}


async def test_a_load_arrives_through_a_cable() -> None:
    scale = MassaKSimulator(load=Decimal("1.250"))
    assert (await arrives(scale, dialogue("massa_k"))).value == Decimal("1.250")
