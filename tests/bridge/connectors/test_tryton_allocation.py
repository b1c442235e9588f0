"""Which open moves of an order the goods of a receipt fill."""

from decimal import Decimal
from typing import Any

import pytest

from bridge.connectors.tryton.allocation import Take, allocate, supply
from bridge.connectors.tryton.answers import Order
from bridge.connectors.tryton.arrival import Arrival
from bridge.connectors.tryton.goods import Goods
from bridge.outcome import Refused, TryLater
from contract.values import Item
from tests.tryton.scans import WIDGET

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
