"""Cartons and departures of sales orders against a real Tryton: each has one effect there."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.connector import Connector
from bridge.connectors.tryton import Config, connect
from bridge.outcome import Outcome, Posted, Refused, TryLater, Unknown
from contract.transactions import Transaction
from tests.tryton.line import Line, When
from tests.tryton.office import Tryton
from tests.tryton.scans import COFFEE, SERUM, WIDGET, line, pack, receipt, shipment

pytest_plugins = ["tests.tryton.fixtures"]
pytestmark = [pytest.mark.tryton, pytest.mark.timeout(900)]  # the first test may have to build it

COURIER = Path(__file__).parents[2] / "tryton" / "courier.py"
GENEROUS = 60.0
FIRST, SECOND, THIRD = ("0" * 17 + digit for digit in "123")
PLENTY = 1_000
PACKING = {
    "reset": r"POST .*/draft\?",
    "claim": r"POST .*/write\?",
    "wait": r"POST .*/wait\?",
    "assign": r"POST .*/assign_try\?",
    "pick": r"POST .*/pick\?",
    "pack": r"POST .*/pack\?",
}
SHIPPING = {"label": r"POST .*/write\?", "do": r"POST .*/do\?"}


@pytest.fixture(scope="module")
def stocked(tryton: Tryton) -> Tryton:
    """Tryton with widgets, and with serum of the lots A7 and B8, in its store."""
    order = tryton.office.order(widget=PLENTY, serum=PLENTY)
    came = receipt(
        order, line(WIDGET, "1000"), line(SERUM, "500", lot="A7"), line(SERUM, "500", lot="B8")
    )
    assert isinstance(asyncio.run(deliver(tryton, came)), Posted)
    return tryton


@asynccontextmanager
async def bridge(tryton: Tryton, **changes: Any) -> AsyncIterator[Connector]:
    async with connect(Config.model_validate(tryton.settings(**changes))) as connector:
        yield connector


async def deliver(
    tryton: Tryton, transaction: Transaction, *, again: bool = False, **changes: Any
) -> Outcome:
    async with bridge(tryton, **changes) as connector, asyncio.timeout(GENEROUS):
        return await connector.deliver(transaction, again=again)


class Once:
    """An order of ten widgets, six of which are packed and leave."""

    def __init__(self, tryton: Tryton) -> None:
        self._office = tryton.office
        self._before = self._on_hand()
        self.order = tryton.office.sell(widget=10)
        self.pack = pack(self.order, line(WIDGET, "6"), sscc=FIRST)
        self.shipment = shipment(self.order, FIRST)

    def _on_hand(self) -> tuple[float, float]:
        return self._office.on_hand("widget", "STO"), self._office.on_hand("widget", "OUT")

    def check_packed(self, outcome: Outcome) -> None:
        (carton,) = self._office.cartons(self.pack.id)
        assert carton[2] == "packed"
        assert outcome == Posted(carton[1])
        store, out = self._before
        assert self._on_hand() == (store - 6, out + 6)
        assert self._office.sent(self.order, "assigned") == {("widget", None): 6}
        assert self._office.sent(self.order, "draft") == {("widget", None): 4}
        assert self._office.sent(self.order) == {}

    def check_left(self, outcome: Outcome) -> None:
        (carton,) = self._office.cartons(self.shipment.id)
        assert carton[2] == "done"
        assert outcome == Posted(carton[1])
        store, out = self._before
        assert self._on_hand() == (store - 6, out)
        assert self._office.sent(self.order) == {("widget", None): 6}
        assert self._office.sent(self.order, "draft") == {("widget", None): 4}
        assert self._office.sale_state(self.order) == ("processing", "partially shipped")


@pytest.fixture
def once(stocked: Tryton) -> Once:
    return Once(stocked)


# what Tryton books


async def test_a_carton_is_packed_then_leaves_and_the_rest_stays_open(
    stocked: Tryton, once: Once
) -> None:
    once.check_packed(await deliver(stocked, once.pack))
    once.check_left(await deliver(stocked, once.shipment))


async def test_an_order_in_two_cartons_of_several_lots_leaves_whole(stocked: Tryton) -> None:
    order = stocked.office.sell(widget=5, serum=10)
    first = pack(order, line(WIDGET, "5"), line(SERUM, "3", lot="A7"), sscc=FIRST)
    second = pack(order, line(SERUM, "3", lot="A7"), line(SERUM, "4", lot="B8"), sscc=SECOND)
    for carton in (first, second):
        assert isinstance(await deliver(stocked, carton), Posted)

    outcome = await deliver(stocked, shipment(order, FIRST, SECOND))

    numbers = [stocked.office.cartons(each.id)[0][1] for each in (first, second)]
    assert outcome == Posted(", ".join(numbers))
    assert stocked.office.sent(order) == {
        ("widget", None): 5,
        ("serum", "A7"): 6,
        ("serum", "B8"): 4,
    }
    assert stocked.office.sale_state(order)[1] == "sent"
    assert stocked.office.sent(order, "draft") == {}


async def test_the_rest_of_a_short_order_leaves_on_another_day(stocked: Tryton, once: Once) -> None:
    for each in (once.pack, once.shipment):
        await deliver(stocked, each)

    for each in (
        pack(once.order, line(WIDGET, "4"), sscc=SECOND),
        shipment(once.order, SECOND),
    ):
        assert isinstance(await deliver(stocked, each), Posted)

    assert stocked.office.sent(once.order) == {("widget", None): 10}
    assert stocked.office.sale_state(once.order)[1] == "sent"
    again = await deliver(stocked, once.shipment, again=True)  # also long after
    assert again == Posted(stocked.office.cartons(once.shipment.id)[0][1])


async def test_a_departure_that_was_not_packed_before_is_picked_and_sent_by_its_lines(
    stocked: Tryton,
) -> None:
    order = stocked.office.sell(widget=10)
    left = shipment(order, None, lines=(line(WIDGET, "7"),))

    outcomes = [await deliver(stocked, left, again=n > 0) for n in range(2)]

    (sent,) = stocked.office.cartons(left.id)
    assert outcomes == [Posted(sent[1])] * 2
    assert stocked.office.sent(order) == {("widget", None): 7}
    assert stocked.office.sent(order, "draft") == {("widget", None): 3}


async def test_lines_of_a_departure_whose_cartons_are_packed_are_not_sent_beside_them(
    stocked: Tryton, once: Once
) -> None:
    await deliver(stocked, once.pack)

    await deliver(stocked, shipment(once.order, FIRST, lines=(line(WIDGET, "4"),)))

    assert stocked.office.sent(once.order) == {("widget", None): 6}


async def test_parcels_without_a_number_leave_oldest_first_and_never_with_another_departure(
    stocked: Tryton,
) -> None:
    order = stocked.office.sell(widget=10)
    first, second = (pack(order, line(WIDGET, count)) for count in ("3", "4"))
    departure = shipment(order, None)
    await deliver(stocked, first)
    await deliver(stocked, second)

    outcomes = [await deliver(stocked, departure, again=n > 0) for n in range(3)]

    assert outcomes == [Posted(stocked.office.cartons(first.id)[0][1])] * 3
    assert stocked.office.sent(order) == {("widget", None): 3}
    assert isinstance(await deliver(stocked, shipment(order, None)), Posted)
    assert stocked.office.sent(order) == {("widget", None): 7}


async def test_goods_the_office_reserved_for_the_order_are_packed(
    stocked: Tryton, once: Once
) -> None:
    (open_,) = stocked.office.shipments_of(once.order)
    stocked.office.press("stock.shipment.out", open_, "assign_try")

    once.check_packed(await deliver(stocked, once.pack))


# what Tryton does not book


async def test_a_carton_that_does_not_fit_is_refused_and_leaves_nothing(stocked: Tryton) -> None:
    order = stocked.office.sell(widget=10, serum=1)
    unfit = [
        ((line(WIDGET, "11"),), "refused"),
        ((line(WIDGET, "5"), line(WIDGET, "6")), "refused"),
        ((line(SERUM, "1", lot="A7"), line(WIDGET, "1", "KGM")), "unsupported"),
        ((line(WIDGET, "0.5"),), "unsupported"),
        ((line(COFFEE, "1"),), "unknown_sku"),
        ((line(SERUM, "1"),), "lot_required"),
        ((line(SERUM, "1", lot="never came"),), "short_stock"),
    ]
    for lines, code in unfit:
        carton = pack(order, *lines, sscc=FIRST)
        outcome = await deliver(stocked, carton)
        assert isinstance(outcome, Refused)
        assert outcome.code == code
        assert stocked.office.cartons(carton.id) == []
    assert stocked.office.sent(order, "draft") == {("widget", None): 10, ("serum", None): 1}


async def test_a_carton_of_no_known_order_is_refused(stocked: Tryton) -> None:
    bought = stocked.office.order(widget=1)
    for each in (pack(f"x{bought}", line(WIDGET, "1")), shipment(f"x{bought}", None)):
        outcome = await deliver(stocked, each)
        assert isinstance(outcome, Refused)
        assert outcome.code == "unknown_document"


async def test_a_carton_nobody_packed_cannot_leave_and_takes_no_other_with_it(
    stocked: Tryton, once: Once
) -> None:
    await deliver(stocked, once.pack)

    outcome = await deliver(stocked, shipment(once.order, FIRST, THIRD))

    assert isinstance(outcome, Refused)
    assert outcome.code == "unknown_document"
    assert THIRD in outcome.text
    assert stocked.office.sent(once.order) == {}


async def test_what_is_not_on_hand_waits_for_a_person_and_is_then_packed_once(
    stocked: Tryton,
) -> None:
    order = stocked.office.sell(coffee=3)
    carton = pack(order, line(COFFEE, "3"), sscc=FIRST)

    outcome = await deliver(stocked, carton)

    assert isinstance(outcome, Refused)
    assert outcome.code == "short_stock"
    assert stocked.office.on_hand("coffee") == 0
    bought = stocked.office.order(coffee=3)
    await deliver(stocked, receipt(bought, line(COFFEE, "3")))
    assert isinstance(await deliver(stocked, carton, again=True), Posted)
    assert stocked.office.on_hand("coffee", "OUT") == 3


@pytest.mark.parametrize("change", ["quantity = 5, internal_quantity = 5", "shipment = NULL"])
async def test_a_carton_somebody_changed_is_left_to_them(
    stocked: Tryton, once: Once, change: str
) -> None:
    async with Line(stocked.server.port) as wire, bridge(stocked, url=wire.url) as connector:
        wire.cut(PACKING["wait"], "before")
        assert isinstance(await connector.deliver(once.pack, again=False), Unknown)
    (carton,) = stocked.office.cartons(once.pack.id)
    stocked.office.change(
        f"UPDATE stock_move SET {change} WHERE shipment = ?", f"stock.shipment.out,{carton[0]}"
    )

    outcome = await deliver(stocked, once.pack, again=True)

    assert isinstance(outcome, Refused)
    assert stocked.office.cartons(once.pack.id)[0][2] == "draft"


async def test_a_carton_somebody_cancelled_is_not_packed_anew(stocked: Tryton, once: Once) -> None:
    await deliver(stocked, once.pack)
    (carton,) = stocked.office.cartons(once.pack.id)
    stocked.office.press("stock.shipment.out", carton[0], "cancel")

    for each in (once.pack, once.shipment):
        assert isinstance(await deliver(stocked, each, again=True), Refused)

    assert len(stocked.office.cartons(once.pack.id)) == 1


# once


async def test_the_same_carton_and_departure_three_times_are_one(
    stocked: Tryton, once: Once
) -> None:
    async with bridge(stocked) as connector:
        for n in range(3):
            once.check_packed(await connector.deliver(once.pack, again=n > 0))
        for n in range(3):
            once.check_left(await connector.deliver(once.shipment, again=n > 0))


@pytest.mark.parametrize("when", ["before", "after"])
async def test_every_step_may_be_lost_and_is_unknown_and_then_once(
    stocked: Tryton, once: Once, when: When
) -> None:
    async with Line(stocked.server.port) as wire, bridge(stocked, url=wire.url) as connector:
        for step in PACKING.values():
            struck = wire.cut(step, when)
            assert isinstance(await connector.deliver(once.pack, again=True), Unknown)
            assert struck.is_set()
        once.check_packed(await connector.deliver(once.pack, again=True))
        for step in SHIPPING.values():
            struck = wire.cut(step, when)
            assert isinstance(await connector.deliver(once.shipment, again=True), Unknown)
            assert struck.is_set()
        once.check_left(await connector.deliver(once.shipment, again=True))


@pytest.mark.parametrize("step", ["claim", "pick"])
async def test_a_bridge_killed_while_it_packs_carries_on(
    stocked: Tryton, once: Once, step: str
) -> None:
    async with Line(stocked.server.port) as wire:
        struck = wire.cut(PACKING[step], "after", held=True)
        given = {
            "config": stocked.settings(url=wire.url),
            "transaction": once.pack.model_dump(mode="json"),
        }
        courier = await asyncio.create_subprocess_exec(
            sys.executable, str(COURIER), stdin=asyncio.subprocess.PIPE
        )
        assert courier.stdin is not None
        courier.stdin.write(json.dumps(given).encode())
        courier.stdin.close()
        await asyncio.wait_for(struck.wait(), GENEROUS)
        os.kill(courier.pid, signal.SIGKILL)
        await courier.wait()

    once.check_packed(await deliver(stocked, once.pack, again=True))


@pytest.mark.parametrize("step", ["claim", "pick"])
async def test_a_server_killed_while_it_packs_has_packed_once_in_the_end(
    stocked: Tryton, once: Once, step: str
) -> None:
    async with Line(stocked.server.port) as wire, bridge(stocked, url=wire.url) as connector:
        arrived = wire.watch(PACKING[step])
        task = asyncio.create_task(connector.deliver(once.pack, again=False))
        await asyncio.wait_for(arrived.wait(), GENEROUS)
        stocked.server.kill()
        assert isinstance(await asyncio.wait_for(task, GENEROUS), Unknown)
        stocked.server.start()

        once.check_packed(await connector.deliver(once.pack, again=True))


async def test_half_a_carton_is_never_called_nothing(stocked: Tryton, once: Once) -> None:
    async with Line(stocked.server.port) as wire, bridge(stocked, url=wire.url) as connector:
        wire.refuse(PACKING["pick"], 503)
        assert isinstance(await connector.deliver(once.pack, again=False), Unknown)

        once.check_packed(await connector.deliver(once.pack, again=True))


async def test_an_order_without_an_answer_has_booked_nothing(stocked: Tryton, once: Once) -> None:
    async with Line(stocked.server.port) as wire, bridge(stocked, url=wire.url) as connector:
        for _ in range(2):  # asking twice does no harm, and aiohttp does
            wire.cut("GET .*sale", "after")
        assert isinstance(await connector.deliver(once.pack, again=False), TryLater)

    assert stocked.office.cartons(once.pack.id) == []
