"""What stations may know, read from a real Tryton."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from bridge.connectors.tryton import Config, connect, read
from bridge.connectors.tryton.source import TrytonSource
from bridge.errors import SourceFailed
from bridge.outcome import Posted, Unknown
from contract.reference import DocumentRecord, Pack
from contract.transactions import Transaction
from tests.tryton.line import Line
from tests.tryton.office import Tryton
from tests.tryton.scans import (
    GADGET,
    SERUM,
    WIDGET,
    assembled,
    came_back,
    count,
    line,
    pack,
    receipt,
    reversal,
    shipment,
    transfer,
)

pytest_plugins = ["tests.tryton.fixtures"]
pytestmark = [pytest.mark.tryton, pytest.mark.timeout(900)]  # the first test may have to build it

GENEROUS = 60.0
FIRST, SECOND = ("0" * 17 + digit for digit in "12")
T = TypeVar("T")


async def everything(yielded: AsyncIterator[T]) -> list[T]:
    async with asyncio.timeout(GENEROUS):
        return [each async for each in yielded]


def config(tryton: Tryton, **changes: Any) -> Config:
    return Config.model_validate(tryton.settings(**{"sales_order_by": "reference"} | changes))


async def document(tryton: Tryton, number: str, **changes: Any) -> DocumentRecord:
    async with read(config(tryton, **changes)) as source:
        (found,) = [each for each in await everything(source.documents()) if each.number == number]
        return found


async def book(tryton: Tryton, *transactions: Transaction) -> None:
    async with connect(config(tryton)) as connector:
        for each in transactions:
            assert isinstance(await connector.deliver(each, again=False), Posted)


async def test_products_are_items_with_their_codes_and_rules(tryton: Tryton) -> None:
    async with read(config(tryton)) as source:
        items = {each.sku: each for each in await everything(source.items())}

    assert set(items) == {"WID-1", "SER-1", "BEAN-1", "GAD-1", "BAG-1", "VAC-1"}
    assert items["WID-1"].packs == (Pack(gtin="04006381333931"),)
    assert items["WID-1"].unit == "EA"
    assert "Widget" in items["WID-1"].name
    assert [sku for sku, each in items.items() if each.lot] == ["SER-1"]
    assert items["BEAN-1"].unit == "KGM"
    assert items["BEAN-1"].packs == ()


async def test_a_product_in_a_unit_that_is_not_mapped_is_left_out(tryton: Tryton) -> None:
    async with read(config(tryton, units={"EA": "Unit"})) as source:
        skus = {each.sku for each in await everything(source.items())}

    assert skus == {"WID-1", "SER-1", "GAD-1", "BAG-1", "VAC-1"}


async def test_a_purchase_says_what_came_in(tryton: Tryton) -> None:
    bought = tryton.office.order(widget=10, beans=2.5)
    await book(tryton, receipt(bought, line(WIDGET, "6")))

    found = await document(tryton, bought)

    assert found.document == "po"
    assert found.partner == "Acme Supply"
    assert [(each.sku, each.quantity, each.done) for each in found.lines] == [
        ("WID-1", Decimal(10), Decimal(6)),
        ("BEAN-1", Decimal("2.5"), Decimal(0)),
    ]


async def test_a_sale_says_what_is_packed_whether_it_left_or_not(tryton: Tryton) -> None:
    bought = tryton.office.order(widget=20, serum=5)
    await book(tryton, receipt(bought, line(WIDGET, "20"), line(SERUM, "5", lot="S1")))
    sold = "CS-1"
    tryton.office.sell(sold, widget=10, serum=5)
    cartons = (
        pack(sold, line(WIDGET, "3"), sscc=FIRST),
        pack(sold, line(WIDGET, "2"), line(SERUM, "4", lot="S1"), sscc=SECOND),
    )
    await book(tryton, *cartons, shipment(sold, FIRST))

    found = await document(tryton, sold)

    assert found.document == "so"
    assert found.partner == "Corner Shop"
    assert [(each.sku, each.quantity, each.done) for each in found.lines] == [
        ("WID-1", Decimal(10), Decimal(5)),
        ("SER-1", Decimal(5), Decimal(4)),
    ]


async def test_a_carton_that_is_packed_half_is_not_in_what_is_packed(tryton: Tryton) -> None:
    """The bridge's ledger still counts it."""
    bought = tryton.office.order(widget=20)
    await book(tryton, receipt(bought, line(WIDGET, "20")))
    sold = "CS-2"
    tryton.office.sell(sold, widget=10)
    async with (
        Line(tryton.server.port) as wire,
        connect(config(tryton, url=wire.url)) as connector,
    ):
        wire.cut(r"POST .*/pack\?", "before")
        half = await connector.deliver(pack(sold, line(WIDGET, "3")), again=False)
    assert isinstance(half, Unknown)

    assert [each.done for each in (await document(tryton, sold)).lines] == [Decimal(0)]


async def test_orders_are_known_by_the_name_the_labels_say(tryton: Tryton) -> None:
    tryton.office.order("ACME-77", widget=1)
    tryton.office.sell("CS-88", widget=1)

    for name in ("ACME-77", "CS-88"):
        await document(tryton, name, order_by="reference", sales_order_by="reference")


async def test_a_name_that_a_purchase_and_a_sale_share_is_left_out(tryton: Tryton) -> None:
    bought = tryton.office.order(widget=1)
    await document(tryton, bought)
    tryton.office.sell(bought, widget=1)

    async with read(config(tryton)) as source:
        assert bought not in {each.number for each in await everything(source.documents())}


