import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from bridge import intake
from bridge.errors import LedgerFailed, LedgerTaken, LedgerTooNew, LedgerUnusable
from bridge.ledger import Ledger, open_ledger
from bridge.outcome import Posted, Refused, TryLater, Unknown
from bridge.posting import Attempt, Result
from bridge.schema import metadata
from contract.canonical import canonical, digest
from contract.envelope import Ack, Row
from contract.transactions import Reversal
from tests.bridge.streams import (
    EPOCH,
    OTHER_EPOCH,
    envelope,
    name,
    receipt,
    row,
    run_of,
    transaction,
    undigested,
)


def url(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder / 'ledger.db'}"


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with open_ledger(url(tmp_path)) as opened:
        yield opened


async def applied(ledger: Ledger) -> list[tuple[int, str, str | None]]:
    """(seq, state, code) of every entry, in ledger order."""
    entries = await ledger.entries(limit=10_000)
    return [(entry["seq"], entry["state"], entry["code"]) for entry in reversed(entries)]


async def test_rows_in_order_are_applied_and_acknowledged(ledger: Ledger) -> None:
    assert [undigested(ack) for ack in await ledger.apply(run_of(1, 3))] == [
        Ack(epoch=EPOCH, upto=3, posted=0)
    ]
    assert await applied(ledger) == [(seq, "received", None) for seq in (1, 2, 3)]
    assert ledger.arrived.is_set()


async def test_what_was_acknowledged_is_there_after_a_restart(tmp_path: Path) -> None:
    async with open_ledger(url(tmp_path)) as first:
        await first.apply(run_of(1, 3))
    async with open_ledger(url(tmp_path)) as second:
        assert (await second.word("dock-1", EPOCH)).ack.upto == 3
        assert [undigested(ack) for ack in await second.apply(run_of(2, 5))] == [
            Ack(epoch=EPOCH, upto=5, posted=0)
        ]


async def test_a_repeat_changes_nothing_and_is_acknowledged_again(ledger: Ledger) -> None:
    await ledger.apply(run_of(1, 3))
    ledger.arrived.clear()
    assert (await ledger.apply(run_of(1, 3)))[0].upto == 3
    assert len(await applied(ledger)) == 3
    assert not ledger.arrived.is_set()


async def test_rows_beyond_a_gap_wait_until_it_closes(ledger: Ledger) -> None:
    await ledger.apply(run_of(1, 1))
    assert (await ledger.apply(run_of(4, 6)))[0].upto == 1
    standing = await ledger.standing()
    assert (standing.parked, standing.gaps) == (3, 1)
    assert (await ledger.apply(run_of(2, 3)))[0].upto == 6
    assert [seq for seq, _, _ in await applied(ledger)] == [1, 2, 3, 4, 5, 6]
    standing = await ledger.standing()
    assert (standing.parked, standing.gaps) == (0, 0)


async def test_a_long_parking_is_drained_in_several_transactions(ledger: Ledger) -> None:
    for first in range(2, 1302, 100):
        await ledger.apply(run_of(first, first + 99))
    assert (await ledger.apply(run_of(1, 1)))[0].upto == 1301
    assert (await ledger.standing()).parked == 0


async def test_the_parking_has_a_bound_and_what_did_not_fit_comes_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "MAX_PARKED", 5)
    await ledger.apply(run_of(2, 9))
    assert (await ledger.standing()).parked == 5
    assert (await ledger.apply(run_of(1, 1)))[0].upto == 6
    assert (await ledger.apply(run_of(7, 9)))[0].upto == 9


async def test_several_envelopes_are_one_transaction(ledger: Ledger) -> None:
    acks = await ledger.apply(
        run_of(1, 2), run_of(3, 4), run_of(1, 1, epoch=OTHER_EPOCH, gateway="dock-2", id=name(9))
    )
    assert [ack.upto for ack in acks] == [4, 4, 1]


async def test_one_stream_does_not_touch_another(ledger: Ledger) -> None:
    await ledger.apply(run_of(1, 3))
    other = envelope(1, [transaction(1, id=name(1, salt=1), epoch=OTHER_EPOCH)], epoch=OTHER_EPOCH)
    assert undigested((await ledger.apply(other))[0]) == Ack(epoch=OTHER_EPOCH, upto=1, posted=0)
    assert (await ledger.word("dock-1", EPOCH)).current is False
    assert await ledger.recent_streams() == [("dock-1", OTHER_EPOCH)]


