import contextlib
import doctest
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bridge import tally
from bridge.amendment import Amended
from bridge.connector import Found
from bridge.connectors.odoo import Config, calls, connect, document, json2, read, records
from bridge.connectors.odoo.plan import Fill, Make, Move
from bridge.errors import SourceFailed
from bridge.outcome import Outcome, Posted, Refused, TryLater
from contract.reference import Pack as PackOfItem
from contract.transactions import (
    Adjustment,
    Assembly,
    Count,
    Event,
    Pack,
    Package,
    Pick,
    Putaway,
    Receipt,
    Return,
    Shipment,
    Transaction,
    Transfer,
)
from contract.values import Document, Item, Line, Quantity
from tests.bridge.connectors.suite import ConnectorSuite, Stage, transaction
from tests.bridge.goods import COUNTED, SKUS, event_of, some
from tests.bridge.streams import lines
from tests.fakes.odoo import Erp
from tests.fakes.vendor import Faults

KEY = "6578616d706c65206a736f6e20617069206b6579"
PLENTY = dict.fromkeys(SKUS, 10_000)
STEPS = ("pick", "pack", "out")


def config_of(url: str, folder: Path, **more: Any) -> Config:
    key = folder / "key"
    if folder.exists():
        key.write_text(KEY)
    return Config.model_validate(
        {
            "connector": "odoo",
            "url": url,
            "database": "house",
            "api_key_file": key,
            "warehouse": "WH",
            "delivery": "pick_pack_ship",
            "losses": {"broken": "Scrap"},
            "http": {"timeout": 20, "settle": 0.1},
            **more,
        }
    )


def stocked(erp: Erp) -> None:
    erp.shelve("DOCK", "A-01", "A-02", "B-01")
    for sku in (*SKUS, COUNTED, "KIT"):
        erp.sell(sku)
    for number in range(1, 4):
        erp.order(f"P0000{number}", ("in",), **PLENTY)
        erp.order(f"S0000{number}", STEPS, **PLENTY)


def odoo_clerk(given: Iterable[Transaction]) -> dict[str, Decimal]:
    """What Odoo must have on hand in the house, added up by hand."""
    hand: Counter[str] = Counter()

    def add(rows: Sequence[Line], place: str | None, sign: int) -> None:
        for row in rows:
            hand[f"{row.item.sku} at {place}"] += sign * row.quantity.value  # type: ignore[assignment]

    for each in given:
        match each.event:
            case Receipt() | Return() as event:
                add(event.lines, event.to_location or "Stock", 1)
            case Putaway() | Transfer() as event:
                add(event.lines, event.from_location or "Stock", -1)
                add(event.lines, event.to_location, 1)
            case Pick() as event:
                add(event.lines, event.from_location or "Stock", -1)
                add(event.lines, "Output", 1)
            case Shipment() as event:
                add(event.lines, event.from_location or "Output", -1)
            case Adjustment() as event:
                add(event.lines, event.location, 1 if event.direction == "increase" else -1)
            case Count() as event:
                for row in event.lines:
                    hand[f"{row.item.sku} at {event.location}"] = int(row.quantity.value)
            case Assembly() as event:
                add(event.consumed, event.location or "Stock", -1)
                add(event.produced, event.location or "Stock", 1)
    return {name: Decimal(amount) for name, amount in hand.items() if amount}


