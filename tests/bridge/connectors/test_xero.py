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
from aiohttp import web
from pydantic import ValidationError

from bridge.bookkeeping import Against, Unfit
from bridge.connectors.xero import (
    CAPABILITIES,
    Config,
    api,
    calls,
    connect,
    document,
    moves,
    probe,
    read,
    target,
)
from bridge.connectors.xero.bodies import adjusting, against, exact
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
from tests.fakes.vendor import Faults
from tests.fakes.xero import CONTACT, TENANT, WRITE_OFF, Organisation
from tests.fakes.xero_contract import wrong_request, wrong_value

SECRET = "xero-client-s3cret"
FIRST = f"refresh-first-{'f' * 30}"
COST, PRICE = Decimal("1.2345"), Decimal("9.99")
"""Of every item: what a purchase order says, and what a quote or invoice says."""
STOCKED = 100_000


def config_of(url: str, folder: Path, **more: Any) -> Config:
    secret, tokens = folder / "secret", folder / "tokens.json"
    if folder.exists() and not tokens.exists():
        secret.write_text(SECRET)
        tokens.write_text(json.dumps({"refresh_token": FIRST}))
    return Config.model_validate(
        {
            "connector": "xero",
            "client_id": "app",
            "client_secret_file": secret,
            "tokens_file": tokens,
            "tenant": TENANT,
            "bills": "AUTHORISED",
            "invoices": "AUTHORISED",
            "credits": "AUTHORISED",
            "due_days": 20,
            "adjustment_contact": CONTACT,
            "adjustment_account": WRITE_OFF,
            "counted_whole": ["ALL"],
            "url": f"{url}/api",
            "token_url": f"{url}/token",
            "http": {"timeout": 20, "settle": 0.1},
            **more,
        }
    )


def organisation(faults: Faults | None = None) -> Organisation:
    return Organisation(faults, Authorization("app", SECRET, FIRST))


def stocked(vendor: Organisation) -> None:
    for sku in SKUS:
        vendor.item(sku, hand=STOCKED)
    vendor.item(COUNTED)
    for number in range(1, 4):
        bought = dict.fromkeys(SKUS, ("100000", str(COST)))
        sold = dict.fromkeys(SKUS, ("100000", str(PRICE)))
        vendor.has("PurchaseOrders", f"PO-{number}", bought)
        vendor.has("Quotes", f"QU-{number}", sold)
        vendor.has("Invoices", f"INV-{number}", sold)


def named(kind: str, number: str) -> tuple[Document, ...]:
    return (Document.model_validate({"kind": kind, "number": number}),)


def totals(vendor: Organisation) -> dict[str, Decimal]:
    """Stock, and the money in the books by type of document."""
    found: Counter[str] = Counter()
    for table in ("Invoices", "CreditNotes"):
        for row in vendor.tables[table]:
            if "UpdatedDateUTC" not in row:
                continue  # it was there before
            for each in row["LineItems"]:
                found[row["Type"]] += each["Quantity"] * each["UnitAmount"]
    money = {name: Decimal(str(each)) for name, each in found.items() if each}
    return {**vendor.on_hand(), **money}


def accountant(given: Sequence[Transaction]) -> dict[str, Decimal]:
    """What the books must show, added up by hand."""
    hand: dict[str, Decimal] = dict.fromkeys(SKUS, Decimal(STOCKED))
    money: defaultdict[str, Decimal] = defaultdict(Decimal)
    for each in given:
        sign, name, price = 0, "", Decimal(0)
        match each.event:
            case Receipt():
                sign, name, price = 1, "ACCPAY", COST
            case Shipment():
                sign, name, price = -1, "ACCREC", PRICE
            case Return():
                sign, name, price = 1, "ACCRECCREDIT", PRICE
            case Adjustment(direction=way):
                sign = 1 if way == "increase" else -1
            case Count(lines=(row,)):
                hand[row.item.sku or ""] = row.quantity.value
        for row in getattr(each.event, "lines", ()) if sign else ():
            hand[row.item.sku] += sign * row.quantity.value
            if name:
                money[name] += row.quantity.value * price
    return {name: value for name, value in {**hand, **money}.items() if value}


