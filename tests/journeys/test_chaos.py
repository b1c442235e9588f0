"""Whatever is killed whenever: every OK is in the books once."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.journeys.chaos import chaos

DAEMONS = ("gateway", "bridge")
PARTS = (*DAEMONS, "broker")
SEED = int(os.environ.get("SCANPOST_CHAOS_SEED", "1"))
RUNS = int(os.environ.get("SCANPOST_CHAOS_RUNS", "1"))
KILLS = int(os.environ.get("SCANPOST_CHAOS_KILLS", "1000"))


@pytest.mark.chaos
@pytest.mark.timeout(300 + 5 * KILLS)
@pytest.mark.parametrize("seed", range(SEED, SEED + RUNS))
async def test_every_ok_is_in_the_books_once_however_often_a_daemon_is_killed(seed: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix=f"scanpost-chaos-{seed}-"))
    outcome = await chaos(folder, seed, KILLS)
    report = outcome.report
    print(
        f"seed {seed}: {dict(outcome.kills)} kills, {dict(outcome.cold)} cold starts,"
        f" {dict(outcome.faults)}, {outcome.meanwhile} booked meanwhile, {report}"
    )
    if not outcome.clock:
        print("no libfaketime here: the wall clock was not stepped")
    assert outcome.drained, f"not drained, see {folder}\n{outcome.logs}"
    wrong = (report.lost, report.duplicated, report.order_violations, report.booked - report.ok)
    assert wrong == (0, 0, 0, 0), f"see {folder}: {report}"
    assert outcome.kills.total() == KILLS
    assert report.ok > KILLS / 4  # a shift in which nobody worked proves nothing
    if KILLS >= 100:
        assert min(outcome.kills[name] for name in PARTS) > KILLS / 10, "somebody was spared"
        assert min(outcome.cold[name] for name in DAEMONS) > 1
        assert outcome.meanwhile > KILLS / 10, "what was killed had nothing to do"
        wanted = {"cable pulled", "partition", "delay", "cable pulled in mid-frame"}
        wanted |= {f"{name} short of memory" for name in DAEMONS}
        wanted |= {"clock stepped"} if outcome.clock else set()
        assert {what for what in wanted if not outcome.faults[what]} == set()
        assert any("frozen" in what for what in outcome.faults)
        assert outcome.years > 1 or not outcome.clock, "the clocks of the daemons were not stepped"
    shutil.rmtree(folder)
