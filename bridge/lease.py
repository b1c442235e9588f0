"""Who delivers to a target: one at a time, by a row that expires by the database's own clock.

A SQLite ledger is open in one process only, so there is nothing to keep apart. On PostgreSQL a
dispatcher takes the lease before it opens the target, renews it, and proves it in the transaction
that begins each delivery: one that was stopped, or whose server was away, cannot begin another.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.errors import LeaseLost

LEASE_S = 15.0
"""Seconds after which a holder that was killed is taken for dead."""
RENEW_S = 4.0
"""Seconds between two renewals: two may fail before a third is too late."""
MARGIN_S = 2.0
"""Seconds before a lease ends at which its holder stops."""

_TAKE = text(
    "INSERT INTO lease (target, holder, expires_at)"
    " VALUES (:target, :holder, clock_timestamp() + make_interval(secs => :seconds))"
    " ON CONFLICT (target) DO UPDATE"
    " SET holder = excluded.holder, expires_at = excluded.expires_at"
    " WHERE lease.holder = excluded.holder OR lease.expires_at < clock_timestamp()"
)
_HELD = text(
    "SELECT 1 FROM lease WHERE target = :target AND holder = :holder"
    " AND expires_at > clock_timestamp() FOR SHARE"
)
_LEAVE = text("DELETE FROM lease WHERE target = :target AND holder = :holder")


@dataclass(frozen=True, slots=True)
class Claim:
    """One dispatcher's claim to a target. `holder` is of one process, and never used again."""

    target: str
    holder: str

    @property
    def _names(self) -> dict[str, str]:
        return {"target": self.target, "holder": self.holder}

    async def take(self, connection: AsyncConnection) -> bool:
        """Take or renew the lease; False while somebody else has it."""
        if connection.dialect.name == "sqlite":
            return True
        taken = await connection.execute(_TAKE, self._names | {"seconds": LEASE_S})
        return taken.rowcount == 1

    async def held(self, connection: AsyncConnection) -> bool:
        """Return whether it is held now; nobody else can take it until this transaction ends."""
        if connection.dialect.name == "sqlite":
            return True
        return (await connection.execute(_HELD, self._names)).first() is not None

    async def leave(self, connection: AsyncConnection) -> None:
        """Give it back, so that the next one need not wait."""
        if connection.dialect.name != "sqlite":
            await connection.execute(_LEAVE, self._names)


async def while_held(
    target: str, renew: Callable[[], Awaitable[bool]], work: Coroutine[Any, Any, None]
) -> None:
    """Do `work` for as long as the lease is held; a holder that was frozen finds itself ended.

    Args:
        target: whose lease it is; it was taken just now.
        renew: takes it again; False where somebody else has it.
        work: ended, and waited for, before this returns.

    Raises:
        LeaseLost: another one delivers to the target, or soon may.
    """
    loop = asyncio.get_running_loop()
    working = asyncio.create_task(work, name="deliver")
    timer = loop.call_later(LEASE_S - MARGIN_S, working.cancel)
    try:
        while not (await asyncio.wait([working], timeout=RENEW_S))[0]:
            began = loop.time()
            if not await renew():
                raise LeaseLost(f"another bridge delivers to {target} now")
            timer.cancel()
            timer = loop.call_at(began + LEASE_S - MARGIN_S, working.cancel)
    finally:
        timer.cancel()
        working.cancel()
        await asyncio.wait([working])
    if working.cancelled():
        raise LeaseLost(f"the lease of {target} could not be renewed in time")
    working.result()
