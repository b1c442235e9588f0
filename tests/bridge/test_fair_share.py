"""Stations share a target: a backlog of one starves nobody, and still drains."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.ledger import Ledger, open_ledger
from bridge.outcome import Outcome
from bridge.turns import BACKLOG_EVERY, Turns
from contract.transactions import Transaction
from tests.bridge.running import running
from tests.bridge.streams import envelope, name, receipt, transaction
from tests.bridge.targets import ScriptedTarget

BACK = UUID("0190b7a0-0000-7000-8000-0000000000bb")
LIVE = UUID("0190b7a0-0000-7000-8000-0000000000cc")


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with open_ledger(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}") as opened:
        yield opened


def test_stations_take_turns() -> None:
    turns = Turns()
    for number in range(1, 101):
        turns.add(number, (f"document {number}",), share="a")
    for number in range(101, 104):
        turns.add(number, (f"document {number}",), share="b")
    taken = [turns.take(0.0)[0] for _ in range(8)]
    assert {101, 102, 103} < set(taken)
    assert [number for number in taken if number < 100] == [1, 2, 3, 4, 5]


def test_what_is_live_goes_first_and_the_backlog_still_gets_its_places() -> None:
    turns = Turns()
    for number in range(1, 101):
        turns.add(number, (f"document {number}",), share="a", backlog=True)
    for number in range(101, 201):
        turns.add(number, (f"document {number}",), share="a")
    taken = [turns.take(0.0)[0] for _ in range(50)]
    assert sum(number <= 100 for number in taken) == 50 // BACKLOG_EVERY


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.booleans()), max_size=40),
    st.integers(1, 5),
)
def test_whatever_the_shares_everything_comes_once_and_documents_keep_their_order(
    entries: list[tuple[str, str, bool]], limit: int
) -> None:
    turns = Turns()
    for number, (share, document, backlog) in enumerate(entries, start=1):
        turns.add(number, (document,), share=share, backlog=backlog)
    taken: list[int] = []
    while batch := turns.take(0.0, limit):
        taken += batch
        for number in batch:
            turns.done(number)
    assert sorted(taken) == list(range(1, len(entries) + 1))
    for document in "xyz":
        line = [number for number in taken if entries[number - 1][1] == document]
        assert line == sorted(line)


async def test_a_bench_is_served_while_another_drains_its_backlog(ledger: Ledger) -> None:
    """Three live scans against 100 rows that came before them: each is among the next few."""
    backlog = [
        transaction(seq, receipt(f"B{seq}"), epoch=BACK, gateway="back") for seq in range(1, 101)
    ]
    for first in range(0, 100, 50):
        rows = envelope(first + 1, backlog[first : first + 50], gateway="back", epoch=BACK)
        await ledger.apply(rows)
    order: list[str] = []

    async def keeps_order(target: ScriptedTarget, tx: Transaction) -> Outcome:
        order.append(tx.gateway)
        if len(order) == 20:
            live = [
                transaction(
                    seq, receipt(f"L{seq}"), epoch=LIVE, gateway="live", id=name(seq, salt=9)
                )
                for seq in range(1, 4)
            ]
            await ledger.apply(envelope(1, live, gateway="live", epoch=LIVE))
        return target.book(tx)

    async with running(ledger, ScriptedTarget(keeps_order)) as run:
        await run.until_posted(100, "back", BACK)
    assert [place for place, who in enumerate(order) if who == "live"][-1] < 30
