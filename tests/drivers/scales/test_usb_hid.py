from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit import hid
from drivers.kit.readings import Noise, Reply, Step, Weight
from drivers.scales.usb_hid import USUAL
from drivers.simulators.usb_hid import UsbHidSimulator
from scanpost import decode
from tests.drivers.conversation import dialogue, talking
from tests.drivers.records import records

RANGES = {"over": "over", "under": "under"}


def read(*payloads: bytes, descriptor: bytes | None = USUAL, **settings: Any) -> list[Step]:
    """What comes of reports as hidraw would read them."""
    wire = hid.frame(hid.DESCRIPTOR, descriptor) if descriptor else b""
    wire += b"".join(hid.frame(hid.REPORT, payload) for payload in payloads)
    decoder = dialogue("usb_hid", **{"stale": 0, **settings}).decoder
    return decoder.feed(wire) + decoder.quiet()


def bare(report: bytes) -> list[Step]:
    decoder = dialogue("usb_hid").decoder
    return decoder.feed(report) + decoder.quiet()


@pytest.mark.parametrize("record", records("usb_hid"), ids=lambda record: record["hex"])
def test_the_record_is_understood(record: dict[str, Any]) -> None:
    raw, expect = bytes.fromhex(record["hex"]), record["expect"]
    [step] = bare(raw)
    assert step == read(raw)[0], "bare or in a frame, it means the same"
    match expect["type"]:
        case "weight":
            assert isinstance(step, Weight)
            value = None if step.value is None else str(step.value)
            assert (value, step.unit, step.stable) == (
                expect["weight"],
                expect["unit"],
                expect["stable"],
            )
            [flag] = expect.get("flags", [None])
            assert step.range == (RANGES.get(flag, "fault") if flag else "ok")
            assert step.zero == expect.get("zero", False if step.stable else None)
        case "info":
            words = [expect.get(key) for key in ("scale_class", "unit", "calibrations", "rezeros")]
            assert isinstance(step, Reply)
            assert all(str(word) in step.text for word in words if word is not None)
        case _:
            assert isinstance(step, Noise)


@pytest.mark.parametrize("status", range(256))
def test_only_a_weight_in_range_has_a_value(status: int) -> None:
    [step] = read(bytes([3, status, 11, 0xFF, 0x6F, 0x04]))
    if status in {2, 3, 4}:
        assert isinstance(step, Weight)
        assert (step.value, step.range, step.stable) == (Decimal("113.5"), "ok", status != 3)
    elif 1 <= status <= 8:
        assert isinstance(step, Weight)
        assert step.value is None
        assert step.range != "ok"
    else:
        assert isinstance(step, Noise)


@given(st.integers(0, 65535), st.integers(-9, 9))
def test_the_digits_are_those_of_the_display(weight: int, exponent: int) -> None:
    [step] = read(bytes([3, 4, 2, exponent & 0xFF]) + weight.to_bytes(2, "little"))
    assert isinstance(step, Weight)
    assert step.value is not None
    assert step.value == Decimal(weight) * Decimal(10) ** exponent
    assert format(step.value, "f").replace(".", "").lstrip("0") == (
        str(weight) + "0" * max(0, exponent) if weight else ""
    )
    assert -step.value.as_tuple().exponent == max(0, -exponent)  # type: ignore[operator]


@pytest.mark.parametrize("exponent", [-10, -128, 10, 127])
def test_an_exponent_no_scale_has_is_noise(exponent: int) -> None:
    assert isinstance(read(bytes([3, 4, 2, exponent & 0xFF, 1, 0]))[0], Noise)


def test_the_weight_of_before_does_not_count() -> None:
    old, new = bytes.fromhex("03040bff6f04"), bytes.fromhex("03020bff0000")
    reply, weight = read(old, new, stale=None)
    assert isinstance(reply, Reply)
    assert isinstance(weight, Weight)
    assert weight.value == 0
    assert [type(step) for step in read(old, old, new, stale=2)] == [Reply, Reply, Weight]


def test_a_report_that_is_no_weight_is_not_the_one_of_before() -> None:
    steps = read(b"\x04\x04", bytes.fromhex("03040bff6f04"), stale=1)
    assert [getattr(step, "text", "") for step in steps] == [
        "status stable",
        "the weight of before, not counted",
    ]


def test_zeros_that_a_library_made_up_are_no_weight() -> None:
    assert isinstance(read(bytes(8))[0], Noise)
    assert isinstance(bare(bytes(8))[0], Noise)
    [status] = bare(b"\x04\x04" + bytes(6))
    assert isinstance(status, Reply), "padding up to what the library always reads"


