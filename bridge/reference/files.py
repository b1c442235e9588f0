"""Reference data from the CSV files of one folder, any of which may be missing.

What was read of a missing file earlier stays; a file with its header alone withdraws everything.
UTF-8 with a header line, fields separated by `,` or `;` (whichever the header has). Columns in any
order; one in brackets may be missing or empty. Yes and no are `1`/`0`, `yes`/`no`, `true`/`false`.

- `items.csv`: sku, [name], [unit] (`EA`), [lot], [serial], [expiry], [weight_g], [tolerance_g],
  [codes] (several separated by a blank), [held] (`LOT=why`, several separated by `|`),
  [components] (`SKU=quantity`, several separated by `|`)
- `packs.csv`: sku, gtin (8, 12, 13 or 14 digits), [quantity] (1): base units in one
- `documents.csv`, one row for each line: document (`po`, `so`, `desadv`, ...), number, line, sku,
  quantity, [done], [lot], [expiry] (2026-11-30), [location], and of the whole document, by its
  first row: [partner], [over_percent], [from_location], [to_location], [blind]. Rows of one
  document stand together. Without a column `done`, what was done is counted from the ledger.
- `locations.csv`: name, [gln], [extension], [purpose]

Write a file under another name and rename it: a file is read when it has changed.
"""

import asyncio
import csv
import io
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bridge.errors import SourceFailed
from bridge.reference.source import Figures, Reader, Records
from contract.codes.gtin import canonical_gtin
from contract.reference import DocumentRecord, ItemRecord, Kind, LocationRecord

FILES: dict[str, Kind] = {
    "items.csv": "item",
    "packs.csv": "item",
    "documents.csv": "document",
    "locations.csv": "location",
}
MAX_FIELD = 20_000
"""Characters of one field: 200 components of 100."""
TURN = 500
"""Rows read between two turns of everybody else: some 3 ms."""

_NEEDED = {
    "items.csv": {"sku"},
    "packs.csv": {"sku", "gtin"},
    "documents.csv": {"document", "number", "line", "sku", "quantity"},
    "locations.csv": {"name"},
}
_KNOWN = {
    "items.csv": {
        *("sku", "name", "unit", "lot", "serial", "expiry", "weight_g", "tolerance_g"),
        *("codes", "held", "components"),
    },
    "packs.csv": {"sku", "gtin", "quantity"},
    "documents.csv": {
        *("document", "number", "line", "sku", "quantity", "done", "lot", "expiry", "location"),
        *("partner", "over_percent", "from_location", "to_location", "blind"),
    },
    "locations.csv": {"name", "gln", "extension", "purpose"},
}
_OF_LINE = ("line", "sku", "quantity", "done", "lot", "expiry", "location")
_OF_DOCUMENT = (
    *("document", "number", "partner", "over_percent", "from_location", "to_location", "blind"),
)
_FLAGS = {"1": True, "yes": True, "true": True, "0": False, "no": False, "false": False}

Row = tuple[int, dict[str, str]]
"""Number of a row's first line in its file, and its fields that are not empty."""


