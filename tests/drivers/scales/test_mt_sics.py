import asyncio
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Noise, Refusal, Reply, Step, Weight
from drivers.kit.streams import open_stream
from drivers.simulators.mt_sics import MtSicsSimulator
from tests.drivers.conversation import CEILING, dialogue, talking
from tests.drivers.records import records


def read(data: bytes) -> list[Step]:
    return dialogue("mt_sics").decoder.feed(data)


@pytest.mark.parametrize("record", records("mt_sics"), ids=lambda record: record["hex"][:16])
def test_the_manual_is_understood(record: dict[str, Any]) -> None:
    raw = bytes.fromhex(record["hex"])
    *_, step = read(raw)
    expect = record["expect"]
    match expect["type"]:
        case "weight":
            assert isinstance(step, Weight)
            assert str(step.value) == expect["weight"]
            assert (step.unit, step.stable) == (expect["unit"], expect["stable"])
            assert (step.measure, step.range) == (expect["mode"], "ok")
        case "status":
            assert isinstance(step, Weight)
            assert (step.value, [step.range]) == (None, expect["flags"])
        case "error":
            assert isinstance(step, Refusal)
            assert step.code == raw.decode().strip()
        case "ack" | "info":
            assert isinstance(step, Reply)
        case other:
            raise AssertionError(other)


@pytest.mark.parametrize(
    ("line", "value", "unit"),
    [
        (b"S S 100.00 g", "100.00", "g"),
        (b"S S     1.250", "1.250", None),
        (b"S S     +1.250 kg", "1.250", "kg"),
        (b"SI S 12.50 kg", "12.50", "kg"),
        (b"S S      1.250 lb/oz", "1.250", "lb/oz"),
        (b"S S 0.00 kg", "0.00", "kg"),
    ],
)
def test_words_count_and_columns_do_not(line: bytes, value: str, unit: str | None) -> None:
    [step] = read(line + b"\r\n")
    assert isinstance(step, Weight)
    assert (str(step.value), step.unit) == (value, unit)


@pytest.mark.parametrize(
    ("line", "code"),
    [(b"S I", "S I"), (b"TI +", "TI +"), (b"ZI -", "ZI -"), (b"TA I", "TA I"),
     (b"S L", "S L"), (b"T I", "T I"), (b"T +", "T +"), (b"Z -", "Z -"),
     (b"TA L", "TA L"), (b"I4 I", "I4 I"), (b"ES", "ES"), (b"ET", "ET"), (b"EL", "EL")],
)  # fmt: skip
def test_a_refusal_says_what_was_refused(line: bytes, code: str) -> None:
    [step] = read(line + b"\r\n")
    assert step == Refusal(code, line + b"\r")


@pytest.mark.parametrize(
    "line",
    [b'I4 A "0123456789"', b'I1 A "01" "2.30" ""', b'I2 A "XS204 1.250 kg"', b"I3 A 2.10",
     b'I10 A "bench 1"', b'I11 A "MS204TS"', b'I0 B 1 "TA"', b'I0 A 1 "TAC"',
     b"Z A", b"ZI S", b"ZI D", b"TAC A", b'I0 B 0 "S"', b"@ A"],
)  # fmt: skip
def test_other_answers_are_replies(line: bytes) -> None:
    [step] = read(line + b"\r\n")
    assert isinstance(step, Noise if line.startswith(b"@") else Reply)


@pytest.mark.parametrize(
    "line",
    [
        b"S", b"S S", b"S D kg", b"S S 1,250 kg", b"S S 1.250 kg extra", b"S S 1e3 kg",
        b"S S - 1.0 kg", b"S S NaN kg", b"S S \xd9\xa1 kg", b"S S 1. kg", b"S + 99.999 kg",
        b"S S 1.250 kilograms", b"S A", b"s s 1.250 kg", b"1.250 kg", b"X S 1.250 kg", b"\x00\xff",
    ],
)  # fmt: skip
def test_what_is_no_answer_is_noise(line: bytes) -> None:
    [step] = read(line + b"\r\n")
    assert isinstance(step, Noise)


def test_a_line_without_end_is_noise_once() -> None:
    decoder = dialogue("mt_sics").decoder
    steps = [step for _ in range(9) for step in decoder.feed(b"S S 1.250 " * 10)]
    assert [type(step) for step in steps] == [Noise]
    [weight] = decoder.feed(b"\r\nS S      1.250 kg\r\n")
    assert isinstance(weight, Weight)


@given(st.decimals(min_value=-99999, max_value=99999, places=3), st.sampled_from(["g", "kg", "lb"]))
def test_what_the_simulator_weighs_is_what_is_read(load: Decimal, unit: str) -> None:
    [step] = read(MtSicsSimulator(load=load, unit=unit).answer(b"SI\r\n"))
    assert isinstance(step, Weight)
    assert (step.value, step.unit, str(step.value)) == (
        load,
        unit,
        f"{load:f}".replace("-0.000", "-0.000"),
    )


