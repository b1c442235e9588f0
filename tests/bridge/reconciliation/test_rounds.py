"""Whole rounds on a real ledger, with an ERP that shows what it is told to."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bridge.connector import Found, Stock
from bridge.decisions import Which
from bridge.ledger import Ledger, open_ledger
from bridge.outcome import Posted, Refused
from bridge.posting import Result
from bridge.reconciliation import Reconciled, close, latest
from bridge.reconciliation.config import ReconciliationTable
from bridge.reconciliation.rounds import reconcile
from contract.transactions import Reversal
from tests.bridge.reconciliation.erp import Erp
from tests.bridge.reconciliation.moving import Moving
from tests.bridge.streams import CLOCK, envelope, name, receipt, transaction

TABLE = ReconciliationTable(every=60.0)
STOCK = TABLE.model_copy(update={"stock": True})


@pytest.fixture
def clock() -> Moving:
    return Moving()


@pytest.fixture
async def ledger(tmp_path: Path, clock: Moving) -> AsyncIterator[Ledger]:
    async with open_ledger(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}", clock) as opened:
        yield opened


async def post(ledger: Ledger, *seqs: int, document: str | None = None) -> None:
    """Receive these, and post each as GRN-<seq>."""
    await ledger.apply(envelope(seqs[0], [transaction(seq, receipt("PO-1")) for seq in seqs]))
    for attempt in await ledger.begin(list(seqs)):
        posted = Posted(document or f"GRN-{attempt.transaction.seq}")
        await ledger.settle(Result(attempt, posted))


def shown(seq: int, clock: Moving, **more: Any) -> Found:
    said: dict[str, Any] = {"document": f"GRN-{seq}", "state": "booked", "quantity": Decimal(2)}
    return Found(reference=str(name(seq)), at=clock.now, **said | more)


def open_(now: Reconciled) -> dict[int | None, str]:
    return {finding.entry: finding.kind for finding in now.findings}


async def test_what_is_posted_and_not_there_is_missing_and_nothing_else_is(
    ledger: Ledger, clock: Moving
) -> None:
    await post(ledger, 1, 2, 3)
    erp = Erp([shown(1, clock), shown(3, clock)])
    clock.pass_by(hours=1)
    now = await reconcile(ledger, erp.target, TABLE, clock)
    [finding] = now.findings
    assert (finding.kind, finding.entry, finding.subject) == ("missing", 2, str(name(2)))
    assert finding.plan[0].command == 'scanpost bridge replay 2 --why "missing in the ERP"'
    assert finding.plan[-1].command == 'scanpost bridge reconcile --close 1 --why "..."'
    assert now.run is not None
    assert (now.run.entries, now.run.documents, now.run.whole) == (3, 2, True)
    assert erp.readings == 2, "what seemed wrong was read again"


async def test_the_same_finding_is_one_and_closes_by_itself(ledger: Ledger, clock: Moving) -> None:
    await post(ledger, 1, 2)
    erp = Erp([shown(1, clock)])
    clock.pass_by(hours=1)
    first = await reconcile(ledger, erp.target, TABLE, clock)
    clock.pass_by(days=1)
    second = await reconcile(ledger, erp.target, TABLE, clock)
    assert [each.number for each in second.findings] == [each.number for each in first.findings]
    assert second.findings[0].opened_at < second.findings[0].last_seen == clock.now
    assert erp.readings == 3, "what is known is not read twice"
    erp.found.append(shown(2, clock))
    clock.pass_by(days=1)
    third = await reconcile(ledger, erp.target, TABLE, clock)
    assert third.findings == ()
    [closed] = third.closed
    assert (closed.closed_at, closed.closed_by) == (clock.now, None)


async def test_a_reading_that_breaks_off_makes_nothing_missing_and_closes_nothing(
    ledger: Ledger, clock: Moving
) -> None:
    await post(ledger, 1, 2, 3)
    erp = Erp([shown(1, clock), shown(2, clock)])
    clock.pass_by(hours=1)
    assert open_(await reconcile(ledger, erp.target, TABLE, clock)) == {3: "missing"}
    for rows in (0, 1, 2):
        erp.breaks_after = rows
        clock.pass_by(hours=1)
        now = await reconcile(ledger, erp.target, TABLE, clock)
        assert open_(now) == {3: "missing"}
        assert now.errors == ("documents: the line is down",)
        assert now.run is not None
        assert now.run.documents is None
        assert now.whole_at is not None
        assert now.whole_at < clock.now


async def test_a_reading_that_breaks_off_still_shows_what_is_there_twice(
    ledger: Ledger, clock: Moving
) -> None:
    await post(ledger, 1, 2)
    twice = [shown(1, clock), shown(1, clock, document="GRN-9"), shown(2, clock)]
    erp = Erp(twice, breaks_after=2)
    clock.pass_by(hours=1)
    now = await reconcile(ledger, erp.target, TABLE, clock)
    assert open_(now) == {1: "duplicate"}
    assert now.findings[0].documents == ("GRN-9",), "the one the ledger knows may stay"


async def test_a_connector_that_breaks_is_an_error_and_no_finding(
    ledger: Ledger, clock: Moving, caplog: pytest.LogCaptureFixture
) -> None:
    await post(ledger, 1)
    clock.pass_by(hours=1)
    erp = Erp(breaks_after=0, breaks_as=ZeroDivisionError("a bug"))
    now = await reconcile(ledger, erp.target, TABLE, clock)
    assert now.findings == ()
    assert "a bug" in now.errors[0]
    assert "Traceback" in caplog.text


async def test_what_is_under_way_or_just_done_is_left_alone(ledger: Ledger, clock: Moving) -> None:
    await post(ledger, 1)
    await ledger.apply(envelope(2, [transaction(2), transaction(3)]))
    await ledger.begin([2])
    draft = [shown(2, clock, state="draft"), shown(2, clock, document="GRN-8", state="draft")]
    erp = Erp(draft)
    clock.pass_by(seconds=TABLE.settle - 1)
    now = await reconcile(ledger, erp.target, TABLE, clock)
    assert now.findings == ()
    clock.pass_by(seconds=2)
    assert open_(await reconcile(ledger, erp.target, TABLE, clock)) == {1: "missing"}


async def test_what_comes_into_sight_on_the_second_look_is_no_finding(
    ledger: Ledger, clock: Moving
) -> None:
    await post(ledger, 1)
    clock.pass_by(hours=1)

    def show(erp: Erp) -> None:
        if erp.readings == 2:
            erp.found.append(shown(1, clock))

    now = await reconcile(ledger, Erp(between=show).target, TABLE, clock)
    assert now.findings == ()


async def test_what_one_look_shows_and_the_other_does_not_is_left_as_it_is(
    ledger: Ledger, clock: Moving
) -> None:
    await post(ledger, 1)
    erp = Erp()
    clock.pass_by(hours=1)
    assert open_(await reconcile(ledger, erp.target, TABLE, clock)) == {1: "missing"}
    await post(ledger, 2)
    clock.pass_by(hours=1)

    def show(erp: Erp) -> None:
        if erp.readings == 4:
            erp.found.append(shown(1, clock))

    erp.between = show
    assert open_(await reconcile(ledger, erp.target, TABLE, clock)) == {
        1: "missing",
        2: "missing",
    }
    assert open_(await reconcile(ledger, erp.target, TABLE, clock)) == {2: "missing"}


async def test_of_what_was_received_before_the_window_not_all_may_be_shown(
    ledger: Ledger, clock: Moving
) -> None:
    late = transaction(1).model_copy(
        update={"clock": CLOCK.model_copy(update={"synchronised": False})}
    )
    await ledger.apply(envelope(1, [late]))
    [attempt] = await ledger.begin([1])
    await ledger.settle(Result(attempt, Posted("GRN-1")))
    clock.pass_by(days=TABLE.days + 1)
    erp = Erp([shown(1, clock, document="GRN-2", state="draft")])
    assert (await reconcile(ledger, erp.target, TABLE, clock)).findings == ()


async def test_a_replay_that_was_asked_for_meanwhile_is_no_finding(
    ledger: Ledger, clock: Moving
) -> None:
    await post(ledger, 1)
    clock.pass_by(hours=1)
    erp = Erp()
    assert open_(await reconcile(ledger, erp.target, TABLE, clock)) == {1: "missing"}
    assert await ledger.replay(Which(numbers=[1]), "anna", "missing in the ERP") == [1]
    [attempt] = await ledger.begin([1])
    erp.found.append(shown(1, clock))
    assert open_(await reconcile(ledger, erp.target, TABLE, clock)) == {1: "missing"}, "wait"
    await ledger.settle(Result(attempt, Posted("GRN-1")))
    clock.pass_by(hours=1)
    assert open_(await reconcile(ledger, erp.target, TABLE, clock)) == {}


async def test_a_dead_one_that_is_booked_all_the_same_is_found(
    ledger: Ledger, clock: Moving
) -> None:
    await ledger.apply(envelope(1, [transaction(1), transaction(2), transaction(3)]))
    for attempt in await ledger.begin([1, 2]):
        await ledger.settle(Result(attempt, Refused("over_receipt", "too much")))
    await ledger.discard(Which(numbers=[3]), "anna", "booked by hand")
    erp = Erp([shown(1, clock), shown(2, clock, state="draft"), shown(3, clock)])
    clock.pass_by(hours=1)
    now = await reconcile(ledger, erp.target, TABLE, clock)
    assert open_(now) == {1: "duplicate", 2: "orphan_draft", 3: "duplicate"}


async def test_a_draft_nobody_here_knows_is_found_once_it_is_old(
    ledger: Ledger, clock: Moving
) -> None:
    other = [shown(77, clock, state="draft"), shown(78, clock)]
    erp = Erp(other)
    clock.pass_by(hours=2)
    assert (await reconcile(ledger, erp.target, TABLE, clock)).findings == ()
    clock.pass_by(days=1)
    [finding] = (await reconcile(ledger, erp.target, TABLE, clock)).findings
    assert (finding.kind, finding.subject, finding.entry) == ("orphan_draft", str(name(77)), None)
    erp.found = []
    clock.pass_by(days=1)
    assert (await reconcile(ledger, erp.target, TABLE, clock)).findings == ()


async def test_whatever_text_an_erp_has_for_an_id_is_no_reason_to_stop(
    ledger: Ledger, clock: Moving
) -> None:
    odd = ["", "\0", "é" * 400, "'; DROP TABLE entry; --", str(name(9)).upper(), "\ud800"]
    old = clock.now
    clock.pass_by(days=3)
    erp = Erp([Found(text, "D\0", "draft", at=old) for text in odd])
    for number in range(30):
        erp.found.append(Found("x", f"D{number}" * 100, "draft", at=old))
    now = await reconcile(ledger, erp.target, TABLE, clock)
    assert now.errors == ()
    assert {each.kind for each in now.findings} == {"orphan_draft"}
    assert len(now.findings) == len(odd) + 1
    assert now.findings == (await reconcile(ledger, erp.target, TABLE, clock)).findings
    [many] = [each for each in now.findings if each.subject == "x"]
    assert (len(many.documents), many.documents[-1]) == (21, "and 10 more")
    assert max(map(len, many.documents)) == 100


async def test_what_came_again_after_its_ledger_was_lost_is_not_looked_for_in_the_last_days(
    ledger: Ledger, clock: Moving
) -> None:
    old = CLOCK.model_copy(update={"wall": clock.now - timedelta(days=30)})
    rows = [transaction(1).model_copy(update={"clock": old}), transaction(2)]
    await ledger.apply(envelope(1, rows))
    for attempt in await ledger.begin([1, 2]):
        await ledger.settle(Result(attempt, Posted("GRN-7")))
    clock.pass_by(hours=1)
    now = await reconcile(ledger, Erp().target, TABLE, clock)
    assert open_(now) == {2: "missing"}


async def test_a_quantity_that_was_changed_in_the_erp_is_found_with_the_adjustment(
    ledger: Ledger, clock: Moving
) -> None:
    await post(ledger, 1)
    erp = Erp([shown(1, clock, quantity=Decimal("5.00"))])
    clock.pass_by(hours=1)
    [finding] = (await reconcile(ledger, erp.target, TABLE, clock)).findings
    assert finding.kind == "quantity_drift"
    assert finding.text == "entry 1 says 2 EA, and the ERP has 5 EA: GRN-1"
    assert "adjust it by -3 EA" in finding.plan[0].words
    tolerant = TABLE.model_copy(update={"tolerance": Decimal(3)})
    assert (await reconcile(ledger, erp.target, tolerant, clock)).findings == ()


async def test_one_document_of_several_entries_is_held_against_their_sum(
    ledger: Ledger, clock: Moving
) -> None:
    await post(ledger, 1, 2, document="GRN-1")
    both = [shown(seq, clock, document="GRN-1", quantity=Decimal(4)) for seq in (1, 2)]
    clock.pass_by(hours=1)
    assert (await reconcile(ledger, Erp(both).target, TABLE, clock)).findings == ()
    off = [shown(seq, clock, document="GRN-1", quantity=Decimal(5)) for seq in (1, 2)]
    [finding] = (await reconcile(ledger, Erp(off).target, TABLE, clock)).findings
    assert finding.text == "entry 1 says 4 EA, and the ERP has 5 EA: GRN-1"


async def test_a_person_closes_a_finding_for_as_long_as_it_stays_as_it_is(
    ledger: Ledger, clock: Moving
) -> None:
    await post(ledger, 1)
    erp = Erp([shown(1, clock, quantity=Decimal(5))])
    clock.pass_by(hours=1)
    [finding] = (await reconcile(ledger, erp.target, TABLE, clock)).findings
    with pytest.raises(ValueError, match="say why"):
        await close(ledger, finding.number, "anna", " ")
    assert await close(ledger, finding.number, "anna", "a free sample")
    assert not await close(ledger, finding.number, "anna", "again")
    [trace, *_] = await ledger.audit_trail()
    assert (trace["who"], trace["what"], trace["entry"]) == ("anna", "close finding", 1)
    clock.pass_by(days=1)
    now = await reconcile(ledger, erp.target, TABLE, clock)
    assert now.findings == ()
    assert [(each.closed_by, each.why) for each in now.closed] == [("anna", "a free sample")]
    erp.found = [shown(1, clock, quantity=Decimal(6))]
    [other] = (await reconcile(ledger, erp.target, TABLE, clock)).findings
    assert other.number > finding.number


async def test_what_a_person_closed_is_new_when_it_goes_and_comes_again(
    ledger: Ledger, clock: Moving
) -> None:
    await post(ledger, 1)
    erp = Erp([])
    clock.pass_by(hours=1)
    [finding] = (await reconcile(ledger, erp.target, TABLE, clock)).findings
    await close(ledger, finding.number, "anna", "written by hand")
    erp.found = [shown(1, clock)]
    assert (await reconcile(ledger, erp.target, TABLE, clock)).findings == ()
    erp.found = []
    [again] = (await reconcile(ledger, erp.target, TABLE, clock)).findings
    assert again.number > finding.number


async def test_what_a_mapping_made_of_it_is_held_against_the_erp(
    ledger: Ledger, clock: Moving
) -> None:
    await ledger.apply(envelope(1, [transaction(1, receipt("PO-1", quantity="2"))]))
    [attempt] = await ledger.begin([1])
    cases = transaction(1, receipt("PO-1", quantity="24"))
    await ledger.settle(Result(attempt, Posted("GRN-1"), given=cases, mapping="v1"))
    erp = Erp([shown(1, clock, quantity=Decimal(24))])
    clock.pass_by(hours=1)
    assert (await reconcile(ledger, erp.target, TABLE, clock)).findings == ()
    erp.found = [shown(1, clock)]
    [finding] = (await reconcile(ledger, erp.target, TABLE, clock)).findings
    assert finding.text.startswith("entry 1 says 24 EA, and the ERP has 2 EA")
    assert await ledger.prune(clock.now + timedelta(days=1)) is None
    erp.found = [shown(1, clock, quantity=Decimal(24))]
    assert (await reconcile(ledger, erp.target, TABLE, clock)).findings == (), "nobody knows now"


async def test_what_was_undone_may_be_cancelled_in_the_erp(ledger: Ledger, clock: Moving) -> None:
    await post(ledger, 1, 2)
    await ledger.apply(envelope(3, [transaction(3, Reversal(reverses=name(1)))]))
    [attempt] = await ledger.begin([3])
    await ledger.settle(Result(attempt, Posted("GRN-1")))
    erp = Erp([shown(seq, clock, state="cancelled") for seq in (1, 2)])
    clock.pass_by(hours=1)
    [finding] = (await reconcile(ledger, erp.target, TABLE, clock)).findings
    assert finding.entry == 2
    assert finding.text == "entry 2 is posted, and the ERP shows only what was cancelled: GRN-2"


async def test_two_rounds_at_one_moment_open_one_finding(ledger: Ledger, clock: Moving) -> None:
    await post(ledger, 1)
    clock.pass_by(hours=1)
    await asyncio.gather(*(reconcile(ledger, Erp().target, TABLE, clock) for _ in range(3)))
    now = await latest(ledger)
    assert len(now.findings) == now.open == 1
    assert now.closed == ()


async def test_more_documents_than_can_be_read_are_an_error_and_nothing_is_missing(
    ledger: Ledger, clock: Moving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.reconciliation.rounds.MOST_DOCUMENTS", 2)
    await post(ledger, 1, 2, 3, 4)
    erp = Erp([shown(seq, clock) for seq in (1, 2, 3)])
    clock.pass_by(hours=1)
    now = await reconcile(ledger, erp.target, TABLE, clock)
    assert now.findings == ()
    assert now.errors == ("documents: more than 2 documents: say fewer days",)


async def test_no_more_findings_are_opened_than_anybody_could_read(
    ledger: Ledger, clock: Moving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.reconciliation.keeping.MOST_OPEN", 2)
    await post(ledger, 1, 2, 3)
    clock.pass_by(hours=1)
    assert set(open_(await reconcile(ledger, Erp().target, TABLE, clock))) == {1, 2}
    erp = Erp([shown(1, clock)])
    assert set(open_(await reconcile(ledger, erp.target, TABLE, clock))) == {2}
    assert set(open_(await reconcile(ledger, erp.target, TABLE, clock))) == {2, 3}


async def test_documents_are_asked_for_from_a_day_before_the_first_entry(
    ledger: Ledger, clock: Moving
) -> None:
    erp = Erp()
    now = await reconcile(ledger, erp.target, TABLE, clock)
    assert now.run is not None
    assert now.run.since == clock.now - timedelta(days=TABLE.days)
    assert erp.asked == [now.run.since - timedelta(days=1)], "its clock may be another"


async def test_more_postings_than_can_be_followed_begin_stock_anew(
    ledger: Ledger, clock: Moving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.reconciliation.rounds.MOST_MOVES", 1)
    erp = Erp(on_hand=[on_hand(100)])
    await reconcile(ledger, erp.target, STOCK, clock)
    clock.pass_by(hours=1)
    await post(ledger, 1, 2)
    erp.found = [shown(1, clock), shown(2, clock)]
    clock.pass_by(hours=1)
    now = await reconcile(ledger, erp.target, STOCK, clock)
    assert now.findings == ()
    assert "more than 1 postings since it was read last" in now.errors[0]
    clock.pass_by(hours=1)
    erp.on_hand = [on_hand(99)]
    [finding] = (await reconcile(ledger, erp.target, STOCK, clock)).findings
    assert finding.text.startswith("BOLT-8 (EA) at DOCK: the ERP shows 99 EA")


def on_hand(quantity: int, item: str = "BOLT-8", place: str = "DOCK") -> Stock:
    return Stock(item, place, Decimal(quantity))


async def test_stock_that_moves_by_what_was_booked_is_fine_and_by_other_is_not(
    ledger: Ledger, clock: Moving
) -> None:
    erp = Erp(on_hand=[on_hand(100)])
    first = await reconcile(ledger, erp.target, STOCK, clock)
    assert first.run is not None
    assert (first.findings, first.run.levels) == ((), 0), "nothing to hold it against"
    clock.pass_by(hours=1)
    await post(ledger, 1, 2)
    erp.found = [shown(1, clock), shown(2, clock)]
    erp.on_hand = [on_hand(104)]
    clock.pass_by(hours=1)
    assert (await reconcile(ledger, erp.target, STOCK, clock)).findings == ()
    await ledger.apply(envelope(3, [transaction(3)]))
    [attempt] = await ledger.begin([3])
    await ledger.settle(Result(attempt, Refused("over_receipt", "this moves nothing")))
    erp.on_hand = [on_hand(103), on_hand(1, "NUT-8")]
    clock.pass_by(hours=1)
    now = await reconcile(ledger, erp.target, STOCK, clock)
    assert {finding.text for finding in now.findings} == {
        "BOLT-8 (EA) at DOCK: the ERP shows 103 EA, and after what was booked it should be 104 EA",
        "NUT-8 (EA) at DOCK: the ERP shows 1 EA, and after what was booked it should be 0 EA",
    }
    assert now.run is not None
    assert (now.run.levels, now.run.drifting) == (2, 2)
    clock.pass_by(days=1)
    still = await reconcile(ledger, erp.target, STOCK, clock)
    assert [each.number for each in still.findings] == [each.number for each in now.findings]
    erp.on_hand = [on_hand(104)]
    clock.pass_by(days=1)
    assert (await reconcile(ledger, erp.target, STOCK, clock)).findings == ()


async def test_a_level_that_something_is_under_way_to_is_followed_from_before(
    ledger: Ledger, clock: Moving
) -> None:
    erp = Erp(on_hand=[on_hand(100), on_hand(5, "NUT-8")])
    await reconcile(ledger, erp.target, STOCK, clock)
    clock.pass_by(hours=1)
    await ledger.apply(envelope(1, [transaction(1)]))
    [attempt] = await ledger.begin([1])
    erp.on_hand[0] = on_hand(102)
    clock.pass_by(hours=1)
    now = await reconcile(ledger, erp.target, STOCK, clock)
    assert now.run is not None
    assert (now.findings, now.run.levels) == ((), 1), "the nuts alone"
    clock.pass_by(hours=1)
    await ledger.settle(Result(attempt, Posted("GRN-1")))
    erp.found = [shown(1, clock)]
    erp.on_hand[0] = on_hand(105)
    clock.pass_by(hours=1)
    [finding] = (await reconcile(ledger, erp.target, STOCK, clock)).findings
    assert finding.text.endswith(
        "the ERP shows 105 EA, and after what was booked it should be 102 EA"
    )


async def test_stock_that_was_read_half_way_says_nothing_and_is_not_kept(
    ledger: Ledger, clock: Moving
) -> None:
    erp = Erp(on_hand=[on_hand(100), on_hand(7, "NUT-8")])
    await reconcile(ledger, erp.target, STOCK, clock)
    erp.breaks_after = 1
    clock.pass_by(hours=1)
    now = await reconcile(ledger, erp.target, STOCK, clock)
    assert now.findings == ()
    assert now.errors[-1] == "stock: the line is down"
    erp.breaks_after = None
    erp.on_hand = [on_hand(100), on_hand(9, "NUT-8")]
    clock.pass_by(hours=1)
    [finding] = (await reconcile(ledger, erp.target, STOCK, clock)).findings
    assert finding.subject == "NUT-8 (EA) at DOCK"


async def test_before_the_first_round_nothing_is_known(ledger: Ledger) -> None:
    assert await latest(ledger) == Reconciled((), 0, (), None, None)
