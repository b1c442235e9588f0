from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Noise, Refusal, Reply, Step, Weight
from drivers.simulators.toledo_8217 import Toledo8217Simulator
from tests.drivers.conversation import dialogue, talking
from tests.drivers.records import records

RANGE_OF_FLAG = {"over": "over", "under": "under", "outside-zero-capture": "fault"}


def read(data: bytes, **settings: Any) -> list[Step]:
    return dialogue("toledo_8217", **settings).decoder.feed(data)


def weight(data: bytes, **settings: Any) -> Weight:
    [step] = read(data, **settings)
    assert isinstance(step, Weight)
    return step


@pytest.mark.parametrize("record", records("toledo_8217"), ids=lambda record: record["hex"])
def test_the_manual_is_understood(record: dict[str, Any]) -> None:
    [step] = read(bytes.fromhex(record["hex"]), unit="kg")
    expect = record["expect"]
    match expect["type"]:
        case "weight":
            assert isinstance(step, Weight)
            assert step.value == Decimal(expect["weight"])
            assert (step.stable, step.measure) == (expect["stable"], expect["mode"])
            assert (step.unit, step.range) == ("kg", "ok")
        case "status":
            assert isinstance(step, Weight)
            [flag] = expect["flags"]
            assert (step.value, step.range) == (None, RANGE_OF_FLAG.get(flag, "ok"))
            assert step.zero is (flag == "center-zero")
            assert step.stable is True
        case "info":
            assert step == Reply("self-test 40", bytes.fromhex(record["hex"]))
        case other:
            raise AssertionError(other)


def test_an_active_tare_makes_it_net() -> None:
    assert weight(b"\x0201.250N\r").measure == "net"
    assert weight(b"\x0201.250\r").measure == "gross"


def test_the_digits_stay_as_they_were_sent() -> None:
    values = [str(weight(b"\x02" + digits + b"\r").value) for digits in
              (b"03.47", b"01.250", b"003.47", b"00.0050", b"00.000")]  # fmt: skip
    assert values == ["3.47", "1.250", "3.47", "0.0050", "0.000"]


def test_an_unknown_unit_is_not_guessed() -> None:
    assert weight(b"\x0201.250\r").unit is None
    assert weight(b"\x0203.47\r", unit="lb").unit == "lb"


def test_a_scale_at_zero_has_nothing_to_weigh_and_no_fault() -> None:
    step = weight(b"\x02?\x50\r")
    assert (step.value, step.range, step.zero, step.stable) == (None, "ok", True, True)
    assert not step.usable


def test_a_moving_scale_gives_no_weight() -> None:
    step = weight(b"\x02?A\r")
    assert (step.value, step.range, step.zero, step.stable) == (None, "ok", False, False)


@pytest.mark.parametrize("bits", range(128))
def test_only_bits_0_to_4_decide(bits: int) -> None:
    def meaning(status: int) -> tuple[object, ...]:
        step = weight(bytes([2, 0x3F, status, 13]))
        return step.value, step.range, step.zero, step.stable

    assert meaning(bits) == meaning(bits & 0x1F) == meaning(bits | 0x60)
    assert meaning(bits)[0] is None


@pytest.mark.parametrize(
    ("status", "expected"),
    [(0x43, "over"), (0x45, "under"), (0x46, "fault"), (0x4A, "over"), (0x4C, "under"),
     (0x49, "fault"), (0x52, "over")],
)  # fmt: skip
def test_the_worst_of_several_bits_wins(status: int, expected: str) -> None:
    assert weight(bytes([2, 0x3F, status, 13])).range == expected


@pytest.mark.parametrize("status", [0x02, 0x0D])
def test_a_status_that_looks_like_a_frame_mark_is_a_status(status: int) -> None:
    frame = bytes([2, 0x3F, status, 13])
    first, second = read(frame + b"\x0201.250\r")
    assert isinstance(first, Weight)
    assert isinstance(second, Weight)
    assert (first.raw, second.value) == (frame, Decimal("1.250"))


def test_parity_is_ignored_with_seven_bits_and_not_with_eight() -> None:
    frame = bytes.fromhex("82b031aeb2b3b48d")
    assert weight(frame).value == Decimal("1.234")
    assert weight(frame).raw == frame
    decoder = dialogue("toledo_8217", bits=8).decoder
    assert decoder.feed(frame) == []
    assert [type(step) for step in decoder.quiet()] == [Noise]


def test_a_fixed_number_of_decimals_catches_a_lost_byte() -> None:
    assert weight(b"\x0201.250\r", decimals=3).value == Decimal("1.250")
    [step] = read(b"\x0201.20\r", decimals=3)
    assert isinstance(step, Noise)


