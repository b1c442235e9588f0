"""The copy as jobs ask it: synchronous look-ups in SQLite, behind a small memory of what is in use.

A look-up sees the copy as it was when `show` or `follow` was called last, whatever is written
meanwhile: what a document says is done and what is counted beside it change at one moment.
"""

import contextlib
import logging
import sqlite3
from collections import OrderedDict
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from contract.reference import DocumentRecord, ItemRecord, Kind, LocationRecord
from gateway.reference.binder import Binder, Name, Standing, mark
from gateway.stations.job import Trade
from runtime.logs import event
from runtime.sqlite import quoted

log = logging.getLogger(__name__)

_ITEMS = 2000  # items kept in memory, some 4 kB each: what a bench handles in a day
_LINES = 10_000  # lines of documents kept in memory, some 2 kB each: ten of the longest
_PAGES_KIB = 4096  # of the file kept in memory; the kernel keeps more
_WAIT_MS = 20  # milliseconds for a lock that nobody should hold

_BY_KEY = "SELECT key, body, mark FROM record WHERE kind = ? AND key = ?"
_BY_ALIAS = (
    "SELECT key, body, mark FROM alias JOIN record ON record.id = alias.record"
    " WHERE alias = ? ORDER BY key LIMIT 2"
)

Model = TypeVar("Model", bound=BaseModel)


class _Damaged(Exception):
    """A record is not what was stored."""


class Kept(Generic[Model]):
    """The records asked for lately, by key, up to a weight of all together."""

    def __init__(self, most: int, weigh: Callable[[Model], int]) -> None:
        self._most = most
        self._weigh = weigh
        self._found: OrderedDict[str, Model] = OrderedDict()
        self.weight = 0

    def get(self, key: str) -> Model | None:
        """Return a record, as the one used last."""
        found = self._found.get(key)
        if found is not None:
            self._found.move_to_end(key)
        return found

    def put(self, key: str, record: Model) -> None:
        """Keep a record; those not used for longest give way."""
        self.drop(key)
        self._found[key] = record
        self.weight += self._weigh(record)
        while self.weight > self._most and len(self._found) > 1:
            _, gone = self._found.popitem(last=False)
            self.weight -= self._weigh(gone)

    def drop(self, key: str) -> None:
        """Forget a record."""
        gone = self._found.pop(key, None)
        if gone is not None:
            self.weight -= self._weigh(gone)

    def clear(self) -> None:
        """Forget all."""
        self._found.clear()
        self.weight = 0


