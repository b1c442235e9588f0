"""Takes up the shift after a start: where each station stood, what was moved, what was lost."""

import logging
from collections.abc import Sequence

from pydantic import ValidationError

from contract.transactions import Transaction
from gateway.bench import Bench
from gateway.book import Book
from gateway.movements import MAX_KEPT
from gateway.outbox import Outbox
from gateway.phrases import say
from gateway.signals import Signals
from gateway.stations.job import Signal
from runtime.logs import event

log = logging.getLogger(__name__)

_RESUMED = 500  # newest rows looked through for what each station did last
_COUNTED_AGAIN = 5_000  # rows counted again at least: serial numbers, what the copy leaves out


async def resume(benches: Sequence[Bench], outbox: Outbox, book: Book, includes: int) -> None:
    """Read what was recorded last, and have each bench go on from it.

    Args:
        benches: all there are.
        outbox: open.
        book: what was moved is counted again in it.
        includes: seq to which the reference copy has counted it.

    Raises:
        StoreFailed: the disk does not give it.
    """
    standing = outbox.standing
    rows = await outbox.newest(min(MAX_KEPT, max(_COUNTED_AGAIN, standing.last - includes)))
    if unread := book.movements.recount([(row.seq, row.body) for row in rows], includes):
        event(log, logging.WARNING, "rows that are not counted", seqs=unread[:10])
    newest = []
    for row in rows[-_RESUMED:]:
        try:
            newest.append(Transaction.model_validate_json(row.body))
        except ValidationError:
            # Of another version: the bridge will judge it. The shift goes on without.
            event(log, logging.WARNING, "a stored row cannot be read", seq=row.seq)
    stood = await outbox.sessions()
    for bench in benches:
        name = bench.station.name
        bench.resume([each for each in newest if each.station == name], stood.get(name))


def say_what_ended(outbox: Outbox, signals: Signals, benches: Sequence[Bench]) -> None:
    """Tell every station of a damaged store, until a person has seen to it."""
    ended = outbox.unseen
    if ended is None or ended.cause != "damage":
        return
    text = say("The store was damaged: {taken} scans were saved", taken=ended.taken)
    todo = say("Go on. Support looks into what happened.")
    if ended.lost:
        text = say(
            "The store was damaged: {lost} scans are lost, {taken} were saved",
            lost=ended.lost,
            taken=ended.taken,
        )
        todo = say("Call support before you go on: what was scanned last must be checked.")
    for bench in benches:
        signals.tell(
            bench.station.name, Signal("not_ok" if ended.lost else "attention", text, todo)
        )
