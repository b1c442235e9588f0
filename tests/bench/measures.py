"""How each figure is taken, from rigs that are not started yet.

What is short and noisy is taken of all contenders at once, scan by scan in turn: whatever the
machine does meanwhile, it does to all of them.
"""

import itertools
import random
import statistics
import time
from collections.abc import Callable, Mapping

from tests.bench.costs import cpu_seconds, memory_mb, wake_ups, written_bytes
from tests.bench.rig import Rig, Trouble
from tests.bench.tally import Scan

Figures = dict[str, float]

_AFTERWARDS = 0.008  # seconds in which what a scan leads to is done: signal, acknowledgement, word
_LOST_AFTER = 15.0  # seconds without a scan that was to come through alone
_LIVE_WITHIN = 5.0  # seconds to the OK of a live scan, before it counts as that


def latency(rigs: Mapping[str, Rig], scans: int) -> dict[str, Figures]:
    """One scan at a time after a random pause; from before the write to after the receipt."""
    up = {name: rig for name, rig in rigs.items() if rig.start()}
    chance = random.Random(1)
    took: dict[str, list[float]] = {name: [] for name in up}
    sent: dict[str, set[Scan]] = {name: set() for name in up}
    spent = dict.fromkeys(up, 0.0)
    names = list(up)
    for number in range(scans):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            rig = up[name]
            rig.rest(chance.uniform(0.002, 0.042) / min(len(up), 4))
            scanner = rig.scanners[number % len(rig.scanners)]
            cpu, began = cpu_seconds(rig.pid), time.monotonic_ns()
            [scan] = scanner.scan()
            sent[name].add(scan)
            if rig.until(lambda wanted=scan, rig=rig: wanted in rig.tap.tally.first, _LOST_AFTER):  # type: ignore[misc]
                took[name].append((rig.tap.tally.first[scan] - began) / 1e6)
            elif len(sent[name]) - len(took[name]) > 3:
                raise Trouble(f"scans do not come through {name}")
            rig.rest(_AFTERWARDS)
            spent[name] += cpu_seconds(rig.pid) - cpu
    return {
        name: {
            **quantiles(took[name]),
            "cpu_s_per_1000": spent[name] / len(took[name]) * 1000,
            **_settled(rig, sent[name]),
        }
        for name, rig in up.items()
    }


def quantiles(took: list[float]) -> Figures:
    """Return median, 95th and 99th of a hundred."""
    points = statistics.quantiles(took, n=100, method="inclusive")
    return {"p50_ms": points[49], "p95_ms": points[94], "p99_ms": points[98]}


def _settled(rig: Rig, sent: set[Scan]) -> Figures:
    rig.quiet(0.2)
    return counted(rig, sent)


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
        "rss_mb": memory_mb(rig.pid)[0],
        **counted(rig, sent),
    }


def idle(rigs: Mapping[str, Rig], seconds: float) -> dict[str, Figures]:
    """All ports open and nothing to do."""
    starts = {name: rig.start() for name, rig in rigs.items()}
    for rig in rigs.values():
        rig.rest(2.5 / len(rigs))  # what follows a start: the page is built, the word written down
    before = {name: _spent(rig) for name, rig in rigs.items()}
    began = time.monotonic()
    time.sleep(seconds)
    after = {name: _spent(rig) for name, rig in rigs.items()}
    lasted = time.monotonic() - began
    found = {}
    for name, rig in rigs.items():
        cpu, waked, written = (
            now - then for now, then in zip(after[name], before[name], strict=True)
        )
        rss, pss = memory_mb(rig.pid)
        found[name] = {
            "start_s": starts[name],
            "rss_mb": rss,
            "pss_mb": pss,
            "cpu_percent": cpu / lasted * 100,
            "wake_ups_per_s": waked / lasted,
            "written_kb": written / 1000,
        }
    return found


def _spent(rig: Rig) -> tuple[float, float, float]:
    return cpu_seconds(rig.pid), wake_ups(rig.pid), written_bytes(rig.pid)


