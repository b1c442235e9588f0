"""The bridge's ledger and dispatcher, killed by SIGKILL at random points with a fast target.

    python -m tests.journeys.bridge_kills FOLDER SEED KILLS

A nursery imports everything once and forks: each life is a real process with a ledger, a gateway
that sends (repeats, overlaps and gaps included) and a target that keeps a book. The book has no key
of its own: whoever sends twice without asking books twice. Prints one line of JSON at the end.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

from bridge.connector import Connector
from bridge.dispatcher import Dispatcher
from bridge.ledger import Ledger, open_ledger
from bridge.metrics import Metrics
from bridge.outcome import Outcome, Posted, TryLater, Unknown
from contract.transactions import Transaction
from tests.bridge.streams import EPOCH, envelope, name, receipt, transaction

DOCUMENTS = 7
AHEAD = 150
"""Undecided entries at which the gateway waits: there is always work, and the end comes soon."""
DRAIN_WITHIN = 300.0


class Book:
    """A target that forgets nothing once it is written, and has no key."""

    settle = 0.005

    def __init__(self, path: Path, dice: random.Random) -> None:
        self._path = path
        self._dice = dice
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    async def deliver(self, transaction: Transaction, *, again: bool) -> Outcome:
        line = f"{transaction.id}\n".encode()
        if again and line in self._path.read_bytes():
            return Posted("found")
        fate = self._dice.random()
        if fate < 0.03:
            return TryLater("busy", after=0.001)
        if self._dice.random() < 0.3:
            await asyncio.sleep(0.002)  # a kill may come here ...
        os.write(self._file, line)
        if self._dice.random() < 0.3:
            await asyncio.sleep(0.002)  # ... or here
        return Unknown("the answer was lost") if fate > 0.95 else Posted("written")


async def live(folder: Path, seed: int, feeding: bool) -> None:
    """Be a bridge until killed; where nothing is fed, until nothing is left to do."""
    dice = random.Random(seed)
    book = Book(folder / "book", dice)

    @contextlib.asynccontextmanager
    async def connect() -> AsyncIterator[Connector]:
        yield book

    async with open_ledger(f"sqlite+aiosqlite:///{folder / 'ledger.db'}") as ledger:
        dispatcher = Dispatcher(ledger, connect, metrics=Metrics())
        work = asyncio.create_task(dispatcher.run())
        if feeding:
            await feed(ledger, folder, dice)
        async with asyncio.timeout(DRAIN_WITHIN):
            while await ledger.undecided(0, 1):
                await asyncio.sleep(0.02)
        work.cancel()
        await asyncio.wait([work])


def row(seq: int) -> Transaction:
    """Return the transaction of a seq: the same in every life."""
    return transaction(seq, receipt(f"PO-{seq % DOCUMENTS}"), id=name(seq))


async def feed(ledger: Ledger, folder: Path, dice: random.Random) -> None:
    """Be a gateway: send on from the last word, sometimes too much, twice, or out of order."""
    told = os.open(folder / "told", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    upto = 0
    [ack] = await ledger.apply(envelope(1, [row(1)]))
    while True:
        upto = max(upto, ack.upto)
        os.write(told, f"{upto}\n".encode())
        if len(await ledger.undecided(0, AHEAD)) >= AHEAD:
            await asyncio.sleep(0.01)
            continue
        first = max(1, upto + 1 - dice.choice((0, 0, 0, 5)) + dice.choice((0, 0, 0, 3)))
        last = first + dice.randint(0, 15)
        [ack] = await ledger.apply(envelope(first, [row(seq) for seq in range(first, last + 1)]))


def fork(folder: Path, seed: int, feeding: bool) -> int:
    """Begin a life, and return its process id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        asyncio.run(live(folder, seed, feeding))
        code = 0
    finally:
        os._exit(code)


def let_live(child: int, seconds: float) -> None:
    """Return when a life has lasted that long, without the time it waited for a processor."""
    queue = Path(f"/proc/{child}/schedstat")
    began = time.monotonic()
    lived = 0.0
    while lived < seconds:
        time.sleep(min(0.005, seconds - lived))
        queued = int(queue.read_text().split()[1]) / 1e9
        lived = time.monotonic() - began - queued


def main(folder: Path, seed: int, kills: int) -> dict[str, int]:
    """Kill `kills` lives, let one finish, and say what is in the book."""
    dice = random.Random(seed)
    for life in range(kills):
        child = fork(folder, seed * 1_000_000 + life, feeding=True)
        # Mostly soon, when it has most to make good; now and then late.
        let_live(child, dice.choice((dice.uniform(0.0, 0.15), dice.uniform(0.1, 0.4))))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    _, status = os.waitpid(fork(folder, seed, feeding=False), 0)
    return asyncio.run(audit(folder)) | {"kills": kills, "drained": int(status == 0)}


async def audit(folder: Path) -> dict[str, int]:
    """Hold the book against the ledger."""
    written = (folder / "book").read_text("ascii").split()
    seqs = {str(name(seq)): seq for seq in range(1, 200_000)}
    told = max(map(int, (folder / "told").read_text("ascii").split()))
    async with open_ledger(f"sqlite+aiosqlite:///{folder / 'ledger.db'}") as ledger:
        upto = (await ledger.word("dock-1", EPOCH)).ack.upto
        trail = await ledger.verify()
    times = Counter(seqs[each] for each in written)
    out_of_order = 0
    newest: dict[int, int] = {}
    for seq in (seqs[each] for each in written):
        document = seq % DOCUMENTS
        out_of_order += seq < newest.get(document, 0)
        newest[document] = max(seq, newest.get(document, 0))
    return {
        "transactions": upto,
        "effects": len(written),
        "lost": max(0, told - upto) + sum(seq not in times for seq in range(1, upto + 1)),
        "duplicated": sum(count - 1 for count in times.values()),
        "out_of_order": out_of_order,
        "trail_whole": int(trail.whole),
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
