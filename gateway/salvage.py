"""Ends a stream, and begins a new one with everything of it that the bridge may not have.

This is the answer to a damaged store, to a copy of a store that went on elsewhere, and to a person
who asks for it. Each row keeps its transaction id and its place in the order; epoch and seq are
new. The bridge knows a transaction by its id: what it has already, it books no second time.

The old file is moved aside and never deleted. At every moment of this there is one file from which
the next start goes on.
"""

import contextlib
import json
import os
import sqlite3
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal

from contract.canonical import canonical, digest
from gateway.carving import carve
from gateway.damage import (
    broken_log,
    is_withheld,
    looking,
    present,
    read_through,
    watermark,
)
from gateway.rows import SELECT_ROWS, intact, stream_digest
from runtime.sqlite import StoreUnusable, scripts_of, sha256

Cause = Literal["damage", "copy", "moved", "asked"]

CARRIED = 500
"""Confirmed rows taken along: a shift to undo from, and what each station recorded last."""
_MENDED = 2048  # bytes of a body whose every bit is tried: 16,000 digests, 15 ms
_FEW = 3  # flipped bits of a digest: that 256 bits come as near by chance does not happen
_UNREADABLE = (sqlite3.Error, UnicodeDecodeError)  # what SQLite says may not be text either
_TOLD = 200  # missing ranges that are written down
_AFTER = 1000  # a number farther behind the last good row is damage itself


@dataclass(frozen=True, slots=True)
class Ended:
    """A stream that ended, and what became of its rows."""

    epoch: str
    """Empty where it could not be read."""
    ended_at: str
    cause: Cause
    why: str
    aside: str
    """Name of the file that was moved aside."""
    taken: int
    """Rows that the new stream began with."""
    missing: tuple[tuple[int, int], ...]
    """First and last seq, of the old stream, of rows that could not be read."""

    @property
    def lost(self) -> int:
        """How many rows are missing."""
        return sum(last - first + 1 for first, last in self.missing)


@dataclass(frozen=True, slots=True)
class _Said:
    """What a store says of itself, as far as that can be believed."""

    epoch: str = ""
    upto: int | None = None
    sessions: tuple[tuple[str, str], ...] = ()
    past: tuple[tuple[Any, ...], ...] = ()


def renew(
    path: Path,
    cause: Cause,
    why: str,
    migrations: Traversable,
    *,
    machine: str = "",
    page_size: int = 4096,
    at_once: bool = False,
) -> Ended:
    """Move the store at `path` aside, and make a new one of what it holds.

    Args:
        path: of a store that nobody has open.
        cause: what kind of reason there is.
        why: the reason, for people.
        migrations: the schema.
        machine: to write into the new store.
        page_size: of the new store.
        at_once: leave behind what the disk does not give, where it may give it another time.

    Raises:
        StoreUnusable: there is no room, no permission, or the disk fails; the old store is there.
    """
    patient = not at_once
    try:
        finish(path)
        if patient:
            read_through(path)  # a statement would call it damage that the disk does not give all
        with contextlib.closing(_staging(path)) as staged:
            said = _what_it_says(path, patient=patient)
            thorough = cause == "damage"
            missing = _gather(path, said, staged, thorough=thorough, patient=patient)
            ended = _build(
                path,
                staged,
                said,
                Ended(
                    said.epoch,
                    datetime.now(UTC).isoformat(timespec="seconds"),
                    cause,
                    why,
                    _aside(path, cause),
                    0,
                    missing,
                ),
                (scripts_of(migrations), machine, page_size),
            )
        _swap(path, ended.aside)
        _forget(_beside(path, "staging"))
    except (OSError, sqlite3.Error) as error:
        raise StoreUnusable(f"{path}: {why}; and a new store could not be made: {error}") from error
    return ended


def finish(path: Path) -> None:
    """End what a kill may have left half done. Does nothing where nothing was.

    Raises:
        OSError, sqlite3.Error: the folder cannot be written to, or the disk fails.
    """
    _forget(_beside(path, "building"))
    _forget(_beside(path, "staging"))
    ready = _beside(path, "ready")
    if present(ready):
        with looking(ready) as store:
            [(aside,)] = store.execute("SELECT aside FROM past ORDER BY number DESC LIMIT 1")
        _swap(path, aside.decode("utf-8"))


def past_of(store: sqlite3.Connection) -> list[Ended]:
    """Return the streams that ended here, oldest first."""
    rows = store.execute(f"{_PAST} ORDER BY number").fetchall()
    return [_ended(tuple(_text(value) for value in row)) for row in rows]


_PAST = "SELECT epoch, ended_at, cause, why, aside, taken, missing FROM past"


def _ended(row: tuple[Any, ...]) -> Ended:
    epoch, ended_at, cause, why, aside, taken, missing = row
    spans = tuple((int(first), int(last)) for first, last in json.loads(missing))
    return Ended(epoch, ended_at, cause, why, aside, taken, spans)


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _beside(path: Path, word: str) -> Path:
    return path.with_name(f"{path.name}.{word}")


