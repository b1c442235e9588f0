"""Room put by: a file that holds blocks of the disk until the store needs them.

When the disk is full the file goes, and the scans of the next hours fit where it was. 8 MB are
twice what the write-ahead log may grow to, and some 5,000 scans.
"""

import asyncio
import contextlib
import errno
import logging
import os
from pathlib import Path

from runtime.logs import event

log = logging.getLogger(__name__)

_FULL = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")  # the latter: the log's index could not grow


def is_for_want_of_room(error: BaseException) -> bool:
    """Return whether an error, or what it came of, says that the disk is full."""
    found = (error, error.__cause__)
    return any(
        getattr(each, "sqlite_errorname", "") in _FULL
        or (isinstance(each, OSError) and each.errno in {errno.ENOSPC, errno.EDQUOT})
        for each in found
    )


def give_up_room(store: Path) -> bool:
    """Give a store that nobody has open the room put by; return whether there was any."""
    return reserve_of(store, 0).drop()


def reserve_of(store: Path, size: int) -> "Reserve":
    """Return the one file beside `store`, of `size` bytes when it is filled."""
    return Reserve(store.with_name(f"{store.name}.reserve"), size)


class Reserve:
    """One file beside a store. With a size of 0 there is none, and nothing to release."""

    def __init__(self, path: Path, octets: int) -> None:
        self._path = path
        self._octets = octets
        self.held = False
        """Whether the room is put by."""

    @property
    def wanted(self) -> bool:
        """Whether the room should be put by, and is not."""
        return bool(self._octets) and not self.held

    async def fill(self) -> bool:
        """Put the room by if twice as much is free; return whether it is."""
        if self.wanted:
            self.held = await asyncio.to_thread(self._fill)
            if self.held:
                event(log, logging.INFO, "room put by", octets=self._octets)
        return self.held

    def _fill(self) -> bool:
        try:
            disk = os.statvfs(self._path.parent)
            there = self._path.stat().st_blocks * 512 if self._path.exists() else 0
            if there >= self._octets:
                return True
            if disk.f_bavail * disk.f_frsize < 2 * self._octets:
                return False
            with self._path.open("ab") as file:
                os.posix_fallocate(file.fileno(), 0, self._octets)
                os.fsync(file.fileno())
        except OSError as error:
            event(log, logging.WARNING, "no room could be put by", why=str(error))
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
            return False
        return True

    async def release(self) -> bool:
        """Give the room to the store; False if there was none put by."""
        if not self.held:
            return False
        self.held = False
        return await asyncio.to_thread(self.drop)

    def drop(self) -> bool:
        """Delete the file, and say whether it was there."""
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            event(log, logging.ERROR, "the room put by cannot be used", why=str(error))
            return False
        event(log, logging.WARNING, "the room put by is in use now")
        return True
