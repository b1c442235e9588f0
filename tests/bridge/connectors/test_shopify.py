import contextlib
import doctest
import itertools
import json
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from graphql import parse, validate
from graphql.execution.values import get_variable_values
from graphql.language import OperationDefinitionNode
from pydantic import ValidationError

from bridge.connectors.shopify import CAPABILITIES, Config, calls, connect, document, probe, target
from bridge.connectors.shopify.changes import Adjust, Fulfil, SetAside
from bridge.connectors.shopify.graphql import ADJUST, FULFIL, MOVE, ORDER, SET, SHOP, VARIANTS
from bridge.http import Stopped
from bridge.outcome import Outcome, Posted, Refused, TryLater, Unknown
from contract.transactions import (
    Adjustment,
    Assembly,
    Count,
    Event,
    Package,
    Putaway,
    Receipt,
    Return,
    Shipment,
    Transaction,
    Transfer,
)
from contract.values import Document, Item, Line, Quantity
from tests.bridge.connectors.suite import ConnectorSuite, Stage, transaction
from tests.bridge.goods import COUNTED, SKUS, event_of, line, some
from tests.bridge.streams import lines
from tests.fakes.shopify import LOCATION, Shop
from tests.fakes.shopify_contract import VERSIONS, schema
from tests.fakes.vendor import Faults

TOKEN = "shpat_0123456789abcdef"
HOUSE, ANNEX, STORE = (f"{LOCATION}{n}" for n in (1, 2, 3))
PLACES = {"B-01": ANNEX, "STORE": STORE}
STATES = {"returned": "quality_control", "damaged": "damaged", "sellable_accessible": "available"}


def config_of(url: str, folder: Path, **more: Any) -> Config:
    token = folder / "token"
    if folder.exists():
        token.write_text(TOKEN)
    return Config.model_validate(
        {
            "connector": "shopify",
            "url": url,
            "token_file": token,
            "location": HOUSE,
            "locations": PLACES,
            "counted_whole": ["STORE"],
            "reasons": {"lost": "shrinkage"},
            "set_aside": {"broken": "damaged"},
            "http": {"timeout": 20, "settle": 0.1},
            **more,
        }
    )


def stocked(vendor: Shop) -> None:
    for sku in (*SKUS, COUNTED, "KIT"):
        vendor.sell(sku)
    for number in range(1001, 1004):
        vendor.order(f"#{number}", HOUSE, **dict.fromkeys(SKUS, 10_000))


def on_hand(vendor: Shop) -> dict[str, int]:
    names = {each["inventoryItem"]["id"]: each["sku"] for each in vendor.variants}
    hand = {
        f"{names[item]} {state} at {location}": pieces
        for (item, state, location), pieces in vendor.stock.items()
        if pieces
    }
    gone = {f"{names[item]} of {order}": pieces for (order, item), pieces in vendor.shipped.items()}
    return hand | {name: pieces for name, pieces in gone.items() if pieces}


def shop_clerk(given: Iterable[Transaction]) -> dict[str, int]:  # noqa: C901 - a case for each
    """What the shop must show, added up by hand."""
    hand: Counter[str] = Counter()

    def add(rows: Sequence[Line], state: str, place: str | None, sign: int) -> None:
        for row in rows:
            where = PLACES.get(place or "", HOUSE)
            hand[f"{row.item.sku} {state} at {where}"] += sign * int(row.quantity.value)

    for each in given:
        match each.event:
            case Receipt() as event:
                add(event.lines, "available", event.to_location, 1)
            case Return() as event:
                add(event.lines, STATES[event.disposition], event.to_location, 1)
            case Putaway() | Transfer() as event:
                add(event.lines, "available", event.from_location, -1)
                add(event.lines, "available", event.to_location, 1)
            case Adjustment(direction="increase") as event:
                add(event.lines, "available", event.location, 1)
            case Adjustment() as event:
                add(event.lines, "available", event.location, -1)
                if event.reason == "broken":
                    add(event.lines, "damaged", event.location, 1)
            case Count() as event:
                for row in event.lines:
                    hand[f"{row.item.sku} available at {STORE}"] = int(row.quantity.value)
            case Assembly() as event:
                add(event.consumed, "available", event.location, -1)
                add(event.produced, "available", event.location, 1)
            case Shipment() as event:
                for row in event.lines:
                    number = event.documents[0].number
                    hand[f"{row.item.sku} of #{number}"] += int(row.quantity.value)
    return {name: pieces for name, pieces in hand.items() if pieces}


