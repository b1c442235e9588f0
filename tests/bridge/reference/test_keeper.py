"""What is read, and what the ledger adds, become one copy with versions."""

import os
import time
from pathlib import Path

from bridge.amendment import Changes
from bridge.outcome import Posted, Refused
from bridge.posting import Result
from contract.reference import Ask, Page
from contract.transactions import Receipt, Reversal
from contract.values import Document, Item, Line, Quantity
from tests.bridge.reference.room import Room, both, put
from tests.bridge.streams import EPOCH, envelope, lines, name, transaction

PO = Document(kind="po", number="PO-1")


def receipt(quantity: str, line: str | None = "1", **more: str) -> Receipt:
    return Receipt(documents=(PO,), lines=lines(quantity=quantity, document_line=line), **more)


async def page(bridge: Room, ask: Ask | None = None, gateway: str = "dock-1") -> Page:
    return Page.model_validate_json(await bridge.copy.page(gateway, ask or Ask()))


async def post(bridge: Room, *numbers: int) -> None:
    for attempt in await bridge.ledger.begin(numbers):
        await bridge.ledger.settle(Result(attempt, Posted("D-1")))


async def test_what_is_read_first_is_all_there_is(bridge: Room) -> None:
    first = await page(bridge)
    assert {(each.kind, each.key) for each in first.changes} == {
        ("item", "BOLT-8"),
        ("item", "NUT-8"),
        ("document", "PO-1"),
    }
    assert (first.after, first.upto, first.newest, first.restart) == (0, 3, 3, False)


@both
async def test_reading_the_same_again_changes_nothing(bridge: Room, folder: Path) -> None:
    before = await bridge.copy.state()
    await bridge.keeper.read(frozenset({"item", "document", "location"}))
    after = await bridge.copy.state()
    assert (after.set, after.version) == (before.set, before.version)
    assert after.round > before.round


@both
async def test_only_what_changed_gets_a_version(bridge: Room, folder: Path) -> None:
    stands = await page(bridge)
    put(folder, "items.csv", "sku,name\nBOLT-8,Bolt\nWASHER,Washer\n")
    await bridge.keeper.look()
    more = await page(bridge, Ask(set=stands.set, after=stands.newest))
    assert {each.key: each.record is None for each in more.changes} == {
        "BOLT-8": False,
        "WASHER": False,
        "NUT-8": True,
    }
    put(folder, "items.csv", "sku,name\nBOLT-8,Bolt\nNUT-8,Nut\nWASHER,Washer\n")
    await bridge.keeper.look()
    [back] = (await page(bridge, Ask(set=more.set, after=more.newest))).changes
    assert back.key == "NUT-8"
    assert back.record is not None


async def test_a_file_that_is_away_withdraws_nothing(bridge: Room, folder: Path) -> None:
    (folder / "items.csv").unlink()
    (folder / "documents.csv").unlink()
    await bridge.keeper.look()
    assert bridge.keeper.failure is None
    assert await bridge.copy.counts() == {"item": 2, "document": 1}


async def test_a_broken_file_leaves_what_there_was_and_says_where(
    bridge: Room, folder: Path
) -> None:
    put(folder, "documents.csv", "document,number,line,sku,quantity\npo,PO-2,1,X,many\n")
    await bridge.keeper.look()
    assert (bridge.keeper.failure or "").startswith("documents.csv:2: lines.0.quantity")
    assert (await bridge.copy.counts())["document"] == 1


@both
async def test_a_receipt_of_any_gateway_is_done_before_the_erp_knows(bridge: Room) -> None:
    await bridge.ledger.apply(envelope(1, [transaction(1, receipt("4"))]))
    other = transaction(1, receipt("3"), gateway="dock-2", id=name(1, 2))
    await bridge.ledger.apply(envelope(1, [other], gateway="dock-2"))
    await bridge.keeper.look()
    assert await bridge.done("PO-1") == "7"
    word = await page(bridge)
    assert (word.epoch, word.includes) == (EPOCH, 1)


async def test_an_undone_receipt_is_not_done(bridge: Room) -> None:
    undo = Reversal(reverses=name(1))
    rows = [transaction(1, receipt("4")), transaction(2, receipt("1")), transaction(3, undo)]
    await bridge.ledger.apply(envelope(1, rows))
    await bridge.keeper.look()
    assert await bridge.done("PO-1") == "1"


