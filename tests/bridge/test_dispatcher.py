import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest

from bridge import delivering, line
from bridge.dispatcher import Dispatcher
from bridge.ledger import Ledger, open_ledger
from bridge.metrics import Metrics
from bridge.outcome import Outcome, Posted, Refused, TryLater, Unknown
from contract.transactions import Transaction
from tests.bridge.running import LONG
from tests.bridge.streams import EPOCH, envelope, receipt, run_of, transaction
from tests.bridge.targets import BatchTarget, ScriptedTarget


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with open_ledger(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}") as opened:
        yield opened


class Running:
    """A dispatcher at work, which says when something was decided."""

    def __init__(self, ledger: Ledger, target: ScriptedTarget, stuck_after: int = 3) -> None:
        self.ledger = ledger
        self.metrics = Metrics()
        self.decided = asyncio.Condition()
        self.streams: list[tuple[str, UUID]] = []
        self.news = asyncio.Event()
        self.dispatcher = Dispatcher(
            ledger,
            target.connect,
            metrics=self.metrics,
            progress=self._progress,
            stuck_after=stuck_after,
        )

    def _progress(self, gateway: str, epoch: UUID) -> None:
        self.streams.append((gateway, epoch))
        self.news.set()

    async def until(self, true: Callable[[], Awaitable[bool]]) -> None:
        """Wait for a state of the ledger, looking whenever something was decided."""
        async with asyncio.timeout(LONG):
            while not await true():
                self.news.clear()
                if not await true():
                    await self.news.wait()

    async def until_posted(self, seq: int) -> None:
        async def posted() -> bool:
            return (await self.ledger.word("dock-1", EPOCH)).ack.posted >= seq

        await self.until(posted)


@contextlib.asynccontextmanager
async def running(
    ledger: Ledger, target: ScriptedTarget, stuck_after: int = 3
) -> AsyncIterator[Running]:
    made = Running(ledger, target, stuck_after)
    task = asyncio.create_task(made.dispatcher.run())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.wait([task])


def fate(*outcomes: Outcome) -> ScriptedTarget:
    """A target that answers these first, without booking, and then books."""
    left = list(outcomes)

    async def script(target: ScriptedTarget, tx: Transaction) -> Outcome:
        return left.pop(0) if left else target.book(tx)

    return ScriptedTarget(script)


async def test_what_arrives_is_delivered_in_order_one_at_a_time(ledger: Ledger) -> None:
    target = ScriptedTarget()
    async with running(ledger, target) as run:
        await ledger.apply(run_of(1, 5))
        await ledger.apply(run_of(6, 9))
        await run.until_posted(9)
    assert target.seqs == list(range(1, 10))
    assert target.most_in_flight == 1
    assert not any(call.again for call in target.calls)
    assert set(run.streams) == {("dock-1", EPOCH)}
    assert b'deliveries_total{outcome="posted"} 9.0' in run.metrics.text()


async def test_a_backlog_from_before_the_start_is_delivered(ledger: Ledger) -> None:
    await ledger.apply(run_of(1, 3))
    target = ScriptedTarget()
    async with running(ledger, target) as run:
        await run.until_posted(3)
    assert target.seqs == [1, 2, 3]


async def test_a_refusal_is_dead_with_its_reason_and_holds_up_nobody(ledger: Ledger) -> None:
    target = fate(Refused("unknown_sku", "no BOLT-8"))
    async with running(ledger, target) as run:
        await ledger.apply(run_of(1, 2))
        await run.until_posted(2)
    ack = (await ledger.word("dock-1", EPOCH)).ack
    assert [(entry.seq, entry.code) for entry in ack.rejected] == [(1, "unknown_sku")]


async def test_try_later_is_tried_again_without_looking_it_up(ledger: Ledger) -> None:
    target = fate(TryLater("busy"), TryLater("busy"))
    async with running(ledger, target) as run:
        await ledger.apply(run_of(1, 1))
        await run.until_posted(1)
    assert [(call.seq, call.again) for call in target.calls] == [(1, False)] * 3


async def test_a_target_that_asks_for_time_gets_it(ledger: Ledger) -> None:
    target = fate(TryLater("slow down", after=0.5))
    async with running(ledger, target) as run:
        await ledger.apply(run_of(1, 2))
        await run.until_posted(2)
    assert target.calls[1].at - target.calls[0].at >= 0.5


