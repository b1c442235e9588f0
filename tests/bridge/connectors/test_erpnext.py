"""Against a fake site, since none can be had: the suite, and what differs from lambda-erp."""

import contextlib
import json
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bridge.connectors.erpnext import Config, connect, probe, read
from bridge.connectors.erpnext.forms import ErpNextForms
from bridge.http import Answer
from bridge.outcome import Outcome, Posted, Refused, TryLater, Unknown
from contract.transactions import (
    Adjustment,
    Assembly,
    Count,
    Event,
    Package,
    Receipt,
    Return,
    Reversal,
    Shipment,
    Transaction,
)
from contract.values import Document, Item, Line, Quantity
from tests.bridge.connectors.suite import ConnectorSuite, Stage, transaction
from tests.bridge.goods import COUNTED, SKUS, clerk, event_of, some
from tests.bridge.streams import lines
from tests.fakes.erpnext import ID, MARK, Site
from tests.fakes.vendor import Faults

KEY = "0123456789abcde:fedcba987654321"
COMPANY = "Example Ltd"
DEFAULTS = {
    "warehouse": "STORAGE",
    "receiving": "RECEIVING",
    "staging": "STAGING",
    "returns": "RETURNS",
}
PLACES = ("DOCK", "A-01", "A-02", "B-01")
ORDERS = ("1001", "1002", "1003")
PLENTY = 100_000


def config_of(url: str, folder: Path, **more: Any) -> Config:
    file = folder / "key"
    if folder.exists():
        file.write_text(KEY)
    return Config.model_validate(
        {
            "connector": "erpnext",
            "url": url,
            "api_key_file": file,
            "company": COMPANY,
            **{name: f"{place} - EX" for name, place in DEFAULTS.items()},
            "warehouses": {place: f"{place} - EX" for place in PLACES},
            "http": {"timeout": 20, "settle": 0.1},
            **more,
        }
    )


def furnish(site: Site) -> None:
    for code in (*SKUS, COUNTED, "KIT"):
        site.item(code)
    for place in (*PLACES, *DEFAULTS.values()):
        site.warehouse(f"{place} - EX", COMPANY)
        for sku in SKUS:
            site.stock[sku, f"{place} - EX"] = PLENTY
    rows = [(sku, PLENTY, "STORAGE - EX") for sku in SKUS]
    for number in ORDERS:
        site.order("Purchase Order", number, COMPANY, *rows)
        site.order("Sales Order", f"S{number}", COMPANY, *rows)


def on_hand(site: Site) -> dict[str, Decimal]:
    hand = {}
    for (item, place), quantity in site.stock.items():
        more = Decimal(quantity) - (PLENTY if item in SKUS else 0)
        if more:
            hand[f"{item} at {place.removesuffix(' - EX')}"] = more
    return hand


class TestOfErpNext(ConnectorSuite):
    name = "erpnext"
    many = 36
    secrets = (KEY, *KEY.split(":"))
    left_out = frozenset({"reversal"})

    def config(self, url: str, folder: Path) -> Config:
        return config_of(url, folder)

    @contextlib.asynccontextmanager
    async def serving(self, folder: Path, faults: Faults) -> AsyncIterator[Stage]:
        async with Site(faults, KEY).serving() as site:
            furnish(site)
            yield Stage(
                self.config(site.url, folder),
                lambda: {name: often for name, often in site.effects.items() if often},
                lambda: on_hand(site),
                site,
            )

    def event(self, kind: str, rng: random.Random) -> Event:
        match kind:
            case "receipt":
                order = rng.choice([(), (Document(kind="po", number=rng.choice(ORDERS)),)])
                return Receipt(lines=some(rng), documents=order, to_location=rng.choice(PLACES))
            case "shipment":
                order = (Document(kind="so", number=f"S{rng.choice(ORDERS)}"),)
                return Shipment(packages=(Package(),), lines=some(rng), documents=order)
        return event_of(kind, rng)

    def expected(self, given: Sequence[Transaction]) -> Mapping[str, Any]:
        return clerk(given)


# --- What is its own ---


