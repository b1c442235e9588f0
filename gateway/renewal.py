"""Whether a store must end its stream before it is opened, and the note that says so.

A daemon that finds its store damaged, or finds that it is a copy, cannot mend that while it runs.
It leaves a note and ends. The next start looks at the store, with or without a note; where one says
damage, at confirmed rows and indexes too. Where nothing is found and the word was SQLite's, a read
had failed. Where it was a digest's, the disk has read something wrong once: it gets another chance,
and the second such note ends the stream, so that no wall is run into for ever.
"""

import contextlib
import json
import logging
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from uuid import UUID

from gateway.damage import damage_of, is_withheld, looking, present
from gateway.reserve import give_up_room
from gateway.salvage import Cause, Ended, finish, past_of, renew
from runtime.logs import event
from runtime.machine import other_machine
from runtime.sqlite import StoreUnusable

log = logging.getLogger(__name__)

_CAUSES: dict[str, Cause] = {"damage": "damage", "copy": "copy", "moved": "moved", "asked": "asked"}


def note_renewal(path: Path, epoch: UUID, cause: Cause, why: str) -> None:
    """Leave word beside a store that its stream must end."""
    event(log, logging.ERROR, "a note for the next start", cause=cause, why=why, epoch=str(epoch))
    before = _noted(path)
    times = 1 + (before.times if before and before.epoch == str(epoch) else 0)
    text = json.dumps({"epoch": str(epoch), "cause": cause, "why": why, "times": times})
    with contextlib.suppress(OSError), _note(path).open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def renewed(
    path: Path,
    migrations: Traversable,
    *,
    machine: str = "",
    page_size: int = 4096,
    copies: bool = True,
) -> tuple[Ended, ...]:
    """Renew the store at `path` if it has to be; return the streams that ended there.

    Args:
        path: of a store that nobody has open.
        migrations: its schema.
        machine: where this is; empty: not looked at.
        page_size: of a new store.
        copies: renew a store that is a copy, too, and not only a damaged one.

    Raises:
        StoreUnusable, StoreTooNew: the store was left as it is.
    """
    try:
        finish(path)
    except (OSError, sqlite3.Error) as error:
        raise StoreUnusable(f"{path}: {error}") from error
    found = _reason(path, migrations, machine)
    if found is not None and (copies or found[0] in {"damage", "asked"}):
        cause, why = found
        # Room for a second store; it is put by again when that is done.
        give_up_room(path)
        ended = renew(path, cause, why, migrations, machine=machine, page_size=page_size)
        event(
            log,
            logging.ERROR,
            "a new stream was begun",
            cause=cause,
            why=why,
            aside=ended.aside,
            taken=ended.taken,
            missing=[list(span) for span in ended.missing],
        )
        with contextlib.suppress(OSError):  # it names its epoch, and does not count for another
            _note(path).unlink(missing_ok=True)
    return past_at(path)


def past_at(path: Path) -> tuple[Ended, ...]:
    """Return the streams that ended at `path`, oldest first.

    Raises:
        StoreUnusable: the disk does not say.
    """
    with _if_told(path):
        if present(path):
            with looking(path) as store:
                return tuple(past_of(store))
    return ()


@contextlib.contextmanager
def _if_told(path: Path) -> Iterator[None]:
    """Pass over a store that has nothing to say, older or empty; not over a disk that fails."""
    try:
        yield
    except (sqlite3.Error, ValueError) as error:
        if is_withheld(error):
            raise StoreUnusable(f"{path}: {error}") from error
    except OSError as error:
        raise StoreUnusable(f"{path}: {error}") from error


def unseen_of(path: Path, past: tuple[Ended, ...]) -> Ended | None:
    """Return the last of `past` unless `see` was called since."""
    if not past:
        return None
    try:
        seen = int(_seen(path).read_text("ascii"))
    except (OSError, ValueError):
        seen = 0
    return past[-1] if seen < len(past) else None


def see(path: Path, past: tuple[Ended, ...]) -> None:
    """Note that a person has seen what ended; beside the store, which others may have open.

    Raises:
        OSError: the folder cannot be written to.
    """
    _seen(path).write_text(str(len(past)), "ascii")


def _seen(path: Path) -> Path:
    return path.with_name(f"{path.name}.seen")


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.renew")


def _reason(path: Path, migrations: Traversable, machine: str) -> tuple[Cause, str] | None:
    noted = _noted(path)
    deep = noted is not None and noted.cause == "damage"
    damage = damage_of(path, migrations, deep=deep)
    if damage and damage_of(path, migrations, deep=deep):  # a disk may read wrong once
        return "damage", damage
    row, past = None, past_at(path)
    with _if_told(path):
        if present(path):
            with looking(path) as store:
                row = store.execute("SELECT epoch, upto, conflict, machine FROM stream").fetchone()
    if row is None:
        return None
    epoch, upto, conflict, born = row
    if noted and noted.epoch == epoch.decode("ascii") and noted.counts:
        return noted.cause, noted.why
    if machine and other_machine(born.decode("ascii", "replace"), machine):
        return "moved", "this store was written by another machine"
    if conflict is not None and not (past and past[-1].cause == "copy" and not upto):
        return "copy", f"row {conflict} came to the bridge with two contents"
    return None


@dataclass(frozen=True, slots=True)
class _Note:
    epoch: str
    cause: Cause
    why: str
    times: int

    @property
    def counts(self) -> bool:
        """Whether the stream ends for it though nothing is wrong with the store to be seen.

        A statement whose read ended with EIO says SQLITE_CORRUPT too: if all of the store is in
        order now, it was that. Source: SQLITE_IOERR_CORRUPTFS in SQLite's vdbe.c.
        """
        return self.cause != "damage" or (self.times > 1 and "(SQLITE_" not in self.why)


def _noted(path: Path) -> _Note | None:
    try:
        said = json.loads(_note(path).read_text("utf-8"))
        return _Note(
            str(said["epoch"]), _CAUSES[said["cause"]], str(said["why"]), int(said["times"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
