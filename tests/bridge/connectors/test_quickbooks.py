import contextlib
import json
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bridge.bookkeeping import Against, Unfit
from bridge.connectors.quickbooks import (
    CAPABILITIES,
    Config,
    bodies,
    calls,
    connect,
    document,
    moves,
    probe,
    read,
    target,
)
from bridge.connectors.quickbooks import api as wire_of
from bridge.connectors.quickbooks.bodies import KINDS, against
from bridge.errors import SourceFailed
from bridge.first_day import Sample, sample, self_test
from bridge.http import Answer, Stopped
from bridge.outcome import Outcome, Posted, Refused, TryLater, Unknown
from contract.transactions import (
    Adjustment,
    Count,
    Event,
    Package,
    Receipt,
    Return,
    Shipment,
    Transaction,
)
from contract.values import Document, Item, Line, Quantity
from tests.bridge.connectors.suite import ConnectorSuite, Stage, transaction
from tests.bridge.goods import COUNTED, SKUS, some
from tests.fakes.authorization import Authorization
from tests.fakes.quickbooks import COMPANY, MADE, SHRINKAGE, Books
from tests.fakes.quickbooks_contract import wrong_value
from tests.fakes.vendor import Faults

SECRET = "quickbooks-client-s3cret"
FIRST = f"refresh-first-{'f' * 30}"
COST, PRICE = Decimal("1.235"), Decimal("9.99")
"""Of every item: what a purchase order says, and what an estimate or invoice says."""
STOCKED = 100_000


def config_of(url: str, folder: Path, **more: Any) -> Config:
    secret, tokens = folder / "secret", folder / "tokens.json"
    if folder.exists() and not tokens.exists():
        secret.write_text(SECRET)
        tokens.write_text(json.dumps({"refresh_token": FIRST}))
    return Config.model_validate(
        {
            "connector": "quickbooks",
            "company": COMPANY,
            "client_id": "app",
            "client_secret_file": secret,
            "tokens_file": tokens,
            "adjustment_account": SHRINKAGE,
            "counted_whole": ["ALL"],
            "url": url,
            "token_url": f"{url}/token",
            "http": {"timeout": 20, "settle": 0.1},
            **more,
        }
    )


def company(faults: Faults | None = None) -> Books:
    return Books(faults, Authorization("app", SECRET, FIRST))


def stocked(vendor: Books) -> None:
    for sku in SKUS:
        vendor.item(sku, STOCKED)
    vendor.item(COUNTED)
    bought = dict.fromkeys(SKUS, ("100000", str(COST)))
    sold = dict.fromkeys(SKUS, ("100000", str(PRICE)))
    for number in range(1, 4):
        vendor.has("PurchaseOrder", f"PO-{number}", bought)
        vendor.has("Estimate", f"EST-{number}", sold)
    vendor.has("Invoice", "INV-1", sold)
    vendor.has("SalesReceipt", "SR-1", sold)


def named(kind: str, number: str) -> tuple[Document, ...]:
    return (Document.model_validate({"kind": kind, "number": number}),)


def totals(vendor: Books) -> dict[str, Decimal]:
    """Stock, and the money in the books by kind of document."""
    money: Counter[str] = Counter()
    for entity in MADE:
        for row in vendor.tables[entity]:
            if "PrivateNote" in row:  # it was not there before
                for each in row["Line"]:
                    money[entity] += each.get("Amount", 0)
    added = {name: Decimal(str(each)) for name, each in money.items() if each}
    return {**vendor.on_hand(), **added}