async def test_a_stream_that_comes_back_from_a_backup_is_the_current_one_again(
    ledger: Ledger,
) -> None:
    await ledger.apply(run_of(1, 3))
    other = envelope(1, [transaction(1, id=name(1, salt=1), epoch=OTHER_EPOCH)], epoch=OTHER_EPOCH)
    await ledger.apply(other)
    await ledger.apply(run_of(4, 4))
    assert (await ledger.word("dock-1", EPOCH)).current
    assert not (await ledger.word("dock-1", OTHER_EPOCH)).current
    assert await ledger.recent_streams() == [("dock-1", EPOCH)]
    await ledger.apply(other)  # what the broker repeats, late
    assert (await ledger.word("dock-1", EPOCH)).current


async def test_the_same_number_with_other_content_stops_the_stream(ledger: Ledger) -> None:
    await ledger.apply(run_of(1, 3))
    clone = envelope(3, [transaction(3, receipt("PO-2")), transaction(4)])
    assert (await ledger.apply(clone))[0].conflict == 3
    assert undigested((await ledger.apply(run_of(4, 5)))[0]) == Ack(epoch=EPOCH, upto=3, conflict=3)
    assert (await ledger.standing()).conflicts == 1


async def test_a_parked_number_with_other_content_is_a_conflict_too(ledger: Ledger) -> None:
    await ledger.apply(run_of(5, 6))
    clone = envelope(6, [transaction(6, receipt("PO-2"))])
    assert (await ledger.apply(clone))[0].conflict == 6


async def test_a_person_can_take_a_conflicting_stream_up_again(ledger: Ledger) -> None:
    await ledger.apply(run_of(1, 3))
    clone = envelope(3, [transaction(3, receipt("PO-2"))])
    await ledger.apply(clone)
    assert await ledger.forgive("dock-1", EPOCH) is True
    assert await ledger.forgive("dock-1", EPOCH) is False
    assert (await ledger.apply(clone))[0].conflict is None
    assert undigested((await ledger.apply(run_of(4, 4)))[0]) == Ack(epoch=EPOCH, upto=4)


def alien(seq: int, /, **changes: Any) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(transaction(seq).model_dump_json())
    return value | changes


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (alien(2, station="NOT A SLUG"), "contract"),
        (alien(2, seq=7), "contract"),
        (alien(2, gateway="dock-9"), "contract"),
        (alien(2, epoch=str(OTHER_EPOCH)), "contract"),
        ({}, "contract"),
        (alien(2, event={"type": "teleport", "to": "Mars"}), "schema_too_new"),
        (alien(2, mood="cheerful"), "schema_too_new"),
        (alien(2, mood="cheerful", station=""), "contract"),
        ({"a": {"b": [[[[[[[[[["deep"]]]]]]]]]]}}, "contract"),
        ({"nul": "\0"}, "contract"),
    ],
)
async def test_a_row_that_is_no_transaction_is_dead_and_holds_up_nobody(
    ledger: Ledger, value: dict[str, Any], code: str
) -> None:
    [ack] = await ledger.apply(envelope(1, [transaction(1), row(value), transaction(3)]))
    assert ack.upto == 3
    assert [(entry.seq, entry.code) for entry in ack.rejected] == [(2, code)]
    assert len(ack.rejected[0].text) > 5
    assert await applied(ledger) == [
        (1, "received", None),
        (2, "dead", code),
        (3, "received", None),
    ]


async def test_a_damaged_row_is_dead_and_a_good_repeat_heals_it(ledger: Ledger) -> None:
    good = row(transaction(2))
    bad = Row(digest=good.digest, transaction=good.transaction | {"station": "elsewhere"})
    [ack] = await ledger.apply(envelope(1, [row(transaction(1)), bad]))
    assert [(entry.seq, entry.code) for entry in ack.rejected] == [(2, "corrupt")]
    [ack] = await ledger.apply(envelope(2, [good]))
    assert (ack.upto, ack.rejected, ack.conflict) == (2, (), None)
    assert await applied(ledger) == [(1, "received", None), (2, "received", None)]


async def test_a_damaged_repeat_is_not_a_conflict(ledger: Ledger) -> None:
    await ledger.apply(run_of(1, 2))
    bad = Row(digest="0" * 64, transaction=row(transaction(2)).transaction)
    [ack] = await ledger.apply(envelope(2, [bad]))
    assert (ack.upto, ack.conflict, ack.rejected) == (2, None, ())


