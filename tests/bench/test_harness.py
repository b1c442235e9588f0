"""The bench counts right: contenders with known faults are caught, and sound ones are not."""

import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bridge.consumer import ANSWERS_APART, ENOUGH
from tests.bench import baseline, wire
from tests.bench.baseline import Held
from tests.bench.contenders import CONTENDERS, FLOOR, OURS, Contender, program, told_by
from tests.bench.costs import wake_ups, written_bytes
from tests.bench.faulty import SLOW
from tests.bench.measures import _LIVE_WITHIN, Figures, counted, crash, idle, latency, live
from tests.bench.plan import Column, Measure, plan
from tests.bench.report import combined, table
from tests.bench.rig import Rig, Trouble
from tests.bench.slow_disk import COMPILER, SD_CARD_MS, slow_disk
from tests.bench.tally import Tally, code
from tests.bench.tap import BridgeStandIn

FLOORS = CONTENDERS[:2]


def faulty(kind: str) -> Contender:
    return Contender(kind, program("tests.bench.faulty", kind), told_by("ok"))


def test_what_is_dropped_doubled_or_held_back_is_counted(tmp_path: Path) -> None:
    with Rig(faulty("careless"), tmp_path / "rig", ports=2) as rig:
        rig.start()
        sent = rig.feed(400, per_second=4000)
        rig.quiet(0.3)
        figures = counted(rig, sent)
    assert figures == {"scans": 400, "lost": 2, "doubled": 2, "reordered": 2}


@pytest.mark.parametrize("floor", FLOORS, ids=lambda floor: floor.name)
def test_a_sound_contender_loses_nothing_it_told_of(floor: Contender, tmp_path: Path) -> None:
    with Rig(floor, tmp_path / "rig", ports=2, tell=True) as rig:
        figures = crash(rig, kills=1, scans=100, per_second=500)
    assert figures["told"] >= 100
    assert figures["told_and_lost"] == 0


def test_an_ok_before_the_disk_is_found_out(tmp_path: Path) -> None:
    with Rig(faulty("forgetful"), tmp_path / "rig", ports=2, tell=True) as rig:
        figures = crash(rig, kills=1, scans=100, per_second=500, within=1)
    assert figures["told_and_lost"] >= 100
    assert figures["read"] == 100
    assert figures["read_and_lost"] == 100, "nothing survives where nothing is stored"


def test_the_time_a_scan_takes_is_measured(tmp_path: Path) -> None:
    with Rig(faulty("slow"), tmp_path / "rig", ports=1) as rig:
        figures = latency({"slow": rig}, scans=5)["slow"]
    assert SLOW * 1000 <= figures["p50_ms"] < 10 * SLOW * 1000
    assert figures["cpu_s_per_1000"] < SLOW * 1000, "sleeping is no work"


def test_a_contender_that_does_not_start_says_why(tmp_path: Path) -> None:
    absent = Contender("absent", program("tests.bench.no_such_program"), told_by("ok"))
    with (
        Rig(absent, tmp_path / "rig", ports=1) as rig,
        pytest.raises(Trouble, match="no_such_program"),
    ):
        rig.start()


def test_a_scan_is_late_only_if_a_later_one_of_its_port_came_first() -> None:
    tally = Tally()
    for at, (port, number) in enumerate([(0, 1), (1, 0), (0, 3), (0, 2), (0, 2), (1, 1)]):
        tally.take(code(port, number), at)
    assert (tally.doubled, tally.reordered) == (1, 1)
    assert tally.first[0, 2] == 3
    assert tally.missing({(0, 1), (1, 7)}) == {(1, 7)}


def test_packets_are_found_however_they_are_cut() -> None:
    sent = [wire.publish("a/b", bytes(length), length) for length in (1, 200, 20_000)]
    stream = b"".join(sent)
    for cut in (1, 2, 3, 100, 16_390):
        found, rest = [], b""
        for start in range(0, len(stream), cut):
            more, rest = wire.split(rest + stream[start : start + cut])
            found += more
        assert rest == b""
        assert [wire.opened(*packet) for packet in found] == [
            ("a/b", length, bytes(length)) for length in (1, 200, 20_000)
        ]


def test_the_bridges_stand_in_does_not_pass_over_a_gap() -> None:
    bridge = BridgeStandIn()
    epoch = "0b5e9f4e-0000-4000-8000-000000000000"
    now = 100.0

    def upto(first: int, last: int) -> list[tuple[str, bytes]]:
        nonlocal now
        bridge.hear("a/tx", f'{{"specversion":"1.0","id":"{epoch}/{first}-{last}"'.encode())
        now += ANSWERS_APART
        return bridge.words(now)

    def word(number: int) -> list[tuple[str, bytes]]:
        return [("a/ack", f'{{"epoch":"{epoch}","upto":{number},"posted":{number}}}'.encode())]

    assert [upto(1, 3), upto(6, 9), upto(2, 5), upto(4, 4)] == [word(3), word(3), word(5), word(5)]
    bridge.hear("a/tx", b"no envelope")
    assert bridge.due() == math.inf


def test_the_bridges_stand_in_answers_as_often_as_the_bridge() -> None:
    bridge = BridgeStandIn()
    epoch = "0b5e9f4e-0000-4000-8000-000000000000"

    def hear(first: int, last: int) -> None:
        bridge.hear("a/tx", f'{{"specversion":"1.0","id":"{epoch}/{first}-{last}"'.encode())

    hear(1, 1)
    assert len(bridge.words(now=0.0)) == 1
    hear(2, 2)
    assert bridge.words(now=0.01) == []
    assert bridge.due() == ANSWERS_APART
    hear(3, 2 + ENOUGH)
    assert len(bridge.words(now=0.02)) == 1


