"""Several transactions of one document go into one document of the ERP; each has its outcome."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bridge.ledger import Ledger, open_ledger
from bridge.outcome import Outcome, Refused, Unknown
from bridge.terms import Terms
from contract.transactions import Receipt, Transaction
from tests.bridge.running import running
from tests.bridge.streams import EPOCH, envelope, lines, receipt, transaction
from tests.bridge.targets import ScriptedTarget
from tests.bridge.turned import Turned


@dataclass
class GroupTarget(ScriptedTarget):
    """Books what belongs together as one document."""

    groups: list[list[int]] = field(default_factory=list)
    cut: list[bool] = field(default_factory=list)

    def group_key(self, transaction: Transaction) -> str | None:
        documents = getattr(transaction.event, "documents", ())
        if transaction.event.type != "receipt" or not documents:
            return None
        return f"{documents[0].number} at {getattr(transaction.event, 'to_location', '')}"

    async def deliver_many(
        self, transactions: Sequence[Transaction], *, again: bool
    ) -> list[Outcome]:
        self.groups.append([transaction.seq for transaction in transactions])
        outcomes = [await self.deliver(transaction, again=again) for transaction in transactions]
        if self.cut:
            self.cut.pop()
            return [Unknown("the answer was lost")] * len(transactions)
        return outcomes


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with open_ledger(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}") as opened:
        yield opened


def at(document: str, location: str) -> Receipt:
    return receipt(document).model_copy(update={"to_location": location})


async def test_neighbours_of_one_document_go_together(ledger: Ledger) -> None:
    rows = [
        transaction(1, receipt("A")),
        transaction(2, receipt("B")),
        transaction(3, receipt("A")),
        transaction(4, receipt("A")),
        transaction(5, at("A", "ELSEWHERE")),
        transaction(6, receipt("A")),
        transaction(7, Receipt(lines=lines(), to_location="DOCK")),
    ]
    await ledger.apply(envelope(1, rows))
    target = GroupTarget()
    async with running(ledger, target) as run:
        await run.until_posted(7)
    assert target.groups == [[1, 3, 4]]
    assert sorted(target.seqs) == [1, 2, 3, 4, 5, 6, 7]
    assert [seq for seq in target.seqs if seq in {1, 3, 4, 5, 6}] == [1, 3, 4, 5, 6]


async def test_a_group_has_a_bound(ledger: Ledger) -> None:
    await ledger.apply(envelope(1, [transaction(seq, receipt("A")) for seq in range(1, 8)]))
    target = GroupTarget()
    async with running(ledger, target, Terms(group_most=3)) as run:
        await run.until_posted(7)
    assert target.groups == [[1, 2, 3], [4, 5, 6]]
    assert target.seqs == [1, 2, 3, 4, 5, 6, 7]


async def test_an_incomplete_group_waits_for_more_but_not_for_long(ledger: Ledger) -> None:
    clock, target = Turned(), GroupTarget()

    async def fourth_is_posted() -> bool:
        [newest] = await ledger.entries(1)
        return bool(newest["state"] == "posted")

    async with running(ledger, target, Terms(linger_s=300.0), clock) as run:
        await ledger.apply(envelope(1, [transaction(1, receipt("A"))]))
        await ledger.apply(envelope(2, [transaction(2, receipt("A"))]))
        await ledger.apply(envelope(3, [transaction(3, receipt("A"))]))
        await ledger.apply(envelope(4, [transaction(4, Receipt(lines=lines()))]))
        await run.until(fourth_is_posted)
        assert target.seqs == [4]  # what nobody groups does not wait
        clock.pass_by(300.0)
        await run.until_posted(4)
    assert target.groups == [[1, 2, 3]]
    assert target.seqs == [4, 1, 2, 3]


async def test_a_full_group_does_not_wait(ledger: Ledger) -> None:
    target = GroupTarget()
    async with running(ledger, target, Terms(linger_s=300.0, group_most=2)) as run:
        await ledger.apply(envelope(1, [transaction(seq, receipt("A")) for seq in (1, 2)]))
        await run.until_posted(2)
    assert target.groups == [[1, 2]]


async def test_what_was_sent_together_is_looked_up_together(ledger: Ledger) -> None:
    target = GroupTarget(cut=[True], settle=0.1)
    await ledger.apply(envelope(1, [transaction(seq, receipt("A")) for seq in (1, 2)]))
    async with running(ledger, target) as run:

        async def was_cut() -> bool:
            return not target.cut

        await run.until(was_cut)
        await ledger.apply(envelope(3, [transaction(3, receipt("A"))]))
        await run.until_posted(3)
    assert target.groups == [[1, 2], [1, 2]]
    assert [(call.seq, call.again) for call in target.calls][2:] == [
        (1, True),
        (2, True),
        (3, False),
    ]
    assert len(target.booked) == 3


async def test_one_refused_of_a_group_is_dead_alone(ledger: Ledger) -> None:
    async def knows_no_second(target: ScriptedTarget, tx: Transaction) -> Outcome:
        return Refused("unknown_sku", "no") if tx.seq == 2 else target.book(tx)

    target = GroupTarget(knows_no_second)
    await ledger.apply(envelope(1, [transaction(seq, receipt("A")) for seq in (1, 2, 3)]))
    async with running(ledger, target) as run:
        await run.until_posted(3)
    ack = (await ledger.word("dock-1", EPOCH)).ack
    assert [entry.seq for entry in ack.rejected] == [2]
    assert target.groups == [[1, 2, 3]]