class TestOfShopify(ConnectorSuite):
    name = "shopify"
    secrets = (TOKEN,)

    def config(self, url: str, folder: Path) -> Config:
        return config_of(url, folder)

    @contextlib.asynccontextmanager
    async def serving(self, folder: Path, faults: Faults) -> AsyncIterator[Stage]:
        async with Shop(faults, TOKEN).serving() as vendor:
            stocked(vendor)

            def effects() -> Mapping[str, int]:
                return {
                    name.removeprefix("gid://scanpost/Transaction/"): often
                    for name, often in vendor.effects.items()
                }

            yield Stage(self.config(vendor.url, folder), effects, lambda: on_hand(vendor), vendor)

    def effect_of(self, value: Transaction) -> str:
        match value.event:
            case Shipment(packages=(Package(tracking=str(number)), *_)):
                return number
        return str(value.id)

    def event(self, kind: str, rng: random.Random) -> Event:
        match kind:
            case "putaway":
                return Putaway(lines=some(rng), from_location="DOCK", to_location="B-01")
            case "transfer":
                return Transfer(lines=some(rng), from_location="B-01", to_location="A-01")
            case "count":
                return Count(lines=(line(rng, COUNTED),), location="STORE")
            case "return":
                disposition = rng.choice(sorted(STATES))
                return Return.model_validate({"lines": some(rng), "disposition": disposition})
            case "adjustment":
                way = rng.choice(["increase", "decrease"])
                reason = rng.choice(["lost", "broken", "found"])
                return Adjustment.model_validate(
                    {"lines": some(rng), "direction": way, "reason": reason}
                )
            case "shipment":
                number = rng.choice(["1001", "1002", "1003"])
                parcel = Package(tracking=f"1Z{rng.randrange(10**12)}")
                order = (Document(kind="so", number=number),)
                return Shipment(packages=(parcel,), lines=some(rng), documents=order)
        return event_of(kind, rng)

    def expected(self, given: Sequence[Transaction]) -> Mapping[str, Any]:
        return shop_clerk(given)


# --- Shopify's own schema ---


@pytest.mark.parametrize("version", VERSIONS)
def test_every_operation_fits_every_version_of_shopify_s_schema(
    version: str, tmp_path: Path
) -> None:
    judge = schema(version)
    if judge is None:
        pytest.skip("no npm, or it does not reach: Shopify's schema is not here")
    for query in (ADJUST, MOVE, SET, FULFIL, VARIANTS, ORDER, SHOP):
        assert not validate(judge, parse(query))
    suite, rng = TestOfShopify(), random.Random(4)
    config = config_of("https://x.example", tmp_path)
    seen = set()
    for kind, _ in itertools.product(sorted(CAPABILITIES.books), range(6)):
        for call in calls(transaction(1, suite.event(kind, rng)), config):
            # How many of which line only the order knows
            asked = json.loads(re.sub(r'"quantity": "<[^"]*>"', '"quantity": 1', call.body))
            [operation] = parse(asked["query"]).definitions
            assert isinstance(operation, OperationDefinitionNode)
            definitions = operation.variable_definitions or ()
            got = get_variable_values(judge, definitions, asked["variables"])
            assert not isinstance(got, list), got
            seen.add(asked["query"])
    assert seen >= {ADJUST, MOVE, SET, FULFIL}


