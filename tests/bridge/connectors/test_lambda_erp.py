"""Against a real lambda-erp: the suite through a relay with faults, and what is its own."""

import asyncio
import contextlib
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from bridge import first_day
from bridge.connectors.lambda_erp import CAPABILITIES, Config, connect, moves, read
from bridge.errors import SourceFailed
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
from tests.bridge.connectors.suite import CLOSED, ConnectorSuite, Stage, transaction
from tests.bridge.goods import clerk, event_of, some
from tests.bridge.streams import lines
from tests.fakes.vendor import Faults
from tests.lambda_erp.books import drafts, on_hand, postings
from tests.lambda_erp.house import DEFAULTS, ORDERS, PLACES, PLENTY, Company
from tests.lambda_erp.server import Server
from tests.prove.relay import Relay

pytest_plugins = ["tests.lambda_erp.fixtures"]
pytestmark = [pytest.mark.timeout(600)]  # the first test installs it


def config_of(company: Company, url: str, folder: Path, key: str, **more: Any) -> Config:
    file = folder / "key"
    if folder.exists():
        file.write_text(key)
    return Config.model_validate(
        {
            "connector": "lambda_erp",
            **company.settings,
            "url": url,
            "api_key_file": file,
            "http": {"timeout": 20, "settle": 0.1},
            **more,
        }
    )


class TestOfLambdaErp(ConnectorSuite):
    name = "lambda_erp"
    many = 27
    left_out = frozenset({"reversal"})

    @pytest.fixture(autouse=True)
    def _has_a_server(self, lambda_erp: Server) -> None:
        self.server = lambda_erp
        type(self).secrets = (lambda_erp.built.key,)
        self.company = lambda_erp.company()

    def config(self, url: str, folder: Path) -> Config:
        return config_of(self.company, url, folder, self.server.built.key)

    @contextlib.asynccontextmanager
    async def serving(self, folder: Path, faults: Faults) -> AsyncIterator[Stage]:
        async with Relay(self.server.url, faults).serving() as relay:
            yield Stage(
                self.config(relay.url, folder),
                lambda: postings(self.server, self.company),
                lambda: on_hand(self.server, self.company),
                relay,
                relay.settled,
            )

    def event(self, kind: str, rng: random.Random) -> Event:
        match kind:
            case "receipt":
                orders = [(), *((self._order("po", each),) for each in ORDERS)]
                return Receipt(
                    lines=some(rng), documents=rng.choice(orders), to_location=rng.choice(PLACES)
                )
            case "shipment":
                order = self._order("so", f"S{rng.choice(ORDERS)}")
                parcels = (Package(tracking=f"1Z{rng.randrange(10**10)}"),)
                return Shipment(packages=parcels, lines=some(rng), documents=(order,))
        return event_of(kind, rng)

    def _order(self, kind: str, number: str) -> Document:
        return Document.model_validate({"kind": kind, "number": self.company.of(number)})

    def expected(self, given: Sequence[Transaction]) -> Mapping[str, Any]:
        assert set(DEFAULTS.values()) == {"STORAGE", "RECEIVING", "STAGING", "RETURNS"}
        return clerk(given)


# --- What is its own ---


