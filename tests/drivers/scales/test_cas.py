from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Noise
from drivers.simulators.cas import CasSimulator
from tests.drivers.agreement import arrives, read, said, weight
from tests.drivers.conversation import dialogue
from tests.drivers.records import records


@pytest.mark.parametrize("record", records("cas"), ids=lambda record: record["hex"][:24])
def test_the_manual_is_understood(record: dict[str, Any]) -> None:
    assert said("cas", record) == record["expect"]


@pytest.mark.parametrize(
    ("line", "value", "unit", "stable", "measure"),
    [
        (b"US,NT,   1.500 kg", "1.500", "kg", False, "net"),
        (b"US,NT,-113.0254kg", "-113.0254", "kg", False, "net"),
        (b"ST,GS,+001.234kg", "1.234", "kg", True, "gross"),
        (b"ST,GS,1\xc4,000013.5 kg", "13.5", "kg", True, "gross"),
        (b"ST,GS,=\xff,000013.5 t ", "13.5", "t", True, "gross"),
    ],
)
def test_other_lines_of_the_family_are_read_too(
    line: bytes, value: str, unit: str, stable: bool, measure: str
) -> None:
    step = weight("cas", line + b"\r\n")
    assert (str(step.value), step.unit, step.stable, step.measure) == (value, unit, stable, measure)


@pytest.mark.parametrize("lamps", range(128, 256))
def test_lamps_may_have_any_value(lamps: int) -> None:
    step = weight("cas", b"ST,GS,1" + bytes([lamps]) + b",   12.34 kg\r\n")
    assert (str(step.value), step.zero) == ("12.34", bool(lamps & 1))


@pytest.mark.parametrize("relays", sorted({*range(256)} - {10}))
def test_relays_may_stand_before_the_unit(relays: int) -> None:
    line = b"ST,GS,1\xc4,   12.34" + bytes([relays]) + b"kg\r\n"
    assert str(weight("cas", line).value) == "12.34"


def test_an_overload_has_no_value_whatever_it_carries() -> None:
    step = weight("cas", b"OL,NT,1\x82,-  99.99 kg\r\n")
    assert (step.value, step.stable, step.zero) == (None, None, None)
    assert (step.unit, step.measure, step.range) == ("kg", "net", "under")


@pytest.mark.parametrize("line", [b"   12.3", b"    12.34", b"  12.34 ", b"12 34.56", b"   1,234"])
def test_a_bare_weight_has_eight_characters(line: bytes) -> None:
    [step] = read("cas", line + b"\r\n", form="bare")
    assert isinstance(step, Noise)


def test_a_scale_with_a_number_is_asked_by_it() -> None:
    assert dialogue("cas").ask == b""
    assert [dialogue("cas", device=number).ask for number in (1, 9, 13)] == [b"1", b"9", b"="]


@given(st.decimals(min_value=-999, max_value=9999, places=2), st.booleans())
def test_what_the_simulator_weighs_is_what_is_read(load: Decimal, moving: bool) -> None:
    scale = CasSimulator(load=load, decimals=2)
    scale.moving = moving
    step = weight("cas", scale.frame())
    assert (step.value, step.stable, step.zero) == (load, not moving, load == 0)


async def test_a_load_arrives_through_a_cable() -> None:
    scale = CasSimulator(load=Decimal("1.250"))
    assert (await arrives(scale, dialogue("cas"))).value == Decimal("1.250")
    scale = CasSimulator(load=Decimal("1.250"))
    scale.streams = False
    assert (await arrives(scale, dialogue("cas", device=1))).stable is True
