"""How long the bridge was at work and its target open: seconds of each hour, in the ledger.

A row an hour for each bridge: 9,000 a year, which are kept.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import NoReturn

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.errors import LedgerFailed
from bridge.ledger import Ledger
from bridge.schema import uptime
from runtime.clock import Clock
from runtime.logs import event

log = logging.getLogger(__name__)

LOOK_EVERY = 5.0
"""Seconds between two looks."""
MOST_BETWEEN = 30.0
"""Seconds between two looks that still count as at work: beyond that it hung, or slept."""
WRITE_EVERY = 60.0
"""Seconds between two writes: a kill loses no more than that of its hour."""


class Uptime:
    """Counts while it runs."""

    def __init__(
        self, ledger: Ledger, bridge: str, is_open: Callable[[], bool], clock: Clock
    ) -> None:
        self._ledger = ledger
        self._bridge = bridge
        self._is_open = is_open
        self._clock = clock
        self._looked = clock.monotonic()
        self._alive_s = 0.0
        self._target_s = 0.0

    async def run(self) -> NoReturn:
        """Count until cancelled."""
        written = self._clock.monotonic()
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self.look()
            if self._clock.monotonic() - written >= WRITE_EVERY:
                written = self._clock.monotonic()
                try:
                    await self.write()
                except LedgerFailed as error:
                    event(log, logging.WARNING, "uptime is not written", why=str(error))

    def look(self) -> None:
        """Count the time since the last look."""
        now = self._clock.monotonic()
        passed = min(now - self._looked, MOST_BETWEEN)
        self._looked = now
        self._alive_s += passed
        if self._is_open():
            self._target_s += passed

    async def write(self) -> None:
        """Write down whole seconds; what is less waits for the next time."""
        alive, target = int(self._alive_s), int(self._target_s)
        await self._ledger.put(partial(_add, bridge=self._bridge, alive_s=alive, target_s=target))
        self._alive_s -= alive
        self._target_s -= target


async def _add(
    connection: AsyncConnection, now: datetime, bridge: str, alive_s: int, target_s: int
) -> None:
    upsert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    hour = now.replace(minute=0, second=0, microsecond=0)
    row = {"bridge": bridge, "hour": hour, "alive_s": alive_s, "target_s": target_s}
    more = {
        "alive_s": uptime.c.alive_s + alive_s,
        "target_s": uptime.c.target_s + target_s,
    }
    await connection.execute(
        upsert(uptime)
        .values(row)
        .on_conflict_do_update(index_elements=list(uptime.primary_key), set_=more)
    )
