"""Two bridges as processes of their own on one PostgreSQL and one shared subscription."""

import asyncio
import contextlib
import os
import re
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from bridge.ledger import open_ledger
from contract.envelope import encode
from contract.topics import Topics
from runtime.mqtt import Broker, connect
from tests.bridge import postgresql
from tests.bridge.streams import transaction
from tests.gateway.test_forwarder import Line, forwarding, until
from tests.mosquitto import Mosquitto, free_port

pytest.importorskip("psycopg")
PROGRAMS = postgresql.programs()
pytestmark = pytest.mark.skipif(PROGRAMS is None, reason="no PostgreSQL server is installed")

ROWS = 100
LONG = 150.0  # seconds for what takes a few: who freezes may hold a row until the server ends that


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    assert PROGRAMS is not None
    with postgresql.running(PROGRAMS) as url:
        yield url


@pytest.fixture
async def database(server: str) -> str:
    """The URL of an empty database."""
    name = f"workers{uuid.uuid4().hex}"
    engine = create_async_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.exec_driver_sql(f"CREATE DATABASE {name}")
    await engine.dispose()
    return f"{server}/{name}"


class Worker:
    """`python -m bridge run`."""

    def __init__(self, folder: Path, name: str, broker: str, database: str) -> None:
        self.port = free_port()
        self.config = folder / f"{name}.toml"
        self.config.write_text(
            f"""
            site = "north"
            name = "{name}"
            ledger = {{ url = "{database}" }}
            broker = {{ url = "{broker}", keepalive = 5 }}
            target = {{ connector = "sql", url = "sqlite+aiosqlite:///{folder / name}.db" }}
            web = {{ listen = "127.0.0.1:{self.port}" }}
            """
        )
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bridge", "run", "--config", str(self.config), env={**os.environ}
        )

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def end(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()

    async def received(self) -> float:
        """Return how many rows it got from the broker; 0 while it does not answer."""
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{self.port}/metrics") as response,
            ):
                text = await response.text()
        except aiohttp.ClientConnectionError:
            return 0.0
        found = re.search(r"^scanpost_bridge_rows_received_total (\S+)", text, re.MULTILINE)
        return float(found[1]) if found else 0.0


@contextlib.asynccontextmanager
async def two_workers(folder: Path, broker: Broker, database: str) -> AsyncIterator[list[Worker]]:
    workers = [Worker(folder, name, broker.url, database) for name in ("1", "2")]
    try:
        async with connect(broker, client_id="look") as look, asyncio.timeout(LONG):
            for worker in workers:
                await worker.start()
                # One after the other: the first makes the tables.
                status = Topics("north", f"bridge-{worker.config.stem}").status
                await look.subscribe(status)
                said: set[tuple[str, bool]] = set()
                while (status, True) not in said:
                    heard = await look.receive()
                    said |= {(each.topic, b'"online":true' in each.payload) for each in heard}
        yield workers
    finally:
        for worker in workers:
            await worker.end()


async def scan(line: Line) -> None:
    await line.outbox.put([lambda epoch, seq: encode(transaction(seq, epoch=epoch))])


@pytest.mark.timeout(400)
async def test_the_share_of_a_worker_that_froze_and_then_died_moves_on(
    tmp_path: Path, mosquitto: Mosquitto, database: str
) -> None:
    broker = Broker(url=mosquitto.url)
    clock = asyncio.get_running_loop().time
    async with (
        two_workers(tmp_path, broker, database) as (first, second),
        forwarding(tmp_path / "o.db", broker, stall=0.5) as line,
    ):
        for seq in range(1, ROWS + 1):  # each an envelope of its own: they go to both in turn
            await scan(line)
            await until(lambda: line.upto == seq, within=LONG)  # noqa: B023
        assert await first.received() > 0
        assert await second.received() > 0
        for number, upto in ((signal.SIGSTOP, 2 * ROWS), (signal.SIGKILL, 3 * ROWS)):
            # Frozen it still gets its share, until the broker misses its signs of life.
            first.send(number)
            began = clock()
            for _ in range(ROWS):
                await scan(line)
                await asyncio.sleep(0.005)  # not all in one envelope
            await until(lambda: line.upto == upto, within=LONG)  # noqa: B023
            print(f"{number.name}: all booked after {clock() - began:.1f} s")
    async with open_ledger(database) as ledger:
        entries = await ledger.entries(4 * ROWS)
    assert [entry["seq"] for entry in entries] == list(range(3 * ROWS, 0, -1))
