"""Throws spoilt and random input at every parser: none may raise, swell, or mind how it is cut.

    python -m tests.fuzz [--inputs N] [--family NAME ...] [--seed N] [--begin NUMBER]

Prints one JSON line for each family and ends with 1 if any input did what it should not. `NAME` is
a family, or the beginning of some: ``scales``, ``identifiers/hibc``. An input that failed is thrown
again alone with ``--begin NUMBER --inputs 1``.
"""

import argparse
import json
import sys
from dataclasses import asdict

from tests.fuzz.families import FAMILIES
from tests.fuzz.thrower import throw


def main(words: list[str]) -> int:
    """Throw, and print what became of it."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--inputs", type=int, default=10_000, help="for each family")
    parser.add_argument("--family", action="append", default=[])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--begin", type=int, default=0)
    asked = parser.parse_args(words)
    chosen = [name for name in FAMILIES if name.startswith(tuple(asked.family or [""]))]
    if not chosen:
        parser.error(f"no such family; there are {', '.join(FAMILIES)}")
    failed = False
    for name in chosen:
        thrown = throw(name, asked.inputs, seed=asked.seed, begin=asked.begin)
        said = {key: value for key, value in asdict(thrown).items() if value != ""}
        print(json.dumps(said), flush=True)
        failed = failed or thrown.exceptions > 0
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