def accountant(given: Sequence[Transaction]) -> dict[str, Decimal]:
    """What the books must show, added up by hand."""
    hand: dict[str, Decimal] = dict.fromkeys(SKUS, Decimal(STOCKED))
    money: defaultdict[str, Decimal] = defaultdict(Decimal)
    for each in given:
        sign, name, price = 0, "", Decimal(0)
        match each.event:
            case Receipt():
                sign, name, price = 1, "Bill", COST
            case Shipment():
                sign, name, price = -1, "Invoice", PRICE
            case Return(documents=(order, *_)):
                name = "CreditMemo" if order.number == "INV-1" else "RefundReceipt"
                sign, price = 1, PRICE
            case Adjustment(direction=way):
                sign = 1 if way == "increase" else -1
            case Count(lines=(row,)):
                hand[row.item.sku or ""] = row.quantity.value
        found: defaultdict[str, Decimal] = defaultdict(Decimal)
        for row in getattr(each.event, "lines", ()) if sign else ():
            hand[row.item.sku] += sign * row.quantity.value
            found[row.item.sku] += row.quantity.value
        for quantity in found.values() if name else ():
            worth = quantity * price * 1000  # to the cent, a half of one up
            money[name] += Decimal((int(worth) + 5) // 10) / 100
    return {name: value for name, value in {**hand, **money}.items() if value}


class TestOfQuickBooks(ConnectorSuite):
    name = "quickbooks"
    secrets = (SECRET, FIRST)
    many = 30

    def config(self, url: str, folder: Path) -> Config:
        return config_of(url, folder)

    @contextlib.asynccontextmanager
    async def serving(self, folder: Path, faults: Faults) -> AsyncIterator[Stage]:
        async with company(faults).serving() as vendor:
            stocked(vendor)
            config = self.config(vendor.url, folder)
            yield Stage(config, lambda: dict(vendor.effects), lambda: totals(vendor), vendor)

    def event(self, kind: str, rng: random.Random) -> Event:
        number = rng.randint(1, 3)
        match kind:
            case "receipt":
                return Receipt(lines=some(rng), documents=named("po", f"PO-{number}"))
            case "shipment":
                parcel = Package(tracking=f"1Z{rng.randrange(10**12)}")
                order = named("so", f"EST-{number}")
                return Shipment(packages=(parcel,), lines=some(rng), documents=order)
            case "return":
                sold = rng.choice(["INV-1", "SR-1"])
                return Return(lines=some(rng), documents=named("rma", sold))
            case "count":
                # Hardly ever the same twice: a count that finds what is known books nothing
                found = goods(COUNTED, str(rng.randrange(10**6)))
                return Count(lines=(found,), location="ALL")
        way = rng.choice(["increase", "decrease"])
        return Adjustment.model_validate(
            {"lines": some(rng), "direction": way, "reason": rng.choice(["lost", "broken"])}
        )

    def expected(self, given: Sequence[Transaction]) -> Mapping[str, Any]:
        return accountant(given)


# --- Intuit's own contract ---


def test_the_judge_finds_what_is_wrong() -> None:
    line_ = {
        "DetailType": "ItemAdjustmentLineDetail",
        "ItemAdjustmentLineDetail": {"ItemRef": {"value": "1"}, "QtyDiff": -2},
    }
    good = {"AdjustAccountRef": {"value": "81"}, "TxnDate": "2026-11-23", "Line": [line_]}
    assert not wrong_value("InventoryAdjustment", good)
    odd: tuple[Any, ...] = (
        {**good, "AdjustAccountRef": "81"},
        {**good, "AdjustAccountRef": {"value": "81", "id": "81"}},
        {key: value for key, value in good.items() if key != "AdjustAccountRef"},
        {**good, "TxnDate": "23.11.2026"},
        {**good, "VendorRef": {"value": "1"}},
        {**good, "Line": line_},
        {**good, "Line": [{**line_, "DetailType": "ItemReceived"}]},
        {**good, "Line": [{**line_, "ItemAdjustmentLineDetail": {"QtyDiff": 1}}]},
        {**good, "Line": [{**line_, "Amount": "12.00"}]},
        {**good, "MarkupInfo": {}},
        [],
    )
    for bad in odd:
        assert wrong_value("InventoryAdjustment", bad), bad


# --- What QuickBooks is to create ---

TODAY = date(2026, 11, 23)


def goods(sku: str = "BOLT-8", value: str = "2") -> Line:
    return Line(item=Item(sku=sku), quantity=Quantity(value=Decimal(value)))


RECEIPT = Receipt(lines=(goods(),), documents=named("po", "P"))


def made(
    event: Event, there: dict[str, Any], vendor: Books, tmp_path: Path, **more: Any
) -> dict[str, Any]:
    config = config_of("https://x.example", tmp_path, **more)
    plan = document(transaction(1, event), config)
    assert isinstance(plan, Against)
    items = {row["Sku"]: row for row in vendor.tables["Item"]}
    return against(plan, KINDS[plan.what][0], there, {}, items, TODAY, config)


def test_a_bill_is_linked_to_the_lines_of_its_order(tmp_path: Path) -> None:
    vendor = company()
    vendor.item("BOLT-8")
    there = vendor.has("PurchaseOrder", "P", {"BOLT-8": ("5", "1.235")})
    bill = made(RECEIPT, there, vendor, tmp_path)
    assert bill["Line"] == [
        {
            "Description": "A BOLT-8",
            "DetailType": "ItemBasedExpenseLineDetail",
            "Amount": 2.47,
            "ItemBasedExpenseLineDetail": {
                "ItemRef": {"value": "1"},
                "Qty": 2,
                "UnitPrice": 1.235,
                "TaxCodeRef": {"value": "NON"},
            },
            "LinkedTxn": [{"TxnId": "2", "TxnType": "PurchaseOrder", "TxnLineId": "1"}],
        }
    ]
    assert bill["VendorRef"]["value"] == "58"
    key = transaction(1, RECEIPT).id
    assert bill["PrivateNote"] == f"scanpost {key} of P"


@pytest.mark.parametrize(
    ("quantity", "places", "worth"),
    [("3", 2, 3.71), ("0.5", 2, 0.62), ("3", 0, 4), ("3", 3, 3.705)],
)
def test_an_amount_is_rounded_to_the_currency(
    quantity: str, places: int, worth: float, tmp_path: Path
) -> None:
    vendor = company()
    vendor.item("BOLT-8")
    there = vendor.has("PurchaseOrder", "P", {"BOLT-8": ("5", "1.235")})
    event = Receipt(lines=(goods(value=quantity),), documents=named("po", "P"))
    assert made(event, there, vendor, tmp_path, places=places)["Line"][0]["Amount"] == worth


def test_an_invoice_says_how_the_goods_went(tmp_path: Path) -> None:
    vendor = company()
    vendor.item("BOLT-8")
    there = vendor.has("Estimate", "E", {"BOLT-8": ("5", "1")})
    parcels = (Package(tracking="1Z00000000000000"), Package(tracking="1Z00000000000001"))
    event = Shipment(packages=parcels, lines=(goods(),), documents=named("so", "E"))
    invoice = made(event, there, vendor, tmp_path)
    assert invoice["TrackingNum"] == "1Z00000000000000"
    assert invoice["ShipDate"] == invoice["TxnDate"]
    assert "LinkedTxn" not in invoice


@pytest.mark.parametrize(
    ("change", "detail", "words"),
    [
        ({"POStatus": "Closed"}, {}, "is Closed"),
        ({}, {"UnitPrice": None}, "no price"),
        ({}, {"DiscountRate": Decimal(5)}, "by hand"),
        ({}, {"Qty": Decimal(1)}, "1 of BOLT-8 more than P has left"),
        ({}, {"ItemRef": {"value": "999"}}, "P has no BOLT-8"),
        ({"Line": None}, {}, "P has no BOLT-8"),
    ],
)
def test_an_order_that_does_not_fit_is_refused(
    change: dict[str, Any], detail: dict[str, Any], words: str, tmp_path: Path
) -> None:
    vendor = company()
    vendor.item("BOLT-8")
    there = vendor.has("PurchaseOrder", "P", {"BOLT-8": ("5", "1")})
    there["Line"][0]["ItemBasedExpenseLineDetail"] |= detail
    there |= change
    with pytest.raises(Unfit, match=words):
        made(RECEIPT, there, vendor, tmp_path)


def test_what_was_billed_on_can_be_billed_on_again(tmp_path: Path) -> None:
    vendor = company()
    vendor.item("BOLT-8")
    there = vendor.has("PurchaseOrder", "P", {"BOLT-8": ("5", "1")})
    there["Line"][0]["ItemBasedExpenseLineDetail"]["BillableStatus"] = "HasBeenBilled"
    [row] = made(RECEIPT, there, vendor, tmp_path)["Line"]
    assert row["ItemBasedExpenseLineDetail"]["BillableStatus"] == "Billable"


def test_adjustments_without_an_account_are_refused(tmp_path: Path) -> None:
    config = config_of("https://x.example", tmp_path, adjustment_account=None)
    event = Adjustment(lines=(goods(),), direction="increase", reason="found")
    refused = document(transaction(1, event), config)
    assert isinstance(refused, Refused)
    assert refused.code == "unmapped"
    assert not calls(transaction(1, event), config)
    reasons = config_of("https://x.example", tmp_path, adjustment_account=None,
                        adjustment_accounts={"found": "82"})  # fmt: skip
    assert calls(transaction(1, event), reasons)


@pytest.mark.parametrize("change", [{"company": "realm"}, {"minor_version": 65},
                                    {"adjustment_account": "Shrinkage"}])  # fmt: skip
def test_a_config_that_cannot_work_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=next(iter(change))):
        config_of("https://x.example", tmp_path, **change)


