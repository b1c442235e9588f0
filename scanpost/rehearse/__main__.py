"""`scanpost rehearse`: play a shift through everything, and hold the books against the truth.

    $ scanpost rehearse --job receiving --seed 7 --scans 1000 --json

A random but truthful shift - wrong items, bounces, UNDO, too many, bad weights, power cuts, a
network that comes and goes - goes through a scanner and a scale on ptys, the gateway, a broker,
the bridge and the books. What really happened is reckoned by the script, not by the gateway. The
last line is one JSON object with --json: scans, ok, refused, booked, truth, mismatches, p95_ms.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from scanpost.demo.processes import NotUp
from scanpost.rehearse.rehearsal import Outcome, rehearse
from scanpost.rehearse.scripts import SCRIPTS

_MAX_SCANS = 100_000


def main(arguments: list[str]) -> int:
    """Rehearse; 0 if the books tell the truth, 1 if not, 2 if it could not be played."""
    options = _parser().parse_args(arguments)
    if not 1 <= options.scans <= _MAX_SCANS:
        print(f"scanpost rehearse: --scans is 1 to {_MAX_SCANS}", file=sys.stderr)
        return 2
    try:
        if options.keep is None:
            with tempfile.TemporaryDirectory(prefix="scanpost-rehearse-") as folder:
                outcome = _play(options, Path(folder))
        else:
            options.keep.mkdir(parents=True, exist_ok=True)
            outcome = _play(options, options.keep)
    except (NotUp, OSError, TimeoutError) as error:
        print(f"scanpost rehearse: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    if options.json:
        print(json.dumps(outcome.as_json()))
    else:
        print("the books tell the truth" if not outcome.mismatches else "MISMATCHES")
        for mismatch in outcome.mismatches:
            print(f"  {mismatch}")
    return 1 if outcome.mismatches else 0


def _play(options: argparse.Namespace, folder: Path) -> Outcome:
    return asyncio.run(rehearse(folder, options.job, options.seed, options.scans, _say))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scanpost rehearse", description=__doc__.split("\n")[0])
    parser.add_argument("--job", choices=sorted(SCRIPTS), required=True)
    parser.add_argument("--seed", type=int, default=1, help="the same seed is the same shift")
    parser.add_argument("--scans", type=int, default=1000)
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--keep", type=Path, help="a folder for stores and logs, to look at later")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