@pytest.mark.parametrize(
    "body", [b"", b"-1.250", b"1.250", b"01250", b"  .   ", b"01.250X", b"01.2", b"0001.250",
             b"01,250", b"?", b"?AB", b"01.250NN", b"0" * 40],
)  # fmt: skip
def test_what_is_no_frame_is_noise(body: bytes) -> None:
    decoder = dialogue("toledo_8217").decoder
    first = decoder.feed(b"\x02" + body + b"\r")
    steps = first + decoder.feed(b"\x0201.250\r")
    assert not [s for s in steps[:-1] if isinstance(s, Weight) and s.value is not None]
    assert isinstance(steps[-1], Weight)
    assert steps[-1].value == Decimal("1.250")
    assert any(isinstance(step, Noise) for step in steps)


def test_an_echo_is_a_reply() -> None:
    assert read(b"\x02E\r") == [Reply("echo on", b"\x02E\r")]


def test_line_ends_between_frames_are_nothing() -> None:
    assert [type(s) for s in read(b"\n\x0201.250\r\n\0\x0201.250\r\n")] == [Weight, Weight]


def test_what_stands_between_frames_is_one_noise() -> None:
    steps = read(b"1.250\r\n\x0201.250\r")
    assert steps[0] == Noise(b"1.250", "bytes outside any frame")
    assert isinstance(steps[1], Weight)


@given(st.decimals(min_value="0.001", max_value="99.999", places=3), st.booleans())
def test_what_the_simulator_weighs_is_what_is_read(load: Decimal, parity: bool) -> None:
    step = weight(Toledo8217Simulator(load=load, parity=parity).answer(b"W"))
    assert (step.value, step.measure) == (load, "gross")


def test_the_simulator_keeps_to_the_dialogue() -> None:
    scale = Toledo8217Simulator(load=Decimal("1.250"))
    assert scale.answer(b"W") == b"\x0201.250\r"
    assert scale.answer(b"T") == b"\x02?\x70\r"
    scale.load = Decimal("2.000")
    assert scale.answer(b"W\r") == b"\x0200.750N\r"
    assert scale.answer(b"C") == b"\x02?\x40\r"
    assert scale.answer(b"ZW") == b"\x02?P\r\x02?P\r"
    assert scale.answer(b"EhelloF") == b"\x02E\rhello"


def test_the_simulator_shows_its_troubles() -> None:
    scale = Toledo8217Simulator(load=Decimal("1.250"))
    scale.moving = True
    assert scale.answer(b"W") == b"\x02?A\r"
    scale.moving, scale.range = False, "over"
    assert scale.answer(b"W") == b"\x02?B\r"
    scale.range, scale.load = "ok", Decimal("-0.500")
    assert scale.answer(b"W") == b"\x02?D\r"


def test_profiles_read_bits_5_and_6() -> None:
    assert weight(b"\x02?\x70\r").measure is None
    assert weight(b"\x02?\x70\r", profile="magellan").measure == "net"
    assert weight(b"\x02?\x50\r", profile="magellan").measure == "gross"
    assert weight(b"\x02?\x30\r", profile="clone").measure == "net"
    assert read(b"\x02?\x50\r", profile="clone") == [Refusal("command", b"\x02?\x50\r")]


@pytest.mark.parametrize("profile", ["any", "magellan", "clone"])
def test_no_profile_changes_a_weight(profile: str) -> None:
    step = weight(b"\x0201.250N\r", profile=profile)
    assert (step.value, step.measure) == (Decimal("1.250"), "net")


def test_it_can_be_told_to_zero_and_to_tare() -> None:
    talk = dialogue("toledo_8217")
    assert (talk.hello, talk.ask) == (b"", b"W")
    assert talk.commands == {"zero": b"Z", "tare": b"T", "clear_tare": b"C"}


async def test_a_probe_is_echoed_and_weighing_goes_on() -> None:
    async with (
        Toledo8217Simulator(load=Decimal("1.250")) as scale,
        talking(scale.url, dialogue("toledo_8217", probe=True)) as heard,
    ):
        await heard.expect(lambda r: isinstance(r, Weight))
    assert [r.text for r in heard.readings if isinstance(r, Reply)] == ["echo on", "echo"]
    assert not [r for r in heard.readings if isinstance(r, Noise)]


def test_a_probe_nobody_echoes_is_no_echo() -> None:
    steps = read(b"\x02E\rhell\x0201.250\r", probe=True)
    assert [type(step) for step in steps] == [Reply, Noise, Weight]


def test_the_simulator_tests_itself_and_weighs_finely() -> None:
    scale = Toledo8217Simulator(load=Decimal("1.2505"))
    assert scale.answer(b"AB") == b"\x02@\r\x02@\r"
    assert scale.answer(b"H") == b"\x0201.2505\r"
