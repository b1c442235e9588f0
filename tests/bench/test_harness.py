"""The bench counts right: contenders with known faults are caught, and sound ones are not."""

from pathlib import Path

import pytest

from tests.bench import wire
from tests.bench.contenders import CONTENDERS, Contender, program, told_by
from tests.bench.faulty import SLOW
from tests.bench.measures import Column, Figures, Measure, counted, crash, latency
from tests.bench.report import combined, table
from tests.bench.rig import Rig, Trouble
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


def test_the_time_a_scan_takes_is_measured(tmp_path: Path) -> None:
    with Rig(faulty("slow"), tmp_path / "rig", ports=1) as rig:
        figures = latency(rig, scans=5)
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

    def upto(first: int, last: int) -> bytes | None:
        return bridge.word(f'{{"specversion":"1.0","id":"{epoch}/{first}-{last}"'.encode())

    def word(number: int) -> bytes:
        return f'{{"epoch":"{epoch}","upto":{number},"posted":{number}}}'.encode()

    assert [upto(1, 3), upto(6, 9), upto(2, 5), upto(4, 4)] == [word(3), word(3), word(5), word(5)]
    assert bridge.word(b"no envelope") is None


def test_a_table_has_medians_sums_and_ratios() -> None:
    columns = (Column("p50_ms", "p50 ms", 1, ratio=True), Column("lost", "lost", total=True))
    measure = Measure("latency", 1, lambda rig, _: {}, columns)
    rounds: dict[str, list[Figures]] = {
        "floor-sqlite": [{"p50_ms": 2, "lost": 0}],
        "scanpost": [{"p50_ms": 3, "lost": 1}, {"p50_ms": 90, "lost": 1}, {"p50_ms": 4, "lost": 0}],
        "dead": [],
    }
    assert combined(rounds["scanpost"], columns[0]) == 4
    assert [line.split() for line in table(measure, rounds).splitlines()[3:]] == [
        ["floor-sqlite", "2.0", "1.00", "0"],
        ["scanpost", "4.0", "2.00", "2"],
        ["dead", "-", "-", "-"],
    ]
