"""Gives a station's events their id, place, time and evidence, and puts them in the outbox."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import uuid6

from contract import values
from contract.envelope import MAX_ROW, encode
from contract.transactions import Event, Transaction
from contract.values import Evidence
from gateway.outbox import Outbox, Write
from runtime.clock import Clock

# What stands in for epoch and seq until the outbox fills them in, in the storing transaction.
_NO_EPOCH, _NO_SEQ = uuid.UUID(int=0), 1
_EPOCH, _SEQ = f'"epoch":"{_NO_EPOCH}"', f'"seq":{_NO_SEQ}'
_SEQ_DIGITS = 16


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
        now = self._now()
        transaction = Transaction(
            id=uuid6.uuid7(),
            gateway=self._gateway,
            epoch=_NO_EPOCH,
            seq=_NO_SEQ,
            station=station,
            operator=draft.operator,
            clock=now,
            event=draft.event,
            evidence=draft.evidence,
        )
        body = encode(transaction)
        # Checked here, not by the writer: what is too large must not have been given a seq.
        if len(body.encode()) > MAX_ROW - _SEQ_DIGITS:
            raise TooLarge(TooLarge.__doc__)
        # A quote inside a text is escaped, so these can only be the keys themselves, and nothing
        # but the station comes behind `seq`.
        before, _, rest = body.partition(_EPOCH)
        between, _, after = rest.rpartition(_SEQ)

        def write(epoch: uuid.UUID, seq: int) -> str:
            return f'{before}"epoch":"{epoch}"{between}"seq":{seq}{after}'

        return Prepared(transaction.id, draft.event, now.wall, write)

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

    def _now(self) -> values.Clock:
        return values.Clock(
            wall=self._clock.utc(),
            boot=self._clock.boot,
            monotonic=Decimal(self._clock.monotonic_us()).scaleb(-6),
            synchronised=self._clock.synchronised(),
        )
