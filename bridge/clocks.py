"""Times of stations whose clock was not set: corrected by a later row of the same boot.

A row says wall time, boot and seconds since that boot. The first row of a boot whose clock was
synchronised says when the boot began; every row of it, earlier ones too, then has a true time. The
rows stay as they are: the beginning of the boot is kept beside them.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.schema import boot
from contract.transactions import Transaction

Boot = tuple[str, str]
"""Gateway and boot id."""
MAX_KNOWN = 10_000
"""Boots remembered, so as not to ask again; a gateway starts a few times a month."""


class Boots:
    """Beginnings of boots: writes new ones down, once each."""

    def __init__(self) -> None:
        self._known: set[Boot] = set()

    async def learn(self, connection: AsyncConnection, transactions: Iterable[Transaction]) -> None:
        """Write down when the boots of synchronised transactions began, where that is new."""
        new: dict[Boot, datetime] = {}
        for transaction in transactions:
            name = (transaction.gateway, str(transaction.clock.boot))
            if transaction.clock.synchronised and name not in self._known:
                new.setdefault(name, _began(transaction))
        if not new:
            return
        there = await beginnings(connection, new)
        rows = [
            {"gateway": gateway, "boot": name, "began_at": new[gateway, name]}
            for gateway, name in sorted(new.keys() - there.keys())
        ]
        if rows:
            await connection.execute(insert(boot), rows)

    def remember(self, transactions: Iterable[Transaction]) -> None:
        """Take for known what was committed."""
        if len(self._known) > MAX_KNOWN:
            self._known.clear()
        self._known |= {
            (transaction.gateway, str(transaction.clock.boot))
            for transaction in transactions
            if transaction.clock.synchronised
        }


async def beginnings(connection: AsyncConnection, names: Iterable[Boot]) -> dict[Boot, datetime]:
    """Return when these boots began, where that is known."""
    wanted = sorted(set(names))
    query = select(boot).where(tuple_(boot.c.gateway, boot.c.boot).in_(wanted))
    rows = (await connection.execute(query)).all() if wanted else []
    return {(row.gateway, row.boot): row.began_at for row in rows}


def occurred(
    transaction: Transaction, known: Mapping[Boot, datetime], received: datetime
) -> tuple[datetime, str]:
    """Return when it happened, and how that is known.

    Returns:
        Aware UTC, and `synchronised` (as the station said), `corrected` (by a later row of the
        same boot) or `received` (the station's clock was not set, and nobody knows better).
    """
    clock = transaction.clock
    if clock.synchronised:
        return clock.wall, "synchronised"
    began = known.get((transaction.gateway, str(clock.boot)))
    if began is None:
        return received, "received"
    return began + timedelta(seconds=float(clock.monotonic)), "corrected"


def age_s(now: datetime, since: datetime | None) -> float:
    """Return the seconds since then, never less than 0; 0 where there is no then."""
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())


def _began(transaction: Transaction) -> datetime:
    return transaction.clock.wall - timedelta(seconds=float(transaction.clock.monotonic))