class TestOfOdoo(ConnectorSuite):
    name = "odoo"
    secrets = (KEY,)
    many = 30

    def config(self, url: str, folder: Path) -> Config:
        return config_of(url, folder)

    @contextlib.asynccontextmanager
    async def serving(self, folder: Path, faults: Faults) -> AsyncIterator[Stage]:
        async with Erp(faults, KEY, "house").serving() as erp:
            stocked(erp)
            yield Stage(self.config(erp.url, folder), lambda: erp.effects, erp.on_hand, erp)

    def event(self, kind: str, rng: random.Random) -> Event:
        order = rng.randint(1, 3)
        sold = (Document(kind="so", number=f"S0000{order}"),)
        match kind:
            case "receipt":
                bought = (Document(kind="po", number=f"P0000{order}"),)
                documents = rng.choice([(), bought])
                place = rng.choice([None, "DOCK"])
                return Receipt(lines=some(rng), documents=documents, to_location=place)
            case "pick":
                return Pick(lines=some(rng), documents=sold, from_location="A-01")
            case "pack":
                return Pack(lines=some(rng), documents=sold)
            case "shipment":
                return Shipment(packages=(Package(),), lines=some(rng), documents=sold)
            case "adjustment":
                event = event_of(kind, rng)
                reason = rng.choice(["broken", "found"])
                return event.model_copy(update={"reason": reason})
        return event_of(kind, rng)

    def expected(self, given: Sequence[Transaction]) -> Mapping[str, Any]:
        return odoo_clerk(given)


@pytest.mark.parametrize("module", [tally, records])
def test_what_is_written_in_docstrings_holds(module: Any) -> None:
    assert doctest.testmod(module).failed == 0


# --- What a transaction is in Odoo ---

PO = (Document(kind="po", number="P00001"),)
SO = (Document(kind="so", number="S00001"),)


def plan_of(event: Event, tmp_path: Path, **more: Any) -> Any:
    return document(transaction(1, event), config_of("https://x.example", tmp_path, **more))


def kilograms(sku: str, value: str) -> tuple[Line, ...]:
    return (Line(item=Item(sku=sku), quantity=Quantity(value=value, unit="KGM")),)


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (Receipt(lines=lines(quantity="0")), "contract"),
        (Receipt(lines=lines(quantity="12345678901.123456789")), "contract"),
        (
            Receipt(lines=(Line(item=Item(sku="A"), quantity=Quantity(value="1", unit="XBX")),)),
            "unsupported",
        ),
        (Receipt(lines=lines(), documents=SO), "unknown_document"),
        (Receipt(lines=lines(), documents=(*PO, Document(kind="po", number="P2"))),
         "unknown_document"),
        (Receipt(lines=lines(), documents=(Document(kind="desadv", number="1"),)),
         "unknown_document"),
        (Shipment(packages=(Package(),), lines=lines()), "unknown_document"),
        (Adjustment(lines=lines(), direction="increase", reason="found"), "unknown_location"),
        (Assembly(produced=lines("KIT") + lines("NUT-8"), consumed=lines()), "unsupported"),
        (Assembly(produced=lines("KIT"), consumed=lines(lot="L1")), "unsupported"),
        (
            Assembly(
                produced=lines("KIT"),
                consumed=lines(),
                documents=(Document(kind="prodorder", number="WH/MO/1"),),
            ),
            "unsupported",
        ),
    ],
)  # fmt: skip
def test_what_odoo_cannot_be_told_is_refused(event: Event, code: str, tmp_path: Path) -> None:
    refused = plan_of(event, tmp_path)
    assert isinstance(refused, Refused)
    assert refused.code == code


@pytest.mark.parametrize(
    ("delivery", "kinds"),
    [("ship_only", set()), ("pick_ship", {"pick"}), ("pick_pack_ship", {"pick", "pack"})],
)
def test_a_step_that_is_no_document_of_the_warehouse_is_refused(
    delivery: str, kinds: set[str], tmp_path: Path
) -> None:
    booked = {
        event.type
        for event in (Pick(lines=lines(), documents=SO), Pack(lines=lines(), documents=SO))
        if isinstance(plan_of(event, tmp_path, delivery=delivery), Fill)
    }
    assert booked == kinds


