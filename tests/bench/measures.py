"""What is measured. Each measure takes a rig that is not started, and returns figures by name."""

import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.bench.contenders import Contender
from tests.bench.costs import cpu_seconds, memory_mb
from tests.bench.rig import Rig, Trouble
from tests.bench.tally import Scan

Figures = dict[str, float]


def latency(rig: Rig, scans: int) -> Figures:
    """One scan at a time after a random pause; from before the write to after the receipt."""
    rig.start()
    chance = random.Random(1)
    first = rig.tap.tally.first
    took: list[float] = []
    sent: set[Scan] = set()
    cpu = cpu_seconds(rig.pid)
    for number in range(scans):
        rig.rest(chance.uniform(0.002, 0.042))
        scanner = rig.scanners[number % len(rig.scanners)]
        began = time.monotonic_ns()
        [scan] = scanner.scan()
        sent.add(scan)
        if rig.until(lambda wanted=scan: wanted in first, 3):  # type: ignore[misc]
            took.append((first[scan] - began) / 1e6)
        elif len(sent) - len(took) > 3:
            raise Trouble("scans do not come through")
    cpu = cpu_seconds(rig.pid) - cpu
    rig.quiet(0.2)
    points = statistics.quantiles(took, n=100)
    return {
        "p50_ms": points[49],
        "p95_ms": points[94],
        "cpu_s_per_1000": cpu / len(took) * 1000,
        **counted(rig, sent),
    }


def rate(rig: Rig, seconds: float, under_way: int = 1000) -> Figures:
    """As fast as they are taken, with a limit on the scans that are under way."""
    rig.start()
    first = rig.tap.tally.first
    before = len(first)
    sent: set[Scan] = set()
    cpu, began = cpu_seconds(rig.pid), time.monotonic_ns()
    while time.monotonic_ns() - began < seconds * 1e9:
        for scanner in rig.scanners:
            room = under_way - (len(sent) - (len(first) - before))
            if room > 0:
                sent.update(scanner.flood(room))
        rig.pump(0.002)
    rig.until(rig.push, 5)
    rig.arrived(sent, 8)
    cpu = cpu_seconds(rig.pid) - cpu
    rig.quiet(0.3)
    last = max((first[scan] for scan in sent if scan in first), default=0)
    arrived = len(sent) - len(rig.tap.tally.missing(sent))
    return {
        "scans_per_s": arrived / (last - began) * 1e9,
        "cpu_s_per_1000": cpu / max(1, arrived) * 1000,
        **counted(rig, sent),
    }


def idle(rig: Rig, seconds: float) -> Figures:
    """All ports open and nothing to do."""
    start = rig.start()
    rig.rest(1.5)
    cpu, began = cpu_seconds(rig.pid), time.monotonic()
    rig.rest(seconds)
    cpu = (cpu_seconds(rig.pid) - cpu) / (time.monotonic() - began)
    rss, pss = memory_mb(rig.pid)
    return {"start_s": start, "rss_mb": rss, "pss_mb": pss, "cpu_percent": cpu * 100}


def backlog(rig: Rig, scans: int, per_second: float) -> Figures:
    """The broker is down while scans come; it comes back, and all of them go out."""
    rig.start()
    rig.broker_down()
    sent = rig.feed(scans, per_second)
    rig.until(lambda: not any(scanner.unread for scanner in rig.scanners), 10)
    cpu = cpu_seconds(rig.pid)
    rig.broker_up()
    back = time.monotonic_ns()
    first = rig.tap.tally.first
    before = len(first)
    rig.until(lambda: len(first) > before, 35)
    rig.arrived(sent, 30)
    cpu = cpu_seconds(rig.pid) - cpu
    rig.quiet(0.3)
    times = [first[scan] for scan in sent if scan in first] or [back + 1]
    drained = max((max(times) - min(times)) / 1e9, 1e-3)
    return {
        "reconnect_s": (min(times) - back) / 1e9,
        "drain_s": drained,
        "drained_per_s": len(times) / drained,
        "cpu_s_per_1000": cpu / len(times) * 1000,
        **counted(rig, sent),
    }


