"""What the Tryton connector means to do, without a Tryton."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from bridge.connectors.tryton import (
    Arrival,
    Config,
    Goods,
    Order,
    Take,
    allocate,
    connect,
    document,
    exact,
    judge,
    supply,
)
from bridge.outcome import Posted, Refused, TryLater, Unknown
from contract.transactions import (
    Count,
    Event,
    Pick,
    Putaway,
    Reading,
    Receipt,
    Reversal,
    Weighing,
)
from contract.values import Clock, Document, Item, Line, Quantity, Weight
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


@pytest.mark.parametrize(
    "event",
    [
        Putaway(lines=LINES, to_location="A-01"),
        Pick(lines=LINES),
        Count(location="A-01", lines=LINES),
        Reversal(reverses=uuid4()),
    ],
    ids=lambda event: event.type,
)
def test_what_the_connector_cannot_do_yet_is_refused_by_name(event: Event) -> None:
    refused = document(transaction(event), config())

    assert isinstance(refused, Refused)
    assert refused.code == "unsupported"
    assert event.type in refused.text


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


# allocate and supply

UNIT = {"id": 1, "name": "Unit", "symbol": "u", "rounding": 1}
GRAM = {"id": 9, "name": "Gram", "symbol": "g", "rounding": Decimal("0.01")}
KILOGRAM = {"id": 2, "name": "Kilogram", "symbol": "kg", "rounding": Decimal("0.01")}


def move(id: int, quantity: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": id,
        "state": "draft",
        "quantity": Decimal(quantity),
        "unit": UNIT,
        "shipment": None,
        "from_location": 6,
        "to_location": 1,
        "unit_price": Decimal(5),
        "currency": 1,
    } | changes


def order_line(number: int, ordered: str, *moves: dict[str, Any], **product: Any) -> dict[str, Any]:
    known = {"id": 10, "code": "WID-1", "identifiers": [{"id": 1, "code": "4006381333931"}]}
    return {
        "id": number,
        "quantity": Decimal(ordered),
        "product": known | product,
        "moves": moves,
        "moves_recreated": [],
    }


def order(*lines: dict[str, Any]) -> Order:
    return Order.model_validate(
        {
            "id": 70,
            "number": "PO-7",
            "state": "processing",
            "party": 3,
            "warehouse": {"id": 5, "input_location": 1, "storage_location": 4},
            "lines": lines,
        }
    )


def arrival(*goods: Goods) -> Arrival:
    return Arrival("ref", "PO-7", goods)


def parts(takes: object) -> list[tuple[int, Decimal]]:
    assert isinstance(takes, tuple)
    assert all(isinstance(take, Take) for take in takes)
    return [(take.move.id, take.quantity) for take in takes]


def test_what_came_fills_the_open_moves_oldest_first_and_no_further() -> None:
    lines = [
        order_line(1, "60", move(8, "20"), move(7, "40")),
        order_line(2, "50", move(9, "50")),
    ]

    takes = allocate(arrival(Goods(WIDGET, Decimal(70), "Unit")), order(*lines), "code")

    assert parts(takes) == [(7, Decimal(40)), (8, Decimal(20)), (9, Decimal(10))]


def test_two_lots_share_one_open_move() -> None:
    goods = [Goods(WIDGET, Decimal(n), "Unit", lot=lot) for n, lot in ((3, "A"), (4, "B"))]
    asked = order(order_line(1, "10", move(7, "10")))
    takes = allocate(arrival(*goods), asked, "code")
    assert isinstance(takes, tuple)

    made = supply(arrival(*goods), asked, takes, {goods[0]: 91, goods[1]: 92}, company=1, storage=4)

    assert made["incoming_moves"] == [
        ["add", [7]],
        ["write", [7], {"quantity": 3.0, "lot": 91}],
        [
            "create",
            [
                {
                    "origin": "purchase.line,1",
                    "product": 10,
                    "unit": 1,
                    "company": 1,
                    "from_location": 6,
                    "to_location": 1,
                    "unit_price": Decimal(5),
                    "currency": 1,
                    "quantity": 4.0,
                    "lot": 92,
                }
            ],
        ],
    ]


@pytest.mark.parametrize(
    "taken",
    [{"state": "done"}, {"state": "cancelled"}, {"shipment": "stock.shipment.in,4"}],
    ids=str,
)
def test_a_move_that_is_done_or_in_another_shipment_is_not_open(taken: dict[str, Any]) -> None:
    refused = allocate(
        arrival(Goods(WIDGET, Decimal(1), "Unit")),
        order(order_line(1, "10", move(7, "10", **taken))),
        "code",
    )

    assert isinstance(refused, Refused)
    assert refused.code == "over_receipt"


def test_more_than_was_ordered_is_refused_with_both_numbers() -> None:
    refused = allocate(
        arrival(Goods(WIDGET, Decimal("10.50"), "kg")),
        order(order_line(1, "10", move(7, "10", unit=KILOGRAM))),
        "code",
    )

    assert refused == Refused(
        "over_receipt", "order PO-7 has 10 of GTIN 04006381333931 open, 10.5 kg came"
    )


def test_the_rest_of_an_order_opens_only_when_the_first_part_is_received() -> None:
    """An earlier receipt took 60 of the only move and is not received: 40 stand nowhere."""
    half_done = order(order_line(1, "100", move(7, "60", shipment="stock.shipment.in,4")))

    later = allocate(arrival(Goods(WIDGET, Decimal(40), "Unit")), half_done, "code")
    never = allocate(arrival(Goods(WIDGET, Decimal(41), "Unit")), half_done, "code")

    assert isinstance(later, TryLater)
    assert isinstance(never, Refused)
    assert never.code == "over_receipt"


def test_the_rest_of_an_order_counts_lost_goods_that_were_ordered_again() -> None:
    line_ = order_line(1, "10", move(7, "10", state="cancelled"))

    dropped = order(line_)
    again = order(line_ | {"moves_recreated": [7]})

    goods = arrival(Goods(WIDGET, Decimal(10), "Unit"))
    assert isinstance(allocate(goods, dropped, "code"), Refused)
    assert isinstance(allocate(goods, again, "code"), TryLater)


def test_one_line_that_does_not_fit_stops_the_whole_receipt() -> None:
    refused = allocate(
        arrival(Goods(WIDGET, Decimal(1), "Unit"), Goods(Item(sku="NOPE"), Decimal(1), "Unit")),
        order(order_line(1, "10", move(7, "10"))),
        "code",
    )

    assert refused == Refused("unknown_sku", "order PO-7 has no line for NOPE")


def test_two_products_of_one_gtin_are_a_matter_for_a_person() -> None:
    refused = allocate(
        arrival(Goods(WIDGET, Decimal(1), "Unit")),
        order(order_line(1, "10", move(7, "10")), order_line(2, "10", move(8, "10"), id=11)),
        "code",
    )

    assert isinstance(refused, Refused)
    assert refused.code == "unknown_sku"


def test_the_houses_own_name_decides_before_the_gtin() -> None:
    asked = order(
        order_line(1, "10", move(7, "10")),
        order_line(2, "10", move(8, "10"), id=11, code="WID-2"),
    )
    both = Item(gtin=WIDGET.gtin, sku="WID-2")

    takes = allocate(arrival(Goods(both, Decimal(1), "Unit")), asked, "code")

    assert parts(takes) == [(8, Decimal(1))]


@pytest.mark.parametrize("where", ["supplier", "storage"])
def test_a_product_that_must_have_a_lot_is_refused_without(where: str) -> None:
    refused = allocate(
        arrival(Goods(WIDGET, Decimal(1), "Unit")),
        order(order_line(1, "10", move(7, "10"), lot_required=[where])),
        "code",
    )

    assert isinstance(refused, Refused)
    assert refused.code == "lot_required"


def test_grams_are_never_taken_for_kilograms() -> None:
    refused = allocate(
        arrival(Goods(WIDGET, Decimal(1), "Kilogram")),
        order(order_line(1, "10", move(7, "10", unit=GRAM))),
        "code",
    )

    assert refused == Refused(
        "unsupported",
        "order PO-7 counts GTIN 04006381333931 in Gram, the receipt in Kilogram",
    )


@pytest.mark.parametrize(
    ("quantity", "unit"),
    [("1.5", UNIT), ("0.125", KILOGRAM), ("1e19", KILOGRAM | {"rounding": Decimal("1e-12")})],
)
def test_a_quantity_is_never_rounded(quantity: str, unit: dict[str, Any]) -> None:
    refused = allocate(
        arrival(Goods(WIDGET, Decimal(quantity), unit["name"])),
        order(order_line(1, "10", move(7, "10", unit=unit))),
        "code",
    )

    assert isinstance(refused, Refused)
    assert "would be rounded" in refused.text


def test_a_quantity_json_cannot_carry_is_no_quantity() -> None:
    assert exact(Decimal("1.250")) == 1.25
    assert exact(Decimal("123456789012345678.5")) is None


# judge

TRYTON_SAYS = '{"status": 400, "message": "%s", "description": ""}'


def said(message: str) -> bytes:
    return (TRYTON_SAYS % message).encode()


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("The purchase line 'x' is moving 30 u in addition to the 100 u ordered.", "over_receipt"),
        ("To move product '[SER-1]' you must provide a stock lot.", "lot_required"),
        ("To modify stock move '1' you must reopen period '2026'.", "closed_period"),
        ("To continue, you must reopen the period 'P' of company 'C'.", "closed_period"),
        ("To continue, you must create a fiscal year for the date 'D'.", "closed_period"),
        ("You are not allowed to write to records '1' of 'Move' because of", "forbidden"),
        ("Something nobody thought of", "refused"),
    ],
)
def test_trytons_own_word_refuses_one_transaction(message: str, code: str) -> None:
    refused = judge(400, said(message), writes=True)

    assert isinstance(refused, Refused)
    assert refused.code == code
    assert refused.text == message


@pytest.mark.parametrize("status", [301, 401, 403, 404, 405])
@pytest.mark.parametrize("writes", [True, False])
def test_a_wrong_key_or_address_refuses_nothing(status: int, writes: bool) -> None:
    waits = judge(status, b"<h1>no</h1>", writes=writes)

    assert isinstance(waits, TryLater)
    assert waits.after == 60
    assert str(status) in waits.why


def test_a_user_without_rights_refuses_nothing() -> None:
    waits = judge(400, said('You are not allowed to access \\"Move\\".'), writes=True)

    assert isinstance(waits, TryLater)
    assert waits.after == 60


@pytest.mark.parametrize("status", [200, 500, 502, 504])
def test_a_server_that_fails_in_the_middle_may_have_booked(status: int) -> None:
    assert isinstance(judge(status, b"", writes=True), Unknown)
    assert isinstance(judge(status, b"", writes=False), TryLater)


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_to_wait_is_obeyed(status: int) -> None:
    assert judge(status, b"busy", writes=True, after=7.0) == TryLater(
        f"Tryton answered {status}: busy", after=7.0
    )


def test_a_shipment_that_moved_on_meanwhile_is_looked_at_again() -> None:
    assert isinstance(judge(400, said("You can not call 'do' on '1'"), writes=True), Unknown)


def test_a_reason_is_never_longer_than_a_person_reads() -> None:
    refused = judge(400, said("x" * 10_000), writes=True)

    assert isinstance(refused, Refused)
    assert len(refused.text) <= 400


# config


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
