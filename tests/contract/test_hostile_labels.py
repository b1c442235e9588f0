"""Labels that are made to take long. Labels that are merely wrong are in `tests/fuzz`."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from contract.codes.compressed_link import is_compressed
from contract.codes.hibc import read_hibc
from contract.codes.mh10 import read_mh10
from contract.codes.tracking import carriers_of

HOSTILE = [
    *(character * 8000 for character in "0123456789AZ+$/*-( \x1d\x1e\x04%é"),
    *((front + "0" * 8000) for front in ("1Z", "+A999", "+$$", "[)>\x1e06\x1d", "420", "]C1420")),
    "[)>\x1e" + "06\x1dQ1\x1e" * 1100,
    "[)>\x1e06" + "\x1d1TA" * 2000,
    "+" + "A9991/" * 1300,
    "https://a/" + "01/" * 2600,
    "https://a/" + "A-_" * 2600 + "?",
    "ISBN " + "0-" * 4000,
    "]E0" + "0" * 13 + "]E1" * 2600,
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:8]))
@pytest.mark.parametrize("read", [read_hibc, read_mh10, carriers_of, is_compressed])
def test_no_parser_takes_long_over_eight_kilobytes(read: Callable[[str], Any], text: str) -> None:
    # Measured below 10 ms, of processor time: a busy machine is not the parser's fault.
    assert min(_seconds(read, text) for _ in range(3)) < 0.1


def _seconds(read: Callable[[str], Any], text: str) -> float:
    began = time.thread_time()
    read(text)
    return time.thread_time() - began