def _forget(path: Path) -> None:
    for tail in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + tail).unlink(missing_ok=True)


def _aside(path: Path, cause: Cause) -> str:
    word = "corrupt" if cause == "damage" else "ended"
    name = f"{path.name}.{word}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    names = [name, *(f"{name}-{number}" for number in range(2, 1000))]
    return next(each for each in names if not present(path.with_name(each)))


def _staging(path: Path) -> sqlite3.Connection:
    """Open a place for rows in any order: they may be more than memory takes."""
    staged = sqlite3.connect(_beside(path, "staging"), isolation_level=None)
    staged.execute("PRAGMA journal_mode = OFF")
    staged.execute("PRAGMA synchronous = OFF")
    staged.execute(
        "CREATE TABLE found (seq INTEGER PRIMARY KEY, id TEXT, body TEXT, carved INTEGER) STRICT"
    )
    return staged


@contextlib.contextmanager
def _passing_over(patient: bool) -> Iterator[None]:
    """Go on without what cannot be read; not where the disk may give it another time."""
    try:
        yield
    except (sqlite3.Error, ValueError, TypeError) as error:
        if patient and is_withheld(error):
            raise


def _what_it_says(path: Path, *, patient: bool) -> _Said:
    said: dict[str, Any] = {}
    with _passing_over(patient), looking(path) as store:
        with _passing_over(patient):
            known = watermark(
                *store.execute(
                    "SELECT epoch, upto, posted, conflict, digest FROM stream"
                ).fetchone()
            )
            if known:
                said |= {"epoch": str(known[0]), "upto": known[1]}
        with _passing_over(patient):
            said["sessions"] = tuple(_sessions(store))
        with _passing_over(patient):
            past_of(store)  # fails where one of them cannot be read
            said["past"] = tuple(
                tuple(_text(value) for value in row)
                for row in store.execute(f"{_PAST} ORDER BY number")
            )
    return _Said(**said)


