"""A transaction made at a desk: from labels as a scanner sends them, and from what a person says.

Labels are understood as a gateway without site rules understands them (`contract.identifiers`). A
text that means nothing by itself is taken for a SKU, as reference data of a station would have it.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from bridge.mapping.rules import EVENTS, PLACES
from contract.identifiers import (
    Document,
    Gs1,
    Gtin,
    Hibc,
    Identifier,
    Location,
    Mh10,
    Quantity,
    Reason,
    Sscc,
    Tracking,
    Unknown,
    identify,
)
from contract.transactions import Transaction, event_adapter

_DOCUMENTS = {
    "receipt": "po",
    "putaway": "po",
    "return": "rma",
    "transfer": "transfer",
    "count": "count_sheet",
    "assembly": "prodorder",
    "pick": "so",
    "pack": "so",
    "shipment": "so",
}
"""What kind a document is taken for that a person names without one."""
_OPTIONS = {
    "item": "--sku, --gtin or a label",
    "documents": "--document",
    "from_location": "--from",
    "to_location": "--to",
    "location": "--location",
    "lines": "--sku, --gtin or a label",
    "produced": "--sku, --gtin or a label",
    "weight": "--weight",
    "reason": "--reason",
    "reverses": "--reverses",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What to make a transaction of. What a person says goes before what a label says."""

    type: str = "receipt"
    scans: tuple[str, ...] = ()
    """Labels in the order they are scanned, with their AIM identifier or without."""
    sku: str | None = None
    gtin: str | None = None
    quantity: str | None = None
    unit: str | None = None
    lot: str | None = None
    serial: str | None = None
    document: str | None = None
    """A number, or kind:number such as `po:4711` or `unknown:4711`."""
    from_location: str | None = None
    to_location: str | None = None
    location: str | None = None
    reason: str | None = None
    weight: str | None = None
    """In kilograms."""
    direction: str = "increase"
    """Of an adjustment."""
    reverses: UUID | None = None
    """Of a reversal: the id it undoes."""
    gateway: str = "desk"
    station: str = "desk"


@dataclass(slots=True)
class _Said:
    """What the labels said together."""

    item: dict[str, Any] = field(default_factory=dict)
    line: dict[str, Any] = field(default_factory=dict)
    quantity: tuple[str, str] | None = None
    documents: list[dict[str, Any]] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    event: dict[str, Any] = field(default_factory=dict)
    tracking: str | None = None
    evidence: list[dict[str, Any]] = field(default_factory=list)


def made(asked: Asked) -> Transaction:
    """Return the transaction, with a fresh id.

    Raises:
        ValueError: it is none; the text has a sentence for each thing that is missing or wrong.
    """
    if asked.type not in EVENTS:
        raise ValueError(f"there is no type {asked.type!r}; there are {', '.join(EVENTS)}")
    said = _Said()
    for scan in asked.scans:
        _hear(identify(scan.encode()), said)
        raw = scan.encode().hex()
        said.evidence.append({"kind": "scan", "device": "desk", "raw": raw})
    event = _event(asked, said)
    try:
        return Transaction(
            id=uuid.uuid4(),
            gateway=asked.gateway,
            epoch=uuid.uuid4(),
            seq=1,
            station=asked.station,
            clock={
                "wall": datetime.now(UTC),
                "boot": uuid.uuid4(),
                "monotonic": "1",
                "synchronised": True,
            },
            event=event_adapter.validate_python(event),
            evidence=said.evidence,
        )
    except ValidationError as error:
        raise ValueError("; ".join(_problem(each, asked.type) for each in error.errors())) from None


def _hear(label: Identifier, said: _Said) -> None:
    """Take what one label says."""
    match label:
        case Gtin() | Gs1() | Hibc() | Mh10():
            _hear_goods(label, said)
        case Document():
            said.documents.append(label.document.model_dump())
        case Location():
            said.places.append(label.name)
        case Quantity():
            said.quantity = str(label.value), "EA"
        case Reason():
            said.event["reason"] = label.reason
        case Sscc():
            said.event["sscc"] = label.sscc
        case Tracking():
            said.tracking = label.number
        case Unknown() if not label.problems:
            said.item["sku"] = label.text
        case _:
            raise _useless(label)