class Desk:
    """A site, and one bridge's connector to it."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site = site
        self._folder = folder
        self._seq = 0

    def config(self, **more: Any) -> Config:
        return config_of(self.site.url, self._folder, **more)

    def transaction(self, event: Event) -> Transaction:
        self._seq += 1
        return transaction(self._seq, event)

    async def book(
        self, event: Event | Transaction, *, again: bool = False, **more: Any
    ) -> Outcome:
        value = event if isinstance(event, Transaction) else self.transaction(event)
        async with connect(self.config(**more)) as connector:
            return await connector.deliver(value, again=again)

    async def is_refused(self, event: Event | Transaction, code: str) -> None:
        outcome = await self.book(event)
        assert isinstance(outcome, Refused), outcome
        assert outcome.code == code, outcome

    def booked(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.site.documents[kind].values() if each["docstatus"] == 1]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with Site(key=KEY).serving() as site:
        furnish(site)
        yield Desk(site, tmp_path)
        assert not site.problems


def more_of(item: Item, quantity: str = "2", **said: Any) -> Adjustment:
    line = Line(item=item, quantity=Quantity(value=quantity), **said)
    return Adjustment(lines=(line,), location="A-01", direction="increase", reason="found")


async def test_a_count_is_a_reconciliation_of_what_differs(desk: Desk) -> None:
    desk.site.stock["KIT", "B-01 - EX"] = 7
    found = Count(lines=(*lines("SCREW", "4"), *lines("KIT", "7")), location="B-01")
    assert isinstance(await desk.book(found), Posted)
    [made] = desk.booked("Stock Reconciliation")
    assert [(row["item_code"], row["qty"]) for row in made["items"]] == [("SCREW", 4)]
    assert await desk.book(Count(lines=lines("KIT", "7"), location="B-01")) == Posted("")


async def test_an_assembly_is_one_repacking(desk: Desk) -> None:
    event = Assembly(consumed=lines("BOLT-8", "6"), produced=lines("KIT", "3"), location="A-01")
    assert isinstance(await desk.book(event), Posted)
    [made] = desk.booked("Stock Entry")
    assert made["stock_entry_type"] == "Repack"
    assert [row.get("is_finished_item") for row in made["items"]] == [None, 1]


@pytest.mark.parametrize("barcode", ["04012345678901", "4012345678901"])
async def test_an_item_is_found_by_its_barcode_however_it_is_spelt(
    desk: Desk, barcode: str
) -> None:
    desk.site.item("COFFEE", "Nos", barcode)
    assert isinstance(await desk.book(more_of(Item(gtin="04012345678901"))), Posted)
    assert on_hand(desk.site) == {"COFFEE at A-01": 2}


async def test_a_barcode_of_two_items_or_none_is_refused(desk: Desk) -> None:
    await desk.is_refused(more_of(Item(gtin="04012345678901")), "unknown_sku")
    desk.site.item("ONE", "Nos", "4012345678901")
    desk.site.item("TWO", "Nos", "04012345678901")
    await desk.is_refused(more_of(Item(gtin="04012345678901")), "unknown_sku")


async def test_a_lot_that_comes_in_is_made_and_one_that_goes_out_must_be_there(desk: Desk) -> None:
    desk.site.item("SERUM", has_batch_no=1)
    serum = Item(sku="SERUM")
    await desk.is_refused(more_of(serum), "lot_required")
    came = more_of(serum, lot="L1", expiry=date(2027, 5, 1))
    assert isinstance(await desk.book(came), Posted)
    assert desk.site.documents["Batch"]["L1"]["expiry_date"] == "2027-05-01"
    assert isinstance(await desk.book(more_of(serum, lot="L1")), Posted)
    gone = Adjustment(
        lines=lines("SERUM", "1", lot="L9"), location="A-01", direction="decrease", reason="lost"
    )
    await desk.is_refused(gone, "lot_required")
    [_, made] = desk.booked("Stock Entry")
    assert made["items"][0]["batch_no"] == "L1"


async def test_a_lot_of_another_item_by_that_name_is_refused(desk: Desk) -> None:
    desk.site.item("SERUM", has_batch_no=1)
    desk.site.item("OTHER", has_batch_no=1)
    assert isinstance(await desk.book(more_of(Item(sku="OTHER"), lot="L1")), Posted)
    await desk.is_refused(more_of(Item(sku="SERUM"), lot="L1"), "lot_required")


async def test_serial_numbers_are_named_one_for_each_piece(desk: Desk) -> None:
    desk.site.item("PUMP", has_serial_no=1)
    two = (*lines("PUMP", "1", serial="S1"), *lines("PUMP", "1", serial="S2"))
    event = Adjustment(lines=two, location="A-01", direction="increase", reason="found")
    assert isinstance(await desk.book(event), Posted)
    [made] = desk.booked("Stock Entry")
    assert made["items"][0]["serial_no"] == "S1\nS2"
    await desk.is_refused(more_of(Item(sku="PUMP"), serial="S3"), "lot_required")


async def test_a_label_s_lot_of_an_item_without_lots_stays_in_the_ledger(desk: Desk) -> None:
    assert isinstance(await desk.book(more_of(Item(sku="BOLT-8"), lot="L1")), Posted)
    [made] = desk.booked("Stock Entry")
    assert "batch_no" not in made["items"][0]


async def test_what_has_no_cost_is_refused_or_booked_at_none_as_the_setting_says(
    desk: Desk,
) -> None:
    desk.site.item("NEW", cost=0)
    value = desk.transaction(more_of(Item(sku="NEW")))
    await desk.is_refused(value, "refused")
    desk.site.documents["Stock Entry"].clear()  # as a person would delete the draft
    assert isinstance(await desk.book(value, unknown_cost="zero"), Posted)


async def test_what_comes_back_names_the_row_it_left_by(desk: Desk) -> None:
    order = (Document(kind="so", number="S1001"),)
    sent = await desk.book(
        Shipment(packages=(Package(),), lines=lines("BOLT-8", "4"), documents=order)
    )
    assert isinstance(sent, Posted)
    note = (Document(kind="desadv", number=sent.document),)
    assert isinstance(await desk.book(Return(lines=lines("BOLT-8", "3"), documents=note)), Posted)
    back = desk.booked("Delivery Note")[-1]
    assert (back["is_return"], back["return_against"]) == (1, sent.document)
    [row] = back["items"]
    assert (row["qty"], row["dn_detail"], row["so_detail"]) == (-3, f"{sent.document}-0", "S1001-0")
    assert on_hand(desk.site) == {"BOLT-8 at STAGING": -4, "BOLT-8 at RETURNS": 3}


async def test_a_reversal_cancels_what_was_booked_and_deletes_what_was_not(desk: Desk) -> None:
    made = desk.transaction(more_of(Item(sku="BOLT-8")))
    posted = await desk.book(made)
    assert await desk.book(Reversal(reverses=made.id)) == posted
    assert on_hand(desk.site) == {}
    short = desk.transaction(
        Adjustment(lines=lines("SCREW", "1"), location="A-01", direction="decrease", reason="lost")
    )
    await desk.is_refused(short, "short_stock")
    undo = desk.transaction(Reversal(reverses=short.id))
    desk.site.faults.next = ["lost"]
    assert isinstance(await desk.book(undo), Posted | Unknown)  # a DELETE may be sent twice
    assert await desk.book(undo, again=True) == Posted("")
    assert [each["docstatus"] for each in desk.site.documents["Stock Entry"].values()] == [2]


async def test_a_draft_that_somebody_else_s_attempt_made_meanwhile_is_carried_on(
    desk: Desk,
) -> None:
    """The other one's draft came between this one's look and its own: the field is unique."""
    value = desk.transaction(more_of(Item(sku="BOLT-8")))
    desk.site.faults.next = ["doubled"]  # the first arrival makes it, the second is answered
    assert isinstance(await desk.book(value), Posted)
    assert on_hand(desk.site) == {"BOLT-8 at A-01": 2}


async def test_two_vouchers_of_one_transaction_are_left_to_a_person(desk: Desk) -> None:
    value = desk.transaction(more_of(Item(sku="BOLT-8")))
    await desk.book(value)
    [made] = desk.booked("Stock Entry")
    desk.site.documents["Stock Entry"]["COPY"] = {**made, "name": "COPY"}
    outcome = await desk.book(value)
    assert isinstance(outcome, TryLater)
    assert "not unique" in outcome.why


# --- What answers mean ---


def thrown(kind: str, words: str, status: int = 417) -> Answer:
    page = f'{{"exc_type": "{kind}", "exception": "frappe.exceptions.{kind}: {words}"}}'
    return Answer(status, page.encode())


@pytest.mark.parametrize(
    ("answer", "meant"),
    [
        (thrown("NegativeStockError", "3 units needed"), "short_stock"),
        (thrown("OverAllowanceError", "over limit"), "over_receipt"),
        (thrown("SerialNoRequiredError", "Serial No"), "lot_required"),
        (thrown("ClosedAccountingPeriod", "no"), "closed_period"),
        (thrown("StockFrozenError", "no"), "closed_period"),
        (thrown("ValidationError", "Books have been closed till the period"), "closed_period"),
        (thrown("ValidationError", "Purchase Order PO-1 is closed"), "refused"),
        (thrown("LinkValidationError", "Could not find Row #1: Item: X"), "unknown_sku"),
        (thrown("LinkValidationError", "Could not find Row #1: Warehouse: X"), "unknown_location"),
        (thrown("ValidationError", "Batch No is mandatory for Item X"), "lot_required"),
        (thrown("QueryDeadlockError", "try again", 500), TryLater),
        (thrown("TimestampMismatchError", "has been modified"), TryLater),
        (thrown("PermissionError", "no", 403), TryLater),
        (thrown("AuthenticationError", "no", 401), TryLater),
        (Answer(500, b"<html>"), Unknown),
        (Answer(502, b"<html>"), Unknown),
    ],
)
def test_what_erpnext_says_no_to_is_sorted(
    answer: Answer, meant: str | type, tmp_path: Path
) -> None:
    forms = ErpNextForms(config_of("https://x.example", tmp_path))
    outcome = forms.judge(answer, writes=True)
    if isinstance(meant, str):
        assert isinstance(outcome, Refused)
        assert outcome.code == meant
    else:
        assert isinstance(outcome, meant)


def test_words_for_people_are_shown_without_their_markup(tmp_path: Path) -> None:
    message = json.dumps({"message": "<b>No</b> way"})
    page = json.dumps({"exc_type": "X", "_server_messages": json.dumps([message])}).encode()
    forms = ErpNextForms(config_of("https://x.example", tmp_path))
    assert forms.judge(Answer(417, page), writes=True) == Refused("refused", "No way")


# --- Reading ---


async def test_it_reads_items_orders_warehouses_stock_and_what_was_booked(desk: Desk) -> None:
    desk.site.item("SERUM", has_batch_no=1)
    desk.site.item("DRUM", "Barrel")
    began = datetime.now(UTC)
    value = desk.transaction(
        Receipt(lines=lines("BOLT-8", "4"), documents=(Document(kind="po", number="1001"),))
    )
    posted = await desk.book(value)
    assert isinstance(posted, Posted)
    async with read(desk.config()) as source:
        items = {each.sku: each.lot async for each in source.items()}
        orders = {each.number: each async for each in source.documents()}
        places = {each.name: each.purpose async for each in source.locations()}
        stock = {(each.sku, each.location): each.quantity async for each in source.stock()}
        [booked] = [each async for each in source.booked(began)]
        later = datetime.now(UTC) + timedelta(seconds=1)
        assert [each async for each in source.booked(later)] == []
    assert items["SERUM"]
    assert "DRUM" not in items
    assert [str(line.done) for line in orders["1001"].lines] == ["4.000", "0.000", "0.000"]
    assert (places["DOCK"], places["RECEIVING - EX"]) == ("storage", "receiving")
    assert stock["BOLT-8", "RECEIVING - EX"] == PLENTY + 4
    assert (booked.reference, booked.document, booked.state) == (
        str(value.id),
        posted.document,
        "booked",
    )


async def test_the_probe_says_whether_twice_will_be_once(desk: Desk) -> None:
    kinds = ("Stock Entry", "Purchase Receipt", "Delivery Note")
    fields = desk.site.documents["Custom Field"]
    for kind in kinds:
        fields[f"{kind}-id"] = {"dt": kind, "fieldname": ID, "unique": 1}
        fields[f"{kind}-mark"] = {"dt": kind, "fieldname": MARK, "unique": 0}
    fields["Purchase Receipt-id"]["unique"] = 0
    del fields["Delivery Note-mark"]
    assert await probe(desk.config()) == [
        "Stock Entry: as it should be",
        f"Purchase Receipt: {ID} is not unique, so nothing makes twice once",
        f"Delivery Note: there is no custom field {MARK}",
        f"Stock Reconciliation: there is no custom field {ID}",
    ]