class Catalog:
    """Looks things up in the copy; see `gateway.stations.job.Copy`. For the loop's thread only.

    A copy that turns out to be damaged is not looked at again: nothing is known then, and
    `damaged` is called.
    """

    def __init__(self) -> None:
        self._connection: sqlite3.Connection | None = None
        self._items: Kept[ItemRecord] = Kept(_ITEMS, lambda _: 1)
        self._documents: Kept[DocumentRecord] = Kept(_LINES, lambda each: 1 + len(each.lines))
        self._ambiguous = ""
        self.standing: Standing | None = None
        """Of what look-ups see; None where there is no copy."""
        self.damaged: Callable[[str], None] = lambda _: None
        """Called with the reason when the copy cannot be read any more."""

    @property
    def ready(self) -> bool:
        """Whether there is a copy with items in it."""
        return self.standing is not None and self.standing.items > 0

    def show(self, binder: Binder) -> None:
        """Look at this set from now on.

        Raises:
            sqlite3.Error: its file cannot be read; what was looked at before stays.
        """
        connection = sqlite3.connect(
            f"file:{quoted(binder.path)}?mode=ro", uri=True, isolation_level=None
        )
        try:
            connection.execute("PRAGMA query_only = ON")
            connection.execute(f"PRAGMA cache_size = -{_PAGES_KIB}")
            connection.execute(f"PRAGMA busy_timeout = {_WAIT_MS}")
            connection.execute("BEGIN")
            connection.execute("SELECT one FROM standing").fetchall()
        except BaseException:
            connection.close()
            raise
        self.close()
        self._connection = connection
        self.standing = binder.standing

    def follow(self, standing: Standing, changed: frozenset[Name] | None) -> None:
        """See what was written by now.

        Args:
            standing: of the set that is looked at.
            changed: records with a new form; None for any.
        """
        if self._connection is None:
            return
        if changed is None:
            self._forget()
        else:
            for kind, key in changed:
                if kind == "item":
                    self._items.drop(key)
                elif kind == "document":
                    self._documents.drop(key)
        try:
            self._connection.execute("COMMIT")
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT one FROM standing").fetchall()
        except sqlite3.Error as error:
            self._give_up(str(error))
        else:
            self.standing = standing

    def close(self) -> None:
        """Look at nothing any more."""
        self._forget()
        self.standing = None
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def by_gtin(self, gtin: str) -> Trade | None:
        """Return the item that carries a GTIN-14; None also where two do."""
        item = self._by_alias("item", f"g{gtin}", ItemRecord, self._items)
        if item is None:
            return None
        found: set[Decimal] = {pack.quantity for pack in item.packs if pack.gtin == gtin}
        if len(found) != 1:
            self._say_ambiguous(gtin, item.sku)
            return None
        return Trade(item, found.pop())

    def by_code(self, code: str) -> ItemRecord | None:
        """Return the item of that SKU, or with that code on it; None also where two have it."""
        return self._by_key("item", code, ItemRecord, self._items) or self._by_alias(
            "item", f"c{code}", ItemRecord, self._items
        )

    def document(self, number: str) -> DocumentRecord | None:
        """Return an open document."""
        return self._by_key("document", number, DocumentRecord, self._documents)

    def location(self, name: str) -> LocationRecord | None:
        """Return a location by name, by GLN, or by GLN and extension joined by `-`."""
        return self._by_key("location", name, LocationRecord) or self._by_alias(
            "location", f"l{name}", LocationRecord
        )

    def _by_key(
        self, kind: Kind, key: str, model: type[Model], kept: Kept[Model] | None = None
    ) -> Model | None:
        found = kept.get(key) if kept is not None else None
        if found is not None:
            return found
        rows = self._ask(_BY_KEY, (kind, key))
        return self._read(kind, rows[0], model, kept) if rows else None

    def _by_alias(
        self, kind: Kind, alias: str, model: type[Model], kept: Kept[Model] | None = None
    ) -> Model | None:
        rows = self._ask(_BY_ALIAS, (alias,))
        if len(rows) > 1:
            self._say_ambiguous(alias[1:], *(row[0] for row in rows))
            return None
        return self._read(kind, rows[0], model, kept) if rows else None

    def _ask(self, query: str, values: tuple[str, ...]) -> list[Any]:
        if self._connection is None:
            return []
        try:
            return self._connection.execute(query, values).fetchall()
        except (sqlite3.Error, UnicodeError) as error:
            self._give_up(str(error))
            return []

    def _read(
        self, kind: Kind, row: tuple[str, str, int], model: type[Model], kept: Kept[Model] | None
    ) -> Model | None:
        key, body, checksum = row
        found = kept.get(key) if kept is not None else None
        if found is not None:
            return found
        try:
            if mark(kind, key, body) != checksum:
                raise _Damaged(f"{kind} {key[:40]!r} is not what was stored")
            record = model.model_validate_json(body)
        except (_Damaged, ValidationError) as error:
            self._give_up(str(error))
            return None
        if kept is not None:
            kept.put(key, record)
        return record

    def _say_ambiguous(self, code: str, *whose: str) -> None:
        """Log once a code that says nothing, since it stands for two things."""
        if code != self._ambiguous:
            self._ambiguous = code
            event(log, logging.WARNING, "a code stands for two things", code=code, whose=whose)

    def _give_up(self, why: str) -> None:
        self.close()
        event(log, logging.ERROR, "the reference copy is damaged; it is fetched again", why=why)
        self.damaged(why)

    def _forget(self) -> None:
        self._items.clear()
        self._documents.clear()
