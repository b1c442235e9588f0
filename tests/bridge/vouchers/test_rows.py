"""Which lines of an order goods belong to."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.outcome import Refused
from bridge.vouchers.plan import Goods
from bridge.vouchers.rows import Article, Known, OrderLine, take
from contract.values import Item


def known(code: str, quantity: str, *serials: str, **more: bool) -> Known:
    goods = Goods(Item(sku=code), Decimal(quantity), "Nos", serials=serials)
    return Known(goods, Article(code, "Nos", **more))


def line(name: str, code: str, owed: str, unit: str = "Nos") -> OrderLine:
    return OrderLine(name, code, unit, Decimal(owed), Decimal(1), None)


def taken(goods: list[Known], lines: list[OrderLine]) -> list[tuple[str, str]]:
    found = take(goods, lines, "PO-1")
    assert isinstance(found, list), found
    return [(each.line.name, str(each.quantity)) for each in found]


def test_lines_are_filled_in_their_order() -> None:
    lines = [line("1", "A", "5"), line("2", "B", "9"), line("3", "A", "4")]
    assert taken([known("A", "7")], lines) == [("1", "5"), ("3", "2")]


def test_what_is_done_already_is_passed_over() -> None:
    assert taken([known("A", "7")], [line("1", "A", "0"), line("2", "A", "9")]) == [("2", "7")]


def test_what_is_more_than_ordered_goes_to_the_last_line_for_the_erp_to_judge() -> None:
    lines = [line("1", "A", "5"), line("2", "A", "4")]
    assert taken([known("A", "12")], lines) == [("1", "5"), ("2", "7")]


def test_two_lots_of_one_item_share_what_is_owed() -> None:
    lots = [known("A", "3"), known("A", "4")]
    lines = [line("1", "A", "5"), line("2", "A", "5")]
    assert taken(lots, lines) == [("1", "3"), ("1", "2"), ("2", "2")]


@pytest.mark.parametrize(
    ("goods", "lines"),
    [
        (known("A", "1"), [line("1", "B", "5")]),
        (known("A", "1"), [line("1", "A", "5", "Box")]),
        (known("A", "1", "S1", serials=True), [line("1", "A", "1"), line("2", "A", "1")]),
    ],
)
def test_goods_that_fit_no_line_are_refused(goods: Known, lines: list[OrderLine]) -> None:
    assert isinstance(take([goods], lines, "PO-1"), Refused)


quantities = st.decimals(min_value=0, max_value=1000, places=3)


@given(quantities.filter(bool), st.lists(quantities, min_size=1, max_size=5))
def test_what_is_taken_adds_up_to_what_came(came: Decimal, owed: list[Decimal]) -> None:
    lines = [line(str(n), "A", str(each)) for n, each in enumerate(owed)]
    found = take([known("A", str(came))], lines, "PO-1")
    assert isinstance(found, list)
    assert sum(each.quantity for each in found) == came
    assert all(each.quantity <= each.line.owed for each in found if each.line is not lines[-1])
    assert all(each.quantity > 0 for each in found)


def test_binary_fractions_of_an_order_are_read_as_they_were_meant() -> None:
    row = {"name": "1", "item_code": "A", "uom": "Kg", "qty": Decimal(1), "rate": None}
    read = OrderLine.read(row | {"done": Decimal("0.30000000000000004")}, "done", 3)
    assert (str(read.owed), read.warehouse) == ("0.700", None)
