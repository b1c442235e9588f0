"""What the bridge tells gateways of items, documents and locations."""

import pytest
from pydantic import ValidationError

from contract.reference import (
    Change,
    DocumentLine,
    DocumentRecord,
    ItemRecord,
    Page,
    record_adapter,
)


def test_a_record_travels_as_json_and_comes_back_the_same() -> None:
    order = DocumentRecord(
        document="po",
        number="PO-7",
        lines=(DocumentLine(line="1", sku="BOLT-8", quantity="10.50"),),
    )
    there = order.model_dump_json(exclude_defaults=False)
    assert record_adapter.validate_json(there) == order
    assert '"10.50"' in there


def test_a_quantity_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValidationError):
        DocumentLine(line="1", sku="A", quantity="NaN")


def test_a_page_can_take_a_record_away() -> None:
    page = Page(set="a", after=0, upto=2, newest=2, changes=(Change(kind="item", key="A"),))
    assert Page.model_validate_json(page.model_dump_json()).changes[0].record is None


def test_an_item_is_known_by_its_sku() -> None:
    assert ItemRecord(sku="A").key == "A"