def test_labels_of_one_lot_are_added_up(tmp_path: Path) -> None:
    rows = lines(quantity="2.5", lot="L1") + lines(quantity="0.5", lot="L1") + lines(lot="L2")
    plan = plan_of(Receipt(lines=rows), tmp_path)
    assert isinstance(plan, Move)
    assert [(each.lot, each.amount) for each in plan.goods] == [("L1", 3), ("L2", 2)]


def test_an_assembly_is_one_order_of_the_bridge_s_own(tmp_path: Path) -> None:
    plan = plan_of(Assembly(produced=lines("KIT", "1"), consumed=lines()), tmp_path)
    assert isinstance(plan, Make)
    assert plan.name.startswith("SP/")


def test_the_calls_of_a_dry_run_say_what_only_odoo_knows(tmp_path: Path) -> None:
    event = Receipt(lines=lines(lot="L1"), documents=PO)
    said = calls(transaction(1, event), config_of("https://x.example", tmp_path))
    assert [call.target.rpartition("/")[2] for call in said] == [
        *("search_read", "write", "button_validate"),
    ]
    assert "<lot L1>" in said[1].body


# --- What comes of it ---


@pytest.fixture
async def erp() -> AsyncIterator[Erp]:
    async with Erp(key=KEY, database="house").serving() as vendor:
        stocked(vendor)
        yield vendor
        assert not vendor.problems


async def deliver(
    erp: Erp, folder: Path, *values: Transaction, again: bool = False, **more: Any
) -> list[Outcome]:
    async with connect(config_of(erp.url, folder, **more)) as connector:
        return [await connector.deliver(value, again=again) for value in values]


def bodies(erp: Erp, method: str) -> list[dict[str, Any]]:
    return [json.loads(seen.body) for seen in erp.seen if seen.path.endswith(f"/{method}")]


async def test_a_part_of_an_order_is_received_and_the_rest_is_a_backorder(
    erp: Erp, tmp_path: Path
) -> None:
    erp.sell("SERUM", tracking="lot")
    erp.order("P00009", ("in",), SERUM=100, **{"BOLT-8": 5})
    some_of_it = Receipt(
        lines=lines("SERUM", "40", lot="L1") + lines("SERUM", "20", lot="L2"),
        documents=(Document(kind="po", number="P00009"),),
        to_location="DOCK",
    )
    [first] = await deliver(erp, tmp_path, transaction(1, some_of_it))
    assert isinstance(first, Posted)
    assert first.document.startswith("WH/IN/")
    assert first.document.endswith(f"SP/{transaction(1, some_of_it).id}")
    assert erp.on_hand() == {"SERUM/L1 at DOCK": 40, "SERUM/L2 at DOCK": 20}
    [rest] = [
        row
        for row in erp.tables["stock.picking"].values()
        if row["origin"] == "P00009" and row["state"] != "done"
    ]
    assert "SP/" not in rest["name"]
    owed = [erp.tables["stock.move"][move] for move in rest["move_ids"]]
    assert sorted(move["product_uom_qty"] for move in owed) == [5, 40]


async def test_more_than_was_ordered_is_refused_until_somebody_accepts_it(
    erp: Erp, tmp_path: Path
) -> None:
    erp.order("P00009", ("in",), **{"BOLT-8": 5})
    event = Receipt(lines=lines(quantity="7"), documents=(Document(kind="po", number="P00009"),))
    value = transaction(1, event)
    [refused] = await deliver(erp, tmp_path, value)
    assert isinstance(refused, Refused)
    assert refused.code == "over_receipt"
    accepted = Amended(**dict(value), accepts=frozenset({"over_receipt"}))
    [posted] = await deliver(erp, tmp_path, accepted)
    assert isinstance(posted, Posted)
    assert erp.on_hand() == {"BOLT-8 at Stock": 7}


