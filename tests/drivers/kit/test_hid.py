"""Reports in frames, and report descriptors, whole, torn and made up."""

import pickle
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit import hid
from drivers.kit.hid import DESCRIPTOR, REPORT, Field, Frames, Piece, frame, lengths, walk
from drivers.scales.usb_hid import USUAL as SCALE
from drivers.scanners.hid_pos import HONEYWELL
from drivers.scanners.hid_pos import USUAL as SCANNER

WEIGHED = bytes.fromhex("03040bff6f04")

payloads = st.lists(
    st.tuples(st.sampled_from([DESCRIPTOR, REPORT]), st.binary(min_size=1, max_size=80)),
    min_size=1,
    max_size=6,
)


def pieces(*chunks: bytes) -> list[Piece]:
    frames = Frames()
    return [piece for chunk in chunks for piece in frames.feed(chunk)] + frames.quiet()


@given(payloads, st.lists(st.integers(0, 600), max_size=8))
def test_frames_come_out_as_they_went_in_however_they_were_cut(
    payloads: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    wire = b"".join(frame(mark, payload) for mark, payload in payloads)
    edges = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    found = pieces(*(wire[a:b] for a, b in pairwise(edges)))
    assert [(piece.kind, piece.data) for piece in found] == [
        ("descriptor" if mark == DESCRIPTOR else "report", payload) for mark, payload in payloads
    ]


@given(st.data())
def test_one_wrong_byte_costs_one_frame_and_makes_none(data: st.DataObject) -> None:
    reports = data.draw(st.lists(st.binary(min_size=1, max_size=40), min_size=3, max_size=3))
    wire = bytearray(b"".join(frame(REPORT, report) for report in reports))
    first = len(frame(REPORT, reports[0]))
    at = data.draw(st.integers(first, first + len(frame(REPORT, reports[1])) - 1))
    wire[at] ^= data.draw(st.integers(1, 255))
    found = [piece.data for piece in pieces(bytes(wire)) if piece.kind == "report"]
    assert found == [reports[0], reports[2]]


@pytest.mark.parametrize("missing", range(1, 10))
def test_a_frame_without_its_front_is_no_report(missing: int) -> None:
    good = frame(REPORT, WEIGHED)
    found = pieces(frame(REPORT, b"\x04\x04") + good[missing:] + good)
    assert [piece.kind for piece in found] == ["report", "stray", "report"]


def test_a_frame_that_was_begun_hides_no_whole_one() -> None:
    begun = frame(REPORT, bytes(60))[:7]
    assert pieces(begun + frame(REPORT, WEIGHED)) == [
        Piece("stray", begun),
        Piece("report", WEIGHED),
    ]


def test_bytes_on_a_line_without_frames_are_one_bare_piece() -> None:
    assert pieces(WEIGHED[:2], WEIGHED[2:]) == [Piece("bare", WEIGHED)]


def test_once_a_frame_was_seen_bytes_outside_are_damage() -> None:
    frames = Frames()
    frames.feed(frame(DESCRIPTOR, SCALE))
    assert frames.feed(WEIGHED) + frames.quiet() == [Piece("stray", WEIGHED)]


def test_a_flood_is_no_bare_report() -> None:
    frames = Frames()
    found = frames.feed(bytes(100_000)) + frames.quiet()
    assert {piece.kind for piece in found} == {"stray"}
    assert sum(len(piece.data) for piece in found) == 100_000
    assert frames.feed(WEIGHED) + frames.quiet() == [Piece("bare", WEIGHED)]


@pytest.mark.parametrize("flood", [b"HR\x10\x00", b"H", b"HD\x00\x01", b"HR\xff\xff"])
def test_no_flood_can_bloat_it(flood: bytes) -> None:
    frames = Frames()
    for _ in range(40):
        frames.feed(flood * 500)
        assert len(pickle.dumps(frames)) < 10_000


@pytest.mark.parametrize("payload", [b"", bytes(hid.MAX_REPORT + 1)])
def test_what_fits_no_frame_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match="1 to 4096"):
        frame(REPORT, payload)


# Descriptors