def _useless(label: Identifier) -> ValueError:
    why = "; ".join(label.problems) or f"it is a {label.kind}"
    return ValueError(f"{label.text!r} is of no use here: {why}")


def _hear_goods(label: Gtin | Gs1 | Hibc | Mh10, said: _Said) -> None:
    for name in ("lot", "serial", "expiry", "best_before"):
        value = getattr(label, name, None)
        if value is not None:
            said.line[name] = value
    names = {
        "gtin": getattr(label, "item", None) or getattr(label, "gtin", None),
        "sku": getattr(label, "product", None) or getattr(label, "part", None),
    }
    if isinstance(label, Gs1):
        names["gtin"] = label.gtin or label.content
    if label.problems and not any(names.values()):
        raise _useless(label)
    said.item |= {name: value for name, value in names.items() if value is not None}
    sscc, order = getattr(label, "sscc", None), getattr(label, "order", None)
    if sscc is not None:
        said.event["sscc"] = sscc
    if order is not None:
        said.documents.append({"kind": "po", "number": order})
    count = label.count if isinstance(label, Gtin) else label.quantity
    net = label.net_weight if isinstance(label, Gtin | Gs1) else None
    if count is not None:
        said.quantity = str(count), "EA"
    elif net is not None:
        said.quantity = str(net.value), net.unit


def _event(asked: Asked, said: _Said) -> dict[str, Any]:
    """Return the event as plain values: of all that was said, what a type has a field for."""
    fields = EVENTS[asked.type].model_fields
    item = said.item | {
        name: value for name in ("sku", "gtin") if (value := getattr(asked, name)) is not None
    }
    amount, unit = said.quantity or ("1", "EA")
    quantity = {"value": asked.quantity or amount, "unit": asked.unit or unit}
    line = said.line | {
        name: value for name in ("lot", "serial") if (value := getattr(asked, name)) is not None
    }
    lines = [line | {"item": item, "quantity": quantity}] if item else []
    found = (
        said.event
        | _places(asked, said, fields)
        | {
            "type": asked.type,
            "documents": _documents(asked, said),
            "direction": asked.direction,
            "reverses": asked.reverses,
            "packages": [{"tracking": said.tracking, "sscc": said.event.get("sscc")}],
            "lines": lines,
            "produced": lines,
            "consumed": lines,
            "item": item or None,
            "quantity": quantity if said.quantity or asked.quantity else None,
            "lot": line.get("lot"),
            "serial": line.get("serial"),
            "text": "\n".join(asked.scans) or None,
        }
    )
    if asked.reason is not None:
        found["reason"] = asked.reason
    if asked.weight is not None:
        found["weight"] = {"value": asked.weight, "unit": "kg", "unit_code": "KGM"}
    return {name: value for name, value in found.items() if name in fields and value is not None}


def _documents(asked: Asked, said: _Said) -> list[dict[str, Any]]:
    if asked.document is None:
        return said.documents
    kind, colon, number = asked.document.partition(":")
    if not colon:
        kind, number = _DOCUMENTS.get(asked.type, "unknown"), asked.document
    return [*said.documents, {"kind": kind, "number": number}]


def _places(asked: Asked, said: _Said, fields: Mapping[str, FieldInfo]) -> dict[str, Any]:
    """Return the places: labels fill what a person left open, first what must be, then in order."""
    found: dict[str, Any] = {name: getattr(asked, name) for name in PLACES if name in fields}
    room = [name for name, place in found.items() if place is None]
    if len(said.places) < len(room):
        room.sort(key=lambda name: not fields[name].is_required())
    if len(said.places) > len(room):
        raise ValueError(f"a {asked.type} has no use for the location {said.places[len(room)]}")
    return found | dict(zip(room, said.places, strict=False))


def _problem(problem: Any, kind: str) -> str:
    where = [str(part) for part in problem["loc"] if part != kind]
    name = where[0] if where else ""
    if problem["type"] in {"missing", "too_short"} and name in _OPTIONS:
        return f"a {kind} needs {name}: give it with {_OPTIONS[name]}"
    return f"{'.'.join(where)}: {problem['msg']}".removeprefix(": ")
