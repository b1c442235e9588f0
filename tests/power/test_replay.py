"""Power cuts at random moments, played from a tape of what the store wrote and flushed."""

import os
from pathlib import Path

import pytest

from tests.power import shim
from tests.power.replay import Replay

pytestmark = [
    pytest.mark.skipif(shim.why_not() is not None, reason=str(shim.why_not())),
    pytest.mark.timeout(3600),
]

CUTS = int(os.environ.get("SCANPOST_POWER_CUTS", "100"))
SEED = int(os.environ.get("SCANPOST_POWER_SEED", "1"))


async def test_every_acknowledged_row_is_there_after_a_cut_unaltered_and_in_order(
    tmp_path: Path,
) -> None:
    found = await Replay(tmp_path, SEED).run(CUTS)
    print(f"seed {SEED}: {found}")
    assert found.wrong == []
    assert found.cuts == CUTS
    assert found.dropped > CUTS / 4, "cuts that take nothing away prove nothing"
    assert found.acknowledged > CUTS


@pytest.mark.parametrize("how", ["off", "normal", "delete", "lie"])
async def test_a_store_that_does_not_flush_as_it_should_is_found(how: str, tmp_path: Path) -> None:
    found = await Replay(tmp_path, SEED, broken=how).run(50, until_wrong=True)
    print(f"{how}: {len(found.wrong)} of {found.cuts} cuts: {found.wrong[:1]}")
    assert any("lost" in each for each in found.wrong)
