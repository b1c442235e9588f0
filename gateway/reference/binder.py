"""One set of reference data on disk: a file of its own that takes pages, and can be lost.

It is no part of the outbox: whatever becomes of it, it is fetched again, and no scan waits for it.
A set is collected in a new file while the one before is still read, so that the two never mix; the
file says itself when it is complete. WAL with synchronous=NORMAL: after a power cut the last pages
may be missing, and are asked for again, but what is there is whole.
"""

import contextlib
import re
import sqlite3
import threading
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from contract.reference import (
    DocumentRecord,
    ItemRecord,
    Kind,
    LocationRecord,
    Page,
    Record,
    Version,
)
from contract.values import Clock, Epoch, Frozen, Text
from runtime.sqlite import quoted

_FORM = 1  # of the tables below; a file of another form is not read but fetched again
_NAME = re.compile(r"copy-(?P<number>[0-9]{1,9})\.db")
_MANY = 10_000  # changed records that are named; of more it is said that all may have changed

_TABLES = """
CREATE TABLE standing (one INTEGER PRIMARY KEY CHECK (one = 1), body TEXT NOT NULL);
CREATE TABLE record (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    body TEXT NOT NULL,
    mark INTEGER NOT NULL,
    UNIQUE (kind, key)
);
CREATE TABLE alias (
    alias TEXT NOT NULL,
    record INTEGER NOT NULL,
    PRIMARY KEY (alias, record)
) WITHOUT ROWID;
CREATE INDEX alias_record ON alias (record);
CREATE TABLE staged (upto INTEGER PRIMARY KEY, body TEXT NOT NULL);
"""

Name = tuple[Kind, str]
"""Kind and key of a record."""


class Standing(Frozen):
    """How far a set has come."""

    set: Text
    version: Version = 0
    """What a look-up sees."""
    fetched: Version = 0
    """What is on disk: beyond `version` while a change comes in many pages."""
    complete: bool = False
    """Whether all of the set has been there once."""
    epoch: Epoch | None = None
    includes: Version = 0
    """As in `contract.reference.Newest`."""
    items: int = 0
    documents: int = 0
    locations: int = 0
    confirmed: Clock | None = None
    """When the bridge said last that this is the newest."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a page did."""

    standing: Standing
    changed: frozenset[Name] | None = frozenset()
    """Records that look-ups see in a new form; None where they are too many to name."""