async def test_a_damaged_row_is_not_parked(ledger: Ledger) -> None:
    bad = Row(digest="0" * 64, transaction=row(transaction(3)).transaction)
    await ledger.apply(envelope(2, [row(transaction(2)), bad]))
    assert (await ledger.standing()).parked == 1
    assert (await ledger.apply(run_of(1, 1)))[0].upto == 2
    assert undigested((await ledger.apply(run_of(3, 3)))[0]) == Ack(epoch=EPOCH, upto=3)


async def test_half_a_surrogate_pair_breaks_nothing(ledger: Ledger) -> None:
    value = {"text": "\ud800"}
    lone = Row(digest=digest(canonical(value)), transaction=value)
    [ack] = await ledger.apply(envelope(1, [lone, transaction(2)]))
    assert (ack.upto, ack.rejected[0].code) == (2, "contract")


async def test_one_id_under_two_numbers_is_applied_once(ledger: Ledger) -> None:
    again = transaction(2, id=name(1))
    [ack] = await ledger.apply(envelope(1, [transaction(1), again]))
    assert [(entry.seq, entry.code) for entry in ack.rejected] == [(2, "contract")]
    [ack] = await ledger.apply(envelope(3, [transaction(3, id=name(1))]))
    assert [entry.seq for entry in ack.rejected] == [2, 3]


async def test_an_ack_names_the_fifty_newest_rejections_oldest_first(ledger: Ledger) -> None:
    [ack] = await ledger.apply(envelope(1, [row({"n": seq}) for seq in range(1, 61)]))
    assert [entry.seq for entry in ack.rejected] == list(range(11, 61))
    assert ack.posted == 60


async def begun(ledger: Ledger, number: int) -> Attempt:
    [attempt] = await ledger.begin([number])
    return attempt


async def test_posted_says_how_far_everything_is_decided(ledger: Ledger) -> None:
    await ledger.apply(run_of(1, 3))
    waiting = await ledger.undecided(after=0, limit=10)
    await ledger.settle(Result(await begun(ledger, waiting[1].number), Posted("D2")))
    assert (await ledger.word("dock-1", EPOCH)).ack.posted == 0
    await ledger.settle(
        Result(await begun(ledger, waiting[0].number), Refused("unknown_sku", "no BOLT-8"))
    )
    ack = (await ledger.word("dock-1", EPOCH)).ack
    assert ack.posted == 2
    assert [(entry.seq, entry.code, entry.text) for entry in ack.rejected] == [
        (1, "unknown_sku", "no BOLT-8")
    ]
    assert await ledger.begin([waiting[0].number]) == []


async def test_an_attempt_is_written_down_before_it_is_made(tmp_path: Path) -> None:
    async with open_ledger(url(tmp_path)) as first:
        await first.apply(run_of(1, 1))
        attempt = await begun(first, 1)
        assert (attempt.again, attempt.count, attempt.transaction.id) == (False, 1, name(1))
    async with open_ledger(url(tmp_path)) as second:
        assert [entry.ambiguous for entry in await second.undecided(0, 10)] == [True]
        attempt = await begun(second, 1)
        assert (attempt.again, attempt.count) == (True, 2)


async def test_what_was_ambiguous_stays_so_until_it_is_decided(ledger: Ledger) -> None:
    await ledger.apply(run_of(1, 1))
    await ledger.settle(Result(await begun(ledger, 1), TryLater("busy")))
    attempt = await begun(ledger, 1)
    assert attempt.again is False
    await ledger.settle(Result(attempt, Unknown("line cut")))
    attempt = await begun(ledger, 1)
    assert attempt.again is True
    await ledger.settle(Result(attempt, TryLater("not reachable, so not even looked up")))
    attempt = await begun(ledger, 1)
    assert attempt.again is True
    await ledger.settle(Result(attempt, Posted("D1")))
    assert (await ledger.undecided(0, 10)) == []


async def test_a_reversal_keeps_its_turn_with_what_it_reverses(ledger: Ledger) -> None:
    await ledger.apply(
        envelope(
            1,
            [
                transaction(1, receipt("PO-1")),
                transaction(2, Reversal(reverses=name(1))),
                transaction(3, Reversal(reverses=name(77))),
            ],
        ),
    )
    await ledger.apply(envelope(4, [transaction(4, Reversal(reverses=name(2)))]))
    assert [entry.keys for entry in await ledger.undecided(0, 10)] == [
        ("document PO-1",),
        ("document PO-1",),
        ("gateway dock-1",),
        ("document PO-1",),
    ]