class TestOfXero(ConnectorSuite):
    name = "xero"
    secrets = (SECRET, FIRST)
    many = 30

    def config(self, url: str, folder: Path) -> Config:
        return config_of(url, folder)

    @contextlib.asynccontextmanager
    async def serving(self, folder: Path, faults: Faults) -> AsyncIterator[Stage]:
        async with organisation(faults).serving() as vendor:
            stocked(vendor)

            def effects() -> Mapping[str, int]:
                return {name.removesuffix("/out"): often for name, often in vendor.effects.items()}

            config = self.config(vendor.url, folder)
            yield Stage(config, effects, lambda: totals(vendor), vendor)

    def event(self, kind: str, rng: random.Random) -> Event:
        number = rng.randint(1, 3)
        match kind:
            case "receipt":
                return Receipt(lines=some(rng), documents=named("po", f"PO-{number}"))
            case "shipment":
                parcel = Package(tracking=f"1Z{rng.randrange(10**12)}")
                order = named("so", f"QU-{number}")
                return Shipment(packages=(parcel,), lines=some(rng), documents=order)
            case "return":
                return Return(lines=some(rng), documents=named("rma", f"INV-{number}"))
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


# --- Xero's own contract ---


def test_the_judge_finds_what_is_wrong() -> None:
    good = {"Type": "ACCPAY", "LineItems": [{"Quantity": 1, "ItemCode": "A"}]}
    assert not wrong_value("Invoices", {"Invoices": [good]})
    for bad in (
        {"Invoices": [{**good, "Type": "BILL"}]},
        {"Invoices": [{**good, "Refrence": "x"}]},
        {"Invoices": [{**good, "LineItems": [{"Quantity": "1"}]}]},
        {"Invoices": [{**good, "Contact": {"ContactID": "no uuid"}}]},
        {"Bills": [good]},
    ):
        assert wrong_value("Invoices", bad), bad
    assert not wrong_request("GET", "/Items", ["where"], {}, None)
    assert wrong_request("GET", "/Items", ["filter"], {}, None)
    assert wrong_request("GET", "/Items", [], {"X-Made-Up": "1"}, None)
    assert wrong_request("PUT", "/Invoices", [], {"Idempotency-Key": "k" * 129}, {})
    assert wrong_request("DELETE", "/Items", [], {}, None)


# --- What Xero is to create ---

TODAY = date(2026, 11, 23)


def goods(sku: str = "BOLT-8", value: str = "2") -> Line:
    return Line(item=Item(sku=sku), quantity=Quantity(value=Decimal(value)))


def made(event: Event, there: dict[str, Any], tmp_path: Path, **more: Any) -> dict[str, Any]:
    config = config_of("https://x.example", tmp_path, **more)
    plan = document(transaction(1, event), config)
    assert isinstance(plan, Against)
    return against(plan, there, {}, TODAY, config)


def test_a_bill_has_prices_accounts_and_taxes_of_its_order(tmp_path: Path) -> None:
    there = organisation().has("PurchaseOrders", "P", {"BOLT-8": ("5", "1.2345")})
    there["LineItems"][0]["TaxType"] = "INPUT2"
    region = {"Name": "Region", "Option": "North", "TrackingCategoryID": "7", "Options": []}
    there["LineItems"][0]["Tracking"] = [region]
    bill = made(Receipt(lines=(goods(),), documents=named("po", "P")), there, tmp_path)
    [row] = bill["LineItems"]
    assert row == {
        "ItemCode": "BOLT-8",
        "Description": "A BOLT-8",
        "Quantity": 2,
        "UnitAmount": 1.2345,
        "AccountCode": "630",
        "TaxType": "INPUT2",
        "Tracking": [{"Name": "Region", "Option": "North", "TrackingCategoryID": "7"}],
    }
    assert (bill["Type"], bill["Status"], bill["CurrencyCode"]) == ("ACCPAY", "AUTHORISED", "NZD")
    assert date.fromisoformat(bill["DueDate"]) - date.fromisoformat(bill["Date"]) == timedelta(20)
    assert bill["InvoiceNumber"] == f"P/{transaction(1, Receipt(lines=(goods(),))).id}"


