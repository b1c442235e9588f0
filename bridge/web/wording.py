"""A transaction in a few words, and the words for states and types.

Bodies come from the ledger as they were sent: what a newer gateway says may have any shape.

>>> what_of({"type": "receipt", "lines": [{"item": {"sku": "BOLT"}, "quantity": {"value": "2"}}],
...          "documents": [{"kind": "po", "number": "PO-1"}], "to_location": "DOCK"})
'2 x BOLT · po PO-1 · to DOCK'
"""

import json
from collections.abc import Iterable
from typing import Any, get_args

from contract.transactions import Event

STATES = {
    "received": "in line",
    "sending": "unclear",
    "posted": "posted",
    "dead": "dead",
}
"""The states of the ledger, as people say them."""
TYPES: tuple[str, ...] = tuple(
    sorted(
        get_args(model.model_fields["type"].annotation)[0] for model in get_args(get_args(Event)[0])
    )
)
"""Every type of transaction there is."""
MOST_LINES = 2
"""Lines of a transaction that are told in a list."""
_PLACES = (("from_location", "from"), ("to_location", "to"), ("location", "at"))


def what_of(body: Any) -> str:
    """Return what a transaction says, or an event of one; empty where it says nothing known."""
    event = _event(body)
    parts = [*_lines(event), *_documents(event)]
    parts += [f"{word} {event[name]}" for name, word in _PLACES if isinstance(event.get(name), str)]
    parts += [str(event[name]) for name in ("text", "reverses") if isinstance(event.get(name), str)]
    return " · ".join(parts)


def _event(body: Any) -> dict[str, Any]:
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError:
            return {}
    if isinstance(body, dict) and isinstance(body.get("event"), dict):
        body = body["event"]
    return body if isinstance(body, dict) else {}


def _lines(event: dict[str, Any]) -> list[str]:
    named = (event.get(name) for name in ("lines", "produced"))
    lines = next((lines for lines in named if isinstance(lines, list) and lines), [])
    told = [_line(line) for line in _dicts(lines[:MOST_LINES])]
    more = len(lines) - MOST_LINES
    return [*filter(None, told), *([f"{more} lines more"] if more > 0 else [])]


def _line(line: dict[str, Any]) -> str:
    item, quantity = line.get("item"), line.get("quantity")
    name = (item.get("sku") or item.get("gtin")) if isinstance(item, dict) else None
    if not isinstance(quantity, dict):
        return str(name or "")
    unit = quantity.get("unit", "EA")
    amount = quantity.get("value") if unit == "EA" else f"{quantity.get('value')} {unit}"
    return f"{amount} x {name}"


def _documents(event: dict[str, Any]) -> list[str]:
    found = event.get("documents")
    return [
        f"{document.get('kind')} {document.get('number')}"
        for document in _dicts(found if isinstance(found, list) else ())
    ]


def _dicts(values: Iterable[Any]) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)]
