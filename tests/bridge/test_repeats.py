"""A gateway that had to begin a new stream sends again what it is not sure of: booked once."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from bridge.ledger import Ledger, open_ledger
from bridge.outcome import Posted, Refused
from bridge.posting import Result
from contract.transactions import Reversal
from contract.values import Evidence
from tests.bridge import postgresql
from tests.bridge.streams import EPOCH, OTHER_EPOCH, envelope, name, receipt, run_of, transaction

PROGRAMS = postgresql.programs()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    if PROGRAMS is None:
        pytest.skip("no PostgreSQL server is installed")
    pytest.importorskip("psycopg")
    with postgresql.running(PROGRAMS) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
async def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ledger]:
    if request.param == "sqlite":
        url = f"sqlite+aiosqlite:///{tmp_path}/ledger.db"
    else:
        server: str = request.getfixturevalue("server")
        database = f"test{abs(hash(request.node.name))}"
        engine = create_async_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            await connection.exec_driver_sql(f"CREATE DATABASE {database}")
        await engine.dispose()
        url = f"{server}/{database}"
    async with open_ledger(url) as opened:
        yield opened


async def test_rows_that_came_before_under_another_epoch_are_not_booked_again(
    ledger: Ledger,
) -> None:
    await ledger.apply(run_of(1, 4))
    # Rows 3 and 4 again under new numbers, and two that the ledger never had.
    moved = [transaction(n, id=name(n + 2), epoch=OTHER_EPOCH) for n in (1, 2, 3, 4)]
    [ack] = await ledger.apply(envelope(1, moved, epoch=OTHER_EPOCH))
    assert (ack.epoch, ack.upto, ack.rejected, ack.conflict) == (OTHER_EPOCH, 4, (), None)
    entries = await ledger.entries()
    assert sorted(entry["id"] for entry in entries) == [str(name(n)) for n in range(1, 7)]
    assert {entry["epoch"] for entry in entries if entry["seq"] > 2} == {
        str(EPOCH),
        str(OTHER_EPOCH),
    }
    assert (await ledger.standing()).dead == 0


async def test_a_repeat_is_as_far_as_what_it_repeats(ledger: Ledger) -> None:
    await ledger.apply(run_of(1, 3))
    moved = [transaction(n, id=name(n), epoch=OTHER_EPOCH) for n in (1, 2, 3)]
    [ack] = await ledger.apply(envelope(1, moved, epoch=OTHER_EPOCH))
    assert (ack.upto, ack.posted) == (3, 0)
    waiting = await ledger.undecided(0, 10)
    attempts = await ledger.begin([each.number for each in waiting])
    await ledger.settle(
        Result(attempts[0], Posted("D1")), Result(attempts[1], Refused("unknown_sku", "what?"))
    )
    ack = (await ledger.word("dock-1", OTHER_EPOCH)).ack
    assert (ack.upto, ack.posted) == (3, 2)
    assert [(row.seq, row.code) for row in ack.rejected] == [(2, "unknown_sku")]


async def test_one_id_with_other_content_is_not_booked_and_holds_up_nobody(
    ledger: Ledger,
) -> None:
    await ledger.apply(run_of(1, 2))
    other = transaction(1, receipt(quantity="99"), id=name(1), epoch=OTHER_EPOCH)
    fresh = transaction(2, id=name(3), epoch=OTHER_EPOCH)
    [ack] = await ledger.apply(envelope(1, [other, fresh], epoch=OTHER_EPOCH))
    assert ack.upto == 2
    [rejected] = ack.rejected
    assert (rejected.seq, rejected.code) == (1, "contract")
    assert "used before" in rejected.text


async def test_a_difference_in_the_evidence_alone_is_a_difference(ledger: Ledger) -> None:
    await ledger.apply(run_of(1, 1))
    proof = (Evidence(kind="scan", device="scanner-1", raw="00"),)
    other = transaction(1, id=name(1), epoch=OTHER_EPOCH).model_copy(update={"evidence": proof})
    [ack] = await ledger.apply(envelope(1, [other], epoch=OTHER_EPOCH))
    assert [row.code for row in ack.rejected] == ["contract"]


async def test_a_repeat_with_another_digest_is_a_conflict_like_any_row(ledger: Ledger) -> None:
    """The new stream may be copied as well."""
    await ledger.apply(run_of(1, 1))
    again = transaction(1, id=name(1), epoch=OTHER_EPOCH)
    [ack] = await ledger.apply(envelope(1, [again], epoch=OTHER_EPOCH))
    assert (ack.upto, ack.conflict) == (1, None)
    [ack] = await ledger.apply(envelope(1, [again], epoch=OTHER_EPOCH))
    assert (ack.upto, ack.conflict) == (1, None)
    copied = transaction(1, receipt(quantity="7"), id=name(50), epoch=OTHER_EPOCH)
    [ack] = await ledger.apply(envelope(1, [copied], epoch=OTHER_EPOCH))
    assert (ack.upto, ack.conflict) == (1, 1)
    assert len(await ledger.entries()) == 1


async def test_repeats_that_were_parked_are_repeats_when_the_gap_closes(ledger: Ledger) -> None:
    await ledger.apply(run_of(1, 4))
    moved = [transaction(n, id=name(n), epoch=OTHER_EPOCH) for n in (1, 2, 3, 4)]
    await ledger.apply(envelope(3, moved[2:], epoch=OTHER_EPOCH))
    [ack] = await ledger.apply(envelope(1, moved[:2], epoch=OTHER_EPOCH))
    assert ack.upto == 4
    assert len(await ledger.entries()) == 4


async def test_a_row_that_lay_parked_in_the_old_stream_is_booked_once(ledger: Ledger) -> None:
    """The old store comes back after all: its missing row, and then what lay behind it."""
    await ledger.apply(run_of(1, 1))
    await ledger.apply(run_of(3, 4))
    moved = [transaction(n, id=name(n + 2), epoch=OTHER_EPOCH) for n in (1, 2)]
    [ack] = await ledger.apply(envelope(1, moved, epoch=OTHER_EPOCH))
    assert ack.upto == 2
    [ack] = await ledger.apply(run_of(2, 2))
    assert (ack.upto, ack.conflict) == (4, None)
    assert sorted(entry["id"] for entry in await ledger.entries()) == [
        str(name(n)) for n in (1, 2, 3, 4)
    ]


async def test_a_reversal_in_the_new_stream_finds_what_it_reverses(ledger: Ledger) -> None:
    await ledger.apply(run_of(1, 1))
    moved = [
        transaction(1, id=name(1), epoch=OTHER_EPOCH),
        transaction(2, Reversal(reverses=name(1)), id=name(2), epoch=OTHER_EPOCH),
    ]
    [ack] = await ledger.apply(envelope(1, moved, epoch=OTHER_EPOCH))
    assert (ack.upto, ack.rejected) == (2, ())
    newest = (await ledger.entries())[0]
    assert newest["type"] == "reversal"
    first, second = await ledger.undecided(0, 10)
    assert first.keys == second.keys
