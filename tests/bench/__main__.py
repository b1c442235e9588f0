"""Speed and memory of the gateway, as ratios to a floor measured in the same run.

    python -m tests.bench [--quick] [--rounds N] [--json FILE] [--only WORD] [--work FOLDER]

Every contender gets the same scans through the same pseudo-terminals, mosquitto and subscriber,
in turn, in an order that goes round. Absolute figures belong to this machine and this minute;
compare ratios, and of those only ones of one run. The bridge is a stand-in that says "booked" at
once and stores nothing. Ends with 1 if the gateway lost a scan.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.contenders import CONTENDERS, FLOOR, OURS, WITH_PAGE, Contender
from tests.bench.costs import sync_ms
from tests.bench.measures import Figures, Measure, plan
from tests.bench.report import Results, combined, table
from tests.bench.rig import Rig, Trouble
from tests.mosquitto import MOSQUITTO

_LIMIT = 350  # seconds after which a run ends, with what it has
_QUICK_LIMIT = 85
_TARGET = 2.5  # times the floor's median latency


class TimeUp(BaseException):
    """The run has taken long enough, or was told to end."""


def main(arguments: list[str]) -> int:
    """Run the bench and print its tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute and a half instead of six")
    parser.add_argument("--rounds", type=int, help="rounds of the latency measure")
    parser.add_argument("--json", type=Path, metavar="FILE", help="append one line per measure")
    parser.add_argument(
        "--only", default="", metavar="WORD", help="measures with this in the title"
    )
    parser.add_argument("--work", type=Path, help="folder on the disk to be measured")
    options = parser.parse_args(arguments)
    if MOSQUITTO is None:
        say("mosquitto is not installed: apt install mosquitto")
        return 2
    rounds = options.rounds or (1 if options.quick else 3)
    measures = [
        each for each in plan(quick=options.quick, rounds=rounds) if options.only in each.title
    ]
    work = Path(tempfile.mkdtemp(prefix="scanpost-bench-", dir=options.work))
    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, _time_up)
    signal.alarm(_QUICK_LIMIT if options.quick else _LIMIT)
    began = time.monotonic()
    all_results: dict[str, Results] = {}
    say(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, fdatasync {sync_ms(work):.2f} ms")
    try:
        for measure in measures:
            results = all_results[measure.title] = {}
            for contender in _turns(measure):
                figures = _one(measure, contender, work)
                if figures is not None:
                    results.setdefault(contender.name, []).append(figures)
                    _note(options.json, measure, contender, figures)
            say(table(measure, results))
    except TimeUp:
        say(f"\nstopped after {time.monotonic() - began:.0f} s: what is missing was not measured")
    finally:
        signal.alarm(0)
        shutil.rmtree(work, ignore_errors=True)
    say(f"\n{time.monotonic() - began:.0f} s")
    return _verdict(measures, all_results)


def _turns(measure: Measure) -> Iterator[Contender]:
    """Yield the contenders round after round, so that none always goes first."""
    contenders = (*CONTENDERS, WITH_PAGE) if measure.with_page else CONTENDERS
    for number in range(measure.rounds):
        turn = number % len(contenders)
        yield from contenders[turn:] + contenders[:turn]


def _one(measure: Measure, contender: Contender, work: Path) -> Figures | None:
    folder = Path(tempfile.mkdtemp(dir=work)) / "rig"
    try:
        with Rig(contender, folder, measure.ports, tell=measure.tell) as rig:
            return {"sync_ms": sync_ms(folder), **measure.run(rig, contender)}
    except Trouble as trouble:
        say(f"{contender.name}: {trouble}")
        return None


def _note(file: Path | None, measure: Measure, contender: Contender, figures: Figures) -> None:
    if file is not None:
        line = {"measure": measure.title, "contender": contender.name, **figures}
        with file.open("a") as lines:
            lines.write(json.dumps(line) + "\n")


def _verdict(measures: list[Measure], all_results: dict[str, Results]) -> int:
    """Say whether the gateway reached its target; return 1 if it broke its word."""
    broken = 0
    for measure in measures:
        results = all_results.get(measure.title, {})
        for column in measure.columns:
            ours = combined(results.get(OURS, []), column)
            floor = combined(results.get(FLOOR, []), column)
            if column.name == "p50_ms" and ours and floor:
                word = "reached" if ours <= _TARGET * floor else "missed"
                say(f"target, p50 <= {_TARGET} x {FLOOR}: {word} ({ours / floor:.2f} x)")
            if column.name in {"lost", "told_and_lost"} and ours:
                say(f"{measure.title}: {OURS} {column.head}: {ours:.0f}")
                broken = 1
    return broken


def _time_up(*_: Any) -> None:
    raise TimeUp


def say(text: str) -> None:
    """Print at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
