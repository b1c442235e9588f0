from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Noise, Range, Refusal, Reply, Step, Weight
from drivers.simulators.sartorius_sbi import SartoriusSbiSimulator
from tests.drivers.conversation import dialogue, talking
from tests.drivers.expectations import assert_means
from tests.drivers.records import records

Length = Literal[16, 22]
LENGTHS: list[Length] = [16, 22]


def read(data: bytes, **settings: Any) -> list[Step]:
    decoder = dialogue("sartorius_sbi", **settings).decoder
    return decoder.feed(data) + decoder.quiet()


def meaning(line: bytes, **settings: Any) -> Step:
    [step] = read(line + b"\r\n", **settings)
    return step


@pytest.mark.parametrize("record", records("sartorius_sbi"), ids=lambda record: record["hex"])
def test_the_manual_is_understood(record: dict[str, Any]) -> None:
    [step] = steps = read(bytes.fromhex(record["hex"]), **record.get("settings", {}))
    if record["expect"].get("flags") == ["calibrating"]:
        assert isinstance(step, Refusal)
    else:
        assert_means(steps, record["expect"])


@pytest.mark.parametrize(
    ("line", "value", "unit", "stable", "measure"),
    [
        (b"N     +   123.56 g  ", "123.56", "g", True, "net"),
        (b"G#    -     1.25 kg ", "-1.25", "kg", True, "gross"),
        (b"T1    +   123.56 g  ", "123.56", "g", True, "tare"),
        (b"Qnt   +      235 pcs", "235", "pcs", True, "count"),
        (b"      +   123.56    ", "123.56", None, False, None),
        (b"N     + 123.5[6] g  ", "123.5", "g", True, "net"),
        (b"N     +   123.[6 g  ", None, None, None, None),
        (b"N     +12345678. mg ", "12345678", "mg", True, "net"),
    ],
)
def test_a_line_says_what_it_is(
    line: bytes, value: str | None, unit: str | None, stable: bool | None, measure: str | None
) -> None:
    step = meaning(line)
    if value is None:
        assert isinstance(step, Noise)
        return
    assert isinstance(step, Weight)
    assert (str(step.value), step.unit) == (value, unit)
    assert (step.stable, step.measure) == (stable, measure)


def test_a_line_of_the_other_length_is_noise() -> None:
    assert isinstance(meaning(b"+   123.56 g  "), Noise)
    assert isinstance(meaning(b"N     +   123.56 g  ", length=16), Noise)
    assert isinstance(meaning(b"   123.56 g  ", length=16), Noise)


@pytest.mark.parametrize("identifier", [b"nRef", b"wRef", b"SUM", b"D", b"x-Net"])
def test_other_results_are_no_weights(identifier: bytes) -> None:
    assert isinstance(meaning(identifier.ljust(6) + b"+   123.56 g  "), Reply)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize(
    ("words", "expected"),
    [(b"High", "over"), (b"H", "over"), (b"Low", "under"), (b"L", "under")],
)
def test_out_of_range_is_a_word_anywhere(length: Length, words: bytes, expected: str) -> None:
    for line in (words.center(14), b"Stat" + words.center(16), b"   " + words):
        step = meaning(line, length=length)
        assert isinstance(step, Weight)
        assert (step.value, step.range) == (None, expected)


@pytest.mark.parametrize(
    ("line", "code"),
    [(b"       --     ", "--"), (b"        C     ", "C"), (b"Stat     Cal.Ext.   ", "Cal.Ext."),
     (b"Stat       OFF      ", "OFF"), (b"   Err 054    ", "054"), (b"Stat     ERR 101    ", "101"),
     (b"Stat     APP.ERR    ", "APP.ERR"), (b"     E 054    ", "054")],
)  # fmt: skip
def test_what_it_cannot_do_now_is_a_refusal(line: bytes, code: str) -> None:
    assert meaning(line) == Refusal(code, line + b"\r")


def test_a_key_has_no_end_and_hides_no_weight() -> None:
    assert read(b"        119   ") == [Reply("key 119", b"        119   ")]
    steps = read(b"        000   " * 2 + b"N     +   123.56 g  \r\n")
    assert [type(step) for step in steps] == [Reply, Reply, Weight]


def test_parity_is_ignored_with_seven_bits() -> None:
    line = bytes(b | (b.bit_count() + 1) % 2 << 7 for b in b"N     +   123.56 g  \r\n")
    [step] = read(line)
    assert isinstance(step, Weight)
    assert all(isinstance(step, Noise) for step in read(line, bits=8))


@pytest.mark.parametrize("length", LENGTHS)
@given(load=st.decimals(min_value=-9999, max_value=9999, places=3))
def test_what_the_simulator_weighs_is_what_is_read(length: Length, load: Decimal) -> None:
    scale = SartoriusSbiSimulator(load=load, length=length)
    [step] = read(scale.answer(b"\x1bP"), length=length)
    assert isinstance(step, Weight)
    assert (step.value, step.unit, step.stable) == (load, "g", True)


@pytest.mark.parametrize("length", LENGTHS)
def test_the_simulator_shows_its_troubles(length: Length) -> None:
    scale = SartoriusSbiSimulator(load=Decimal("1.250"), length=length)
    scale.stable = False
    [moving] = read(scale.answer(b"\x1bP\r\n"), length=length)
    assert isinstance(moving, Weight)
    assert (moving.stable, moving.unit) == (False, None)
    ranges: list[Range] = ["over", "under"]
    for reach in ranges:
        scale.range = reach
        [step] = read(scale.answer(b"\x1bP"), length=length)
        assert isinstance(step, Weight)
        assert step.range == reach
    scale.range = "fault"
    assert [type(s) for s in read(scale.answer(b"\x1bP"), length=length)] == [Refusal]


def test_it_does_what_it_is_told() -> None:
    talk = dialogue("sartorius_sbi")
    scale = SartoriusSbiSimulator(load=Decimal("1.250"))
    scale.answer(talk.commands["tare"])
    assert scale.shown == 0
    scale.answer(talk.commands["zero"])
    scale.load = Decimal("3.250")
    [step] = read(scale.answer(talk.commands["print"]))
    assert isinstance(step, Weight)
    assert str(step.value) == "2.000"
    assert scale.answer(b"P") == b""
    assert scale.answer(b"\x1b") + scale.answer(b"P") != b""


async def test_a_scale_that_prints_by_itself_is_only_listened_to() -> None:
    async with (
        SartoriusSbiSimulator() as scale,
        talking(scale.url, dialogue("sartorius_sbi", mode="unasked")) as heard,
    ):
        await scale.say(b"N     +    1.250 g  \r\n")
        await heard.expect(lambda r: isinstance(r, Weight) and str(r.value) == "1.250")
    assert scale.heard == b""
