"""However often the bridge is killed: nothing is lost, nothing is booked twice."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SEED = int(os.environ.get("SCANPOST_KILLS_SEED", "1"))
KILLS = int(os.environ.get("SCANPOST_KILLS", "50"))


@pytest.mark.timeout(3_600)
def test_a_bridge_that_is_killed_books_everything_once(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.journeys.bridge_kills", str(tmp_path), str(SEED), str(KILLS)],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        timeout=600 + 6 * KILLS,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    print(found)
    wrong = {name: found[name] for name in ("lost", "duplicated", "out_of_order")}
    assert wrong == {"lost": 0, "duplicated": 0, "out_of_order": 0}
    assert (found["kills"], found["drained"], found["trail_whole"]) == (KILLS, 1, 1)
    assert found["effects"] == found["transactions"] > KILLS  # lives in which nothing was done