async def test_a_transfer_that_was_filled_and_not_finished_is_finished(
    erp: Erp, tmp_path: Path
) -> None:
    value = transaction(1, Receipt(lines=lines(), documents=PO))
    erp.faults.next = ["", "throttled"]
    [later] = await deliver(erp, tmp_path, value)
    assert isinstance(later, TryLater)
    [posted, same] = await deliver(erp, tmp_path, value, value)
    assert isinstance(posted, Posted)
    assert same == posted
    assert erp.on_hand() == {"BOLT-8 at Stock": 2}


async def test_what_another_transaction_has_filled_is_not_taken(erp: Erp, tmp_path: Path) -> None:
    first, second = (
        transaction(n, Receipt(lines=lines(), documents=PO)) for n in (1, 2)
    )  # fmt: skip
    erp.faults.next = ["", "throttled"]
    [later] = await deliver(erp, tmp_path, first)
    assert isinstance(later, TryLater)
    [refused] = await deliver(erp, tmp_path, second)
    assert isinstance(refused, Refused)
    assert refused.code == "unknown_document"


async def test_a_cancelled_transfer_is_left_to_a_person(erp: Erp, tmp_path: Path) -> None:
    value = transaction(1, Transfer(lines=lines(), from_location="A-01", to_location="B-01"))
    erp.put("stock.picking", name=f"SP/{value.id}", state="cancel")
    [refused] = await deliver(erp, tmp_path, value)
    assert isinstance(refused, Refused)
    assert refused.code == "needs_human"


async def test_what_stays_in_its_place_makes_no_transfer(erp: Erp, tmp_path: Path) -> None:
    value = transaction(1, Transfer(lines=lines(), from_location="A-01", to_location="A-01"))
    assert await deliver(erp, tmp_path, value) == [Posted("")]
    assert not bodies(erp, "create")


async def test_a_question_of_odoo_s_is_left_to_a_person(erp: Erp, tmp_path: Path) -> None:
    erp.asks = [{"res_model": "expiry.picking.confirmation", "type": "ir.actions.act_window"}]
    value = transaction(1, Receipt(lines=lines()))
    [refused] = await deliver(erp, tmp_path, value)
    assert isinstance(refused, Refused)
    assert refused.code == "needs_human"
    assert "expiry.picking.confirmation" in refused.text
    [posted] = await deliver(erp, tmp_path, value)
    assert isinstance(posted, Posted)


async def test_a_shipment_without_lines_sends_what_odoo_reserved(erp: Erp, tmp_path: Path) -> None:
    event = Shipment(packages=(Package(tracking="1Z"), Package(tracking="2Z")), documents=SO)
    field = "carrier_tracking_ref"
    [posted] = await deliver(erp, tmp_path, transaction(1, event), tracking_field=field)
    assert isinstance(posted, Posted)
    assert erp.on_hand() == {f"{sku} at Output": -10_000 for sku in SKUS}
    [written] = bodies(erp, "write")
    assert written["vals"]["carrier_tracking_ref"] == "1Z, 2Z"


async def test_serial_numbers_are_one_piece_each(erp: Erp, tmp_path: Path) -> None:
    erp.sell("DRILL", tracking="serial")
    two = lines("DRILL", "1", serial="S1") + lines("DRILL", "1", serial="S2")
    [posted, refused, nameless] = await deliver(
        erp,
        tmp_path,
        transaction(1, Receipt(lines=two)),
        transaction(2, Receipt(lines=lines("DRILL", "2", serial="S3"))),
        transaction(3, Receipt(lines=lines("DRILL", "1"))),
    )
    assert isinstance(posted, Posted)
    assert erp.on_hand() == {"DRILL/S1 at Stock": 1, "DRILL/S2 at Stock": 1}
    assert isinstance(refused, Refused)
    assert refused.code == "contract"
    assert isinstance(nameless, Refused)
    assert nameless.code == "lot_required"


async def test_a_lot_that_odoo_never_saw_cannot_leave(erp: Erp, tmp_path: Path) -> None:
    erp.sell("SERUM", tracking="lot")
    moved = Transfer(lines=lines("SERUM", lot="L9"), from_location="A-01", to_location="B-01")
    [refused] = await deliver(erp, tmp_path, transaction(1, moved))
    assert isinstance(refused, Refused)
    assert "L9" in refused.text