def test_an_invoice_keeps_the_discount_of_its_quote(tmp_path: Path) -> None:
    there = organisation().has("Quotes", "Q", {"BOLT-8": ("5", "10")})
    there["LineItems"][0]["DiscountRate"] = Decimal("12.5")
    parcel = (Package(tracking="1Z"),)
    event = Shipment(packages=parcel, lines=(goods(),), documents=named("so", "Q"))
    invoice = made(event, there, tmp_path)
    assert invoice["LineItems"][0]["DiscountRate"] == 12.5
    assert "InvoiceNumber" not in invoice, "Xero numbers what is sold"


def test_a_draft_needs_no_due_date(tmp_path: Path) -> None:
    there = organisation().has("PurchaseOrders", "P", {"BOLT-8": ("5", "1")})
    event = Receipt(lines=(goods(),), documents=named("po", "P"))
    bill = made(event, there, tmp_path, bills="DRAFT", invoices="DRAFT", due_days=None)
    assert bill["Status"] == "DRAFT"
    assert "DueDate" not in bill


@pytest.mark.parametrize(
    ("change", "line_change", "words"),
    [
        ({"Status": "DRAFT"}, {}, "is DRAFT"),
        ({"Status": "DELETED"}, {}, "is DELETED"),
        ({}, {"UnitAmount": None}, "no price"),
        ({}, {"DiscountRate": Decimal(5)}, "only an invoice has a discount"),
        ({}, {"DiscountAmount": Decimal(5)}, "fixed discount"),
        ({}, {"Quantity": Decimal(1)}, "1 of BOLT-8 more than P has left"),
        ({}, {"ItemCode": "NUT"}, "P has no BOLT-8"),
        ({"LineItems": None}, {}, "P has no BOLT-8"),
    ],
)
def test_an_order_that_does_not_fit_is_refused(
    change: dict[str, Any], line_change: dict[str, Any], words: str, tmp_path: Path
) -> None:
    there = organisation().has("PurchaseOrders", "P", {"BOLT-8": ("5", "1")})
    there["LineItems"][0] |= line_change
    there |= change
    with pytest.raises(Unfit, match=words):
        made(Receipt(lines=(goods(),), documents=named("po", "P")), there, tmp_path)


def test_what_xero_would_round_is_refused() -> None:
    assert exact(Decimal("1.2345")) == 1.2345
    with pytest.raises(Unfit, match="4 decimal places"):
        exact(Decimal("1.23456"))


@pytest.mark.parametrize(("sign", "type_"), [(1, "ACCPAY"), (-1, "ACCPAYCREDIT")])
def test_an_adjustment_comes_to_nothing_in_all(sign: int, type_: str, tmp_path: Path) -> None:
    config = config_of("https://x.example", tmp_path, adjustment_accounts={"broken": "402"})
    items = {"A": organisation().item("A", "3.3333"), "B": organisation().item("B", "0.1")}
    changes = (("A", Decimal(sign * 3)), ("B", Decimal(sign) / 2))
    body = adjusting("key", TODAY, "broken", changes, items, config)
    assert body["Type"] == type_
    worth = [Decimal(str(row["Quantity"])) * Decimal(str(row["UnitAmount"]))
             for row in body["LineItems"]]  # fmt: skip
    assert sum(worth) == 0
    assert worth[0] == Decimal("9.9999")
    assert {row["AccountCode"] for row in body["LineItems"]} == {"630", "402"}