def test_the_simulator_keeps_to_the_dialogue() -> None:
    scale = MtSicsSimulator(load=Decimal("1.250"))
    assert scale.answer(b"S") == b""
    assert scale.answer(b"\r\nI4\r\n") == b'S S      1.250 kg\r\nI4 A "0123456789"\r\n'
    assert scale.answer(b"T\r\n") == b"T S      1.250 kg\r\n"
    assert scale.answer(b"SI\r\n") == b"S S      0.000 kg\r\n"
    assert scale.answer(b"TA\r\nTAC\r\nSI\r\n").endswith(b"TAC A\r\nS S      1.250 kg\r\n")
    assert scale.answer(b"Z\r\nSI\r\n") == b"Z A\r\nS S      0.000 kg\r\n"
    assert scale.answer(b"@\r\nHELLO\r\n") == b'I4 A "0123456789"\r\nES\r\n'


def test_the_simulator_shows_its_troubles() -> None:
    scale = MtSicsSimulator(load=Decimal("1.250"))
    scale.stable = False
    assert scale.answer(b"SI\r\nS\r\nT\r\n") == b"S D      1.250 kg\r\nS I\r\nT I\r\n"
    scale.range = "over"
    assert scale.answer(b"SI\r\nZ\r\n") == b"S +\r\nZ +\r\n"
    scale.range = "under"
    assert scale.answer(b"SI\r\nT\r\n") == b"S -\r\nT -\r\n"
    scale.range, scale.busy = "ok", True
    assert scale.answer(b"SI\r\n") == b"S I\r\n"


@pytest.mark.parametrize("line", [b"S S      1.250   ", b"S S 1.250"])
def test_a_blank_unit_is_the_configured_one(line: bytes) -> None:
    [step] = dialogue("mt_sics", unit="kg").decoder.feed(line + b"\r\n")
    assert isinstance(step, Weight)
    assert (str(step.value), step.unit) == ("1.250", "kg")


def test_an_overload_in_words_has_no_value() -> None:
    [step] = read(b"=Overload=\r\n")
    assert isinstance(step, Weight)
    assert (step.value, step.range, step.usable) == (None, "over", False)


@pytest.mark.parametrize(
    ("letter", "measure"), [(b"N", "net"), (b"G", "gross"), (b"B", "gross"), (b"T", "tare")]
)
def test_the_print_key_s_line_is_a_weight_of_unknown_stability(letter: bytes, measure: str) -> None:
    [step] = read(b"     " + letter + b"      -0.3749 g   \r\n")
    assert isinstance(step, Weight)
    assert (str(step.value), step.unit) == ("-0.3749", "g")
    assert (step.stable, step.measure) == (None, measure)


def test_a_scale_that_is_asked_can_be_told() -> None:
    talk = dialogue("mt_sics")
    assert talk.ask == b"SI\r\n"
    assert talk.commands == {"zero": b"Z\r\n", "tare": b"T\r\n", "clear_tare": b"TAC\r\n"}


@pytest.mark.parametrize("mode", ["SIR", "SR", "SNR"])
def test_a_command_does_not_silence_a_scale_that_speaks_unasked(mode: str) -> None:
    talk = dialogue("mt_sics", mode=mode)
    scale = MtSicsSimulator(load=Decimal("1.250"))
    scale.answer(talk.ask)
    for command in talk.commands.values():
        scale.answer(command)
        assert scale.repeating == mode


def test_only_a_scale_that_must_speak_can_be_too_silent() -> None:
    bounds = {mode: dialogue("mt_sics", mode=mode).within for mode in ("SI", "SIR", "SR", "SNR")}
    assert bounds == {"SI": 2.0, "SIR": 2.0, "SR": None, "SNR": None}


@pytest.mark.parametrize("mode", ["SIR", "SR", "SNR"])
async def test_a_load_is_told_unasked(mode: str) -> None:
    async with (
        MtSicsSimulator() as scale,
        talking(scale.url, dialogue("mt_sics", mode=mode)) as heard,
    ):
        await heard.expect(lambda r: isinstance(r, Weight) and str(r.value) == "0.000")
        await scale.take("1.250")
        await heard.expect(lambda r: isinstance(r, Weight) and str(r.value) == "1.250")
    assert scale.heard == f"{mode}\r\n".encode()


async def test_a_scale_that_only_tells_settled_weights_keeps_moving_ones_to_itself() -> None:
    scale = MtSicsSimulator()
    scale.answer(b"SNR\r\n")
    scale.load, scale.stable = Decimal("1.250"), False
    assert scale.unasked() == b""
    scale.stable = True
    assert scale.unasked() == b"S S      1.250 kg\r\n"
    assert scale.unasked() == b""


async def test_a_mute_scale_says_nothing_unasked() -> None:
    async with MtSicsSimulator() as scale, await open_stream(scale.url) as stream:
        scale.mute = True
        await stream.write(b"SIR\r\n")
        async with asyncio.timeout(CEILING):
            while scale.repeating is None:
                await asyncio.sleep(0)
        scale.mute = False
        assert await asyncio.wait_for(stream.read(), CEILING) == b"S S      0.000 kg\r\n"


def test_the_simulator_tells_what_it_is() -> None:
    answer = MtSicsSimulator().answer(b"I0\r\nI1\r\n")
    assert all(isinstance(step, Reply) for step in read(answer))
    assert len(read(answer)) == 5
