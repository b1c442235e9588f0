import pytest

from bridge.records import record
from contract.reference import ItemRecord


def test_what_fits_is_a_record() -> None:
    assert record(ItemRecord, sku="BOLT-8") == ItemRecord(sku="BOLT-8")


def test_what_does_not_fit_is_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING", "bridge.records")
    assert record(ItemRecord, sku=None, name="a bolt") is None
    assert "ItemRecord" in caplog.text
    assert "a bolt" in caplog.text