def test_adjustments_without_an_account_are_refused(tmp_path: Path) -> None:
    config = config_of("https://x.example", tmp_path, adjustment_account=None)
    event = Adjustment(lines=(goods(),), direction="increase", reason="found")
    refused = document(transaction(1, event), config)
    assert isinstance(refused, Refused)
    assert refused.code == "unmapped"
    assert not calls(transaction(1, event), config)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bills": "AUTHORISED", "due_days": None}, "due_days"),
        ({"adjustment_account": "no account"}, "adjustment_account"),
        ({"timezone": "Nowhere"}, "no time zone"),
    ],
)
def test_a_config_that_cannot_work_is_refused(
    change: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(ValidationError, match=words):
        config_of("https://x.example", tmp_path, **change)


# --- What it does ---


@contextlib.asynccontextmanager
async def opened(tmp_path: Path, **more: Any) -> AsyncIterator[tuple[Organisation, Config]]:
    async with organisation().serving() as vendor:
        stocked(vendor)
        yield vendor, config_of(vendor.url, tmp_path, **more)
        assert not vendor.problems


async def delivered(config: Config, event: Event, *, again: bool = False) -> Outcome:
    async with connect(config) as connector:
        return await connector.deliver(transaction(1, event), again=again)


RECEIPT = Receipt(lines=(goods(),), documents=named("po", "PO-1"))


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("The document date cannot be before the end of year lock date", "closed_period"),
        ("Item code 'BOLT-8' is not valid", "unknown_sku"),
        ("The quantity on hand is too low", "short_stock"),
        ("Something new", "refused"),
    ],
)
def test_a_validation_error_is_sorted_by_who_acts(message: str, code: str) -> None:
    outcome = read_by(400, validation(message))
    assert isinstance(outcome, Refused)
    assert outcome.code == code
    assert message in outcome.text


def validation(*messages: str) -> str:
    errors = [{"Message": message} for message in messages]
    said = {"Type": "ValidationException", "Elements": [{"ValidationErrors": errors}]}
    return json.dumps(said)


def read_by(status: int, text: str, *, writes: bool = True) -> Outcome:
    with pytest.raises(Stopped) as stopped:
        api.rows_of(Answer(status, text.encode()), "Invoices", writes=writes)
    return stopped.value.outcome


async def test_an_error_in_an_answer_200_is_one(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vendor, config):
        vendor.quiet_errors = ["Item code 'BOLT-8' is not valid"]
        outcome = await delivered(config, RECEIPT)
        assert isinstance(outcome, Refused)
        assert outcome.code == "unknown_sku"
        vendor.invalid = ["The document date is before the period lock date"]
        outcome = await delivered(config, RECEIPT)
        assert isinstance(outcome, Refused)
        assert outcome.code == "closed_period"
        assert isinstance(await delivered(config, RECEIPT), Posted)


ODD: tuple[tuple[Event, str], ...] = (
        (Receipt(lines=(goods(),), documents=named("po", "PO 9/1")), "unknown_document"),
        (Shipment(packages=(Package(tracking="1"),), lines=(goods(),),
                  documents=named("so", "QU")), "unknown_document"),
        (Return(lines=(goods(),), documents=named("rma", 'INV"-1')), "unknown_document"),
        (Receipt(lines=(goods("CAP"),), documents=named("po", "PO-1")), "unknown_sku"),
        (Receipt(lines=(goods(value="100001"),), documents=named("po", "PO-1")), "over_receipt"),
        (Adjustment(lines=(goods("CAP"),), direction="increase", reason="x"), "unknown_sku"),
        (Count(lines=(goods("CAP"),), location="ALL"), "unknown_sku"),
        (Adjustment(lines=(goods("LABOUR"),), direction="increase", reason="x"), "refused"),
        (Adjustment(lines=(goods("GIFT"),), direction="increase", reason="x"), "contract"),
        (Receipt(lines=(goods(value="0.00001"),), documents=named("po", "PO-1")), "contract"),
)  # fmt: skip


async def test_what_xero_does_not_have_is_refused_and_nothing_created(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vendor, config), connect(config) as connector:
        vendor.item("LABOUR", tracked=False)
        vendor.item("GIFT", price=None)
        for seq, (event, code) in enumerate(ODD, start=1):
            outcome = await connector.deliver(transaction(seq, event), again=False)
            assert isinstance(outcome, Refused), event
            assert outcome.code == code, event
        assert not vendor.effects


