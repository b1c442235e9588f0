"""Where is my scan: how far each transaction of this gateway has come, and why no further."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from contract.commands import State
from gateway.forwarder import Forwarder
from gateway.outbox import Outbox

REACH = 20_000
"""Newest rows looked through for an id: the ring and two days of scans that still wait."""
_PAGE = 500  # rows read at once: 0.3 MB, and other readers come in between
_OCTETS = 8_000_000  # bytes of one page at most
_REJECTIONS = 10_000  # newest ones looked at: as many as the ring has rows, if not set otherwise


@dataclass(frozen=True, slots=True)
class Whereabout:
    """One transaction and how far it has come."""

    seq: int
    state: State
    code: str | None
    why: str | None
    """Why it was rejected."""
    transaction: Mapping[str, Any] | None
    """As it was stored; None if it is so old that it is no longer kept."""


class Whereabouts:
    """Looks it up, in the outbox and in what the bridge said."""

    def __init__(self, outbox: Outbox, forwarder: Forwarder) -> None:
        self._outbox = outbox
        self._forwarder = forwarder

    async def recent(self, rows: int) -> list[Whereabout]:
        """Return the newest rows still kept, newest first.

        Raises:
            StoreFailed: the file cannot be read.
        """
        rejected = await self._rejected()
        return [
            self._whereabout(row.seq, row.body, rejected)
            for row in reversed(await self._outbox.newest(rows))
        ]

    async def by_seq(self, seq: int) -> Whereabout | None:
        """Return one of the present stream; None if there never was one.

        Raises:
            StoreFailed: the file cannot be read, or the row is damaged.
        """
        if not 1 <= seq <= self._outbox.standing.last:
            return None
        rows = await self._outbox.after(seq - 1, 1, _OCTETS)
        body = rows[0].body if rows and rows[0].seq == seq else None
        return self._whereabout(seq, body, await self._rejected())

    async def by_id(self, wanted: UUID) -> Whereabout | None:
        """Return the one with that id; None if it is not among the newest `REACH` still kept.

        Raises:
            StoreFailed: the file cannot be read, or a row is damaged.
        """
        mark = f'"id":"{wanted}"'  # as canonical JSON has it; what was scanned may have it too
        end = self._outbox.standing.last
        oldest = max(0, end - REACH)
        while end > oldest:
            start = max(oldest, end - _PAGE)
            rows = await self._outbox.after(start, end - start, _OCTETS)
            for row in rows:
                if mark in row.body and json.loads(row.body).get("id") == str(wanted):
                    return self._whereabout(row.seq, row.body, await self._rejected())
            if not rows or rows[0].seq > start + 1:
                return None  # older ones are no longer kept
            end = start
        return None

    async def _rejected(self) -> dict[int, tuple[str, str]]:
        found = await self._outbox.rejections(_REJECTIONS)
        return {seq: (code, text) for seq, code, text in found}

    def _whereabout(
        self, seq: int, body: str | None, rejected: Mapping[int, tuple[str, str]]
    ) -> Whereabout:
        code, why = rejected.get(seq, (None, None))
        transaction = None if body is None else json.loads(body)
        return Whereabout(seq, self._state(seq, code is not None), code, why, transaction)

    def _state(self, seq: int, rejected: bool) -> State:
        standing = self._outbox.standing
        if rejected:
            return "rejected"
        if seq <= standing.posted:
            return "posted"
        if seq <= standing.upto:
            return "booked"
        return "at broker" if seq <= self._forwarder.at_broker else "saved"
