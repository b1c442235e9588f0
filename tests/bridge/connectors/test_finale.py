import contextlib
import doctest
import json
import random
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.amendment import Amended
from bridge.connectors.finale import Config, connect, document, probe, rest
from bridge.connectors.finale.changes import Consignment, StockChange
from bridge.outcome import Outcome, Posted, Refused, TryLater
from contract.transactions import (
    Adjustment,
    Assembly,
    Count,
    Event,
    Package,
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
from tests.fakes.finale import Account
from tests.fakes.vendor import Faults

KEY, SECRET = "AbCdEfGh1234", "s3cr3tOfThatKey"
PLENTY = dict.fromkeys(SKUS, 10_000)
PO = (Document(kind="po", number="P-1"),)
SO = (Document(kind="so", number="S-1"),)


def config_of(url: str, folder: Path, **more: Any) -> Config:
    key, secret = folder / "key", folder / "secret"
    if folder.exists():
        key.write_text(KEY)
        secret.write_text(SECRET)
    return Config.model_validate(
        {
            "connector": "finale",
            "url": url,
            "account": "bolts",
            "key_file": key,
            "secret_file": secret,
            "place": "DOCK",
            "reasons": {"damaged": "VAR_DAMAGED"},
            "stock_takes": True,
            "http": {"timeout": 20, "settle": 0.1},
            **more,
        }
    )


def stocked(account: Account) -> None:
    account.shelve("DOCK", "A-01", "A-02", "B-01")
    for sku in (*SKUS, COUNTED, "KIT"):
        account.sell(sku)
    for number in (1, 2, 3):
        account.order(f"P-{number}", "PURCHASE_ORDER", **PLENTY)
        account.order(f"S-{number}", "SALES_ORDER", **PLENTY)


def finale_clerk(given: Iterable[Transaction]) -> dict[str, int]:
    """What the account must show, added up by hand."""
    hand: Counter[str] = Counter()

    def add(rows: Sequence[Line], place: str | None, sign: int) -> None:
        for row in rows:
            hand[f"{row.item.sku} at {place or 'DOCK'}"] += sign * int(row.quantity.value)

    for each in given:
        match each.event:
            case Receipt() | Return() as event:
                add(event.lines, event.to_location, 1)
            case Shipment() as event:
                add(event.lines, event.from_location, -1)
            case Adjustment() as event:
                add(event.lines, event.location, 1 if event.direction == "increase" else -1)
            case Assembly() as event:
                add(event.consumed, event.location, -1)
                add(event.produced, event.location, 1)
            case Count() as event:
                for row in event.lines:
                    hand[f"{row.item.sku} at {event.location}"] = int(row.quantity.value)
        if isinstance(each.event, Receipt | Shipment) and each.event.documents:
            for row in each.event.lines:
                name = f"{row.item.sku} of {each.event.documents[0].number}"
                hand[name] += int(row.quantity.value)
    return {name: pieces for name, pieces in hand.items() if pieces}


class TestOfFinale(ConnectorSuite):
    name = "finale"
    secrets = (KEY, SECRET, b64encode(f"{KEY}:{SECRET}".encode()).decode())
    many = 30

    def config(self, url: str, folder: Path) -> Config:
        return config_of(url, folder)

    @contextlib.asynccontextmanager
    async def serving(self, folder: Path, faults: Faults) -> AsyncIterator[Stage]:
        async with Account(faults, KEY, SECRET).serving() as account:
            stocked(account)

            def effects() -> Mapping[str, int]:
                found = account.effects.items()
                return {name.removeprefix("SP-"): often for name, often in found}

            yield Stage(self.config(account.url, folder), effects, account.totals, account)

    def event(self, kind: str, rng: random.Random) -> Event:
        order = rng.randint(1, 3)
        match kind:
            case "receipt":
                bought = (Document(kind="po", number=f"P-{order}"),)
                documents = rng.choice([(), bought])
                return Receipt(lines=some(rng), documents=documents, to_location="A-01")
            case "shipment":
                sold = (Document(kind="so", number=f"S-{order}"),)
                return Shipment(packages=(Package(tracking="1Z"),), lines=some(rng), documents=sold)
        return event_of(kind, rng)

    def expected(self, given: Sequence[Transaction]) -> Mapping[str, Any]:
        return finale_clerk(given)


def test_what_is_written_in_docstrings_holds() -> None:
    assert doctest.testmod(rest).failed == 0


# --- What a transaction is in Finale ---


def plan_of(event: Event, tmp_path: Path, **more: Any) -> Any:
    return document(transaction(1, event), config_of("https://x.example", tmp_path, **more))


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (Receipt(lines=lines(quantity="2.5")), "contract"),
        (Receipt(lines=lines(quantity="0")), "contract"),
        (
            Receipt(lines=(Line(item=Item(sku="A"), quantity=Quantity(value="2", unit="KGM")),)),
            "unsupported",
        ),
        (
            Receipt(lines=(Line(item=Item(gtin="04012345678901"), quantity=Quantity(value="2")),)),
            "unknown_sku",
        ),
        (Receipt(lines=lines(), documents=SO), "unknown_document"),
        (Shipment(packages=(Package(),), lines=lines()), "unknown_document"),
        (Shipment(packages=(Package(),), documents=SO), "contract"),
        (Transfer(lines=lines(), from_location="A-01", to_location="B-01"), "unsupported"),
        (Assembly(produced=lines(), consumed=lines()), "contract"),
    ],
)
def test_what_finale_cannot_be_told_is_refused(event: Event, code: str, tmp_path: Path) -> None:
    refused = plan_of(event, tmp_path)
    assert isinstance(refused, Refused)
    assert refused.code == code


