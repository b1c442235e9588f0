"""Off, shadow, live: by target, gateway, station and type; drilled with a dispatcher at work."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from bridge.connector import Call, Found, Stock
from bridge.ledger import Ledger, open_ledger
from bridge.modes import Mode, Modes, Scope
from bridge.outcome import Outcome, Refused, TryLater
from bridge.schema import entry, stream
from bridge.shadow import Shown, moved, report
from bridge.terms import Terms
from contract.envelope import plain
from contract.transactions import Pick, Reversal, Transaction
from tests.bridge.connectors.test_sql import EVERY_EVENT
from tests.bridge.running import Running, running
from tests.bridge.streams import envelope, lines, name, receipt, run_of, transaction
from tests.bridge.targets import ScriptedTarget


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with open_ledger(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}") as opened:
        yield opened


def calls(transaction: Transaction) -> Sequence[Call] | Refused:
    if isinstance(transaction.event, Pick):
        return Refused("unsupported", "no picks")
    return [Call("create the receipt", "POST", "/receipts", transaction.event.model_dump_json())]


NAMES = st.sampled_from(["*", "a", "b"])
SCOPES = st.builds(Scope, NAMES, NAMES, NAMES)
RULES = st.dictionaries(SCOPES, st.sampled_from(["off", "shadow", "live"]), max_size=6)


@given(RULES, RULES, st.sampled_from(["off", "shadow", "live"]))
def test_the_rule_that_names_most_decides(
    configured: dict[Scope, Mode], set_later: dict[Scope, Mode], default: Mode
) -> None:
    modes = Modes(default, configured).under(set_later)
    both = {**configured, **set_later}
    for gateway in "abc":
        for station in "abc":
            for kind in "abc":
                said = modes.of(gateway, station, kind)
                fitting = [scope for scope in both if scope.holds(gateway, station, kind)]
                if not fitting:
                    assert said == default
                    continue
                best = max(fitting, key=lambda scope: (scope.weight, scope))
                assert said == both[best]


async def test_the_database_reads_the_rules_as_they_are_meant(ledger: Ledger) -> None:
    modes = Modes(
        "live",
        {
            Scope(station="bench"): "shadow",
            Scope(type="pick"): "off",
            Scope("dock-1", "bench", "pick"): "live",
        },
    )
    rows = [
        transaction(1),
        transaction(2, Pick(lines=lines())),
        transaction(3).model_copy(update={"station": "other"}),
        transaction(4, Pick(lines=lines())).model_copy(update={"station": "other"}),
    ]
    await ledger.apply(envelope(1, rows))
    for mode in ("off", "shadow", "live"):
        query = select(entry.c.seq).join(stream).where(modes.where(mode))
        async with ledger._database.read() as connection:
            found = set(await connection.scalars(query))
        assert found == {
            row.seq for row in rows if modes.of(row.gateway, row.station, row.event.type) == mode
        }


async def planned(run: Running, count: int) -> None:
    async def there() -> bool:
        return len(await run.ledger.plans()) == count

    await run.until(there)


async def test_shadow_plans_and_sends_nothing_and_go_live_sends_what_waits(
    ledger: Ledger,
) -> None:
    target = ScriptedTarget()
    terms = Terms(modes=Modes("shadow"), plan=calls)
    async with running(ledger, target, terms) as run:
        await ledger.apply(run_of(1, 3))
        await ledger.apply(envelope(4, [transaction(4, Pick(lines=lines()))]))
        await planned(run, 4)
        assert target.calls == []
        plans = await ledger.plans()
        assert [plan["code"] for plan in plans] == [None, None, None, "unsupported"]
        assert plans[0]["calls"][0]["target"] == "/receipts"
        [waits] = [queue for queue in await ledger.queues(terms.modes) if queue.type == "receipt"]
        assert (waits.mode, waits.entries, waits.unclear) == ("shadow", 3, 0)
        await ledger.set_mode(Scope(), "live", "anna", "go")
        await run.until_posted(4)
        assert target.seqs == [1, 2, 3, 4]
        assert await ledger.plans() == []
        await ledger.set_mode(Scope(), "shadow", "anna", "rollback")
        await ledger.apply(run_of(5, 6))
        await planned(run, 2)
    assert target.seqs == [1, 2, 3, 4]


async def test_a_station_that_is_off_holds_up_no_other(ledger: Ledger) -> None:
    rows = [
        transaction(seq).model_copy(update={"station": "off" if seq % 2 else "on"})
        for seq in range(1, 7)
    ]
    target = ScriptedTarget()
    terms = Terms(modes=Modes("live", {Scope(station="off"): "off"}))
    async with running(ledger, target, terms) as run:
        await ledger.apply(envelope(1, rows))

        async def on_is_posted() -> bool:
            states = {e["seq"]: e["state"] for e in await ledger.entries()}
            return [seq for seq, state in states.items() if state == "posted"] == [6, 4, 2]

        await run.until(on_is_posted)
    assert target.seqs == [2, 4, 6]


async def test_nothing_is_begun_after_a_rollback_was_committed(ledger: Ledger) -> None:
    """The mode is set from within a delivery: it ends as it does, and no other begins."""
    done = []

    async def roll_back_now(target: ScriptedTarget, tx: Transaction) -> Outcome:
        if tx.seq == 3:
            await ledger.set_mode(Scope(), "off", "anna", "stop")
            done.append(True)
        return target.book(tx)

    target = ScriptedTarget(roll_back_now)
    async with running(ledger, target) as run:
        await ledger.apply(run_of(1, 9))

        async def is_off() -> bool:
            return run.dispatcher.modes.default == "off"

        await run.until(is_off)
    assert target.seqs == [1, 2, 3]
    [queue] = await ledger.queues(Modes())
    assert (queue.mode, queue.entries) == ("off", 6)


async def test_what_is_unclear_stays_so_through_a_rollback_and_is_looked_up_after(
    ledger: Ledger,
) -> None:
    await ledger.apply(run_of(1, 1))
    await ledger.begin([1])
    await ledger.set_mode(Scope(), "off", "anna", "stop")
    target = ScriptedTarget()
    async with running(ledger, target) as run:
        [queue] = await ledger.queues(Modes())
        assert (queue.entries, queue.unclear) == (1, 1)
        await ledger.set_mode(Scope(), "live", "anna", "go")
        await run.until_posted(1)
    assert [call.again for call in target.calls] == [True]


async def test_a_reversal_waits_for_what_it_reverses_where_a_mode_holds_that(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.dispatcher.POLL", 0.3)
    rows = [transaction(1), transaction(2, Reversal(reverses=name(1))), transaction(3)]
    modes = Modes("live", {Scope(type="receipt"): "shadow", Scope("dock-1", "on"): "live"})
    rows[2] = rows[2].model_copy(update={"station": "on"})
    target = ScriptedTarget()
    async with running(ledger, target, Terms(modes=modes)) as run:
        await ledger.apply(envelope(1, rows))

        async def third_is_posted() -> bool:
            [newest] = await ledger.entries(1)
            return bool(newest["state"] == "posted")

        await run.until(third_is_posted)
        assert target.seqs == [3]
        await ledger.set_mode(Scope(type="receipt"), "live", "anna", "go")
        await run.until_posted(3)
    assert target.seqs == [3, 1, 2]


async def test_a_connector_that_cannot_plan_is_no_reason_to_stop(ledger: Ledger) -> None:
    def broken(_transaction: Transaction) -> Sequence[Call]:
        raise ZeroDivisionError("a bug")

    terms = Terms(modes=Modes("shadow"), plan=broken)
    async with running(ledger, ScriptedTarget(), terms) as run:
        await ledger.apply(run_of(1, 1))
        await planned(run, 1)
    [plan] = await ledger.plans()
    assert "cannot be planned" in plan["text"]


def test_a_report_holds_plans_against_what_the_erp_shows() -> None:
    body = plain(transaction(1, receipt("PO-1")))
    plans = [
        {"entry": 1, "id": "a", "code": None, "text": None, "body": body},
        {"entry": 2, "id": "b", "code": None, "text": None, "body": body},
        {"entry": 3, "id": "c", "code": "unsupported", "text": "no", "body": body},
    ]
    shown = Shown(
        booked=[Found("a", "GRN-1", "booked", at=datetime.now(UTC))],
        stock=[Stock("BOLT-8", "DOCK", Decimal(7)), Stock("BOLT-8", "DOCK", Decimal(1), lot="L")],
    )
    found = report(plans, shown)
    assert found["planned"] == 3
    assert found["would_refuse"] == [{"entry": 3, "id": "c", "code": "unsupported", "text": "no"}]
    assert found["already_there"] == [
        {"entry": 1, "id": "a", "document": "GRN-1", "state": "booked"}
    ]
    assert found["stock"] == [
        {
            "sku": "BOLT-8",
            "location": "DOCK",
            "unit": "EA",
            "would_change": Decimal(4),
            "shown": Decimal(8),
        }
    ]
    assert report(plans, Shown())["already_there"] is None


@pytest.mark.parametrize("event", [event for event, _ in EVERY_EVENT], ids=lambda e: e.type)
def test_every_event_says_what_it_moves(event: object) -> None:
    rows = moved(plain(transaction(1, event))["event"])  # type: ignore[arg-type]
    assert all(isinstance(quantity, Decimal) for *_, quantity in rows)


async def test_a_stuck_entry_of_a_station_that_goes_off_is_not_tried_again(
    ledger: Ledger,
) -> None:
    async def locked(target: ScriptedTarget, tx: Transaction) -> Outcome:
        return TryLater("locked")

    target = ScriptedTarget(locked)
    async with running(ledger, target) as run:
        await ledger.apply(run_of(1, 1))

        async def tried() -> bool:
            return bool(target.calls)

        await run.until(tried)
        await ledger.set_mode(Scope(station="bench"), "off", "anna", "stop")

        async def heard() -> bool:
            return bool(run.dispatcher.modes.rules)

        await run.until(heard)
        assert len(run.dispatcher.line) == 0
