"""The audit trail holds: whoever changes it is found out, and the database lets nobody."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from bridge.amendment import Changes
from bridge.attempts import KEPT_FIRST, KEPT_LAST, MAX_WIRE, wire_of, wire_text
from bridge.errors import LedgerFailed, LedgerUnusable
from bridge.ledger import Ledger, open_ledger, visit_ledger
from bridge.modes import Scope
from bridge.outcome import Posted, Refused, TryLater
from bridge.posting import Result
from bridge.wire import Note, heard, recording, sent
from tests.bridge.streams import EPOCH, envelope, receipt, row, run_of, transaction


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with open_ledger(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}") as opened:
        yield opened


async def refused(ledger: Ledger, number: int, code: str = "unknown_sku") -> None:
    [attempt] = await ledger.begin([number])
    await ledger.settle(Result(attempt, Refused(code, "no BOLT-8")))  # type: ignore[arg-type]


async def test_every_decision_leaves_a_row_bound_to_the_one_before(ledger: Ledger) -> None:
    await ledger.apply(run_of(1, 3))
    for number in (1, 2, 3):
        await refused(ledger, number)
    await ledger.retry(1, "anna", "the item is there now")
    await ledger.amend(2, Changes(skus={"BOLT-8": "BOLT-08"}), "ben", "a typo")
    await ledger.discard(3, "anna", "a test label")
    await ledger.set_mode(Scope(station="bench"), "shadow", "ben", "new station")
    await ledger.note("bridge-1", "config", {"digest": "0" * 64})
    trail = await ledger.audit_trail()
    assert [(deed["who"], deed["what"], deed["entry"]) for deed in reversed(trail)] == [
        ("anna", "retry", 1),
        ("ben", "amend", 2),
        ("anna", "discard", 3),
        ("ben", "mode", None),
        ("bridge-1", "config", None),
    ]
    verdict = await ledger.verify()
    assert (verdict.whole, verdict.rows) == (True, 5)
    assert verdict.head == trail[0]["digest"]


async def test_a_conflict_that_was_forgiven_is_in_the_trail(ledger: Ledger) -> None:
    await ledger.apply(run_of(1, 3))
    await ledger.apply(envelope(3, [transaction(3, receipt("PO-2"))]))
    assert await ledger.forgive("dock-1", EPOCH, "anna", "the card was cloned")
    [deed] = await ledger.audit_trail()
    assert (deed["what"], deed["detail"]["conflict"]) == ("forgive", 3)


@pytest.mark.parametrize("statement", ["UPDATE audit SET who = 'x'", "DELETE FROM audit"])
async def test_the_database_lets_nobody_change_it(ledger: Ledger, statement: str) -> None:
    await ledger.note("anna", "config", {})
    with pytest.raises(DBAPIError, match="only added to"):
        async with ledger._database.write() as connection:
            await connection.exec_driver_sql(statement)


@pytest.mark.parametrize(
    ("crime", "number", "why"),
    [
        ("UPDATE audit SET who = 'nobody' WHERE number = 2", 2, "content"),
        ("UPDATE audit SET detail = '{}' WHERE number = 3", 3, "content"),
        ("DELETE FROM audit WHERE number = 2", 2, "missing"),
        ("DELETE FROM audit WHERE number = 1", 1, "missing"),
        ("UPDATE audit SET digest = '0' WHERE number = 4", 4, "content"),
        (f"UPDATE audit SET previous = '{'1' * 64}' WHERE number = 2", 2, "bound"),
        ("DELETE FROM audit WHERE number = 5", 5, "expected"),
    ],
)
async def test_whoever_takes_the_triggers_off_is_found_out(
    ledger: Ledger, tmp_path: Path, crime: str, number: int, why: str
) -> None:
    for turn in range(5):
        await ledger.note("anna", "config", {"turn": turn})
    head = (await ledger.verify()).head
    with sqlite3.connect(tmp_path / "ledger.db") as file:
        file.execute("DROP TRIGGER audit_no_update")
        file.execute("DROP TRIGGER audit_no_delete")
        file.execute(crime)
    file.close()
    verdict = await ledger.verify(expected=head)
    assert verdict.broken == number
    assert why in verdict.why


async def test_an_attempt_is_kept_with_what_went_over_the_wire(ledger: Ledger) -> None:
    await ledger.apply(run_of(1, 2))
    attempts = await ledger.begin([1, 2])
    with recording() as notes:
        sent("POST /orders", '{"a": "\0"}')
        heard("201 Created")
    first, second = attempts
    await ledger.settle(
        Result(first, Posted("D1"), notes=notes, mapping="v7", given=transaction(1, receipt("X"))),
        Result(second, Posted("D1")),
    )
    for number in (1, 2):
        story = await ledger.explain(number)
        assert story is not None
        [made] = story["attempts"]
        assert [note["text"] for note in made["wire"]] == [
            'POST /orders\n{"a": "\u2400"}',
            "201 Created",
        ]
        assert (made["outcome"], made["text"], made["count"]) == ("posted", "D1", 1)
        assert made["ended_at"] >= made["began_at"]
    story = await ledger.explain(1)
    assert story is not None
    assert story["attempts"][0]["mapping"] == "v7"
    assert '"number":"X"' in story["attempts"][0]["translated"]
    assert story["came"] == row(transaction(1)).transaction


async def test_an_attempt_that_never_ended_is_seen(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}"
    async with open_ledger(url) as ledger:
        await ledger.apply(run_of(1, 1))
        await ledger.begin([1])
    async with open_ledger(url) as ledger:
        await ledger.begin([1])
        story = await ledger.explain(1)
    assert story is not None
    assert [(made["count"], made["ended_at"]) for made in story["attempts"]] == [
        (1, None),
        (2, None),
    ]


async def test_attempts_at_one_entry_are_bounded(ledger: Ledger) -> None:
    await ledger.apply(run_of(1, 1))
    for _ in range(KEPT_FIRST + KEPT_LAST + 20):
        [attempt] = await ledger.begin([1])
        await ledger.settle(Result(attempt, TryLater("locked")))
    story = await ledger.explain(1)
    assert story is not None
    counts = [made["count"] for made in story["attempts"]]
    assert counts == [*range(1, KEPT_FIRST + 1), *range(31, 121)]


async def test_only_what_is_done_with_is_pruned(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.attempts.PRUNED", 2)
    await ledger.apply(run_of(1, 5))
    attempts = await ledger.begin([1, 2, 3, 4, 5])
    await ledger.settle(
        Result(attempts[0], Posted("D1")),
        Result(attempts[1], Refused("unknown_sku", "waits for a person")),
        Result(attempts[3], Refused("unknown_sku", "to be discarded")),
        Result(attempts[4], Posted("D5")),
    )
    await ledger.discard(4, "anna", "a test")
    after: tuple[int, int] | None = (0, 0)
    while after is not None:
        after = await ledger.prune(ledger._clock.utc(), after)
    kept = []
    for number in range(1, 6):
        story = await ledger.explain(number)
        assert story is not None
        kept.append(len(story["attempts"]))
    assert kept == [0, 1, 1, 0, 0]


async def test_a_round_on_the_wire_is_cut_where_it_is_too_long() -> None:
    text = wire_text([Note("sent", "x" * 30_000)] * 5)
    found = wire_of(text)
    assert len(found) == 3
    assert found[-1]["text"] == "[3 messages more; they are not kept]"
    assert text is not None
    assert len(text) < MAX_WIRE + 1_000


async def test_a_person_s_command_writes_beside_a_running_bridge(
    ledger: Ledger, tmp_path: Path
) -> None:
    await ledger.apply(run_of(1, 1))
    await refused(ledger, 1)
    before = await ledger.decided()
    async with visit_ledger(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}") as visited:
        assert await visited.retry(1, "anna") == [1]
    assert await ledger.decided() > before
    assert [waiting.number for waiting in await ledger.undecided(0, 10)] == [1]


async def test_two_programs_that_write_one_file_wait_for_each_other(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with visit_ledger(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}") as visited:
        monkeypatch.setattr("bridge.database.TURN_S", 0.05)
        async with ledger._database.write():
            with pytest.raises(LedgerFailed):
                await visited.note("anna", "config", {})
        await visited.note("anna", "config", {})
        assert (await ledger.verify()).rows == 1


async def test_a_ledger_that_is_not_there_is_not_made_by_a_look(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnusable, match="there is no ledger"):
        async with visit_ledger(f"sqlite+aiosqlite:///{tmp_path / 'none.db'}"):
            pass
    assert list(tmp_path.iterdir()) == []
