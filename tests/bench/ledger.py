"""How fast the bridge takes transactions in, beside a floor: the same rows in batched inserts.

    python -m tests.bench.ledger [--rows N] [--rounds N]

Both get the bodies in groups of eight envelopes of a hundred rows and commit each group; the floor
checks nothing, parses nothing and answers nobody. In turns, so that whatever the machine does
meanwhile it does to both. Several workers are processes of their own on one PostgreSQL, each with
gateways of its own, as a shared subscription gives them.
"""

import argparse
import asyncio
import contextlib
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy.ext.asyncio import create_async_engine

from bridge.ledger import open_ledger
from contract.envelope import Rows
from tests.bridge import postgresql
from tests.bridge.streams import envelope, receipt, transaction

_GROUP = 8  # envelopes in one database transaction, as the consumer takes them from a full queue
_ENVELOPE = 100  # rows
_ROOT = Path(__file__).resolve().parents[2]


def load(rows: int, gateway: str) -> list[Rows]:
    """Return envelopes of a stream of receipts for fifty orders."""
    return [
        envelope(
            first,
            [
                transaction(seq, receipt(f"PO-{seq % 50}"), gateway=gateway)
                for seq in range(first, first + _ENVELOPE)
            ],
            gateway=gateway,
        )
        for first in range(1, rows, _ENVELOPE)
    ]


async def taken_in(url: str, envelopes: list[Rows]) -> float:
    """Return rows per second of the ledger at `url`."""
    async with open_ledger(url) as ledger:
        began = time.perf_counter()
        for at in range(0, len(envelopes), _GROUP):
            await ledger.apply(*envelopes[at : at + _GROUP])
        return len(envelopes) * _ENVELOPE / (time.perf_counter() - began)


_TABLE = "CREATE TABLE IF NOT EXISTS floor (seq BIGINT, digest TEXT, body TEXT)"


def _groups(envelopes: list[Rows]) -> Iterator[list[tuple[int, str, str]]]:
    for at in range(0, len(envelopes), _GROUP):
        yield [
            (each.first + place, row.digest, str(row.transaction))
            for each in envelopes[at : at + _GROUP]
            for place, row in enumerate(each.rows)
        ]


def floor_sqlite(file: Path, envelopes: list[Rows]) -> float:
    """Return rows per second of plain inserts into a file."""
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(_TABLE)
        groups = list(_groups(envelopes))
        began = time.perf_counter()
        for group in groups:
            database.execute("BEGIN")
            database.executemany("INSERT INTO floor VALUES (?, ?, ?)", group)
            database.execute("COMMIT")
        return len(envelopes) * _ENVELOPE / (time.perf_counter() - began)


def floor_postgresql(url: str, envelopes: list[Rows]) -> float:
    """Return rows per second of plain inserts into a table."""
    import psycopg  # noqa: PLC0415 - where there is a PostgreSQL

    with psycopg.connect(url.replace("+psycopg", "")) as database:
        database.execute(_TABLE)
        database.commit()
        groups = list(_groups(envelopes))
        began = time.perf_counter()
        for group in groups:
            with database.cursor() as cursor:
                cursor.executemany("INSERT INTO floor VALUES (%s, %s, %s)", group)
            database.commit()
        return len(envelopes) * _ENVELOPE / (time.perf_counter() - began)


def together(url: str, rows: int, workers: int) -> float:
    """Return rows per second of several processes on one ledger."""
    command = [sys.executable, "-m", "tests.bench.ledger", "--worker", url, "--rows", str(rows)]
    running = [
        subprocess.Popen(
            [*command, "--gateway", f"dock-{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
        )
        for number in range(workers)
    ]
    try:
        for each in running:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        began = time.perf_counter()
        for each in running:
            assert each.stdin is not None
            each.stdin.write("go\n")
            each.stdin.flush()
        for each in running:
            each.wait(300)
        return workers * rows / (time.perf_counter() - began)
    finally:
        for each in running:
            each.kill()
            each.communicate()


async def _worker(url: str, rows: int, gateway: str) -> None:
    envelopes = load(rows, gateway)
    async with open_ledger(url) as ledger:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        for at in range(0, len(envelopes), _GROUP):
            await ledger.apply(*envelopes[at : at + _GROUP])


async def _new_database(url: str, name: str) -> str:
    engine = create_async_engine(f"{url}/postgres", isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.exec_driver_sql(f"CREATE DATABASE {name}")
    await engine.dispose()
    return f"{url}/{name}"


def _said(what: str, floor: list[float], ours: list[float], goal: float) -> None:
    middle, below = statistics.median(ours), statistics.median(floor)
    verdict = "" if middle >= goal else f"   below the goal of {goal:,.0f}"
    print(
        f"{what:34} {middle:9,.0f} rows/s   floor {below:9,.0f}   {below / middle:5.1f} x{verdict}"
    )


def _in_turns(
    rounds: int, floor: Callable[[int], float], ours: Callable[[int], float]
) -> tuple[list[float], list[float]]:
    found: tuple[list[float], list[float]] = [], []
    for number in range(rounds):
        found[0].append(floor(number))
        found[1].append(ours(number))
    return found


def measure(rows: int, rounds: int) -> None:
    """Take all measures, and print a line for each."""
    envelopes = load(rows, "dock-1")
    with tempfile.TemporaryDirectory(prefix="scanpost-bench-") as name:
        folder = Path(name)
        floor, ours = _in_turns(
            rounds,
            lambda n: floor_sqlite(folder / f"floor-{n}.db", envelopes),
            lambda n: asyncio.run(
                taken_in(f"sqlite+aiosqlite:///{folder}/ledger-{n}.db", envelopes)
            ),
        )
        _said("SQLite", floor, ours, 1_000)
    programs = postgresql.programs()
    if programs is None:
        print("PostgreSQL: left out, it is not installed")
        return
    with postgresql.running(programs) as url:
        databases = [asyncio.run(_new_database(url, f"bench_{n}")) for n in range(3 * rounds)]
        floor, ours = _in_turns(
            rounds,
            lambda n: floor_postgresql(databases[n], envelopes),
            lambda n: asyncio.run(taken_in(databases[n], envelopes)),
        )
        _said("PostgreSQL", floor, ours, 2_000)
        one, two = _in_turns(
            rounds,
            lambda n: together(databases[rounds + n], rows, 1),
            lambda n: together(databases[2 * rounds + n], rows, 2),
        )
        alone, both = statistics.median(one), statistics.median(two)
        print(
            f"{'PostgreSQL, two workers':34} {both:9,.0f} rows/s   one   {alone:9,.0f}  "
            f" {both / alone:5.2f} x of one"
        )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--gateway", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        asyncio.run(_worker(options.worker, options.rows, options.gateway))
    else:
        measure(options.rows, options.rounds)


if __name__ == "__main__":
    main()
