"""Gives a station's events their id, place, time and evidence, and puts them in the outbox."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import uuid6

from contract.body import clock_text, write_body
from contract.envelope import MAX_ROW
from contract.transactions import Event
from contract.values import Evidence
from gateway.group import Write
from gateway.outbox import Outbox
from runtime.clock import Clock

_EPOCH_AND_SEQ = 36 + 16  # bytes of a UUID, and of the largest seq


class TooLarge(ValueError):
    """The transaction would not fit an envelope. Book it in smaller parts."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a station wants booked: an event without its place in the stream."""

    event: Event
    evidence: tuple[Evidence, ...] = ()
    operator: str | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A draft that has its id and will fit; `write` makes its body once it has a seq."""

    id: uuid.UUID
    event: Event
    wall: datetime
    write: Write


@dataclass(frozen=True, slots=True)
class Booked:
    """One transaction that is on disk."""

    seq: int
    id: uuid.UUID
    event: Event
    wall: datetime


class Intake:
    """The one door into the outbox."""

    def __init__(self, gateway: str, outbox: Outbox, clock: Clock) -> None:
        self._gateway = gateway
        self._outbox = outbox
        self._clock = clock

    def prepare(self, station: str, draft: Draft) -> Prepared:
        """Give `draft` its id and time.

        Raises:
            TooLarge: it is beyond `MAX_ROW` bytes.
        """
        clock = self._clock
        wall = clock.utc()
        now = clock_text(wall, clock.boot, clock.monotonic_us(), clock.synchronised())
        name = uuid6.uuid7()
        event = draft.event
        body = write_body(name, self._gateway, station, draft.operator, now, event, draft.evidence)
        # Checked here, not by the writer: what is too large must not have been given a seq.
        if len("".join(body).encode()) + _EPOCH_AND_SEQ >= MAX_ROW:
            raise TooLarge(TooLarge.__doc__)
        return Prepared(name, event, wall, body.text)

    async def store(
        self, prepared: Sequence[Prepared], sessions: Sequence[tuple[str, str]] = ()
    ) -> list[Booked]:
        """Store what was prepared, in this order, all or none. On return it is on disk.

        Args:
            prepared: by `prepare`.
            sessions: stations and where each stands after it, as text.

        Raises:
            StoreFull, StoreFailed: see `Outbox.put`.
        """
        rows = await self._outbox.put([each.write for each in prepared], sessions)
        return [
            Booked(row.seq, each.id, each.event, each.wall)
            for row, each in zip(rows, prepared, strict=True)
        ]
