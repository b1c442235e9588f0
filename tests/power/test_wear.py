"""A scan, its acknowledgement included, costs little more than one write of one page."""

import pytest

from tests.bench.contenders import OURS
from tests.power import loopdisk, shim
from tests.power.wear import contenders, wear

WHY_NOT = loopdisk.why_not() and shim.why_not()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))

# `make wear` measures longer: 1.02 flushes and 8 kB. A second flush for each scan, or a page more,
# is beyond these.
MOST_FLUSHES = 1.3
MOST_OCTETS = 13_000


def test_a_scan_costs_one_flush_and_two_pages() -> None:
    found = wear(contenders()[OURS], scans=60, rate=20)
    print(found)
    assert found.lost == 0
    assert 1 <= found.flushes <= MOST_FLUSHES
    assert found.octets <= MOST_OCTETS
    assert found.idle_octets_per_s == 0
