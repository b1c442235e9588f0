"""Keeps the ledger from growing for ever: deliveries of what was done with long ago go."""

import asyncio
import logging
from datetime import timedelta
from typing import NoReturn

from bridge.errors import LedgerFailed
from bridge.ledger import Ledger
from runtime.clock import Clock
from runtime.logs import event

log = logging.getLogger(__name__)

EVERY = 600.0
"""Seconds between two rounds; what is kept is counted in days."""


async def tidy(ledger: Ledger, clock: Clock, keep_days: int) -> NoReturn:
    """Prune until cancelled. Entries, amendments and the audit trail are kept for ever."""
    while True:
        try:
            after: tuple[int, int] | None = (0, 0)
            while after is not None:
                after = await ledger.prune(clock.utc() - timedelta(days=keep_days), after)
        except LedgerFailed as error:
            event(log, logging.WARNING, "old deliveries could not be taken out", why=str(error))
        await asyncio.sleep(EVERY)