# --- What it does ---


@contextlib.asynccontextmanager
async def opened(tmp_path: Path, **more: Any) -> AsyncIterator[tuple[Books, Config]]:
    async with company().serving() as vendor:
        stocked(vendor)
        yield vendor, config_of(vendor.url, tmp_path, **more)
        assert not vendor.problems


async def delivered(config: Config, event: Event, *, again: bool = False) -> Outcome:
    async with connect(config) as connector:
        return await connector.deliver(transaction(1, event), again=again)


BOUGHT = Receipt(lines=(goods(),), documents=named("po", "PO-1"))


@pytest.mark.parametrize(
    ("code", "words", "expected"),
    [
        ("6210", "Account Period Closed", "closed_period"),
        ("6210", "Duplicate Document Number Error", "refused"),
        ("6140", "Duplicate Document Number Error", "refused"),
        ("6240", "Duplicate Name Exists Error", "refused"),
        ("2500", "Invalid Reference Id", "refused"),
        ("2020", "Required param missing", "contract"),
        ("6000", "You do not have enough quantity on hand", "short_stock"),
        ("6000", "A business validation error has occurred", "refused"),
    ],
)
def test_a_fault_is_sorted_by_who_acts(code: str, words: str, expected: str) -> None:
    outcome = read_by(400, faulty(code, words))
    assert isinstance(outcome, Refused)
    assert outcome.code == expected
    assert f"{code} {words}: more of it" in outcome.text


