"""Envelopes as they arrive: looked at first, then taken in by one database transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.clocks import Boots
from bridge.inspection import Inspected, inspect
from bridge.intake import Intake, find_stream
from contract.envelope import Rows
from contract.transactions import Transaction


@dataclass(frozen=True, slots=True)
class Arrival:
    """An envelope and what its rows are."""

    rows: Rows
    found: Sequence[Inspected]

    @classmethod
    def of(cls, rows: Rows) -> "Arrival":
        """Look at the rows of an envelope, before anything is locked for it."""
        found = [
            inspect(rows.gateway, rows.epoch, rows.first + place, row)
            for place, row in enumerate(rows.rows)
        ]
        return cls(rows, found)


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of arrivals, once that is committed."""

    transactions: Sequence[Transaction]
    """All that could be read."""
    unfinished: Sequence[tuple[str, UUID]]
    """Streams with more parked rows than one transaction sets free."""
    grown: bool
    """Whether entries are due that were not before."""
    healed: bool
    """Whether one of them has an old number."""


async def take_in(
    connection: AsyncConnection, arrivals: Sequence[Arrival], boots: Boots, now: datetime
) -> Taken:
    """Apply, park or ignore the rows of envelopes, in their order."""
    # Sorted: on PostgreSQL two bridges must lock streams in the same order.
    owners = {(arrival.rows.gateway, arrival.rows.epoch): arrival.rows for arrival in arrivals}
    intakes = {owner: await Intake.open(connection, owners[owner], now) for owner in sorted(owners)}
    for arrival in arrivals:
        await intakes[arrival.rows.gateway, arrival.rows.epoch].take(arrival.found)
    unfinished = [owner for owner, intake in intakes.items() if await intake.close()]
    transactions = [
        row.transaction for arrival in arrivals for row in arrival.found if row.transaction
    ]
    await boots.learn(connection, transactions)
    return Taken(
        transactions,
        unfinished,
        grown=any(intake.grown for intake in intakes.values()),
        healed=any(intake.healed for intake in intakes.values()),
    )


async def set_free(connection: AsyncConnection, gateway: str, epoch: UUID, now: datetime) -> bool:
    """Apply some parked rows that nothing is missing before any more; True if there are others."""
    row = await find_stream(connection, gateway, epoch)
    return row is not None and await Intake(connection, row, now).close()
