"""Weighing: a label, a load, one transaction."""

import pytest

from contract.transactions import Weighing
from gateway.stations import weighing
from tests.gateway.stations.table import Table

EAN, SSCC = "5901234123457", "123456789012345675"


@pytest.fixture
def table() -> Table:
    return Table(weighing, weighing.Config())


def test_what_was_scanned_is_weighed_once(table: Table) -> None:
    assert table.scan("]C100" + SSCC) == "attention"
    assert table.view.headline == "Put it on the scale"
    assert table.weigh("120.5") == "ok"
    event = table.last
    assert isinstance(event, Weighing)
    assert event.sscc == SSCC
    assert [each.kind for each in table.evidence] == ["scan", "weight"]
    assert table.weigh("120.5") == "attention", "nothing was scanned for this one"
    assert len(table.booked) == 1


def test_an_item_or_a_load_of_a_document_can_be_weighed(table: Table) -> None:
    table.scan("SO:7", EAN)
    table.weigh("1.5")
    assert table.last.item.gtin == "0" + EAN
    assert table.last.documents[0].number == "7"


def test_a_load_without_a_label_counts_where_that_is_configured() -> None:
    table = Table(weighing, weighing.Config(anonymous=True))
    assert table.weigh("5") == "ok"
    assert (table.last.sscc, table.last.item) == (None, None)


@pytest.mark.parametrize("value", ["0", "-1", "1000001"])
def test_a_load_that_is_none_is_refused(table: Table, value: str) -> None:
    table.scan(EAN)
    assert table.weigh(value) == "not_ok"
    assert table.booked == []


def test_undo_forgets_the_label_first_and_then_reverses(table: Table) -> None:
    table.scan(EAN)
    table.weigh("1")
    table.scan("]C100" + SSCC)
    table.restart()
    table.card("UNDO")
    assert len(table.booked) == 1
    table.card("UNDO")
    assert table.booked == []
    assert table.weigh("2") == "ok", "the same item waits again"


def test_cards_of_other_jobs_have_no_meaning(table: Table) -> None:
    assert table.scan("LOC:A-1", "what is this", "REASON:x") == "not_ok"
    assert table.card("DONE") == "ok"