def field(fields: tuple[Field, ...], usage: int, report: int) -> Field:
    [found] = [each for each in fields if usage in each.usages and each.report == report]
    return found


def test_the_fields_of_a_scale_are_where_its_reports_have_them() -> None:
    fields = walk(SCALE)
    weight = field(fields, 0x8D0040, 3)
    assert (weight.way, weight.offset, weight.size, weight.count) == ("input", 32, 16, 1)
    assert weight.values(WEIGHED) == [0x046F]
    assert field(fields, 0x8D0041, 3).values(WEIGHED) == [-1]
    assert field(fields, 0x8D005B, 3).chosen(WEIGHED) == 0x8D005B
    assert field(fields, 0x8D0074, 3).chosen(WEIGHED) == 0x8D0074
    assert lengths(fields) == {
        ("feature", 1): 3,
        ("output", 2): 2,
        ("input", 3): 6,
        ("input", 4): 2,
        ("feature", 5): 5,
        ("feature", 6): 5,
    }


def test_the_fields_of_a_scanner_are_where_its_reports_have_them() -> None:
    for descriptor, length in ((SCANNER, 62), (HONEYWELL, 64)):
        fields = walk(descriptor)
        assert lengths(fields) == {("input", 2): length}
        report = bytes([2, 3]) + b"]Q1" + bytes(range(56)) + bytes(length - 62) + b"\x01"
        assert field(fields, 0x01003B, 2).values(report) == [3]
        assert [field(fields, 0x8C00FB + n, 2).values(report) for n in range(3)] == [
            [0x5D],
            [0x51],
            [0x31],
        ]
        assert field(fields, 0x8C00FE, 2).values(report) == list(range(56))
        assert field(fields, 0x8C00FF, 2).values(report) == [1]


def test_a_keyboard_has_reports_without_an_id() -> None:
    keyboard = bytes.fromhex(
        "05010906a101050719e029e71500250175019508810295017508810395067508150025650507190029658100c0"
    )
    modifiers, *keys = walk(keyboard)[0], walk(keyboard)[-1]
    assert (modifiers.report, modifiers.offset, modifiers.usages) == (0, 0, (0x0700E0,))
    assert (keys[0].offset, keys[0].count, keys[0].array) == (16, 6, True)
    assert lengths(walk(keyboard)) == {("input", 0): 8}


def test_pushed_settings_come_back() -> None:
    # page 8D, size 8, count 1, push, size 16, usage 40, input, pop, usage 41, input
    descriptor = bytes.fromhex("058d75089501a4751009408102b409418102")
    assert [(each.offset, each.size) for each in walk(descriptor)] == [(0, 16), (16, 8)]


def test_the_last_usage_is_for_all_values_that_are_left() -> None:
    descriptor = bytes.fromhex("058d7508950509400941 8102".replace(" ", ""))
    assert [(each.usages[0] & 0xFF, each.offset, each.count) for each in walk(descriptor)] == [
        (0x40, 0, 1),
        (0x41, 8, 4),
    ]


def test_a_long_item_is_stepped_over() -> None:
    assert walk(bytes.fromhex("fe02ff0102") + SCALE) == walk(SCALE)


@pytest.mark.parametrize("length", range(len(SCALE)))
def test_a_descriptor_that_is_cut_says_what_it_said_so_far(length: int) -> None:
    some = walk(SCALE[:length])
    assert some == walk(SCALE)[: len(some)]


@given(st.binary(max_size=400), st.binary(max_size=80))
def test_no_descriptor_can_break_the_walk(descriptor: bytes, report: bytes) -> None:
    for each in walk(descriptor):
        values = each.values(report)
        assert len(values) * each.size <= max(0, len(report) * 8 - each.offset)
        each.chosen(report)


def test_a_descriptor_cannot_ask_for_more_than_there_is_memory() -> None:
    endless = bytes.fromhex("058d 0940 27ffffff7f 77ffffffff 97ffffffff 8102")
    assert walk(endless) == ()
    many = bytes.fromhex("058d7501950019002affff8102") * 200
    assert len(walk(many)) <= hid.MAX_FIELDS + 256