def faulty(code: str, words: str) -> str:
    error = {"Message": words, "Detail": "more of it", "code": code}
    return json.dumps({"Fault": {"Error": [error], "type": "ValidationFault"}})


def read_by(status: int, text: str, *, writes: bool = True) -> Outcome:
    with pytest.raises(Stopped) as stopped:
        wire_of.read(Answer(status, text.encode()), writes=writes)
    return stopped.value.outcome


@pytest.mark.parametrize(
    ("code", "needs", "after"),
    [("5010", "time", None), ("6190", "person", 60.0), ("5020", "person", 60.0),
     ("003001", "time", 60.0)],
)  # fmt: skip
def test_a_fault_that_is_not_of_the_document_waits(
    code: str, needs: str, after: float | None
) -> None:
    outcome = read_by(400, faulty(code, "so it is"))
    assert isinstance(outcome, TryLater)
    assert (outcome.needs, outcome.after) == (needs, after)


async def test_a_day_in_a_closed_period_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vendor, config):
        vendor.closed_until = datetime.now(UTC).date() + timedelta(days=1)
        outcome = await delivered(config, BOUGHT)
    assert isinstance(outcome, Refused)
    assert outcome.code == "closed_period"


ODD: tuple[tuple[Event, str], ...] = (
        (Receipt(lines=(goods(),), documents=named("po", "PO-1'; --")), "unknown_document"),
        (Shipment(packages=(Package(tracking="1"),), lines=(goods(),),
                  documents=named("so", "EST")), "unknown_document"),
        (Return(lines=(goods(),), documents=named("rma", "BOTH")), "unknown_document"),
        (Receipt(lines=(goods("CAP"),), documents=named("po", "PO-1")), "unknown_sku"),
        (Receipt(lines=(goods("TWIN"),), documents=named("po", "PO-1")), "unknown_sku"),
        (Receipt(lines=(goods(value="100001"),), documents=named("po", "PO-1")), "over_receipt"),
        (Count(lines=(goods("CAP"),), location="ALL"), "unknown_sku"),
        (Adjustment(lines=(goods("LABOUR"),), direction="increase", reason="x"), "refused"),
)  # fmt: skip


