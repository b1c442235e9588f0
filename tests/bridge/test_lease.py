"""Several bridges on one PostgreSQL ledger: one delivers, another takes over when it is killed."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from bridge import lease
from bridge.errors import LeaseLost
from bridge.lease import Claim
from bridge.ledger import Ledger, open_ledger
from bridge.outcome import Outcome
from contract.transactions import Transaction
from tests.bridge import postgresql
from tests.bridge.running import running
from tests.bridge.streams import envelope, receipt, run_of, transaction
from tests.bridge.targets import ScriptedTarget

pytest.importorskip("psycopg")
PROGRAMS = postgresql.programs()
pytestmark = pytest.mark.skipif(PROGRAMS is None, reason="no PostgreSQL server is installed")
ROOT = Path(__file__).resolve().parents[2]


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


@pytest.fixture
async def two(url: str) -> AsyncIterator[tuple[Ledger, Ledger]]:
    async with open_ledger(url) as first, open_ledger(url) as second:
        yield first, second


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease of seconds' fractions. It must still be far longer than a busy machine's pauses."""
    for name, value in (("LEASE_S", 3.0), ("RENEW_S", 0.3), ("MARGIN_S", 0.5)):
        monkeypatch.setattr(lease, name, value)


async def test_the_lease_is_of_one_and_runs_out_by_the_database_s_clock(
    two: tuple[Ledger, Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two
    ours, theirs = Claim("sql", "ours"), Claim("sql", "theirs")
    assert await first.take_lease(ours)
    assert await first.take_lease(ours)
    assert not await second.take_lease(theirs)
    assert await second.take_lease(Claim("another target", "theirs"))
    await first.leave_lease(ours)
    assert await second.take_lease(theirs)
    monkeypatch.setattr(lease, "LEASE_S", -1.0)
    assert await second.take_lease(theirs)
    assert await first.take_lease(ours)


async def test_who_lost_the_lease_can_begin_nothing(two: tuple[Ledger, Ledger]) -> None:
    first, second = two
    await first.apply(run_of(1, 1))
    assert await first.take_lease(Claim("sql", "ours"))
    with pytest.raises(LeaseLost):
        await second.begin([1], Claim("sql", "theirs"))
    assert (await first.entries())[0]["state"] == "received"
    assert len(await first.begin([1], Claim("sql", "ours"))) == 1


async def test_two_dispatchers_never_deliver_at_the_same_time(
    two: tuple[Ledger, Ledger], quick: None
) -> None:
    first, second = two

    async def takes_its_time(target: ScriptedTarget, tx: Transaction) -> Outcome:
        await asyncio.sleep(0.001)
        return target.book(tx)

    target = ScriptedTarget(takes_its_time)
    async with running(first, target) as one, running(second, target) as other:
        # What comes in by the one that stands by is delivered too, without a signal from it.
        await asyncio.gather(first.apply(run_of(1, 20)), second.apply(run_of(1, 20)))
        await second.apply(run_of(21, 40))
        await one.until_posted(40)
        assert [one.dispatcher.stands_by, other.dispatcher.stands_by].count(True) == 1
    assert target.seqs == list(range(1, 41))
    assert target.most_in_flight == 1


async def test_the_next_one_takes_over_when_one_stops(
    two: tuple[Ledger, Ledger], quick: None
) -> None:
    first, second = two
    target, other_target = ScriptedTarget(), ScriptedTarget()
    async with contextlib.AsyncExitStack() as later:
        async with running(first, target) as one:
            await first.apply(run_of(1, 3))
            await one.until_posted(3)
            other = await later.enter_async_context(running(second, other_target))

            async def stands_by() -> bool:
                return other.dispatcher.stands_by

            await other.until(stands_by)
        await first.apply(run_of(4, 6))
        await other.until_posted(6)
    assert target.seqs == [1, 2, 3]
    assert other_target.seqs == [4, 5, 6]


WORKER = """
import asyncio, contextlib, sys
from bridge import lease
from bridge.dispatcher import Dispatcher
from bridge.ledger import open_ledger
from bridge.metrics import Metrics
from bridge.outcome import Posted

lease.LEASE_S = 2.0
lease.RENEW_S = 0.3
lease.MARGIN_S = 0.5

class Target:
    settle = 0.2
    async def deliver(self, transaction, *, again):
        with open(sys.argv[2], "a") as book:
            book.write(f"{transaction.id} {sys.argv[3]} {int(again)}\\n")
        await asyncio.sleep(0.01)
        return Posted("D")

@contextlib.asynccontextmanager
async def connect():
    yield Target()

async def main():
    async with open_ledger(sys.argv[1]) as ledger:
        await Dispatcher(ledger, connect, metrics=Metrics()).run()

asyncio.run(main())
"""


async def test_a_killed_worker_s_share_moves_on(url: str, tmp_path: Path) -> None:
    """Real processes: whoever delivers is killed by SIGKILL, three times; nothing is left out."""
    book = tmp_path / "book"
    book.touch()
    workers: list[asyncio.subprocess.Process] = []

    async def start() -> None:
        workers.append(
            await asyncio.create_subprocess_exec(
                sys.executable, "-c", WORKER, url, str(book), str(len(workers)), cwd=ROOT
            )
        )

    def written() -> list[tuple[str, int, bool]]:
        rows = [line.split() for line in book.read_text("utf-8").splitlines()]
        return [(row[0], int(row[1]), row[2] == "1") for row in rows if len(row) == 3]

    try:
        async with open_ledger(url) as ledger:
            rows = [transaction(seq, receipt(f"PO-{seq}")) for seq in range(1, 101)]
            await ledger.apply(envelope(1, rows))
            await start()
            await start()
            for _ in range(3):
                before = len(written())
                async with asyncio.timeout(60):
                    while len(written()) < before + 10:
                        await asyncio.sleep(0.02)
                workers[written()[-1][1]].send_signal(signal.SIGKILL)
                await start()
            async with asyncio.timeout(60):
                while await ledger.undecided(0, 1):
                    await asyncio.sleep(0.05)
    finally:
        for worker in workers:
            if worker.returncode is None:
                worker.kill()
            await worker.wait()
    found = written()
    assert len({name for name, _, _ in found}) == 100
    assert len({worker for _, worker, _ in found}) >= 3
    # Only what was in flight when a worker died came again, and it was asked for, not just sent.
    firsts: set[str] = set()
    for name, _, again in found:
        assert again == (name in firsts)
        firsts.add(name)
    assert len(found) <= 103