@pytest.mark.parametrize("undone", ["VOIDED", "DELETED"])
async def test_an_order_is_received_in_parts_and_no_more_than_all(
    undone: str, tmp_path: Path
) -> None:
    async with opened(tmp_path) as (vendor, config), connect(config) as connector:
        vendor.has("PurchaseOrders", 'A"/1', {"BOLT-8": ("10", "1"), "NUT-8": ("5", "2")})
        vendor.has("PurchaseOrders", 'A"/1/2', {"BOLT-8": ("10", "1")})
        parts = [
            Receipt(lines=(goods(value=each),), documents=named("po", number))
            for each, number in (("6", 'A"/1'), ("6", 'A"/1/2'), ("4.5", 'A"/1'), ("4", 'A"/1'))
        ]
        made_ = [transaction(seq, each) for seq, each in enumerate(parts, start=1)]
        outcomes = [await connector.deliver(each, again=False) for each in made_]
        assert [type(each) for each in outcomes] == [Posted, Posted, Refused, Posted]
        assert isinstance(outcomes[2], Refused)
        assert outcomes[2].code == "over_receipt"
        assert "which is 4" in outcomes[2].text
        first = next(row for row in vendor.tables["Invoices"] if "/1/0" in row["InvoiceNumber"])
        first["Status"] = undone
        assert isinstance(await connector.deliver(made_[2], again=False), Posted)


async def test_an_order_of_too_many_documents_goes_to_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target, "MAX_PAGES", 1)
    monkeypatch.setattr(target, "PAGE", 1)
    async with opened(tmp_path) as (_, config), connect(config) as connector:
        outcomes = [
            await connector.deliver(transaction(seq, RECEIPT), again=False) for seq in (1, 2)
        ]
    assert isinstance(outcomes[0], Posted)
    assert isinstance(outcomes[1], Refused)
    assert outcomes[1].code == "needs_human"


async def test_a_count_with_more_of_one_and_less_of_another_is_two_documents(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as (vendor, config):
        rows = (goods("BOLT-8", "100005"), goods("NUT-8", "99990"), goods("WASHER", "100000"))
        event = Count(lines=rows, location="ALL")
        vendor.faults.next = ["lost", "", "lost"]
        outcomes = [await delivered(config, event, again=bool(n)) for n in range(4)]
        assert [type(each) for each in outcomes] == [Unknown, Posted, Posted, Posted]
        assert outcomes[1] == outcomes[2] == outcomes[3]
        assert set(vendor.effects.values()) == {1}
        assert len(vendor.effects) == 2
        assert vendor.on_hand()["BOLT-8"] == 100_005
        assert vendor.on_hand()["NUT-8"] == 99_990


async def test_a_count_that_finds_what_the_books_say_books_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vendor, config):
        event = Count(lines=(goods(value="100000"),), location="ALL")
        assert await delivered(config, event) == Posted("")
        assert not vendor.effects


async def test_what_a_person_voided_stays_voided(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vendor, config):
        first = await delivered(config, RECEIPT)
        vendor.tables["Invoices"][-1]["Status"] = "VOIDED"
        assert await delivered(config, RECEIPT, again=True) == first


async def test_a_clock_that_was_not_set_books_today(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vendor, config):
        value = transaction(1, RECEIPT)
        clock = value.clock.model_copy(update={"synchronised": False})
        async with connect(config) as connector:
            unset = value.model_copy(update={"clock": clock})
            assert isinstance(await connector.deliver(unset, again=False), Posted)
        booked = date.fromisoformat(vendor.tables["Invoices"][-1]["Date"])
    assert abs(booked - datetime.now(UTC).date()) <= timedelta(1)