async def test_what_a_person_discards_is_not_done(bridge: Room, folder: Path) -> None:
    await bridge.ledger.apply(envelope(1, [transaction(1, receipt("4"))]))
    await bridge.keeper.look()
    await bridge.ledger.discard(1, "ann", "never came")
    await bridge.keeper.read(frozenset({"document"}))
    assert await bridge.done("PO-1") == "0"


async def test_a_gtin_alone_is_counted_by_its_pack(bridge: Room) -> None:
    line = Line(item=Item(gtin="04006381333931"), quantity=Quantity(value="1"))
    await bridge.ledger.apply(
        envelope(1, [transaction(1, Receipt(documents=(PO,), lines=(line,)))])
    )
    await bridge.keeper.look()
    assert await bridge.done("PO-1") == "10"


async def test_without_a_column_done_the_ledger_counts_for_ever(bridge: Room, folder: Path) -> None:
    await bridge.ledger.apply(envelope(1, [transaction(1, receipt("4"))]))
    await bridge.keeper.look()
    await post(bridge, 1)
    await bridge.keeper.read(frozenset({"document"}))
    assert await bridge.done("PO-1") == "4"


@both
async def test_a_file_that_says_done_has_what_was_posted_before_it_was_written(
    bridge: Room, folder: Path
) -> None:
    rows = [transaction(1, receipt("4")), transaction(2, receipt("1"))]
    await bridge.ledger.apply(envelope(1, rows))
    await post(bridge, 1)
    text = "document,number,line,sku,quantity,done\npo,PO-1,1,BOLT-8,10,4\n"
    put(folder, "documents.csv", text)
    # What the kernel stamps is the last tick of its clock: maybe before a posting of a moment ago
    os.utime(folder / "documents.csv", ns=2 * (time.time_ns(),))
    await bridge.keeper.look()
    assert await bridge.done("PO-1") == "5"
    await post(bridge, 2)
    await bridge.keeper.read(frozenset({"document"}))
    assert await bridge.done("PO-1") == "5", "posted after the file was written"


@both
async def test_the_second_gateway_beyond_the_order_is_held_back_and_both_are_named(
    bridge: Room,
) -> None:
    await bridge.ledger.apply(envelope(1, [transaction(1, receipt("10"))]))
    other = transaction(1, receipt("10"), gateway="dock-2", id=name(1, 2))
    await bridge.ledger.apply(envelope(1, [other], gateway="dock-2"))
    first, second = await bridge.ledger.begin([1, 2])
    assert await bridge.conflicts.found(first) is None
    against = await bridge.conflicts.found(second)
    assert isinstance(against, Refused)
    assert against.code == "over_receipt"
    assert "PO-1 line 1: 10 expected, 20 with this" in against.text
    assert "dock-2/bench" in against.text
    assert "dock-1/bench" in against.text


async def test_one_gateway_alone_and_whoever_gives_a_reason_may_go_beyond(bridge: Room) -> None:
    rows = [transaction(1, receipt("10")), transaction(2, receipt("3"))]
    await bridge.ledger.apply(envelope(1, rows))
    aware = transaction(1, receipt("3", reason="more came"), gateway="dock-2", id=name(1, 2))
    await bridge.ledger.apply(envelope(1, [aware], gateway="dock-2"))
    for attempt in await bridge.ledger.begin([1, 2, 3]):
        assert await bridge.conflicts.found(attempt) is None


async def test_what_a_person_accepts_is_booked(bridge: Room) -> None:
    await bridge.ledger.apply(envelope(1, [transaction(1, receipt("10"))]))
    other = transaction(1, receipt("10"), gateway="dock-2", id=name(1, 2))
    await bridge.ledger.apply(envelope(1, [other], gateway="dock-2"))
    [second] = await bridge.ledger.begin([2])
    against = await bridge.conflicts.found(second)
    assert against is not None
    await bridge.ledger.settle(Result(second, against))
    await bridge.ledger.amend(2, Changes(accepts=frozenset({"over_receipt"})), "ann", "20 there")
    [again] = await bridge.ledger.begin([2])
    assert await bridge.conflicts.found(again) is None