def test_counts_wait_until_somebody_has_seen_what_a_stock_take_does(tmp_path: Path) -> None:
    refused = plan_of(Count(lines=lines(), location="A-01"), tmp_path, stock_takes=False)
    assert isinstance(refused, Refused)
    assert "stock_takes" in refused.text


def test_labels_of_one_lot_are_one_row(tmp_path: Path) -> None:
    rows = lines(lot="7") + lines(lot="7", quantity="3") + lines(serial="9", quantity="1")
    plan = plan_of(Receipt(lines=rows), tmp_path)
    assert isinstance(plan, StockChange)
    assert [(row.pieces, row.lot) for row in plan.rows] == [(5, "L_7"), (1, "L_9")]
    assert plan.place == "DOCK"


def test_a_clock_that_was_not_set_tells_no_date(tmp_path: Path) -> None:
    value = transaction(1, Receipt(lines=lines(), documents=PO))
    unsure = value.model_copy(
        update={"clock": value.clock.model_copy(update={"synchronised": False})}
    )
    plan = document(unsure, config_of("https://x.example", tmp_path))
    assert isinstance(plan, Consignment)
    assert plan.when is None


# --- What comes of it ---


@pytest.fixture
async def account() -> AsyncIterator[Account]:
    async with Account(key=KEY, secret=SECRET).serving() as vendor:
        stocked(vendor)
        yield vendor
        assert not vendor.problems


async def deliver(
    account: Account, folder: Path, *values: Transaction, again: bool = False, **more: Any
) -> list[Outcome]:
    async with connect(config_of(account.url, folder, **more)) as connector:
        return [await connector.deliver(value, again=again) for value in values]


async def test_an_order_is_received_in_parts_and_never_in_too_many(
    account: Account, tmp_path: Path
) -> None:
    account.order("P-9", "PURCHASE_ORDER", **{"BOLT-8": 5})
    part = (Document(kind="po", number="P-9"),)
    values = [
        transaction(seq, Receipt(lines=lines(quantity=pieces), documents=part))
        for seq, pieces in enumerate(("2", "2", "2"), start=1)
    ]
    first, second, third = await deliver(account, tmp_path, *values)
    assert [first, second] == [Posted("P-9-1"), Posted("P-9-2")]
    assert isinstance(third, Refused)
    assert third.code == "over_receipt"
    accepted = Amended(**dict(values[2]), accepts=frozenset({"over_receipt"}))
    assert await deliver(account, tmp_path, accepted) == [Posted("P-9-3")]
    assert account.totals() == {"BOLT-8 at DOCK": 6, "BOLT-8 of P-9": 6}


async def test_a_shipment_that_was_made_and_not_finished_is_finished(
    account: Account, tmp_path: Path
) -> None:
    event = Shipment(packages=(Package(tracking="1Z"),), lines=lines(lot="7"), documents=SO)
    value = transaction(1, event)
    account.faults.next = ["", "throttled"]
    [later] = await deliver(account, tmp_path, value)
    assert isinstance(later, TryLater)
    assert await deliver(account, tmp_path, value) == [Posted("S-1-1")]
    assert account.totals() == {"BOLT-8/L_7 at DOCK": -2, "BOLT-8 of S-1": 2}
    [shipment] = account.shipments.values()
    assert shipment["trackingCode"] == "1Z"


@pytest.mark.parametrize("cancelled", [True, False])
async def test_a_shipment_finale_lets_nobody_finish_is_left_to_a_person(
    account: Account, tmp_path: Path, cancelled: bool
) -> None:
    value = transaction(1, Receipt(lines=lines(), documents=PO))
    account.faults.next = ["", "throttled"]
    await deliver(account, tmp_path, value)
    account.blocked = True
    if cancelled:
        next(iter(account.shipments.values()))["cancelDate"] = "2026-11-23T09:00:00"
    [refused] = await deliver(account, tmp_path, value)
    assert isinstance(refused, Refused)
    assert refused.code == "needs_human"


