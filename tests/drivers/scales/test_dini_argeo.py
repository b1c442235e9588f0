from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Noise
from drivers.simulators.dini_argeo import DiniArgeoSimulator
from tests.drivers.agreement import arrives, read, said, told, weight
from tests.drivers.conversation import dialogue
from tests.drivers.records import records


@pytest.mark.parametrize("record", records("dini_argeo"), ids=lambda record: record["hex"][:24])
def test_the_manual_is_understood(record: dict[str, Any]) -> None:
    assert said("dini_argeo", record) == record["expect"]


@pytest.mark.parametrize(
    "line",
    [
        b"ST,GS,   1.250 kg", b"ST,GS, 1.250,kg", b"1ST,GS,   1.250,kg", b"XX,GS,   1.250,kg",
        b"ST,GS,1.250000000,kg", b"ST,GS,   1,250,kg", b"ST,GS,        ,kg", b"ERR1", b"OKAY",
        b"1ST,     1.250,PT     0.500,kg",
    ],
)  # fmt: skip
def test_what_is_no_string_is_noise(line: bytes) -> None:
    [step] = read("dini_argeo", line + b"\r\n")
    assert isinstance(step, Noise)


@pytest.mark.parametrize("what", [b"VL", b"RZ"])
def test_microvolts_and_points_are_no_weights(what: bytes) -> None:
    [step] = read("dini_argeo", b"ST," + what + b",   12345,vv\r\n")
    assert told(step) == {"reply": f"ST,{what.decode()},   12345,vv"}


def test_an_address_is_asked_and_minded() -> None:
    talk = dialogue("dini_argeo", address=7, asked="GR10")
    assert (talk.ask, talk.commands["tare"]) == (b"07GR10\r\n", b"07T\r\n")
    assert weight("dini_argeo", b"07ST,GS,   1.250,kg\r\n", address=7).value == Decimal("1.250")
    [step] = read("dini_argeo", b"08ST,GS,   1.250,kg\r\n", address=7)
    assert isinstance(step, Noise)


def test_the_gross_weight_of_the_alibi_string_is_read() -> None:
    line = b"\x1b01PIDST,1,     1.250kg,PT     0.500kg,00042-000007\r\n"
    step = weight("dini_argeo", line)
    assert (str(step.value), step.measure) == ("1.250", "gross")


@given(st.decimals(min_value=-999, max_value=9999, places=3), st.booleans())
def test_what_the_simulator_weighs_is_what_is_read(load: Decimal, extended: bool) -> None:
    scale = DiniArgeoSimulator(load=load)
    step = weight("dini_argeo", scale.answer(b"REXT\r\n" if extended else b"READ\r\n"))
    assert (step.value, step.measure) == (load, "net" if extended else "gross")


@pytest.mark.parametrize(("where", "value"), [("over", None), ("under", None), ("fault", None)])
def test_the_simulator_shows_its_troubles(where: Any, value: None) -> None:
    scale = DiniArgeoSimulator(load=Decimal("1.250"))
    scale.range = where
    step = weight("dini_argeo", scale.answer(b"READ\r\n"))
    assert (step.range, step.value) == (where, value)


def test_the_simulator_obeys_the_commands() -> None:
    commands = dialogue("dini_argeo").commands
    scale = DiniArgeoSimulator(load=Decimal("1.250"))
    assert scale.answer(commands["tare"] + b"READ\r\n") == b"OK\r\nST,NT,   0.000,kg\r\n"
    assert scale.answer(commands["clear_tare"] + b"READ\r\n") == b"OK\r\nST,GS,   1.250,kg\r\n"
    assert scale.answer(commands["zero"] + b"HUH\r\n") == b"OK\r\nERR04\r\n"
    assert scale.answer(commands["print"]) == b"OK\r\n"


async def test_a_load_arrives_through_a_cable() -> None:
    scale = DiniArgeoSimulator(load=Decimal("1.250"))
    assert (await arrives(scale, dialogue("dini_argeo"))).stable is True
