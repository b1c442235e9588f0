"""What is wrong with a store that nobody has open: found before a row of it is trusted.

SQLite's own check sees a broken structure; the digests see altered content; the schema is held
against the one it must have; and a write-ahead log that broke off in its middle, which SQLite
takes for the end of it, is told from one that a power cut left unfinished.
"""

import contextlib
import re
import sqlite3
import struct
import uuid
from collections.abc import Iterator
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from gateway.rows import SELECT_ROWS, intact, stream_digest
from runtime.sqlite import StoreTooNew, StoreUnusable, quoted, scripts_of, sha256

_WAL_HEADER = 32
_FRAME_HEADER = 24
_SECTOR = 512  # bytes a disk writes as a whole, or more
_FUTURE = 100  # schemas to come; a number beyond that was never written
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR", "SQLITE_SCHEMA", "SQLITE_FORMAT")
"""Our own questions are right: a store that calls one wrong has lost what it is about."""
_WITHHELD = (
    "SQLITE_IOERR",  # a statement says SQLITE_CORRUPT for some: see `read_through`
    "SQLITE_CANTOPEN",
    "SQLITE_BUSY",
    "SQLITE_LOCKED",
    "SQLITE_NOMEM",
    "SQLITE_FULL",
    "SQLITE_READONLY",
    "SQLITE_PERM",
    "SQLITE_AUTH",
)
_UNREAD = re.compile(r"failed to get page|error code=?\s*(?P<code>\d+)", re.IGNORECASE)
"""How SQLite's check speaks of a page that the disk did not give. Source: its btree.c."""
_IOERR = 10  # the low byte of every SQLITE_IOERR
_CHUNK = 1 << 20


def wal_of(path: Path) -> Path:
    """Return where the write-ahead log of a store is."""
    return path.with_name(f"{path.name}-wal")


