"""What a transaction is to SAP: material documents, a delivery, a count, a cancellation. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, assert_never

from bridge.connectors.sap_s4.config import Cause, Config
from bridge.connectors.sap_s4.goods import Goods, Unfit, gathered, plain
from bridge.connectors.sap_s4.reference import reference
from bridge.outcome import Posted, Refused
from contract.transactions import (
    Adjustment,
    Assembly,
    Count,
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
from contract.values import Document

_NUMBER = re.compile(r"[0-9A-Z]{1,10}")
_ORDER = re.compile(r"[0-9A-Z]{1,12}")


@dataclass(frozen=True, slots=True)
class Posting:
    """One material document: `A_MaterialDocumentHeader` with its items."""

    text: str
    """The transaction's reference, in the header text."""
    slip: str
    """The number on the paper, in the reference document; see `step_of`."""
    movement: str
    rows: tuple[Goods, ...]
    common: tuple[tuple[str, str], ...]
    """What all items say: plant, storage location, order, reason ..."""
    order: str = ""
    """The purchase order whose items the rows belong to; empty without one."""


@dataclass(frozen=True, slots=True)
class Postings:
    """Material documents to make, in order."""

    documents: tuple[Posting, ...]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery that came or went as a whole."""

    way: Literal["inbound", "outbound"]
    text: str
    number: str
    goods: tuple[Goods, ...]
    """What really moved; none means all that the delivery says."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What was found at a storage location: a physical inventory document."""

    text: str
    plant: str
    storage: str
    goods: tuple[Goods, ...]


@dataclass(frozen=True, slots=True)
class Cancellation:
    """The material documents of an earlier transaction are cancelled."""

    text: str
    reverses: str
    """The reference of that transaction."""


Plan = Postings | Delivery | Counted | Cancellation


def document(transaction: Transaction, config: Config) -> Plan | Posted | Refused:
    """Return what SAP is to do for `transaction`. Pure.

    `Posted("")` is for what moves no stock there: a reading or weighing with no job behind it, what
    stays within one storage location, and what is nothing.
    """
    try:
        return _plan(transaction, config)
    except Unfit as unfit:
        return unfit.refused


def _plan(transaction: Transaction, config: Config) -> Plan | Posted | Refused:
    event, text = transaction.event, reference(transaction.id)
    match event:
        case Receipt():
            return _received(event, text, config)
        case Putaway() | Transfer():
            return _moved(event, text, config)
        case Adjustment():
            return _adjusted(event, text, config)
        case Return():
            return _returned(event, text, config)
        case Assembly():
            return _assembled(event, text, config)
        case Count():
            return _found(event, text, config)
        case Shipment():
            number = _one(event.documents, ("pick_list", "so", "unknown"), "outbound delivery")
            goods = gathered(event.lines, config, items=True)
            if event.lines and not goods:
                return Posted("")
            return Delivery("outbound", text, number, goods)
        case Reversal():
            return Cancellation(text, reference(event.reverses))
        case Reading() | Weighing():
            return Posted("")
        case Pick() | Pack():
            said = "SAP takes what was picked of a delivery as one: its shipment says it"
            return Refused("unsupported", f"no {event.type} is booked: {said}")
        case _:
            assert_never(event)


def _received(event: Receipt, text: str, config: Config) -> Plan | Posted | Refused:
    kinds = {each.kind for each in event.documents}
    by_delivery = "desadv" in kinds and (config.receive_by == "delivery" or "po" not in kinds)
    if by_delivery:
        number = _one(event.documents, ("desadv",), "inbound delivery")
        goods = gathered(event.lines, config, items=True)
        return Delivery("inbound", text, number, goods) if goods else Posted("")
    place = _place(event.to_location, config)
    goods = gathered(event.lines, config, items="po" in kinds, dates=True)
    if "po" in kinds:
        order = _one(event.documents, ("po",), "purchase order")
        said = (*place, ("PurchaseOrder", order), ("GoodsMovementRefDocType", "B"))
        return _postings(Posting(text, order, config.movements.receipt, goods, said, order))
    movement = config.movements.unplanned_receipt
    if movement is None:
        return Refused("unknown_document", "a receipt needs a purchase order or inbound delivery")
    return _postings(Posting(text, "", movement, goods, place))


def _moved(event: Putaway | Transfer, text: str, config: Config) -> Plan | Posted | Refused:
    source, goal = config.at(event.from_location), config.at(event.to_location)
    if source == goal:
        return Posted("")
    movements = config.movements
    movement = movements.transfer if source[0] == goal[0] else movements.plant_transfer
    if movement is None:
        return Refused(
            "unsupported", f"no movement type is set from plant {source[0]} to {goal[0]}"
        )
    said = (
        *_place(event.from_location, config),
        ("IssuingOrReceivingPlant", goal[0]),
        ("IssuingOrReceivingStorageLoc", goal[1]),
    )
    slip = _slip(event.documents)
    return _postings(Posting(text, slip, movement, gathered(event.lines, config), said))


def _adjusted(event: Adjustment, text: str, config: Config) -> Plan | Posted | Refused:
    cause, usual = config.causes.get(event.reason, Cause()), config.movements
    if event.direction == "increase":
        movement = cause.increase or usual.increase
    else:
        movement = cause.decrease or usual.decrease
    if movement is None:
        return Refused("unsupported", f"no movement type is set for a stock {event.direction}")
    said = (*_place(event.location, config), *_why(cause))
    goods = gathered(event.lines, config)
    return _postings(Posting(text, _slip(event.documents), movement, goods, said))