async def test_who_says_how_long_to_wait_is_not_made_to_wait_ever_longer(ledger: Ledger) -> None:
    target = fate(*[TryLater("slow down", after=0.01)] * 12)
    with patch("bridge.dispatcher.ASKED_FLOOR", 0.01):
        async with running(ledger, target) as run:
            await ledger.apply(run_of(1, 1))
            await run.until_posted(1)  # guesses on top of it would add up to half an hour
    assert len(target.calls) == 13


async def test_unknown_is_looked_up_after_the_target_has_settled(ledger: Ledger) -> None:
    async def books_but_the_line_is_cut(target: ScriptedTarget, tx: Transaction) -> Outcome:
        first = tx.id not in target.booked
        posted = target.book(tx)
        return Unknown("cut") if first else posted

    target = ScriptedTarget(books_but_the_line_is_cut, settle=0.3)
    async with running(ledger, target) as run:
        await ledger.apply(run_of(1, 1))
        await run.until_posted(1)
    assert [call.again for call in target.calls] == [False, True]
    assert target.calls[1].at - target.calls[0].at >= 0.3
    assert len(target.booked) == 1


async def test_a_stuck_document_lets_the_others_past_and_is_shown(ledger: Ledger) -> None:
    async def a_is_locked(target: ScriptedTarget, tx: Transaction) -> Outcome:
        locked = tx.seq in {1, 2} and tx.seq not in freed
        return TryLater("locked by a person") if locked else target.book(tx)

    freed: set[int] = set()
    target = ScriptedTarget(a_is_locked)
    rows = [transaction(seq, receipt("A" if seq < 3 else "B")) for seq in range(1, 6)]
    async with running(ledger, target, stuck_after=1) as run:
        await ledger.apply(envelope(1, rows))

        async def b_is_posted() -> bool:
            return [e["seq"] for e in await ledger.entries() if e["state"] == "posted"] == [5, 4, 3]

        await run.until(b_is_posted)
        assert 2 not in target.seqs
        assert run.dispatcher.stuck == {1: "locked by a person"}
        assert b"stuck_entries 1.0" in run.metrics.text()
        freed |= {1, 2}
        await run.until_posted(5)
        assert run.dispatcher.stuck == {}
    assert target.seqs[-2:] == [1, 2]


async def test_a_connector_that_breaks_its_promise_is_asked_again(ledger: Ledger) -> None:
    broken = [True]

    async def breaks_once(target: ScriptedTarget, tx: Transaction) -> Outcome:
        posted = target.book(tx)
        if broken:
            broken.pop()
            raise ZeroDivisionError("a bug")
        return posted

    target = ScriptedTarget(breaks_once)
    async with running(ledger, target) as run:
        await ledger.apply(run_of(1, 1))
        await run.until_posted(1)
    assert [call.again for call in target.calls] == [False, True]


async def test_a_connector_that_never_comes_back_is_bounded(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "DELIVER_WITHIN", 0.2)
    hang = [True]

    async def hangs_once(target: ScriptedTarget, tx: Transaction) -> Outcome:
        if hang:
            hang.pop()
            await asyncio.Event().wait()
        return target.book(tx)

    target = ScriptedTarget(hangs_once)
    async with running(ledger, target) as run:
        await ledger.apply(run_of(1, 1))
        await run.until_posted(1)
    assert [call.again for call in target.calls] == [False, True]


async def test_a_target_that_cannot_be_opened_is_tried_again(ledger: Ledger) -> None:
    target = ScriptedTarget()
    closed = [True]

    @contextlib.asynccontextmanager
    async def opens_late() -> AsyncIterator[ScriptedTarget]:
        if closed:
            closed.pop()
            raise OSError("connection refused")
        yield target

    target.connect = opens_late  # type: ignore[method-assign]
    async with running(ledger, target) as run:
        await ledger.apply(run_of(1, 1))
        await run.until_posted(1)