async def test_an_order_that_is_done_is_no_longer_open(tryton: Tryton) -> None:
    bought = tryton.office.order(widget=1)
    tryton.office.change("UPDATE purchase_purchase SET state = 'done' WHERE number = ?", bought)

    async with read(config(tryton)) as source:
        assert bought not in {each.number for each in await everything(source.documents())}


async def test_places_of_the_warehouse_are_known_by_their_code(tryton: Tryton) -> None:
    async with read(config(tryton)) as source:
        places = {each.name: each.purpose for each in await everything(source.locations())}

    assert places == {
        "IN": "receiving",
        "OUT": "shipping",
        "STO": "storage",
        "A-01-01": "storage",
        "A-01-02": "storage",
        "DOCK-1": "storage",
    }


async def test_what_was_booked_is_found_by_its_transaction(tryton: Tryton) -> None:
    since = datetime.now(UTC) - timedelta(minutes=10)
    bought, sold = tryton.office.order(widget=5), "CS-3"
    tryton.office.sell(sold, widget=5)
    came, packed = receipt(bought, line(WIDGET, "5")), pack(sold, line(WIDGET, "5"), sscc=FIRST)
    left = shipment(sold, FIRST)
    await book(tryton, came, packed)

    async with read(config(tryton)) as source:
        before = {each.reference: each for each in await everything(source.booked(since))}
        await book(tryton, left)
        after = {each.reference: each for each in await everything(source.booked(since))}
        late = await everything(source.booked(datetime.now(UTC) + timedelta(minutes=10)))

    assert {before[str(each.id)].state for each in (came, packed)} == {"booked"}
    assert str(left.id) not in before
    assert {after[str(each.id)].state for each in (came, packed, left)} == {"booked"}
    (carton,) = tryton.office.cartons(left.id)
    assert after[str(left.id)].document == carton[1]
    assert late == []


@pytest.fixture
def pages_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.connectors.tryton.rest.PAGE", 2)


@pytest.mark.usefixtures("pages_of_two")
async def test_everything_is_read_however_many_pages_it_takes(tryton: Tryton) -> None:
    async with Line(tryton.server.port) as wire, read(config(tryton, url=wire.url)) as source:
        skus = [each.sku for each in await everything(source.items())]
        asked = [each for each in wire.requests if re.search(r"GET .*product\.product\?", each)]

    assert len(skus) == len(set(skus)) == 6
    assert len(asked) == 4  # the last one says that there is no more


@pytest.mark.parametrize("wrong", [{"api_key": "0" * 128}, {"database": "elsewhere"}], ids=str)
async def test_what_cannot_be_read_says_so(tryton: Tryton, wrong: dict[str, Any]) -> None:
    async with read(config(tryton, **wrong)) as source:
        await fails(source)


async def test_a_tryton_that_is_down_says_so(tryton: Tryton) -> None:
    async with Line(tryton.server.port) as wire:
        url = wire.url
    async with read(config(tryton, url=url)) as source:
        await fails(source)


async def fails(source: TrytonSource) -> None:
    for each in (source.items(), source.documents(), source.locations()):
        with pytest.raises(SourceFailed):
            await everything(each)


async def test_what_lies_where_is_what_the_moves_add_up_to(tryton: Tryton) -> None:
    office = tryton.office
    for number in range(3):
        office.put("widget", "A-01-01", 7 + number)
    office.put("beans", "A-01-02", 0.3)
    office.put("serum", "A-01-02", 4, lot="S1")
    office.put("serum", "A-01-02", 2.0, lot="S2")
    office.put("widget", "A-01-02", 5, lot="W1")
    office.put("widget", "A-01-02", 3)

    async with read(config(tryton)) as source:
        found = await everything(source.stock())

    names = {"WID-1": "widget", "SER-1": "serum", "BEAN-1": "beans", "GAD-1": "gadget"}
    lies = {
        (names.get(each.sku, each.sku), each.location, each.lot): each.quantity for each in found
    }
    assert len(lies) == len(found)
    known = {held: Decimal(str(each)) for held, each in office.stock().items()}
    assert lies == {held: each for held, each in known.items() if held[1] != "OUT"}
    assert {each.unit for each in found if each.sku == "BEAN-1"} == {"KGM"}


async def test_every_kind_of_document_is_found_by_its_transaction(tryton: Tryton) -> None:
    since = datetime.now(UTC) - timedelta(minutes=10)
    tryton.office.put("widget", "A-01-01", 20)
    moved = transfer("A-01-01", "A-01-02", line(WIDGET, "1"))
    undone = transfer("A-01-01", "A-01-02", line(WIDGET, "1"))
    counted = count("A-01-01", line(WIDGET, "5"))
    made = assembled((line(WIDGET, "2"),), (line(GADGET, "1"),), "A-01-01")
    order = "CS-kinds"
    tryton.office.sell(order, widget=2)
    sent = shipment(order, None, lines=(line(WIDGET, "2"),))
    back = came_back(order, line(WIDGET, "1"))
    await book(tryton, moved, counted, made, sent, back, undone, reversal(undone))

    async with read(config(tryton)) as source:
        found = {each.reference: each for each in await everything(source.booked(since))}

    states = {found[str(each.id)].state for each in (moved, counted, made, sent, back)}
    assert states == {"booked"}
    assert found[str(undone.id)].state == "cancelled"
    assert all(found[str(each.id)].at is not None for each in (moved, counted, made, back))
