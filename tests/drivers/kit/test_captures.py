"""A capture means what a session would have said of the same bytes at the same times."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.captures import Chunk, NotACapture, chunk, heading, play, said
from drivers.kit.readings import Noise, Scan, Weight
from tests.drivers.conversation import dialogue


@given(st.floats(0, 1e6), st.binary(min_size=1, max_size=99))
def test_what_is_written_down_is_read_again(seconds: float, data: bytes) -> None:
    read = chunk(f"{Chunk(seconds, data)}\n".encode())
    assert read is not None
    assert read.data == data
    assert abs(read.seconds - seconds) <= 1e-6


@pytest.mark.parametrize("line", [b"", b"\n", b"# a word\n", b"#driver: x", b"   # x"])
def test_lines_for_people_are_no_bytes(line: bytes) -> None:
    assert chunk(line) is None


@pytest.mark.parametrize(
    "line", [b"1", b"x 00", b"1 0", b"1 zz", b"-1 00", b"inf 00", b"nan 00", b"5300", b"\xff 00"]
)
def test_a_damaged_line_is_said(line: bytes) -> None:
    with pytest.raises(NotACapture, match="<seconds> <hex>"):
        chunk(line)


def test_a_heading_says_how_it_was_made() -> None:
    words = [("driver", "mt_sics"), ("set", "unit=kg"), ("url", "serial:///dev/x\ny?a=b")]
    lines = heading(words).encode().splitlines()
    assert [said(line) for line in lines] == [*words[:2], ("url", "serial:///dev/x y?a=b")]
    assert [chunk(line) for line in lines] == [None, None, None]
    assert said(b"# just a remark") is None
    assert said(b"0.0 5300") is None


def test_bytes_cut_anywhere_mean_the_same() -> None:
    stream = b"S S      1.250 kg\r\nS D      1.300 kg\r\n"
    chunks = [Chunk(at, stream[at : at + 1]) for at in range(len(stream))]
    played = list(play(chunks, dialogue("mt_sics")))
    assert all(isinstance(each, Weight) for _, each in played)
    assert [each for _, each in played] == [
        each for _, each in play([Chunk(0, stream)], dialogue("mt_sics"))
    ]
    # A line is whole with its CR, whatever follows.
    assert [stream[int(seconds) :][:1] for seconds, _ in played] == [b"\r", b"\r"]


def test_quiet_ends_a_scan_as_it_did_then() -> None:
    chunks = [Chunk(0.0, b"59012"), Chunk(0.01, b"34"), Chunk(1.0, b"4006")]
    played = list(play(chunks, dialogue("lines", terminator="none")))
    assert [each.data for _, each in played if isinstance(each, Scan)] == [b"5901234", b"4006"]
    times = [seconds for seconds, _ in played]
    assert times == [pytest.approx(0.06), pytest.approx(1.05)]
    assert all(a <= b for a, b in pairwise(times))


def test_a_scan_whose_end_was_not_captured_is_torn() -> None:
    [(_, torn)] = play([Chunk(0.0, b"59012")], dialogue("lines"))
    assert isinstance(torn, Noise)
