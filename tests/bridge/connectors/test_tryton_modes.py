"""Every type of transaction in a real Tryton, without the module and with it: each once."""

import asyncio
from dataclasses import dataclass

import pytest

from bridge.connectors.tryton import CAPABILITIES
from bridge.outcome import Posted, Refused, TryLater, Unknown
from contract.transactions import Putaway, Transaction
from tests.tryton.delivering import GENEROUS, Stock, bridge, changed, deliver, lay_in
from tests.tryton.line import Line as Wire
from tests.tryton.office import Tryton
from tests.tryton.scans import (
    BEANS,
    COFFEE,
    GADGET,
    SERUM,
    WIDGET,
    adjustment,
    assembled,
    came_back,
    count,
    line,
    pack,
    receipt,
    reversal,
    shipment,
    transaction,
    transfer,
)

pytest_plugins = ["tests.tryton.fixtures"]
pytestmark = [pytest.mark.tryton, pytest.mark.timeout(900)]  # the first test may have to build it

HERE, THERE = "A-01-01", "A-01-02"
SSCC = "340123450000000018"
WITH_MODULE = pytest.mark.parametrize("either", ["module"], indirect=True, scope="module")
WITHOUT_MODULE = pytest.mark.parametrize("either", ["native"], indirect=True, scope="module")
MOST_REQUESTS = 120


@pytest.fixture
def stocked(either: Tryton) -> Tryton:
    """Tryton with ten of each thing at one location, and more in its storage."""
    wanted: Stock = {(product, HERE, None): 10 for product in ("widget", "beans", "coffee")}
    wanted |= {("serum", HERE, "A7"): 10, ("serum", "STO", "A7"): 100, ("widget", "STO", None): 100}
    lay_in(either, wanted)
    return either


@dataclass(frozen=True)
class Case:
    """A scan, what must have come before it, and all that it changes in the stock."""

    scanned: Transaction
    effect: Stock
    before: tuple[Transaction, ...] = ()
    papers: tuple[str, ...] = ("done",)
    """States of the documents that stand for it in the end."""


def _inside() -> dict[str, Case]:
    two = (line(WIDGET, "2"), line(SERUM, "3", lot="A7"))
    stored = transaction(Putaway(to_location=THERE, lines=(line(WIDGET, "2"),)))
    parts = (line(WIDGET, "4"), line(BEANS, "0.5", "KGM"))
    findings = (line(WIDGET, "7"), line(SERUM, "12", lot="A7"), line(COFFEE, "0"))
    return {
        "transfer": Case(
            transfer(HERE, THERE, *two),
            {
                ("widget", HERE, None): -2,
                ("widget", THERE, None): 2,
                ("serum", HERE, "A7"): -3,
                ("serum", THERE, "A7"): 3,
            },
        ),
        "putaway": Case(stored, {("widget", "STO", None): -2, ("widget", THERE, None): 2}),
        "adjustment": Case(
            adjustment("increase", HERE, line(SERUM, "4", lot="found")),
            {("serum", HERE, "found"): 4},
        ),
        "count": Case(
            count(HERE, *findings),
            {("widget", HERE, None): -3, ("serum", HERE, "A7"): 2, ("coffee", HERE, None): -10},
        ),
        "assembly": Case(
            assembled(parts, (line(GADGET, "2"),), HERE),
            {("widget", HERE, None): -4, ("beans", HERE, None): -0.5, ("gadget", HERE, None): 2},
        ),
    }


def case_of(kind: str, tryton: Tryton) -> Case:
    """Return a case of a type, with orders made for it where it needs one."""
    office = tryton.office
    five = line(WIDGET, "5")
    match kind:
        case "receipt":
            scanned = receipt(office.order(widget=10, serum=10), five, line(SERUM, "3", lot="B8"))
            return Case(scanned, {("widget", "STO", None): 5, ("serum", "STO", "B8"): 3})
        case "pack":
            packed: Stock = {("widget", "STO", None): -5, ("widget", "OUT", None): 5}
            return Case(pack(office.sell(widget=10), five, sscc=SSCC), packed, papers=("packed",))
        case "shipment":
            order = office.sell(widget=10)
            gone: Stock = {("widget", "OUT", None): -5}
            return Case(shipment(order, SSCC), gone, (pack(order, five, sscc=SSCC),))
        case "return":
            order = office.sell(widget=10)
            sent = shipment(order, None, lines=(five,))
            back = came_back(order, line(WIDGET, "2"), to=HERE)
            return Case(back, {("widget", HERE, None): 2}, (sent,))
        case "reversal":
            moved = transfer(HERE, THERE, line(WIDGET, "2"))
            effect: Stock = {("widget", HERE, None): 2, ("widget", THERE, None): -2}
            return Case(reversal(moved), effect, (moved,), papers=())
        case "reversal of a count":
            found = _inside()["count"]
            back_again = {held: -quantity for held, quantity in found.effect.items()}
            return Case(reversal(found.scanned), back_again, (found.scanned,), ("done", "done"))
    return _inside()[kind]


KINDS = (*sorted(CAPABILITIES.books), "reversal of a count")


