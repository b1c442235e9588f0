"""Sixteen ways to break the promise, each as a small change of the source.

They are the mistakes that store-and-forward systems really made, or that were made while this one
was thought out. A test suite that lets one of them pass proves nothing of the others.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """In `file`, `now` becomes `then`; `now` stands there exactly once."""

    file: str
    now: str
    then: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mistake. `caught_by` is the quickest that finds it: arguments of pytest or of worlds."""

    name: str
    changes: tuple[Change, ...]
    caught_by: str


_FILES = "tests/models/test_promises_of_the_files.py"

MUTANTS = (
    Mutant(
        "the store does not flush (synchronous=OFF)",
        (
            Change("runtime/sqlite.py", "PRAGMA synchronous = FULL", "PRAGMA synchronous = OFF"),
            Change("runtime/sqlite.py", '"synchronous") != 2', '"synchronous") != 0'),
        ),
        _FILES,
    ),
    Mutant(
        "the store flushes now and then (synchronous=NORMAL)",
        (
            Change("runtime/sqlite.py", "PRAGMA synchronous = FULL", "PRAGMA synchronous = NORMAL"),
            Change("runtime/sqlite.py", '"synchronous") != 2', '"synchronous") != 1'),
        ),
        _FILES,
    ),
    Mutant(
        "the store keeps a rollback journal (journal_mode=DELETE)",
        (
            Change(
                "runtime/sqlite.py", "PRAGMA journal_mode = WAL", "PRAGMA journal_mode = DELETE"
            ),
            Change("runtime/sqlite.py", '"journal_mode") != "wal"', '"journal_mode") != "delete"'),
        ),
        _FILES,
    ),
    Mutant(
        "OK before the commit",
        (
            Change(
                "gateway/bench.py",
                "booked = iter(await self._store(prepared, before))",
                "booked = iter([Booked(1, p.id, p.event, p.wall) for p in prepared])\n"
                "                self._late = asyncio.ensure_future(self._store(prepared, before))",
            ),
        ),
        "tests/gateway/test_bench.py -k only_when_the_row_is_on_disk",
    ),
    Mutant(
        "OK although the store failed",
        (
            Change(
                "gateway/bench.py",
                'return [None if outcome is None else "bad" for outcome in taken]',
                'return [None if outcome is None else "good" for outcome in taken]',
            ),
        ),
        "tests/gateway/test_feedback.py -k not_saved_is_bad",
    ),
    Mutant(
        "a row is done when the broker has it",
        (
            Change(
                "gateway/forwarder.py",
                "self.at_broker = max(self.at_broker, last)",
                "self.at_broker = max(self.at_broker, last)\n"
                "            self._outbox.confirm("
                "Ack(epoch=self._outbox.standing.epoch, upto=last))",
            ),
        ),
        "tests/gateway/test_forwarder.py -k a_lost_ack_heals_itself",
    ),
    Mutant(
        "a row is done before it is sent",
        (
            Change(
                "gateway/forwarder.py",
                "        line.connection.send(self._tx, envelope.encode(), told)",
                "        self._outbox.confirm(\n"
                "            Ack(epoch=self._outbox.standing.epoch, upto=rows[-1].seq)\n"
                "        )\n"
                "        line.connection.send(self._tx, envelope.encode(), told)",
            ),
        ),
        "tests/gateway/test_forwarder.py -k rows_arrive_once",
    ),
    Mutant(
        "the bridge does not look whether it has a row",
        (
            Change(
                "bridge/intake.py",
                "fresh = [row for row in found if row.seq > self._upto]",
                "fresh = list(found)",
            ),
            Change(
                "bridge/intake.py",
                "if fresh[0].seq == self._upto + 1:",
                "if fresh[0].seq <= self._upto + 1:",
            ),
        ),
        "tests/bridge/test_ledger.py -k a_repeat_changes_nothing",
    ),
    Mutant(
        "an effect without an intent written down before",
        (
            Change(
                "bridge/posting.py",
                '.values(state="sending", attempts',
                '.values(state="received", attempts',
            ),
        ),
        "tests/bridge/test_dispatcher.py -k crash_during",
    ),
    Mutant(
        "nobody asks the ERP about what is ambiguous",
        (
            Change(
                "bridge/delivering.py",
                "again = any(one.attempt.again for one in ready)",
                "again = False",
            ),
        ),
        "tests/bridge/test_dispatcher.py -k unknown_is_looked_up",
    ),
    Mutant(
        "a turn is over when it has begun",
        (
            Change(
                "bridge/turns.py",
                "all(other in batch for other in",
                "all(other in batch or self._due[other] for other in",
            ),
        ),
        "tests/bridge/test_turns.py",
    ),
    Mutant(
        "the bridge's word runs over a hole",
        (Change("bridge/intake.py", "if fresh[0].seq == self._upto + 1:", "if fresh:"),),
        "tests/bridge/test_ledger.py -k rows_beyond_a_gap_wait",
    ),
    Mutant(
        "the bridge's word is one too far",
        (Change("bridge/streams.py", "upto=mine.upto,", "upto=mine.upto + 1,"),),
        "tests/bridge/test_ledger.py -k rows_in_order_are_applied",
    ),
    Mutant(
        "numbers are given again when all rows are gone",
        (
            Change(
                "gateway/outbox.py",
                "max(upto, coalesce((SELECT max(seq) FROM outbox), 0))",
                "coalesce((SELECT max(seq) FROM outbox), 0)",
            ),
        ),
        "tests/gateway/test_outbox.py -k never_used_again",
    ),
    Mutant(
        "a new store goes on with an old epoch",
        (
            Change(
                "gateway/outbox.py", "epoch = str(uuid.uuid4())", "epoch = str(uuid.UUID(int=1))"
            ),
        ),
        "tests/gateway/test_outbox.py -k new_epoch",
    ),
    Mutant(
        "the same number with other content counts as a repeat",
        (
            Change(
                "bridge/intake.py",
                "elif digest != row.digest and row.seq > self._forgiven:",
                "elif False:",
            ),
        ),
        "tests/bridge/test_ledger.py -k conflict",
    ),
)


def changed(text: str, change: Change) -> str:
    """Return `text` with one change made.

    Raises:
        ValueError: the place is not there, or not once: the mutant must follow the code.
    """
    if (count := text.count(change.now)) != 1:
        raise ValueError(f"{change.file}: {count} places for {change.now!r}, not 1")
    return text.replace(change.now, change.then)