def test_the_judge_finds_what_is_wrong() -> None:
    judge = schema("2026-10")
    if judge is None:
        pytest.skip("no npm, or it does not reach: Shopify's schema is not here")
    assert validate(judge, parse(ADJUST.replace("userErrors", "userError")))
    assert validate(judge, parse(FULFIL.replace("$fulfillment)", "$fulfillment) @idempotent")))


# --- What a transaction changes ---


def plan_of(event: Event, tmp_path: Path, **more: Any) -> Any:
    return document(transaction(1, event), config_of("https://x.example", tmp_path, **more))


def test_lines_of_one_item_are_one_change(tmp_path: Path) -> None:
    plan = plan_of(Receipt(lines=lines() + lines(quantity="3")), tmp_path)
    assert isinstance(plan, Adjust)
    [change] = plan.changes
    assert (change.pieces, change.location, plan.why) == (5, HOUSE, "received")


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (Receipt(lines=lines(quantity="2.5")), "contract"),
        (
            Receipt(lines=(Line(item=Item(sku="A"), quantity=Quantity(value="2", unit="KGM")),)),
            "contract",
        ),
        (Receipt(lines=lines(quantity="0")), "contract"),
        (Receipt(lines=lines(quantity="2000000001")), "contract"),
        (Count(lines=lines(), location="A-01"), "unsupported"),
        (Shipment(packages=(Package(tracking="1Z"),)), "unknown_document"),
        (Shipment(packages=(Package(),), documents=(Document(kind="so", number="1"),)), "contract"),
    ],
)
def test_what_shopify_cannot_say_is_refused(event: Event, code: str, tmp_path: Path) -> None:
    refused = plan_of(event, tmp_path)
    assert isinstance(refused, Refused)
    assert refused.code == code


def test_what_stays_within_a_shopify_location_is_nothing_to_shopify(tmp_path: Path) -> None:
    event = Transfer(lines=lines(), from_location="A-01", to_location="A-02")
    assert plan_of(event, tmp_path) == Posted("")


def test_zero_is_a_finding(tmp_path: Path) -> None:
    plan = plan_of(Count(lines=lines(quantity="0"), location="STORE"), tmp_path)
    assert [change.pieces for change in plan.changes] == [0]


def test_goods_set_aside_stay_in_the_house(tmp_path: Path) -> None:
    event = Adjustment(lines=lines(), direction="decrease", reason="broken")
    plan = plan_of(event, tmp_path)
    assert isinstance(plan, SetAside)
    assert plan.state == "damaged"


def test_parcels_are_told_apart_by_tracking_number_or_sscc(tmp_path: Path) -> None:
    parcels = (Package(tracking="1Z"), Package(sscc="340123450000000017"), Package(tracking="1Z"))
    event = Shipment(packages=parcels, documents=(Document(kind="so", number="#7"),))
    plan = plan_of(event, tmp_path)
    assert isinstance(plan, Fulfil)
    assert (plan.order, plan.numbers) == ("7", ("1Z", "340123450000000017"))


