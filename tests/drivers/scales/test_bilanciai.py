from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Noise, Reply
from drivers.simulators.bilanciai import BilanciaiSimulator
from tests.drivers.agreement import arrives, read, said, weight
from tests.drivers.conversation import dialogue, talking
from tests.drivers.records import records


@pytest.mark.parametrize("record", records("bilanciai"), ids=lambda record: record["hex"][:24])
def test_the_manual_is_understood(record: dict[str, Any]) -> None:
    assert said("bilanciai", record) == record["expect"]


@pytest.mark.parametrize(
    "string",
    [b"$    1.250     0.000 kg 020\r\n", b"    1.250     0.000 kg 0200\r\n",
     b"$    1.2.0     0.000 kg 0200\r\n", b"$    1.250     0.000 kg 02G0\r\n", b"$001250\r",
     b"    1.250 kg X\r\n", b"   1.250 kg B\r\n"],
)  # fmt: skip
def test_what_is_no_string_is_noise(string: bytes) -> None:
    assert all(isinstance(step, Noise) for step in read("bilanciai", string))


def test_a_string_behind_a_torn_one_is_read() -> None:
    torn, step = read("bilanciai", b"$    1.2$    7.250     0.000 kg 0200\r\n")
    assert isinstance(torn, Noise)
    assert getattr(step, "value", None) == Decimal("7.250")


@given(st.decimals(min_value=-99, max_value=999, places=3), st.booleans())
def test_what_the_simulator_weighs_is_what_is_read(load: Decimal, moving: bool) -> None:
    scale = BilanciaiSimulator(load=load)
    scale.moving = moving
    step = weight("bilanciai", scale.frame())
    assert (step.value, step.unit, step.stable) == (load, "kg", not moving)


@pytest.mark.parametrize("where", ["over", "under", "fault"])
def test_the_simulator_shows_its_troubles(where: Any) -> None:
    scale = BilanciaiSimulator(load=Decimal("1.234"))
    scale.range = where
    step = weight("bilanciai", scale.frame())
    assert (step.range, step.value) == (where, None)


async def test_the_terminal_is_told_to_zero_and_to_tare() -> None:
    talk = dialogue("bilanciai")
    async with (
        BilanciaiSimulator(load=Decimal("1.250")) as scale,
        talking(scale.url, talk) as heard,
    ):
        assert scale.answer(talk.commands["tare"]) == b"OK\r\n"
        await heard.expect(lambda r: getattr(r, "measure", None) == "net")
        assert scale.answer(talk.commands["clear_tare"] + talk.commands["zero"]) == b"OK\r\n" * 2
        await heard.expect(lambda r: bool(getattr(r, "zero", False)))
    assert not [reading for reading in heard.readings if isinstance(reading, Reply)]


async def test_a_load_arrives_that_is_asked_for() -> None:
    scale = BilanciaiSimulator(load=Decimal("1.250"))
    scale.streams = False
    found = await arrives(scale, dialogue("bilanciai", asked="gross"))
    assert (str(found.value), found.measure, found.stable) == ("1.250", "gross", None)
