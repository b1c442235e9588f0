"""Transactions as EPCIS 2.0 events: what, when, where and why, in the words of CBV 2.0. Pure.

Things are named by GS1 Digital Link: `https://id.gs1.org/01/<GTIN>/10/<lot>` and so on. What has no
GS1 key is named under the house's own `base`. What EPCIS has no field for, such as the direction of
an adjustment, stands in fields of the namespace `scanpost`.

Source: EPCIS 2.0 and CBV 2.0 (GS1, 2022) and their JSON schema; GS1 Digital Link URI Syntax 1.4.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, assert_never
from urllib.parse import quote

from bridge.connectors.epcis.config import Config
from bridge.outcome import Posted, Refused
from contract.transactions import (
    Adjustment,
    Assembly,
    Count,
    Event,
    Pack,
    Pick,
    Putaway,
    Reading,
    Receipt,
    Return,
    Reversal,
    Shipment,
    Transaction,
    Transfer,
    Weighing,
)
from contract.values import Document, Line, Weight

CONTEXT = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"
_GS1 = "https://id.gs1.org"
_TYPES = {"po": "po", "desadv": "desadv", "rma": "rma", "prodorder": "prodorder"}
"""CBV 2.0 has no business transaction type for a sales order, pick list, transfer or count."""
_MASS = frozenset({"KGM", "GRM", "LBR", "ONZ", "TNE", "MGM"})


class _Unfit(Exception):
    def __init__(self, refused: Refused) -> None:
        super().__init__(refused)
        self.refused = refused


def document(transaction: Transaction, config: Config) -> dict[str, Any] | Posted | Refused:
    """Return the event for `transaction`, whose `eventID` is the transaction's id. Pure.

    `Posted("")` is for a reading or weighing of nothing that has a name.
    """
    try:
        own = _own(transaction.event, config)
    except _Unfit as unfit:
        return unfit.refused
    if isinstance(own, Posted | Refused):
        return own
    wall = transaction.clock.wall
    event = {
        "eventID": f"urn:uuid:{transaction.id}",
        "eventTime": _time(wall),
        "eventTimeZoneOffset": _offset(wall),
        "bizStep": transaction.event.biz_step,
        **own,
    }
    if documents := getattr(transaction.event, "documents", ()):
        event["bizTransactionList"] = _once(_reference(each, config) for each in documents)
    if weights := list(_weights(transaction.event)):
        device = _under(config, "station", transaction.gateway, transaction.station)
        event["sensorElementList"] = [
            {
                "sensorMetadata": {"time": _time(wall), "deviceID": device},
                "sensorReport": [_mass(weight) for weight in weights],
            }
        ]
    return event


def epcis_document(
    transactions: Iterable[Transaction], config: Config
) -> tuple[dict[str, Any], dict[str, Refused]]:
    """Return an EPCIS document of all transactions, and why some are not in it, by id. Pure.

    The document's date is that of its newest event, so that the same give the same.
    """
    events: list[dict[str, Any]] = []
    left_out: dict[str, Refused] = {}
    newest = None
    for transaction in transactions:
        made = document(transaction, config)
        if isinstance(made, Refused):
            left_out[str(transaction.id)] = made
        elif not isinstance(made, Posted):
            events.append(made)
            wall = transaction.clock.wall
            newest = wall if newest is None else max(newest, wall)
    return wrapped(events, newest, config), left_out


def wrapped(
    events: Sequence[dict[str, Any]], newest: datetime | None, config: Config
) -> dict[str, Any]:
    """Return a document around events."""
    return {
        "@context": context(config),
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "1970-01-01T00:00:00Z" if newest is None else _time(newest),
        "epcisBody": {"eventList": list(events)},
    }


def context(config: Config) -> list[Any]:
    """Return the JSON-LD context of a document, or of an event that stands alone."""
    return [CONTEXT, {"scanpost": _under(config, "ns") + "#"}]


def _own(event: Event, config: Config) -> dict[str, Any] | Posted | Refused:
    """Return what is this event's own: its kind, its things, its places."""
    match event:
        case Receipt() | Return() | Putaway() | Transfer() | Pick() | Shipment() | Count():
            return _observed(event, config)
        case Pack():
            return _packed(event, config)
        case Adjustment():
            return {
                **_object(event.lines, None, config),
                **_places(event.location, event.location, config),
                "scanpost:direction": event.direction,
                "scanpost:reason": event.reason,
            }
        case Assembly():
            return _assembled(event, config)
        case Weighing() | Reading():
            return _seen(event, config)
        case Reversal():
            text = "an error declaration repeats the event it undoes, which is not known here"
            return Refused("unsupported", text)
        case _:
            assert_never(event)


