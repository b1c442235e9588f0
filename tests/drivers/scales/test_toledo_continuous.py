from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Noise, Range, Step, Weight
from drivers.simulators.toledo_continuous import ToledoContinuousSimulator
from tests.drivers.conversation import dialogue, talking
from tests.drivers.records import records

Form = Literal["standard", "extended"]
End = Literal["checksum", "none", "lf"]
FORMS: list[Form] = ["standard", "extended"]
ENDS: list[End] = ["checksum", "none", "lf"]


def read(data: bytes, **settings: Any) -> list[Step]:
    decoder = dialogue("toledo_continuous", **settings).decoder
    return decoder.feed(data) + decoder.quiet()


def weight(data: bytes, **settings: Any) -> Weight:
    [step] = read(data, **settings)
    assert isinstance(step, Weight)
    return step


def checked(body: bytes) -> bytes:
    return body + bytes([-sum(body) & 0x7F])


@pytest.mark.parametrize("record", records("toledo_continuous"), ids=lambda record: record["hex"])
def test_the_manual_is_understood(record: dict[str, Any]) -> None:
    steps = read(bytes.fromhex(record["hex"]), **record.get("settings", {}))
    weights = [step for step in steps if isinstance(step, Weight)]
    expect = record["expect"]
    if expect["type"] == "refuse":
        assert not weights
        assert any(isinstance(step, Noise) for step in steps)
        return
    [step] = weights
    assert (None if step.value is None else str(step.value)) == expect["weight"]
    assert (step.unit, step.stable) == (expect["unit"], expect["stable"])
    assert (step.measure, step.usable) == (expect["mode"], expect.get("usable", True))


def test_out_of_range_is_over_unless_negative() -> None:
    over = weight(checked(b"\x02-\x34 012345000000\r"))
    assert (over.value, over.range, over.usable) == (None, "over", False)
    assert weight(checked(b"\x02-\x36 000020000000\r")).range == "under"
    assert weight(checked(b"\x02-\x34 ^^^^^^000000\r")).range == "over"


def test_tenfold_resolution_has_its_point_where_status_a_says() -> None:
    step = weight(checked(b"\x02\x2e\x30\x30012345000000\r"))
    assert str(step.value) == "1.2345"


def test_an_unknown_unit_is_the_configured_one() -> None:
    frame = checked(b"\x02-\x30\x27001250000000\r")
    assert weight(frame).unit is None
    assert weight(frame, unit="dag").unit == "dag"


def test_the_extended_form_has_sign_point_and_zero() -> None:
    step = weight(checked(b"\x011\x22\x21\x20\x20   -1.250   0.500\r"), form="extended")
    assert (str(step.value), step.unit, step.measure) == ("-1.250", "kg", "net")
    assert (step.stable, step.zero, step.range) == (True, False, "ok")
    moving = weight(checked(b"\x011\x71\x20\x20\x20     0.00    0.00\r"), form="extended")
    assert (moving.unit, moving.stable, moving.zero) == ("lb", False, True)


@pytest.mark.parametrize(
    ("status", "expected"), [(0x21, "fault"), (0x22, "under"), (0x24, "over"), (0x28, "fault")]
)
def test_the_extended_form_says_what_is_wrong(status: int, expected: str) -> None:
    frame = checked(b"\x011\x22\x20" + bytes([status]) + b"\x20" + b" " * 17 + b"\r")
    step = weight(frame, form="extended")
    assert (step.value, step.range) == (None, expected)
    assert not [s for s in read(checked(b"\x011\x22   " + b" " * 17 + b"\r"), form="extended")
                if isinstance(s, Weight)]  # fmt: skip


def test_a_frame_inside_rubbish_is_found() -> None:
    good = checked(b"\x02-\x30 001250000000\r")
    steps = read(b"\x02-0" + good[:9] + b"\x02\x02" + good + b"\r\n" + good)
    assert [str(s.value) for s in steps if isinstance(s, Weight)] == ["1.250", "1.250"]
    assert any(isinstance(s, Noise) for s in steps)


@given(st.integers(0, 17), st.integers(0, 6))
def test_one_wrong_bit_is_found_by_the_checksum(at: int, bit: int) -> None:
    frame = bytearray(checked(b"\x02-\x30 001250000000\r"))
    frame[at] ^= 1 << bit
    assert not [s for s in read(bytes(frame)) if isinstance(s, Weight)]


def test_status_bytes_without_their_constant_bit_need_a_checksum() -> None:
    body = b"\x02\x55\x10 001250000000\r"
    assert str(weight(checked(body)).value) == "1.250"
    assert not [s for s in read(body, end="none") if isinstance(s, Weight)]


def test_parity_is_ignored_with_seven_bits_and_not_with_eight() -> None:
    frame = checked(b"\x02-\x30 001250000000\r")
    odd = bytes(byte | (byte.bit_count() + 1) % 2 << 7 for byte in frame)
    assert str(weight(odd).value) == "1.250"
    assert not [s for s in read(odd, bits=8) if isinstance(s, Weight)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("end", ENDS)
@given(load=st.decimals(min_value=-999, max_value=999, places=3))
def test_what_the_simulator_weighs_is_what_is_read(form: Form, end: End, load: Decimal) -> None:
    scale = ToledoContinuousSimulator(load=load, form=form, end=end)
    step = weight(scale.unasked(), form=form, end=end)
    assert (step.value, step.unit, step.measure) == (load, "kg", "gross")


@pytest.mark.parametrize("form", FORMS)
def test_the_simulator_shows_its_troubles(form: Form) -> None:
    scale = ToledoContinuousSimulator(load=Decimal("1.250"), form=form)
    scale.moving = True
    assert weight(scale.unasked(), form=form).stable is False
    scale.range = "over"
    assert weight(scale.unasked(), form=form).value is None
    ranges: list[Range] = ["over", "under", "fault"]
    for reach in ranges:
        scale.range = reach
        assert weight(scale.unasked(), form=form).range == reach


async def test_it_does_what_it_is_told() -> None:
    talk = dialogue("toledo_continuous")
    assert talk.ask == b""
    scale = ToledoContinuousSimulator(load=Decimal("1.250"))
    scale.answer(talk.commands["tare"])
    assert scale.shown == 0
    assert weight(scale.unasked()).measure == "net"
    scale.answer(talk.commands["clear_tare"] + talk.commands["print"])
    assert scale.shown == Decimal("1.250")
    scale.answer(talk.commands["zero"])
    assert scale.shown == 0


async def test_it_speaks_unasked() -> None:
    async with (
        ToledoContinuousSimulator() as scale,
        talking(scale.url, dialogue("toledo_continuous")) as heard,
    ):
        await scale.take("1.250")
        await heard.expect(lambda r: isinstance(r, Weight) and str(r.value) == "1.250")
    assert scale.heard == b""
