"""Putaway: from the dock into a bin, by the machine that transfers have, too."""

from decimal import Decimal
from types import ModuleType

import pytest

from contract.transactions import Putaway, Transfer
from gateway.stations import putaway, transfer
from tests.gateway.stations.stock import CASE, COPY, EAN, play_any_shift
from tests.gateway.stations.table import Copy, Table


@pytest.mark.parametrize(("job", "event"), [(putaway, Putaway), (transfer, Transfer)])
def test_a_trip_is_booked_when_it_has_arrived(job: ModuleType, event: type) -> None:
    table = Table(job, job.Config(from_location="DOCK"), copy=COPY)
    assert table.scan(EAN, CASE) == "ok"
    assert table.booked == []
    assert table.scan("LOC:A-1") == "ok"
    [booked] = table.booked
    assert isinstance(booked, event)
    assert (booked.from_location, booked.to_location) == ("DOCK", "A-1")  # type: ignore[attr-defined]
    assert [line.quantity.value for line in table.lines()] == [Decimal(1), Decimal(6)]
    assert len(table.evidence) == 3


@pytest.mark.parametrize("copy", [COPY, None], ids=["reference", "none"])
def test_no_shift_can_make_it_fail(copy: Copy | None) -> None:
    play_any_shift(putaway, copy)