def _observed(
    event: Receipt | Return | Putaway | Transfer | Pick | Shipment | Count, config: Config
) -> dict[str, Any]:
    match event:
        case Receipt():
            more = {"disposition": "in_progress"}
            units, source, goal = [event.sscc], event.to_location, event.to_location
        case Return():
            more = {"disposition": event.disposition}
            units, source, goal = [event.sscc], event.to_location, event.to_location
        case Putaway() | Transfer() | Pick():
            more = {}
            units, source, goal = [event.sscc], event.from_location, event.to_location
        case Shipment():
            more = {"disposition": "in_transit"}
            units, source, goal = [each.sscc for each in event.packages], event.from_location, None
        case Count():
            more = {}
            units, source, goal = [], event.location, event.location
        case _:
            assert_never(event)
    if reason := getattr(event, "reason", None):
        more["scanpost:reason"] = reason
    made = _object(event.lines, units, config)
    if isinstance(event, Shipment):
        made["epcList"] = _once([*made["epcList"], *_parcels(event, config)])
        if not made["epcList"] and not made.get("quantityList"):
            raise _Unfit(Refused("contract", "nothing in it has a name: no SSCC, tracking, item"))
    return {**made, **_places(source, goal, config), **more}


def _parcels(event: Shipment, config: Config) -> list[str]:
    """Return names of parcels without an SSCC, by their carrier's number."""
    return [
        _under(config, "parcel", each.tracking)
        for each in event.packages
        if each.sscc is None and each.tracking is not None
    ]


def _packed(event: Pack, config: Config) -> dict[str, Any]:
    if event.sscc is None:
        return _object(event.lines, None, config)
    epcs, quantities = _things(event.lines, config)
    return {
        "type": "AggregationEvent",
        "action": "ADD",
        "parentID": f"{_GS1}/00/{event.sscc}",
        **({"childEPCs": epcs} if epcs else {}),
        **({"childQuantityList": quantities} if quantities else {}),
    }


def _assembled(event: Assembly, config: Config) -> dict[str, Any]:
    used, used_quantities = _things(event.consumed, config)
    made, made_quantities = _things(event.produced, config)
    return {
        "type": "TransformationEvent",
        **({"inputEPCList": used} if used else {}),
        **({"inputQuantityList": used_quantities} if used_quantities else {}),
        **({"outputEPCList": made} if made else {}),
        **({"outputQuantityList": made_quantities} if made_quantities else {}),
        **_places(event.location, event.location, config),
    }


def _seen(event: Weighing | Reading, config: Config) -> dict[str, Any] | Posted:
    lines: tuple[Line, ...] = ()
    if event.item is not None and isinstance(event, Reading) and event.quantity is not None:
        lines = (
            Line(item=event.item, quantity=event.quantity, lot=event.lot, serial=event.serial),
        )
    made = _object(lines, [event.sscc], config)
    if event.item is not None and not lines:
        lot, serial = getattr(event, "lot", None), getattr(event, "serial", None)
        name = _name(event.item.gtin, event.item.sku, lot, serial, config)
        if serial is not None:
            made["epcList"] = [*made.get("epcList", []), name]
        else:
            made["quantityList"] = [{"epcClass": name}]
    if not made.get("epcList") and not made.get("quantityList"):
        return Posted("")
    return made


