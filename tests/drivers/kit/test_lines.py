from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.lines import Line, Lines


def bodies(lines: list[Line]) -> list[bytes]:
    return [line.body for line in lines]


def test_cr_lf_and_both_end_a_line() -> None:
    assert bodies(Lines("any", 9).feed(b"a\rb\nc\r\nd\n\re")) == [b"a", b"b", b"c", b"d"]


def test_cr_lf_alone_ends_a_line_where_a_code_may_hold_one_of_them() -> None:
    assert bodies(Lines("crlf", 9).feed(b"a\rb\nc\r\nd\r\n")) == [b"a\rb\nc", b"d"]


def test_a_terminator_cut_in_two_is_one() -> None:
    lines = Lines("crlf", 9)
    assert lines.feed(b"a\r") == []
    assert lines.feed(b"\n") == [Line(b"a", b"a\r\n")]


def test_a_line_of_exactly_the_limit_is_whole() -> None:
    for end, terminator in (("cr", b"\r"), ("crlf", b"\r\n")):
        line = Lines(end, 4)  # type: ignore[arg-type]
        assert line.feed(b"1234" + terminator[:1]) + line.feed(terminator[1:]) == [
            Line(b"1234", b"1234" + terminator)
        ]


def test_a_line_over_the_limit_comes_once_and_the_next_is_whole() -> None:
    lines = Lines("cr", 4)
    assert lines.feed(b"123456") == [Line(b"1234", b"1234", whole=False)]
    assert lines.feed(b"789") == []
    assert lines.feed(b"0\rnext\r") == [Line(b"next", b"next\r")]


def test_the_rest_is_what_has_no_end_yet() -> None:
    lines = Lines("cr", 4)
    lines.feed(b"a\rbc")
    assert lines.rest() == b"bc"
    assert lines.rest() == b""
    assert lines.feed(b"d\r") == [Line(b"d", b"d\r")]


def test_the_rest_of_a_line_over_the_limit_is_gone() -> None:
    lines = Lines("cr", 4)
    lines.feed(b"123456")
    assert lines.rest() == b""
    assert bodies(lines.feed(b"a\r")) == [b"a"]


@given(
    st.sampled_from(["any", "cr", "lf", "crlf", "tab", "etx", None]),
    st.lists(st.binary(max_size=12) | st.sampled_from([b"\r", b"\n", b"\r\n", b"\t", b"\x03"])),
)
def test_the_wire_may_cut_anywhere(end: None, pieces: list[bytes]) -> None:
    whole, cut = Lines(end, 8), Lines(end, 8)
    assert whole.feed(b"".join(pieces)) == [line for piece in pieces for line in cut.feed(piece)]
    assert whole.rest() == cut.rest()
