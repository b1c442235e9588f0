"""Reads rows out of the raw pages of a store that SQLite will not read, or not all of.

Whatever tree the pages once hung in, a leaf page says by itself where its rows lie. What is read
this way is only a guess; the digest beside each row says whether it is right.

Source: SQLite's file format, sections 1.6 (b-tree pages), 2.1 (records), 4.1 (the log).
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.damage import present, wal_of

_LEAF = 0x0D  # first byte of a page with rows
_NUMBER = 0  # serial type of a rowid's own column, which lies in the cell and not in the record
_DIGEST = 12 + 2 * 32  # serial type of a blob of 32 bytes
_MAX_PAYLOAD = 400_000  # bytes: a session of 256 K characters is the largest there is
_SIZES = {512 << step for step in range(8)}


@dataclass(frozen=True, slots=True)
class Carved:
    """What may be a row."""

    seq: int
    body: bytes
    digest: bytes


def carve(path: Path, *, zeros: bool = True) -> Iterator[Carved]:
    """Yield everything in the pages of a store and of its log that may be a row of the outbox.

    Old copies of pages are read too, so that a row may come more than once. Never raises for what
    the bytes say.

    Args:
        path: of the store.
        zeros: take what the disk does not give for zeros.

    Raises:
        OSError: the disk does not give it, and it is not to be taken for zeros.
    """
    with contextlib.ExitStack() as stack:
        main = stack.enter_context(_opened(path, zeros))
        log = stack.enter_context(_opened(wal_of(path), zeros))
        for size in _page_sizes(main, log):
            yield from _Pages(main, log, size).rows()


class _File:
    """A file, or none. With `zeros` that is what the disk cannot read."""

    def __init__(self, descriptor: int | None, zeros: bool) -> None:
        self._descriptor = descriptor
        self._zeros = zeros
        self.size = 0 if descriptor is None else os.fstat(descriptor).st_size

    def read(self, at: int, length: int) -> bytes:
        """Return `length` bytes, fewer behind the end."""
        if self._descriptor is None:
            return b""
        try:
            return os.pread(self._descriptor, length, at)
        except OSError:
            if not self._zeros:
                raise
            return bytes(max(0, min(length, self.size - at)))


@contextlib.contextmanager
def _opened(path: Path, zeros: bool) -> Iterator[_File]:
    if not present(path):
        yield _File(None, zeros)
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield _File(descriptor, zeros)
    finally:
        os.close(descriptor)


def _page_sizes(main: _File, log: _File) -> list[int]:
    said = int.from_bytes(main.read(16, 2), "big"), int.from_bytes(log.read(8, 4), "big")
    return sorted(_SIZES.intersection(said)) or [2048, 4096]


class _Pages:
    """The pages of one store, taken to be of one size, without bytes reserved at their ends."""

    def __init__(self, main: _File, log: _File, size: int) -> None:
        self._main = main
        self._log = log
        self._size = size
        self._frames = range(32, log.size - size - 23, size + 24)
        self._logged: dict[int, int] = {
            int.from_bytes(log.read(at, 4), "big"): at + 24 for at in self._frames
        }
        """Where in the log the last copy of a page is."""

    def rows(self) -> Iterator[Carved]:
        """Yield what may be a row, the store's pages first."""
        for at in range(0, self._main.size - self._size + 1, self._size):
            yield from self._leaf(self._main.read(at, self._size), 100 if at == 0 else 0)
        for at in self._frames:
            yield from self._leaf(self._log.read(at + 24, self._size), 0)

    def _leaf(self, page: bytes, head: int) -> Iterator[Carved]:
        if len(page) < self._size or page[head] != _LEAF:
            return
        count = min(int.from_bytes(page[head + 3 : head + 5], "big"), self._size // 4)
        for place in range(count):
            pointer = head + 8 + 2 * place
            at = int.from_bytes(page[pointer : pointer + 2], "big")
            for copied in (True, False):
                row = self._cell(page, at, copied=copied)
                if row is not None:
                    yield row
                if row is None or len(row.body) < self._size - 100:
                    break  # it is all on this page: there is no second way to read it

    def _cell(self, page: bytes, at: int, *, copied: bool) -> Carved | None:
        length, at = _varint(page, at)
        seq, at = _varint(page, at)
        if not 0 < length <= _MAX_PAYLOAD or not 0 < seq < 1 << 53:
            return None
        local = self._local(length)
        payload = page[at : at + local]
        if local < length:
            follow = int.from_bytes(page[at + local : at + local + 4], "big")
            payload += self._overflow(follow, length - local, copied=copied)
        return _record(seq, payload)

    def _local(self, length: int) -> int:
        """Return how many bytes of a payload lie in its cell."""
        most = self._size - 35
        if length <= most:
            return length
        least = (self._size - 12) * 32 // 255 - 23
        wanted = least + (length - least) % (self._size - 4)
        return wanted if wanted <= most else least

    def _overflow(self, number: int, length: int, *, copied: bool) -> bytes:
        found = bytearray()
        for _ in range(length // (self._size - 4) + 1):
            if copied and number in self._logged:
                page = self._log.read(self._logged[number], self._size)
            else:
                page = self._main.read(max(0, number - 1) * self._size, self._size)
            found += page[4 : 4 + length - len(found)]
            number = int.from_bytes(page[:4], "big")
            if len(found) >= length or not number:
                break
        return bytes(found)


def _record(seq: int, payload: bytes) -> Carved | None:
    """Read a record of three columns: the number, a text, 32 bytes."""
    size, at = _varint(payload, 0)
    number, at = _varint(payload, at)
    text, at = _varint(payload, at)
    blob, at = _varint(payload, at)
    length = (text - 13) // 2
    if (number, blob, at) != (_NUMBER, _DIGEST, size) or text < 13 or text % 2 == 0:
        return None
    body, digest = payload[size : size + length], payload[size + length :]
    return Carved(seq, body, digest) if len(digest) == 32 else None


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of one to nine bytes and where it ends; zeros where there is no more."""
    value = 0
    for count in range(9):
        byte = data[at + count] if at + count < len(data) else 0
        if count == 8:
            return (value << 8) | byte, at + 9
        value = (value << 7) | (byte & 0x7F)
        if byte < 0x80:
            return value, at + count + 1
    return value, at + 9