class Files:
    """The files of one folder. Problems are `SourceFailed`, with file and line."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def items(self) -> AsyncIterator[ItemRecord]:
        """Yield every item with its packs."""
        packs: dict[str, tuple[tuple[str, str], ...]] = {}
        for line, row in self._rows("packs.csv"):
            if line % TURN == 0:
                await asyncio.sleep(0)
            gtin = canonical_gtin(row["gtin"])
            if gtin is None:
                raise SourceFailed(f"packs.csv:{line}: gtin: {row['gtin']!r} is no GTIN")
            # As tuples: 300,000 of them are 70 MB, as dicts three times that.
            packs[row["sku"]] = (*packs.get(row["sku"], ()), (gtin, row.get("quantity", "1")))
        for line, row in self._rows("items.csv"):
            said: dict[str, Any] = dict(row)
            for name in ("lot", "serial", "expiry"):
                if name in row:
                    said[name] = _flag("items.csv", line, name, row[name])
            said["packs"] = [
                {"gtin": gtin, "quantity": quantity} for gtin, quantity in packs.pop(row["sku"], ())
            ]
            said["codes"] = row.get("codes", "").split()
            said["held"] = [{"lot": lot, "why": why} for lot, why in _pairs(row.get("held", ""))]
            said["components"] = [
                {"sku": sku, "quantity": quantity or "1"}
                for sku, quantity in _pairs(row.get("components", ""))
            ]
            yield _made(ItemRecord, said, "items.csv", line)
        for sku in packs:
            raise SourceFailed(f"packs.csv: there is no item {sku!r} in items.csv")

    async def documents(self) -> AsyncIterator[DocumentRecord]:
        """Yield every document."""
        seen: set[str] = set()
        lines: set[str] = set()
        head: tuple[int, dict[str, Any]] | None = None
        for line, row in self._rows("documents.csv"):
            if head is None or row["number"] != head[1]["number"]:
                if head is not None:
                    yield _made(DocumentRecord, head[1], "documents.csv", head[0])
                if row["number"] in seen:
                    why = f"rows of {row['number']!r} do not stand together"
                    raise SourceFailed(f"documents.csv:{line}: {why}")
                seen.add(row["number"])
                head = line, {name: row[name] for name in _OF_DOCUMENT if name in row}
                if "blind" in row:
                    head[1]["blind"] = _flag("documents.csv", line, "blind", row["blind"])
                head[1]["lines"], lines = [], set()
            if row["line"] in lines:
                raise SourceFailed(f"documents.csv:{line}: line {row['line']!r} is there twice")
            lines.add(row["line"])
            head[1]["lines"].append({name: row[name] for name in _OF_LINE if name in row})
        if head is not None:
            yield _made(DocumentRecord, head[1], "documents.csv", head[0])

    async def locations(self) -> AsyncIterator[LocationRecord]:
        """Yield every location."""
        for line, row in self._rows("locations.csv"):
            yield _made(LocationRecord, dict(row), "locations.csv", line)

    @property
    def says_done(self) -> bool:
        """Whether `documents.csv` has a column `done`."""
        try:
            with (self._folder / "documents.csv").open(encoding="utf-8-sig", newline="") as file:
                return "done" in _header(file.readline())
        except (OSError, UnicodeDecodeError):
            return False

    def _rows(self, name: str) -> Iterator[Row]:
        """Yield the rows of a file; none where it is missing."""
        path = self._folder / name
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                yield from _rows_of(file, name)
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError) as error:
            raise SourceFailed(f"{name}: {error}") from error


def _rows_of(file: io.TextIOWrapper, name: str) -> Iterator[Row]:
    first = file.readline(MAX_FIELD)
    columns = _header(first)
    needed = _NEEDED[name]
    lacking = sorted(needed - set(columns))
    if lacking:
        raise SourceFailed(f"{name}:1: there is no column {', '.join(lacking)}")
    strange = sorted(set(columns) - _KNOWN[name])
    if strange or len(set(columns)) != len(columns):
        names = ", ".join(strange or columns)
        raise SourceFailed(f"{name}:1: unknown or repeated columns: {names}")
    rows = csv.reader(file, delimiter=_separator(first), strict=True)
    line = 2
    try:
        for fields in rows:
            if any(fields):
                if len(fields) != len(columns):
                    why = f"{len(fields)} fields for {len(columns)} columns"
                    raise SourceFailed(f"{name}:{line}: {why}")
                row = {
                    column: text
                    for column, field in zip(columns, fields, strict=True)
                    if (text := field.strip())
                }
                if not needed <= row.keys():
                    missing = ", ".join(sorted(needed - row.keys()))
                    raise SourceFailed(f"{name}:{line}: {missing} must not be empty")
                yield line, row
            line = rows.line_num + 2
    except csv.Error as error:
        raise SourceFailed(f"{name}:{line}: {error}") from error


def _separator(first: str) -> str:
    return ";" if first.count(";") > first.count(",") else ","


def _header(first: str) -> list[str]:
    return [name.strip().strip('"').lower() for name in first.strip().split(_separator(first))]


def _flag(name: str, line: int, column: str, text: str) -> bool:
    if text.lower() not in _FLAGS:
        raise SourceFailed(f"{name}:{line}: {column}: say yes or no, not {text!r}")
    return _FLAGS[text.lower()]


def _pairs(text: str) -> list[tuple[str, str]]:
    pairs = [part.partition("=") for part in text.split("|") if part.strip()]
    return [(name.strip(), value.strip()) for name, _, value in pairs]


def _made(model: Any, said: dict[str, Any], name: str, line: int) -> Any:
    try:
        return model.model_validate(said)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise SourceFailed(f"{name}:{line}: {where}: {problem['msg']}") from error


class Watch:
    """Knows which files have changed since it last looked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[str, tuple[int, int, int] | None] = dict.fromkeys(FILES)

    def changed(self) -> frozenset[Kind]:
        """Return the kinds whose files are others than at the last call."""
        now = {name: _mark(self._folder / name) for name in FILES}
        new = frozenset(kind for name, kind in FILES.items() if now[name] != self._seen[name])
        self._seen = now
        return new


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def reader(folder: Path) -> Reader:
    """Return the folder as a source."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Records]:
        if not os.access(folder, os.R_OK | os.X_OK):
            raise SourceFailed(f"{folder}: it is not there, or may not be read")
        yield Files(folder)

    def figures() -> Figures:
        if not Files(folder).says_done:
            return Figures("none")
        written = (folder / "documents.csv").stat().st_mtime
        return Figures("then", datetime.fromtimestamp(written, UTC))

    def kinds() -> frozenset[Kind]:
        main = ("items.csv", "documents.csv", "locations.csv")
        return frozenset(FILES[name] for name in main if (folder / name).exists())

    return Reader(opened, kinds, figures, Watch(folder).changed)
