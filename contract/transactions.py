"""What can happen to stock: one frozen class for each, and one union of them all.

A `Transaction` is an `Event` (what happened) with its common part: which gateway and station, who,
when, and the raw bytes that prove it. A station makes events; `gateway/intake.py` adds the rest.

Field and class names are those of GS1 and of EPCIS CBV 2.0 where these have a word: `biz_step` is
the CBV business step, `sscc`, `lot`, `expiry` the GS1 terms.

>>> receipt = Receipt(lines=(Line(item=Item(sku="BOLT-8"), quantity=Quantity(value="2")),))
>>> receipt.type, receipt.biz_step
('receipt', 'receiving')
"""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, TypeAdapter

from contract.values import (
    Clock,
    Document,
    Epoch,
    Evidence,
    Frozen,
    Item,
    Line,
    Quantity,
    Seq,
    Slug,
    SsccCode,
    Text,
    Weight,
)

MAX_EVIDENCE = 64
"""Scans and weights of one transaction."""

Lines = Annotated[tuple[Line, ...], Field(min_length=1, max_length=200)]


class _Movement(Frozen):
    """What every movement of stock may say."""

    documents: Annotated[tuple[Document, ...], Field(max_length=8)] = ()
    lines: Lines
    weight: Weight | None = None
    reason: Text | None = None


class Receipt(_Movement):
    """Goods came in, with or without a purchase order or despatch advice."""

    biz_step: ClassVar[str] = "receiving"
    type: Literal["receipt"] = "receipt"
    to_location: Text | None = None
    sscc: SsccCode | None = None


class Putaway(_Movement):
    """Received goods went from the dock to a bin."""

    biz_step: ClassVar[str] = "storing"
    type: Literal["putaway"] = "putaway"
    from_location: Text | None = None
    to_location: Text
    sscc: SsccCode | None = None


class Pick(_Movement):
    """Goods were taken from a bin for an order."""

    biz_step: ClassVar[str] = "picking"
    type: Literal["pick"] = "pick"
    from_location: Text | None = None
    to_location: Text | None = None
    sscc: SsccCode | None = None


class Pack(_Movement):
    """Goods were closed into a handling unit."""

    biz_step: ClassVar[str] = "packing"
    type: Literal["pack"] = "pack"
    sscc: SsccCode | None = None


class Package(Frozen):
    """One parcel of a shipment."""

    sscc: SsccCode | None = None
    tracking: Text | None = None
    weight: Weight | None = None


class Shipment(Frozen):
    """Handling units left the house."""

    biz_step: ClassVar[str] = "shipping"
    type: Literal["shipment"] = "shipment"
    documents: Annotated[tuple[Document, ...], Field(max_length=8)] = ()
    packages: Annotated[tuple[Package, ...], Field(min_length=1, max_length=200)]
    lines: Annotated[tuple[Line, ...], Field(max_length=200)] = ()
    from_location: Text | None = None
    reason: Text | None = None
    """Why less left than was ordered."""


class Transfer(_Movement):
    """Goods went from one location to another."""

    biz_step: ClassVar[str] = "stocking"
    type: Literal["transfer"] = "transfer"
    from_location: Text
    to_location: Text
    sscc: SsccCode | None = None


class Count(Frozen):
    """What was found at a location: absolute, not a difference. Zero is a finding."""

    biz_step: ClassVar[str] = "cycle_counting"
    type: Literal["count"] = "count"
    documents: Annotated[tuple[Document, ...], Field(max_length=8)] = ()
    location: Text
    lines: Lines
    weight: Weight | None = None


class Adjustment(Frozen):
    """Stock was corrected by a difference, for a reason."""

    biz_step: ClassVar[str] = "stock_taking"
    type: Literal["adjustment"] = "adjustment"
    documents: Annotated[tuple[Document, ...], Field(max_length=8)] = ()
    location: Text | None = None
    direction: Literal["increase", "decrease"]
    lines: Lines
    reason: Text
    weight: Weight | None = None


class Return(_Movement):
    """Goods came back from a customer."""

    biz_step: ClassVar[str] = "receiving"
    type: Literal["return"] = "return"
    to_location: Text | None = None
    disposition: Literal["returned", "damaged", "expired", "sellable_accessible", "unknown"] = (
        "returned"
    )
    sscc: SsccCode | None = None


class Assembly(Frozen):
    """Components became a parent item."""

    biz_step: ClassVar[str] = "assembling"
    type: Literal["assembly"] = "assembly"
    documents: Annotated[tuple[Document, ...], Field(max_length=8)] = ()
    produced: Lines
    consumed: Lines
    location: Text | None = None


class Weighing(Frozen):
    """A handling unit or an item was weighed."""

    biz_step: ClassVar[str] = "inspecting"
    type: Literal["weighing"] = "weighing"
    documents: Annotated[tuple[Document, ...], Field(max_length=8)] = ()
    weight: Weight
    sscc: SsccCode | None = None
    item: Item | None = None


class Reading(Frozen):
    """A scan or a weight with no job behind it: what a pass-through station reports."""

    biz_step: ClassVar[str] = "sensor_reporting"
    type: Literal["reading"] = "reading"
    text: Annotated[str, Field(max_length=8192)] | None = None
    """What the label says, as text; control characters are kept, and JSON escapes them."""
    identifier: Text | None = None
    """What kind of code it is, in the words of `contract.identifiers`: gtin, sscc, unknown ..."""
    item: Item | None = None
    lot: Text | None = None
    serial: Text | None = None
    sscc: SsccCode | None = None
    quantity: Quantity | None = None
    weight: Weight | None = None


class Reversal(Frozen):
    """An earlier transaction of this gateway is undone. History is never deleted."""

    biz_step: ClassVar[str] = "other"
    type: Literal["reversal"] = "reversal"
    reverses: UUID
    reason: Text | None = None


Event = Annotated[
    Receipt
    | Putaway
    | Pick
    | Pack
    | Shipment
    | Transfer
    | Count
    | Adjustment
    | Return
    | Assembly
    | Weighing
    | Reading
    | Reversal,
    Field(discriminator="type"),
]


class Transaction(Frozen):
    """One event, with everything needed to book it once and to explain it later.

    `id` names it everywhere (UUIDv7, chosen at the station); (`gateway`, `epoch`, `seq`) is its
    place in the stream.
    """

    id: UUID
    gateway: Slug
    epoch: Epoch
    seq: Seq
    station: Slug
    operator: Text | None = None
    clock: Clock
    event: Event
    evidence: Annotated[tuple[Evidence, ...], Field(max_length=MAX_EVIDENCE)] = ()


event_adapter: TypeAdapter[Event] = TypeAdapter(Event, config=ConfigDict(defer_build=True))
