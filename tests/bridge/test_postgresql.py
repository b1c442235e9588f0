"""Ledger and books on a real PostgreSQL; needs `scanpost[postgresql]` and a server's programs."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from bridge.connectors import sql
from bridge.ledger import open_ledger
from bridge.outcome import Posted, TryLater
from bridge.posting import Result
from bridge.schema import metadata
from contract.envelope import Ack
from contract.transactions import Receipt, Reversal
from tests.bridge import postgresql
from tests.bridge.connectors.test_sql import EVERY_EVENT
from tests.bridge.streams import (
    EPOCH,
    envelope,
    lines,
    name,
    receipt,
    row,
    run_of,
    transaction,
    undigested,
)

pytest.importorskip("psycopg")
PROGRAMS = postgresql.programs()
pytestmark = pytest.mark.skipif(PROGRAMS is None, reason="no PostgreSQL server is installed")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    assert PROGRAMS is not None
    with postgresql.running(PROGRAMS) as url:
        yield url


@pytest.fixture
async def url(server: str, request: pytest.FixtureRequest) -> str:
    """The URL of an empty database."""
    database = f"test{abs(hash(request.node.name))}"
    engine = create_async_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.exec_driver_sql(f"CREATE DATABASE {database}")
    await engine.dispose()
    return f"{server}/{database}"


def _difference(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, metadata))


async def test_the_migrations_make_exactly_the_schema(url: str) -> None:
    async with open_ledger(url) as ledger, ledger._database.read() as connection:
        assert await connection.run_sync(_difference) == []


START = """
import asyncio, sys
from bridge.ledger import open_ledger

async def start():
    async with open_ledger(sys.argv[1]):
        pass

sys.stdin.readline()
asyncio.run(start())
"""


async def test_bridges_that_start_together_make_one_ledger(url: str) -> None:
    bridges = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", START, url, stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(3)
    ]
    try:
        async with asyncio.timeout(60):
            ended = await asyncio.gather(*(each.communicate(b"go\n") for each in bridges))
    finally:
        for each in bridges:
            with contextlib.suppress(ProcessLookupError):
                each.kill()
            await each.wait()
    assert [each.returncode for each in bridges] == [0, 0, 0], ended
    async with open_ledger(url) as ledger, ledger._database.read() as connection:
        assert await connection.run_sync(_difference) == []


async def test_two_bridges_on_one_ledger_apply_each_row_once(url: str) -> None:
    async with open_ledger(url) as first, open_ledger(url) as second:
        await first.apply(run_of(1, 1))
        await asyncio.gather(
            *(
                (first if turn % 2 else second).apply(run_of(start, start + 9))
                for start in (2, 12, 22, 32)
                for turn in range(6)
            )
        )
        assert undigested((await second.word("dock-1", EPOCH)).ack) == Ack(epoch=EPOCH, upto=41)
        assert [e["seq"] for e in await first.entries()] == list(range(41, 0, -1))


async def test_texts_no_column_takes_do_not_break_it(url: str) -> None:
    async with open_ledger(url) as ledger:
        odd = [row({"x": "\0"}), row(transaction(2, receipt("PO \0 7")))]
        assert (await ledger.apply(envelope(1, odd)))[0].upto == 2
        await ledger.quarantine("t\0", b"\0", "r\0")
        [attempt] = await ledger.begin([2])
        await ledger.settle(Result(attempt, TryLater("why \0")))
        assert (await ledger.standing()).poison == 1


async def test_every_event_and_its_reversal_come_to_nothing(url: str) -> None:
    config = sql.Config(connector="sql", url=SecretStr(url))
    async with sql.connect(config) as target:
        for place, (event, _) in enumerate(EVERY_EVENT):
            seq = 2 * place + 1
            undo = Reversal(reverses=name(seq))
            for made in (transaction(seq, event), transaction(seq + 1, undo)):
                assert await target.deliver(made, again=False) == Posted("")
        assert {float(row["quantity"]) for row in await target.on_hand()} == {0.0}


async def test_four_writers_book_once_and_exactly(url: str) -> None:
    config = sql.Config(connector="sql", url=SecretStr(url))
    tenth = Receipt(lines=lines(quantity="0.1"), to_location="A")
    made = [transaction(seq, tenth) for seq in range(1, 31)]

    async def write(target: sql.SqlTarget, size: int) -> None:
        for start in range(0, len(made), size):
            batch = made[start : start + size]
            async with asyncio.timeout(60):
                while set(map(type, await target.deliver_many(batch, again=True))) != {Posted}:
                    pass

    async with sql.connect(config) as first, sql.connect(config) as second:
        await asyncio.gather(*(write(t, size) for t in (first, second) for size in (1, 7)))
        assert [(r["location"], r["quantity"]) for r in await first.on_hand()] == [
            ("A", "3.000000000")
        ]


async def test_the_audit_trail_holds_where_two_bridges_write_it(url: str) -> None:
    async with open_ledger(url) as first, open_ledger(url) as second:
        await asyncio.gather(
            *((first if n % 2 else second).note("anna", "config", {"n": n}) for n in range(20))
        )
        verdict = await first.verify()
        assert (verdict.whole, verdict.rows) == (True, 20)
        for statement in ("UPDATE audit SET who = 'x'", "DELETE FROM audit", "TRUNCATE audit"):
            with pytest.raises(DBAPIError, match="only added to"):
                async with first._database.write() as connection:
                    await connection.exec_driver_sql(statement)
