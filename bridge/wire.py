r"""What went over the wire for one delivery, for the audit trail and the admin page.

A connector says `sent` and `heard`; whoever delivers opens a `recording`. Outside of one nothing
is kept. The record follows the task that delivers, so deliveries side by side do not mix.

>>> with recording() as notes:
...     sent("POST /orders", "{}")
...     heard("201 Created", '{"id": 7}')
>>> [note.text for note in notes]
['POST /orders\n{}', '201 Created\n{"id": 7}']
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

MAX_NOTES = 64
"""Notes of one delivery: a document takes some ten calls. Later ones are counted, not kept."""
MAX_TEXT = 16_384
"""Characters of one note; the rest is cut, and the cut says so."""


@dataclass(frozen=True, slots=True)
class Note:
    """One message, as far as it fits. Connectors leave secrets out."""

    way: Literal["sent", "heard"]
    text: str


@dataclass
class Calls:
    """How many requests were made, kept or not."""

    sent: int = 0


_notes: ContextVar[list[Note] | None] = ContextVar("notes", default=None)
_calls: ContextVar[Calls | None] = ContextVar("calls", default=None)


@contextmanager
def recording() -> Iterator[list[Note]]:
    """Keep what is said inside, in order, and yield it."""
    notes: list[Note] = []
    token = _notes.set(notes)
    try:
        yield notes
    finally:
        _notes.reset(token)


@contextmanager
def counting() -> Iterator[Calls]:
    """Count the requests that are made inside; the innermost one counts."""
    calls = Calls()
    token = _calls.set(calls)
    try:
        yield calls
    finally:
        _calls.reset(token)


def sent(head: str, body: str = "") -> None:
    """Say what is about to be sent: a request line or statement, and its body."""
    calls = _calls.get()
    if calls is not None:
        calls.sent += 1
    _note("sent", head, body)


def heard(head: str, body: str = "") -> None:
    """Say what was answered."""
    _note("heard", head, body)


def _note(way: Literal["sent", "heard"], head: str, body: str) -> None:
    notes = _notes.get()
    if notes is None or len(notes) > MAX_NOTES:
        return
    if len(notes) == MAX_NOTES:
        notes.append(Note(way, "more was said; it is not kept"))
        return
    text = f"{head}\n{body}" if body else head
    if len(text) > MAX_TEXT:
        text = f"{text[:MAX_TEXT]}\n[cut: {len(text)} characters in all]"
    notes.append(Note(way, text))