async def test_fractions_are_kept_as_far_as_odoo_keeps_them(erp: Erp, tmp_path: Path) -> None:
    erp.sell("FLOUR", unit=erp.kilogram)
    [posted, refused, other] = await deliver(
        erp,
        tmp_path,
        transaction(1, Receipt(lines=kilograms("FLOUR", "1.25") + kilograms("FLOUR", "0.10"))),
        transaction(2, Receipt(lines=kilograms("FLOUR", "1.255"))),
        transaction(3, Receipt(lines=lines("FLOUR"))),
    )
    assert isinstance(posted, Posted)
    assert erp.on_hand() == {"FLOUR at Stock": Decimal("1.35")}
    assert isinstance(refused, Refused)
    assert refused.code == "contract"
    assert isinstance(other, Refused)
    assert other.code == "unsupported"


async def test_an_item_is_found_by_its_gtin_with_or_without_zeros(erp: Erp, tmp_path: Path) -> None:
    erp.sell("TEA", barcode="4012345678901")
    by_gtin = Line(item=Item(gtin="04012345678901"), quantity=Quantity(value=Decimal(2)))
    [posted] = await deliver(erp, tmp_path, transaction(1, Receipt(lines=(by_gtin,))))
    assert isinstance(posted, Posted)
    assert erp.on_hand() == {"TEA at Stock": 2}


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (Receipt(lines=lines("GHOST")), "unknown_sku"),
        (Receipt(lines=lines(), to_location="Z-99"), "unknown_location"),
        (Receipt(lines=lines(), documents=(Document(kind="po", number="P7"),)), "unknown_document"),
        (Receipt(lines=lines(COUNTED), documents=PO), "unknown_sku"),
    ],
)
async def test_what_odoo_does_not_have_is_refused(
    erp: Erp, tmp_path: Path, event: Event, code: str
) -> None:
    [refused] = await deliver(erp, tmp_path, transaction(1, event))
    assert isinstance(refused, Refused)
    assert refused.code == code
    assert not bodies(erp, "create")


async def test_an_order_that_is_not_confirmed_is_refused(erp: Erp, tmp_path: Path) -> None:
    order = erp.order("P00009", ("in",), **{"BOLT-8": 5})
    erp.tables["purchase.order"][order]["state"] = "draft"
    event = Receipt(lines=lines(), documents=(Document(kind="po", number="P00009"),))
    [refused] = await deliver(erp, tmp_path, transaction(1, event))
    assert isinstance(refused, Refused)
    assert refused.code == "unknown_document"


async def test_a_count_that_stock_moved_under_is_counted_against_what_is_there_then(
    erp: Erp, tmp_path: Path
) -> None:
    erp.asks = [{"res_model": "stock.inventory.conflict"}]
    value = transaction(1, Count(lines=lines(quantity="0") + lines("NUT-8", "3"), location="A-01"))
    [later] = await deliver(erp, tmp_path, value)
    assert isinstance(later, TryLater)
    [posted] = await deliver(erp, tmp_path, value)
    assert isinstance(posted, Posted)
    assert erp.on_hand() == {"NUT-8 at A-01": 3}


async def test_an_odoo_without_manufacturing_refuses_assemblies_alone(
    erp: Erp, tmp_path: Path
) -> None:
    erp.modules = set()
    made = Assembly(produced=lines("KIT", "1"), consumed=lines())
    [refused, posted] = await deliver(
        erp, tmp_path, transaction(1, made), transaction(2, Receipt(lines=lines()))
    )
    assert isinstance(refused, TryLater | Refused)
    assert isinstance(posted, Posted)


