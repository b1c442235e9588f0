"""Goods that stay in the house, in a real Tryton: moved, counted, corrected, each once."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from bridge.outcome import Posted, Refused, Unknown
from contract.transactions import Putaway, Transaction
from contract.values import Item, Line
from tests.tryton.delivering import Stock, bridge, changed, deliver, lay_in
from tests.tryton.line import Line as Wire
from tests.tryton.office import Tryton
from tests.tryton.scans import (
    BEANS,
    COFFEE,
    GADGET,
    SERUM,
    WIDGET,
    adjustment,
    count,
    line,
    transaction,
    transfer,
)

pytest_plugins = ["tests.tryton.fixtures"]
pytestmark = [pytest.mark.tryton, pytest.mark.timeout(900)]  # the first test may have to build it

HERE, THERE = "A-01-01", "A-01-02"


def putaway(source: str | None, target: str, *lines: Line) -> Transaction:
    return transaction(Putaway(from_location=source, to_location=target, lines=lines))


@pytest.fixture
def stocked(tryton: Tryton) -> Tryton:
    """Tryton with ten of each thing at one location, and as much of some in its storage."""
    wanted: Stock = {
        ("widget", THERE, None): 0,
        ("serum", THERE, "A7"): 0,
        ("serum", HERE, "found"): 0,
        ("widget", HERE, "W1"): 0,
        **{(product, HERE, None): 10 for product in ("widget", "beans", "gadget", "coffee")},
        **{(product, "STO", None): 10 for product in ("widget", "beans")},
        **{("serum", place, "A7"): 10 for place in (HERE, "STO")},
    }
    lay_in(tryton, wanted)
    return tryton


@dataclass(frozen=True)
class Case:
    """A scan, and all that it changes in the stock."""

    scanned: Transaction
    effect: Stock
    steps: tuple[str, ...]
    """Requests that write, in order."""


_SHIPMENT = (r"POST .*shipment\.internal\?", r"POST .*/wait\?", "POST .*/assign_try", "POST .*/do")
_COUNT = (r"POST .*inventory\?", r"POST .*ir\.note", "POST .*/confirm")


def cases() -> dict[str, Case]:
    two = (line(WIDGET, "2"), line(SERUM, "3", lot="A7"))
    moved: Stock = {
        ("widget", HERE, None): -2,
        ("widget", THERE, None): 2,
        ("serum", HERE, "A7"): -3,
        ("serum", THERE, "A7"): 3,
    }
    stored: Stock = {("beans", "STO", None): -2.5, ("beans", THERE, None): 2.5}
    return {
        "transfer": Case(transfer(HERE, THERE, *two), moved, _SHIPMENT),
        "putaway": Case(putaway(None, THERE, line(BEANS, "2.5", "KGM")), stored, _SHIPMENT),
        "decrease": Case(
            adjustment("decrease", HERE, line(WIDGET, "4")),
            {("widget", HERE, None): -4},
            _SHIPMENT,
        ),
        "increase": Case(
            adjustment("increase", HERE, line(SERUM, "4", lot="found")),
            {("serum", HERE, "found"): 4},
            _SHIPMENT,
        ),
        "count": Case(
            count(HERE, line(WIDGET, "7"), line(SERUM, "12", lot="A7"), line(GADGET, "0")),
            {("widget", HERE, None): -3, ("serum", HERE, "A7"): 2, ("gadget", HERE, None): -10},
            _COUNT,
        ),
    }


CASES = list(cases())


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return cases()[request.param]


# once


async def test_every_request_may_be_lost(stocked: Tryton, case: Case) -> None:
    before = stocked.office.stock()
    async with Wire(stocked.server.port) as wire, bridge(stocked, url=wire.url) as connector:
        for step in case.steps:
            struck = wire.cut(step, "before")
            lost = await connector.deliver(case.scanned, again=True)
            assert struck.is_set()
            assert isinstance(lost, Unknown)
        outcome = await connector.deliver(case.scanned, again=True)

    assert isinstance(outcome, Posted)
    assert changed(before, stocked.office.stock()) == case.effect
    assert [state for _, _, state in stocked.office.papers(case.scanned.id)] == ["done"]
    assert stocked.office.drafts() == 0


# what Tryton books


async def test_what_moved_between_a_count_and_its_booking_is_not_counted_twice(
    stocked: Tryton,
) -> None:
    found = count(HERE, line(WIDGET, "7"))
    async with Wire(stocked.server.port) as wire, bridge(stocked, url=wire.url) as connector:
        wire.cut("POST .*/confirm", "before")
        assert isinstance(await connector.deliver(found, again=False), Unknown)
        moved = await connector.deliver(transfer(HERE, THERE, line(WIDGET, "2")), again=False)
        assert isinstance(moved, Posted)
        assert isinstance(await connector.deliver(found, again=True), Posted)

    assert stocked.office.on_hand("widget", HERE) == 5
    assert stocked.office.on_hand("widget", THERE) == 2


async def test_one_item_scanned_at_a_time_is_one_finding(stocked: Tryton) -> None:
    scans = [line(WIDGET, "1")] * 6 + [line(Item(sku="WID-1"), "2")]

    assert isinstance(await deliver(stocked, count(HERE, *scans[:6])), Posted)

    assert stocked.office.on_hand("widget", HERE) == 6


async def test_a_correction_without_a_location_is_one_of_the_storage(stocked: Tryton) -> None:
    before = stocked.office.stock()

    outcome = await deliver(stocked, adjustment("decrease", None, line(WIDGET, "1")))

    assert isinstance(outcome, Posted)
    assert changed(before, stocked.office.stock()) == {("widget", "STO", None): -1}


async def test_a_late_count_is_booked_on_its_day(stocked: Tryton) -> None:
    noon = datetime.now(UTC).replace(hour=12) - timedelta(days=1)
    found = count(HERE, line(COFFEE, "3"), at=noon)

    outcome = await deliver(stocked, found, time_zone="Europe/Paris")

    assert isinstance(outcome, Posted)
    assert stocked.office.on_hand("coffee", HERE) == 13  # as of a day before the ten came


async def test_nothing_moved_is_nothing_to_book(stocked: Tryton) -> None:
    outcome = await deliver(stocked, transfer(HERE, THERE, line(WIDGET, "0")))

    assert outcome == Posted("")


# what is refused


@pytest.mark.parametrize(
    ("scanned", "code"),
    [
        (transfer(HERE, THERE, line(Item(sku="NOPE"), "1")), "unknown_sku"),
        (transfer(HERE, "Z-99", line(WIDGET, "1")), "unknown_location"),
        (transfer(HERE, HERE, line(WIDGET, "1")), "unknown_location"),
        (transfer(HERE, THERE, line(WIDGET, "0.5")), "unsupported"),
        (transfer(HERE, THERE, line(WIDGET, "1", "KGM")), "unsupported"),
        (transfer(HERE, THERE, line(SERUM, "1")), "lot_required"),
        (transfer(HERE, THERE, line(SERUM, "1", lot="never came")), "short_stock"),
        (count("Z-99", line(WIDGET, "1")), "unknown_location"),
        (count(HERE, line(SERUM, "1")), "lot_required"),
    ],
)
async def test_what_does_not_fit_is_refused_and_leaves_nothing(
    stocked: Tryton, scanned: Transaction, code: str
) -> None:
    before = stocked.office.stock()

    outcome = await deliver(stocked, scanned)

    assert isinstance(outcome, Refused)
    assert outcome.code == code
    assert stocked.office.papers(scanned.id) == []
    assert stocked.office.stock() == before


async def test_goods_that_lie_there_in_lots_are_counted_by_lot(stocked: Tryton) -> None:
    stocked.office.put("widget", HERE, 2, lot="W1")

    outcome = await deliver(stocked, count(HERE, line(WIDGET, "12")))

    assert isinstance(outcome, Refused)
    assert outcome.code == "lot_required"
    assert "W1" in outcome.text


async def test_more_than_is_there_waits_for_a_person_and_is_then_moved_once(
    stocked: Tryton,
) -> None:
    scanned = transfer(HERE, THERE, line(WIDGET, "12"))

    outcome = await deliver(stocked, scanned)

    assert isinstance(outcome, Refused)
    assert outcome.code == "short_stock"
    stocked.office.put("widget", HERE, 12)
    assert isinstance(await deliver(stocked, scanned, again=True), Posted)
    assert stocked.office.on_hand("widget", THERE) == 12


async def test_a_draft_somebody_changed_is_left_to_them(stocked: Tryton) -> None:
    scanned = transfer(HERE, THERE, line(WIDGET, "2"))
    async with Wire(stocked.server.port) as wire, bridge(stocked, url=wire.url) as connector:
        wire.cut(_SHIPMENT[1], "before")
        assert isinstance(await connector.deliver(scanned, again=False), Unknown)
    [(_, number, _)] = stocked.office.papers(scanned.id)
    stocked.office.change(
        "UPDATE stock_move SET quantity = 3, internal_quantity = 3 WHERE shipment = ?",
        f"stock.shipment.internal,{number}",
    )

    outcome = await deliver(stocked, scanned, again=True)

    assert isinstance(outcome, Refused)
    assert "differs" in outcome.text
    assert stocked.office.papers(scanned.id)[0][2] == "draft"


async def test_what_somebody_cancelled_is_not_moved_anew(stocked: Tryton) -> None:
    scanned = transfer(HERE, THERE, line(WIDGET, "2"))
    await deliver(stocked, scanned)
    [(_, number, _)] = stocked.office.papers(scanned.id)
    stocked.office.press("stock.shipment.internal", number, "cancel")

    outcome = await deliver(stocked, scanned, again=True)

    assert isinstance(outcome, Refused)
    assert len(stocked.office.papers(scanned.id)) == 1
