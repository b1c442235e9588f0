"""What stations may know, read from a database of one's own, with what was booked there."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import insert

from bridge.connectors import sql
from bridge.connectors.sql import tables
from bridge.database import Database
from bridge.reconciliation.entries import amount
from contract.envelope import plain
from contract.reference import DocumentRecord
from contract.transactions import Event, Pick, Receipt, Reversal
from contract.values import Document, Item, Line, Quantity
from tests.bridge.connectors.test_sql import EVERY_EVENT
from tests.bridge.streams import CLOCK, name, transaction


async def fill(config: sql.Config, table: Any, *rows: dict[str, Any]) -> None:
    database = Database(config.full_url)
    async with database.write() as connection:
        await connection.execute(insert(table), list(rows))
    await database.close()


def of(kind: str, number: str, **line: Any) -> dict[str, Any]:
    item = Item(sku=line.pop("sku", None), gtin=line.pop("gtin", None))
    made = Line(item=item, quantity=Quantity(value=line.pop("quantity")), **line)
    return {
        "documents": (Document.model_validate({"kind": kind, "number": number}),),
        "lines": (made,),
    }


async def test_items_documents_and_locations_are_read_with_what_is_done(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'stock.db'}"
    config = sql.Config(connector="sql", url=SecretStr(url))
    async with sql.read(config):
        pass  # makes the tables
    await fill(
        config,
        tables.items,
        *({"sku": f"SKU-{each:04}", "codes": "A B"} for each in range(450)),
    )
    await fill(config, tables.packs, {"gtin": "4006381333931", "sku": "SKU-0001", "quantity": 10})
    await fill(config, tables.locations, {"name": "A-1", "purpose": "storage"})
    await fill(
        config,
        tables.documents,
        {"number": "PO-1", "document": "po", "closed": None},
        {"number": "PO-0", "document": "po", "closed": True},
        {"number": "PL-1", "document": "pick_list", "closed": False},
    )
    await fill(
        config,
        tables.document_lines,
        {"number": "PO-1", "line": "1", "sku": "SKU-0001", "quantity": 50},
        {"number": "PL-1", "line": "1", "sku": "SKU-0002", "quantity": 5},
    )
    booked: list[Event] = [
        Receipt(**of("po", "PO-1", sku="SKU-0001", quantity="4", document_line="1")),
        Receipt(**of("po", "PO-1", gtin="04006381333931", quantity="1")),
        Receipt(**of("po", "PO-1", sku="SKU-0001", quantity="7", document_line="1")),
        Reversal(reverses=name(3)),
        Pick(**of("pick_list", "PL-1", sku="SKU-0002", quantity="2"), from_location="A-1"),
    ]
    async with sql.connect(config) as target:
        for seq, event in enumerate(booked, start=1):
            await target.deliver(transaction(seq, event), again=False)
    async with sql.read(config) as source:
        items = [each async for each in source.items()]
        assert len(items) == 450
        assert items[1].packs[0].gtin == "04006381333931"
        assert items[0].codes == ("A", "B")
        found: dict[str, DocumentRecord] = {each.key: each async for each in source.documents()}
        assert found.keys() == {"PO-1", "PL-1"}
        assert found["PO-1"].lines[0].done == 14, "four and a pack of ten; seven were undone"
        assert found["PL-1"].lines[0].done == 2, "out of one bin and into another is once"
        assert [each.name async for each in source.locations()] == ["A-1"]
        assert {each.location async for each in source.stock()} >= {"RECEIVING", "STAGING"}
        shown = [each async for each in source.booked(transaction(1).clock.wall)]
    assert [(each.reference, each.quantity) for each in shown] == [
        *((str(name(seq)), Decimal(amount)) for seq, amount in enumerate((4, 1, 7, 7, 2), start=1))
    ]
    assert {each.state for each in shown} == {"booked"}


async def test_what_was_booked_is_read_from_a_time_on_in_pages(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'stock.db'}"
    config = sql.Config(connector="sql", url=SecretStr(url))
    old = CLOCK.model_copy(update={"wall": CLOCK.wall - timedelta(days=9)})
    unset = old.model_copy(update={"synchronised": False})
    every = [transaction(seq, event) for seq, (event, _) in enumerate(EVERY_EVENT, start=1)]
    many = [transaction(seq) for seq in range(101, 501)]
    late = transaction(901).model_copy(update={"clock": old})
    lost = transaction(902).model_copy(update={"clock": unset})
    async with sql.connect(config) as target:
        await target.deliver_many([*every, *many, late, lost], again=False)
    async with sql.read(config) as source:
        found = [each async for each in source.booked(CLOCK.wall)]
    assert [each.reference for each in found] == [str(each.id) for each in (*every, *many, lost)], (
        "each once, but for what a station with a good clock said before"
    )
    for each, given in zip(found, every, strict=False):
        quantity, _ = amount(plain(given)["event"])
        assert quantity in {None, each.quantity}, given.event
