"""The tape: what a process did to the files of one folder, and what a power cut leaves of it.

The model of the disk: a file is a row of sectors of 512 bytes, and a sector is written whole or not
at all. After a cut each sector has any of the contents it had since the file's last flush, each
for itself: writes are lost, reordered and torn at every sector boundary. The size is any it had
since then. Names are journalled: of those made, removed and changed since the folder's last flush,
some come through, oldest first. Only a flush of the folder makes a name sure, which is stricter
than ext4, where a flush of the new file does too. What was never written reads as zeros.
"""

import os
import random
import struct
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
_HEAD = struct.Struct("=c3xiQQII")


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that was done. `op` is a letter of `shim.c`."""

    op: str
    descriptor: int
    at: int
    size: int
    text: str
    data: bytes


class NotModelled(Exception):
    """The tape holds a call that the model of the disk does not know."""


def read(path: Path) -> list[Record]:
    """Return what is on a tape; a record that a kill cut off is left out."""
    content = path.read_bytes()
    found, at = [], 0
    while at + _HEAD.size <= len(content):
        op, descriptor, offset, size, text, data = _HEAD.unpack_from(content, at)
        middle = at + _HEAD.size + text
        end = middle + data
        if end > len(content):
            break
        name = content[at + _HEAD.size : middle].decode()
        found.append(Record(op.decode(), descriptor, offset, size, name, content[middle:end]))
        at = end
    return found


def beside(records: list[Record], path_end: str) -> list[int]:
    """Return the indices of what was done to all files but one kind, which is busy all the time."""
    paths: dict[int, str] = {}
    found = []
    for index, each in enumerate(records):
        if each.op == "o":
            paths[each.descriptor] = each.text
        path = each.text if each.descriptor < 0 else paths.get(each.descriptor, "")
        if each.op in "owtsynrR" and not path.endswith(path_end):
            found.append(index)
    return found


@dataclass(frozen=True, slots=True)
class Call:
    """One I/O call on the store: the number it has for `Shim.fail`, and what it is."""

    number: int
    op: str
    text: str


def calls(records: list[Record]) -> list[Call]:
    """Return the I/O calls on the store."""
    return [Call(each.at, chr(each.size), each.text) for each in records if each.op == "N"]


@dataclass(eq=False)
class _File:
    """What a file is now, and what of it is sure."""

    now: bytearray = field(default_factory=bytearray)
    sure: bytearray = field(default_factory=bytearray)
    versions: dict[int, list[bytes]] = field(default_factory=dict)
    """Per sector, what it was after each write that no flush has covered yet, oldest first."""
    sizes: list[int] = field(default_factory=list)
    """The same of the size."""
    covered: dict[int, int] = field(default_factory=dict)
    """How many versions of each sector, and of the size, there were when the flush began."""

    def write(self, at: int, data: bytes) -> None:
        end = at + len(data)
        if end > len(self.now):
            self.resize(end)
        self.now[at:end] = data
        self._changed(at, end)

    def resize(self, size: int) -> None:
        old = len(self.now)
        self.now = self.now[:size].ljust(size, b"\0") if size < old else self.now
        self.now.extend(bytes(size - len(self.now)))
        self.sizes.append(size)
        # What was cut off reads as zeros when the file grows again.
        self._changed(size, max(old, size))

    def _changed(self, start: int, end: int) -> None:
        for sector in range(start // SECTOR, (end + SECTOR - 1) // SECTOR):
            content = self.now[sector * SECTOR : (sector + 1) * SECTOR].ljust(SECTOR, b"\0")
            self.versions.setdefault(sector, []).append(bytes(content))

    def begin_flush(self) -> None:
        self.covered = {sector: len(each) for sector, each in self.versions.items()}
        self.covered[-1] = len(self.sizes)

    def end_flush(self) -> None:
        if count := self.covered.pop(-1):
            size = self.sizes[count - 1]
            self.sizes = self.sizes[count:]
            del self.sure[size:]
            self.sure.extend(bytes(size - len(self.sure)))
        for sector, count in self.covered.items():
            versions = self.versions.pop(sector)
            _place(self.sure, sector, versions[count - 1])
            if later := versions[count:]:
                self.versions[sector] = later

    def after_a_cut(self, dice: random.Random, kept: float) -> bytes:
        """Return what a cut may leave; `kept` is the share of unflushed changes that came through.

        Those of 0 and 1 are the disk that wrote nothing by itself and the one that wrote it all.
        """
        size = len(self.sure)
        if self.sizes and dice.random() < kept:
            size = self.sizes[-1] if kept == 1 else dice.choice(self.sizes)
        left = self.sure[:size].ljust(size, b"\0")
        for sector, versions in self.versions.items():
            if dice.random() < kept:
                _place(left, sector, versions[-1] if kept == 1 else dice.choice(versions))
        return bytes(left)


def _place(content: bytearray, sector: int, data: bytes) -> None:
    """Put a sector in, as far as the file reaches."""
    start = sector * SECTOR
    end = min(start + SECTOR, len(content))
    if start < end:
        content[start:end] = data[: end - start]


@dataclass(frozen=True, slots=True)
class _Name:
    """A change of names: `path` is `file` from then on, or is gone."""

    path: str
    file: _File | None


class Disk:
    """Plays a tape onto a disk that may lose power at any record."""

    def __init__(self, folder: Path, image: dict[str, bytes] | None = None) -> None:
        """Begin with `image`, file name to content, all of it sure."""
        self._folder = str(folder.resolve())
        self._open: dict[int, str] = {}
        """Descriptor to path: SQLite keeps none open on a file that was removed and made anew."""
        self._files: dict[int, _File] = {}
        self._names: dict[str, _File] = {}
        for name, content in (image or {}).items():
            path = f"{self._folder}/{name}"
            self._names[path] = _File(bytearray(content), bytearray(content))
        self._sure = dict(self._names)
        self._pending: list[_Name] = []
        self._renamed = ""
        self.told: list[str] = []
        """What was told to somebody by now."""
        self.flushes = 0
        self.written = 0

    def play(self, record: Record) -> None:
        """Do what the record says.

        Raises:
            NotModelled: this disk cannot.
        """
        match record.op:
            case "A":
                self.told.append(record.text)
            case "o":
                self._opened(record)
            case "x":
                self._files.pop(record.descriptor, None)
                self._open.pop(record.descriptor, None)
            case "n":
                self._rename(record.text, None)
            case "r":
                self._renamed = record.text
            case "R":
                moved = self._names.get(self._renamed)
                self._rename(self._renamed, None)
                self._rename(record.text, moved)
            case "U" if not self._shared_memory(record):
                raise NotModelled(record.text or f"on {self._open.get(record.descriptor)}")
            case "w" | "t" | "a" | "s" | "y":
                self._content(record)

    def _shared_memory(self, record: Record) -> bool:
        """SQLite makes its -shm file anew for the first who comes: what it holds says nothing."""
        return self._open.get(record.descriptor, "").endswith("-shm")

    def _opened(self, record: Record) -> None:
        self._open[record.descriptor] = record.text
        if record.text == self._folder:
            return
        file = self._names.get(record.text)
        if file is None:
            # The flag of `openat` is the kernel's; that it was opened says that it is there.
            file = _File()
            self._rename(record.text, file)
        elif record.at & os.O_TRUNC and not record.text.endswith("-shm"):
            file.resize(0)
        self._files[record.descriptor] = file

    def _content(self, record: Record) -> None:
        file = self._files.get(record.descriptor)
        if file is None:
            if record.op == "y" and self._open.get(record.descriptor) == self._folder:
                self.flushes += 1
                self._sure = dict(self._names)
                self._pending = []
            return
        if self._shared_memory(record):
            return
        match record.op:
            case "w":
                self.written += record.size
                file.write(record.at, record.data)
            case "t":
                file.resize(record.size)
            case "a":
                file.resize(max(len(file.now), record.at + record.size))
            case "s":
                file.begin_flush()
            case "y":
                self.flushes += 1
                file.end_flush()

    def _rename(self, path: str, file: _File | None) -> None:
        self._pending.append(_Name(path, file))
        if file is None:
            self._names.pop(path, None)
        else:
            self._names[path] = file

    @property
    def unflushed(self) -> bool:
        """Whether a cut now could take something away."""
        files = [file for path, file in self._names.items() if not path.endswith("-shm")]
        return bool(self._pending) or any(file.versions or file.sizes for file in files)

    def after_a_cut(self, dice: random.Random) -> dict[str, bytes]:
        """Return a disk that a cut at this moment may leave: file name to content."""
        kept = dice.choice((0.0, 0.1, 0.5, 0.9, 1.0, dice.random()))
        names = dict(self._sure)
        through = len(self._pending) if kept == 1 else dice.randint(0, len(self._pending))
        for change in self._pending[: through if kept else 0]:
            if change.file is None:
                names.pop(change.path, None)
            else:
                names[change.path] = change.file
        prefix = len(self._folder) + 1
        return {
            path[prefix:]: file.after_a_cut(dice, kept)
            for path, file in sorted(names.items())
            if not path.endswith("-shm")
        }