async def test_a_product_whose_address_shows_another_id_is_found(
    account: Account, tmp_path: Path
) -> None:
    account.sell("TEA", own="100007")
    account.sell("COFFEE/2", own="100008")
    rows = lines("TEA") + lines("COFFEE/2")
    [posted] = await deliver(account, tmp_path, transaction(1, Receipt(lines=rows)))
    assert isinstance(posted, Posted)
    assert account.totals() == {"TEA at DOCK": 2, "COFFEE/2 at DOCK": 2}


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (Receipt(lines=lines("GHOST")), "unknown_sku"),
        (Receipt(lines=lines(), to_location="Z-99"), "unknown_location"),
        (Receipt(lines=lines(), documents=(Document(kind="po", number="S-1"),)),
         "unknown_document"),
        (Receipt(lines=lines(), documents=(Document(kind="po", number="P-7"),)),
         "unknown_document"),
        (Receipt(lines=lines(COUNTED), documents=PO), "unknown_sku"),
    ],
)  # fmt: skip
async def test_what_finale_does_not_have_is_refused(
    account: Account, tmp_path: Path, event: Event, code: str
) -> None:
    [refused] = await deliver(account, tmp_path, transaction(1, event))
    assert isinstance(refused, Refused)
    assert refused.code == code
    assert not account.totals()


async def test_an_order_that_is_closed_or_counts_in_packings_is_refused(
    account: Account, tmp_path: Path
) -> None:
    closed = account.order("P-8", "PURCHASE_ORDER", **{"BOLT-8": 5})
    closed["statusId"] = "ORDER_COMPLETED"
    cases = account.order("P-9", "PURCHASE_ORDER", **{"BOLT-8": 5})
    cases["orderItemList"][0]["normalizedPackingString"] = "36 cs 36/1"
    values = [
        transaction(seq, Receipt(lines=lines(), documents=(Document(kind="po", number=name),)))
        for seq, name in enumerate(("P-8", "P-9"), start=1)
    ]
    outcomes = await deliver(account, tmp_path, *values)
    codes = [each.code for each in outcomes if isinstance(each, Refused)]
    assert codes == ["unknown_document", "unsupported"]


async def test_a_change_that_may_be_older_than_a_search_reaches_is_left_to_a_person(
    account: Account, tmp_path: Path
) -> None:
    value = transaction(1, Receipt(lines=lines()))
    wall = value.clock.wall - timedelta(days=40)
    old = value.model_copy(update={"clock": value.clock.model_copy(update={"wall": wall})})
    [refused] = await deliver(account, tmp_path, old, again=True)
    assert isinstance(refused, Refused)
    assert refused.code == "needs_human"
    [posted] = await deliver(account, tmp_path, old)
    assert isinstance(posted, Posted)


async def test_a_draft_of_the_reference_is_left_to_a_person(
    account: Account, tmp_path: Path
) -> None:
    value = transaction(1, Receipt(lines=lines()))
    [posted] = await deliver(account, tmp_path, value)
    assert isinstance(posted, Posted)
    assert await deliver(account, tmp_path, value, again=True) == [posted]
    next(iter(account.variances.values()))["statusId"] = "PHSCL_INV_INPUT"
    [refused] = await deliver(account, tmp_path, value, again=True)
    assert isinstance(refused, Refused)
    assert account.totals() == {"BOLT-8 at DOCK": 2}


async def test_collections_are_asked_only_for_what_is_new(account: Account, tmp_path: Path) -> None:
    made = [transaction(seq, Receipt(lines=lines())) for seq in range(1, 9)]
    outcomes = await deliver(account, tmp_path, *made)
    assert all(isinstance(each, Posted) for each in outcomes)
    assert account.collections == 1


async def test_an_address_outside_the_account_is_not_followed(
    account: Account, tmp_path: Path
) -> None:
    account.orders["/bolts/api/order/P-1"]["shipmentUrlList"] = ["/other/api/shipment/1"]
    value = transaction(1, Receipt(lines=lines(), documents=PO))
    [outcome] = await deliver(account, tmp_path, value)
    assert isinstance(outcome, TryLater)
    assert not [seen for seen in account.seen if seen.path.startswith("/other")]


async def test_a_reason_is_told_by_finale_s_own_id(account: Account, tmp_path: Path) -> None:
    event = Return(lines=lines(), disposition="damaged")
    await deliver(account, tmp_path, transaction(1, event))
    [made] = account.variances.values()
    assert made["inventoryItemVarianceList"][0]["varianceReasonId"] == "VAR_DAMAGED"
    posted = [seen for seen in account.seen if seen.method == "POST"]
    assert json.loads(posted[0].body)["statusId"] == "PHSCL_INV_COMMITTED"


async def test_a_probe_says_whether_the_place_is_there(account: Account, tmp_path: Path) -> None:
    said = await probe(config_of(account.url, tmp_path))
    assert said == ["account bolts: 4 places", "DOCK: it is there"]
