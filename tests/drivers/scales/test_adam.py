from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Noise
from drivers.simulators.adam import AdamSimulator
from tests.drivers.agreement import arrives, read, said, told, weight
from tests.drivers.conversation import dialogue
from tests.drivers.records import records


@pytest.mark.parametrize("record", records("adam"), ids=lambda record: record["hex"][:24])
def test_the_manual_is_understood(record: dict[str, Any]) -> None:
    assert said("adam", record) == record["expect"]


@pytest.mark.parametrize(
    ("line", "value"),
    [(b"G/W  +   5.00 lb", "5.00"), (b"N/W  -   1.25 kg", "-1.25"), (b"+ 2.00 kg", "2.00"),
     (b"-  2.00 kg", "-2.00"), (b"T/W  +   0.50 kg", "0.50")],
)  # fmt: skip
def test_a_lost_front_never_changes_the_number(line: bytes, value: str) -> None:
    for missing in range(len(line)):
        for step in read("adam", line[missing:] + b"\r\n"):
            assert told(step) == {"noise": True} or told(step)["weight"] == value


def test_a_tare_is_no_weighing() -> None:
    assert weight("adam", b"T/W  +   0.50 kg\r\n").measure == "tare"


@pytest.mark.parametrize("line", [b"<Z 12", b"Total   123.45 g ", b"No.  01"])
def test_other_lines_are_replies(line: bytes) -> None:
    [step] = read("adam", line + b"\r\n", dialect="highland")
    assert told(step) == {"reply": line.decode()}


@pytest.mark.parametrize(
    "line", [b"5.00 lb", b"G/W  5.00 lb", b"X/W + 5.00 lb", b"G/W + 5.00", b"!EX"]
)
def test_what_is_no_line_is_noise(line: bytes) -> None:
    [step] = read("adam", line + b"\r\n")
    assert isinstance(step, Noise)


def test_an_empty_line_is_an_answer_of_azextra_only() -> None:
    assert read("adam", b"\r\n\r\n") == []
    assert len(read("adam", b"\r\n\r\n", dialect="azextra")) == 2


def test_each_dialect_asks_in_its_own_way() -> None:
    asks = {
        name: dialogue("adam", dialect=name).ask for name in ("cpw", "azextra", "pgl", "highland")
    }
    assert asks == {"cpw": b"G\r\n", "azextra": b"P\r\n", "pgl": b"!KP\r", "highland": b"P\r\n"}
    assert dialogue("adam", measure="net").ask == b"N\r\n"
    assert dialogue("adam", asked=False).ask == b""


@given(st.decimals(min_value=-999, max_value=9999, places=2))
def test_what_the_simulator_weighs_is_what_is_read(load: Decimal) -> None:
    step = weight("adam", AdamSimulator(load=load, decimals=2).answer(b"N\r\n"), named=True)
    assert (step.value, step.measure) == (load, "net")


def test_the_simulator_keeps_to_the_dialogue() -> None:
    scale = AdamSimulator(load=Decimal("5.00"), decimals=2)
    assert scale.answer(dialogue("adam").commands["tare"]) == b""
    assert scale.answer(b"N\r\nT\r\nG\r\n").count(b"5.00") == 2


async def test_a_load_arrives_through_a_cable() -> None:
    scale = AdamSimulator(load=Decimal("1.25"))
    assert (await arrives(scale, dialogue("adam"))).measure == "gross"
