"""Puts the parts of reference data together, as the `[reference]` table says."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from sqlalchemy.engine import URL

from bridge.connector import Capabilities
from bridge.database import Database
from bridge.errors import LedgerFailed
from bridge.metrics import Metrics
from bridge.outcome import Refused
from bridge.posting import Attempt
from bridge.reference import files
from bridge.reference.booked import Booked
from bridge.reference.config import ReferenceTable
from bridge.reference.conflicts import Conflicts
from bridge.reference.copy import CopyFailed, open_copy
from bridge.reference.keeper import Keeper
from bridge.reference.server import Server
from bridge.reference.source import READABLE, Reader, Records
from contract.reference import Kind
from runtime.backoff import Backoff
from runtime.clock import Clock
from runtime.logs import event
from runtime.mqtt import Broker

log = logging.getLogger(__name__)

Opens = Callable[[], AbstractAsyncContextManager[Records] | None]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a bridge keeps and serves reference data."""

    ledger: URL
    broker: Broker
    client_id: str


class Reference:
    """The reference data of one bridge: `run` it; `check` what is about to be booked."""

    def __init__(
        self, place: Place, table: ReferenceTable, reader: Reader, clock: Clock, metrics: Metrics
    ) -> None:
        self._place = place
        self._table = table
        self._reader = reader
        self._clock = clock
        self._metrics = metrics
        self._conflicts: Conflicts | None = None
        self._keeper: Keeper | None = None
        self._broken: str | None = None

    def failure(self) -> str | None:
        """Return why reference data is not read, if it is not."""
        if self._broken is not None or self._keeper is None:
            return self._broken
        return self._keeper.failure

    async def run(self) -> None:
        """Keep and serve until cancelled. What goes wrong here never ends the bridge."""
        backoff = Backoff(1.0, 60.0)
        while True:
            try:
                async with self._opened() as (keeper, server), asyncio.TaskGroup() as tasks:
                    tasks.create_task(keeper.run(), name="keep reference data")
                    tasks.create_task(server.run(), name="serve reference data")
            except CopyFailed as error:
                self._broken = f"the copy cannot be opened: {error}"
                event(log, logging.ERROR, "no reference data", why=str(error))
            await asyncio.sleep(backoff.next())

    @contextlib.asynccontextmanager
    async def _opened(self) -> AsyncIterator[tuple[Keeper, Server]]:
        ledger = Database(self._place.ledger, shared=True)
        try:
            async with open_copy(self._place.ledger) as copy:
                booked = Booked(ledger)
                server = Server(
                    copy,
                    booked,
                    self._place.broker,
                    client_id=self._place.client_id,
                    metrics=self._metrics,
                    pages_per_second=self._table.pages_per_second,
                )
                keeper = Keeper(
                    copy,
                    booked,
                    self._reader,
                    every=self._table.every,
                    clock=self._clock,
                    changed=server.tell,
                    metrics=self._metrics,
                )
                self._keeper, self._broken = keeper, None
                if self._table.conflicts:
                    self._conflicts = Conflicts(copy, booked, keeper)
                yield keeper, server
        finally:
            self._conflicts = self._keeper = None
            await ledger.close()

    async def check(self, attempt: Attempt) -> Refused | None:
        """Return why an attempt must not be made; None also where that cannot be said."""
        if self._conflicts is None:
            return None
        try:
            return await self._conflicts.found(attempt)
        except (CopyFailed, LedgerFailed) as error:
            event(log, logging.ERROR, "booked without a look at its document", why=str(error))
            return None


def reader_of(table: ReferenceTable, opens: Opens, can: Capabilities) -> Reader | None:
    """Return the source that the table names; None where it is off.

    Args:
        table: `[reference]`.
        opens: the reading side of the target.
        can: what the target's connector can do.
    """
    if table.source == "files" and table.folder is not None:
        return files.reader(table.folder)
    if table.source == "target":
        kinds: frozenset[Kind] = frozenset(
            kind for kind, name in READABLE.items() if name in can.reads
        )

        @contextlib.asynccontextmanager
        async def opened() -> AsyncIterator[Records]:
            source = opens()
            if source is None:
                raise CopyFailed("the target has no reading side")
            async with source as records:
                yield records

        return Reader(opened, lambda: kinds)
    return None
