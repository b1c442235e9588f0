from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Noise, Range, Refusal, Step, Weight
from drivers.simulators.kern import KernSimulator
from tests.drivers.conversation import dialogue, talking
from tests.drivers.expectations import assert_means
from tests.drivers.records import records

Kind = Literal["plain", "headed"]
KINDS: list[Kind] = ["plain", "headed"]


def read(data: bytes, **settings: Any) -> list[Step]:
    decoder = dialogue("kern", **settings).decoder
    return decoder.feed(data) + decoder.quiet()


def meaning(line: bytes, **settings: Any) -> Step:
    [step] = read(line + b"\r\n", **settings)
    return step


def after_another(line: bytes) -> Step:
    """What `line` means where its beginning is sure."""
    _, step = read(b"Error\r\n" + line + b"\r\n")
    return step


@pytest.mark.parametrize("record", records("kern"), ids=lambda record: record["hex"])
def test_the_manual_is_understood(record: dict[str, Any]) -> None:
    assert_means(read(bytes.fromhex(record["hex"])), record["expect"])


@pytest.mark.parametrize(
    ("line", "value", "unit", "stable", "measure"),
    [
        (b"       1.234 kg ", "1.234", "kg", True, None),
        (b" -     1.234 kg ", "-1.234", "kg", True, None),
        (b"-      1.234 g  ", "-1.234", "g", True, None),
        (b"       1.234    ", "1.234", None, False, None),
        (b" -     1.234 ", "-1.234", None, False, None),
        (b"         125 pcs", "125", "pcs", True, "count"),
        (b"     1.234 kg  ", "1.234", "kg", True, None),
        (b"-    1.234", "-1.234", None, False, None),
        (b"M        1.234 kg", "1.234", "kg", None, None),
        (b"ST,GS 1.000KG", "1.000", "KG", True, "gross"),
        (b"US,NT,-113.0254kg", "-113.0254", "kg", False, "net"),
        (b"ST,GS,+012.3456  kg", "12.3456", "kg", True, "gross"),
        (b"ST,N, -1234.56,kg", "-1234.56", "kg", True, "net"),
    ],
)
def test_lines_of_both_kinds_are_read(
    line: bytes, value: str, unit: str | None, stable: bool | None, measure: str | None
) -> None:
    for step in (meaning(line), after_another(line)):
        assert isinstance(step, Weight)
        assert (str(step.value), step.unit) == (value, unit)
        assert (step.stable, step.measure, step.range) == (stable, measure, "ok")


@pytest.mark.parametrize(
    ("line", "value", "measure"),
    [(b"10PCS", "10", "count"), (b"1.234 kg", "1.234", None), (b"-  1.234 kg", "-1.234", None)],
)
def test_a_line_in_other_columns_is_a_weight_only_where_its_beginning_is_sure(
    line: bytes, value: str, measure: str | None
) -> None:
    assert isinstance(meaning(line), Noise)
    step = after_another(line)
    assert isinstance(step, Weight)
    assert (str(step.value), step.stable, step.measure) == (value, None, measure)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("load", ["-1.640", "-1234.567", "1.640", "123.456"])
def test_a_line_that_lost_its_front_is_never_another_weight(kind: Kind, load: str) -> None:
    line = KernSimulator(load=Decimal(load), lines=kind).answer(b"w")
    [whole] = read(line)
    assert isinstance(whole, Weight)
    for missing in range(1, len(line)):
        steps = read(line[missing:])
        assert {step.value for step in steps if isinstance(step, Weight)} <= {whole.value}


@pytest.mark.parametrize(
    ("line", "expected"),
    [(b"OL,GS,+            ", "over"), (b"OL,GS,-            ", "under"), (b"=Overload=", "over"),
     (b"OL,NT,+9999.99kg", "over")],
)  # fmt: skip
def test_an_overload_has_no_value(line: bytes, expected: str) -> None:
    step = meaning(line)
    assert isinstance(step, Weight)
    assert (step.value, step.range) == (None, expected)


@pytest.mark.parametrize("line", [b"       Error", b"           Error"])
def test_an_error_is_a_refusal(line: bytes) -> None:
    assert meaning(line) == Refusal("Error", line + b"\r")


@pytest.mark.parametrize(
    "line", [b"ST,GS,  ", b"T,GS 1.000KG", b"kg", b"       1.2.3 kg ", b"ST,XX 1.000KG", b"0PCS",
             b"   1.234 kg kg", b"", b" - -   1.234 kg "]
)  # fmt: skip
def test_what_is_no_line_is_no_weight(line: bytes) -> None:
    assert not [step for step in read(line + b"\r\n") if isinstance(step, Weight)]


def test_the_unit_of_a_moving_weight_is_the_configured_one() -> None:
    step = meaning(b"       1.234    ", unit="kg")
    assert isinstance(step, Weight)
    assert (step.unit, step.stable) == ("kg", False)


@pytest.mark.parametrize("kind", KINDS)
@given(load=st.decimals(min_value=-9999, max_value=9999, places=3))
def test_what_the_simulator_weighs_is_what_is_read(kind: Kind, load: Decimal) -> None:
    [step] = read(KernSimulator(load=load, lines=kind).answer(b"w"))
    assert isinstance(step, Weight)
    assert (step.value, step.stable) == (load, True)


@pytest.mark.parametrize("kind", KINDS)
def test_the_simulator_shows_its_troubles(kind: Kind) -> None:
    scale = KernSimulator(load=Decimal("1.250"), lines=kind)
    scale.stable = False
    [moving] = read(scale.answer(b"w"))
    assert isinstance(moving, Weight)
    assert moving.stable is False
    assert scale.answer(b"s") == b""
    ranges: list[Range] = ["over", "under"]
    for reach in ranges:
        scale.range = reach
        [step] = read(scale.answer(b"w"))
        assert isinstance(step, Refusal if kind == "plain" else Weight)
        assert getattr(step, "range", reach) == reach


def test_it_does_what_it_is_told() -> None:
    talk = dialogue("kern")
    scale = KernSimulator(load=Decimal("1.250"), lines="headed")
    scale.answer(talk.commands["tare"])
    [step] = read(scale.answer(talk.ask))
    assert isinstance(step, Weight)
    assert step.measure == "net"
    scale.answer(talk.commands["zero"])
    assert scale.shown == 0
    assert (dialogue("kern", ask="s").within, talk.within) == (None, 2.0)


async def test_a_scale_that_sends_by_itself_is_only_listened_to() -> None:
    async with (
        KernSimulator() as scale,
        talking(scale.url, dialogue("kern", ask="")) as heard,
    ):
        await scale.say(b"       1.250 kg \r\n")
        await heard.expect(lambda r: isinstance(r, Weight) and str(r.value) == "1.250")
    assert scale.heard == b""


def test_a_known_length_catches_a_lost_byte() -> None:
    good, torn = b"ST,GS 1.342KG\r\n", b"ST,GS .342KG\r\n"
    steps = read(good + torn + good, length=13)
    assert [type(step) for step in steps] == [Weight, Noise, Weight]
    assert all(isinstance(step, Weight) for step in read(good + torn + good))
