"""What holds for every driver when its wire or its device misbehaves: the faults benches have.

All cases are made out of the driver's own records, so that a new driver meets them by being there.
"""

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.kit import registry
from drivers.kit.errors import DeviceSilent, StreamLost
from drivers.kit.readings import Reading, Reply, Weight
from drivers.simulators.cable import Pty
from tests.drivers.cases import (
    CASES,
    EVENTS,
    SCALES,
    Carried,
    Said,
    Setting,
    awake,
    carried,
    news,
    said,
    told,
)
from tests.drivers.conversation import dialogue, talking

every_driver = pytest.mark.parametrize(("name", "setting"), CASES)
every_scale = pytest.mark.parametrize(("name", "setting"), SCALES)
# A line of a scanner has nothing that tells a right character from a wrong one.
every_sure_driver = pytest.mark.parametrize(
    ("name", "setting"), [case for case in CASES if case[0] not in {"lines", *EVENTS}]
)

NOISES = {
    "a level that floats": b"\0\0\x7f\x7f",
    "another speed": b"\xff\xfe\xf8\x80",
    "a modem manager": b"AT\r\r\nAT+GCAP\r",
    "a banner": b"\r\nCAS PD-II  Ver 1.00\r\nReady\r\n",
    "a handshake": b"\x05\x06\x15\x11\x13",
    "ends": b"\r\n\r\n\r",
}
"""What is heard between frames at one bench or another; the first was captured."""

CHECKED: dict[str, list[Setting]] = {
    "cas_pos": [{}],
    "epelsa": [{}],
    "epos_berkel": [{}],
    "hid_pos": [{}, {"profile": "honeywell", "aim": "required"}],
    "jik6cab": [{}],
    "massa_k": [{}],
    "ssi": [{}, {"aim": "never", "suffix": "7"}],
    "toledo_continuous": [{}],
    "usb_hid": [{}, {"profile": "stamps_com", "stale": 0}],
    "yaohua": [{}, {"form": "a26"}],
}
"""Drivers whose frames have a check, and the settings with which they do. HID reports have that of
their carriage; JIK-6CAB prints gross, tare and net, which must agree."""

PARITY = [case for case in CASES if "bits" in registry.load(case[0]).Config.model_fields]


def flipped(frame: bytes) -> Iterator[bytes]:
    """Return `frame` with each of its bits the other way round, one after the other."""
    for at in range(len(frame)):
        for bit in range(8):
            yield frame[:at] + bytes([frame[at] ^ 1 << bit]) + frame[at + 1 :]


def worth(found: list[Said]) -> set[Said]:
    """Those of `found` that somebody could book: scans, and weights with a value."""
    return {says for says in found if says[0] is not None}


def unanswered(name: str, setting: Setting) -> list[Carried]:
    """The frames that a device sends whatever it is told.

    One with SSI sends the second packet of a code only when it was told that the first arrived.
    """
    return [each for each in carried(name, setting) if name != "ssi" or not each.wire[3] & 2]


def alone(name: str, setting: Setting) -> list[Carried]:
    """The frames that end by themselves."""
    return [each for each in carried(name, setting) if not each.pause]


@every_driver
def test_it_has_frames_to_be_tried_with(name: str, setting: Setting) -> None:
    assert carried(name, setting)


@every_driver
def test_a_frame_may_be_cut_at_every_byte(name: str, setting: Setting) -> None:
    for each in carried(name, setting):
        whole = said(awake(name, setting).decoder, [each.wire])
        for cut in range(1, len(each.wire)):
            pieces = [each.wire[:cut], each.wire[cut:]]
            assert said(awake(name, setting).decoder, pieces) == whole, cut


@every_driver
def test_glued_frames_are_read_one_by_one(name: str, setting: Setting) -> None:
    frames = alone(name, setting)
    for first in frames:
        for second in frames:
            steps = said(awake(name, setting).decoder, [first.wire + second.wire])
            if Reply("sent again", second.wire) in steps:
                assert told(steps) == first.says
            else:
                assert told(steps) == first.says + second.says, (first.wire, second.wire)


@every_driver
def test_what_comes_twice_is_read_twice(name: str, setting: Setting) -> None:
    for each in carried(name, setting):
        decoder = awake(name, setting).decoder
        steps = said(decoder, [each.wire]) + said(decoder, [each.wire])
        # Whether it was weighed or scanned twice is for the station to say. Only a frame that
        # itself says that it comes again is not new.
        again = Reply("sent again", each.wire) in steps
        assert told(steps) == each.says * (1 if again else 2)


@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
@every_scale
def test_noise_is_no_weight(name: str, setting: Setting, noise: bytes) -> None:
    assert not news(name, setting, [noise * 3])
    assert not news(name, setting, [bytes([byte]) for byte in noise])


@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
@every_sure_driver
def test_noise_around_frames_changes_none(name: str, setting: Setting, noise: bytes) -> None:
    for each in carried(name, setting):
        frame = each.wire
        before = news(name, setting, [noise + frame])
        # The noise may cost the frame that follows it, but not the one after that.
        between = news(name, setting, [frame + noise + frame + frame])
        after = news(name, setting, [frame + noise])
        assert worth(before + between + after) <= {*each.says}, frame
        if not each.pause:
            assert after[: len(each.says)] == each.says
            assert between[-len(each.says) :] == each.says, frame


@every_sure_driver
def test_noise_within_a_frame_makes_no_other_reading(name: str, setting: Setting) -> None:
    for each in unanswered(name, setting):
        for cut in range(1, len(each.wire)):
            for noise in (NOISES["a level that floats"], NOISES["another speed"]):
                damaged = each.wire[:cut] + noise + each.wire[cut:]
                found = news(name, setting, [damaged + each.wire])
                assert worth(found) <= {*each.says}, damaged