@pytest.mark.parametrize("wrong", [{"version": "2026-01"}, {"location": "1"}, {"key_hours": 0}])
def test_settings_that_do_not_fit_are_refused(wrong: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        config_of("https://x.example", tmp_path, **wrong)


# --- What comes of it ---


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with Shop(token=TOKEN).serving() as vendor:
        stocked(vendor)
        yield vendor
        assert not vendor.problems


async def deliver(
    shop: Shop, folder: Path, *values: Transaction, again: bool = False, **more: Any
) -> list[Outcome]:
    async with connect(config_of(shop.url, folder, **more)) as connector:
        return [await connector.deliver(value, again=again) for value in values]


async def test_an_item_is_found_by_its_gtin_with_or_without_zeros(
    shop: Shop, tmp_path: Path
) -> None:
    shop.sell("TEA", "4012345678901")
    shop.sell("OTHER", "94012345678901")
    by_gtin = Line(item=Item(gtin="04012345678901"), quantity=Quantity(value="2"))
    both = Receipt(lines=(by_gtin, *lines("TEA", "3")))
    [outcome] = await deliver(shop, tmp_path, transaction(1, both))
    assert isinstance(outcome, Posted)
    assert on_hand(shop) == {f"TEA available at {HOUSE}": 5}


@pytest.mark.parametrize("often", [0, 2])
async def test_an_item_that_is_not_there_once_is_refused(
    shop: Shop, tmp_path: Path, often: int
) -> None:
    shop.sell("GHOST-2")  # Shopify's search finds it for GHOST, too
    for _ in range(often):
        shop.sell("GHOST")
    [outcome] = await deliver(shop, tmp_path, transaction(1, Receipt(lines=lines("GHOST"))))
    assert isinstance(outcome, Refused)
    assert outcome.code == "unknown_sku"


async def test_a_key_that_failed_is_followed_by_the_next(shop: Shop, tmp_path: Path) -> None:
    """A person mends what was wrong, and the same transaction is sent again."""
    shop.declines = ["INVALID_INVENTORY_ITEM"]
    value = transaction(1, Receipt(lines=lines()))
    [refused] = await deliver(shop, tmp_path, value)
    assert isinstance(refused, Refused)
    [posted, same] = await deliver(shop, tmp_path, value, value)
    assert isinstance(posted, Posted)
    assert same == posted
    assert on_hand(shop) == {f"BOLT-8 available at {HOUSE}": 2}


async def test_other_content_under_a_key_that_booked_is_never_booked_again(
    shop: Shop, tmp_path: Path
) -> None:
    value = transaction(1, Receipt(lines=lines()))
    more = value.model_copy(update={"event": Receipt(lines=lines(quantity="3"))})
    await deliver(shop, tmp_path, value)
    [outcome] = await deliver(shop, tmp_path, more, again=True)
    assert isinstance(outcome, Refused)
    assert on_hand(shop) == {f"BOLT-8 available at {HOUSE}": 2}


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("IDEMPOTENCY_CONCURRENT_REQUEST", Unknown),
        ("SERVICE_UNAVAILABLE", TryLater),
        ("CHANGE_FROM_QUANTITY_STALE", TryLater),
        ("INVALID_LOCATION", TryLater),
        ("INVALID_INVENTORY_ITEM", Refused),
        ("NON_MUTABLE_INVENTORY_ITEM", Refused),
        ("SOMETHING_NEW", Refused),
    ],
)
async def test_a_user_error_is_sorted_by_who_acts(
    shop: Shop, tmp_path: Path, code: str, kind: type
) -> None:
    shop.declines = [code]
    value = transaction(1, Receipt(lines=lines()))
    [outcome, then] = await deliver(shop, tmp_path, value, value)
    assert isinstance(outcome, kind)
    assert isinstance(then, Posted)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("THROTTLED", TryLater),
        ("ACCESS_DENIED", TryLater),
        ("INTERNAL_SERVER_ERROR", TryLater),
        ("undefinedField", TryLater),
    ],
)
async def test_an_error_of_the_whole_request_while_looking_up_is_tried_later(
    shop: Shop, tmp_path: Path, code: str, kind: type
) -> None:
    shop.errors = [{"message": "no", "extensions": {"code": code}}]
    [outcome] = await deliver(shop, tmp_path, transaction(1, Receipt(lines=lines())))
    assert isinstance(outcome, kind)


@pytest.mark.parametrize(
    ("code", "kind"),
    [("INTERNAL_SERVER_ERROR", Unknown), ("undefinedField", Refused), ("THROTTLED", TryLater)],
)
async def test_an_error_of_the_whole_request_while_writing(
    shop: Shop, tmp_path: Path, code: str, kind: type
) -> None:
    first, second = (transaction(n, Receipt(lines=lines())) for n in (1, 2))
    async with connect(config_of(shop.url, tmp_path)) as connector:
        assert isinstance(await connector.deliver(first, again=False), Posted)
        shop.errors = [{"message": "no", "extensions": {"code": code}}]  # the item is known by now
        assert isinstance(await connector.deliver(second, again=False), kind)


