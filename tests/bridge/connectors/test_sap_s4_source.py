"""What is read from SAP: materials, open documents, stock, and what carries a reference."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bridge import first_day
from bridge.connector import Found, Stock
from bridge.connectors.sap_s4 import odata, read
from bridge.errors import SourceFailed
from contract.reference import DocumentRecord, ItemRecord
from contract.transactions import Count, Event, Receipt, Reversal, Shipment, Transfer
from tests.bridge.connectors.sap_s4_house import (
    ORDERS,
    PARCEL,
    PASSWORD,
    USER,
    config_of,
    deliver,
    of,
    running,
)
from tests.bridge.connectors.suite import transaction
from tests.bridge.streams import lines, name
from tests.fakes.sap_s4 import System
from tests.fakes.sap_s4_books import INBOUND, OUTBOUND, PRODUCTS
from tests.fakes.sap_s4_books import ORDERS as ORDER_SERVICE

GTIN = "04012345678901"


@pytest.fixture
async def system() -> AsyncIterator[System]:
    async with running() as system:
        yield system


async def all_of(system: System, folder: Path, kind: str, **more: Any) -> list[Any]:
    async with read(config_of(system.url, folder, **more)) as source:
        return [each async for each in getattr(source, kind)()]


async def booked(system: System, folder: Path) -> dict[str, Found]:
    since = datetime.now(UTC) - timedelta(hours=1)
    async with read(config_of(system.url, folder)) as source:
        found = [each async for each in source.booked(since)]
    names = [each.reference for each in found]
    assert len(set(names)) == len(names)
    return {each.reference: each for each in found}


async def test_materials_of_the_plant_are_items_with_their_gtins(
    system: System, tmp_path: Path
) -> None:
    system.material("TEA", "4012345678901")
    system.material("STEAM", unit="M3")
    system.material("ELSEWHERE")
    here = system.tables[PRODUCTS, "A_ProductPlant"]
    here[-1]["Plant"] = "1020"
    here[0]["IsBatchManagementRequired"] = True
    codes = (("EA", "1", "4012345678918"), ("CAR", "1", "4012345678925"), ("EA", "2", "no GTIN"))
    system.tables[PRODUCTS, "A_ProductUnitsOfMeasureEAN"] += [
        {
            "Product": "TEA",
            "AlternativeUnit": unit,
            "ConsecutiveNumber": number,
            "ProductStandardID": code,
        }
        for unit, number, code in codes
    ]
    items = {each.sku: each for each in await all_of(system, tmp_path, "items")}
    assert set(items) == {"BOLT-8", "NUT-8", "WASHER", "SCREW", "KIT", "TEA"}
    assert isinstance(items["TEA"], ItemRecord)
    assert [pack.gtin for pack in items["TEA"].packs] == [GTIN, "04012345678918"]
    assert items["BOLT-8"].lot
    assert not items["TEA"].lot


async def test_open_orders_and_deliveries_are_documents(system: System, tmp_path: Path) -> None:
    for header in ("A_InbDeliveryHeader", "A_OutbDeliveryHeader"):
        service = INBOUND if "Inb" in header else OUTBOUND
        del system.tables[service, header][2:]
        system.tables[service, header][1]["OverallGoodsMovementStatus"] = "C"
    done, odd, _ = system.tables[ORDER_SERVICE, "A_PurchaseOrder"]
    for item in done["to_PurchaseOrderItem"]:
        item["IsCompletelyDelivered"] = True
    odd["to_PurchaseOrderItem"][0]["PurchaseOrderQuantityUnit"] = "CAR"
    found = await all_of(system, tmp_path, "documents")
    assert [(each.document, each.number) for each in found] == [
        ("po", ORDERS[2]),
        ("desadv", "180000000"),
        ("pick_list", "80000000"),
    ]
    assert isinstance(found[0], DocumentRecord)
    assert [(line.line, line.sku, str(line.quantity)) for line in found[0].lines] == [
        ("10", "BOLT-8", "10000"),
        ("20", "NUT-8", "10000"),
        ("30", "WASHER", "10000"),
    ]


async def test_stock_is_told_by_the_places_of_the_house(system: System, tmp_path: Path) -> None:
    system.stock.clear()
    system.stock["BOLT-8", "1010", "0002", "LOT7"] = Decimal("2.5")
    system.stock["BOLT-8", "1020", "0001", ""] = Decimal(3)
    system.stock["BOLT-8", "1010", "0077", ""] = Decimal(4)
    system.stock["BOLT-8", "1030", "0001", ""] = Decimal(5)
    assert await all_of(system, tmp_path, "stock") == [
        Stock("BOLT-8", "A-01", Decimal("2.5"), "EA", "LOT7"),
        Stock("BOLT-8", "1010/0077", Decimal(4), "EA", None),
        Stock("BOLT-8", "B-01", Decimal(3), "EA", None),
    ]


async def test_what_carries_a_reference_is_found_with_its_state(
    system: System, tmp_path: Path
) -> None:
    events: tuple[Event, ...] = (
        Receipt(lines=lines(quantity="5") + lines("NUT-8"), documents=of("po", ORDERS[0])),
        Transfer(lines=lines(), from_location="DOCK", to_location="A-01"),
        Reversal(reverses=name(2)),
        Shipment(packages=PARCEL, documents=of("so", "80000001")),
        Count(lines=lines(quantity="9"), location="STORE"),
    )
    system.find(OUTBOUND, "80000001")["CreationDate"] = datetime(2020, 1, 1, tzinfo=UTC)
    given = [transaction(seq, event) for seq, event in enumerate(events, start=1)]
    outcomes = await deliver(system, tmp_path, *given)
    half = transaction(6, Count(lines=lines(quantity="9"), location="STORE"))
    system.faults.next = ["", "throttled"]
    await deliver(system, tmp_path, half)
    found = await booked(system, tmp_path)
    states = {reference: each.state for reference, each in found.items()}
    assert states == {
        str(name(1)): "booked",
        str(name(2)): "cancelled",
        str(name(4)): "booked",
        str(name(5)): "booked",
        str(name(6)): "draft",
    }
    receipt = found[str(name(1))]
    assert receipt.quantity == 7
    assert receipt.document in repr(outcomes[0])
    assert receipt.at is not None
    assert await all_of(system, tmp_path, "locations") == []


async def test_pages_are_read_to_the_end(
    system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(odata, "PAGE", 2)
    assert len(await all_of(system, tmp_path, "items")) == 5
    assert len(system.seen) > 6
    monkeypatch.setattr(odata, "PAGE", 4)
    system.at_once = 2  # SAP sends fewer than it was asked for, and says that there are more
    assert len(await all_of(system, tmp_path, "items")) == 5


@pytest.mark.parametrize("kind", ["items", "documents", "stock"])
async def test_what_cannot_be_read_is_told(tmp_path: Path, kind: str) -> None:
    class Portal(System):
        async def gateway(self, request: web.Request) -> web.StreamResponse:
            return web.Response(text="<html>Logon</html>", content_type="text/html")

    async with Portal(None, USER, PASSWORD).serving() as portal:
        with pytest.raises(SourceFailed, match="Logon"):
            await all_of(portal, tmp_path, kind)


async def test_the_first_day_s_test_sees_one_effect_in_sap(system: System, tmp_path: Path) -> None:
    config = config_of(system.url, tmp_path)
    about = first_day.Sample(sku="BOLT-8", document=ORDERS[0], to_location="DOCK")
    found = await first_day.self_test("sap_s4", config, first_day.sample("receipt", about))
    assert all(each.good for each in found), found
    assert str(found[-1]) == "ok   the target shows it 1 times"
    looked = await first_day.probe("sap_s4", config)
    assert all(each.good for each in looked), looked
