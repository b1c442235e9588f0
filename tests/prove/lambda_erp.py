"""500 transactions into a real lambda-erp, with 30 SIGKILLs and 10 % of the answers lost.

    python -m tests.prove.lambda_erp [--seed N] [--transactions N] [--kills N]

Starts from nothing, and ends with one line of JSON. What is in it was read from lambda-erp's own
database, with no code of the connector's:

- `effects`: transactions that moved stock exactly as often as they must: once, or there and back
  where they were reversed;
- `duplicates`, `lost`: effects too many, and too few;
- `orphans`: drafts that were left behind, and vouchers that no transaction accounts for;
- `totals_equal`: stock by item and place, and what orders say came and went, add up to the piece.
"""

import argparse
import asyncio
import json
import logging
import random
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from contract.transactions import (
    Count,
    Event,
    Package,
    Receipt,
    Reversal,
    Shipment,
    Transaction,
)
from contract.values import Document, Item, Line, Quantity
from runtime.clock import Clock
from tests.bridge.goods import COUNTED, clerk, event_of, some
from tests.fakes.vendor import Faults
from tests.lambda_erp.books import drafts, moved, on_hand, postings, taken_back
from tests.lambda_erp.house import ORDERS, PLACES, Company
from tests.lambda_erp.server import Server, build, target
from tests.prove.relay import Relay
from tests.prove.shift import transaction, work

STATIONS: Mapping[str, tuple[str, ...]] = {
    "dock": ("receipt", "putaway", "return", "receipt", "reversal"),
    "packing": ("pick", "shipment", "transfer", "shipment", "reversal"),
    "stock": ("count", "adjustment", "assembly", "transfer", "reversal"),
}
"""What each of the three does, in turn."""
LOST = 0.1
MORE = "[target.http]\ntimeout = 10\nsettle = 0.2\n[reconciliation]\nsettle = 0\n"


def planned(company: Company, count: int, seed: int) -> dict[str, list[Transaction]]:
    """Return what each station books."""
    clock = Clock()
    streams = {}
    for place, (name, kinds) in enumerate(STATIONS.items()):
        rng = random.Random(f"{seed}/{name}")
        mine = count // len(STATIONS) + (place < count % len(STATIONS))
        stream: list[Transaction] = []
        free: list[Transaction] = []
        for number in range(mine):
            event = _event(kinds[number % len(kinds)], number, company, rng, free)
            made = transaction(name, rng, event, clock)
            stream.append(made)
            if not isinstance(event, Reversal | Count):
                free.append(made)
        streams[name] = stream
    return streams


def _event(
    kind: str, number: int, company: Company, rng: random.Random, free: list[Transaction]
) -> Event:
    order = company.of(rng.choice(ORDERS))
    match kind:
        case "reversal":
            undone = free.pop(rng.randrange(len(free)))
            return Reversal(reverses=undone.id, reason="mistake")
        case "receipt":
            documents = rng.choice([(), (Document(kind="po", number=order),)])
            return Receipt(lines=some(rng), documents=documents, to_location=rng.choice(PLACES))
        case "shipment":
            sold = (Document(kind="so", number=company.of(f"S{rng.choice(ORDERS)}")),)
            parcel = Package(tracking=f"1Z{rng.randrange(10**10)}")
            return Shipment(packages=(parcel,), lines=some(rng), documents=sold)
        case "count":
            found = Quantity(value=Decimal(50 + number % 100))  # never as many as the time before
            return Count(lines=(Line(item=Item(sku=COUNTED), quantity=found),), location="B-01")
    return event_of(kind, rng)


def audit(server: Server, company: Company, given: Iterable[Transaction]) -> dict[str, Any]:
    """Hold the database against what was booked."""
    given = list(given)
    undone = {each.event.reverses for each in given if isinstance(each.event, Reversal)}
    moves, cancelled = postings(server, company), taken_back(server, company)
    found: Counter[str] = Counter()
    for each in given:
        if isinstance(each.event, Reversal):
            times, must = int(str(each.event.reverses) in cancelled), 1
        else:
            times, must = moves.pop(str(each.id), 0), 1 + (each.id in undone)
        found["effects"] += times == must
        found["duplicates"] += max(0, times - must)
        found["lost"] += max(0, must - times)
    stands = [each for each in given if each.id not in undone]
    totals = (on_hand(server, company), moved(server, company))
    return {
        "transactions": len(given),
        **{name: found[name] for name in ("effects", "duplicates", "lost")},
        "orphans": drafts(server, company) + len(moves),
        "totals_equal": totals == (clerk(stands), ordered(stands)),
    }


def ordered(given: Sequence[Transaction]) -> dict[str, Decimal]:
    """Return the same from the transactions."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for each in given:
        for document, line in _of_orders(each.event):
            sums[f"{line.item.sku} of {document.number}"] += line.quantity.value
    return dict(sums)


def _of_orders(event: Event) -> Iterator[tuple[Document, Line]]:
    if isinstance(event, Receipt | Shipment):
        for document in event.documents:
            for line in event.lines:
                yield document, line


def reconciled(folder: Path) -> int:
    """Return what the bridge's own reconciliation finds: no proof, but it must agree."""
    command = [sys.executable, "-m", "scanpost", "bridge", "reconcile", "--json"]
    done = subprocess.run(
        [*command, "--config", str(folder / "bridge.toml")],
        stdout=subprocess.PIPE,
        timeout=120,
        check=False,  # it says by its exit code that there are findings
    )
    said = json.loads(done.stdout)
    return int(said["open"]) + len(said["round"]["errors"])


async def prove(folder: Path, seed: int, count: int, kills: int) -> dict[str, Any]:
    """Play the shift, and return what is found afterwards."""
    server = Server(await asyncio.to_thread(build), folder)
    await asyncio.to_thread(server.start)
    try:
        company = await asyncio.to_thread(server.company)
        streams = planned(company, count, seed)
        async with Relay(server.url, Faults(seed=seed, lost=LOST)).serving() as relay:
            table = target(server, company, folder / "key", url=relay.url) + MORE
            report = await work(folder, table, streams, server, kills=kills, seed=seed)
            given = [each for stream in streams.values() for each in stream]
            found = await asyncio.to_thread(audit, server, company, given)
            return found | {
                "findings": await asyncio.to_thread(reconciled, folder),
                "kills": dict(report.kills),
                "answers_lost": relay.faults.seen["lost"],
                "rejected": report.rejected,
                "seconds": report.seconds,
                "seed": seed,
            }
    finally:
        await asyncio.to_thread(server.stop)


def main() -> int:
    """Prove it, and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--transactions", type=int, default=500)
    parser.add_argument("--kills", type=int, default=30)
    given = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)  # that bridges die is what it is about
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(prove(Path(folder), given.seed, given.transactions, given.kills))
    sys.stdout.write(json.dumps(found) + "\n")
    wrong = (found["duplicates"], found["lost"], found["orphans"], len(found["rejected"]))
    return int(wrong != (0, 0, 0, 0) or not found["totals_equal"])


if __name__ == "__main__":
    sys.exit(main())
