"""Entries that need no posting at the ERP: closed as such, shown, and never sent."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from bridge import desk
from bridge.__main__ import main
from bridge.config import Config, load
from bridge.connector import Capabilities
from bridge.decisions import Which
from bridge.ledger import Ledger, open_ledger
from bridge.modes import Modes, Scope
from bridge.noted import WHY
from bridge.outcome import Outcome, Posted, Refused, Unknown
from bridge.posting import Result
from bridge.reconciliation import entries
from bridge.reconciliation.config import ReconciliationTable
from bridge.reconciliation.rounds import reconcile
from bridge.search import Wanted
from bridge.terms import Terms
from contract.transactions import Reversal, Transaction
from tests.bridge import postgresql
from tests.bridge.reconciliation.erp import Erp, moves
from tests.bridge.running import LONG, Running, running
from tests.bridge.streams import EPOCH, envelope, name, receipt, run_of, transaction
from tests.bridge.targets import ScriptedTarget
from tests.bridge.turned import Turned
from tests.bridge.web.admin import site

PROGRAMS = postgresql.programs()
RECEIPTS = Scope(type="receipt")
NOTED = Terms(modes=Modes("live", {RECEIPTS: "noted"}))


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with open_ledger(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}") as opened:
        yield opened


def metric(run: Running, text: str) -> bool:
    return f"scanpost_bridge_{text}\n".encode() in run.metrics.text()


async def numbers(ledger: Ledger, state: str) -> list[int]:
    page = await ledger.search(Wanted(state=state))  # type: ignore[arg-type]
    return [row["number"] for row in page.rows]


async def test_what_needs_no_posting_is_closed_and_its_gateway_is_told(ledger: Ledger) -> None:
    target = ScriptedTarget()
    async with running(ledger, target, NOTED) as run:
        await ledger.apply(run_of(1, 3))
        async with asyncio.timeout(LONG):
            await run.news.wait()  # nothing else tells a gateway
        await run.until_posted(3)
        assert metric(run, "noted_entries_total 3.0")
    assert target.calls == []
    rows = await ledger.entries()
    assert {(row["state"], row["document"], row["text"], row["attempts"]) for row in rows} == {
        ("posted", None, WHY, 0)
    }
    assert (await ledger.word("dock-1", EPOCH)).ack.rejected == ()
    assert await numbers(ledger, "noted") == [3, 2, 1]
    assert await numbers(ledger, "posted") == []
    assert (await ledger.standing()).dead == 0


async def test_a_backlog_is_closed_page_by_page(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.noted.PAGE", 4)
    await ledger.apply(run_of(1, 10))
    async with running(ledger, ScriptedTarget(), NOTED) as run:
        await run.until_posted(10)
    assert len(await numbers(ledger, "noted")) == 10


async def test_another_mode_is_for_what_comes_later(ledger: Ledger) -> None:
    target = ScriptedTarget()
    async with running(ledger, target, Terms(modes=Modes("off"))) as run:
        await ledger.apply(run_of(1, 2))
        await ledger.set_mode(Scope(), "noted", "anna", "the ERP does not know receipts")
        await run.until_posted(2)
        await ledger.set_mode(Scope(), "live", "anna", "now it does")
        await ledger.apply(run_of(3, 3))
        await run.until_posted(3)
    assert target.seqs == [3]
    assert await numbers(ledger, "noted") == [2, 1]
    trail = await ledger.audit_trail()
    assert [
        (row["who"], row["detail"]["mode"], row["detail"]["why"])
        for row in trail
        if row["what"] == "mode"
    ] == [("anna", "live", "now it does"), ("anna", "noted", "the ERP does not know receipts")]


async def test_what_the_erp_may_have_is_not_closed(ledger: Ledger) -> None:
    answers = [Unknown("the answer was lost")]

    async def lost_once(target: ScriptedTarget, tx: Transaction) -> Outcome:
        booked = target.book(tx)
        return answers.pop() if answers else booked

    clock = Turned()
    target = ScriptedTarget(lost_once, settle=3_600.0)
    async with running(ledger, target, clock=clock) as run:
        await ledger.apply(run_of(1, 1))

        async def unclear() -> bool:
            return bool(await numbers(ledger, "unclear"))

        await run.until(unclear)
        await ledger.set_mode(Scope(), "noted", "anna", "not here")
        await ledger.apply(run_of(2, 2))

        async def second_is_closed() -> bool:
            return await numbers(ledger, "noted") == [2]

        await run.until(second_is_closed)
        [queue] = await ledger.queues(Modes())
        assert (queue.mode, queue.entries, queue.unclear) == ("noted", 1, 1)
        target.settle = 0.05
        await ledger.set_mode(Scope(), "live", "anna", "ask it")
        clock.pass_by(7_200.0)
        await run.until_posted(2)
    assert [call.again for call in target.calls] == [False, True]


async def test_a_reversal_goes_the_way_of_what_it_reverses(ledger: Ledger) -> None:
    """Live itself, it is closed with what was noted; noted itself, it stays where that was sent."""
    target = ScriptedTarget()
    async with running(ledger, target, NOTED) as run:
        await ledger.apply(run_of(1, 1))
        await run.until_posted(1)
        await ledger.apply(envelope(2, [transaction(2, Reversal(reverses=name(1)))]))
        await run.until_posted(2)
        assert target.calls == []
        await ledger.set_mode(Scope(), "live", "anna", "go")
        await ledger.set_mode(RECEIPTS, "live", "anna", "go")
        await ledger.apply(run_of(3, 3))
        await run.until_posted(3)
        await ledger.set_mode(Scope(), "noted", "anna", "no more")
        await ledger.set_mode(RECEIPTS, "noted", "anna", "no more")
        undo = transaction(4, Reversal(reverses=name(3)))
        await ledger.apply(envelope(4, [undo, transaction(5)]))

        async def last_is_closed() -> bool:
            return 5 in await numbers(ledger, "noted")

        await run.until(last_is_closed)
        assert await numbers(ledger, "in line") == [4]
        await ledger.set_mode(Scope(type="reversal"), "live", "anna", "undo it")
        await run.until_posted(5)
    assert target.seqs == [3, 4]


async def test_a_reversal_of_what_was_never_sent_is_not_sent_before_it_is_closed(
    ledger: Ledger,
) -> None:
    await ledger.apply(run_of(1, 1))
    await ledger.close_noted(NOTED.modes)
    await ledger.apply(envelope(2, [transaction(2, Reversal(reverses=name(1)))]))
    assert await ledger.begin([2]) == []
    assert (await ledger.close_noted(NOTED.modes)).entries == 1


async def test_a_reversal_is_closed_also_where_nothing_is_noted_any_more(ledger: Ledger) -> None:
    await ledger.apply(run_of(1, 1))
    await ledger.close_noted(NOTED.modes)
    target = ScriptedTarget()
    async with running(ledger, target) as run:
        await ledger.apply(run_of(2, 2))
        await run.until_posted(2)
        await ledger.apply(envelope(3, [transaction(3, Reversal(reverses=name(1)))]))
        await run.until_posted(3)
    assert target.seqs == [2]
    assert await numbers(ledger, "noted") == [3, 1]


async def test_one_is_looked_up_and_booked_by_name_and_none_by_sort(ledger: Ledger) -> None:
    """After a restore all of a station are replayed: what needed no posting was never there."""
    target = ScriptedTarget()
    async with running(ledger, target, NOTED) as run:
        await ledger.apply(run_of(1, 2))
        await run.until_posted(2)
        assert await ledger.replay(Which(station="bench"), "anna", "restored") == []
        await ledger.set_mode(RECEIPTS, "live", "anna", "needed after all")
        assert await ledger.replay(Which(numbers=[2]), "anna", "needed after all") == [2]

        async def second_is_there() -> bool:
            return await numbers(ledger, "posted") == [2]

        await run.until(second_is_there)
    assert [(call.seq, call.again) for call in target.calls] == [(2, True)]
    assert await numbers(ledger, "noted") == [1]


async def test_a_dead_letter_of_a_type_without_a_place_is_closed_by_a_retry(
    ledger: Ledger,
) -> None:
    async def no_place(target: ScriptedTarget, tx: Transaction) -> Outcome:
        return Refused("unsupported", "there are no receipts there")

    async with running(ledger, ScriptedTarget(no_place)) as run:
        await ledger.apply(run_of(1, 1))
        await run.until_posted(1)
        assert [row["code"] for row in await ledger.dead_letters()] == ["unsupported"]
        await ledger.set_mode(RECEIPTS, "noted", "anna", "not needed")
        await ledger.retry(1, "anna", "close it")

        async def closed() -> bool:
            return await numbers(ledger, "noted") == [1]

        await run.until(closed)
    assert await ledger.dead_letters() == []


async def test_what_needed_no_posting_is_not_missed_at_the_erp(tmp_path: Path) -> None:
    clock = Turned()
    erp = Erp()
    async with open_ledger(f"sqlite+aiosqlite:///{tmp_path / 'other.db'}", clock) as ledger:
        await ledger.apply(run_of(1, 2))
        [attempt] = await ledger.begin([2])
        await ledger.settle(Result(attempt, Posted("GRN-2")))
        closed = await ledger.close_noted(NOTED.modes)
        assert (closed.entries, closed.more) == (1, False)
        clock.now += timedelta(hours=2)
        target = erp.target
        can = Capabilities(
            "real", "key", target.can.books, reads=target.can.reads, shows=frozenset({"receipt"})
        )
        answer = await reconcile(
            ledger,
            type(target)(target.name, can, target.source, target.moves),
            ReconciliationTable(stock=False),
            clock,
        )
        after = clock.now - timedelta(hours=3)
        moved, _ = await ledger.ask(partial(entries.moves, since=after, after=0, says=moves))
    assert [finding.entry for finding in answer.findings] == [2]
    assert len(moved) == 1, "stock is not expected to have moved there"


def config_of(folder: Path) -> Config:
    file = folder / "bridge.toml"
    file.write_text(
        f"""
        site = "north"
        ledger = "{folder / "ledger.db"}"
        [target]
        connector = "sql"
        url = "sqlite+aiosqlite:///{folder / "stock.db"}"
        [modes]
        default = "off"
        rule = [{{ type = "weighing", mode = "noted" }}]
        """
    )
    return load(file)


async def test_a_person_is_told_what_is_closed(ledger: Ledger, tmp_path: Path) -> None:
    config = config_of(tmp_path)
    assert config.modes.modes.of("dock-1", "bench", "weighing") == "noted"
    await ledger.apply(envelope(1, [transaction(1, receipt()), transaction(2), transaction(3)]))
    [_] = await ledger.begin([1])
    done = await desk.note_only(ledger, config, RECEIPTS, "anna", "not needed there")
    assert (done.will_be_closed, done.remains, done.unclear) == (2, 1, 1)
    assert done.will_be_sent == 0


async def test_one_command_says_that_it_needs_no_posting(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config_of(tmp_path)
    await ledger.apply(run_of(1, 2))
    words = ("note", "--type", "receipt", "--who", "anna", "--why", "not there", "--json")
    config = ("--config", str(tmp_path / "bridge.toml"))
    capsys.readouterr()
    assert await asyncio.to_thread(main, [*words, *config]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (said["set"], said["will be closed"]) == ("type receipt: noted", 2)
    async with running(ledger, ScriptedTarget(), Terms(modes=Modes("off"))) as run:
        await run.until_posted(2)
    assert await numbers(ledger, "noted") == [2, 1]


async def test_the_page_says_what_noted_means_and_shows_what_was_closed(tmp_path: Path) -> None:
    async with (
        site(tmp_path, '[modes]\ndefault = "off"\n') as admin,
        admin.person("anna") as anna,
    ):
        await admin.ledger.apply(run_of(1, 2))
        assert "noted: needs no posting there" in await anna.get("/modes")
        seen = await anna.get("/modes/switch?to=noted&type=receipt")
        assert "Needs no posting: type receipt to noted" in seen
        seen = await anna.post("/modes/switch", to="noted", type="receipt", why="not there")
        assert "type receipt: noted; 0 in line will be sent" in seen
        assert "2 in line are closed: they need no posting" in seen
        async with running(admin.ledger, admin.target, Terms(modes=Modes("off"))) as run:
            await run.until_posted(2)
        seen = await anna.get("/entries?state=noted")
        assert WHY in seen
        assert "Entry 1 noted" in await anna.get("/entries/1")
        assert "Nothing found" in await anna.get("/entries?state=posted")


async def test_many_reversals_are_looked_through(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.noted.PAGE", 2)
    await ledger.apply(run_of(1, 3))
    closed = [await ledger.close_noted(NOTED.modes) for _ in range(2)]
    assert [(each.entries, each.more) for each in closed] == [(2, True), (1, False)]
    undo = [transaction(seq, Reversal(reverses=name(seq % 4))) for seq in range(4, 8)]
    undo += [transaction(seq, Reversal(reverses=name(3))) for seq in (8, 9)]
    await ledger.apply(envelope(4, undo))
    assert (await ledger.close_noted(NOTED.modes)).entries == 5
    assert await numbers(ledger, "in line") == [4], "it names what nobody knows"


@pytest.mark.skipif(PROGRAMS is None, reason="no PostgreSQL server is installed")
async def test_what_another_bridge_takes_in_is_closed_by_the_one_that_delivers() -> None:
    assert PROGRAMS is not None
    with postgresql.running(PROGRAMS) as url:
        async with (
            open_ledger(f"{url}/postgres") as first,
            open_ledger(f"{url}/postgres") as other,
            running(first, ScriptedTarget(), NOTED) as run,
        ):
            await first.apply(run_of(1, 1))
            await run.until_posted(1)
            await other.apply(run_of(2, 3))
            await run.until_posted(3)
            assert await numbers(first, "noted") == [3, 2, 1]