def _sessions(store: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    for station, body, stored in store.execute("SELECT station, body, digest FROM session"):
        text = intact(body, stored)
        if text and isinstance(station, bytes):
            with contextlib.suppress(UnicodeDecodeError):
                yield station.decode("utf-8"), text


def _gather(
    path: Path, said: _Said, staged: sqlite3.Connection, *, thorough: bool, patient: bool
) -> tuple[tuple[int, int], ...]:
    """Put every row that can be believed into `staged`; return what is missing in between."""
    floor = max(0, (said.upto or 0) - CARRIED)
    staged.execute("BEGIN")
    whole = True
    try:
        for seq, body, stored in _by_sql(path, floor, patient=patient):
            _stage(staged, said.epoch, (seq, body, stored), carved=False)
    except _Broken:
        whole = False
    if thorough:
        [(top,)] = staged.execute("SELECT coalesce(max(seq), 0) FROM found")
        for row in carve(path, zeros=not patient):
            # What was taken back lies in old pages still. Behind the newest row nothing is looked
            # for there, unless the newest rows may be missing.
            if row.seq > floor and (row.seq < top or not whole):
                _stage(staged, said.epoch, (row.seq, row.body, row.digest), carved=True)
    staged.execute("COMMIT")
    return tuple(_gaps(staged, said.upto))


class _Broken(Exception):
    """Not every row could be read in order."""


def _by_sql(path: Path, floor: int, *, patient: bool) -> Iterator[tuple[Any, Any, Any]]:
    """Yield rows as SQLite reads them: from the front, and where it stops, from the end.

    Raises:
        _Broken: at the end, if there may be more.
        sqlite3.Error, OSError: the disk may give them another time, and there is patience for it.
    """
    reached = floor
    try:
        with looking(path) as store:
            try:
                query = f"{SELECT_ROWS} WHERE seq > ? ORDER BY seq"
                for row in store.execute(query, (reached,)):
                    yield row
                    reached = row[0]
            except _UNREADABLE as error:
                if patient and is_withheld(error):
                    raise
                query = f"{SELECT_ROWS} WHERE seq > ? ORDER BY seq DESC"
                yield from store.execute(query, (reached,))
                raise
            if broken_log(path):
                raise _Broken
    except (*_UNREADABLE, OSError) as error:
        if patient and (is_withheld(error) or isinstance(error, OSError)):
            raise
        raise _Broken from error


def _stage(
    staged: sqlite3.Connection, epoch: str, row: tuple[Any, Any, Any], *, carved: bool
) -> None:
    """Take a row that can be believed; of one that cannot, note that it is there."""
    seq, body, stored = row
    text = _believed(body, stored)
    name = ""
    if text is None:
        if carved:
            return
    else:
        try:
            value = json.loads(text)
            if epoch and value.get("epoch", epoch) != epoch:
                return
            # The number in the body is under the digest, the one beside it is not.
            seq, name = int(value.get("seq", seq)), str(value.get("id", ""))
        except (ValueError, AttributeError):
            text = None
    staged.execute(
        "INSERT INTO found (seq, id, body, carved) VALUES (?, ?, ?, ?) ON CONFLICT (seq)"
        # Of two that had one number, the elder was taken back. Ids are in order of time.
        " DO UPDATE SET id = excluded.id, body = excluded.body"
        " WHERE found.carved AND excluded.id >= found.id AND excluded.body IS NOT NULL",
        (seq, name, text, carved or text is None),
    )


def _believed(body: Any, stored: Any) -> str | None:
    """Return a body if its digest vouches for it, mending one flipped bit in it."""
    text = intact(body, stored)
    if text is not None or not isinstance(body, bytes) or not isinstance(stored, bytes):
        return text
    wanted = int.from_bytes(stored, "big")
    if (int.from_bytes(sha256(body), "big") ^ wanted).bit_count() <= _FEW:
        return body.decode("utf-8")  # it is the digest that was hit
    if len(body) <= _MENDED and len(stored) == 32:
        mended = bytearray(body)
        for at in range(len(mended)):
            for bit in range(8):
                mended[at] ^= 1 << bit
                if sha256(bytes(mended)) == stored:
                    return mended.decode("utf-8")
                mended[at] ^= 1 << bit
    return None


def _gaps(staged: sqlite3.Connection, upto: int | None) -> list[tuple[int, int]]:
    expected = None if upto is None else upto + 1
    gaps: list[tuple[int, int]] = []
    top = staged.execute("SELECT max(seq) FROM found WHERE body IS NOT NULL").fetchone()[0] or 0
    last = staged.execute("SELECT max(seq) FROM found WHERE seq <= ?", (top + _AFTER,)).fetchone()
    query = "SELECT seq FROM found WHERE seq > ? AND body IS NOT NULL ORDER BY seq"
    for (seq,) in [*staged.execute(query, (upto or 0,)), ((last[0] or 0) + 1,)]:
        if expected is not None and seq > expected:
            gaps.append((expected, seq - 1))
        expected = seq + 1
    return gaps[:_TOLD]


def _build(
    path: Path,
    staged: sqlite3.Connection,
    said: _Said,
    ended: Ended,
    shape: tuple[dict[int, str], str, int],
) -> Ended:
    """Write the new store beside the old one; it is complete when it is called `.ready`."""
    scripts, machine, page_size = shape
    building = _beside(path, "building")
    epoch = str(uuid.uuid4())
    with contextlib.closing(sqlite3.connect(building, isolation_level=None)) as store:
        store.execute(f"PRAGMA page_size = {page_size}")
        store.execute("PRAGMA journal_mode = OFF")  # a half-built one is thrown away
        store.execute("PRAGMA synchronous = OFF")
        store.create_function("sha256", 1, sha256, deterministic=True)
        for number in sorted(scripts):
            store.executescript(f"{scripts[number]}\nPRAGMA user_version = {number};")
        store.execute("BEGIN")
        store.execute(
            "INSERT INTO stream (one, epoch, digest, machine) VALUES (1, ?, ?, ?)",
            (epoch, stream_digest(epoch, 0, 0, None), machine),
        )
        store.executemany(
            "INSERT INTO outbox (seq, body, digest) VALUES (?, ?, ?)", _renumbered(staged, epoch)
        )
        store.executemany(
            "INSERT INTO session (station, body, digest) VALUES (?, ?, ?)",
            [(station, text, bytes.fromhex(digest(text))) for station, text in said.sessions],
        )
        [(taken,)] = store.execute("SELECT count(*) FROM outbox")
        columns = "(epoch, ended_at, cause, why, aside, taken, missing)"
        spans = json.dumps(ended.missing)
        store.executemany(
            f"INSERT INTO past {columns} VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            [
                *said.past,
                (
                    ended.epoch,
                    ended.ended_at,
                    ended.cause,
                    ended.why,
                    ended.aside,
                    taken,
                    spans,
                ),
            ],
        )
        store.execute("COMMIT")
    owner = path.stat()  # a person with more rights may have asked for this
    building.chmod(owner.st_mode & 0o7777)
    with contextlib.suppress(PermissionError):
        os.chown(building, owner.st_uid, owner.st_gid)
    _sync(building)
    building.rename(_beside(path, "ready"))
    _sync(path.parent)
    return Ended(
        ended.epoch, ended.ended_at, ended.cause, ended.why, ended.aside, taken, ended.missing
    )


def _renumbered(staged: sqlite3.Connection, epoch: str) -> Iterator[tuple[int, str, bytes]]:
    found = staged.execute("SELECT body FROM found WHERE body IS NOT NULL ORDER BY seq")
    for number, (text,) in enumerate(found, start=1):
        value = json.loads(text)
        value["epoch"], value["seq"] = epoch, number
        body = canonical(value)
        yield number, body, bytes.fromhex(digest(body))


def _swap(path: Path, aside: str) -> None:
    """Put the new store in place. The log goes first: it must never meet the new file."""
    for tail in ("-wal", "-shm", ""):
        old = path.with_name(path.name + tail)
        if present(old):
            old.rename(path.with_name(aside + tail))
    _sync(path.parent)
    _beside(path, "ready").rename(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