def test_a_report_with_more_than_padding_behind_it_is_noise() -> None:
    weighed = bytes.fromhex("03040bff6f04")
    assert read(weighed + b"\0\0") == [
        Weight(Decimal("113.5"), "oz", True, weighed + b"\0\0", zero=False)
    ]
    assert isinstance(read(weighed + weighed)[0], Noise)


OTHER = bytes.fromhex(
    # report 9: weight first, in 24 bits, then the exponent, unit and status as plain numbers
    "058d 0920 a101 8509 1500 27ffffff00 7518 9501 0940 8102"
    "1581 257f 7508 0941 8102 1500 250c 0950 8102 2508 0970 8102 c0"
)
BARE_ID = bytes.fromhex(
    "058d 0920 a101 7508 9501 1501 2508 1971 2978 8100 250c 1951 295c 8100"
    "1581 257f 0941 8102 1500 27ffff0000 7510 0940 8102 c0"
)


def test_the_descriptor_says_where_everything_is() -> None:
    report = bytes([9]) + (1_250_000).to_bytes(3, "little") + bytes([0xFA, 3, 4])
    assert read(report, descriptor=OTHER) == [
        Weight(Decimal("1.250000"), "kg", True, report, zero=False)
    ]
    assert isinstance(read(bytes.fromhex("03040bff6f04"), descriptor=OTHER)[0], Noise)


def test_a_device_with_one_report_needs_no_id() -> None:
    [step] = read(bytes.fromhex("040bff6f04"), descriptor=BARE_ID)
    assert isinstance(step, Weight)
    assert (step.value, step.unit) == (Decimal("113.5"), "oz")
    assert isinstance(read(bytes(5), descriptor=BARE_ID)[0], Noise)


def test_a_node_that_is_no_scale_is_named() -> None:
    keyboard = bytes.fromhex("05010906a101050719e029e71500250175019508 8102c0")
    why, no_weight = read(bytes.fromhex("03040bff6f04"), descriptor=keyboard)
    assert isinstance(why, Noise)
    assert "another of its nodes" in why.why
    assert isinstance(no_weight, Noise)


def test_damage_on_a_framed_line_is_never_a_bare_report() -> None:
    weighed = bytes.fromhex("03040bff6f04")
    decoder = dialogue("usb_hid", stale=0).decoder
    wire = hid.frame(hid.DESCRIPTOR, USUAL) + weighed
    assert [type(step) for step in decoder.feed(wire) + decoder.quiet()] == [Noise]


@pytest.mark.parametrize(
    ("profile", "report"),
    [
        ("standard", b"\x02\x02"),
        ("dymo", b"\x02\x02"),
        ("fairbanks", b"\x02\x02"),
        ("mettler_toledo", b"\x02\x02"),
        ("stamps_com", b"\x04\x01"),
    ],
)
def test_each_maker_s_scale_is_set_to_zero_its_way(profile: str, report: bytes) -> None:
    commands = dialogue("usb_hid", profile=profile).commands
    assert commands == {"zero": hid.frame(hid.REPORT, report)}


async def test_a_simulated_scale_weighs_goes_to_sleep_and_is_set_to_zero() -> None:
    talk = dialogue("usb_hid")
    async with (
        UsbHidSimulator(load=Decimal("113.5"), unit="oz", decimals=1) as scale,
        talking(scale.url, talk) as heard,
    ):
        await heard.expect(lambda r: isinstance(r, Weight) and r.value == Decimal("113.5"))
        assert isinstance(heard.readings[0], Reply), "the one of before"
        scale.range = "over"
        await heard.expect(lambda r: isinstance(r, Weight) and r.range == "over")
        scale.range = "ok"
        scale.load = Decimal(-5)
        await heard.expect(lambda r: isinstance(r, Weight) and r.range == "under")
        scale.load = Decimal(7)
        await heard.expect(lambda r: isinstance(r, Weight) and r.value == 7)
        scale.answer(talk.commands["zero"])
        await heard.expect(lambda r: isinstance(r, Weight) and bool(r.zero))
        scale.moving = True
        await heard.expect(lambda r: isinstance(r, Weight) and r.stable is False)
    assert not [reading for reading in heard.readings if isinstance(reading, Noise)]
    scale.asleep = True
    assert scale.unasked() == b""


def test_a_bare_report_is_read_from_the_command_line() -> None:
    weigh = decode._scale("usb_hid", {})
    assert weigh(bytes.fromhex("03040cfe1103"))["readings"] == [
        {
            "kind": "weight",
            "value": "7.85",
            "unit": "lb",
            "stable": True,
            "measure": None,
            "range": "ok",
            "zero": False,
            "usable": True,
        }
    ]
