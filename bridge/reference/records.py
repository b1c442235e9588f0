"""Records as JSON text: what is compared, stored and put into pages as it is."""

from contract.reference import Record, record_adapter

MAX_RECORD = 56_000
"""Bytes of one record: a page of 64,000 holds it, with room for what the ledger adds to `done`."""
ROOM = 24
"""Bytes a line may grow by when it is counted: `,"done":"..."` of some figures."""


def text_of(record: Record) -> str:
    """Return a record without what it does not say; the same record is always the same text.

    >>> from contract.reference import LocationRecord
    >>> text_of(LocationRecord(name="A-1"))
    '{"kind":"location","name":"A-1"}'
    """
    said = record.model_dump_json(exclude_defaults=True)
    return f'{{"kind":"{record.kind}",{said[1:]}'


def record_of(text: str) -> Record:
    """Return the record of a text."""
    return record_adapter.validate_json(text)


def too_large(record: Record, text: str) -> bool:
    """Whether a record fits no page, or will not when all its lines are counted."""
    lines = len(getattr(record, "lines", ()))
    return len(text.encode()) + ROOM * lines > MAX_RECORD
