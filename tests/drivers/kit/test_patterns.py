import re
import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from drivers.kit.patterns import MAX_DEPTH, MAX_PATTERN, BadPattern, compiled

atoms = st.sampled_from(
    ["a", "b", "c", ".", "[ab]", "[^a]", r"\d", r"\s", "1", "[a-c]", r"\.", " ", "[]a]", "[a-]"]
)
repeats = st.sampled_from(["", "*", "+", "?", "{2}", "{1,3}", "{,2}", "{1,}", "*?", "+?", "??"])
patterns = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        st.tuples(inner, repeats).map(lambda two: f"(?:{two[0]}){two[1]}"),
    ),
    max_leaves=12,
)


@settings(max_examples=600)
@given(patterns, patterns, st.text("abc1. ]-", max_size=8))
def test_it_finds_what_re_finds(first: str, second: str, line: str) -> None:
    pattern = f"(?P<x>{first})(?P<y>{second})"
    try:
        own = compiled(pattern)
    except BadPattern as error:
        assume("may be nothing" not in str(error))
        raise
    theirs = re.fullmatch(pattern.encode(), line.encode())
    assert own.match(line.encode()) == (theirs and theirs.groupdict())


@pytest.mark.parametrize(
    "pattern",
    [
        "(", ")", "a)", "[a", "[z-a]", "[\\d-z]", "*a", "a**", "a{3,2}", "a{99}", "a{x}", "(?=a)",
        "(?<a>b)", "(?P<a>b)(?P<a>c)", r"\1", r"\b", r"\xg1", "a\\", "€", "a^", "a$b", "(?:a*)*",
        "a" * (MAX_PATTERN + 1), "(?:a{60}){60}", "(" * (MAX_DEPTH + 1) + ")" * (MAX_DEPTH + 1),
    ],
)  # fmt: skip
def test_what_is_not_of_the_language_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        compiled(pattern)


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        ("^a$", b"a"), ("", b""), (r"\$", b"$"),
        (r"a\x20b", b"a b"), (r"\t\r\n\f\v\0", b"\t\r\n\f\v\0"),
        ("[\\]\\-]+", b"]-"), ("\xe9", b"\xe9"), ("[^\\x80-\\xff]", b"a"),
        ("(a|b)", b"b"),
    ],
)  # fmt: skip
def test_the_language_is_that_of_re(pattern: str, line: bytes) -> None:
    assert compiled(pattern).match(line) == {}


def test_a_line_is_matched_as_a_whole() -> None:
    assert compiled("[0-9]+").match(b"12 ") is None
    assert compiled("[0-9]+").match(b"12\n") is None
    assert compiled("[0-9]+").match("١٢".encode()) is None


@pytest.mark.parametrize(
    "pattern", ["(?:(?:a|a)+)+b", ".*" * 30 + "b", ".{0,60}" * 9 + "b", "(?:a|aa|aaa|aaaa)+b"]
)
def test_no_pattern_takes_longer_than_a_blink(pattern: str) -> None:
    began = time.thread_time()
    assert compiled(pattern).match(b"a" * 128) is None
    assert time.thread_time() - began < 5