def test_a_table_has_medians_sums_and_ratios() -> None:
    columns = (Column("p50_ms", "p50 ms", 1, ratio=True), Column("lost", "lost", total=True))
    measure = Measure("latency", "one at a time", 1, columns)
    rounds: dict[str, list[Figures]] = {
        "floor-sqlite": [
            {"p50_ms": 2, "lost": 0},
            {"p50_ms": 30, "lost": 0},
            {"p50_ms": 2, "lost": 0},
        ],
        "scanpost": [{"p50_ms": 3, "lost": 1}, {"p50_ms": 90, "lost": 1}, {"p50_ms": 4, "lost": 0}],
        "dead": [],
    }
    assert combined(rounds["scanpost"], columns[0]) == 4
    assert [line.split() for line in table(measure, rounds).splitlines()[3:]] == [
        ["floor-sqlite", "2.0", "1.00", "0"],
        ["scanpost", "4.0", "2.00", "2"],
        ["dead", "-", "-", "-"],
    ]


def test_what_is_measured_at_once_is_counted_apart(tmp_path: Path) -> None:
    with (
        Rig(FLOORS[0], tmp_path / "floor", ports=1) as floor,
        Rig(faulty("slow"), tmp_path / "slow", ports=1) as slow,
    ):
        figures = latency({"floor": floor, "slow": slow}, scans=5)
    assert figures["slow"]["p50_ms"] >= SLOW * 1000
    assert [each["scans"] for each in figures.values()] == [5, 5]


def test_who_does_nothing_neither_wakes_nor_writes(tmp_path: Path) -> None:
    with Rig(FLOORS[1], tmp_path / "rig", ports=2) as rig:
        figures = idle({"floor": rig}, seconds=0.5)["floor"]
    assert figures["wake_ups_per_s"] <= 4
    assert figures["written_kb"] == 0
    assert figures["rss_mb"] > figures["pss_mb"] > 1


RESTLESS = """
import os, sys, time
with open(sys.argv[1], "wb") as file:
    while True:
        time.sleep(0.01)
        file.write(bytes(9999))
        file.flush()
        os.fsync(file.fileno())
"""


def test_waking_and_writing_are_seen(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", RESTLESS, str(tmp_path / "file")]) as process:
        try:
            end = time.monotonic() + 60
            while wake_ups(process.pid) < 20 or not written_bytes(process.pid):
                assert time.monotonic() < end
                time.sleep(0.02)
        finally:
            process.kill()


SYNC = """
import os, time
file = os.open("file", os.O_CREAT | os.O_WRONLY)
began = time.perf_counter()
for _ in range(5):
    os.fsync(file), os.fdatasync(file)
print(time.perf_counter() - began)
"""


@pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")
def test_a_slow_disk_is_slow(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SYNC],
        cwd=tmp_path,
        env=os.environ | slow_disk(tmp_path),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert float(done.stdout) >= 10 * SD_CARD_MS / 1000


def test_the_time_to_an_ok_is_taken_alone_and_beside_a_backlog(tmp_path: Path) -> None:
    with Rig(FLOORS[1], tmp_path / "rig", ports=2, tell=True) as rig:
        figures = live(rig, scans=5, rows=300, per_second=2000)
    assert 0 < figures["alone_p95_ms"] < _LIVE_WITHIN * 1000, "no OK was heard"
    assert figures["lost"] == 0


LESS = Column("p50_ms", "p50 ms", ratio=True, better="less", noise=0.1)
MORE = Column("scans_per_s", "scans/s", better="more", noise=0.5)
COUNT = Column("wake_ups", "wake-ups", better="less", noise=0.0, slack=1)
MEASURE = Measure("speed", "speed", 1, (LESS, MORE, COUNT))


def worse(p50: float, rate: float, wakes: float) -> list[str]:
    ours = {"p50_ms": p50, "scans_per_s": rate, "wake_ups": wakes}
    found = {"speed": {OURS: [ours], FLOOR: [{"p50_ms": 2.0}]}}
    before = [Held("speed", "p50_ms", 1.5), Held("speed", "scans_per_s", 900)]
    before += [Held("speed", "wake_ups", 0), Held("gone", "p50_ms", 1)]
    return [each.held.column for each in baseline.regressions([MEASURE], found, before)]


def test_only_what_is_worse_by_more_than_noise_is_a_regression() -> None:
    assert worse(3.2, 700, 1) == []
    assert worse(2.0, 5000, 0) == []
    assert worse(3.4, 700, 1) == ["p50_ms"]
    assert worse(3.2, 500, 1.5) == ["scans_per_s", "wake_ups"]


def test_a_baseline_keeps_what_a_shorter_run_has_not_measured(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    baseline.save(path, [Held("idle", "rss_mb", 45.5), Held("latency", "p50_ms", 1.6)])
    baseline.save(path, [Held("latency", "p50_ms", 1.5)])
    assert baseline.load(path) == [Held("idle", "rss_mb", 45.5), Held("latency", "p50_ms", 1.5)]


def test_the_baseline_in_the_tree_is_of_what_is_measured() -> None:
    columns = {
        (measure.key, column.name)
        for measure in plan(quick=False, rounds=1)
        for column in measure.columns
        if column.better
    }
    kept = baseline.load(Path(__file__).with_name("baseline.json"))
    assert {(each.measure, each.column) for each in kept} == columns