def backlog(rig: Rig, scans: int, per_second: float) -> Figures:
    """The broker is down while scans come; it comes back, and all of them go out."""
    rig.start()
    before_mb = memory_mb(rig.pid)[0]
    rig.broker_down()
    sent = rig.feed(scans, per_second)
    rig.until(lambda: not any(scanner.unread for scanner in rig.scanners), 10)
    cpu = cpu_seconds(rig.pid)
    most_mb = memory_mb(rig.pid)[0]
    rig.broker_up()
    back = time.monotonic_ns()
    first = rig.tap.tally.first
    before = len(first)
    rig.until(lambda: len(first) > before, 35)
    rig.arrived(sent, 30)
    cpu = cpu_seconds(rig.pid) - cpu
    most_mb = max(most_mb, memory_mb(rig.pid)[0])
    rig.quiet(0.3)
    times = [first[scan] for scan in sent if scan in first] or [back + 1]
    drained = max((max(times) - min(times)) / 1e9, 1e-3)
    return {
        "reconnect_s": (min(times) - back) / 1e9,
        "drain_s": drained,
        "drained_per_s": len(times) / drained,
        "grown_mb": most_mb - before_mb,
        "cpu_s_per_1000": cpu / len(times) * 1000,
        **counted(rig, sent),
    }


def live(rig: Rig, scans: int, rows: int, per_second: float) -> Figures:
    """Time from a scan to its OK: while nothing else happens, and while a backlog drains."""
    rig.start()
    rig.rest(0.5)
    alone = [_to_ok(rig) for _ in range(scans)]
    rig.broker_down()
    waiting = rig.feed(rows, per_second, rig.scanners[1:])
    rig.until(lambda: not any(scanner.unread for scanner in rig.scanners), 10)
    rig.told_lately()
    rig.broker_up()
    first = rig.tap.tally.first
    rig.until(lambda: bool(first.keys() & waiting), 35)
    left = itertools.takewhile(lambda _: waiting - first.keys(), range(10 * scans))
    beside = [_to_ok(rig) for _ in left]
    drained = not rig.tap.tally.missing(waiting) or rig.arrived(waiting, 30)
    return {
        "alone_p95_ms": quantiles(alone)["p95_ms"],
        "beside_p95_ms": quantiles(beside)["p95_ms"] if len(beside) > 1 else float("nan"),
        "beside": len(beside),
        "lost": 0 if drained else len(rig.tap.tally.missing(waiting)),
    }


def _to_ok(rig: Rig) -> float:
    """Scan once on the first port, and return milliseconds until the contender said it is safe."""
    rig.rest(0.005)
    began = time.monotonic()
    [scan] = rig.scanners[0].scan()
    while scan not in rig.told_lately():
        if time.monotonic() - began > _LIVE_WITHIN:
            break
        rig.pump(0.0003)
    return (time.monotonic() - began) * 1000


def crash(rig: Rig, kills: int, scans: int, per_second: float, within: float = 10) -> Figures:
    """SIGKILL while scans come and the broker is down; then both come back.

    What was told to be safe must arrive. What was not told is the operator's to scan again; of
    those that tell nothing, all counts that was read from the port.
    """
    rig.start()
    restarts = []
    read: set[Scan] = set()
    for _ in range(kills):
        rig.broker_down()
        sent = rig.feed(scans, per_second)
        if rig.until(lambda: not any(scanner.unread for scanner in rig.scanners), 10):
            read |= sent
        rig.kill()
        rig.broker_up()
        restarts.append(rig.start())
        rig.arrived(rig.told() or read, within)
        rig.quiet(0.3)
    told = rig.told()
    return {
        "restart_s": statistics.median(restarts),
        "read": len(read),
        "read_and_lost": len(rig.tap.tally.missing(read)),
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


Alone = Callable[[Rig], Figures]
Together = Callable[[Mapping[str, Rig]], dict[str, Figures]]