@pytest.mark.parametrize("kind", KINDS)
async def test_each_is_booked_once_though_every_answer_is_lost(stocked: Tryton, kind: str) -> None:
    case = case_of(kind, stocked)
    for each in case.before:
        assert isinstance(await deliver(stocked, each), Posted)
    before = stocked.office.stock()
    async with Wire(stocked.server.port) as wire, bridge(stocked, url=wire.url) as connector:
        struck = wire.cut("POST ", "after")
        outcome = await connector.deliver(case.scanned, again=True)
        while struck.is_set():
            assert isinstance(outcome, Unknown)
            assert len(wire.requests) < MOST_REQUESTS
            struck = wire.cut("POST ", "after")
            outcome = await connector.deliver(case.scanned, again=True)
        assert isinstance(outcome, Posted), outcome
        assert outcome.document
    assert await deliver(stocked, case.scanned, again=False) == outcome

    assert changed(before, stocked.office.stock()) == case.effect
    states = [state for _, _, state in stocked.office.papers(case.scanned.id)]
    assert tuple(states) == case.papers
    assert stocked.office.drafts() == 0


@pytest.mark.parametrize("kind", ["count"])
async def test_a_tryton_killed_on_the_way_has_booked_once_in_the_end(
    stocked: Tryton, kind: str
) -> None:
    case = case_of(kind, stocked)
    before = stocked.office.stock()
    async with Wire(stocked.server.port) as wire, bridge(stocked, url=wire.url) as connector:
        arrived = wire.watch("POST ")
        task = asyncio.create_task(connector.deliver(case.scanned, again=False))
        await asyncio.wait_for(arrived.wait(), GENEROUS)
        stocked.server.kill()
        assert isinstance(await asyncio.wait_for(task, GENEROUS), Unknown)
        stocked.server.start()
        outcome = await connector.deliver(case.scanned, again=True)

    assert isinstance(outcome, Posted)
    assert changed(before, stocked.office.stock()) == case.effect
    assert len(stocked.office.papers(case.scanned.id)) == 1
    assert stocked.office.drafts() == 0


@WITH_MODULE
async def test_what_the_other_mode_booked_is_known(stocked: Tryton) -> None:
    before = stocked.office.stock()
    for kind in ("count", "transfer", "receipt"):
        case = case_of(kind, stocked)
        for mode in ("native", "module", "native"):
            outcome = await deliver(stocked, case.scanned, again=True, mode=mode)
            assert isinstance(outcome, Posted), (kind, mode, outcome)
        assert len(stocked.office.papers(case.scanned.id)) == 1
        assert changed(before, stocked.office.stock()) == case.effect
        before = stocked.office.stock()


@WITHOUT_MODULE
async def test_a_bridge_set_to_a_module_that_is_not_there_waits(stocked: Tryton) -> None:
    scanned = transfer(HERE, THERE, line(WIDGET, "2"))

    outcome = await deliver(stocked, scanned, mode="module")

    assert isinstance(outcome, TryLater)
    assert "scanpost.posting" in outcome.why
    assert stocked.office.papers(scanned.id) == []


@WITH_MODULE
class TestOfTheModule:
    """What the module makes better."""

    async def test_many_bridges_at_once_book_it_once(self, stocked: Tryton) -> None:
        before = stocked.office.stock()
        case = case_of("transfer", stocked)

        outcomes = await asyncio.gather(
            *(deliver(stocked, case.scanned, again=True) for _ in range(6))
        )

        assert any(isinstance(each, Posted) for each in outcomes)
        assert all(isinstance(each, Posted | TryLater | Unknown) for each in outcomes), outcomes
        assert changed(before, stocked.office.stock()) == case.effect
        assert len(stocked.office.papers(case.scanned.id)) == 1
        assert isinstance(await deliver(stocked, case.scanned, again=True), Posted)

    async def test_what_is_refused_leaves_nothing_and_may_come_again(self, stocked: Tryton) -> None:
        scanned = transfer(HERE, THERE, line(WIDGET, "12"))

        outcome = await deliver(stocked, scanned)

        assert isinstance(outcome, Refused)
        assert outcome.code == "short_stock"
        assert stocked.office.papers(scanned.id) == []
        stocked.office.put("widget", HERE, 12)
        assert isinstance(await deliver(stocked, scanned, again=True), Posted)

    @pytest.mark.parametrize("kind", ["receipt", "pack"])
    async def test_what_is_taken_back_is_expected_again(self, stocked: Tryton, kind: str) -> None:
        before = stocked.office.stock()
        case = case_of(kind, stocked)
        assert isinstance(await deliver(stocked, case.scanned), Posted)

        assert isinstance(await deliver(stocked, reversal(case.scanned)), Posted)

        assert changed(before, stocked.office.stock()) == {}
        event = case.scanned.event.model_copy(update={"reason": "again"})
        assert isinstance(await deliver(stocked, transaction(event)), Posted)
        assert changed(before, stocked.office.stock()) == case.effect

    async def test_nobody_writes_keys_by_another_way(self, stocked: Tryton) -> None:
        with pytest.raises(OSError, match=r"40[03]"):
            stocked.office.make("scanpost.posting", key="mine")

    async def test_only_documents_of_the_warehouse_are_made(self, stocked: Tryton) -> None:
        job = {"model": "res.user", "values": {"name": "me"}, "steps": {}, "ended": []}
        with pytest.raises(OSError, match="400"):
            stocked.office.call("scanpost.posting/post", {"key": "mine", "jobs": [job]})
