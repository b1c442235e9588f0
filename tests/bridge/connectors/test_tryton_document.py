"""What the Tryton connector means to do, without a Tryton."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bridge import registry
from bridge.connectors.tryton import Config, connect, document
from bridge.connectors.tryton.arrival import Arrival
from bridge.connectors.tryton.goods import Goods
from bridge.outcome import Posted, Refused, TryLater
from contract.transactions import (
    Event,
    Pick,
    Reading,
    Receipt,
    Weighing,
)
from contract.values import Clock, Document, Line, Quantity, Weight
from tests.tryton.scans import BEANS, SERUM, WIDGET, line, receipt, transaction


def config(**changes: Any) -> Config:
    return Config.model_validate(
        {
            "connector": "tryton",
            "url": "http://127.0.0.1:1",
            "database": "depot",
            "api_key": "key",
            "company": 1,
            "warehouse": "WH",
            "lot_expiry_field": "expiration_date",
        }
        | changes
    )


# document


def test_a_receipt_becomes_one_arrival_with_the_transaction_as_its_reference() -> None:
    scanned = receipt("PO-7", line(WIDGET, "60"), line(BEANS, "12.50", "KGM"), to="A-01")

    arrival = document(scanned, config())

    assert arrival == Arrival(
        reference=str(scanned.id),
        order="PO-7",
        goods=(
            Goods(WIDGET, Decimal(60), "Unit"),
            Goods(BEANS, Decimal("12.50"), "Kilogram"),
        ),
        location="A-01",
    )


def test_scans_of_one_lot_are_added_up_and_lots_kept_apart() -> None:
    day = date(2027, 1, 31)
    scanned = receipt(
        "PO-7",
        line(SERUM, "1", lot="A", expiry=day),
        line(SERUM, "2", lot="B", expiry=day),
        line(SERUM, "3", lot="A", expiry=day),
    )

    arrival = document(scanned, config())

    assert isinstance(arrival, Arrival)
    assert [(goods.lot, goods.quantity) for goods in arrival.goods] == [
        ("A", Decimal(4)),
        ("B", Decimal(2)),
    ]
    assert {goods.expiry for goods in arrival.goods} == {day}


def test_a_lot_stays_in_the_ledger_where_tryton_keeps_none() -> None:
    scanned = receipt("PO-7", line(SERUM, "1", lot="A"), line(SERUM, "1", lot="B"))

    arrival = document(scanned, config(lots=False, lot_expiry_field=None))

    assert isinstance(arrival, Arrival)
    assert arrival.goods == (Goods(SERUM, Decimal(2), "Unit"),)


def test_the_day_of_a_scan_is_the_day_at_the_warehouse() -> None:
    late = datetime(2026, 3, 4, 23, 30, tzinfo=UTC)

    arrival = document(receipt("PO-7", line(WIDGET, "1"), at=late), config(time_zone="Asia/Tokyo"))

    assert isinstance(arrival, Arrival)
    assert arrival.day == date(2026, 3, 5)


def test_a_clock_that_was_never_set_dates_nothing() -> None:
    scanned = receipt("PO-7", line(WIDGET, "1"))
    clock = Clock.model_validate(scanned.clock.model_dump() | {"synchronised": False})

    arrival = document(
        scanned.model_copy(update={"clock": clock}), config(time_zone="Europe/Berlin")
    )

    assert isinstance(arrival, Arrival)
    assert arrival.day is None


@pytest.mark.parametrize("numbers", [(), ("PO-7", "PO-8")])
def test_a_receipt_needs_one_purchase_order(numbers: tuple[str, ...]) -> None:
    documents = tuple(Document(kind="po", number=number) for number in numbers)
    event = Receipt(documents=documents, lines=(line(WIDGET, "1"),))

    refused = document(transaction(event), config())

    assert isinstance(refused, Refused)
    assert refused.code == "unknown_document"


def test_a_unit_nobody_mapped_is_refused_and_not_guessed() -> None:
    refused = document(receipt("PO-7", line(WIDGET, "1", "CT")), config())

    assert refused == Refused("unsupported", "the unit CT is not mapped to Tryton")


def test_nothing_received_needs_no_shipment() -> None:
    assert document(receipt("PO-7", line(WIDGET, "0")), config()) == Posted("")


LINES = (Line(item=WIDGET, quantity=Quantity(value=Decimal(1))),)


def test_a_pick_is_refused_with_the_reason() -> None:
    refused = document(transaction(Pick(lines=LINES)), config())

    assert isinstance(refused, Refused)
    assert refused.code == "unsupported"
    assert "packing" in refused.text


@pytest.mark.parametrize(
    "event",
    [Reading(text="hello"), Weighing(weight=Weight(value=Decimal("1.250"), unit="kg"))],
    ids=lambda event: event.type,
)
def test_what_moves_no_stock_needs_no_posting(event: Event) -> None:
    assert document(transaction(event), config()) == Posted("")


async def test_what_needs_no_posting_is_posted_without_a_tryton() -> None:
    async with connect(config()) as connector:
        assert await connector.deliver(transaction(Reading(text="x")), again=True) == Posted("")


# config


def test_a_connector_may_be_a_folder() -> None:
    assert "tryton" in registry.names()
    assert registry.load("tryton").Config is Config


@pytest.mark.parametrize(
    "changes",
    [
        {"api_key": None},
        {"api_key_file": "/run/key"},
        {"url": "ftp://host"},
        {"url": "http://host/?q"},
        {"database": "../other"},
        {"sku_field": "code.id"},
        {"lots": False},
        {"time_zone": "Nowhere/Never"},
        {"timeout": 0},
        {"password": "x"},
    ],
    ids=str,
)
def test_a_setting_that_cannot_work_is_told_at_start(changes: dict[str, Any]) -> None:
    config()
    with pytest.raises(ValidationError):
        config(**changes)


def test_the_key_shows_nowhere() -> None:
    assert "geheim" not in repr(config(api_key="geheim"))


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "key"


@pytest.mark.parametrize(
    "prepare",
    [
        lambda path: None,
        lambda path: path.write_text(""),
        lambda path: path.write_text("two words"),
        lambda path: path.write_bytes(b"\xff\xff"),
    ],
    ids=["missing", "empty", "two words", "not text"],
)
async def test_an_unusable_key_file_waits_for_a_person(
    key_file: Path, prepare: Callable[[Path], object]
) -> None:
    prepare(key_file)
    async with connect(config(api_key=None, api_key_file=key_file)) as connector:
        waits = await connector.deliver(receipt("PO-7", line(WIDGET, "1")), again=False)

    assert isinstance(waits, TryLater)
    assert waits.after == 60


async def test_a_server_that_is_down_is_tried_later() -> None:
    async with connect(config()) as connector:
        waits = await connector.deliver(receipt("PO-7", line(WIDGET, "1")), again=False)

    assert isinstance(waits, TryLater)
