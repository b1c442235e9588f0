"""Whatever is killed whenever: every OK is in the books once."""

import os
import tempfile
from pathlib import Path

import pytest

from tests.journeys.chaos import chaos

SEED = int(os.environ.get("SCANPOST_CHAOS_SEED", "1"))
RUNS = int(os.environ.get("SCANPOST_CHAOS_RUNS", "1"))
KILLS = int(os.environ.get("SCANPOST_CHAOS_KILLS", "200"))


@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(SEED, SEED + RUNS))
async def test_every_ok_is_in_the_books_once_however_often_a_daemon_is_killed(seed: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix=f"scanpost-chaos-{seed}-"))
    outcome = await chaos(folder, seed, KILLS)
    report = outcome.report
    print(f"seed {seed}: {dict(outcome.kills)} kills, {report}")
    assert outcome.drained, f"not drained, see {folder}\n{outcome.logs}"
    wrong = (report.lost, report.duplicated, report.order_violations, report.booked - report.ok)
    assert wrong == (0, 0, 0, 0), f"see {folder}: {report}"
    assert sum(outcome.kills.values()) == KILLS
    assert report.ok > KILLS / 4  # a shift in which nobody worked proves nothing
