"""`scanpost outbox`: what lies in a gateway's store, and what can be done about it.

    $ scanpost outbox status                    # how far the stream is, and whether all is well
    $ scanpost outbox list --state rejected     # the newest rows, newest first
    $ scanpost outbox show 01a20848-cbcd-7ea9-8502-8a1b045b02e6
    $ scanpost outbox export --from 1 > rows.jsonl
    $ scanpost outbox verify --deep
    $ scanpost outbox resend --from 120         # for a ledger restored from a backup
    $ scanpost outbox new-epoch                 # for a store that is a copy
    $ scanpost outbox seen                      # a person has seen what ended here

All but `resend` and `new-epoch` only read, and may run beside the daemon. `resend` asks a running
daemon to do it; `new-epoch` needs the daemon stopped, and says so.

States: saved (on this disk), at broker (only a running daemon knows), booked (the bridge's ledger
has it), posted (the ERP has it), rejected (and why). Exit codes: 0 done, 1 not found, not in order
or not possible now, 2 wrong arguments, or a store that cannot be read.
"""

import argparse
import json
import os
import sqlite3
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from contract.transactions import Transaction
from gateway.__main__ import DEFAULT_CONFIG
from gateway.config import load
from gateway.damage import damage_of, looking
from gateway.errors import ConfigError, StoreDamaged
from gateway.outbox import MIGRATIONS, PAGE_SIZE, alone, free_octets
from gateway.renewal import past_at, see, unseen_of
from gateway.rows import SELECT_ROWS, read_row, stream_digest
from gateway.salvage import Ended, renew
from runtime.machine import this_machine
from runtime.sqlite import StoreTooNew, StoreUnusable, quoted, scripts_of

STATES = ("saved", "at broker", "booked", "posted", "rejected")
_WITHIN = 3.0  # seconds a daemon on this machine may take to answer
_TRIES = 3  # a log that begins anew while it is read looks broken