@pytest.mark.parametrize(("name", "setting"), PARITY)
def test_with_seven_bits_the_eighth_is_parity(name: str, setting: Setting) -> None:
    for each in carried(name, {**setting, "bits": 7}):
        text = bytes(byte & 0x7F for byte in each.wire)
        clear = news(name, {**setting, "bits": 7}, [text])
        even = bytes(byte | 0x80 * (byte.bit_count() % 2) for byte in text)
        odd = bytes(byte ^ 0x80 for byte in even)
        mark = bytes(byte | 0x80 for byte in text)
        assert clear
        for wire in (even, odd, mark):
            assert news(name, {**setting, "bits": 7}, [wire]) == clear


@pytest.mark.parametrize(("name", "setting"), PARITY)
def test_with_eight_bits_an_eighth_bit_is_damage(name: str, setting: Setting) -> None:
    for each in carried(name, {**setting, "bits": 8}):
        for at in range(len(each.wire)):
            wire = each.wire[:at] + bytes([each.wire[at] ^ 0x80]) + each.wire[at + 1 :]
            assert worth(news(name, {**setting, "bits": 8}, [wire])) <= {*each.says}, wire


@pytest.mark.parametrize(("name", "setting"), [case for case in CASES if case[0] not in EVENTS])
def test_a_check_that_is_wrong_makes_no_reading(name: str, setting: Setting) -> None:
    others = (
        wire
        for each in unanswered(name, setting)
        for wire in flipped(each.wire)
        if not {*news(name, setting, [wire])} <= {*each.says}
    )
    if setting in CHECKED.get(name, []):
        assert next(others, None) is None
    else:
        assert next(others, None), "each bit of its frames is guarded: it belongs into CHECKED"


@every_driver
def test_silence_within_a_frame_ends_it(name: str, setting: Setting) -> None:
    if dialogue(name, **setting).gap is None:
        return
    for each in carried(name, setting):
        for cut in range(1, len(each.wire)):
            decoder = awake(name, setting).decoder
            said(decoder, [each.wire[:cut]])
            assert told(said(decoder, [each.wire])) in (each.says, []), cut


@every_driver
def test_silence_behind_a_frame_says_nothing(name: str, setting: Setting) -> None:
    for each in alone(name, setting):
        decoder = awake(name, setting).decoder
        decoder.feed(each.wire)
        assert told(decoder.quiet()) == []
        assert told(decoder.feed(b"")) == []


STALE = [case for case in CASES if "stale" in registry.load(case[0]).Config.model_fields]


@pytest.mark.parametrize("stale", [0, 1, 3])
@pytest.mark.parametrize(("name", "setting"), STALE)
def test_the_reports_of_before_do_not_count(name: str, setting: Setting, stale: int) -> None:
    for each in alone(name, setting):
        decoder = dialogue(name, **{**setting, "stale": stale}).decoder
        for _ in range(stale):
            assert not told(decoder.feed(each.wire))
        assert told(decoder.feed(each.wire)) == each.says


@every_scale
def test_a_unit_that_changes_in_mid_stream_is_believed(name: str, setting: Setting) -> None:
    by_unit = {
        reading.unit: each
        for each in alone(name, setting)
        for reading in said(awake(name, setting).decoder, [each.wire])
        if isinstance(reading, Weight) and reading.usable
    }
    decoder = awake(name, setting).decoder
    turns = [each for _ in range(2) for each in by_unit.values()]
    found = told(decoder.feed(b"".join(each.wire for each in turns)))
    assert found == [says for each in turns for says in each.says]


# Shorter runs of digits without a point are codes of a status.
_FIGURE = re.compile(rb"[0-9]*[.,][0-9]+|[0-9]{5,}")


def other_digits(frame: bytes) -> Iterator[bytes]:
    """Return `frame` with other numbers where it has some."""
    r = random.Random(frame)
    for _ in range(20):
        yield _FIGURE.sub(
            lambda found: bytes(
                r.choice(b"0123456789") if chr(byte).isdigit() else byte for byte in found[0]
            ),
            frame,
        )


@every_scale
def test_an_overload_has_no_value_whatever_digits_it_has(name: str, setting: Setting) -> None:
    for each in carried(name, setting):
        if {reach for *_, reach, _ in each.says} != {"over"}:
            continue
        assert not worth(each.says)
        for wire in other_digits(each.wire):
            assert not worth(news(name, setting, [wire])), wire


def is_news(reading: Reading) -> bool:
    return bool(told([reading]))


@every_driver
async def test_a_cable_that_is_pulled_within_a_frame_leaves_nothing(
    name: str, setting: Setting, tmp_path: Path
) -> None:
    [each, *_] = carried(name, setting)
    half = each.wire[: max(1, len(each.wire) // 2)]
    async with Pty(tmp_path / "device") as cable:
        async with talking(cable.url, awake(name, setting)) as heard:
            await cable.write(half)
            cable.unplug()
            with pytest.raises(StreamLost):
                await heard.ended()
        assert not told(heard.readings)
        cable.replug()
        async with talking(cable.url, awake(name, setting)) as again:
            await cable.write(each.wire)
            await again.expect(is_news)
    assert told(again.readings) == each.says


ASKED = [
    (name, setting)
    for name, setting in CASES
    if (talk := dialogue(name, **setting)).ask and talk.within is not None
]


@pytest.mark.parametrize(("name", "setting"), ASKED)
async def test_a_scale_that_is_asked_and_says_nothing_is_lost(name: str, setting: Setting) -> None:
    async with (
        Pty() as cable,
        talking(cable.url, dialogue(name, **{**setting, "within": 0.1})) as heard,
    ):
        with pytest.raises(DeviceSilent):
            await heard.ended()
    assert heard.readings == []
