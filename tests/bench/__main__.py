"""Speed, memory and wear of the gateway, as ratios to a floor measured in the same run.

    python -m tests.bench [--quick] [--rounds N] [--only KEY] [--peers] [--work FOLDER]
                          [--json FILE] [--baseline FILE] [--save FILE]

Every contender gets the same scans through the same kind of pseudo-terminals, mosquitto and
subscriber: short things scan by scan in turn, long ones one contender after the other in an order
that goes round. Absolute figures belong to this machine and this minute; compare ratios, and of
those only ones of one run. The bridge is a stand-in that says "booked" at once and stores nothing.

Ends with 1 if the gateway lost a scan, or is worse than the baseline by more than noise, twice.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.bench import baseline, peers
from tests.bench.contenders import CONTENDERS, OURS, WITH_PAGE, Contender
from tests.bench.costs import sync_ms
from tests.bench.measures import Figures
from tests.bench.plan import Measure, plan
from tests.bench.report import Results, combined, table
from tests.bench.rig import Rig, Trouble
from tests.bench.slow_disk import COMPILER, slow_disk
from tests.mosquitto import MOSQUITTO

_LIMIT = 560  # seconds after which a run ends, with what it has
_QUICK_LIMIT = 120
_PEERS_LIMIT = 1800


class TimeUp(BaseException):
    """The run has taken long enough, or was told to end."""


class Run:
    """One run: who, what, where, and what was found."""

    def __init__(self, contenders: tuple[Contender, ...], work: Path, json_file: Path | None):
        self._contenders = contenders
        self._work = work
        self._json = json_file
        self.found: dict[str, Results] = {}

    def measure(self, measure: Measure) -> None:
        """Take one measure of every contender, and print its table."""
        if measure.slow and COMPILER is None:
            say(f"\n{measure.title}: left out, there is no C compiler")
            return
        for number in range(measure.rounds):
            if measure.together is not None:
                self._together(measure)
            else:
                for contender in self._turns(measure, number):
                    self._alone(measure, contender)
        say(table(measure, self.found.get(measure.key, {})))

    def _who(self, measure: Measure) -> tuple[Contender, ...]:
        everybody = (*self._contenders, WITH_PAGE) if measure.with_page else self._contenders
        return tuple(each for each in everybody if each.keeps or not measure.stores_only)

    def _turns(self, measure: Measure, number: int) -> tuple[Contender, ...]:
        who = self._who(measure)
        turn = number % len(who)
        return who[turn:] + who[:turn]

    @contextlib.contextmanager
    def _rigged(self, measure: Measure, contender: Contender) -> Iterator[Rig]:
        folder = Path(tempfile.mkdtemp(dir=self._work)) / "rig"
        preload = slow_disk(self._work) if measure.slow else None
        with Rig(contender, folder, measure.ports, tell=measure.tell, preload=preload) as rig:
            yield rig

    def _alone(self, measure: Measure, contender: Contender) -> None:
        try:
            if measure.wear:
                figures = _wear(contender, measure.wear)
            else:
                assert measure.alone is not None
                with self._rigged(measure, contender) as rig:
                    figures = measure.alone(rig, contender)
        except Trouble as trouble:
            say(f"{contender.name}: {trouble}")
            return
        self._note(measure, contender.name, figures)

    def _together(self, measure: Measure) -> None:
        assert measure.together is not None
        try:
            with contextlib.ExitStack() as parts:
                rigs = {
                    each.name: parts.enter_context(self._rigged(measure, each))
                    for each in self._who(measure)
                }
                for name, figures in measure.together(rigs).items():
                    self._note(measure, name, figures)
        except Trouble as trouble:
            say(f"{measure.title}: {trouble}")

    def _note(self, measure: Measure, name: str, figures: Figures) -> None:
        self.found.setdefault(measure.key, {}).setdefault(name, []).append(figures)
        if self._json is not None:
            line = {"measure": measure.key, "contender": name, **figures}
            line |= {"load": os.getloadavg()[0], "sync_ms": sync_ms(self._work)}
            with self._json.open("a") as lines:
                lines.write(json.dumps(line) + "\n")


def main(arguments: list[str]) -> int:
    """Run the bench and print its tables."""
    options = _options(arguments)
    if MOSQUITTO is None:
        say("mosquitto is not installed: apt install mosquitto")
        return 2
    quick = options.quick
    everybody = plan(quick=quick, rounds=options.rounds or (1 if quick else 3))
    measures = [each for each in everybody if options.only in each.key]
    contenders = (*CONTENDERS, *(peers.found(say) if options.peers else ()))
    work = Path(tempfile.mkdtemp(prefix="scanpost-bench-", dir=options.work))
    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, _time_up)
    signal.alarm(_PEERS_LIMIT if options.peers else _QUICK_LIMIT if quick else _LIMIT)
    began = time.monotonic()
    run = Run(contenders, work, options.json)
    worse: list[baseline.Worse] = []
    say(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, fdatasync {sync_ms(work):.2f} ms")
    try:
        for measure in measures:
            run.measure(measure)
        worse = _regressions(run, measures, options.baseline)
    except TimeUp:
        say(f"\nstopped after {time.monotonic() - began:.0f} s: what is missing was not measured")
    finally:
        signal.alarm(0)
        shutil.rmtree(work, ignore_errors=True)
    say(f"\n{time.monotonic() - began:.0f} s")
    if options.save is not None:
        baseline.save(options.save, baseline.held(measures, run.found))
    for each in worse:
        say(f"worse than before: {each}")
    return max(_verdict(measures, run.found), 1 if worse else 0)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="a minute and a half instead of eight")
    add("--rounds", type=int, help="rounds of the latency measure")
    add("--json", type=Path, metavar="FILE", help="append one line per measure and contender")
    add("--only", default="", metavar="KEY", help="measures with this in their key")
    add("--work", type=Path, help="folder on the disk to be measured")
    add("--peers", action="store_true", help="ThingsBoard's gateway and Node-RED as well")
    add("--baseline", type=Path, metavar="FILE", help="fail where the gateway became worse")
    add("--save", type=Path, metavar="FILE", help="keep this run as a baseline")
    return parser.parse_args(arguments)


def _wear(contender: Contender, scans: int) -> Figures:
    from tests.power.wear import wear  # noqa: PLC0415 - it is built on the bench itself

    found = wear(contender, scans, 20)
    return {
        "bytes": found.octets,
        "writes": found.writes,
        "flushes": found.flushes,
        "lost": found.lost,
    }


def _regressions(run: Run, measures: list[Measure], file: Path | None) -> list[baseline.Worse]:
    """Return what is worse than the baseline in this run, and again when measured anew."""
    if file is None:
        return []
    before = baseline.load(file)
    suspects = {each.held.measure for each in baseline.regressions(measures, run.found, before)}
    again = [measure for measure in measures if measure.key in suspects]
    for measure in again:
        say(f"\n{measure.key} is worse than before: once more")
        run.found[measure.key] = {}
        run.measure(replace(measure, rounds=max(2, measure.rounds)))
    return baseline.regressions(again, run.found, before)


def _verdict(measures: list[Measure], all_results: dict[str, Results]) -> int:
    """Say which goals the gateway reached; return 1 if it broke its word."""
    broken = 0
    for measure in measures:
        results = all_results.get(measure.key, {})
        if results and OURS not in results:
            say(f"{measure.key}: {OURS} could not be measured")
            broken = 1
        for column in measure.columns:
            ours = combined(results.get(OURS, []), column)
            if ours and column.name in {"lost", "told_and_lost"}:
                say(f"{measure.key}: {OURS} {column.head}: {ours:.0f}")
                broken = 1
            value = ours if column.plain else baseline.figure(results, column)
            if column.goal is None or value is None:
                continue
            more = column.better == "more"
            reached = value >= column.goal if more else value <= column.goal
            unit = " x the floor" if column.ratio and not column.plain else ""
            say(
                f"{'reached' if reached else 'missed '}  {measure.key}: {column.head}"
                f" {value:.4g}{unit}, goal {'>=' if more else '<='} {column.goal:g}"
            )
    return broken


def _time_up(*_: Any) -> None:
    raise TimeUp


def say(text: str) -> None:
    """Print at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