async def test_what_quickbooks_does_not_have_is_refused_and_nothing_created(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vendor, config), connect(config) as connector:
        vendor.item("LABOUR", tracked=False)
        vendor.item("TWIN")
        vendor.item("TWIN")
        for table in ("Invoice", "SalesReceipt"):
            vendor.has(table, "BOTH", {"BOLT-8": ("1", "1")})
        for seq, (event, code) in enumerate(ODD, start=1):
            outcome = await connector.deliver(transaction(seq, event), again=False)
            assert isinstance(outcome, Refused), event
            assert outcome.code == code, event
        assert not vendor.effects


async def test_after_a_fault_the_same_again_is_booked(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vendor, config):
        vendor.complaints = [("5010", "Stale Object Error"), ("6140", "Duplicate Document Number")]
        outcomes = [await delivered(config, BOUGHT) for _ in range(3)]
    assert [type(each) for each in outcomes] == [TryLater, Refused, Posted]


async def test_items_may_go_by_their_name(tmp_path: Path) -> None:
    async with opened(tmp_path, item_by="Name") as (vendor, config):
        vendor.item("O'RING\\8")
        event = Adjustment(lines=(goods("A O'RING\\8"),), direction="increase", reason="found")
        assert isinstance(await delivered(config, event), Posted)
        assert vendor.on_hand()["O'RING\\8"] == 2


async def test_an_order_is_received_in_parts_and_no_more_than_all(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vendor, config), connect(config) as connector:
        vendor.has("PurchaseOrder", "P", {"BOLT-8": ("10", "1"), "NUT-8": ("5", "2")})
        other = {"value": "59", "name": "Another"}
        vendor.has("PurchaseOrder", "Q", {"BOLT-8": ("10", "1")}, VendorRef=other)
        parts = [
            Receipt(lines=(goods(value=each),), documents=named("po", number))
            for each, number in (("6", "P"), ("6", "Q"), ("4.5", "P"), ("4", "P"))
        ]
        made_ = [transaction(seq, each) for seq, each in enumerate(parts, start=1)]
        outcomes = [await connector.deliver(each, again=False) for each in made_]
        assert [type(each) for each in outcomes] == [Posted, Posted, Refused, Posted]
        assert isinstance(outcomes[2], Refused)
        assert outcomes[2].code == "over_receipt"
        assert "which is 4" in outcomes[2].text


async def test_what_a_person_billed_by_hand_counts_too(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vendor, config):
        there = vendor.has("PurchaseOrder", "P", {"BOLT-8": ("10", "1")})
        link = {"TxnId": there["Id"], "TxnType": "PurchaseOrder", "TxnLineId": "1"}
        bill = vendor.has("Bill", "17", {"BOLT-8": ("9", "1")}, VendorRef=there["VendorRef"])
        del bill["CustomerRef"]
        bill["Line"][0]["LinkedTxn"] = [link]
        outcome = await delivered(config, Receipt(lines=(goods(),), documents=named("po", "P")))
    assert isinstance(outcome, Refused)
    assert outcome.code == "over_receipt"


