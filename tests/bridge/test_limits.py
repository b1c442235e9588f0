"""Rates, budgets, breaker, hours: by themselves, then with a dispatcher that keeps to them."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.gate import LONGEST, Gate
from bridge.ledger import Ledger, open_ledger
from bridge.limits import Breaker, Bucket
from bridge.opening import Opening, Span
from bridge.outcome import Outcome, TryLater, Unknown
from bridge.terms import Terms
from bridge.wire import sent
from contract.transactions import Transaction
from contract.values import Clock as Stamp
from tests.bridge.running import Running, running
from tests.bridge.streams import CLOCK, envelope, receipt, run_of, transaction
from tests.bridge.targets import ScriptedTarget
from tests.bridge.turned import NOON, Turned


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with open_ledger(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}") as opened:
        yield opened


@given(
    rate=st.floats(0.1, 100),
    burst=st.integers(1, 20),
    costs=st.lists(st.integers(1, 5), max_size=60),
)
def test_a_bucket_never_gives_more_than_was_agreed(
    rate: float, burst: int, costs: list[int]
) -> None:
    bucket = Bucket(rate, burst)
    now, spent = 0.0, 0
    for cost in costs:
        now = bucket.free_at(now)
        assert spent <= burst + rate * now + 1e-6
        bucket.charge(cost, now)
        spent += cost


def test_a_bucket_without_a_rate_is_always_free() -> None:
    bucket = Bucket(None)
    bucket.charge(1_000, 0.0)
    assert bucket.free_at(0.0) == 0.0


def test_a_drained_bucket_starts_again_from_nothing() -> None:
    bucket = Bucket(1.0, 10)
    bucket.drain(0.0)
    assert bucket.free_at(0.0) == 1.0


def test_a_breaker_stays_open_longer_each_time_up_to_its_ceiling() -> None:
    breaker = Breaker(after=2, first=10.0, ceiling=30.0)
    now, pauses = 0.0, []
    for _ in range(5):
        breaker.failed(now)
        pauses.append(max(0.0, breaker.until - now))
        now = max(now, breaker.until)
    assert pauses == [0.0, 10.0, 20.0, 30.0, 30.0]
    breaker.succeeded()
    assert breaker.state(now) == "closed"


def test_one_stuck_entry_does_not_open_the_breaker() -> None:
    gate = Gate(Terms(break_after=3))
    for _ in range(10):
        gate.failed(1, 0.0)
    assert gate.breaker.state(0.0) == "closed"
    for number in (2, 1, 2):
        gate.failed(number, 0.0)
    assert gate.breaker.state(0.0) == "open"
    assert gate.opens_at(0.0, NOON) == 30.0
    assert "breaker" in gate.why
    assert gate.trouble(0.0) is not None
    assert gate.probing(31.0)


def test_a_daily_budget_ends_at_midnight() -> None:
    gate = Gate(Terms(per_day=2))
    assert gate.needs_count(NOON) == "2026-11-23"
    gate.count("2026-11-23", 1)
    assert gate.needs_count(NOON) is None
    assert gate.opens_at(5.0, NOON) == 5.0
    gate.paid(1, 5.0)
    assert gate.opens_at(5.0, NOON) == 5.0 + LONGEST
    late = NOON.replace(hour=23, minute=59)
    assert gate.opens_at(5.0, late) == 65.0
    assert gate.needs_count(NOON + timedelta(days=1)) == "2026-11-24"


def test_quiet_hours_and_windows_are_of_the_office_s_clock() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    opening = Opening(quiet=[Span.parse("22:00-06:00")], zone=berlin)
    assert opening.open_at(NOON)
    assert not opening.open_at(NOON.replace(hour=21, minute=30))  # 22:30 in Berlin
    assert opening.opens(NOON.replace(hour=21, minute=30)) == datetime(
        2026, 11, 24, 5, 0, tzinfo=UTC
    )
    window = Opening(windows=[Span.parse("06:00-07:00")])
    assert not window.open_at(NOON)
    assert window.opens(NOON) == datetime(2026, 11, 24, 6, 0, tzinfo=UTC)


def test_batches_begin_on_the_quarter_hour() -> None:
    opening = Opening(every_s=900.0)
    assert opening.next_run(NOON) == NOON.replace(minute=15)
    assert opening.next_run(NOON.replace(minute=14, second=59)) == NOON.replace(minute=15)
    assert opening.next_run(NOON.replace(hour=23, minute=50)) == datetime(2026, 11, 24, tzinfo=UTC)
    gate = Gate(Terms(opening=opening))
    assert gate.opens_at(0.0, NOON.replace(second=1)) == 899.0
    assert gate.opens_at(899.0, NOON.replace(minute=15)) == 899.0
    assert gate.opens_at(905.0, NOON.replace(minute=15, second=6)) == 905.0  # not all sent yet
    gate.nothing_left()
    assert gate.opens_at(906.0, NOON.replace(minute=15, second=7)) == 906.0 + 893.0


@pytest.mark.parametrize("text", ["25:00-06:00", "6", "22.00-6.00"])
def test_hours_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"hour|write|format|Invalid|isoformat"):
        Span.parse(text)


async def test_a_rate_is_kept_to(ledger: Ledger) -> None:
    target = ScriptedTarget()
    async with running(ledger, target, Terms(per_second=20.0, burst=2)) as run:
        await ledger.apply(run_of(1, 8))
        await run.until_posted(8)
    times = [call.at for call in target.calls]
    assert times[-1] - times[0] >= 0.25  # two at once, then six at twenty a second


async def test_what_a_delivery_costs_is_what_went_over_the_wire(ledger: Ledger) -> None:
    async def three_calls(target: ScriptedTarget, tx: Transaction) -> Outcome:
        for step in range(3):
            sent(f"POST /step/{step}")
        return target.book(tx)

    target = ScriptedTarget(three_calls)
    async with running(ledger, target, Terms(name="xero", per_day=100), Turned()) as run:
        await ledger.apply(run_of(1, 2))
        await run.until_posted(2)
    assert await ledger.calls_on("xero", NOON.date().isoformat()) == 6


async def test_a_daily_budget_survives_a_restart(ledger: Ledger) -> None:
    terms = Terms(per_day=3)
    target = ScriptedTarget()
    async with running(ledger, target, terms, Turned()) as run:
        await ledger.apply(run_of(1, 2))
        await run.until_posted(2)
    async with running(ledger, target, terms, Turned()) as run:
        await ledger.apply(run_of(3, 5))
        await run.until_posted(3)

        async def held() -> bool:
            return "budget" in run.dispatcher.gate.why

        await run.until(held)
    assert target.seqs == [1, 2, 3]


def left_alone_s(run: Running, clock: Turned) -> float:
    """How much longer nothing is sent, in seconds."""
    now = clock.monotonic()
    return run.dispatcher.gate.opens_at(now, clock.utc()) - now


async def test_a_target_that_fails_is_left_alone_and_probed_with_one(ledger: Ledger) -> None:
    down = True

    async def down_for_a_while(target: ScriptedTarget, tx: Transaction) -> Outcome:
        return TryLater("503") if down else target.book(tx)

    async def is_open() -> bool:
        return b"breaker_open 1.0" in run.metrics.text()

    async def is_probed() -> bool:
        return len(target.calls) > before

    clock = Turned()
    target = ScriptedTarget(down_for_a_while)
    rows = [transaction(seq, receipt(f"PO-{seq}")) for seq in range(1, 5)]
    async with running(ledger, target, Terms(break_after=3, break_s=200.0), clock) as run:
        await ledger.apply(envelope(1, rows))
        await run.until(is_open)
        before = len(target.calls)
        assert before >= 4, "the first failure of one entry alone is none of the target"
        assert left_alone_s(run, clock) > 100.0
        clock.pass_by(200.0)
        await run.until(is_probed)
        await run.until(is_open)
        assert len(target.calls) == before + 1
        assert left_alone_s(run, clock) > 200.0
        down = False
        clock.pass_by(300.0)  # twice as long, but for the ceiling
        await run.until_posted(4)
        assert b"breaker_open 0.0" in run.metrics.text()
    assert sorted(target.booked.values()) == [1, 2, 3, 4]


async def test_a_login_that_no_longer_holds_opens_the_breaker_at_once(ledger: Ledger) -> None:
    answers: list[Outcome] = [TryLater("token expired", needs="login")]
    asked: list[float] = []

    async def script(target: ScriptedTarget, tx: Transaction) -> Outcome:
        asked.append(clock.monotonic())
        return answers.pop() if answers else target.book(tx)

    async def is_told() -> bool:
        return "token expired" in (run.dispatcher.gate.trouble(0.0) or "")

    clock = Turned()
    target = ScriptedTarget(script)
    async with running(ledger, target, Terms(break_s=3_000.0), clock) as run:
        await ledger.apply(run_of(1, 1))
        await run.until(is_told)
        assert left_alone_s(run, clock) > 2_900.0
        clock.pass_by(3_000.0)
        await run.until_posted(1)
        assert run.dispatcher.gate.trouble(0.0) is None
    first, second = asked
    assert second - first >= 3_000.0


async def test_nothing_is_booked_into_a_closed_period(ledger: Ledger) -> None:
    terms = Terms(opening=Opening(closed_until=date(2026, 11, 23)))
    later = CLOCK.model_copy(update={"wall": datetime(2026, 11, 24, 8, 0, tzinfo=UTC)})
    rows = [transaction(1), transaction(2).model_copy(update={"clock": later})]
    target = ScriptedTarget()
    async with running(ledger, target, terms) as run:
        await ledger.apply(envelope(1, rows))
        await run.until_posted(2)
        [dead] = await ledger.dead_letters()
        assert (dead["seq"], dead["code"]) == (1, "closed_period")
        assert "accept_warning" in dead["actions"]
        assert target.seqs == [2]


async def test_the_period_of_a_station_without_a_clock_is_that_of_its_corrected_time(
    ledger: Ledger,
) -> None:
    """1970 is not a closed period, but the wall clock of a station that was never set."""
    unset = Stamp(
        wall=datetime(1970, 1, 1, tzinfo=UTC), boot=CLOCK.boot, monotonic="1.0", synchronised=False
    )
    terms = Terms(opening=Opening(closed_until=date(2026, 1, 1)))
    rows = [transaction(1).model_copy(update={"clock": unset}), transaction(2)]
    target = ScriptedTarget()
    async with running(ledger, target, terms) as run:
        await ledger.apply(envelope(1, rows))
        await run.until_posted(2)
    assert target.seqs == [1, 2]
    story = await ledger.explain(1)
    assert story is not None
    assert story["occurred"] == {
        "at": CLOCK.wall - timedelta(seconds=0.5),
        "by": "corrected",
    }


async def test_in_quiet_hours_nothing_is_sent_and_it_is_said(ledger: Ledger) -> None:
    wall = Turned()
    wall.now = NOON.replace(hour=23, minute=59, second=59)
    target = ScriptedTarget()
    terms = Terms(opening=Opening(quiet=[Span.parse("22:00-00:00")]))
    async with running(ledger, target, terms, wall) as run:
        await ledger.apply(run_of(1, 1))

        async def quiet() -> bool:
            return "hours" in run.dispatcher.gate.why

        await run.until(quiet)
        assert target.calls == []
        wall.now = wall.now + timedelta(seconds=1)
        await run.until_posted(1)


async def test_an_unknown_outcome_counts_as_a_failure_of_the_target(ledger: Ledger) -> None:
    async def cut(target: ScriptedTarget, tx: Transaction) -> Outcome:
        first = tx.id not in target.booked
        posted = target.book(tx)
        return Unknown("cut") if first else posted

    target = ScriptedTarget(cut, settle=0.02)
    rows = [transaction(seq, receipt(f"PO-{seq}")) for seq in range(1, 4)]
    async with running(ledger, target, Terms(break_after=2, break_s=0.1)) as run:
        await ledger.apply(envelope(1, rows))
        await run.until_posted(3)
    assert sorted(target.booked.values()) == [1, 2, 3]