async def test_a_dead_entry_can_be_put_back_in_line(ledger: Ledger) -> None:
    await ledger.apply(run_of(1, 1))
    await ledger.settle(Result(await begun(ledger, 1), Refused("unknown_sku", "no BOLT-8")))
    ledger.arrived.clear()
    assert await ledger.revive(1) is True
    assert ledger.arrived.is_set()
    assert undigested((await ledger.word("dock-1", EPOCH)).ack) == Ack(
        epoch=EPOCH, upto=1, posted=0
    )
    assert (await begun(ledger, 1)).again is False
    assert await ledger.revive(1) is False


async def test_a_row_that_is_still_unreadable_stays_dead(ledger: Ledger) -> None:
    await ledger.apply(envelope(1, [row({})]))
    assert await ledger.revive(1) is False
    assert await applied(ledger) == [(1, "dead", "contract")]


async def test_unreadable_messages_are_kept_within_bounds(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("bridge.poison.KEPT", 3)
    for n in range(5):
        await ledger.quarantine("scanpost/v1/n/g/tx", bytes([n]) * 100_000, "not JSON \0 \ud800")
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        kept = connection.execute("SELECT number, length(payload), size FROM poison").fetchall()
    connection.close()
    assert kept == [(3, 64_000, 100_000), (4, 64_000, 100_000), (5, 64_000, 100_000)]


async def test_concurrent_repeats_are_applied_once(ledger: Ledger) -> None:
    await asyncio.gather(*(ledger.apply(run_of(1, 20)) for _ in range(8)))
    assert len(await applied(ledger)) == 20


async def test_a_cancelled_apply_leaves_the_ledger_usable(ledger: Ledger) -> None:
    for first in range(1, 200, 10):
        task = asyncio.create_task(ledger.apply(run_of(first, first + 9)))
        for _ in range(first % 23):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        [ack] = await ledger.apply(run_of(first, first + 9))
        assert undigested(ack) == Ack(epoch=EPOCH, upto=first + 9)
    assert [seq for seq, _, _ in await applied(ledger)] == list(range(1, 201))


async def test_a_database_that_fails_is_said_so(ledger: Ledger, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "ledger.db") as other:
        other.execute("ALTER TABLE entry RENAME TO gone")
    other.close()
    with pytest.raises(LedgerFailed):
        await ledger.apply(run_of(1, 1))


async def test_the_file_keeps_its_word(ledger: Ledger) -> None:
    async with ledger._database.write() as connection:
        found = [
            (await connection.exec_driver_sql(f"PRAGMA {pragma}")).scalar()
            for pragma in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert found == ["wal", 2, 1, 5_000]


async def test_a_second_bridge_on_the_same_ledger_is_refused(
    ledger: Ledger, tmp_path: Path
) -> None:
    with pytest.raises(LedgerTaken):
        async with open_ledger(url(tmp_path)):
            pass


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnusable, match="nowhere"):
        async with open_ledger(f"sqlite+aiosqlite:///{tmp_path}/nowhere/ledger.db"):
            pass


async def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    file.write_bytes(b"Dear diary" * 1000)
    with pytest.raises(LedgerUnusable):
        async with open_ledger(url(tmp_path)):
            pass
    assert file.read_bytes() == b"Dear diary" * 1000


async def test_a_ledger_of_a_newer_program_is_left_untouched(tmp_path: Path) -> None:
    async with open_ledger(url(tmp_path)) as ledger:
        await ledger.apply(run_of(1, 2))
    file = tmp_path / "ledger.db"
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = file.read_bytes()
    with pytest.raises(LedgerTooNew, match="9999"):
        async with open_ledger(url(tmp_path)):
            pass
    assert file.read_bytes() == before


async def test_the_migrations_make_exactly_the_schema(tmp_path: Path) -> None:
    async with open_ledger(url(tmp_path)):
        pass
    plain = create_engine(f"sqlite:///{tmp_path / 'plain.db'}")
    metadata.create_all(plain)
    plain.dispose()
    migrated = create_engine(f"sqlite:///{tmp_path / 'ledger.db'}")
    with migrated.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    migrated.dispose()
    # Constraints and partial indexes too, which the comparison above does not see on SQLite.
    assert _ddl(tmp_path / "ledger.db") == _ddl(tmp_path / "plain.db")


def _ddl(file: Path) -> dict[str, list[str]]:
    with sqlite3.connect(file) as connection:
        found = connection.execute(
            "SELECT name, sql FROM sqlite_master"
            " WHERE sql IS NOT NULL AND name NOT IN ('alembic_version', 'sqlite_sequence')"
        ).fetchall()
    connection.close()
    return {
        name: sorted(part.strip().rstrip(",") for part in sql.splitlines()) for name, sql in found
    }
