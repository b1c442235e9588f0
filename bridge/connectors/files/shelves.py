"""Where finished files go: a folder, or an SFTP server. Each brings a file there whole, and once.

Once, because a rename takes the old name away: as long as that is there the file was not handed
over, and when it is gone it was, whoever may have fetched it since.
"""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bridge import wire
from bridge.connectors.files.config import Sftp
from bridge.http import read_secret

if TYPE_CHECKING:
    from asyncssh import SFTPClient


class ShelfFailed(Exception):
    """A finished file could not be brought to where it goes. The same again is harmless."""


class Shelf(Protocol):
    """Where finished files go."""

    async def bring(
        self, part: Path, name: str, *, brought: bool, say: Callable[[], Awaitable[None]]
    ) -> None:
        """Hand a finished file over under its name.

        Args:
            part: the file on the local disk; may be gone if an earlier call ended late.
            name: what it is to be called.
            brought: `say` was called for it before.
            say: to be awaited as soon as it is there whole under a passing name.

        Raises:
            ShelfFailed: it could not be.
        """
        ...


class Folder:
    """A folder on the local disk, the same as that of unfinished files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def bring(
        self, part: Path, name: str, *, brought: bool, say: Callable[[], Awaitable[None]]
    ) -> None:
        """Rename it."""
        try:
            await asyncio.to_thread(self._rename, part, name)
        except OSError as error:
            raise ShelfFailed(str(error)) from error

    def _rename(self, part: Path, name: str) -> None:
        if not part.exists():
            return
        if (self._folder / name).exists():
            raise FileExistsError(f"{self._folder / name} is there, and not ours")
        wire.sent(f"RENAME {part} {self._folder / name}")
        part.replace(self._folder / name)
        sync(self._folder)


class Server:
    """An SFTP server. Each file has a connection of its own: there are a few in an hour."""

    def __init__(self, settings: Sftp) -> None:
        self._settings = settings

    async def bring(
        self, part: Path, name: str, *, brought: bool, say: Callable[[], Awaitable[None]]
    ) -> None:
        """Put it there under a name with a dot, then rename it."""
        import asyncssh  # noqa: PLC0415 - an extra; folders do without

        settings = self._settings
        try:
            async with asyncio.timeout(settings.timeout), contextlib.AsyncExitStack() as stack:
                password = None
                if settings.password_file is not None:
                    password = read_secret(settings.password_file, "the SFTP password")
                connection = await stack.enter_async_context(
                    asyncssh.connect(
                        settings.host,
                        settings.port,
                        username=settings.user,
                        password=password,
                        client_keys=settings.key_file and [str(settings.key_file)],
                        known_hosts=str(settings.known_hosts),
                        agent_path=None,
                        config=None,
                    )
                )
                sftp = await stack.enter_async_context(connection.start_sftp_client())
                await self._put(sftp, part, name, brought=brought, say=say)
        except (asyncssh.Error, OSError, TimeoutError) as error:
            why = f"SFTP {settings.host}: {type(error).__name__} {error}".strip()
            wire.heard(why)
            raise ShelfFailed(why) from error

    async def _put(
        self,
        sftp: "SFTPClient",
        part: Path,
        name: str,
        *,
        brought: bool,
        say: Callable[[], Awaitable[None]],
    ) -> None:
        folder = self._settings.folder.rstrip("/")
        passing, goal = f"{folder}/.{name}.part", f"{folder}/{name}"
        if not brought:
            wire.sent(f"PUT {passing}")
            await sftp.put(str(part), passing)
            await say()
        if await sftp.exists(passing):
            wire.sent(f"RENAME {passing} {goal}")
            await sftp.rename(passing, goal)  # SFTP 3: refused where the name is taken
        wire.heard(f"{goal} is there")
        await asyncio.to_thread(part.unlink, missing_ok=True)


def sync(folder: Path) -> None:
    """See that names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
