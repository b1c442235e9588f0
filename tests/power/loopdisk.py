"""An ext4 of the test's own on a loop device, whose power can be cut.

The cut is the file system's own: EXT4_IOC_SHUTDOWN without flushing its log, as xfstests' "godown"
does. What was not flushed is gone, and the next mount recovers from the journal.
"""

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

_SHUTDOWN = 0x8004587D
"""EXT4_IOC_SHUTDOWN, _IOR('X', 125, __u32). Source: Linux, fs/ext4/ext4.h."""
_NO_LOG_FLUSH = 2
_SECTOR = 512  # bytes, of the kernel's counters, whatever the device's
_GONE_WITHIN = 60.0  # seconds
_TOOLS = ("mkfs.ext4", "losetup", "mount", "umount", "sync")
_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


class CannotMount(Exception):
    """There can be no file system of our own here, and why."""


@dataclass(frozen=True, slots=True)
class Wear:
    """What has reached the device."""

    octets: int
    writes: int
    flushes: int

    def since(self, before: "Wear") -> "Wear":
        """Return the difference."""
        return Wear(
            self.octets - before.octets, self.writes - before.writes, self.flushes - before.flushes
        )


class LoopDisk:
    """Use as a context: made, mounted, and gone afterwards."""

    def __init__(self, folder: Path, megabytes: int = 96) -> None:
        self.mounted = folder / "mounted"
        self._image = folder / "image"
        self._megabytes = megabytes
        self._device = ""

    def __enter__(self) -> Self:
        """Make it.

        Raises:
            CannotMount: something needed is missing here.
        """
        for tool in _TOOLS:
            if shutil.which(tool, path=_PATH) is None:
                raise CannotMount(f"no {tool}: apt install coreutils e2fsprogs mount")
        if os.geteuid() != 0:
            raise CannotMount("mounting a loop device takes root")
        self.mounted.mkdir()
        with self._image.open("wb") as image:
            image.truncate(self._megabytes << 20)
        with contextlib.ExitStack() as parts:
            # Its size would have mkfs take blocks of 1 kB, and no card of a gateway has those.
            lazy = "lazy_itable_init=0,lazy_journal_init=0"
            _do("mkfs.ext4", "-q", "-b", "4096", "-E", lazy, str(self._image))
            self._device = _do("losetup", "--find", "--show", str(self._image)).strip()
            parts.callback(_do, "losetup", "--detach", self._device)
            self.mount()
            parts.callback(self.unmount)
            self._parts = parts.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._parts.close()

    def mount(self) -> None:
        """Mount it, which recovers its journal."""
        _do("mount", "-o", "noatime", self._device, str(self.mounted))

    def unmount(self) -> None:
        """Unmount it. Who still has files open on it is left with them."""
        if self.mounted.is_mount():
            try:
                _do("umount", str(self.mounted))
            except CannotMount:
                _do("umount", "--lazy", str(self.mounted))
        self._wait_until_gone()

    def _wait_until_gone(self) -> None:
        """Wait until nobody has it mounted any more: a new mount would get the dead one again.

        A process that was started in a mount namespace of its own meanwhile still has it.
        """
        known = Path("/sys/fs/ext4", Path(self._device).name)
        end = time.monotonic() + _GONE_WITHIN
        while known.exists():
            if time.monotonic() > end:
                raise CannotMount(f"{self._device} is still mounted somewhere")
            time.sleep(0.01)

    def cut(self) -> None:
        """Cut its power: from now on it answers every call with EIO, until it is mounted again."""
        assert self.mounted.is_mount(), "this would be the machine's own file system"
        assert self.mounted.stat().st_dev != self._image.stat().st_dev
        folder = os.open(self.mounted, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(folder)

    def wear(self) -> Wear:
        """Return what has reached the device since it was made, once all that waits has.

        Source: Linux, Documentation/block/stat.rst.
        """
        _do("sync", "--file-system", str(self.mounted))
        counts = Path(f"/sys/block/{Path(self._device).name}/stat").read_text("ascii").split()
        return Wear(int(counts[6]) * _SECTOR, int(counts[4]), int(counts[15]))


def _do(*command: str) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PATH": _PATH}, check=False
    )
    if done.returncode != 0:
        raise CannotMount(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


@cache
def why_not() -> str | None:
    """Return why there can be no file system of our own here; None if there can."""
    try:
        with tempfile.TemporaryDirectory() as folder, LoopDisk(Path(folder), 16) as disk:
            disk.wear()
            disk.cut()
    except CannotMount as error:
        return str(error)
    except OSError as error:
        return f"EXT4_IOC_SHUTDOWN on a loop device: {error}"
    return None