async def test_an_estimate_is_sent_in_parts_and_no_more_than_all(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vendor, config), connect(config) as connector:
        vendor.has("Estimate", "of E, 1", {"BOLT-8": ("3", "1")})
        parcel = (Package(tracking="1Z"),)
        order = named("so", "of E, 1")
        made_ = [
            transaction(seq, Shipment(packages=parcel, lines=(goods(),), documents=order))
            for seq in (1, 2)
        ]
        outcomes = [await connector.deliver(each, again=False) for each in made_]
    assert isinstance(outcomes[0], Posted)
    assert isinstance(outcomes[1], Refused)


@pytest.mark.parametrize(
    ("parcels", "said"),
    [(("A1", "B2"), "A1, B2"), (("A" * 40, "B"), "A" * 31), (("A" * 20, "B" * 9, "C"),
      f"{'A' * 20}, {'B' * 9}")],
)  # fmt: skip
def test_as_many_tracking_numbers_as_fit_are_said(parcels: tuple[str, ...], said: str) -> None:
    assert bodies._tracking(parcels) == said


async def test_many_items_are_looked_up_some_at_a_time(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vendor, config):
        skus = [f"S-{n:03}" for n in range(60)]
        for sku in skus:
            vendor.item(sku)
        event = Adjustment(
            lines=tuple(goods(sku) for sku in skus), direction="increase", reason="found"
        )
        assert isinstance(await delivered(config, event), Posted)
        assert sum("query?" in each.path for each in vendor.seen) == 3
        assert all(vendor.on_hand()[sku] == 2 for sku in skus)


async def test_a_count_of_several_items_is_one_document(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vendor, config):
        rows = (goods("BOLT-8", "100005"), goods("NUT-8", "99990"), goods("WASHER", "100000"))
        event = Count(lines=rows, location="ALL")
        vendor.faults.next = ["lost"]
        outcomes = [await delivered(config, event, again=bool(n)) for n in range(3)]
        assert [type(each) for each in outcomes] == [Unknown, Posted, Posted]
        [row] = vendor.tables["InventoryAdjustment"]
        assert len(row["Line"]) == 2
        assert row["PrivateNote"].endswith("counted")
        assert vendor.on_hand()["NUT-8"] == 99_990


async def test_a_count_that_finds_what_the_books_say_books_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vendor, config):
        event = Count(lines=(goods(value="100000"),), location="ALL")
        assert await delivered(config, event) == Posted("")
        assert not vendor.effects


@pytest.mark.parametrize("synchronised", [True, False])
async def test_it_is_found_again_after_the_key_is_forgotten(
    synchronised: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_of, "MOST", 3)
    monkeypatch.setattr(target, "MOST", 3)
    async with opened(tmp_path) as (vendor, config):
        made_ = [transaction(n, BOUGHT) for n in range(1, 9)]
        if not synchronised:
            made_ = [each.model_copy(update={"clock": each.clock.model_copy(
                update={"synchronised": False})}) for each in made_]  # fmt: skip
        async with connect(config) as connector:
            first = [await connector.deliver(each, again=False) for each in made_]
            vendor._answers.clear()
            assert [await connector.deliver(each, again=True) for each in made_] == first
        assert set(vendor.effects.values()) == {1}


async def test_what_is_hidden_among_too_many_goes_to_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_of, "MOST", 1)
    monkeypatch.setattr(target, "MOST", 1)
    monkeypatch.setattr(target, "MAX_PAGES", 2)
    async with opened(tmp_path) as (_, config), connect(config) as connector:
        for seq in (2, 3, 4):
            await connector.deliver(transaction(seq, BOUGHT), again=False)
        outcome = await connector.deliver(transaction(1, BOUGHT), again=True)
    assert isinstance(outcome, Refused)
    assert outcome.code == "needs_human"


