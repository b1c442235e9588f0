"""Receipts against a real Tryton: each has one effect there, whatever happens on the way."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from bridge.connector import Connector
from bridge.connectors.tryton import Config, connect
from bridge.outcome import Outcome, Posted, Refused, TryLater, Unknown
from bridge.wire import recording
from contract.transactions import Transaction
from contract.values import Item
from tests.tryton.line import Line, When
from tests.tryton.office import Tryton
from tests.tryton.scans import BEANS, GADGET, SERUM, WIDGET, line, receipt

pytest_plugins = ["tests.tryton.fixtures"]
pytestmark = [pytest.mark.tryton, pytest.mark.timeout(900)]  # the first test may have to build it

COURIER = Path(__file__).parents[2] / "tryton" / "courier.py"
GENEROUS = 60.0
STEPS = {
    "create": r"POST .*/model/stock\.shipment\.in\?",
    "receive": r"POST .*/receive\?",
    "do": r"POST .*/do\?",
}


@asynccontextmanager
async def bridge(tryton: Tryton, **changes: Any) -> AsyncIterator[Connector]:
    async with connect(Config.model_validate(tryton.settings(**changes))) as connector:
        yield connector


async def deliver(
    tryton: Tryton, transaction: Transaction, *, again: bool = False, **changes: Any
) -> Outcome:
    async with bridge(tryton, **changes) as connector, asyncio.timeout(GENEROUS):
        return await connector.deliver(transaction, again=again)


def only_shipment(tryton: Tryton, transaction: Transaction) -> tuple[int, str, str]:
    (shipment,) = tryton.office.shipments(transaction.id)
    return shipment


class Once:
    """Knows what was on hand before, and that one effect of ten widgets is all there is now."""

    def __init__(self, tryton: Tryton) -> None:
        self._office = tryton.office
        self._before = tryton.office.on_hand("widget")
        self.order = tryton.office.order(widget=10)
        self.receipt = receipt(self.order, line(WIDGET, "10"))

    def check(self, outcome: Outcome) -> None:
        (shipment,) = self._office.shipments(self.receipt.id)
        assert shipment[2] == "done"
        assert outcome == Posted(shipment[1])
        assert self._office.on_hand("widget") == self._before + 10
        assert self._office.order_state(self.order)[1] == "received"


@pytest.fixture
def once(tryton: Tryton) -> Once:
    return Once(tryton)


# what Tryton books


async def test_an_order_comes_in_two_parts_and_is_then_received(tryton: Tryton) -> None:
    order = tryton.office.order(widget=100)
    before = tryton.office.on_hand("widget", "STO")
    first, second = (receipt(order, line(WIDGET, count)) for count in ("60", "40"))

    outcome = await deliver(tryton, first)

    assert outcome == Posted(only_shipment(tryton, first)[1])
    assert tryton.office.order_state(order) == ("processing", "partially shipped")
    assert tryton.office.on_hand("widget", "STO") == before + 60

    await deliver(tryton, second)

    assert only_shipment(tryton, second)[2] == "done"
    assert tryton.office.order_state(order)[1] == "received"
    assert tryton.office.on_hand("widget", "STO") == before + 100


async def test_several_lines_lots_and_weights_are_one_shipment(tryton: Tryton) -> None:
    order = tryton.office.order(widget=5, serum=40, beans=25.5)
    beans = tryton.office.on_hand("beans")
    day = date(2031, 5, 1)
    scanned = receipt(
        order,
        line(WIDGET, "5"),
        line(SERUM, "16", lot="A7", expiry=day),
        line(SERUM, "4", lot="B8", best_before=day),
        line(BEANS, "12.35", "KGM"),
    )

    outcome = await deliver(tryton, scanned)

    assert isinstance(outcome, Posted)
    assert tryton.office.in_lots(scanned.id) == [(None, 5), (None, 12.35), ("A7", 16), ("B8", 4)]
    lots = tryton.office.lots("serum")
    assert lots["A7"] == (day.isoformat(), None)
    assert lots["B8"] == (None, day.isoformat())
    assert tryton.office.on_hand("beans") == beans + 12.35


async def test_what_is_sent_and_heard_is_told_without_the_key(tryton: Tryton, once: Once) -> None:
    with recording() as notes:
        once.check(await deliver(tryton, once.receipt))

    said = "\n".join(note.text for note in notes)
    assert f'"reference": "{once.receipt.id}"' in said
    assert [note.way for note in notes] == ["sent", "heard"] * (len(notes) // 2)
    assert any(note.text.startswith("POST stock.shipment.in/") for note in notes)
    assert str(tryton.settings()["api_key"]) not in said


async def test_a_lot_that_is_known_is_used_and_completed(tryton: Tryton) -> None:
    order = tryton.office.order(serum=40)
    await deliver(tryton, receipt(order, line(SERUM, "1", lot="K1")))
    day = date(2031, 5, 1)

    outcome = await deliver(tryton, receipt(order, line(SERUM, "1", lot="K1", expiry=day)))

    assert isinstance(outcome, Posted)
    assert tryton.office.lots("serum")["K1"] == (day.isoformat(), None)


async def test_one_label_of_a_lot_may_lack_the_date(tryton: Tryton) -> None:
    order = tryton.office.order(serum=40)
    day = date(2031, 5, 1)
    scanned = receipt(
        order, line(SERUM, "1", lot="K3"), line(Item(sku="SER-1"), "2", lot="K3", expiry=day)
    )
    async with Line(tryton.server.port) as wire, bridge(tryton, url=wire.url) as connector:
        wire.cut(STEPS["receive"], "before")
        assert isinstance(await connector.deliver(scanned, again=False), Unknown)

        assert isinstance(await connector.deliver(scanned, again=True), Posted)

    assert tryton.office.lots("serum")["K3"] == (day.isoformat(), None)
    assert sum(quantity for _, quantity in tryton.office.in_lots(scanned.id)) == 3


async def test_a_lot_with_another_date_than_its_label_is_a_matter_for_a_person(
    tryton: Tryton,
) -> None:
    order = tryton.office.order(serum=40)
    day = date(2031, 5, 1)
    await deliver(tryton, receipt(order, line(SERUM, "1", lot="K2", expiry=day)))
    other = receipt(order, line(SERUM, "1", lot="K2", expiry=day + timedelta(days=1)))

    outcome = await deliver(tryton, other)

    assert isinstance(outcome, Refused)
    assert "2031-05-01" in outcome.text
    assert tryton.office.shipments(other.id) == []


async def test_goods_go_to_the_bin_that_was_scanned(tryton: Tryton, once: Once) -> None:
    before = tryton.office.on_hand("widget", "A-01-01")

    outcome = await deliver(tryton, receipt(once.order, line(WIDGET, "10"), to="A-01-01"))

    assert isinstance(outcome, Posted)
    assert tryton.office.on_hand("widget", "A-01-01") == before + 10


async def test_goods_may_stay_at_the_dock(tryton: Tryton, once: Once) -> None:
    before = tryton.office.on_hand("widget", "IN")

    outcome = await deliver(tryton, receipt(once.order, line(WIDGET, "10"), to="IN"))

    assert isinstance(outcome, Posted)
    assert tryton.office.on_hand("widget", "IN") == before + 10


async def test_a_late_receipt_is_booked_on_the_day_it_was_scanned(
    tryton: Tryton, once: Once
) -> None:
    noon = datetime.now(UTC).replace(hour=12) - timedelta(days=3)
    scanned = receipt(once.order, line(WIDGET, "10"), at=noon)

    outcome = await deliver(tryton, scanned, time_zone="Europe/Paris")

    assert isinstance(outcome, Posted)
    assert tryton.office.day_of(scanned.id) == noon.date().isoformat()


async def test_orders_may_be_named_by_the_suppliers_reference(tryton: Tryton) -> None:
    outcome = await deliver(
        tryton,
        receipt("ACME-1", line(WIDGET, "1")),
        order_by="reference",
        company=tryton.server.built.seeded["company_name"],
    )

    assert isinstance(outcome, Posted)


# what Tryton, or the connector for it, refuses


async def test_more_than_was_ordered_is_refused_and_nothing_booked(tryton: Tryton) -> None:
    order = tryton.office.order(widget=10, gadget=10)
    before = tryton.office.on_hand("widget"), tryton.office.on_hand("gadget")
    scanned = receipt(order, line(GADGET, "10"), line(WIDGET, "11"))

    outcome = await deliver(tryton, scanned)

    assert isinstance(outcome, Refused)
    assert outcome.code == "over_receipt"
    assert tryton.office.shipments(scanned.id) == []
    assert (tryton.office.on_hand("widget"), tryton.office.on_hand("gadget")) == before
    assert tryton.office.order_state(order)[1] == "waiting"


async def test_an_order_that_has_all_its_goods_takes_no_more(tryton: Tryton, once: Once) -> None:
    await deliver(tryton, once.receipt)

    outcome = await deliver(tryton, receipt(once.order, line(WIDGET, "1")))

    assert isinstance(outcome, Refused)
    assert outcome.code == "over_receipt"


async def test_a_lot_that_must_be_there_is_asked_for(tryton: Tryton) -> None:
    order = tryton.office.order(serum=10)
    scanned = receipt(order, line(SERUM, "1"))

    outcome = await deliver(tryton, scanned)

    assert isinstance(outcome, Refused)
    assert outcome.code == "lot_required"
    assert tryton.office.shipments(scanned.id) == []


async def test_a_product_the_order_has_not_is_refused(tryton: Tryton, once: Once) -> None:
    outcome = await deliver(tryton, receipt(once.order, line(Item(sku="NOPE"), "1")))

    assert isinstance(outcome, Refused)
    assert outcome.code == "unknown_sku"


async def test_an_order_nobody_made_is_refused(tryton: Tryton) -> None:
    outcome = await deliver(tryton, receipt("PO-999", line(WIDGET, "1")))

    assert isinstance(outcome, Refused)
    assert outcome.code == "unknown_document"


@pytest.mark.parametrize("state", ["draft", "quotation", "done", "cancelled"])
async def test_an_order_that_is_not_running_is_refused(
    tryton: Tryton, once: Once, state: str
) -> None:
    tryton.office.change(
        "UPDATE purchase_purchase SET state = ? WHERE number = ?", state, once.order
    )

    outcome = await deliver(tryton, once.receipt)

    assert outcome == Refused("unknown_document", f"order {once.order} is {state}")


async def test_an_order_for_another_warehouse_is_refused(tryton: Tryton, once: Once) -> None:
    outcome = await deliver(tryton, once.receipt, warehouse="OTHER")

    assert isinstance(outcome, Refused)
    assert outcome.code == "unknown_document"


async def test_a_bin_nobody_knows_is_refused(tryton: Tryton, once: Once) -> None:
    outcome = await deliver(tryton, receipt(once.order, line(WIDGET, "10"), to="Z-99"))

    assert isinstance(outcome, Refused)
    assert "Z-99" in outcome.text


async def test_nothing_is_booked_into_a_closed_period(tryton: Tryton, once: Once) -> None:
    period = tryton.office.make(
        "stock.period",
        company=tryton.server.built.seeded["company"],
        date={"__class__": "date", "year": 2001, "month": 1, "day": 31},
    )
    tryton.office.press("stock.period", period, "close")
    scanned = receipt(once.order, line(WIDGET, "10"), at=datetime(2001, 1, 31, 12, tzinfo=UTC))

    refused = await deliver(tryton, scanned, time_zone="UTC")

    assert refused == Refused("closed_period", "2001-01-31 lies in a closed stock period")
    assert tryton.office.shipments(scanned.id) == []

    tryton.office.press("stock.period", period, "draft")
    assert isinstance(await deliver(tryton, scanned, time_zone="UTC"), Posted)
    assert tryton.office.day_of(scanned.id) == "2001-01-31"


async def test_the_word_of_tryton_itself_is_understood(tryton: Tryton, once: Once) -> None:
    """The connector asks before it writes; this is what happens when the answer changes between."""
    async with Line(tryton.server.port) as wire, bridge(tryton, url=wire.url) as connector:
        handled = wire.cut(STEPS["create"], "after", held=True)
        task = asyncio.create_task(connector.deliver(once.receipt, again=False))
        await asyncio.wait_for(handled.wait(), GENEROUS)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    tryton.office.change(
        "UPDATE purchase_line SET quantity = 9 WHERE purchase ="
        " (SELECT id FROM purchase_purchase WHERE number = ?)",
        once.order,
    )

    outcome = await deliver(tryton, once.receipt, again=True)

    _, number, state = only_shipment(tryton, once.receipt)
    assert state == "draft"
    assert isinstance(outcome, Refused)
    assert outcome.code == "over_receipt"
    assert outcome.text.startswith(f"shipment {number} stays draft in Tryton: The purchase line")


# once


async def test_the_same_receipt_five_times_is_one(tryton: Tryton, once: Once) -> None:
    async with bridge(tryton) as connector:
        outcomes = [await connector.deliver(once.receipt, again=n > 0) for n in range(5)]

    assert len(set(outcomes)) == 1
    once.check(outcomes[0])


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_lost_request_or_answer_is_unknown_and_then_once(
    tryton: Tryton, once: Once, step: str, when: When
) -> None:
    async with Line(tryton.server.port) as wire, bridge(tryton, url=wire.url) as connector:
        struck = wire.cut(STEPS[step], when)
        lost = await connector.deliver(once.receipt, again=False)
        assert struck.is_set()
        assert isinstance(lost, Unknown)

        outcome = await connector.deliver(once.receipt, again=True)

    once.check(outcome)


async def test_an_answer_that_never_comes_is_unknown_and_then_once(
    tryton: Tryton, once: Once
) -> None:
    async with (
        Line(tryton.server.port) as wire,
        bridge(tryton, url=wire.url, timeout=10) as connector,  # of which no other step needs one
    ):
        struck = wire.cut(STEPS["receive"], "after", held=True)
        lost = await connector.deliver(once.receipt, again=False)
        assert struck.is_set()
        assert isinstance(lost, Unknown)

    once.check(await deliver(tryton, once.receipt, again=True))


async def test_a_question_without_an_answer_has_booked_nothing(tryton: Tryton, once: Once) -> None:
    async with Line(tryton.server.port) as wire, bridge(tryton, url=wire.url) as connector:
        for _ in range(2):  # asking twice does no harm, and aiohttp does
            wire.cut("GET .*purchase", "after")
        waits = await connector.deliver(once.receipt, again=False)

    assert isinstance(waits, TryLater)
    assert tryton.office.shipments(once.receipt.id) == []


async def test_nothing_booked_yet_may_be_tried_later(tryton: Tryton, once: Once) -> None:
    async with Line(tryton.server.port) as wire, bridge(tryton, url=wire.url) as connector:
        wire.refuse(STEPS["create"], 503, "Retry-After: 7")
        waits = await connector.deliver(once.receipt, again=False)
        assert isinstance(waits, TryLater)
        assert waits.after == 7
        assert tryton.office.shipments(once.receipt.id) == []

        outcome = await connector.deliver(once.receipt, again=False)

    once.check(outcome)


@pytest.mark.parametrize("step", ["receive", "do"])
@pytest.mark.parametrize("status", [401, 503])
async def test_half_a_receipt_is_never_called_nothing(
    tryton: Tryton, once: Once, step: str, status: int
) -> None:
    async with Line(tryton.server.port) as wire, bridge(tryton, url=wire.url) as connector:
        wire.refuse(STEPS[step], status)
        assert isinstance(await connector.deliver(once.receipt, again=False), Unknown)

        outcome = await connector.deliver(once.receipt, again=True)

    once.check(outcome)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_bridge_killed_between_any_two_steps_carries_on(
    tryton: Tryton, once: Once, step: str, when: When
) -> None:
    async with Line(tryton.server.port) as wire:
        struck = wire.cut(STEPS[step], when, held=True)
        given = {
            "config": tryton.settings(url=wire.url),
            "transaction": once.receipt.model_dump(mode="json"),
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

    once.check(await deliver(tryton, once.receipt, again=True))


@pytest.mark.parametrize("step", STEPS)
async def test_a_delivery_given_up_in_any_step_carries_on(
    tryton: Tryton, once: Once, step: str
) -> None:
    async with Line(tryton.server.port) as wire, bridge(tryton, url=wire.url) as connector:
        struck = wire.cut(STEPS[step], "after", held=True)
        task = asyncio.create_task(connector.deliver(once.receipt, again=False))
        await asyncio.wait_for(struck.wait(), GENEROUS)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        outcome = await connector.deliver(once.receipt, again=True)

    once.check(outcome)


async def test_the_rest_of_an_order_waits_for_a_receipt_that_hangs(tryton: Tryton) -> None:
    order = tryton.office.order(widget=10)
    first, second = (receipt(order, line(WIDGET, count)) for count in ("6", "4"))
    async with Line(tryton.server.port) as wire, bridge(tryton, url=wire.url) as connector:
        wire.cut(STEPS["receive"], "before")
        assert isinstance(await connector.deliver(first, again=False), Unknown)

        waits = await connector.deliver(second, again=False)
        assert isinstance(waits, TryLater)

        assert isinstance(await connector.deliver(first, again=True), Posted)
        assert isinstance(await connector.deliver(second, again=False), Posted)

    assert tryton.office.order_state(order)[1] == "received"


@pytest.mark.parametrize("change", ["quantity = 9, internal_quantity = 9", "shipment = NULL"])
async def test_a_draft_somebody_changed_is_left_to_them(
    tryton: Tryton, once: Once, change: str
) -> None:
    async with Line(tryton.server.port) as wire, bridge(tryton, url=wire.url) as connector:
        wire.cut(STEPS["receive"], "before")
        await connector.deliver(once.receipt, again=False)
    shipment, number, _ = only_shipment(tryton, once.receipt)
    tryton.office.change(
        f"UPDATE stock_move SET {change} WHERE shipment = ?",
        f"stock.shipment.in,{shipment}",
    )

    outcome = await deliver(tryton, once.receipt, again=True)

    assert isinstance(outcome, Refused)
    assert f"shipment {number}" in outcome.text
    assert only_shipment(tryton, once.receipt)[2] == "draft"


async def test_a_shipment_somebody_cancelled_is_not_made_anew(tryton: Tryton, once: Once) -> None:
    await deliver(tryton, once.receipt)
    shipment, number, _ = only_shipment(tryton, once.receipt)
    tryton.office.press("stock.shipment.in", shipment, "cancel")

    outcome = await deliver(tryton, once.receipt, again=True)

    assert outcome == Refused("refused", f"shipment {number} was cancelled in Tryton")
    assert len(tryton.office.shipments(once.receipt.id)) == 1


async def test_two_shipments_of_one_receipt_are_named_to_a_person(
    tryton: Tryton, once: Once
) -> None:
    await deliver(tryton, once.receipt)
    copied = receipt(once.order, line(WIDGET, "10"))
    assert isinstance(copied.id, UUID)
    await deliver(tryton, receipt(tryton.office.order(widget=1), line(WIDGET, "1")))
    tryton.office.change(
        "UPDATE stock_shipment_in SET reference = ? WHERE id ="
        " (SELECT max(id) FROM stock_shipment_in)",
        str(once.receipt.id),
    )

    outcome = await deliver(tryton, once.receipt, again=True)

    assert isinstance(outcome, Refused)
    numbers = [number for _, number, _ in tryton.office.shipments(once.receipt.id)]
    assert len(numbers) == 2
    assert all(f"shipment {number}" in outcome.text for number in numbers)


# keys, rights and settings


async def test_a_key_tryton_does_not_know_refuses_nothing(tryton: Tryton, once: Once) -> None:
    outcome = await deliver(tryton, once.receipt, api_key="0" * 128)

    assert isinstance(outcome, TryLater)
    assert outcome.after == 60
    assert tryton.office.shipments(once.receipt.id) == []


async def test_a_new_key_works_without_a_restart(
    tryton: Tryton, once: Once, tmp_path: Path
) -> None:
    key_file = tmp_path / "key"
    key_file.write_text("expired")
    async with bridge(tryton, api_key=None, api_key_file=key_file) as connector:
        assert isinstance(await connector.deliver(once.receipt, again=False), TryLater)
        key_file.write_text(f"{tryton.server.built.seeded['key']}\n")

        outcome = await connector.deliver(once.receipt, again=False)

    once.check(outcome)


@pytest.fixture
def without_rights(tryton: Tryton) -> Iterator[None]:
    """The bridge's user has lost its group Stock, and those that bring it with them."""
    group = "(SELECT id FROM res_group WHERE name = 'Production' OR name LIKE 'Stock%')"
    user = "(SELECT id FROM res_user WHERE login = 'bridge')"
    administrator = "1"

    def hand_over(old: str, new: str) -> None:
        tryton.office.change(
            f'UPDATE "res_user-res_group" SET "user" = {new}'
            f' WHERE "user" = {old} AND "group" IN {group}'
        )
        tryton.server.stop()  # it remembers rights
        tryton.server.start()

    hand_over(user, administrator)
    yield
    hand_over(administrator, user)


