from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Noise
from drivers.simulators.fairbanks import FairbanksSimulator
from tests.drivers.agreement import arrives, read, said, told, weight
from tests.drivers.conversation import dialogue
from tests.drivers.records import records


@pytest.mark.parametrize("record", records("fairbanks"), ids=lambda record: record["hex"][:24])
def test_the_manual_is_understood(record: dict[str, Any]) -> None:
    assert said("fairbanks", record) == record["expect"]


def test_a_weight_without_stx_must_be_as_wide_as_configured() -> None:
    line = b"  12.34 lb GR  \r\n\x04"
    assert str(weight("fairbanks", line, dialect="worldship", width=7).value) == "12.34"
    [step] = read("fairbanks", line, dialect="worldship", width=6)
    assert isinstance(step, Noise)
    [step] = read("fairbanks", line)
    assert isinstance(step, Noise)
    assert str(weight("fairbanks", line, width=7).value) == "12.34"


def test_parity_is_ignored_with_seven_bits_and_not_with_eight() -> None:
    frame = bytes(byte | 0x80 * (byte.bit_count() % 2) for byte in b"\x02    12.34 lb GR\r\n")
    assert str(weight("fairbanks", frame).value) == "12.34"
    assert all(isinstance(step, Noise) for step in read("fairbanks", frame, bits=8))


@pytest.mark.parametrize(
    "line",
    [b"\x02    12.34 lb gR", b"\x02    12.34 st GR", b"\x02 12.34 12.34 lb GR", b"\x02    12.34 GR",
     b"\x02 1.2.3 lb GR", b"ERROR", b"\x02" + b"1" * 100 + b".0 lb GR"],
)  # fmt: skip
def test_what_is_no_weight_is_noise(line: bytes) -> None:
    steps = read("fairbanks", line + b"\r\n")
    assert steps
    assert all(isinstance(step, Noise) for step in steps)


@given(st.decimals(min_value=-999, max_value=9999, places=2), st.booleans())
def test_what_the_simulator_weighs_is_what_is_read(load: Decimal, moving: bool) -> None:
    scale = FairbanksSimulator(load=load, unit="lb", decimals=2)
    scale.moving = moving
    step = weight("fairbanks", scale.answer(b"\r"))
    assert (step.value, step.unit, step.stable) == (load, "lb", not moving)


def test_the_simulator_obeys_the_letters() -> None:
    commands = dialogue("fairbanks").commands
    scale = FairbanksSimulator(load=Decimal("1.250"))
    assert told(weight("fairbanks", scale.answer(commands["tare"] + b"\r")))["measure"] == "net"
    assert (
        told(weight("fairbanks", scale.answer(commands["clear_tare"] + b"\r")))["weight"] == "1.250"
    )
    assert told(weight("fairbanks", scale.answer(commands["zero"] + b"\r")))["weight"] == "0.000"
    scale.range = "over"
    assert scale.answer(b"\r") == b""


def test_a_computer_format_is_not_asked_for() -> None:
    assert dialogue("fairbanks", dialect="fbputr").ask == b""


async def test_a_load_arrives_through_a_cable() -> None:
    scale = FairbanksSimulator(load=Decimal("1.250"))
    assert (await arrives(scale, dialogue("fairbanks"))).stable is True
