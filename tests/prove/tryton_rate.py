"""How busy the bridge keeps a real Tryton, beside a bare loop that makes the same calls.

    python -m tests.prove.tryton_rate [--rounds N] [--documents N] [--lines N]

Both move goods by internal shipments of so many lines each, in turns against one Tryton: the bridge
from its ledger, with its look-ups and everything it writes down, and a loop that knows every id
beforehand and calls create, wait, assign_try and do. Prints one line of JSON: lines/s of both, and
their ratio, each the median of the rounds.
"""

import argparse
import asyncio
import base64
import contextlib
import http.client
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

from bridge.connectors import tryton
from bridge.dispatcher import Dispatcher
from bridge.ledger import Ledger, open_ledger
from bridge.metrics import Metrics
from contract.transactions import Transaction, Transfer
from contract.values import Item, Line, Quantity
from tests.bridge.streams import envelope, fresh
from tests.bridge.streams import transaction as transaction_of
from tests.tryton.office import Office, Tryton
from tests.tryton.server import DATABASE, Server, build

PLENTY = 100_000
WITHIN = 600.0
WARMED = 2
"""Documents that are booked before anything is measured."""
SOURCE, TARGET = "A-01-01", "A-01-02"


def _lots(lines: int) -> list[str]:
    return [f"R{number}" for number in range(lines)]


class Bare:
    """A loop that does nothing but call Tryton."""

    def __init__(self, server: Server, office: Office, lines: int) -> None:
        seeded: dict[str, Any] = server.built.seeded
        self._line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        context = base64.urlsafe_b64encode(json.dumps({"company": seeded["company"]}).encode())
        self._headers = {
            "Authorization": f"bearer {seeded['key']}",
            "Content-Type": "application/json",
            "X-Tryton-Context": context.decode(),
        }
        ends = office.ends(SOURCE, TARGET)
        moves = [ends | office.part("serum", lot) | {"quantity": 1.0} for lot in _lots(lines)]
        self._values = {**ends, "moves": [["create", moves]]}

    def close(self) -> None:
        self._line.close()

    def book(self, documents: int) -> float:
        """Return the seconds it takes."""
        began = time.monotonic()
        for number in range(documents):
            values = {**self._values, "reference": f"bare {number}"}
            made = self._call("", values)
            for button in ("wait", "assign_try", "do"):
                made = self._call(f"/{made['id']}/{button}", {})
            assert made["state"] == "done", made
        return time.monotonic() - began

    def _call(self, path: str, values: dict[str, Any]) -> Any:
        url = f"/{DATABASE}/rest/model/stock.shipment.internal{path}?f=number&f=state"
        self._line.request("POST", url, json.dumps(values).encode(), self._headers)
        answer = self._line.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        return json.loads(body)


class Posting:
    """The bridge, from its ledger on."""

    def __init__(self, ledger: Ledger, config: tryton.Config, lines: int) -> None:
        self._ledger = ledger
        self._config = config
        self._lines = lines
        self._epoch = fresh()
        self._last = 0
        self._news = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        dispatcher = Dispatcher(
            self._ledger,
            lambda: tryton.connect(self._config),
            metrics=Metrics(),
            progress=self._progress,
        )
        task = asyncio.create_task(dispatcher.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    def _progress(self, _gateway: str, _epoch: UUID) -> None:
        self._news.set()

    async def book(self, documents: int) -> float:
        """Return the seconds from the transactions' arrival until all are booked."""
        first, self._last = self._last + 1, self._last + documents
        rows = [self._row(seq) for seq in range(first, self._last + 1)]
        began = time.monotonic()
        await self._ledger.apply(envelope(first, rows, epoch=self._epoch))
        async with asyncio.timeout(WITHIN):
            while (await self._ledger.word("dock-1", self._epoch)).ack.posted < self._last:
                self._news.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await self._news.wait()
        return time.monotonic() - began

    def _row(self, seq: int) -> Transaction:
        item = Item(sku="SER-1")
        one = Quantity(value="1")
        goods = tuple(Line(item=item, quantity=one, lot=lot) for lot in _lots(self._lines))
        event = Transfer(from_location=SOURCE, to_location=TARGET, lines=goods)
        return transaction_of(seq, event, id=fresh(), epoch=self._epoch)


async def measure(folder: Path, rounds: int, documents: int, lines: int) -> dict[str, Any]:
    """Let both book in turns, and return how fast they were."""
    server = Server(await asyncio.to_thread(build), folder)
    await asyncio.to_thread(server.start)
    try:
        office = Office(server)
        for lot in _lots(lines):
            await asyncio.to_thread(office.put, "serum", SOURCE, PLENTY, lot)
        config = tryton.Config.model_validate(Tryton(server).settings())
        url = f"sqlite+aiosqlite:///{folder / 'ledger.db'}"
        with contextlib.closing(Bare(server, office, lines)) as bare:
            async with open_ledger(url) as ledger:
                posting = Posting(ledger, config, lines)
                async with posting.running():
                    await posting.book(WARMED)
                    await asyncio.to_thread(bare.book, WARMED)
                    found = [await _turn(posting, bare, documents, turn) for turn in range(rounds)]
        many = documents * lines
        return {
            "lines_per_s": round(statistics.median(many / ours for ours, _ in found), 1),
            "bare_lines_per_s": round(statistics.median(many / theirs for _, theirs in found), 1),
            "ratio": round(statistics.median(theirs / ours for ours, theirs in found), 3),
            "rounds": rounds,
            "documents": documents,
            "lines": lines,
        }
    finally:
        await asyncio.to_thread(server.stop)


async def _turn(posting: Posting, bare: Bare, documents: int, turn: int) -> tuple[float, float]:
    """Return both times; who begins changes from round to round."""
    if turn % 2:
        theirs = await asyncio.to_thread(bare.book, documents)
        return await posting.book(documents), theirs
    ours = await posting.book(documents)
    return ours, await asyncio.to_thread(bare.book, documents)


def main() -> int:
    """Measure it, and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--documents", type=int, default=10, help="of each round")
    parser.add_argument("--lines", type=int, default=10, help="of each document")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(Path(folder), given.rounds, given.documents, given.lines))
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
