"""Keeps the tables of a folder as a person edits them, while the bridge runs.

A new version is taken once its files were the same at two looks, and whole; a broken one is refused
and the one before holds. Reading is done off the loop. Each version is in the audit trail before
the first transaction is mapped by it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from bridge.errors import ConfigError, LedgerFailed
from bridge.mapping import folder
from bridge.mapping.folder import Mark
from bridge.mapping.tables import Mapping as Tables
from bridge.metrics import Metrics
from runtime.logs import event

log = logging.getLogger(__name__)

CUT_S = 10.0
"""Seconds a file that ends within a line must be still: some editors end no file otherwise."""

Note = Callable[[Mapping[str, Any]], Awaitable[None]]
"""Writes which tables hold now into the audit trail."""


class Watched:
    """The tables that hold now. `run` it; give `current` to the dispatcher."""

    def __init__(
        self, place: Path, every: float, first: Tables, note: Note, metrics: Metrics
    ) -> None:
        """Take what it works with.

        Args:
            place: the folder.
            every: seconds between two looks.
            first: the tables to begin with.
            note: called with each version before it is used.
            metrics: to count in.
        """
        self._place = place
        self._every = every
        self._tables = first
        self._note = note
        self._metrics = metrics
        self._seen: dict[str, Mark] | None = None
        self._looks = 0  # in a row at which the files were as in `_seen`
        self._done: dict[str, Mark] | None = None
        self._failure: str | None = None

    def current(self) -> Tables:
        """Return the tables that hold now."""
        return self._tables

    def failure(self) -> str | None:
        """Return why the files of the folder are not the tables that hold, if they are not."""
        return self._failure

    async def begin(self) -> None:
        """Note the tables to begin with.

        Raises:
            LedgerFailed: that cannot be written.
        """
        await self._hold(self._tables)

    async def run(self) -> NoReturn:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(self._every)
            await self.look()

    async def look(self) -> None:
        """Look once, and take a new version that is whole."""
        try:
            found = await asyncio.to_thread(self._read)
            if found is not None and found.version != self._tables.version:
                await self._hold(found)
        except ConfigError as error:
            self._refuse(str(error))
            return
        except OSError as error:
            self._done = None  # the same files may be readable at the next look
            self._refuse(f"{self._place}: {error.strerror or error}")
            return
        except LedgerFailed as error:
            self._done = None
            event(log, logging.ERROR, "mapping tables cannot be noted", why=str(error))
            return
        if found is not None and self._failure is not None:
            self._failure = None
            event(log, logging.INFO, "mapping tables are sound", version=self._tables.version)

    def _read(self) -> Tables | None:
        """Return the tables in the folder; None where there is nothing new, or not all of it yet.

        Raises:
            ConfigError: they are wrong.
            OSError: they cannot be read.
        """
        marks = folder.marks(self._place)
        if marks != self._seen:
            self._seen, self._looks = marks, 0
            return None
        self._looks += 1
        if marks == self._done:
            return None
        files = folder.contents(self._place)
        cut = any(data and not data.endswith(b"\n") for data in files.values())
        if cut and self._looks * self._every < CUT_S:
            return None
        if folder.marks(self._place) != marks:
            return None  # somebody writes
        self._done = marks
        if folder.version_of(files) == self._tables.version:
            return self._tables
        return folder.made(files)

    async def _hold(self, tables: Tables) -> None:
        await self._note({"version": tables.version, "files": dict(tables.files)})
        self._tables = tables
        self._metrics.inform("mapping", version=tables.version)
        event(log, logging.INFO, "mapping tables hold", version=tables.version)

    def _refuse(self, why: str) -> None:
        """Say that a version is refused, once for each."""
        if why == self._failure:
            return
        self._failure = why
        self._metrics.count("mapping_refused")
        event(log, logging.WARNING, "mapping tables are refused", why=why)
