"""What is measured, what each figure is called, and how good it is to be."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from tests.bench.contenders import Contender
from tests.bench.measures import Figures, Together, backlog, crash, idle, latency, live, rate
from tests.bench.rig import Rig


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
    better: Literal["less", "more", ""] = ""
    """What is held against a baseline; empty for what is only shown."""
    noise: float = 0.15
    """Share by which it may be worse than the baseline and still be the machine's doing."""
    slack: float = 0.0
    """The same in its own unit, for figures that may be next to nothing."""
    goal: float | None = None
    """What is to be reached: a share of the floor where there is a ratio, unless `plain`."""
    plain: bool = False
    """Whether the goal is for the figure itself, though it has a ratio."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure, as planned: of one contender after the other, or of all at once."""

    key: str
    title: str
    ports: int
    columns: tuple[Column, ...]
    alone: Callable[[Rig, Contender], Figures] | None = None
    together: Together | None = None
    rounds: int = 1
    tell: bool = False
    with_page: bool = False
    """Whether the gateway is also measured with its page."""
    slow: bool = False
    """Whether each fsync takes as long as on an SD card."""
    stores_only: bool = False
    """Whether it says nothing of a contender without a store."""
    wear: int = 0
    """Scans by which the wear of the disk is counted, in the way of `tests.power.wear`."""


_COUNTS = (
    Column("scans", "scans", total=True),
    Column("lost", "lost", total=True),
    Column("doubled", "doubled", total=True),
    Column("reordered", "reordered", total=True),
)
# 1.35 s where the floor needs 0.65
_CPU = Column("cpu_s_per_1000", "CPU s/1000", 3, ratio=True, better="less", goal=2.08)
_FLOOD_CPU = replace(_CPU, noise=0.3, goal=0.15, plain=True)


def plan(*, quick: bool, rounds: int) -> list[Measure]:
    """Return the measures of a run: about seven minutes, or one and a half."""
    scans, flood, quiet, rows, kills = (
        (60, 1.5, 2.0, 3_000, 1) if quick else (120, 3.0, 10.0, 20_000, 3)
    )
    flooded = (
        Column("scans_per_s", "scans/s", ratio=True, better="more", noise=0.3),
        _FLOOD_CPU,
        Column("rss_mb", "RSS MB after", 1),
        *_COUNTS,
    )
    latencies = (
        Column("p50_ms", "p50 ms", 2, ratio=True, better="less", goal=1.6),
        Column("p95_ms", "p95 ms", 2, ratio=True, better="less", noise=0.5),
        Column("p99_ms", "p99 ms", 2, ratio=True, better="less", noise=1.0, goal=2.0),
        _CPU,
        *_COUNTS,
    )
    return [
        Measure(
            "latency",
            "scan to subscriber, one at a time, 4 ports in turn",
            4,
            latencies,
            together=lambda rigs: latency(rigs, scans),
            rounds=rounds,
        ),
        Measure(
            "slow-latency",
            "the same with 8 ms more for each fsync, as on an SD card",
            4,
            (
                replace(latencies[0], goal=1.3),
                *(replace(each, goal=None) for each in latencies[1:]),
            ),
            together=lambda rigs: latency(rigs, scans // 2),
            slow=True,
        ),
        *(
            Measure(
                f"flood-{ports}",
                f"as fast as it goes, {ports} port{'s' * (ports > 1)}",
                ports,
                flooded
                if ports < 16
                else (replace(flooded[0], goal=5000, plain=True), *flooded[1:]),
                alone=lambda rig, _: rate(rig, flood),
            )
            for ports in ((16,) if quick else (1, 4, 16))
        ),
        Measure(
            "slow-flood",
            "as fast as it goes with 8 ms more for each fsync, 16 ports",
            16,
            (replace(flooded[0], goal=2000, plain=True), *flooded[1:]),
            alone=lambda rig, _: rate(rig, flood),
            slow=True,
        ),
        Measure(
            "idle",
            "idle, 16 ports",
            16,
            (
                Column("start_s", "start to first scan s", 2, ratio=True, goal=1.0, plain=True),
                Column(
                    "rss_mb",
                    "RSS MB",
                    1,
                    ratio=True,
                    better="less",
                    noise=0.05,
                    goal=45,
                    plain=True,
                ),
                Column("pss_mb", "PSS MB", 1),
                Column("cpu_percent", "CPU %", 2, goal=0.1),
                Column(
                    "wake_ups_per_s", "wake-ups/s", 1, better="less", noise=0.5, slack=1, goal=5
                ),
                Column("written_kb", "written kB", goal=0),
            ),
            together=lambda rigs: idle(rigs, quiet),
            with_page=True,
        ),
        Measure(
            "backlog",
            f"backlog of {rows:,} (the slow ones: a tenth), broker down meanwhile, 16 ports",
            16,
            (
                Column(
                    "drained_per_s",
                    "drained/s",
                    ratio=True,
                    better="more",
                    noise=0.4,
                    goal=5000,
                    plain=True,
                ),
                Column("drain_s", "drain s", 2),
                Column("reconnect_s", "first row s", 2, goal=1.5),
                Column("grown_mb", "grown by MB", 1, better="less", noise=1.0, slack=2, goal=5),
                replace(_FLOOD_CPU, goal=None),
                *_COUNTS,
            ),
            alone=lambda rig, contender: backlog(rig, rows // contender.backlog_share, 2000),
        ),
        Measure(
            "live",
            f"scan to OK, alone and while a backlog of {rows:,} drains, 16 ports",
            16,
            (
                Column("alone_p95_ms", "alone p95 ms", 2),
                Column("beside_p95_ms", "in a drain p95 ms", 2),
                Column("times", "times", 2, better="less", noise=1.0, goal=2),
                Column("beside", "scans in it"),
                Column("lost", "lost", total=True),
            ),
            alone=lambda rig, contender: _live(rig, rows // contender.backlog_share),
            tell=True,
            stores_only=True,
        ),
        Measure(
            "crash",
            "SIGKILL with the broker down, 4 ports",
            4,
            (
                Column("read", "read", total=True),
                Column("read_and_lost", "of these lost", total=True),
                Column("told", "told OK", total=True),
                Column("told_and_lost", "of these lost", total=True),
                Column("doubled", "doubled", total=True),
                Column("restart_s", "restart s", 2, ratio=True),
            ),
            alone=lambda rig, _: crash(rig, kills, scans=200, per_second=400),
            tell=True,
        ),
        *_wear(0 if quick else 100),
    ]


def _wear(scans: int) -> list[Measure]:
    if not scans:
        return []
    return [
        Measure(
            "wear",
            "what reaches the disk, 20 scans/s, acknowledgement included",
            1,
            (
                Column("bytes", "bytes/scan", ratio=True, better="less", goal=10_000, plain=True),
                Column("writes", "writes/scan", 2, ratio=True),
                Column("flushes", "flushes/scan", 2, better="less", noise=0.05, goal=1.05),
                Column("lost", "lost", total=True),
            ),
            wear=scans,
            stores_only=True,
        )
    ]


def _live(rig: Rig, rows: int) -> Figures:
    figures = live(rig, 60, rows, 2000)
    return {**figures, "times": figures["beside_p95_ms"] / figures["alone_p95_ms"]}