@pytest.mark.usefixtures("without_rights")
async def test_a_user_who_lost_a_right_refuses_nothing(tryton: Tryton) -> None:
    outcome = await deliver(tryton, receipt("1", line(WIDGET, "1")))

    assert isinstance(outcome, TryLater)
    assert outcome.after == 60
    assert "not allowed" in outcome.why


@pytest.mark.parametrize(
    "wrong",
    [
        {"database": "elsewhere"},
        {"company": "Nobody Ltd"},
        {"sku_field": "colour"},
        {"lot_expiry_field": "colour"},
    ],
    ids=str,
)
async def test_a_wrong_setting_refuses_nothing(tryton: Tryton, wrong: dict[str, Any]) -> None:
    order = tryton.office.order(serum=1)
    scanned = receipt(order, line(SERUM, "1", lot="S1", expiry=date(2031, 5, 1)))

    outcome = await deliver(tryton, scanned, **wrong)

    assert isinstance(outcome, TryLater)
    assert tryton.office.shipments(scanned.id) == []


# the server goes away


async def test_a_server_that_is_down_is_tried_later(tryton: Tryton, once: Once) -> None:
    tryton.server.stop()
    try:
        assert isinstance(await deliver(tryton, once.receipt), TryLater)
    finally:
        tryton.server.start()

    once.check(await deliver(tryton, once.receipt))


@pytest.mark.parametrize("step", STEPS)
async def test_a_server_killed_in_any_step_has_booked_once_in_the_end(
    tryton: Tryton, once: Once, step: str
) -> None:
    async with Line(tryton.server.port) as wire, bridge(tryton, url=wire.url) as connector:
        arrived = wire.watch(STEPS[step])
        task = asyncio.create_task(connector.deliver(once.receipt, again=False))
        await asyncio.wait_for(arrived.wait(), GENEROUS)
        tryton.server.kill()
        assert isinstance(await asyncio.wait_for(task, GENEROUS), Unknown)
        tryton.server.start()

        outcome = await connector.deliver(once.receipt, again=True)

    once.check(outcome)
