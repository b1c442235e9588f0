"""A transaction as text of a file: one line of JSON, or rows of CSV. Pure.

>>> guarded("=1+1"), guarded("BOLT-8")
("'=1+1", 'BOLT-8')
"""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bridge.connectors.files.config import Config
from contract.canonical import canonical
from contract.envelope import plain
from contract.transactions import Transaction

COLUMNS = (
    *("id", "gateway", "epoch", "seq", "station", "operator", "occurred_at", "clock_synchronised"),
    *("type", "biz_step", "document_kind", "document", "row", "role", "sku", "gtin", "quantity"),
    *("unit", "lot", "serial", "expiry", "best_before", "sscc", "document_line", "from_location"),
    *("to_location", "location", "direction", "disposition", "reason", "weight", "weight_unit"),
    *("tracking", "reverses", "text"),
)
"""Of CSV, in this order; new ones are only ever added at the end."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet may take for a formula, in full width, too. Source: OWASP, CSV Injection."""
_NUMBERS = {"quantity", "weight", "seq", "row"}


@dataclass(frozen=True, slots=True)
class Record:
    """What one transaction adds to a file."""

    name: str
    """The transaction's id."""
    text: str
    """Whole lines, each with its end."""


def document(transaction: Transaction, config: Config) -> Record:
    """Return what `transaction` adds to a file. Pure."""
    name = str(transaction.id)
    if config.format == "jsonl":
        return Record(name, canonical(plain(transaction)) + "\n")
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    for number, row in enumerate(_rows(transaction), start=1):
        writer.writerow(
            guarded(text) if config.guard_formulas and column not in _NUMBERS else text
            for column in COLUMNS
            for text in [str({**row, "row": number}.get(column) or "")]
        )
    return Record(name, out.getvalue())


def head(config: Config) -> str:
    """Return what a file begins with."""
    return ",".join(COLUMNS) + "\r\n" if config.format == "csv" else ""


def guarded(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _rows(transaction: Transaction) -> Iterable[dict[str, Any]]:
    """Yield a row for each line, and one for a transaction, or parcel, without lines."""
    said = plain(transaction)
    event = said["event"]
    documents = event.get("documents") or [{}]
    weight = event.get("weight") or {}
    shared = {
        **{name: said.get(name) for name in ("id", "gateway", "epoch", "seq", "station")},
        **{name: event.get(name) for name in _OF_EVENTS},
        "operator": said.get("operator"),
        "occurred_at": said["clock"]["wall"],
        "clock_synchronised": "yes" if said["clock"]["synchronised"] else "no",
        "biz_step": transaction.event.biz_step,
        "document_kind": "; ".join(each.get("kind", "") for each in documents),
        "document": "; ".join(each.get("number", "") for each in documents),
    }
    heavy = {"weight": weight.get("value"), "weight_unit": _unit(weight)}
    rows = [
        {**shared, **_line(line), "role": role}
        for role, lines in (("line", "lines"), ("produced", "produced"), ("consumed", "consumed"))
        for line in event.get(lines) or ()
    ]
    rows += [
        {
            **shared,
            "role": "parcel",
            "sscc": each.get("sscc"),
            "tracking": each.get("tracking"),
            "weight": (each.get("weight") or {}).get("value"),
            "weight_unit": _unit(each.get("weight") or {}),
        }
        for each in event.get("packages") or ()
    ]
    if not rows:
        rows = [{**shared, **_line(event), "role": "event"}]
    # The weight is of all rows together: it stands once
    return [rows[0] | {k: v for k, v in heavy.items() if v is not None}, *rows[1:]]


_OF_EVENTS = (
    *("type", "from_location", "to_location", "location", "direction", "disposition", "reason"),
    *("sscc", "reverses", "text"),
)


def _line(line: dict[str, Any]) -> dict[str, Any]:
    item = line.get("item") or {}
    quantity = line.get("quantity") or {}
    own = ("lot", "serial", "expiry", "best_before", "sscc", "document_line")
    return {
        "sku": item.get("sku"),
        "gtin": item.get("gtin"),
        "quantity": quantity.get("value"),
        "unit": quantity.get("unit"),
        **{name: line[name] for name in own if line.get(name) is not None},
    }


def _unit(weight: dict[str, Any]) -> str | None:
    unit: str | None = weight.get("unit_code") or weight.get("unit")
    return unit
