from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Noise
from drivers.simulators.rice_lake import RiceLakeSimulator
from tests.drivers.agreement import arrives, read, said, told, weight
from tests.drivers.conversation import dialogue
from tests.drivers.records import records


@pytest.mark.parametrize("record", records("rice_lake"), ids=lambda record: record["hex"][:24])
def test_the_manual_is_understood(record: dict[str, Any]) -> None:
    assert said("rice_lake", record) == record["expect"]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b" ^^^^^^^LGO", "over"), (b" &&&&&&&LGO", "over"), (b" OVERFL LGO", "over"),
        (b" ]]]]]]]LGO", "under"), (b" =======LGO", "under"), (b" ::::::: GO", "under"),
        (b"^^^^^^^^LGO", "over"), (b"]  12.34LGO", "under"), (b"   12.34LGO", "over"),
        (b"-  12.34LGO", "under"), (b" -------LGO", "over"), (b"   12.34LGI", "fault"),
        (b" ^^^^^^^LG ", "over"),
    ],
)  # fmt: skip
def test_out_of_range_there_is_no_value(body: bytes, where: str) -> None:
    step = weight("rice_lake", b"\x02" + body + b"\r\n")
    assert (step.value, step.range, step.stable) == (None, where, None)


@pytest.mark.parametrize(
    ("letter", "unit"),
    [(b"L", "lb"), (b"K", "kg"), (b"T", "t"), (b"G", "g"), (b"O", "oz"), (b" ", "kg")],
)
def test_a_letter_is_a_unit(letter: bytes, unit: str) -> None:
    assert weight("rice_lake", b"\x02   12.34" + letter + b"N \r", unit="kg").unit == unit


@pytest.mark.parametrize(
    "frame",
    [
        b"\x02  12.34LG \r\n", b"\x02   12.34XG \r\n", b"\x02   12.34LX \r\n", b"  12.34LG \r\n",
        b"\x02   12.34LG?\r\n", b"\x02   1 2.4LG \r\n", b"\x02   12.34LG\r\n",
    ],
)  # fmt: skip
def test_what_is_no_frame_is_noise(frame: bytes) -> None:
    [step] = read("rice_lake", frame)
    assert isinstance(step, Noise)


def test_after_damage_the_next_frame_counts() -> None:
    *_, last = read("rice_lake", b"\x02   12.\x02   12.34LG \r\n")
    assert told(last)["weight"] == "12.34"


@given(
    st.decimals(min_value=-999, max_value=9999, places=2), st.sampled_from(["lb", "kg", "g", "oz"])
)
def test_what_the_simulator_weighs_is_what_is_read(load: Decimal, unit: str) -> None:
    step = weight("rice_lake", RiceLakeSimulator(load=load, unit=unit, decimals=2).frame())
    assert (step.value, step.unit, step.zero) == (load, unit, True if load == 0 else None)


@pytest.mark.parametrize("where", ["over", "under", "fault"])
def test_the_simulator_shows_its_troubles(where: Any) -> None:
    scale = RiceLakeSimulator(load=Decimal("12.34"))
    scale.moving = True
    assert weight("rice_lake", scale.frame()).stable is False
    scale.range = where
    assert weight("rice_lake", scale.frame()).range == where


def test_the_simulator_obeys_the_keys() -> None:
    commands = dialogue("rice_lake").commands
    scale = RiceLakeSimulator(load=Decimal("12.34"), decimals=2)
    assert scale.answer(commands["tare"]) == b"OK\r\n"
    assert scale.frame() == b"\x02    0.00LNZ\r\n"
    assert scale.answer(commands["clear_tare"] + commands["print"]) == b"OK\r\nOK\r\n"
    assert scale.frame() == b"\x02   12.34LG \r\n"
    assert scale.answer(commands["zero"] + b"HUH\r") == b"OK\r\n??\r\n"
    assert scale.answer(commands["next_unit"]) == b"OK\r\n"


async def test_a_load_arrives_through_a_cable() -> None:
    scale = RiceLakeSimulator(load=Decimal("12.34"))
    assert (await arrives(scale, dialogue("rice_lake"))).unit == "lb"
