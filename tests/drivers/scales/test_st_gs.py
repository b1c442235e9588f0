from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Noise
from drivers.simulators.st_gs import StGsSimulator
from tests.drivers.agreement import arrives, read, said, weight
from tests.drivers.conversation import dialogue
from tests.drivers.records import records


@pytest.mark.parametrize("record", records("st_gs"), ids=lambda record: record["hex"][:24])
def test_the_manual_is_understood(record: dict[str, Any]) -> None:
    assert said("st_gs", record) == record["expect"]


@pytest.mark.parametrize(
    ("line", "value", "unit", "stable", "measure"),
    [
        (b"ST,GS,+000.500kg", "0.500", "kg", True, "gross"),
        (b"ST,GS,   0.123kg", "0.123", "kg", True, "gross"),
        (b"ST,NT,-  0.500kg", "-0.500", "kg", True, "net"),
        (b"ST,NT,- 500.0 g", "-500.0", "g", True, "net"),
        (b"US,NT,-113.0254kg", "-113.0254", "kg", False, "net"),
        (b"ST,GS,+  1,234kg", "1.234", "kg", True, "gross"),
        (b"ST,GS,-   1.234,kg", "-1.234", "kg", True, "gross"),
        (b"ST,US,+ 0.05kg", "0.05", "kg", False, None),
        (b"US,ST,+ 0.05kg", "0.05", "kg", False, None),
        (b"ST,ST,+ 0.05kg", "0.05", "kg", True, None),
        (b"ST NT   1.000 lb", "1.000", "lb", True, "net"),
        (b"ST,NT,+1.23456tl.g", "1.23456", "tl.g", True, "net"),
        (b"ST,GS,+0123456  oz", "123456", "oz", True, "gross"),
        (b"ST,GS,   450 g", "450", "g", True, "gross"),
        (b"ST,GS,+  0.0005kg", "0.0005", "kg", True, "gross"),
        (b"ST,TW,+ 0.250kg", "0.250", "kg", True, "tare"),
        (b"ST,GS,+ 1.250", "1.250", None, True, "gross"),
    ],
)
def test_every_spelling_is_read(
    line: bytes, value: str, unit: str | None, stable: bool, measure: str | None
) -> None:
    step = weight("st_gs", line + b"\r\n")
    assert (str(step.value), step.unit, step.stable, step.measure) == (value, unit, stable, measure)


@pytest.mark.parametrize(
    ("line", "where"),
    [
        (b"OL,GS,", "over"), (b"OL,GS,+  9.999kg", "over"), (b"OL", "over"), (b"OL,GS", "over"),
        (b"OL,NT,-  9.999kg", "under"), (b"UL,GS,", "under"), (b"UL,GS,+ 0.500kg", "under"),
    ],
)  # fmt: skip
def test_out_of_range_there_is_no_value(line: bytes, where: str) -> None:
    step = weight("st_gs", line + b"\r\n")
    assert (step.value, step.range, step.stable) == (None, where, None)


@pytest.mark.parametrize(
    "line",
    [
        b"ST,GS,", b"ST,GS,kg", b"TOL,GS,+  1.500kg", b"OLD,GS,+  1.500kg", b"T,GS,+  1.500kg",
        b"ST,GS,+ 1.2.3kg", b"ST,GS,+ 1.5 kg kg", b"ST,XX,+ 1.5kg", b"ST,GS,1e3kg", b"1.500 kg",
        b"ST,+00000.50  g", b"SST,GS,+ 1.5kg", b"ST,GS,+ 1 500kg", b"10PCS", b"\xd3T,GS,+ 1.5kg",
    ],
)  # fmt: skip
def test_what_is_no_such_line_is_noise(line: bytes) -> None:
    [step] = read("st_gs", line + b"\r\n")
    assert isinstance(step, Noise)


def test_a_bare_count_is_read_if_it_may_be() -> None:
    step = weight("st_gs", b"10PCS\r\n", counts=True)
    assert (step.value, step.unit, step.measure) == (Decimal(10), "PCS", "count")


def test_a_configured_unit_stands_in_for_a_missing_one() -> None:
    assert weight("st_gs", b"ST,GS,+ 1.250\r\n", unit="kg").unit == "kg"
    assert weight("st_gs", b"ST,GS,+ 1.250lb\r\n", unit="kg").unit == "lb"


@given(st.decimals(min_value=-999, max_value=9999, places=3), st.booleans())
def test_what_the_simulator_weighs_is_what_is_read(load: Decimal, moving: bool) -> None:
    scale = StGsSimulator(load=load)
    scale.moving = moving
    step = weight("st_gs", scale.frame())
    assert (step.value, step.stable, step.measure) == (load, not moving, "gross")


async def test_a_load_arrives_through_a_cable() -> None:
    scale = StGsSimulator(load=Decimal("1.250"))
    assert (await arrives(scale, dialogue("st_gs"))).value == Decimal("1.250")


def test_letters_tare_and_ask() -> None:
    talk = dialogue("st_gs", asked="letters")
    scale = StGsSimulator(load=Decimal("1.250"))
    assert scale.answer(talk.commands["tare"] + talk.ask) == b"ST,NT,+   0.000kg\r\n"
    assert scale.answer(talk.commands["zero"] + talk.ask) == b"ST,GS,+   0.000kg\r\n"
