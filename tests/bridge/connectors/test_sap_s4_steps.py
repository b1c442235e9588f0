"""What takes several steps in SAP: deliveries, counts, cancellations, and how they go on."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bridge.connectors.sap_s4.changeset import unpacked
from bridge.connectors.sap_s4.reference import reference
from bridge.http import Answer
from bridge.outcome import Posted, TryLater, Unknown
from contract.transactions import (
    Assembly,
    Count,
    Receipt,
    Transaction,
)
from contract.values import Line
from tests.bridge.connectors.sap_s4_house import (
    FULL,
    PASSWORD,
    USER,
    deliver,
    effects,
    every,
    moved,
    of,
    on_hand,
    refused,
    running,
    shipment,
    stocked,
    undone,
)
from tests.bridge.connectors.suite import transaction
from tests.bridge.streams import lines
from tests.fakes.sap_s4 import System
from tests.fakes.sap_s4_books import COUNTS, INBOUND, OUTBOUND, unposted


@pytest.fixture
async def system() -> AsyncIterator[System]:
    async with running() as system:
        yield system


# --- Deliveries ---


async def test_a_shipment_makes_its_delivery_true_and_posts_it(
    system: System, tmp_path: Path
) -> None:
    value = transaction(1, shipment(*every("100", **{"NUT-8": "60"})))
    [outcome] = await deliver(system, tmp_path, value)
    assert outcome == Posted("80000001")
    assert on_hand(system) == {
        "BOLT-8 at 1010/0001": -100,
        "NUT-8 at 1010/0001": -60,
        "WASHER at 1010/0001": -100,
    }
    changes = [seen.body for seen in system.seen if seen.method == "PATCH"]
    assert [json.loads(each) for each in changes] == [
        {"BillOfLading": reference(value.id)},
        {"ActualDeliveryQuantity": "60", "DeliveryQuantityUnit": "EA"},
    ]
    assert await deliver(system, tmp_path, value, again=True) == [outcome]


async def test_a_shipment_without_lines_is_all_of_the_delivery(
    system: System, tmp_path: Path
) -> None:
    [outcome] = await deliver(system, tmp_path, transaction(1, shipment()))
    assert isinstance(outcome, Posted)
    assert set(on_hand(system).values()) == {Decimal(-100)}


@pytest.mark.parametrize("changesets", [False, True])
async def test_an_inbound_delivery_is_put_away_and_received_with_its_batches(
    system: System, tmp_path: Path, changesets: bool
) -> None:
    event = Receipt(lines=lines(lot="LOT7") + lines("NUT-8"), documents=of("desadv", "18"))
    system.delivery(INBOUND, "18", "BOLT-8", "NUT-8")
    [outcome] = await deliver(system, tmp_path, transaction(1, event), changesets=changesets)
    assert outcome == Posted("18")
    assert on_hand(system) == {"BOLT-8 at 1010/0001 LOT7": 2, "NUT-8 at 1010/0001": 2}


async def test_a_delivery_has_one_owner(system: System, tmp_path: Path) -> None:
    first, second = transaction(1, shipment()), transaction(2, shipment())
    posted, other = await deliver(system, tmp_path, first, second)
    assert isinstance(posted, Posted)
    refused(other, "needs_human", reference(first.id))
    system.find(OUTBOUND, "80000002").update(BillOfLading="FRACHT 4711")
    foreign = transaction(3, shipment(number="80000002"))
    [outcome] = await deliver(system, tmp_path, foreign)
    refused(outcome, "needs_human", "FRACHT 4711")
    [outcome] = await deliver(system, tmp_path, foreign, delivery_mark="DeliveryDocumentBySupplier")
    assert isinstance(outcome, Posted)


async def test_a_delivery_somebody_else_posted_is_not_taken_for_ones_own(
    system: System, tmp_path: Path
) -> None:
    system.find(OUTBOUND, "80000001").update(OverallGoodsMovementStatus="C")
    [outcome] = await deliver(system, tmp_path, transaction(1, shipment()))
    refused(outcome, "refused", "posted already")


@pytest.mark.parametrize(
    ("rows", "code", "word"),
    [
        (every("101"), "refused", "it says 100"),
        (every()[:2], "needs_human", "item 30, WASHER"),
        (every() + lines("KIT"), "unknown_sku", "KIT"),
        (every() + lines(lot="LOT7"), "unknown_sku", "BOLT-8 LOT7"),
    ],
)
async def test_what_does_not_fit_a_delivery_is_refused_before_it_is_touched(
    system: System, tmp_path: Path, rows: tuple[Line, ...], code: str, word: str
) -> None:
    [outcome] = await deliver(system, tmp_path, transaction(1, shipment(*rows)))
    refused(outcome, code, word)
    assert not [seen for seen in system.seen if seen.method != "GET"]


async def test_a_delivery_in_another_unit_or_of_one_material_twice_is_refused(
    system: System, tmp_path: Path
) -> None:
    system.delivery(OUTBOUND, "90", "BOLT-8", "BOLT-8")
    cases = system.delivery(OUTBOUND, "91", "BOLT-8")
    cases["to_DeliveryDocumentItem"][0]["DeliveryQuantityUnit"] = "CAR"
    both = [transaction(seq, shipment(*lines(), number=str(seq + 89))) for seq in (1, 2)]
    twice, unit = await deliver(system, tmp_path, *both)
    refused(twice, "needs_human", "10, 20")
    refused(unit, "unsupported", "CAR")
    rows = (*lines(document_line="10"), *lines(quantity="7", document_line="000020"))
    [known] = await deliver(system, tmp_path, transaction(3, shipment(*rows, number="90")))
    assert isinstance(known, Posted)
    assert on_hand(system) == {"BOLT-8 at 1010/0001": -9}


async def test_an_item_that_moves_no_goods_is_passed_over(system: System, tmp_path: Path) -> None:
    text = system.delivery(OUTBOUND, "92", "BOLT-8", "ASSEMBLY-MANUAL")["to_DeliveryDocumentItem"]
    text[1]["IsNotGoodsMovementsRelevant"] = "X"
    [outcome] = await deliver(system, tmp_path, transaction(1, shipment(*lines(), number="92")))
    assert isinstance(outcome, Posted)
    assert text[1]["ActualDeliveryQuantity"] == "100"


async def test_a_delivery_that_is_not_there_is_refused(system: System, tmp_path: Path) -> None:
    [outcome] = await deliver(system, tmp_path, transaction(1, shipment(number="404")))
    refused(outcome, "unknown_document", "404")


async def test_a_delivery_that_changed_meanwhile_is_looked_at_again(
    system: System, tmp_path: Path
) -> None:
    stale = system.find(OUTBOUND, "80000001")
    before = stale["etag"]
    system.meanwhile = lambda: stale.update(etag="W/\"'of a person'\"")
    value = transaction(1, shipment())
    [outcome, then] = await deliver(system, tmp_path, value, value)
    assert isinstance(outcome, TryLater)
    assert stale["etag"] != before
    assert isinstance(then, Posted)


async def test_a_changeset_is_all_or_nothing(system: System, tmp_path: Path) -> None:
    value = transaction(1, shipment(*every("50")))
    system.errors = [None, None, unposted("M7/053", "Posting only possible in periods")]
    [outcome] = await deliver(system, tmp_path, value, changesets=True)
    refused(outcome, "closed_period")
    items = system.find(OUTBOUND, "80000001")["to_DeliveryDocumentItem"]
    assert {item["ActualDeliveryQuantity"] for item in items} == {"100"}
    [outcome] = await deliver(system, tmp_path, value, changesets=True)
    assert isinstance(outcome, Posted)
    assert set(on_hand(system).values()) == {Decimal(-50)}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/mixed", b"--x--"),
        (
            "multipart/mixed; boundary=x",
            b"--x\r\nContent-Type: application/http\r\n\r\nno\r\n--x--",
        ),
        ("multipart/mixed; boundary=x", b"--x\r\nContent-Type: text/plain\r\n\r\nHTTP/1.1 204\r\n"),
        ("multipart/mixed; boundary=x", b"\x00" * 1000),
    ],
)
def test_an_answer_to_a_batch_that_is_none_is_no_answer(kind: str, body: bytes) -> None:
    assert unpacked(Answer(202, body, {"Content-Type": kind})) is None


# --- Counts ---


def counted(*rows: Line, seq: int = 1) -> Transaction:
    return transaction(seq, Count(lines=rows, location="STORE"))


@pytest.mark.parametrize("changesets", [False, True])
async def test_a_count_posts_the_difference_to_what_was_found(
    system: System, tmp_path: Path, changesets: bool
) -> None:
    found = counted(*lines(quantity="12"), *lines("NUT-8", "0"), *lines(lot="LOT7"))
    outcomes = await deliver(system, tmp_path, found, found, changesets=changesets)
    assert isinstance(outcomes[0], Posted)
    assert outcomes[1] == outcomes[0]
    assert on_hand(system) == {
        "BOLT-8 at 1010/0009": 12 - FULL,
        "NUT-8 at 1010/0009": -FULL,
        "BOLT-8 at 1010/0009 LOT7": 2,
    }


async def test_a_count_is_carried_on_from_wherever_it_stands(
    system: System, tmp_path: Path
) -> None:
    found = counted(*lines(quantity="12"), *lines("NUT-8", "5"))
    for before in (1, 0, 2, 1):
        fates: list[Any] = [*[""] * before, "lost"]
        system.faults.next = fates
        await deliver(system, tmp_path, found, again=True)
    system.faults.next = []
    [outcome] = await deliver(system, tmp_path, found, again=True)
    assert isinstance(outcome, Posted)
    assert effects(system) == {str(found.id): 1}
    assert len(system.tables[COUNTS, "A_PhysInventoryDocHeader"]) == 1


async def test_a_count_that_a_person_changed_is_left_to_them(
    system: System, tmp_path: Path
) -> None:
    found = counted(*lines(quantity="12"))
    system.faults.next = ["", "throttled"]
    await deliver(system, tmp_path, found)
    [sheet] = system.tables[COUNTS, "A_PhysInventoryDocHeader"]
    sheet["PhysInvtryDeletionStatus"] = "X"
    [outcome] = await deliver(system, tmp_path, found, again=True)
    refused(outcome, "needs_human", sheet["PhysicalInventoryDocument"])


# --- Cancellations ---


async def test_a_reversal_cancels_every_document_once(system: System, tmp_path: Path) -> None:
    order = of("prodorder", "1000001")
    made = Assembly(produced=lines("KIT", "1"), consumed=lines(), documents=order)
    await deliver(system, tmp_path, transaction(1, made))
    system.faults.next = ["", "lost"]
    [outcome] = await deliver(system, tmp_path, undone(2, 1))
    assert isinstance(outcome, Unknown)
    first, second = await deliver(system, tmp_path, undone(2, 1), undone(2, 1), again=True)
    assert isinstance(first, Posted)
    assert second == first
    assert not on_hand(system)
    cancelled = [often for each, often in system.effects.items() if each.endswith("cancelled")]
    assert cancelled == [2]


async def test_what_was_cancelled_is_not_booked_again(system: System, tmp_path: Path) -> None:
    """SAP may copy the texts of a document to the one that cancels it."""
    first, _ = await deliver(system, tmp_path, moved(), undone(2, 1))
    assert await deliver(system, tmp_path, moved(), again=True) == [first]
    assert not on_hand(system)


async def test_what_is_no_material_document_is_taken_back_by_a_person(
    system: System, tmp_path: Path
) -> None:
    await deliver(system, tmp_path, transaction(1, shipment()))
    [outcome] = await deliver(system, tmp_path, undone(2, 1))
    refused(outcome, "needs_human", "delivery or count")


# --- What shows late ---


async def test_a_posting_that_does_not_show_yet_is_not_made_again(tmp_path: Path) -> None:
    """The update of a delivery may come after the answer that it was taken."""

    class Slow(System):
        def _goods_issue(self, header: dict[str, Any], sign: int) -> None:
            pass

        def _sheet(self, body: dict[str, Any]) -> dict[str, Any]:
            made = super()._sheet(body)
            self.tables[COUNTS, "A_PhysInventoryDocHeader"].clear()
            return made

    async with Slow(None, USER, PASSWORD).serving() as slow:
        stocked(slow)
        for value in (transaction(1, shipment()), counted(*lines(), seq=2)):
            [outcome] = await deliver(slow, tmp_path, value)
            assert isinstance(outcome, Unknown), outcome
        made = [seen.path.rpartition("/")[2] for seen in slow.seen if seen.method == "POST"]
        assert [each.partition("?")[0] for each in made] == [
            "PickAllItems",
            "PostGoodsIssue",
            "A_PhysInventoryDocHeader",
        ]


async def test_differences_that_do_not_show_yet_are_not_posted_again(tmp_path: Path) -> None:
    class Slow(System):
        def _differences(self, sheet: dict[str, Any]) -> dict[str, Any]:
            return {}

    async with Slow(None, USER, PASSWORD).serving() as slow:
        stocked(slow)
        [outcome] = await deliver(slow, tmp_path, counted(*lines()))
        assert isinstance(outcome, Unknown), outcome
        made = [seen.path for seen in slow.seen if "PostDifferences" in seen.path]
        assert len(made) == 1
