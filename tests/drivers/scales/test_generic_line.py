from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.simulators.generic_line import GenericLineSimulator
from tests.drivers.agreement import arrives, read, said, told, weight
from tests.drivers.conversation import dialogue
from tests.drivers.records import records

PATTERNS = [
    r"(?:(?P<stable>W)|(?P<moving>w)):(?P<value>[ +-]*[0-9]+\.[0-9]+) (?P<unit>kg|g)",
    r"(?P<over>OL)|(?P<error>E[0-9]{2})",
]


@pytest.mark.parametrize("record", records("generic_line"), ids=lambda record: record["hex"][:24])
def test_a_line_is_read_as_its_pattern_says(record: dict[str, Any]) -> None:
    found = said("generic_line", {**record, "settings": {"patterns": PATTERNS}})
    assert found == record["expect"]


def test_a_pattern_must_be_sound() -> None:
    for wrong in (
        r"(?P<value>[0-9]+",
        r"(?P<weight>[0-9]+)",
        r"[0-9]+ kg",
        r"(a)\1(?P<value>1)",
        "x" * 401,
    ):
        with pytest.raises(ValidationError):
            dialogue("generic_line", patterns=[wrong])
    with pytest.raises(ValidationError):
        dialogue("generic_line", patterns=[])


def one(line: bytes, *patterns: str, **settings: Any) -> dict[str, Any]:
    [step] = read("generic_line", line + b"\r\n", patterns=patterns, **settings)
    return told(step)


VALUE = r"(?P<value>[ +-]*[0-9]+(?:[.,][0-9]+)?) *(?P<unit>[a-z]+)?"


def test_commas_and_integers_are_a_choice() -> None:
    assert one(b"0,250", VALUE) == {"noise": True}
    assert one(b"0,250", VALUE, comma=True)["weight"] == "0.250"
    assert one(b"2 kg", VALUE) == {"noise": True}
    assert one(b"2 kg", VALUE, integers=True)["weight"] == "2"
    assert one(b"-  0.500 kg", VALUE)["weight"] == "-0.500"


def test_a_unit_in_the_line_comes_before_the_configured_one() -> None:
    assert one(b"500.0 g", VALUE, unit="kg")["unit"] == "g"
    assert one(b"0.500", VALUE, unit="kg")["unit"] == "kg"


def test_stability_is_what_the_groups_say() -> None:
    number = r"(?P<value>[0-9.]+)"
    assert one(b"1.5", number)["stable"] is None
    assert one(b"1.5", number + "(?P<moving>~)?")["stable"] is True
    assert one(b"1.5~", number + "(?P<moving>~)?")["stable"] is False
    assert one(b"1.5", number + "(?P<stable>S)?")["stable"] is False
    assert one(b"1.5S", number + "(?P<stable>S)?(?P<moving>~)?")["stable"] is True
    assert one(b"1.5S~", number + "(?P<stable>S)?(?P<moving>~)?")["stable"] is False


@pytest.mark.parametrize("where", ["over", "under", "fault"])
def test_out_of_range_there_is_no_value(where: str) -> None:
    found = one(b"OL 9.999 kg", rf"(?P<{where}>OL) (?P<value>[0-9.]+) (?P<unit>kg)")
    assert (found["weight"], found["range"], found["unit"]) == (None, where, "kg")


@pytest.mark.parametrize("measure", ["net", "gross", "tare", "count"])
def test_what_was_measured_is_a_group(measure: str) -> None:
    assert one(b"X 1.5", rf"(?P<{measure}>X) (?P<value>[0-9.]+)")["measure"] == measure


def test_a_laboratory_line_can_be_read() -> None:
    pattern = r"(?P<value>[+-][0-9]{3}\.[0-9]{2})/[0-9] (?:(?P<gross>G)|(?P<net>N)) (?P<stable>S)?"
    found = one(b"+007.12/3 G S", pattern)
    assert (found["weight"], found["stable"], found["measure"]) == ("7.12", True, "gross")


def test_a_sign_apart_and_the_centre_of_zero_are_groups() -> None:
    pattern = r"(?P<sign>-)?(?P<zero>Z)? *(?P<value>[0-9.]+)"
    assert one(b"-  1.5", pattern)["weight"] == "-1.5"
    assert [one(line, pattern)["zero"] for line in (b"Z0.0", b"1.5")] == [True, False]


def test_the_first_pattern_that_matches_counts() -> None:
    patterns = (r"A(?P<value>[0-9.]+)", r"(?P<net>.)(?P<value>[0-9.]+)", "(?P<error>E.+)")
    assert one(b"A1.5", *patterns)["measure"] is None
    assert one(b"B1.5", *patterns)["measure"] == "net"
    assert one(b"ERR", *patterns) == {"refusal": "ERR"}
    assert one(b"???", *patterns) == {"noise": True}


def test_etx_may_end_a_line_and_bit_7_be_parity() -> None:
    pattern = r"\x02(?P<value>[0-9.]+)"
    [step] = read("generic_line", b"\x021.5\r\n\x03", patterns=[pattern], end="etx")
    assert told(step)["weight"] == "1.5"
    [step] = read("generic_line", b"\xb1.\xb5\r", patterns=[r"(?P<value>[0-9.]+)"], bits=7)
    assert told(step)["weight"] == "1.5"


def test_no_pattern_can_stretch_the_time() -> None:
    patterns = [
        r"(?:(?:1|1)+)+(?P<value>x)",
        ".*" * 20 + "(?P<value>x)",
        ".{0,30}" * 12 + "(?P<value>x)",
    ]
    line = b"1" * 127
    assert one(line, *patterns) == {"noise": True}


def test_words_are_sent_as_they_are_configured() -> None:
    talk = dialogue("generic_line", patterns=[VALUE], ask="W\r", zero="Z\r", next_unit="\x1bU")
    assert (talk.ask, talk.within) == (b"W\r", 2.0)
    assert talk.commands == {"zero": b"Z\r", "next_unit": b"\x1bU"}
    assert dialogue("generic_line", patterns=[VALUE]).ask == b""


@given(st.decimals(min_value=-99, max_value=999, places=3), st.booleans())
def test_what_the_simulator_weighs_is_what_is_read(load: Decimal, moving: bool) -> None:
    scale = GenericLineSimulator(load=load)
    scale.moving = moving
    step = weight("generic_line", scale.frame(), patterns=PATTERNS)
    assert (step.value, step.unit, step.stable) == (load, "kg", not moving)
    scale.range = "over"
    assert weight("generic_line", scale.frame(), patterns=PATTERNS).range == "over"


async def test_a_load_arrives_through_a_cable() -> None:
    scale = GenericLineSimulator(load=Decimal("1.250"))
    talk = dialogue("generic_line", patterns=PATTERNS, ask="?")
    assert (await arrives(scale, talk)).value == Decimal("1.250")