@pytest.mark.parametrize("cut_at", ["before", "after"])
async def test_a_crash_during_a_delivery_books_once(
    ledger: Ledger, tmp_path: Path, cut_at: str
) -> None:
    reached = asyncio.Event()
    crash = [True]

    async def dies(target: ScriptedTarget, tx: Transaction) -> Outcome:
        if cut_at == "after":
            target.book(tx)
        if crash:
            crash.pop()
            reached.set()
            await asyncio.Event().wait()  # the answer never reaches the dispatcher
        return target.book(tx)

    target = ScriptedTarget(dies, settle=0.2)
    await ledger.apply(run_of(1, 3))
    async with running(ledger, target):
        async with asyncio.timeout(LONG):
            await reached.wait()
    died_at = asyncio.get_running_loop().time()
    assert [entry["state"] for entry in await ledger.entries()][-1] == "sending"
    async with running(ledger, target) as run:
        await run.until_posted(3)
    assert [(call.seq, call.again) for call in target.calls] == [
        (1, False),
        (1, True),
        (2, False),
        (3, False),
    ]
    assert target.calls[1].at - died_at >= 0.19
    assert sorted(target.booked.values()) == [1, 2, 3]


async def test_an_outcome_is_written_down_even_while_stopping(ledger: Ledger) -> None:
    stopping: list[asyncio.Task[object]] = []

    async def is_stopped_as_it_answers(target: ScriptedTarget, tx: Transaction) -> Outcome:
        stopping[0].cancel()
        return target.book(tx)

    target = ScriptedTarget(is_stopped_as_it_answers)
    await ledger.apply(run_of(1, 2))
    made = Running(ledger, target)
    stopping.append(asyncio.create_task(made.dispatcher.run()))
    await asyncio.wait(stopping, timeout=LONG)
    assert [entry["state"] for entry in await ledger.entries()] == ["received", "posted"]


async def test_a_revived_entry_is_delivered_although_its_number_is_old(ledger: Ledger) -> None:
    target = fate(Refused("unknown_sku", "no BOLT-8"))
    async with running(ledger, target) as run:
        await ledger.apply(run_of(1, 3))
        await run.until_posted(3)
        assert await ledger.revive(1)
        await run.until_posted(3)
    assert target.seqs == [1, 2, 3, 1]


async def test_a_target_that_takes_batches_gets_them_in_order(ledger: Ledger) -> None:
    target = BatchTarget()
    for first in range(1, 121, 40):
        await ledger.apply(run_of(first, first + 39))
    async with running(ledger, target) as run:
        await run.until_posted(120)
    assert target.seqs == list(range(1, 121))
    assert target.batches == [100, 20]


async def test_an_unknown_one_within_a_batch_is_left_to_settle(ledger: Ledger) -> None:
    async def gives_up_on_the_first(target: ScriptedTarget, transaction: Transaction) -> Outcome:
        if len(target.calls) == 1:
            return Unknown("no answer")
        if len(target.calls) == 2:
            return TryLater("the one before it is not known")
        return target.book(transaction)

    target = BatchTarget(gives_up_on_the_first, settle=0.5)
    await ledger.apply(run_of(1, 2))
    async with running(ledger, target) as run:
        await run.until_posted(2)
    first, _, again, *_ = target.calls
    assert (again.seq, again.again) == (1, True)
    assert again.at - first.at >= 0.5


async def test_a_backlog_larger_than_the_window_is_delivered_whole(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "WINDOW", 20)
    monkeypatch.setattr(line, "PAGE", 7)
    for first in range(1, 101, 50):
        await ledger.apply(run_of(first, first + 49))
    target = BatchTarget()
    async with running(ledger, target) as run:
        await run.until_posted(100)
        assert max(target.batches) <= 20
    assert target.seqs == list(range(1, 101))


async def test_an_idle_dispatcher_does_nothing(ledger: Ledger) -> None:
    target = ScriptedTarget()
    looks = 0
    real = ledger.undecided

    async def counted(*arguments: Any) -> object:
        nonlocal looks
        looks += 1
        return await real(*arguments)

    ledger.undecided = counted  # type: ignore[method-assign,assignment]
    async with running(ledger, target) as run:
        await ledger.apply(run_of(1, 1))
        await run.until_posted(1)
        busy = looks
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await asyncio.Event().wait()
        assert looks - busy <= 1


async def test_posted_keeps_the_documents_number(ledger: Ledger) -> None:
    target = fate(Posted("GRN-\x007"))
    async with running(ledger, target) as run:
        await ledger.apply(run_of(1, 1))
        await run.until_posted(1)
    assert [entry["document"] for entry in await ledger.entries()] == ["GRN-\u24007"]