def crash(rig: Rig, kills: int, scans: int, per_second: float, within: float = 10) -> Figures:
    """SIGKILL while scans come and the broker is down; then both come back.

    What was told to be safe must arrive. What was not told is the operator's to scan again.
    """
    rig.start()
    restarts = []
    for _ in range(kills):
        rig.broker_down()
        rig.feed(scans, per_second)
        rig.kill()
        rig.broker_up()
        restarts.append(rig.start())
        rig.arrived(rig.told(), within)
        rig.quiet(0.3)
    told = rig.told()
    return {
        "restart_s": statistics.median(restarts),
        "told": len(told),
        "told_and_lost": len(rig.tap.tally.missing(told)),
        "doubled": rig.tap.tally.doubled,
    }


def counted(rig: Rig, sent: set[Scan]) -> Figures:
    """Return what became of the scans that were sent."""
    tally = rig.tap.tally
    return {
        "scans": len(sent),
        "lost": len(tally.missing(sent)),
        "doubled": tally.doubled,
        "reordered": tally.reordered,
    }


@dataclass(frozen=True, slots=True)
class Column:
    """One figure of a table."""

    name: str
    head: str
    digits: int = 0
    ratio: bool = False
    """Whether the floor's share stands beside it."""
    total: bool = False
    """Whether rounds are summed; otherwise their median is taken."""


_COUNTS = (
    Column("scans", "scans", total=True),
    Column("lost", "lost", total=True),
    Column("doubled", "doubled", total=True),
    Column("reordered", "reordered", total=True),
)
_CPU = Column("cpu_s_per_1000", "CPU s/1000", 3, ratio=True)


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure, as planned."""

    title: str
    ports: int
    run: Callable[[Rig, Contender], Figures]
    columns: tuple[Column, ...]
    rounds: int = 1
    tell: bool = False
    with_page: bool = field(default=False)
    """Whether the gateway is also measured with its page."""


def plan(*, quick: bool, rounds: int) -> list[Measure]:
    """Return the measures of a run: about five minutes, or one and a half."""
    scans, flood, quiet, rows, kills = (
        (60, 1.5, 2.0, 3_000, 1) if quick else (150, 3.0, 5.0, 20_000, 3)
    )
    return [
        Measure(
            "scan to subscriber, one at a time, 4 ports in turn",
            4,
            lambda rig, _: latency(rig, scans),
            (
                Column("p50_ms", "p50 ms", 2, ratio=True),
                Column("p95_ms", "p95 ms", 2, ratio=True),
                _CPU,
                *_COUNTS,
            ),
            rounds=rounds,
        ),
        *(
            Measure(
                f"as fast as it goes, {ports} port{'s' * (ports > 1)}",
                ports,
                lambda rig, _: rate(rig, flood),
                (Column("scans_per_s", "scans/s", ratio=True), _CPU, *_COUNTS),
            )
            for ports in ((4,) if quick else (1, 4, 16))
        ),
        Measure(
            "idle, 16 ports",
            16,
            lambda rig, _: idle(rig, quiet),
            (
                Column("start_s", "start to first scan s", 2, ratio=True),
                Column("rss_mb", "RSS MB", 1, ratio=True),
                Column("pss_mb", "PSS MB", 1, ratio=True),
                Column("cpu_percent", "CPU %", 2),
            ),
            with_page=True,
        ),
        Measure(
            f"backlog of {rows:,} (naive: a tenth), broker down meanwhile, 16 ports",
            16,
            lambda rig, contender: backlog(rig, rows // contender.backlog_share, 2000),
            (
                Column("drained_per_s", "drained/s", ratio=True),
                Column("drain_s", "drain s", 2),
                Column("reconnect_s", "reconnect s", 2),
                _CPU,
                *_COUNTS,
            ),
        ),
        Measure(
            "SIGKILL with the broker down, 4 ports",
            4,
            lambda rig, _: crash(rig, kills, scans=200, per_second=400),
            (
                Column("told", "told OK", total=True),
                Column("told_and_lost", "of these lost", total=True),
                Column("doubled", "doubled", total=True),
                Column("restart_s", "restart s", 2, ratio=True),
            ),
            tell=True,
        ),
    ]
