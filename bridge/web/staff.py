"""Who may log in now: the users' file as a person edits it, while the bridge runs.

A change is taken up once it was the same at two looks, and whole; a broken file is refused, and who
could log in before still can. There is a look before each request, so that who was taken out of the
file is out at once.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from bridge.errors import ConfigError, LedgerFailed
from bridge.metrics import Metrics
from bridge.web import people
from bridge.web.people import ROLES, User, Written
from runtime.logs import event

log = logging.getLogger(__name__)

STILL_S = 0.05
"""Seconds between two looks that must be alike: an editor empties a file before it writes it."""
MOST_LOOKS = 20
"""Looks at a file that somebody writes, before a request goes on with who could log in before."""

Note = Callable[[Mapping[str, Any]], Awaitable[None]]
"""Writes who may log in now into the audit trail."""


class Staff:
    """The users of the file. `look` before asking for one."""

    def __init__(self, file: Path, users: Mapping[str, User], note: Note, metrics: Metrics) -> None:
        """Take what it works with.

        Args:
            file: with the users.
            users: who stood in it when the bridge started.
            note: called with the names, by role, of each version.
            metrics: to count in.
        """
        self._file = file
        self._users = users
        self._note = note
        self._metrics = metrics
        self._noted = False
        self._done: Written | None = None
        self._failure: str | None = None
        self._looking = asyncio.Lock()

    @property
    def users(self) -> Mapping[str, User]:
        """All of them, by their names in lower case. A change is another object."""
        return self._users

    def find(self, name: str) -> User | None:
        """Return the user of a name, whatever its case; None where there is none."""
        return self._users.get(name.lower())

    def failure(self) -> str | None:
        """Return why those who may log in are not those of the file, if they are not."""
        return self._failure

    async def look(self) -> None:
        """Look once, and take up a change that is whole."""
        async with self._looking:
            try:
                found = await self._still()
                if found is not None and found != self._done:
                    self._done = found
                    self._hold(people.made(self._file.name, found))
                    await self.write_down()
            except ConfigError as error:
                self._refuse(str(error))
            except OSError as error:
                self._done = None  # the same file may be readable at the next look
                self._refuse(f"{self._file.name}: {error.strerror or error}")

    async def _still(self) -> Written | None:
        """Return the file as it stands; None while somebody writes it."""
        found = await asyncio.to_thread(people.read, self._file)
        for _ in range(MOST_LOOKS):
            if found == self._done:
                return found
            before = found
            await asyncio.sleep(STILL_S)
            found = await asyncio.to_thread(people.read, self._file)
            if found == before:
                return found
        return None

    def _hold(self, users: Mapping[str, User]) -> None:
        if self._failure is not None:
            self._failure = None
            event(log, logging.INFO, "users' file is sound")
        if users != self._users:
            self._users, self._noted = users, False
            event(log, logging.WARNING, "users changed", users=len(users))

    def _refuse(self, why: str) -> None:
        """Say that a version is refused, once for each; the command tells of every mistake."""
        why, *more = why.splitlines()
        why += f" (and {len(more)} more)" if more else ""
        if why == self._failure:
            return
        self._failure = why
        self._metrics.count("users_refused")
        event(log, logging.WARNING, "users' file is refused", why=why)

    async def write_down(self) -> None:
        """Note who may log in, once. It holds even where that fails: who is out is out."""
        if self._noted:
            return
        names = {
            str(role): ", ".join(
                sorted(user.name for user in self._users.values() if user.role == role)
            )
            or "nobody"
            for role in ROLES
        }
        try:
            await self._note(names)
        except LedgerFailed as error:
            event(log, logging.ERROR, "users cannot be noted", why=str(error))
        else:
            self._noted = True