def _object(
    lines: Iterable[Line], units: Sequence[str | None] | None, config: Config
) -> dict[str, Any]:
    epcs, quantities = _things(lines, config)
    epcs += [f"{_GS1}/00/{unit}" for unit in units or () if unit is not None]
    return {
        "type": "ObjectEvent",
        "action": "OBSERVE",
        "epcList": _once(epcs),
        **({"quantityList": quantities} if quantities else {}),
    }


def _things(lines: Iterable[Line], config: Config) -> tuple[list[str], list[dict[str, Any]]]:
    """Return instances (one piece with a serial number), and quantities of classes."""
    epcs: list[str] = []
    quantities: list[dict[str, Any]] = []
    for line in lines:
        gtin, sku, value = line.item.gtin, line.item.sku, line.quantity.value
        if line.serial is not None and value == 1 and line.quantity.unit in ("EA", "C62"):
            epcs.append(_name(gtin, sku, None, line.serial, config))
            continue
        row: dict[str, Any] = {
            "epcClass": _name(gtin, sku, line.lot, None, config),
            "quantity": _number(value),
        }
        if line.quantity.unit not in ("EA", "C62"):  # without a unit EPCIS counts pieces
            row["uom"] = line.quantity.unit
        quantities.append(row)
    return _once(epcs), quantities


def _name(
    gtin: str | None, sku: str | None, lot: str | None, serial: str | None, config: Config
) -> str:
    if gtin is None:
        name = _under(config, "sku", sku or "")
        return name + "".join(
            f"/{what}/{_part(value)}"
            for what, value in (("lot", lot), ("serial", serial))
            if value is not None
        )
    name = f"{_GS1}/01/{gtin}"
    if lot is not None:
        name += f"/10/{_part(lot)}"
    return name if serial is None else f"{name}/21/{_part(serial)}"


def _places(source: str | None, goal: str | None, config: Config) -> dict[str, Any]:
    found = {}
    if source is not None:
        found["readPoint"] = {"id": _place(source, config)}
    if goal is not None:
        found["bizLocation"] = {"id": _place(goal, config)}
    return found


def _place(code: str, config: Config) -> str:
    return config.locations.get(code) or _under(config, "location", code)


def _reference(document: Document, config: Config) -> dict[str, str]:
    found = {"bizTransaction": _under(config, "document", document.kind, document.number)}
    return {"type": _TYPES[document.kind], **found} if document.kind in _TYPES else found


def _weights(event: Event) -> Iterable[Weight]:
    weights = [getattr(event, "weight", None)]
    weights += [each.weight for each in getattr(event, "packages", ())]
    return (each for each in weights if each is not None)


def _mass(weight: Weight) -> dict[str, Any]:
    unit = weight.unit_code
    if unit in _MASS:
        return {"type": "Mass", "value": _number(weight.value), "uom": unit}
    # In a unit nobody knows it is no mass: the words of the scale, as they came
    said = f"{weight.value} {weight.unit or unit or ''}".strip()
    return {"type": "Dimensionless", "stringValue": said}


def _number(value: Decimal) -> int | float:
    """Return a JSON number that is exactly the value, since EPCIS has amounts as numbers."""
    whole = value.to_integral_value()
    if value == whole and abs(whole) < 2**53:
        return int(whole)
    near = float(value)
    if Decimal(repr(near)) != value:
        raise _Unfit(Refused("contract", f"{value} has more digits than a JSON number keeps"))
    return near


def _once(rows: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for row in rows:
        if row not in found:
            found.append(row)
    return found


def _under(config: Config, *parts: str) -> str:
    return "/".join((config.base.rstrip("/"), *map(_part, parts)))


def _part(text: str) -> str:
    return quote(text, safe="")


def _time(when: datetime) -> str:
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _offset(when: datetime) -> str:
    return when.strftime("%z")[:3] + ":" + when.strftime("%z")[3:5]
