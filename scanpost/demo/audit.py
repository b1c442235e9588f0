"""Holds what operators were told against ledger and books, and counts what does not agree.

Reads the files of outbox, ledger and books by itself, without a line of the code that wrote them.
"""

import asyncio
import contextlib
import itertools
import json
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scanpost.demo.operator import Offer
from scanpost.demo.stack import Stack


@dataclass(frozen=True, slots=True)
class Books:
    """What ledger and books hold."""

    entries: tuple[tuple[int, str, str, str], ...]
    """Of the ledger, in its order: (seq, transaction id, state, body)."""
    postings: tuple[str, ...]
    """Transaction ids in the order they were booked at the ERP."""


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a session."""

    offered: int
    ok: int
    booked: int
    posted: int
    lost: int
    duplicated: int
    order_violations: int
    p50_ms: float | None
    p95_ms: float | None
    notes: list[str] = field(default_factory=list)


def read_books(stack: Stack) -> Books:
    """Read ledger and books as they are on disk now."""
    entries = _query(stack.ledger, "SELECT seq, id, state, body FROM entry ORDER BY number")
    postings = _query(stack.books, "SELECT transaction_id FROM postings ORDER BY rowid")
    return Books(
        tuple((int(seq), str(id_), str(state), str(body)) for seq, id_, state, body in entries),
        tuple(str(id_) for (id_,) in postings),
    )


def _query(file: Path, statement: str) -> list[tuple[Any, ...]]:
    if not file.exists():
        return []
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        try:
            return database.execute(statement).fetchall()
        except sqlite3.OperationalError:
            return []  # not made yet


async def drained(stack: Stack, within: float) -> bool:
    """Wait until every row the operators know of is in ledger and books."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            while True:
                books = await asyncio.to_thread(read_books, stack)
                decided = {id_ for _, id_, state, _ in books.entries if state in {"posted", "dead"}}
                if stack.feed.saved.keys() <= decided and len(decided) == len(books.entries):
                    return True
                await asyncio.sleep(0.1)
    return False


def audit(saved: dict[str, int], offers: list[Offer], books: Books) -> Report:
    """Compare.

    Args:
        saved: what operators were told is saved: transaction id to seq.
        offers: what operators did.
        books: what ledger and books hold.
    """
    notes: list[str] = []
    ids = Counter(id_ for _, id_, _, _ in books.entries)
    postings = Counter(books.postings)
    refused = {id_ for _, id_, state, _ in books.entries if state == "dead"}
    lost = [id_ for id_ in saved if id_ not in ids or (id_ not in postings and id_ not in refused)]
    twice = [id_ for id_, count in ids.items() if count > 1]
    twice += [id_ for id_, count in postings.items() if count > 1]
    scanned = Counter(mark for _, _, _, body in books.entries for mark in _marks(json.loads(body)))
    twice += [mark for mark, count in scanned.items() if count > 1]
    unasked = [id_ for id_ in ids if id_ not in saved]
    notes += [f"lost: {id_}" for id_ in lost] + [f"twice: {mark}" for mark in twice]
    notes += [f"in the ledger, but nobody was told: {id_}" for id_ in unasked]
    times = sorted(offer.seconds * 1000 for offer in offers if offer.seconds is not None)
    return Report(
        offered=len(offers),
        ok=len(saved),
        booked=len(ids),
        posted=len(postings),
        lost=len(lost),
        duplicated=len(twice),
        order_violations=_disorder(offers, saved, books),
        p50_ms=_percentile(times, 0.50),
        p95_ms=_percentile(times, 0.95),
        notes=notes,
    )


def _marks(transaction: dict[str, Any]) -> list[str]:
    """Serial numbers in a transaction: each stands on one label, and was scanned once."""
    event = transaction["event"]
    serials = [line.get("serial") for line in event.get("lines", ())] + [event.get("serial")]
    return [serial for serial in serials if serial]


def _disorder(offers: list[Offer], saved: dict[str, int], books: Books) -> int:
    """Count pairs out of order: scans against seq, ledger against seq, books against ledger."""
    seqs = [seq for seq, _, _, _ in books.entries]
    count = sum(1 for a, b in itertools.pairwise(seqs) if b != a + 1)
    for station in {offer.station for offer in offers}:
        told = [
            saved[id_]
            for offer in offers
            if offer.station == station and offer.told is not None
            for id_, _ in offer.told.booked
        ]
        count += sum(1 for a, b in itertools.pairwise(told) if b <= a)
    place = {id_: seq for seq, id_, _, _ in books.entries}
    documents: dict[str, list[int]] = {}
    bodies = {id_: json.loads(body) for _, id_, _, body in books.entries}
    for id_ in books.postings:
        for document in bodies.get(id_, {}).get("event", {}).get("documents", ()):
            documents.setdefault(document["number"], []).append(place[id_])
    for order in documents.values():
        count += sum(1 for a, b in itertools.pairwise(order) if b <= a)
    return count


def _percentile(times: list[float], share: float) -> float | None:
    """Return the nearest-rank percentile in milliseconds; None without a measurement."""
    if not times:
        return None
    return round(times[min(len(times) - 1, int(len(times) * share))], 2)
