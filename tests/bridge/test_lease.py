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
from tests.bridge.running import LONG, running
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
def attentive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who stands by looks often. The lease itself stays long, whatever pause the machine makes."""
    monkeypatch.setattr(lease, "RENEW_S", 0.3)


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
    two: tuple[Ledger, Ledger], attentive: None
) -> None:
    first, second = two

    async def takes_its_time(target: ScriptedTarget, tx: Transaction) -> Outcome:
        await asyncio.sleep(0.001)
        return target.book(tx)

    async def one_stands_by() -> bool:
        return one.dispatcher.stands_by or other.dispatcher.stands_by

    target = ScriptedTarget(takes_its_time)
    async with running(first, target) as one, running(second, target) as other:
        await one.until(one_stands_by)
        # What comes in by the one that stands by is delivered too, without a signal from it.
        await asyncio.gather(first.apply(run_of(1, 20)), second.apply(run_of(1, 20)))
        await second.apply(run_of(21, 40))
        await one.until_posted(40)
        assert [one.dispatcher.stands_by, other.dispatcher.stands_by].count(True) == 1
    assert target.seqs == list(range(1, 41))
    assert target.most_in_flight == 1


async def test_the_next_one_takes_over_when_one_stops(
    two: tuple[Ledger, Ledger], attentive: None
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


FATAL = (20, 50, 80)
"""Deliveries in which a worker waits for its end."""
WORKER = """
import asyncio, contextlib, sys
from bridge import lease
from bridge.dispatcher import Dispatcher
from bridge.ledger import open_ledger
from bridge.metrics import Metrics
from bridge.outcome import Posted

BOOK, ME, FATAL = sys.argv[2], sys.argv[3], {int(seq) for seq in sys.argv[4:]}
lease.LEASE_S = 60.0
lease.RENEW_S = 0.3

class Target:
    settle = 0.2
    async def deliver(self, transaction, *, again):
        with open(BOOK, "a") as book:
            book.write(f"{transaction.seq} {ME} {int(again)}\\n")
        if not again and transaction.seq in FATAL:
            await asyncio.Event().wait()  # here its fate finds it
        return Posted("D")

@contextlib.asynccontextmanager
async def connect():
    yield Target()

async def main():
    async with open_ledger(sys.argv[1]) as ledger:
        await Dispatcher(ledger, connect, metrics=Metrics()).run()

asyncio.run(main())
"""


@pytest.mark.timeout(400)
async def test_a_killed_worker_s_share_moves_on(url: str, tmp_path: Path) -> None:
    """Real processes: whoever delivers is killed by SIGKILL, three times; nothing is left out.

    Each is killed within a delivery, which waits for that. Its lease lasts longer than any pause of
    the machine, and is at its end when the test says so.
    """
    book = tmp_path / "book"
    book.touch()
    workers: list[asyncio.subprocess.Process] = []

    async def start() -> None:
        workers.append(
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", WORKER, url, str(book), str(len(workers))),
                *map(str, FATAL),
                cwd=ROOT,
            )
        )

    def sent() -> list[tuple[int, int, bool]]:
        rows = [line.split() for line in book.read_text("utf-8").splitlines()]
        return [(int(row[0]), int(row[1]), row[2] == "1") for row in rows if len(row) == 3]

    try:
        async with open_ledger(url) as ledger:
            rows = [transaction(seq, receipt(f"PO-{seq}")) for seq in range(1, 101)]
            await ledger.apply(envelope(1, rows))
            await start()
            await start()
            for fatal in FATAL:
                async with asyncio.timeout(LONG):
                    while not (here := [who for seq, who, _ in sent() if seq == fatal]):
                        await asyncio.sleep(0.02)
                workers[here[0]].send_signal(signal.SIGKILL)
                await workers[here[0]].wait()
                async with ledger._database.write() as connection:
                    await connection.exec_driver_sql(
                        "UPDATE lease SET expires_at = clock_timestamp()"
                    )
                await start()
            async with asyncio.timeout(LONG):
                while await ledger.undecided(0, 1):
                    await asyncio.sleep(0.05)
    finally:
        for worker in workers:
            if worker.returncode is None:
                worker.kill()
            await worker.wait()
    # Only what was in flight when a worker died came again, and it was asked for, not just sent.
    assert [seq for seq, _, again in sent() if again] == [*FATAL]
    assert [seq for seq, _, again in sent() if not again] == list(range(1, 101))
    assert len({who for _, who, _ in sent()}) == 4
