"""What lies in the outbox, and how to tell that it is what was put there.

A digest lies beside every row, every session and the watermark. SQLite itself notices one flipped
bit in eight (70 of 600, measured); the digest notices all that matter.
"""

import uuid
from dataclasses import dataclass
from typing import Any

from contract.canonical import digest
from gateway.errors import StoreDamaged

SELECT_ROWS = "SELECT seq, CAST(body AS BLOB), digest FROM outbox"
"""As bytes: a damaged text need not be a text any more."""


@dataclass(frozen=True, slots=True)
class Row:
    """One stored transaction."""

    seq: int
    body: str
    digest: str
    """SHA-256 of the body, as `contract.canonical.digest` gives it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the stream has come."""

    epoch: uuid.UUID
    last: int
    """Seq of the newest row; 0 if there never was one."""
    upto: int
    """The bridge's ledger has every row to here."""
    posted: int
    """The ERP has taken or refused every row to here."""
    conflict: int | None
    """Seq the bridge got twice with different content."""

    @property
    def waiting(self) -> int:
        """Rows the bridge has not confirmed."""
        return self.last - self.upto


def seal_row(seq: int, body: str) -> Row:
    """Return a row about to be stored, with its digest."""
    return Row(seq, body, digest(body))


def intact(body: Any, stored: Any) -> str | None:
    """Return `body` as text if it is what `stored` was made of, else None.

    Args:
        body: bytes as they lie on disk; anything, where they are damaged.
        stored: the digest beside it, 32 bytes.
    """
    if not isinstance(body, bytes) or not isinstance(stored, bytes):
        return None
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if digest(text) == stored.hex() else None


def read_row(seq: int, body: Any, stored: Any) -> Row:
    """Return a row read from disk.

    Raises:
        StoreDamaged: it is not what was stored.
    """
    text = intact(body, stored)
    if text is None:
        raise StoreDamaged(f"row {seq} is not what was stored")
    return Row(seq, text, stored.hex())


def stream_digest(epoch: str, upto: int, posted: int, conflict: int | None) -> bytes:
    """Return the digest of the row that says how far the stream has come."""
    return bytes.fromhex(digest(f"{epoch} {upto} {posted} {conflict or ''}"))