class Binder:
    """The writing side of one set. Its methods may be called from any thread, one at a time.

    Every method may raise `sqlite3.Error`; what it was to write is then not there.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, standing: Standing) -> None:
        self.path = path
        self.standing = standing
        self._connection = connection
        self._turn = threading.Lock()

    @property
    def number(self) -> int:
        """Its place among the files of the folder."""
        return _number(self.path)

    def take(self, page: Page, confirmed: Clock) -> Taken:
        """Write a page down that fits behind `standing.fetched`.

        A set that is complete changes only when the newest of its changes is there: until then
        pages are put aside.

        Args:
            page: of this set.
            confirmed: now; kept where the page brings it to the newest version.
        """
        newest = page.upto >= page.newest
        with self._turn, self._transaction():
            found: set[Name] | None = set()
            now = self.standing.model_copy(update={"fetched": page.upto})
            if now.complete and not newest:
                self._connection.execute(
                    "INSERT INTO staged VALUES (?, ?)", (page.upto, page.model_dump_json())
                )
            else:
                counts: dict[Kind, int] = {
                    "item": now.items,
                    "document": now.documents,
                    "location": now.locations,
                }
                # Closed, whatever happens: a statement that is not over would keep the file open.
                with contextlib.closing(self._staged()) as staged:
                    pages = [*staged, page]
                for each in pages:
                    found = self._write(each, found, counts)
                self._connection.execute("DELETE FROM staged")
                now = now.model_copy(
                    update={
                        "version": page.upto,
                        "items": counts["item"],
                        "documents": counts["document"],
                        "locations": counts["location"],
                    }
                )
            if newest:
                now = now.model_copy(
                    update={
                        # A bridge that has read nothing yet has nothing to go by.
                        "complete": now.complete or bool(now.items + now.documents + now.locations),
                        "epoch": page.epoch,
                        "includes": page.includes,
                        "confirmed": confirmed,
                    }
                )
            self._stand(now)
        self.standing = now
        return Taken(now, None if found is None else frozenset(found))

    def note(self, standing: Standing) -> None:
        """Write down when it was confirmed, and what it includes."""
        with self._turn, self._transaction():
            self._stand(standing)
        self.standing = standing

    def settle(self) -> None:
        """Take the log into the file, and have the disk say that it is there."""
        with self._turn:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Close it; a statement that runs is broken off and leaves nothing behind."""
        if not self._turn.acquire(blocking=False):
            # Only then: SQLite would break off its tidying up, too.
            self._connection.interrupt()
            self._turn.acquire()
        try:
            self._connection.close()
        finally:
            self._turn.release()

    def remove(self) -> None:
        """Close it and delete its files."""
        self.close()
        _unlink(self.path)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _stand(self, standing: Standing) -> None:
        self._connection.execute(
            "INSERT INTO standing VALUES (1, ?)"
            " ON CONFLICT (one) DO UPDATE SET body = excluded.body",
            (standing.model_dump_json(),),
        )

    def _staged(self) -> Generator[Page, None, None]:
        for (body,) in self._connection.execute("SELECT body FROM staged ORDER BY upto"):
            yield Page.model_validate_json(body)

    def _write(
        self, page: Page, found: set[Name] | None, counts: dict[Kind, int]
    ) -> set[Name] | None:
        for change in page.changes:
            counts[change.kind] += self._put(change.kind, change.key, change.record)
            if found is not None:
                found.add((change.kind, change.key))
        return None if found is None or len(found) > _MANY else found

    def _put(self, kind: Kind, key: str, record: Record | None) -> int:
        """Write one record, or take it out; return by how much their number changed."""
        execute = self._connection.execute
        row = execute("SELECT id FROM record WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        if row is not None:
            execute("DELETE FROM alias WHERE record = ?", row)
        if record is None:
            if row is not None:
                execute("DELETE FROM record WHERE id = ?", row)
            return 0 if row is None else -1
        # Without what is as always: a third less to read and to understand at each look-up.
        body = record.model_dump_json(exclude_defaults=True)
        stored = (body, mark(kind, key, body))
        new = int(row is None)
        if row is None:
            cursor = execute(
                "INSERT INTO record (kind, key, body, mark) VALUES (?, ?, ?, ?)",
                (kind, key, *stored),
            )
            row = (cursor.lastrowid,)
        else:
            execute("UPDATE record SET body = ?, mark = ? WHERE id = ?", (*stored, *row))
        for alias in aliases(record):
            execute("INSERT INTO alias VALUES (?, ?)", (alias, *row))
        return new


def mark(kind: str, key: str, body: str) -> int:
    """Return the checksum that lies beside a record: SQLite itself sees few flipped bits."""
    return zlib.crc32(f"{kind}\0{key}\0{body}".encode())


def aliases(record: Record) -> frozenset[str]:
    """Return under what a record is found beside its key: a letter for what it is, and the text."""
    match record:
        case ItemRecord():
            return frozenset(
                [f"g{pack.gtin}" for pack in record.packs] + [f"c{code}" for code in record.codes]
            )
        case LocationRecord() if record.gln is not None:
            joined = f"-{record.extension}" if record.extension else ""
            return frozenset([f"l{record.gln}{joined}"])
        case LocationRecord() | DocumentRecord():
            return frozenset()


def new_binder(folder: Path, set_: str) -> Binder:
    """Begin an empty set in a new file.

    Raises:
        sqlite3.Error, OSError: the folder cannot be used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    number = max((_number(path) for path in _files(folder)), default=0) + 1
    return _open(folder / f"copy-{number}.db", Standing(set=set_))


def find_binders(folder: Path) -> tuple[Binder | None, Binder | None]:
    """Open what is there: the newest complete set, and a newer one that is being fetched.

    What is older, of another form, or cannot be read is deleted: it can be fetched.

    Raises:
        sqlite3.Error, OSError: the folder cannot be used.
    """
    complete: Binder | None = None
    begun: Binder | None = None
    for path in copies_in(folder):
        try:
            binder = _open(path) if complete is None else None
        except (sqlite3.DatabaseError, ValidationError):
            binder = None
        if binder is None:
            _unlink(path)
        elif binder.standing.complete:
            complete = binder
        elif begun is None:
            begun = binder
        else:
            binder.remove()
    return complete, begun


def read_standing(path: Path) -> Standing:
    """Return how far the set in a file has come, without a change to it.

    Raises:
        sqlite3.Error, pydantic.ValidationError: it cannot be read.
    """
    with contextlib.closing(
        sqlite3.connect(f"file:{quoted(path)}?mode=ro", uri=True)
    ) as connection:
        [(body,)] = connection.execute("SELECT body FROM standing")
    return Standing.model_validate_json(body)


def newest_standing(folder: Path) -> Standing | None:
    """Return how far the newest complete set of a folder has come, while others use it."""
    for path in copies_in(folder):
        with contextlib.suppress(sqlite3.Error, ValidationError, ValueError):
            standing = read_standing(path)
            if standing.complete:
                return standing
    return None


def copies_in(folder: Path) -> list[Path]:
    """Return the files of a folder that may hold a set, the newest first."""
    return sorted(_files(folder), key=_number, reverse=True)


def _open(path: Path, fresh: Standing | None = None) -> Binder:
    connection = sqlite3.connect(
        f"file:{quoted(path)}?mode={'rwc' if fresh else 'rw'}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=1.0,
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cell_size_check = ON")
        if fresh:
            connection.executescript(f"BEGIN;{_TABLES}PRAGMA user_version = {_FORM};COMMIT;")
            binder = Binder(path, connection, fresh)
            binder.note(fresh)
            return binder
        [(form,)] = connection.execute("PRAGMA user_version")
        if form != _FORM:
            raise sqlite3.DatabaseError(f"form {form}")
        rows = connection.execute("SELECT body FROM standing").fetchall()
        if not rows:
            raise sqlite3.DatabaseError("nothing is said about what it is")
        return Binder(path, connection, Standing.model_validate_json(rows[0][0]))
    except BaseException:
        connection.close()
        raise


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if _NAME.fullmatch(path.name)]


def _number(path: Path) -> int:
    found = _NAME.fullmatch(path.name)
    return int(found["number"]) if found else 0


def _unlink(path: Path) -> None:
    # The log first: a log without its file is nothing, a file without its log may be half.
    for suffix in ("-wal", "-shm", ""):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