async def test_a_throttled_request_says_when_there_is_room_again(
    shop: Shop, tmp_path: Path
) -> None:
    shop.faults.next = ["refused_with_200"]
    [outcome] = await deliver(shop, tmp_path, transaction(1, Receipt(lines=lines())))
    assert outcome == TryLater("Shopify answered THROTTLED: Throttled", 0.05)


async def test_what_may_be_booked_longer_ago_than_a_key_lives_is_left_to_a_person(
    shop: Shop, tmp_path: Path
) -> None:
    value = transaction(1, Receipt(lines=lines()))
    wall = datetime.now(UTC) - timedelta(hours=25)
    old = value.model_copy(update={"clock": value.clock.model_copy(update={"wall": wall})})
    [outcome] = await deliver(shop, tmp_path, old, again=True)
    assert isinstance(outcome, Refused)
    assert outcome.code == "needs_human"
    assert f"gid://scanpost/Transaction/{old.id}" in outcome.text
    # Scanned long ago, and first sent a moment ago: the key is fresh
    async with connect(config_of(shop.url, tmp_path)) as connector:
        shop.faults.next = ["lost"]
        assert isinstance(await connector.deliver(old, again=False), Unknown)
        assert isinstance(await connector.deliver(old, again=True), Posted)
    assert on_hand(shop) == {f"BOLT-8 available at {HOUSE}": 2}


def shipment(*rows: Line, order: str = "1001", number: str = "1Z") -> Shipment:
    documents = (Document(kind="so", number=order),)
    return Shipment(packages=(Package(tracking=number),), lines=rows, documents=documents)


async def test_an_order_that_is_not_there_is_refused(shop: Shop, tmp_path: Path) -> None:
    [outcome] = await deliver(shop, tmp_path, transaction(1, shipment(order="100")))
    assert isinstance(outcome, Refused)
    assert outcome.code == "unknown_document"


async def test_a_shipment_without_lines_is_the_rest_of_the_order(
    shop: Shop, tmp_path: Path
) -> None:
    shop.order("#5", HOUSE, **{"BOLT-8": 4, "NUT-8": 1})
    part, rest, more = (
        transaction(1, shipment(*lines(quantity="3"), order="5", number="1Z1")),
        transaction(2, shipment(order="5", number="1Z2")),
        transaction(3, shipment(order="5", number="1Z3")),
    )
    outcomes = await deliver(shop, tmp_path, part, rest, more)
    assert [type(outcome) for outcome in outcomes] == [Posted, Posted, Refused]
    assert on_hand(shop) == {"BOLT-8 of #5": 4, "NUT-8 of #5": 1}


async def test_more_than_an_order_waits_for_is_refused_before_anything_is_made(
    shop: Shop, tmp_path: Path
) -> None:
    shop.order("#5", HOUSE, **{"BOLT-8": 1})
    for rows in (lines(quantity="2"), lines("NUT-8", "1")):
        [outcome] = await deliver(shop, tmp_path, transaction(1, shipment(*rows, order="5")))
        assert isinstance(outcome, Refused)
        assert "more than order 5" in outcome.text
    assert not on_hand(shop)


async def test_a_probe_only_reads(shop: Shop, tmp_path: Path) -> None:
    config = config_of(shop.url, tmp_path, locations={"X": f"{LOCATION}9"})
    said = await probe(config)
    assert said[0] == "shop Bolts (bolts.example)"
    assert said[2] == f"{LOCATION}9: there is no such location"
    assert not shop.effects
    (tmp_path / "token").write_text("wrong-token")
    with pytest.raises(Stopped, match="401"):
        await probe(config)


def test_what_the_docstrings_show_is_true() -> None:
    assert doctest.testmod(target).failed == 0
