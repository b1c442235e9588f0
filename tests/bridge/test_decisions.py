"""What a person does about a dead letter: the same id is sent, the original stays as it came."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import get_args

import pytest

from bridge.amendment import Amended, Changes, accepts, amend
from bridge.dead_letters import ACTIONS, WORDS
from bridge.decisions import Which
from bridge.ledger import Ledger, open_ledger
from bridge.outcome import Outcome, Posted, Refused, Unknown
from bridge.posting import Result
from contract.envelope import Reason, encode
from contract.transactions import Assembly, Receipt, Transaction
from tests.bridge.running import running
from tests.bridge.streams import EPOCH, envelope, lines, name, receipt, row, run_of, transaction
from tests.bridge.targets import ScriptedTarget


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with open_ledger(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}") as opened:
        yield opened


def knows(skus: set[str], documents: set[str]) -> ScriptedTarget:
    """An ERP with some master data; it takes too much where a person took that upon herself."""

    async def script(target: ScriptedTarget, tx: Transaction) -> Outcome:
        event = tx.event
        assert isinstance(event, Receipt)
        for document in event.documents:
            if document.number not in documents:
                return Refused("unknown_document", f"no {document.number}")
        for line in event.lines:
            if line.item.sku not in skus:
                return Refused("unknown_sku", f"no {line.item.sku}")
            if line.quantity.value > 10 and "over_receipt" not in accepts(tx):
                return Refused("over_receipt", "more than was ordered")
        seen.append(tx)
        return target.book(tx)

    target = ScriptedTarget(script)
    seen: list[Transaction] = []
    target.seen = seen  # type: ignore[attr-defined]
    return target


def test_every_reason_has_actions_and_every_action_words() -> None:
    assert set(ACTIONS) == set(get_args(Reason))
    assert {action for actions in ACTIONS.values() for action in actions} == set(WORDS)
    assert all(len(reason) <= 16 for reason in ACTIONS)  # the column's width


async def test_each_action_books_the_same_id_once(ledger: Ledger) -> None:
    rows = [
        transaction(1, receipt("PO-1", sku="BOLT-8")),
        transaction(2, receipt("PO-O", sku="BOLT-8")),
        transaction(3, receipt("PO-1", sku="B0LT-8")),
        transaction(4, receipt("PO-1", sku="BOLT-8", quantity="11")),
        transaction(5, receipt("PO-1", sku="NUT-8")),
        transaction(6, receipt("PO-1", sku="LABEL-TEST")),
    ]
    skus, documents = {"BOLT-8"}, {"PO-1"}
    target = knows(skus, documents)
    await ledger.apply(envelope(1, rows))
    async with running(ledger, target) as run:
        await run.until_posted(6)
        letters = {letter["seq"]: letter for letter in await ledger.dead_letters()}
        assert {seq: letter["code"] for seq, letter in letters.items()} == {
            2: "unknown_document",
            3: "unknown_sku",
            4: "over_receipt",
            5: "unknown_sku",
            6: "unknown_sku",
        }
        assert letters[4]["actions"][0] == "accept_warning"
        changes = Changes(documents={"PO-O": "PO-1"})
        assert await ledger.amend(letters[2]["number"], changes, "anna", "misread")
        changes = Changes(skus={"B0LT-8": "BOLT-8"})
        assert await ledger.amend(letters[3]["number"], changes, "anna", "a zero")
        changes = Changes(accepts=frozenset({"over_receipt"}))
        assert await ledger.amend(letters[4]["number"], changes, "ben", "the vendor agreed")
        skus.add("NUT-8")
        assert await ledger.retry(
            Which(code="unknown_sku", station="bench"), "anna", "made it"
        ) == [
            letters[5]["number"],
            letters[6]["number"],
        ]
        await run.until_posted(6)

        async def only_one_left() -> bool:
            return [letter["seq"] for letter in await ledger.dead_letters()] == [6]

        await run.until(only_one_left)
        assert await ledger.discard(letters[6]["number"], "anna", "a test label") == [
            letters[6]["number"]
        ]
    assert sorted(target.booked) == [name(seq) for seq in range(1, 6)]
    assert await ledger.dead_letters() == []
    assert (await ledger.standing()).dead == 0
    ack = (await ledger.word("dock-1", EPOCH)).ack
    assert [(entry.seq, entry.code, entry.text) for entry in ack.rejected] == [
        (6, "discarded", "anna: a test label")
    ]
    story = await ledger.explain(letters[2]["number"])
    assert story is not None
    assert story["came"] == row(rows[1]).transaction  # as it came
    assert story["as_changed"]["event"]["documents"][0]["number"] == "PO-1"
    assert [made["outcome"] for made in story["attempts"]] == ["refused", "posted"]
    assert [deed["who"] for deed in story["decisions"]] == ["anna"]
    assert (await ledger.verify()).whole


async def test_an_amended_document_takes_its_turn_with_the_right_one(ledger: Ledger) -> None:
    await ledger.apply(envelope(1, [transaction(1, receipt("PO-O"))]))
    [attempt] = await ledger.begin([1])
    await ledger.settle(Result(attempt, Refused("unknown_document", "no PO-O")))
    await ledger.amend(1, Changes(documents={"PO-O": "PO-1"}), "anna", "misread")
    [waiting] = await ledger.undecided(0, 10)
    assert waiting.keys == ("document PO-1",)


async def test_changes_that_do_not_fit_change_nothing(ledger: Ledger) -> None:
    await ledger.apply(run_of(1, 1))
    assert not await ledger.amend(1, Changes(skus={"a": "b"}), "anna", "not dead")
    [attempt] = await ledger.begin([1])
    await ledger.settle(Result(attempt, Refused("unknown_sku", "no")))
    with pytest.raises(ValueError, match="names no document PO-9"):
        await ledger.amend(1, Changes(documents={"PO-9": "PO-1"}), "anna", "misread")
    assert (await ledger.entries())[0]["state"] == "dead"
    assert await ledger.audit_trail() == []


async def test_what_the_erp_may_have_cannot_be_discarded(ledger: Ledger) -> None:
    await ledger.apply(run_of(1, 2))
    [attempt] = await ledger.begin([1])
    await ledger.settle(Result(attempt, Unknown("cut")))
    assert await ledger.discard(Which(numbers=[1, 2]), "anna", "both") == [2]


async def test_a_filter_discards_dead_letters_and_not_the_line(ledger: Ledger) -> None:
    await ledger.apply(run_of(1, 2))
    [attempt] = await ledger.begin([1])
    await ledger.settle(Result(attempt, Refused("unknown_sku", "no")))
    assert await ledger.discard(Which(station="bench"), "anna", "all of it") == [1]


async def test_a_discarded_one_can_be_taken_back(ledger: Ledger) -> None:
    await ledger.apply(run_of(1, 1))
    await ledger.discard(1, "anna", "oops")
    assert await ledger.retry(1, "anna", "it was right") == [1]
    assert [waiting.ambiguous for waiting in await ledger.undecided(0, 10)] == [False]


async def test_a_restored_erp_gets_back_what_it_lost_and_nothing_twice(ledger: Ledger) -> None:
    target = ScriptedTarget()
    async with running(ledger, target) as run:
        await ledger.apply(run_of(1, 5))
        await run.until_posted(5)
        lost = [name(seq) for seq in (4, 5)]
        for each in lost:
            del target.booked[each]  # the backup was of the night before
        assert len(await ledger.replay(Which(numbers=[3, 4, 5]), "anna", "restored")) == 3
        await run.until_posted(5)
    assert sorted(target.booked) == [name(seq) for seq in range(1, 6)]
    assert [(call.seq, call.again) for call in target.calls][5:] == [
        (3, True),
        (4, True),
        (5, True),
    ]


def test_changes_come_upon_each_other_and_leave_the_rest() -> None:
    original = transaction(1, receipt("PO-1"))
    changed = amend(
        original,
        [
            Changes(skus={"BOLT-8": "BOLT-9"}),
            Changes(accepts=frozenset({"short_stock"})),
            Changes(skus={"BOLT-9": "BOLT-10"}, documents={"": "SO-2"}, kind="so"),
        ],
    )
    assert isinstance(changed, Amended)
    assert isinstance(changed.event, Receipt)
    assert changed.event.lines[0].item.sku == "BOLT-10"
    assert [document.number for document in changed.event.documents] == ["PO-1", "SO-2"]
    assert accepts(changed) == {"short_stock"}
    assert accepts(original) == frozenset()
    assert (changed.id, changed.evidence, changed.clock) == (
        original.id,
        original.evidence,
        original.clock,
    )
    assert amend(original, []) is original
    assert encode(original) == encode(transaction(1, receipt("PO-1")))


def test_items_are_renamed_wherever_they_lie() -> None:
    assembly = Assembly(produced=lines("KIT"), consumed=lines("PART"))
    changed = amend(transaction(1, assembly), [Changes(skus={"PART": "PART-2"})])
    assert isinstance(changed.event, Assembly)
    assert changed.event.consumed[0].item.sku == "PART-2"
    assert changed.event.produced[0].item.sku == "KIT"


async def test_the_line_can_be_searched(ledger: Ledger) -> None:
    await ledger.apply(envelope(1, [transaction(1, receipt("PO-77")), transaction(2)]))
    [attempt] = await ledger.begin([2])
    await ledger.settle(Result(attempt, Posted("GRN-5")))
    assert [e["seq"] for e in await ledger.entries(text="PO-77")] == [1]
    assert [e["seq"] for e in await ledger.entries(text="GRN-5")] == [2]
    assert await ledger.entries(text="%") == []
    assert [e["seq"] for e in await ledger.entries(which=Which(id=name(2)))] == [2]
    assert (await ledger.find("GRN-5"), await ledger.find(str(name(1)))) == (2, 1)
    assert await ledger.find("99") is None