class _Failed(Exception):
    """What was asked for cannot be done; the text says why."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A store, and the page of its daemon where it is known."""

    path: Path
    url: str | None

    def ask(self, what: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """Ask the running daemon; None if there is none, or it has no page."""
        if self.url is None:
            return None
        data = None if body is None else json.dumps(body).encode()
        head = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + what, data, head)  # noqa: S310 - always http
        try:
            with urllib.request.urlopen(request, timeout=_WITHIN) as answer:  # noqa: S310
                said: dict[str, Any] = json.load(answer)
                return said
        except urllib.error.HTTPError as error:
            with error:
                raise _Failed(f"the daemon says: {error.read().decode(errors='replace')}") from None
        except (OSError, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class _Standing:
    """How far the stream is, by the file or by the daemon, which knows it sooner."""

    epoch: str
    last: int
    upto: int
    posted: int
    conflict: int | None
    at_broker: int
    rejected: dict[int, tuple[str, str]]

    def state(self, seq: int) -> str:
        """Return how far one row is."""
        if seq in self.rejected:
            return "rejected"
        if seq <= self.posted:
            return "posted"
        if seq <= self.upto:
            return "booked"
        return "at broker" if seq <= self.at_broker else "saved"


def main(arguments: list[str]) -> int:
    """Do what was asked, and return the exit code."""
    options = _parser().parse_args(arguments)
    act: Callable[[_Place, argparse.Namespace], int] = options.act
    try:
        return act(_place(options), options)
    except _Failed as why:
        print(f"scanpost outbox: {why}", file=sys.stderr)
        return 1
    except (ConfigError, StoreUnusable, OSError) as error:
        print(f"scanpost outbox: {error}", file=sys.stderr)
        return 2
    except sqlite3.Error as error:
        print(f"scanpost outbox: {options.action}: {error}; try `verify`", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    where = common.add_mutually_exclusive_group()
    where.add_argument("--config", type=Path, metavar="FILE", help="of the gateway")
    where.add_argument("--store", type=Path, metavar="FILE", help="the store itself, or a copy")
    common.add_argument("--json", action="store_true", help="for programs")
    parser = argparse.ArgumentParser(
        prog="scanpost outbox",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(
        name: str, act: Callable[[_Place, argparse.Namespace], int], text: str
    ) -> argparse.ArgumentParser:
        made = actions.add_parser(name, parents=[common], help=text, description=text)
        made.set_defaults(act=act)
        return made

    action("status", _status, "how far the stream is")
    listing = action("list", _list, "the newest rows, newest first")
    listing.add_argument("--limit", type=_positive, default=20, metavar="N")
    listing.add_argument("--state", choices=STATES)
    action("show", _show, "one row, whole").add_argument("which", help="transaction id or seq")
    exporting = action("export", _export, "rows as JSON lines, oldest first")
    exporting.add_argument("--from", dest="first", type=_positive, default=1, metavar="SEQ")
    exporting.add_argument("--to", dest="last", type=_positive, metavar="SEQ")
    exporting.add_argument("--state", choices=STATES)
    verifying = action("verify", _verify, "whether the store is in order")
    verifying.add_argument("--deep", action="store_true", help="confirmed rows and meaning too")
    resending = action("resend", _resend, "send booked rows again; the bridge ignores what it has")
    resending.add_argument("--from", dest="first", type=_positive, required=True, metavar="SEQ")
    renewing = action("new-epoch", _new_epoch, "begin a new stream with what is not booked")
    renewing.add_argument("--why", default="a person asked for it", help="kept with the store")
    action("seen", _seen, "note that a person has seen which stream ended here")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("a number from 1")
    return number


def _place(options: argparse.Namespace) -> _Place:
    if options.store is not None:
        path, url = options.store, None
    else:
        config = load(options.config or DEFAULT_CONFIG)
        path = config.store.path
        url = f"http://{config.web.listen}" if config.web.enabled else None
    if not path.exists():
        raise StoreUnusable(f"{path}: there is no such store")
    return _Place(path, url)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    newest = max(scripts_of(MIGRATIONS))
    with looking(path) as store:
        [(version,)] = store.execute("PRAGMA user_version")
        if version != newest:
            raise StoreUnusable(f"{path}: schema {version}, this program reads {newest}")
        yield store


def _standing(place: _Place, store: sqlite3.Connection) -> _Standing:
    row = store.execute(
        "SELECT epoch, upto, posted, conflict,"
        " max(upto, coalesce((SELECT max(seq) FROM outbox), 0)) FROM stream"
    ).fetchone()
    if row is None:
        raise StoreUnusable(f"{place.path}: nothing was ever stored here")
    epoch, upto, posted, conflict, last = row
    live = place.ask("/api/status") or {}
    if live.get("epoch") != epoch.decode():
        live = {}
    rejected = {
        seq: (code.decode("utf-8", "replace"), text.decode("utf-8", "replace"))
        for seq, code, text in store.execute("SELECT seq, code, text FROM rejected")
    }
    return _Standing(
        epoch=epoch.decode(),
        last=last,
        upto=max(upto, live.get("upto", 0)),
        posted=max(posted, live.get("posted", 0)),
        conflict=live.get("conflict", conflict),
        at_broker=live.get("at_broker", 0),
        rejected=rejected,
    )


def _is_running(path: Path) -> bool:
    """Whether somebody holds the store's lock, without a touch at it. Source: proc_locks(5)."""
    try:
        lock = path.with_name(f"{path.name}.lock").stat()
        held = Path("/proc/locks").read_text("ascii")
    except OSError:
        return False
    device = f"{os.major(lock.st_dev):02x}:{os.minor(lock.st_dev):02x}:{lock.st_ino}"
    return any(device in line.split() for line in held.splitlines())


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Keep the daemon off, and leave it a lock that it may open: we may be root."""
    with alone(path):
        owner = path.stat()
        with suppress(PermissionError):
            os.chown(path.with_name(f"{path.name}.lock"), owner.st_uid, owner.st_gid)
        yield


def _record(standing: _Standing, store_row: tuple[Any, ...]) -> dict[str, Any]:
    """Return a row for people and programs; a damaged one says so."""
    seq = store_row[0]
    state = standing.state(seq)
    code, text = standing.rejected.get(seq, (None, None))
    record = {"seq": seq, "state": state, "code": code, "why": text}
    try:
        row = read_row(*store_row)
    except StoreDamaged as damage:
        return record | {"state": "damaged", "why": str(damage), "transaction": None}
    return record | {"digest": row.digest, "transaction": json.loads(row.body)}


def _status(place: _Place, options: argparse.Namespace) -> int:
    with _opened(place.path) as store:
        standing = _standing(place, store)
        [(kept, first)] = store.execute("SELECT count(*), min(seq) FROM outbox")
        oldest = store.execute(
            f"{SELECT_ROWS} WHERE seq > ? ORDER BY seq LIMIT 1", (standing.upto,)
        ).fetchone()
    past = past_at(place.path)
    ended = unseen_of(place.path, past)
    said = {
        "store": str(place.path),
        "running": _is_running(place.path),
        "bytes": place.path.stat().st_size,
        "disk_free_bytes": free_octets(place.path.parent),
        "epoch": standing.epoch,
        "last": standing.last,
        "at_broker": standing.at_broker or None,
        "booked": standing.upto,
        "posted": standing.posted,
        "waiting": standing.last - standing.upto,
        "waiting_since": _when(_record(standing, oldest)) if oldest else None,
        "rejected": len(standing.rejected),
        "kept": kept,
        "first_kept": first,
        "conflict": standing.conflict,
        "ended": None if ended is None else asdict(ended),
        "streams_ended": len(past),
    }
    if options.json:
        print(json.dumps(said))
    else:
        _tell(said)
        if ended is not None:
            _tell_ended(ended)
    return 0


def _tell(said: dict[str, Any]) -> None:
    for name, value in said.items():
        if name != "ended" and value is not None:
            print(f"{name.replace('_', ' '):16}{value}")
    if said["conflict"] is not None:
        print(
            "\nThis store is a copy of another one: stop the gateway, `scanpost outbox new-epoch`"
        )


def _tell_ended(ended: Ended) -> None:
    print(f"\nA stream ended here at {ended.ended_at}: {ended.why}")
    print(f"  {ended.taken} rows were taken over; the old file is {ended.aside}")
    for first, last in ended.missing:
        print(f"  LOST: seq {first} to {last} of epoch {ended.epoch or 'unknown'}")
    print("  `scanpost outbox seen` when somebody has looked into it")


def _when(record: dict[str, Any]) -> str | None:
    clock = (record["transaction"] or {}).get("clock")
    return clock.get("wall") if isinstance(clock, dict) else None


def _list(place: _Place, options: argparse.Namespace) -> int:
    found: list[dict[str, Any]] = []
    with _opened(place.path) as store:
        standing = _standing(place, store)
        for row in store.execute(f"{SELECT_ROWS} ORDER BY seq DESC"):
            if options.state is None or standing.state(row[0]) == options.state:
                found.append(_record(standing, row))
                if len(found) == options.limit:
                    break
    if options.json:
        print(json.dumps(found))
        return 0
    for record in found:
        value = record["transaction"] or {}
        event = value.get("event") or {}
        why = f"  {record['code'] or ''} {record['why']}" if record["why"] else ""
        print(
            f"{record['seq']:>8}  {record['state']:9}  {(_when(record) or '')[:19]:19}"
            f"  {value.get('station', ''):12}  {event.get('type', ''):10}"
            f"  {value.get('id', '')}{why}"
        )
    return 0


def _show(place: _Place, options: argparse.Namespace) -> int:
    with _opened(place.path) as store:
        standing = _standing(place, store)
        row = _find(store, options.which)
        if row is None:
            raise _Failed(f"{options.which}: not among the rows that are kept here")
        record = _record(standing, row)
    print(json.dumps(record, indent=None if options.json else 2, ensure_ascii=False))
    return 0


def _find(store: sqlite3.Connection, which: str) -> tuple[Any, ...] | None:
    found: tuple[Any, ...] | None
    if which.isascii() and which.isdigit():
        found = store.execute(f"{SELECT_ROWS} WHERE seq = ?", (int(which),)).fetchone()
        return found
    try:
        mark = f'"id":"{UUID(which)}"'
    except ValueError:
        raise _Failed(f"{which}: neither a transaction id nor a seq") from None
    for found in store.execute(f"{SELECT_ROWS} WHERE instr(body, ?) ORDER BY seq DESC", (mark,)):
        # What was scanned may hold the text of an id as well.
        if json.loads(found[1]).get("id") == str(UUID(which)):
            return found
    return None


def _export(place: _Place, options: argparse.Namespace) -> int:
    damaged = 0
    with _opened(place.path) as store:
        standing = _standing(place, store)
        last = options.last or standing.last
        for row in store.execute(
            f"{SELECT_ROWS} WHERE seq BETWEEN ? AND ? ORDER BY seq", (options.first, last)
        ):
            record = _record(standing, row)
            if options.state is None or record["state"] == options.state:
                damaged += record["state"] == "damaged"
                print(json.dumps(record, ensure_ascii=False))
    if damaged:
        raise _Failed(f"{damaged} rows are damaged; their lines have no transaction")
    return 0


def _verify(place: _Place, options: argparse.Namespace) -> int:
    found = None
    for _ in range(_TRIES if _is_running(place.path) else 1):
        try:
            found = damage_of(place.path, MIGRATIONS, deep=options.deep)
        except StoreTooNew as error:
            raise StoreUnusable(str(error)) from error
        if found is None:
            break
    unread = _without_meaning(place.path) if options.deep and found is None else []
    if options.json:
        print(json.dumps({"ok": found is None, "damage": found, "not_understood": unread}))
    elif found is None:
        print(f"{place.path}: in order")
        for seq, why in unread:
            print(f"  row {seq} is whole, but not understood by this version: {why}")
    else:
        print(f"{place.path}: {found}. The next start of the gateway saves what can be read.")
    return 0 if found is None else 1


def _without_meaning(path: Path) -> list[tuple[int, str]]:
    """Return rows that are no transactions to this version, or stand in the wrong place."""
    found = []
    with _opened(path) as store:
        [(epoch,)] = store.execute("SELECT epoch FROM stream")
        for row in store.execute(f"{SELECT_ROWS} ORDER BY seq"):
            try:
                value = Transaction.model_validate_json(row[1])
            except ValueError as error:
                found.append((row[0], str(error).splitlines()[0]))
                continue
            if (str(value.epoch), value.seq) != (epoch.decode(), row[0]):
                found.append((row[0], f"it says it is {value.epoch}/{value.seq}"))
    return found


def _resend(place: _Place, options: argparse.Namespace) -> int:
    if _is_running(place.path):
        sent = place.ask("/api/resend", {"first": options.first})
        if sent is None:
            raise _Failed("the daemon runs and has no page here to ask it: stop it first")
        _done(options, sent, f"the daemon sends rows {sent['first']} to {sent['last']} again")
        return 0
    with _held(place.path):
        with _opened(place.path) as store:
            standing = _standing(place, store)
            [(first,)] = store.execute("SELECT min(seq) FROM outbox")
        if first is None or not first <= options.first <= standing.upto:
            raise _Failed(
                f"row {options.first} is not a booked row that is kept here"
                f" ({first} to {standing.upto} are)"
            )
        upto = options.first - 1
        posted = min(standing.posted, upto)
        with closing(sqlite3.connect(f"file:{quoted(place.path)}", uri=True)) as store, store:
            store.execute("PRAGMA synchronous = FULL")
            store.execute(
                "UPDATE stream SET upto = ?, posted = ?, digest = ?",
                (upto, posted, stream_digest(standing.epoch, upto, posted, standing.conflict)),
            )
    said = {"first": options.first, "last": standing.upto}
    _done(options, said, f"rows {options.first} to {standing.upto} go again at the next start")
    return 0


def _new_epoch(place: _Place, options: argparse.Namespace) -> int:
    if _is_running(place.path):
        raise _Failed("the gateway runs: stop it first (`systemctl stop scanpost-gateway`)")
    with _held(place.path):
        try:
            damage = damage_of(place.path, MIGRATIONS)
        except StoreTooNew:
            raise
        except StoreUnusable as error:
            # The disk gives no more. A daemon waits for it to come back; a person need not.
            damage = str(error)
        ended = renew(
            place.path,
            "damage" if damage else "asked",
            damage or options.why,
            MIGRATIONS,
            machine=this_machine(),
            page_size=PAGE_SIZE,
            at_once=True,
        )
        see(place.path, past_at(place.path))  # who asked for it has seen it
    said = f"a new stream begins with {ended.taken} rows; the old file is {ended.aside}"
    _done(options, asdict(ended), said)
    return 0 if not ended.missing else 1


def _seen(place: _Place, options: argparse.Namespace) -> int:
    past = past_at(place.path)
    see(place.path, past)
    _done(options, {"seen": len(past)}, f"seen: {len(past)} streams that ended here")
    return 0


def _done(options: argparse.Namespace, said: dict[str, Any], text: str) -> None:
    print(json.dumps(said) if options.json else text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