async def test_a_key_that_ended_waits_for_a_new_one(erp: Erp, tmp_path: Path) -> None:
    config = config_of(erp.url, tmp_path)
    config.api_key_file.write_text("another-key")
    async with connect(config) as connector:
        outcome = await connector.deliver(transaction(1, Receipt(lines=lines())), again=False)
        assert isinstance(outcome, TryLater)
        assert outcome.needs == "login"
        config.api_key_file.write_text(KEY)
        outcome = await connector.deliver(transaction(1, Receipt(lines=lines())), again=False)
        assert isinstance(outcome, Posted)


def test_a_body_is_the_same_each_time() -> None:
    assert json2.body({"vals": {}}, [7], {"a": 1}) == (
        '{"ids": [7], "context": {"lang": "en_US", "a": 1}, "vals": {}}'
    )


# --- What stations may know ---


async def test_stations_know_what_odoo_knows(erp: Erp, tmp_path: Path) -> None:
    erp.sell("TEA", barcode="4012345678901", tracking="lot")
    erp.sell("FLOUR", unit=erp.kilogram, barcode="HOUSE-7")
    erp.sell("DRILL", tracking="serial", unit=erp.put("uom.uom", name="Dozen", rounding=0.01))
    async with read(config_of(erp.url, tmp_path)) as source:
        items = {each.sku: each async for each in source.items()}
        orders = {each.number: each async for each in source.documents()}
        places = {each.name async for each in source.locations()}
    assert "DRILL" not in items
    assert items["TEA"].packs == (PackOfItem(gtin="04012345678901"),)
    assert (items["TEA"].lot, items["TEA"].unit) == (True, "EA")
    assert (items["FLOUR"].codes, items["FLOUR"].unit) == (("HOUSE-7",), "KGM")
    assert set(orders) == {*(f"P0000{n}" for n in (1, 2, 3)), *(f"S0000{n}" for n in (1, 2, 3))}
    assert orders["P00001"].document == "po"
    assert orders["P00001"].partner == "Bolt & Co"
    assert {line.sku: line.quantity for line in orders["P00001"].lines} == PLENTY
    assert places == {"DOCK", "A-01", "A-02", "B-01", "WH-STOCK", "WH-OUTPUT"}


async def test_stock_and_bookings_are_read_back(erp: Erp, tmp_path: Path) -> None:
    made = [
        transaction(1, Receipt(lines=lines(), documents=PO, to_location="DOCK")),
        transaction(2, Count(lines=lines(COUNTED, "7"), location="A-01")),
        transaction(3, Assembly(produced=lines("KIT", "1"), consumed=lines(), location="DOCK")),
        transaction(4, Transfer(lines=lines(), from_location="DOCK", to_location="B-01")),
    ]
    erp.faults.next = ["", "", "", "", "", "", "", "", "throttled"]
    outcomes = await deliver(erp, tmp_path, *made)
    assert isinstance(outcomes[-1], TryLater)
    async with read(config_of(erp.url, tmp_path)) as source:
        stock = {(each.sku, each.location): each.quantity async for each in source.stock()}
        booked = [each async for each in source.booked(datetime(2026, 1, 1, tzinfo=UTC))]
        later = [each async for each in source.booked(datetime(2027, 1, 1, tzinfo=UTC))]
    assert stock == {
        ("BOLT-8", "DOCK"): 0,
        ("SCREW", "A-01"): 7,
        ("KIT", "DOCK"): 1,
    }
    states: dict[str, Found] = {each.reference: each for each in booked}
    assert [states[str(each.id)].state for each in made] == [*["booked"] * 3, "draft"]
    assert not later


async def test_a_source_that_cannot_be_asked_says_so(erp: Erp, tmp_path: Path) -> None:
    config = config_of(erp.url, tmp_path)
    config.api_key_file.write_text("another-key")
    async with read(config) as source:
        with pytest.raises(SourceFailed, match="Invalid apikey"):
            [each async for each in source.items()]
