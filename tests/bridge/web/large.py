"""How long each page of the admin page takes over a large ledger: run it, it prints one JSON line.

`python -m tests.bridge.web.large --entries 200000`. Times are of whole requests over loopback in
milliseconds, the median of seven after the first; `cpu_ms` is how long this process worked for one.
"""

import argparse
import asyncio
import json
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import median

from bridge.ledger import open_ledger
from tests.bridge.streams import run_of
from tests.bridge.web.admin import Person, site

WAITING = 1_000
"""Entries that are still in line."""
DEAD_EVERY = 700
PAGES = (
    "/",
    "/entries",
    "/entries?text=PO-nowhere",
    "/entries?station=nowhere",
    "/entries?text=BOLT&type=receipt&state=posted",
    "/entries/100",
    "/dead-letters",
    "/dead-letters/all?code=unknown_sku&what=discard",
    "/modes",
    "/modes/switch?to=off",
    "/reconciliation",
    "/audit",
    "/unreadable",
    "/test-scan?entry=100",
)
_COPY = """
    INSERT INTO entry (number, stream, seq, id, digest, body, type, station, turns, received_at,
                       state, attempts, document, code, text, decided_at)
    WITH RECURSIVE counted(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM counted WHERE n < :entries)
    SELECT n, stream, n, printf('0190b7a0-0000-7000-8000-%012x', n), digest,
           replace(body, 'DOCK', 'PO-' || n), type, station, turns, received_at,
           iif(n % :dead = 0, 'dead', iif(n > :open, 'received', 'posted')), n <= :open,
           iif(n > :open OR n % :dead = 0, NULL, 'MM-' || n),
           iif(n % :dead = 0, 'unknown_sku', NULL), iif(n % :dead = 0, 'no such item', NULL),
           iif(n > :open AND n % :dead > 0, NULL, received_at)
    FROM counted, entry WHERE number = 1
"""
_ATTEMPTS = """
    INSERT INTO attempt (entry, count, round, began_at, ended_at, outcome, wire)
    SELECT number, 1, number || '.1', received_at, received_at, 'posted', '[["sent", "POST /x"]]'
    FROM entry WHERE state = 'posted'
"""


async def fill(folder: Path, entries: int) -> None:
    """Make a ledger in `folder` with that many entries, most of them booked."""
    async with open_ledger(f"sqlite+aiosqlite:///{folder / 'ledger.db'}") as ledger:
        await ledger.apply(run_of(1, 1))
    with closing(sqlite3.connect(folder / "ledger.db")) as file:
        file.execute(_COPY, {"entries": entries, "open": entries - WAITING, "dead": DEAD_EVERY})
        file.execute(_ATTEMPTS)
        file.execute("UPDATE stream SET upto = ?", (entries,))
        file.commit()


async def measure(person: Person, path: str) -> dict[str, float]:
    """Return how long a page takes."""
    whole: list[float] = []
    work: list[float] = []
    for _ in range(8):
        began, worked = time.perf_counter(), time.process_time()
        await person.get(path)
        assert person.status == 200, path
        whole.append(1_000 * (time.perf_counter() - began))
        work.append(1_000 * (time.process_time() - worked))
    return {
        "first_ms": round(whole[0]),
        "ms": round(median(whole[1:])),
        "cpu_ms": round(median(work[1:])),
    }


async def measured(folder: Path, entries: int) -> dict[str, dict[str, float]]:
    """Return how long each page takes over so many entries."""
    await fill(folder, entries)
    async with site(folder) as admin, admin.person("anna") as anna:
        return {path: await measure(anna, path) for path in PAGES}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=200_000)
    entries = parser.parse_args().entries
    with tempfile.TemporaryDirectory() as folder:
        pages = asyncio.run(measured(Path(folder), entries))
    slowest = max(pages, key=lambda path: pages[path]["ms"])
    print(json.dumps({"entries": entries, "slowest": slowest, "pages": pages}))


if __name__ == "__main__":
    main()
