"""A real ext4 whose power is cut under a gateway at work."""

import os
from pathlib import Path

import pytest

from tests.power import loopdisk, shim
from tests.power.cuts import cut_often

WHY_NOT = shim.why_not() or loopdisk.why_not()
pytestmark = [
    pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT)),
    pytest.mark.timeout(3600),
]

CUTS = int(os.environ.get("SCANPOST_POWER_CUTS", "100")) // 2
SEED = int(os.environ.get("SCANPOST_POWER_SEED", "1"))


def test_every_ok_is_on_disk_after_its_power_was_cut(tmp_path: Path) -> None:
    found = cut_often(tmp_path, CUTS, SEED)
    print(f"seed {SEED}: {found}")
    assert found.wrong == []
    assert found.cuts == CUTS
    assert found.acknowledged > 10 * CUTS, "nobody was at work"


def test_an_fsync_that_lies_is_found(tmp_path: Path) -> None:
    found = cut_often(tmp_path, 20, SEED, lie=True)
    assert any("lost" in each for each in found.wrong)