class Desk:
    """One bridge's connector and one company of a running lambda-erp."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.company = server.company()
        self._folder = folder
        self._seq = 0

    def config(self, **more: Any) -> Config:
        url = more.pop("url", self.server.url)
        return config_of(self.company, url, self._folder, self.server.built.key, **more)

    def transaction(self, event: Event) -> Transaction:
        self._seq += 1
        return transaction(self._seq, event)

    async def book(self, event: Event | Transaction, **more: Any) -> Outcome:
        value = event if isinstance(event, Transaction) else self.transaction(event)
        async with connect(self.config(**more)) as connector:
            return await connector.deliver(value, again=False)

    async def is_refused(self, event: Event | Transaction, code: str, **more: Any) -> str:
        outcome = await self.book(event, **more)
        assert isinstance(outcome, Refused), outcome
        assert outcome.code == code, outcome
        return outcome.text

    @property
    def hand(self) -> dict[str, Decimal]:
        return on_hand(self.server, self.company)

    def document(self, kind: str, number: str) -> tuple[Document, ...]:
        return (Document.model_validate({"kind": kind, "number": self.company.of(number)}),)

    def order(self, number: str, *items: str, quantity: int = 10) -> tuple[Document, ...]:
        self.company.order("purchase-order", number, quantity, *items)
        return self.document("po", number)

    def voucher(self, name: str, kind: str = "stock-entry") -> Any:
        return self.company.office.call("GET", f"/documents/{kind}/{name}")


@pytest.fixture
def desk(lambda_erp: Server, tmp_path: Path) -> Desk:
    return Desk(lambda_erp, tmp_path)


def moved_out(sku: str = "BOLT-8", quantity: str = "2", place: str = "A-01") -> Adjustment:
    return Adjustment(
        lines=lines(sku, quantity), location=place, direction="decrease", reason="lost"
    )


def found_more(sku: str = "BOLT-8", quantity: str = "2", **more: Any) -> Adjustment:
    return Adjustment(
        lines=lines(sku, quantity, **more), location="A-01", direction="increase", reason="found"
    )


def counted(sku: str, quantity: str, place: str = "B-01") -> Count:
    return Count(lines=lines(sku, quantity), location=place)


async def test_eight_bridges_that_send_one_transaction_at_once_book_it_once(desk: Desk) -> None:
    value = desk.transaction(moved_out())
    outcomes = await asyncio.gather(*(desk.book(value) for _ in range(8)))
    name = f"{desk.company.name}-{value.id}"
    assert Posted(name) in outcomes
    assert all(outcome == Posted(name) or isinstance(outcome, Unknown) for outcome in outcomes)
    assert await desk.book(value) == Posted(name)
    assert desk.hand == {"BOLT-8 at A-01": Decimal(-2)}


async def test_a_receipt_fills_the_lines_of_its_order_in_turn(desk: Desk) -> None:
    order = desk.order("split", "BOLT-8", "NUT-8", "BOLT-8")
    value = desk.transaction(Receipt(lines=lines(quantity="13"), documents=order))
    posted = await desk.book(value)
    assert isinstance(posted, Posted)
    rows = desk.voucher(posted.document, "purchase-receipt")["items"]
    assert [(row["qty"], row["rate"]) for row in rows] == [(10, 2), (3, 2)]
    assert desk.hand == {"BOLT-8 at RECEIVING": Decimal(13)}


async def test_a_receipt_goes_where_the_order_says_if_no_place_is_known(desk: Desk) -> None:
    await desk.book(Receipt(lines=lines(), documents=desk.order("there", "BOLT-8")), receiving=None)
    assert desk.hand == {"BOLT-8 at STORAGE": Decimal(2)}


async def test_more_than_was_ordered_is_refused_and_its_draft_is_not_counted(desk: Desk) -> None:
    order = desk.order("few", "BOLT-8")
    much = Receipt(lines=lines(quantity="11"), documents=order)
    await desk.is_refused(much, "over_receipt")
    assert desk.hand == {}


async def test_what_the_stock_does_not_cover_is_refused_and_goes_on_when_it_does(
    desk: Desk,
) -> None:
    value = desk.transaction(moved_out("SCREW", "5", "A-02"))
    text = await desk.is_refused(value, "short_stock")
    name = f"{desk.company.name}-{value.id}"
    assert f"{name} stays a draft" in text
    desk.company.open_stock(7, "SCREW", at=("A-02",))
    assert await desk.book(value) == Posted(name)
    assert desk.hand == {"SCREW at A-02": Decimal(2)}


async def test_a_draft_that_a_person_s_change_has_overtaken_says_what_is_true_by_then(
    desk: Desk,
) -> None:
    value = desk.transaction(moved_out("SCREW", "5", "A-02"))
    await desk.is_refused(value, "short_stock")
    changed = value.model_copy(update={"event": moved_out("BOLT-8", "5", "A-02")})
    assert isinstance(await desk.book(changed), Posted)
    assert desk.hand == {"BOLT-8 at A-02": Decimal(-5)}


async def test_what_a_person_cancelled_or_put_away_there_is_not_booked_again(desk: Desk) -> None:
    value = desk.transaction(moved_out())
    posted = await desk.book(value)
    assert isinstance(posted, Posted)
    desk.company.office.call("POST", f"/documents/stock-entry/{posted.document}/cancel", {})
    await desk.is_refused(value, "refused")
    draft = desk.transaction(moved_out("SCREW", "5", "A-02"))
    await desk.is_refused(draft, "short_stock")
    name = f"{desk.company.name}-{draft.id}"
    desk.company.office.call("POST", f"/documents/stock-entry/{name}/discard", {})
    await desk.is_refused(draft, "refused")
    assert desk.hand == {}


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (found_more("NOTHING-OF-OURS"), "unknown_sku"),
        (found_more("FLOUR"), "contract"),  # it is kept in Kg
        (found_more(quantity="0.0004"), "contract"),
        (moved_out(place="NOWHERE"), "unknown_location"),
        (Receipt(lines=lines(), documents=(Document(kind="po", number="X"),)), "unknown_document"),
        (Receipt(lines=lines(), documents=(Document(kind="po", number="fields"),)),
         "unknown_document"),
        (Reversal(reverses=UUID(int=9)), "unknown_document"),
        (Shipment(packages=(Package(),), lines=lines()), "unknown_document"),
        (Adjustment(lines=(Line(item=Item(gtin="04012345678901"), quantity=Quantity(value=1)),),
                    direction="increase", reason="found"), "unknown_sku"),
    ],
)  # fmt: skip
async def test_what_does_not_fit_is_refused(desk: Desk, event: Event, code: str) -> None:
    await desk.is_refused(event, code)
    assert desk.hand == {}


async def test_an_order_of_another_company_or_a_draft_is_not_received(
    desk: Desk, lambda_erp: Server
) -> None:
    other = lambda_erp.company()
    order = (Document(kind="po", number=other.of("1001")),)
    await desk.is_refused(Receipt(lines=lines(), documents=order), "unknown_document")
    row = {"item_code": "BOLT-8", "qty": 3, "rate": 1, "warehouse": desk.company.of("STORAGE")}
    head = {"name": desk.company.of("draft"), "supplier": "ACME-SUPPLY"}
    values = {**head, "company": desk.company.name, "items": [row]}
    desk.company.office.call("POST", "/documents/purchase-order", values)
    draft = desk.document("po", "draft")
    await desk.is_refused(Receipt(lines=lines(), documents=draft), "unknown_document")


async def test_fractions_add_up_exactly(desk: Desk) -> None:
    desk.company.open_stock(1, "FLOUR", at=("A-01",))
    for quantity in ("0.1", "0.2"):
        flour = (Line(item=Item(sku="FLOUR"), quantity=Quantity(value=quantity, unit="KGM")),)
        event = Adjustment(lines=flour, location="A-01", direction="increase", reason="found")
        assert isinstance(await desk.book(event), Posted)
    assert desk.hand == {"FLOUR at A-01": Decimal("1.3")}
    async with read(desk.config()) as source:
        [stock] = [each async for each in source.stock() if each.sku == "FLOUR"]
    assert (stock.quantity, stock.unit, stock.location) == (Decimal("1.300"), "KGM", "A-01")


# --- Cost ---


async def test_what_comes_from_nowhere_is_worth_what_a_piece_on_hand_is(desk: Desk) -> None:
    posted = await desk.book(found_more(quantity="4"))
    assert isinstance(posted, Posted)
    [row] = desk.voucher(posted.document)["items"]
    assert (row["basic_rate"], row["amount"]) == (2, 8)


async def test_what_has_no_cost_is_refused_or_booked_at_none_as_the_setting_says(
    desk: Desk,
) -> None:
    value = desk.transaction(found_more("NEW"))
    assert "unknown_cost" in await desk.is_refused(value, "needs_human")
    assert isinstance(await desk.book(value, unknown_cost="zero"), Posted)
    assert desk.hand == {"NEW at A-01": Decimal(2)}


async def test_a_kit_is_worth_what_its_parts_cost(desk: Desk) -> None:
    event = Assembly(
        consumed=(*lines("BOLT-8", "6"), *lines("NUT-8", "3")), produced=lines("KIT", "3"),
        location="A-01",
    )  # fmt: skip
    posted = await desk.book(event)
    name = f"{desk.company.name}-{desk.transaction(event).id}"[:-1]
    assert isinstance(posted, Posted)
    out, into = posted.document.split(", ")
    assert out.startswith(name)
    assert (desk.voucher(out)["total_amount"], desk.voucher(into)["total_amount"]) == (18, 18)
    assert desk.hand == {
        "BOLT-8 at A-01": Decimal(-6),
        "NUT-8 at A-01": Decimal(-3),
        "KIT at A-01": Decimal(3),
    }


# --- Counts ---


async def test_a_count_books_what_is_missing_and_what_is_more(desk: Desk) -> None:
    desk.company.open_stock(10, "SCREW", "KIT", at=("B-01",))
    event = Count(lines=(*lines("SCREW", "7"), *lines("KIT", "12")), location="B-01")
    posted = await desk.book(event)
    assert isinstance(posted, Posted)
    assert len(posted.document.split(", ")) == 2
    assert desk.hand == {"SCREW at B-01": Decimal(7), "KIT at B-01": Decimal(12)}


async def test_a_count_that_agrees_with_the_books_needs_no_voucher(desk: Desk) -> None:
    assert await desk.book(counted("SCREW", "0")) == Posted("")
    desk.company.open_stock(10, "SCREW", at=("B-01",))
    assert await desk.book(counted("SCREW", "10")) == Posted("")


@pytest.mark.parametrize(("found", "in_the_end"), [("7", 12), ("12", 17)])
async def test_a_count_that_was_drafted_stands_whatever_moves_meanwhile(
    desk: Desk, found: str, in_the_end: int
) -> None:
    """Ten in the books and seven found: three are missing, even if five came in since."""
    desk.company.open_stock(10, "SCREW", at=("B-01",))
    value = desk.transaction(counted("SCREW", found))
    async with Relay(desk.server.url, Faults(next=["", "broken"])).serving() as relay:
        outcome = await desk.book(value, url=relay.url)
        assert isinstance(outcome, Unknown), outcome  # drafted, and then an error of the server's
    desk.company.open_stock(5, "SCREW", at=("B-01",))
    assert isinstance(await desk.book(value), Posted)
    assert desk.hand == {"SCREW at B-01": Decimal(in_the_end)}


# --- Shipments and returns ---


async def test_a_shipment_without_goods_sends_what_its_order_still_owes_if_told_so(
    desk: Desk,
) -> None:
    desk.company.order("sales-order", "rest", 10, "BOLT-8", "NUT-8")
    order = desk.document("so", "rest")
    first = Shipment(packages=(Package(),), lines=lines(quantity="4"), documents=order)
    assert isinstance(await desk.book(first), Posted)
    value = desk.transaction(Shipment(packages=(Package(tracking="1Z"),), documents=order))
    await desk.is_refused(value, "contract")
    posted = await desk.book(value, whole_orders=True)
    assert isinstance(posted, Posted)
    assert "1Z" in desk.voucher(posted.document, "delivery-note")["remarks"]
    assert desk.hand == {"BOLT-8 at STAGING": Decimal(-10), "NUT-8 at STAGING": Decimal(-10)}
    nothing = Shipment(packages=(Package(),), documents=order)
    await desk.is_refused(nothing, "refused", whole_orders=True)


async def test_what_comes_back_of_a_delivery_note_is_booked_against_it(desk: Desk) -> None:
    desk.company.order("sales-order", "back", 10, "BOLT-8")
    order = desk.document("so", "back")
    sent = Shipment(packages=(Package(),), lines=lines(quantity="4"), documents=order)
    posted = await desk.book(sent)
    assert isinstance(posted, Posted)
    note = (Document(kind="desadv", number=posted.document),)
    back = await desk.book(Return(lines=lines(quantity="3"), documents=note))
    assert isinstance(back, Posted)
    assert desk.voucher(back.document, "delivery-note")["return_against"] == posted.document
    assert desk.hand == {"BOLT-8 at STAGING": Decimal(-4), "BOLT-8 at RETURNS": Decimal(3)}
    much = Return(lines=lines(quantity="2"), documents=note)
    assert "returnable" in await desk.is_refused(much, "refused")


# --- Reversals ---


async def test_a_reversal_cancels_what_was_booked_and_only_once(desk: Desk) -> None:
    kit = Assembly(consumed=lines("BOLT-8", "6"), produced=lines("KIT", "3"), location="A-01")
    made = desk.transaction(kit)
    posted = await desk.book(made)
    undo = desk.transaction(Reversal(reverses=made.id, reason="mistake"))
    assert isinstance(posted, Posted)
    assert await desk.book(undo) == posted
    assert await desk.book(undo) == posted
    assert desk.hand == {}
    await desk.is_refused(made, "refused")


async def test_a_reversal_of_what_stayed_a_draft_puts_it_away(desk: Desk) -> None:
    value = desk.transaction(moved_out("SCREW", "5", "A-02"))
    await desk.is_refused(value, "short_stock")
    assert isinstance(await desk.book(Reversal(reverses=value.id)), Posted)
    assert drafts(desk.server, desk.company) == 0


async def test_a_reversal_of_a_receipt_opens_its_order_again(desk: Desk) -> None:
    order = desk.order("again", "BOLT-8")
    value = desk.transaction(Receipt(lines=lines(quantity="10"), documents=order))
    assert isinstance(await desk.book(value), Posted)
    assert isinstance(await desk.book(Reversal(reverses=value.id)), Posted)
    again = Receipt(lines=lines(quantity="10"), documents=order)
    assert isinstance(await desk.book(again), Posted)


# --- What goes wrong ---


async def test_a_wrong_key_leaves_everything_for_later_and_for_a_person(
    desk: Desk, tmp_path: Path
) -> None:
    config = desk.config()
    (tmp_path / "key").write_text("sk_erp_wrong")
    async with connect(config) as connector:
        outcome = await connector.deliver(desk.transaction(moved_out()), again=False)
    assert isinstance(outcome, TryLater)
    assert outcome.needs == "login"


async def test_an_assembly_of_which_half_counts_is_never_called_nothing(desk: Desk) -> None:
    event = Assembly(consumed=lines("BOLT-8", "6"), produced=lines("KIT", "3"), location="A-01")
    value = desk.transaction(event)
    async with Relay(desk.server.url, Faults(next=["", "", "", "throttled"])).serving() as relay:
        outcome = await desk.book(value, url=relay.url)
    assert isinstance(outcome, Unknown), outcome
    assert desk.hand == {"BOLT-8 at A-01": Decimal(-6)}
    assert isinstance(await desk.book(value), Posted)
    assert desk.hand == {"BOLT-8 at A-01": Decimal(-6), "KIT at A-01": Decimal(3)}


async def test_a_submission_that_arrives_twice_is_one(desk: Desk) -> None:
    """A proxy that tries again gets a no for the second, which is no no for the first."""
    async with Relay(desk.server.url, Faults(next=["", "doubled"])).serving() as relay:
        assert isinstance(await desk.book(moved_out(), url=relay.url), Posted)
    assert desk.hand == {"BOLT-8 at A-01": Decimal(-2)}


# --- Reading ---


async def test_it_reads_items_orders_warehouses_stock_and_what_was_booked(desk: Desk) -> None:
    began = datetime.now(UTC)
    order = desk.order("open", "BOLT-8")
    value = desk.transaction(Receipt(lines=lines(quantity="4"), documents=order))
    assert isinstance(await desk.book(value), Posted)
    short = desk.transaction(moved_out("SCREW", "5", "A-02"))
    await desk.is_refused(short, "short_stock")
    back = desk.transaction(moved_out())
    await desk.book(back)
    await desk.book(Reversal(reverses=back.id))
    async with read(desk.config()) as source:
        items = {each.sku: each.unit async for each in source.items()}
        open_ones = {each.number: each async for each in source.documents()}
        places = {each.name: each.purpose async for each in source.locations()}
        stock = {(each.sku, each.location): each.quantity async for each in source.stock()}
        booked = {each.reference: each async for each in source.booked(began)}
        assert [each async for each in source.booked(datetime.now(UTC))] == []
    assert items["BOLT-8"] == "EA"
    assert items["FLOUR"] == "KGM"
    record = open_ones[desk.company.of("open")]
    [line] = record.lines
    assert (record.document, record.partner) == ("po", "Acme Supply")
    assert (line.sku, str(line.quantity), str(line.done)) == ("BOLT-8", "10.000", "4.000")
    assert places["A-01"] == "storage"
    assert places[desk.company.of("RECEIVING")] == "receiving"
    assert stock["BOLT-8", desk.company.of("RECEIVING")] == PLENTY + 4
    assert {name: each.state for name, each in booked.items()} == {
        str(value.id): "booked",
        str(short.id): "draft",
        str(back.id): "cancelled",
    }
    assert booked[str(value.id)].quantity == 4


async def test_what_cannot_be_read_says_why(desk: Desk) -> None:
    async with read(desk.config(url=CLOSED)) as source:
        with pytest.raises(SourceFailed, match="not reachable"):
            assert [each async for each in source.items()]


async def test_what_it_says_of_its_moves_is_what_the_stock_does(desk: Desk) -> None:
    suite, rng = TestOfLambdaErp(), random.Random(3)
    suite.company, suite.server = desk.company, desk.server
    config = desk.config()
    for kind in sorted(CAPABILITIES.books - {"reversal", "count"}):
        value = desk.transaction(suite.event(kind, rng))
        said: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
        for item, place, unit, quantity in moves(value, config):
            assert quantity is not None
            said[item, place, unit] += quantity
        before = await levels(config)
        assert isinstance(await desk.book(value), Posted)
        now = await levels(config)
        did = {key: now.get(key, 0) - before.get(key, 0) for key in {*now, *before}}
        assert {key: amount for key, amount in did.items() if amount} == {
            key: amount for key, amount in said.items() if amount
        }, kind


async def levels(config: Config) -> dict[tuple[str, str, str], Decimal]:
    async with read(config) as source:
        return {
            (each.sku, each.location, each.unit): each.quantity async for each in source.stock()
        }


async def test_of_what_became_two_vouchers_both_are_shown_under_their_own_names(
    desk: Desk,
) -> None:
    began = datetime.now(UTC)
    kit = Assembly(consumed=lines("BOLT-8", "6"), produced=lines("KIT", "3"), location="A-01")
    value = desk.transaction(kit)
    posted = await desk.book(value)
    assert isinstance(posted, Posted)
    async with read(desk.config()) as source:
        shown = [each async for each in source.booked(began)]
    assert [each.document for each in shown] == posted.document.split(", ")
    assert {(each.reference, each.state, each.quantity) for each in shown} == {
        (str(value.id), "booked", None)
    }


async def test_the_first_day_kit_finds_everything_as_it_should_be(desk: Desk) -> None:
    config = desk.config()
    about = first_day.Sample(sku="BOLT-8", from_location="A-01", to_location="A-02")
    found = await first_day.probe("lambda_erp", config)
    found += await first_day.self_test("lambda_erp", config, first_day.sample("transfer", about))
    assert all(each.good for each in found), found
    assert desk.hand == {"BOLT-8 at A-01": Decimal(-1), "BOLT-8 at A-02": Decimal(1)}