@pytest.mark.parametrize(
    ("status", "text", "writes", "expected"),
    [
        (200, "<html>", True, Unknown),
        (200, "<html>", False, TryLater),
        (200, "[]", True, Unknown),
        (500, '{"Fault": {"Error": []}}', True, Unknown),
        (500, '{"Fault": {"Error": "x"}}', False, TryLater),
        (200, '{"Fault": {"Error": [{"code": "6000", "Message": "no"}]}}', True, Refused),
        (400, '{"fault": {"error": [{"code": "6000", "message": "no"}]}}', True, Refused),
        (400, '{"Fault": {"Error": [{"code": "4000", "Message": "no"}]}}', False, TryLater),
        (403, '{"Fault": {"Error": [{"code": "3100", "Message": "no"}]}}', True, TryLater),
        (429, "slow down", True, TryLater),
    ],
)
def test_an_odd_answer_is_read(status: int, text: str, writes: bool, expected: type[Any]) -> None:
    assert isinstance(read_by(status, text, writes=writes), expected)


# --- What it reads ---


async def test_it_reads_items_orders_stock_and_what_was_booked(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vendor, config):
        vendor.item("LABOUR", tracked=False)
        vendor.has("PurchaseOrder", "PO-9", {"BOLT-8": ("1", "1")}, POStatus="Closed")
        vendor.has("Estimate", "EST-9", {"BOLT-8": ("1", "1")}, TxnStatus="Rejected")
        began = datetime.now(UTC) - timedelta(seconds=5)
        await delivered(config, BOUGHT)
        event = Count(lines=(goods(value="99999"),), location="ALL")
        async with connect(config) as connector:
            await connector.deliver(transaction(2, event), again=False)
        async with read(config) as source:
            items = [each.sku async for each in source.items()]
            orders = {each.number: each async for each in source.documents()}
            stock = {each.sku: each.quantity async for each in source.stock()}
            places = [each async for each in source.locations()]
            booked = [each async for each in source.booked(began)]
            later = [each async for each in source.booked(datetime.now(UTC) + timedelta(days=1))]
    assert sorted(items) == sorted([*SKUS, COUNTED, "LABOUR"])
    assert set(orders) == {"PO-1", "PO-2", "PO-3", "EST-1", "EST-2", "EST-3"}
    assert orders["EST-1"].document == "so"
    assert orders["PO-1"].lines[0].quantity == 100_000
    assert {each.number: sum(row.done for row in each.lines) for each in orders.values()} == {
        **dict.fromkeys(orders, 0), "PO-1": 2
    }  # fmt: skip
    assert stock["BOLT-8"] == 99_999
    assert "LABOUR" not in stock
    assert not places
    assert {each.reference for each in booked} == {
        str(transaction(1, BOUGHT).id), str(transaction(2, event).id)
    }  # fmt: skip
    assert {each.quantity for each in booked} == {Decimal(2), Decimal(3)}
    assert all(each.at is not None and each.at >= began for each in booked)
    assert not later


async def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vendor, config):
        vendor.server.secret = "another"
        async with read(config) as source:
            with pytest.raises(SourceFailed, match="invalid_client"):
                _ = [each async for each in source.items()]


async def test_a_probe_names_the_company(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vendor, config):
        assert "company Bolts Inc (US)" in await probe(config)
        vendor.server.secret = "another"
        (tmp_path / "tokens.json").write_text(json.dumps({"refresh_token": FIRST}))
        with pytest.raises(Stopped):
            await probe(config)


def test_an_invoice_takes_from_the_stock(tmp_path: Path) -> None:
    parcel = (Package(tracking="1Z1"),)
    event = Shipment(packages=parcel, lines=(goods(),), documents=named("so", "EST-1"))
    config = config_of("https://x.example", tmp_path)
    assert moves(transaction(1, event), config) == [("BOLT-8", "", "EA", Decimal(-2))]


async def test_the_self_test_finds_one_effect(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, config):
        value = sample("receipt", Sample(sku="BOLT-8", document="PO-1"))
        found = await self_test("quickbooks", config, value)
    assert all(each.good for each in found), found
    assert found[-1].text == "the target shows it 1 times"


def test_it_books_what_its_plan_says() -> None:
    assert {"receipt", "shipment", "return", "adjustment", "count"} == CAPABILITIES.books
