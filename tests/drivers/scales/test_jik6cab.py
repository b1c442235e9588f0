from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Noise
from drivers.simulators.jik6cab import Jik6cabSimulator
from tests.drivers.agreement import read, said, told, weight
from tests.drivers.conversation import dialogue, talking
from tests.drivers.records import records


@pytest.mark.parametrize("record", records("jik6cab"), ids=lambda record: record["hex"][:24])
def test_the_manual_is_understood(record: dict[str, Any]) -> None:
    assert said("jik6cab", record) == record["expect"]


BLOCK = bytes.fromhex(records("jik6cab")[-1]["hex"])


@pytest.mark.parametrize("line", range(1, 9))
def test_a_block_that_lacks_a_line_is_noise(line: int) -> None:
    lines = BLOCK.split(b"\r\n")
    steps = read("jik6cab", b"\r\n".join(lines[:line] + lines[line + 1 :]))
    assert steps
    assert all(isinstance(step, Noise) for step in steps)


def test_two_different_net_weights_are_noise() -> None:
    [step] = read("jik6cab", BLOCK.replace(b"456.00  g", b"456.01  g", 1))
    assert isinstance(step, Noise)


def test_a_block_that_begins_anew_is_read() -> None:
    first, second = read("jik6cab", BLOCK[:60] + b"\r\n" + BLOCK)
    assert isinstance(first, Noise)
    assert told(second)["weight"] == "456.00"


def test_a_block_without_an_end_is_not_kept_for_ever() -> None:
    steps = read("jik6cab", b"^KJIK000\r\n" + b"x\r\n" * 40)
    assert all(isinstance(step, Noise) for step in steps)
    assert len(steps) > 20


@given(st.decimals(min_value=0, max_value=999, places=2))
def test_what_the_simulator_weighs_is_what_is_read(load: Decimal) -> None:
    scale = Jik6cabSimulator(load=load, decimals=2)
    scale.tare = Decimal(1)
    step = weight("jik6cab", scale.frame())
    assert (step.value, step.measure) == (load - 1, "net")


async def test_the_print_key_sends_the_load() -> None:
    scale = Jik6cabSimulator()
    async with scale, talking(scale.url, dialogue("jik6cab")) as heard:
        await scale.take("1.250")
        await heard.expect(lambda reading: told(reading).get("weight") == "1.250")