@pytest.mark.parametrize(
    ("problem", "said", "after"),
    [("minute", 7.0, 7.0), ("day", 0.0, 0.0), ("day", None, 3_600.0), ("concurrent", None, None)],
)
async def test_which_limit_is_reached_is_said(
    problem: str, said: float | None, after: float | None, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    async with opened(tmp_path) as (vendor, config):
        vendor.problem = problem
        vendor.faults.next = ["throttled"]
        vendor.faults.retry_after = said or 0.0
        if said is None:
            answer = vendor.throttled()
            del answer.headers["Retry-After"]
            monkeypatch.setattr(vendor, "throttled", lambda: answer)
        outcome = await delivered(config, RECEIPT)
    assert isinstance(outcome, TryLater)
    assert f"the {problem} limit" in outcome.why
    assert outcome.after == after


async def test_a_login_without_this_organisation_waits_for_a_person(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vendor, config):
        vendor.tenant = "another"
        outcome = await delivered(config, RECEIPT)
    assert isinstance(outcome, TryLater)
    assert outcome.after is not None
    assert "AuthenticationUnsuccessful" in outcome.why


async def test_without_an_organisation_nothing_is_asked_of_any(tmp_path: Path) -> None:
    async with opened(tmp_path, tenant=None) as (vendor, config):
        outcome = await delivered(config, RECEIPT)
        assert not [each for each in vendor.seen if each.path != "/token"]
    assert isinstance(outcome, TryLater)
    assert outcome.needs == "person"


async def test_a_custom_connection_needs_no_person_and_no_tenant(tmp_path: Path) -> None:
    async with opened(tmp_path, tokens_file=None, tenant=None) as (vendor, config):
        vendor.tenant = None
        assert isinstance(await delivered(config, RECEIPT), Posted)
        assert vendor.server.grants == {"client_credentials": 1}


@pytest.mark.parametrize("text", ["<html>", "[]", "{}", '{"Invoices": 7}', '{"Invoices": [7]}'])
def test_an_answer_that_is_no_document_is_ambiguous(text: str) -> None:
    assert isinstance(read_by(200, text), Unknown)
    assert isinstance(read_by(200, text, writes=False), TryLater)


async def test_an_answer_without_the_document_is_ambiguous(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def odd(request: web.Request) -> web.StreamResponse:
        return web.Response(text='{"Invoices": []}', content_type="application/json")

    vendor = organisation()
    stocked(vendor)
    monkeypatch.setattr(vendor, "create", odd)
    async with vendor.serving():
        outcome = await delivered(config_of(vendor.url, tmp_path), RECEIPT)
    assert isinstance(outcome, Unknown)


# --- What it reads ---


async def test_it_reads_items_orders_stock_and_what_was_booked(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vendor, config):
        vendor.item("LABOUR", tracked=False)
        vendor.has("PurchaseOrders", "PO-9", {"BOLT-8": ("1", "1")}, Status="DRAFT")
        began = datetime.now(UTC) - timedelta(seconds=1)
        await delivered(config, RECEIPT)
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
    assert set(orders) == {"PO-1", "PO-2", "PO-3", "QU-1", "QU-2", "QU-3"}
    assert orders["QU-1"].document == "so"
    assert orders["PO-1"].lines[0].quantity == 100_000
    assert {each.number: sum(row.done for row in each.lines) for each in orders.values()} == {
        **dict.fromkeys(orders, 0), "PO-1": 2
    }  # fmt: skip
    assert stock["BOLT-8"] == 99_999
    assert "LABOUR" not in stock
    assert not places
    assert {each.reference for each in booked} == {
        str(transaction(1, RECEIPT).id), str(transaction(2, event).id)
    }  # fmt: skip
    assert {each.state for each in booked} == {"booked"}
    assert {each.quantity for each in booked} == {Decimal(2), Decimal(3)}
    assert not later


async def test_it_reads_page_after_page(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vendor, config):
        for number in range(250):
            vendor.has("PurchaseOrders", f"MORE-{number}", {"BOLT-8": ("1", "1")})
        async with read(config) as source:
            orders = [each.number async for each in source.documents()]
    assert len(orders) == len(set(orders)) == 256


async def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vendor, config):
        vendor.tenant = "another"
        async with read(config) as source:
            with pytest.raises(SourceFailed, match="403"):
                _ = [each async for each in source.items()]


async def test_a_probe_names_the_organisation(tmp_path: Path) -> None:
    async with opened(tmp_path) as (vendor, config):
        said = "\n".join(await probe(config))
        assert "Bolts Ltd (NZD)" in said
        vendor.tenant = "another"
        with pytest.raises(Stopped):
            await probe(config)


def test_a_draft_moves_nothing_until_a_person_approves_it(tmp_path: Path) -> None:
    config = config_of("https://x.example", tmp_path)
    drafts = config.model_copy(update={"bills": "DRAFT"})
    moved = [moves(transaction(1, RECEIPT), each)[0][3] for each in (config, drafts)]
    assert moved == [Decimal(2), None]


async def test_the_self_test_finds_one_effect(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, config):
        value = sample("receipt", Sample(sku="BOLT-8", document="PO-1"))
        found = await self_test("xero", config, value)
    assert all(each.good for each in found), found
    assert found[-1].text == "the target shows it 1 times"


def test_it_books_what_its_plan_says() -> None:
    assert {"receipt", "shipment", "return", "adjustment", "count"} == CAPABILITIES.books
