"""What goes to the disk in one statement: the puts that came together, and its SQL."""

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contract.canonical import digest
from gateway.rows import Row, Standing, stream_digest

Write = Callable[[uuid.UUID, int], str]
"""Writes the body of one row, given the epoch and the seq it gets."""


@dataclass(slots=True, eq=False)
class Put:
    """One call of `Outbox.put` on its way to the disk."""

    writes: Sequence[Write]
    sessions: Sequence[tuple[str, str]]
    done: asyncio.Future[list[Row]]
    late_at: float
    """Loop time at which its caller is told that the disk does not answer."""
    rows: list[Row] = field(default_factory=list)

    def fail(self, error: Exception) -> None:
        """Tell the caller, unless it was told something before."""
        if not self.done.done():
            self.done.set_exception(error)
            self.done.exception()  # a caller that has gone away need not look


@dataclass(slots=True, eq=False)
class Group:
    """What goes to the disk in one statement."""

    puts: Sequence[Put]
    rows: Sequence[Row]
    sessions: Mapping[str, str]
    word: Standing | None
    """What the bridge said last, where it is time to write that down."""
    withdrawn: bool = False

    def statement(self) -> tuple[str, list[Any]]:
        """Return the SQL, and the values of its placeholders."""
        if not self.sessions and self.word is None:
            return (
                f"INSERT INTO outbox (seq, body, digest) VALUES {places(THREE, self.rows)}",  # noqa: S608
                [part for row in self.rows for part in (row.seq, row.body, octets(row))],
            )
        values = [(row.seq, None, row.body, octets(row), *_FOUR) for row in self.rows]
        values += [session_row(*each) for each in self.sessions.items()]
        values += [word_row(self.word)] if self.word else []
        return into_intake(values)


@dataclass(frozen=True, slots=True, eq=False)
class Failed:
    """A group that was not stored, or must not be. `error`: what the disk said, if it did."""

    group: Group
    error: Exception | None


THREE = "(?,?,?)"
"""Placeholders of a row of three values."""
_EIGHT = "(?,?,?,?,?,?,?,?)"  # the columns of the view `intake`
_FOUR = (None, None, None, None)


def places(one: str, rows: Sequence[object]) -> str:
    """Return the placeholders of so many rows, each like `one`."""
    return one if len(rows) == 1 else ",".join([one] * len(rows))


def octets(row: Row) -> bytes:
    """Return a row's digest as it is stored."""
    return bytes.fromhex(row.digest)


def into_intake(values: Sequence[tuple[Any, ...]]) -> tuple[str, list[Any]]:
    """Return the SQL that writes rows of the view `intake`, which knows what goes where."""
    return (
        f"INSERT INTO intake VALUES {places(_EIGHT, values)}",  # noqa: S608
        [part for row in values for part in row],
    )


def session_row(station: str, text: str) -> tuple[Any, ...]:
    """Return where a station stands as a row of `intake`."""
    return (None, station, text, bytes.fromhex(digest(text)), *_FOUR)


def word_row(word: Standing) -> tuple[Any, ...]:
    """Return what the bridge said last as a row of `intake`."""
    mark = stream_digest(str(word.epoch), word.upto, word.posted, word.conflict)
    return (None, None, None, mark, word.upto, word.posted, word.conflict, None)
