"""Throws inputs at one parser and counts what it should not have done."""

import time
import traceback
import zlib
from dataclasses import dataclass
from random import Random

from tests.fuzz.families import FAMILIES


@dataclass(frozen=True, slots=True)
class Thrown:
    """What became of the inputs of one family."""

    family: str
    inputs: int
    exceptions: int
    seconds: float
    first: str = ""
    """The first exception, with the number of its input."""


def throw(family: str, inputs: int, *, seed: int = 1, begin: int = 0) -> Thrown:
    """Throw `inputs` inputs, the same ones for the same seed; `begin` is the number of the first.

    Each input depends on family, seed and its number only, so that one can be thrown alone.
    """
    one = FAMILIES[family]()
    r = Random()
    first, exceptions = "", 0
    began = time.perf_counter()
    for number in range(begin, begin + inputs):
        r.seed(seed << 64 | zlib.crc32(family.encode()) << 32 | number)
        try:
            one(r)
        except Exception:
            exceptions += 1
            first = first or f"input {number}: {traceback.format_exc(limit=-4)}"
    return Thrown(family, inputs, exceptions, round(time.perf_counter() - began, 2), first)