@contextlib.contextmanager
def looking(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a store to read it, leaving it as it is. Texts come as bytes: they may be damaged."""
    wal = wal_of(path)
    # Without a log nothing can be under way, and SQLite need not leave files of its own behind.
    alone = not present(wal) or wal.stat().st_size == 0
    mode = "immutable=1" if alone else "mode=ro"
    with contextlib.closing(sqlite3.connect(f"file:{quoted(path)}?{mode}", uri=True)) as store:
        store.text_factory = bytes
        store.execute("PRAGMA query_only = ON")
        store.execute("PRAGMA cell_size_check = ON")
        yield store


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether SQLite says that the file is not what it was, not that it cannot be had."""
    return str(getattr(error, "sqlite_errorname", "")).startswith(_DAMAGED)


def is_withheld(error: BaseException | None) -> bool:
    """Return whether it cannot be had now, be it in order or not: that may end by itself."""
    return str(getattr(error, "sqlite_errorname", "")).startswith(_WITHHELD)


def present(path: Path) -> bool:
    """Return whether a file is there. Unlike `Path.exists` it never takes a fault for a no.

    Raises:
        OSError: the disk does not say.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def read_through(path: Path) -> None:
    """Read every byte of a store and of its log, as plain files.

    Raises:
        OSError: the disk does not give all of it; what SQLite says of the store proves nothing.
            SQLITE_CORRUPT may then be EIO. Source: SQLITE_IOERR_CORRUPTFS in its vdbe.c.
    """
    for each in (path, wal_of(path)):
        if present(each):
            with each.open("rb", buffering=0) as file:
                while file.read(_CHUNK):
                    pass


def damage_of(path: Path, migrations: Traversable, *, deep: bool = False) -> str | None:
    """Return what is wrong with the store at `path`; None if nothing, or if there is none.

    Every row that the bridge has not confirmed is read. Damage is what was read and is wrong: where
    the disk does not give everything, nothing is known of it.

    Args:
        path: of a store that nobody writes to.
        migrations: its schema, as for `runtime.sqlite.open_store`.
        deep: read the confirmed rows and the indexes too.

    Raises:
        StoreTooNew: it was written by a newer program.
        StoreUnusable: it cannot be read at all: no permission, a disk that fails.
    """
    try:
        if not present(path) or (path.stat().st_size == 0 and not present(wal_of(path))):
            return None
        found = broken_log(path) or _looked_at(path, migrations, deep)
        if found:
            read_through(path)
    except (OSError, sqlite3.Error) as error:
        raise StoreUnusable(f"{path}: {error}") from error
    return found


def _looked_at(path: Path, migrations: Traversable, deep: bool) -> str | None:
    try:
        with looking(path) as store:
            return _examined(store, path, migrations, deep)
    except UnicodeDecodeError:
        return "its schema cannot be read"  # what SQLite says of it is no text either
    except sqlite3.Error as error:
        if is_damage(error):
            return str(error)
        raise


def _examined(
    store: sqlite3.Connection, path: Path, migrations: Traversable, deep: bool
) -> str | None:
    scripts = scripts_of(migrations)
    [(version,)] = store.execute("PRAGMA user_version")
    newest = max(scripts)
    schema = _schema(store)
    expected = schema_of(scripts)
    if newest < version <= newest + _FUTURE:
        raise StoreTooNew(
            f"{path}: written by a newer version (schema {version}, this program knows {newest})"
        )
    if version < newest and schema != expected:
        if version == 0 and schema:
            raise StoreUnusable(f"{path}: a database of something else; nothing was touched")
        return None  # of an older version: migrations judge it
    if version != newest or schema != expected:
        return "its schema is not the one that was written"
    check = "integrity_check(1)" if deep else "quick_check(1)"
    [(said,)] = store.execute(f"PRAGMA {check}")
    if said != b"ok":
        return _said(path, said.decode("utf-8", "replace"))
    return _stream(store) or _rows(store, deep=deep)


def _said(path: Path, text: str) -> str:
    """Return what SQLite's check has found.

    Raises:
        StoreUnusable: it has found that the disk does not give a page, and says so as if it were
            damage.
    """
    unread = _UNREAD.search(text)
    if unread and (unread["code"] is None or int(unread["code"]) & 0xFF == _IOERR):
        raise StoreUnusable(f"{path}: the disk does not give all of it: {text}")
    return f"not in order: {text}".splitlines()[0]


def schema_of(scripts: dict[int, str]) -> dict[str, str]:
    """Return the schema that `scripts` make."""
    with contextlib.closing(sqlite3.connect(":memory:")) as fresh:
        fresh.create_function("sha256", 1, sha256, deterministic=True)
        fresh.text_factory = bytes
        for number in sorted(scripts):
            fresh.executescript(scripts[number])
        return _schema(fresh)


def _schema(store: sqlite3.Connection) -> dict[str, str]:
    rows = store.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {
        name.decode("utf-8", "replace"): re.sub(r"\s+", " ", sql.decode("utf-8", "replace"))
        for name, sql in rows
    }


def _stream(store: sqlite3.Connection) -> str | None:
    rows = store.execute("SELECT epoch, upto, posted, conflict, digest FROM stream").fetchall()
    if not rows:
        return None  # made, but not yet opened
    if len(rows) > 1 or watermark(*rows[0]) is None:
        return "the watermark is not what was stored"
    return None


def watermark(
    epoch: Any, upto: Any, posted: Any, conflict: Any, stored: Any
) -> tuple[uuid.UUID, int] | None:
    """Return epoch and watermark of a stream if they are what was stored."""
    try:
        name = epoch.decode("ascii") if isinstance(epoch, bytes) else str(epoch)
        if stream_digest(name, upto, posted, conflict) != stored:
            return None
        return uuid.UUID(name), int(upto)
    except (ValueError, TypeError):
        return None


def _rows(store: sqlite3.Connection, *, deep: bool) -> str | None:
    found = store.execute("SELECT upto FROM stream").fetchone()
    upto: int = found[0] if found else 0
    expected: int | None = None if deep else upto + 1
    damaged = []
    for seq, body, stored in store.execute(
        f"{SELECT_ROWS} WHERE seq > ? ORDER BY seq", (0 if deep else upto,)
    ):
        if expected is None:
            expected = min(seq, upto + 1)
        if seq != expected:
            return f"row {expected} is missing"
        if intact(body, stored) is None:
            damaged.append(seq)
        expected += 1
    if damaged:
        more = f" and {len(damaged) - 1} more" if len(damaged) > 1 else ""
        return f"row {damaged[0]}{more} is not what was stored"
    return None


def broken_log(path: Path) -> str | None:
    """Return what is wrong in the middle of the write-ahead log of a store.

    Every commit was synced before the next one began. So when frames of a later commit stand
    behind one that does not fit, that one was whole once; SQLite takes it for the end. A full log
    takes 0.1 s, and there is one only after a kill. Source: SQLite's file format, 4.
    """
    wal = wal_of(path)
    data = wal.read_bytes() if present(wal) else b""
    if len(data) < _WAL_HEADER + _FRAME_HEADER:
        return None
    magic, _, size = struct.unpack_from(">III", data)
    order = ">" if magic & 1 else "<"
    before = struct.unpack_from(">II", data, 24)
    if magic & ~1 != 0x377F0682 or _checksum(data[:24], order, (0, 0)) != before:
        return "the head of the write-ahead log is damaged"
    step = _FRAME_HEADER + size
    bad, commits = None, 0
    for at in range(_WAL_HEADER, len(data) - step + 1, step):
        claimed = struct.unpack_from(">II", data, at + 16)
        ours = data[at + 8 : at + 16] == data[16:24]  # or left over from before it began anew
        fits = False
        if ours:
            head = _checksum(data[at : at + 8], order, before)
            fits = _checksum(data[at + _FRAME_HEADER : at + step], order, head) == claimed
        if bad is None and not fits:
            bad = at
        elif bad is not None and fits and commits:
            return f"the write-ahead log is damaged at {bad}"
        # What does not fit may be torn: flag and salt are of one write where they share a sector.
        whole = fits or (at + 4) // _SECTOR == (at + 15) // _SECTOR
        if bad is not None and ours and whole:
            commits += struct.unpack_from(">I", data, at + 4)[0] != 0
        before = claimed
    return None


def _checksum(data: bytes, order: str, seed: tuple[int, ...]) -> tuple[int, ...]:
    one, two = seed
    words = iter(struct.unpack(f"{order}{len(data) // 4}I", data))
    for first, second in zip(words, words, strict=True):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return one, two