def _returned(event: Return, text: str, config: Config) -> Plan | Posted | Refused:
    cause = config.causes.get(event.disposition, Cause())
    cause = config.causes.get(event.reason or "", cause)
    movement = cause.customer_return or config.movements.customer_return
    if movement is None:
        said = "no movement type is set: a returns delivery is received in SAP itself"
        return Refused("unsupported", f"no return is booked, {said}")
    said_of_all = (*_place(event.to_location, config), *_why(cause))
    goods = gathered(event.lines, config)
    return _postings(Posting(text, _slip(event.documents), movement, goods, said_of_all))


def _assembled(event: Assembly, text: str, config: Config) -> Plan | Posted | Refused:
    order = _one(event.documents, ("prodorder",), "production order", _ORDER)
    of_order = (*_place(event.location, config), ("ManufacturingOrder", order))
    movements = config.movements
    used = Posting(
        text, f"{order}/1", movements.consumed, gathered(event.consumed, config), of_order
    )
    made = Posting(
        text,
        f"{order}/2",
        movements.produced,
        gathered(event.produced, config, dates=True),
        (*of_order, ("GoodsMovementRefDocType", "F")),
    )
    return _postings(used, made)


def _found(event: Count, text: str, config: Config) -> Plan | Refused:
    if event.location not in config.counted_whole:
        said = f"{event.location} is not all of its storage location: see counted_whole"
        return Refused("unsupported", said)
    plant, storage = config.at(event.location)
    return Counted(text, plant, storage, gathered(event.lines, config, zeros=True))


def _postings(*documents: Posting) -> Postings | Posted:
    found = tuple(each for each in documents if each.rows)
    return Postings(found) if found else Posted("")


def step_of(slip: str) -> str:
    """Return which posting of a transaction it is that has this reference document.

    >>> step_of("1000001/2")
    '2'
    """
    return slip.rpartition("/")[2]


def _place(place: str | None, config: Config) -> tuple[tuple[str, str], ...]:
    plant, storage = config.at(place)
    return (("Plant", plant), ("StorageLocation", storage))


def _why(cause: Cause) -> tuple[tuple[str, str], ...]:
    said = (("GoodsMovementReasonCode", cause.reason), ("CostCenter", cause.cost_center))
    return tuple((name, value) for name, value in said if value is not None)


def _one(
    documents: Iterable[Document],
    kinds: tuple[str, ...],
    what: str,
    number: re.Pattern[str] = _NUMBER,
) -> str:
    """Return the one number of those kinds. Raises Unfit for none, several, or no number."""
    found = {each.number.strip() for each in documents if each.kind in kinds}
    if len(found) != 1:
        said = ", ".join(sorted(found)) or "none"
        raise Unfit(Refused("unknown_document", f"needs one {what}, and this names {said}"))
    name = found.pop()
    if not number.fullmatch(name):
        raise Unfit(Refused("unknown_document", f"SAP has no {what} {name!r}"))
    return name


def _slip(documents: Iterable[Document]) -> str:
    """Return the first document's number, where it fits: it is for people to read."""
    for each in documents:
        if len(each.number) <= 16 and each.number.isascii() and each.number.isprintable():
            return each.number
    return ""


def body(posting: Posting, day: str, items: dict[int, str]) -> dict[str, Any]:
    """Return the material document to create, its items with it: it is whole or absent. Pure.

    Args:
        posting: what is to be booked.
        day: the posting date, such as `2026-11-23`.
        items: the order's item of each row, by its place in `posting.rows`.
    """
    code, _, kind = posting.movement.partition("/")
    head = {
        "GoodsMovementCode": code,
        "PostingDate": f"{day}T00:00:00",
        "DocumentDate": f"{day}T00:00:00",
        "MaterialDocumentHeaderText": posting.text,
    }
    if posting.slip:
        head["ReferenceDocument"] = posting.slip
    rows = [
        _item(row, kind, posting.common, items.get(place, ""))
        for place, row in enumerate(posting.rows)
    ]
    return {**head, "to_MaterialDocumentItem": rows}


def _item(
    row: Goods, kind: str, common: tuple[tuple[str, str], ...], order_item: str
) -> dict[str, Any]:
    said: dict[str, Any] = {
        "Material": row.material,
        "GoodsMovementType": kind,
        "QuantityInEntryUnit": plain(row.quantity),
        "EntryUnit": row.unit,
        **dict(common),
    }
    if order_item:
        said["PurchaseOrderItem"] = order_item
    if row.batch:
        said["Batch"] = row.batch
    if row.expiry is not None:
        said["ShelfLifeExpirationDate"] = midnight(row.expiry)
    if row.serials:
        said["to_SerialNumbers"] = [{"SerialNumber": each} for each in row.serials]
    return said


def midnight(day: date) -> str:
    """Return a date as OData's `Edm.DateTime`."""
    return f"{day.isoformat()}T00:00:00"


def posting_day(transaction: Transaction, config: Config) -> str | None:
    """Return the day it is booked on, such as `2026-11-23`; None is the day it gets there. Pure."""
    clock = transaction.clock
    if config.time_zone is None or not clock.synchronised:
        return None
    return clock.wall.astimezone(config.time_zone).date().isoformat()
