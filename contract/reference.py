"""Reference data: what the ERP knows of items, documents and locations, as stations need it.

The bridge reads it from an ERP or from files and serves it; a gateway keeps a copy and works from
that offline. It flows the other way round from transactions and is never a record of stock.

>>> ItemRecord(sku="BOLT-8", packs=(Pack(gtin="04012345678901", quantity="1"),)).key
'BOLT-8'
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from contract.values import Amount, Epoch, Frozen, GtinCode, Text, UnitCode

Name = Annotated[str, Field(max_length=200)]
Positive = Annotated[Amount, Field(gt=0)]
Version = Annotated[int, Field(ge=0, le=2**53 - 1)]

DocumentKind = Literal[
    "po", "desadv", "so", "pick_list", "transfer", "count_sheet", "rma", "prodorder"
]

COUNTED: Mapping[str, str] = {
    "po": "receipt",
    "desadv": "receipt",
    "so": "pack",
    "pick_list": "pick",
    "transfer": "transfer",
    "count_sheet": "count",
    "rma": "return",
    "prodorder": "assembly",
}
"""The type of transaction that does the lines of a document: one step, since `done` is one figure.
A house that picks and packs has a pick list besides the order."""


class Pack(Frozen):
    """A trade item of its own GTIN: how many base units of the item are in it."""

    gtin: GtinCode
    quantity: Positive = Field(default=1, validate_default=True)


class Component(Frozen):
    """A part of a kit: how many base units of it go into one."""

    sku: Text
    quantity: Positive


class HeldLot(Frozen):
    """A lot that must not leave the house, and why."""

    lot: Text
    why: Name = ""


class ItemRecord(Frozen):
    """One item of the house."""

    kind: Literal["item"] = "item"
    sku: Text
    name: Name = ""
    unit: UnitCode = "EA"
    """The base unit: what quantities of documents and packs are counted in."""
    packs: Annotated[tuple[Pack, ...], Field(max_length=50)] = ()
    codes: Annotated[tuple[Text, ...], Field(max_length=50)] = ()
    """Other texts found on it that mean one base unit: a supplier's or an internal number."""
    lot: bool = False
    """Every movement must name a lot."""
    serial: bool = False
    """Every movement must name a serial number, and each is one piece."""
    expiry: bool = False
    """Every receipt must name an expiry date."""
    weight_g: Positive | None = None
    """Gram of one base unit."""
    tolerance_g: Annotated[Amount, Field(ge=0)] | None = None
    """Gram by which one base unit may differ from it."""
    held: Annotated[tuple[HeldLot, ...], Field(max_length=200)] = ()
    components: Annotated[tuple[Component, ...], Field(max_length=200)] = ()
    """What a kit is made of; empty for what is no kit."""

    @property
    def key(self) -> str:
        """What tells it from others of its kind."""
        return self.sku


class DocumentLine(Frozen):
    """One line of a document."""

    line: Text
    sku: Text
    quantity: Annotated[Amount, Field(ge=0)]
    """Expected, in the item's base unit; of a count sheet: what the books say, if not blind."""
    done: Annotated[Amount, Field(ge=0)] = Field(default=0, validate_default=True)
    """Already moved when this was read from the ERP."""
    lot: Text | None = None
    expiry: date | None = None
    location: Text | None = None
    """Where to take it from, or where to count it."""


class DocumentRecord(Frozen):
    """An open business document."""

    kind: Literal["document"] = "document"
    document: DocumentKind
    number: Text
    partner: Name = ""
    lines: Annotated[tuple[DocumentLine, ...], Field(max_length=1000)] = ()
    over_percent: Annotated[Amount, Field(ge=0, le=1000)] = Field(default=0, validate_default=True)
    """How far above the ordered quantity a receipt may go with a warning only."""
    from_location: Text | None = None
    to_location: Text | None = None
    blind: bool = False
    """Of a count sheet: do not show what the books say."""

    @property
    def key(self) -> str:
        """What tells it from others of its kind."""
        return self.number


class LocationRecord(Frozen):
    """One place goods can be."""

    kind: Literal["location"] = "location"
    name: Text
    gln: Annotated[str, Field(pattern=r"^[0-9]{13}$")] | None = None
    extension: Text | None = None
    """GLN extension component, AI 254."""
    purpose: Literal["storage", "receiving", "shipping", "quarantine", "staging"] = "storage"

    @property
    def key(self) -> str:
        """What tells it from others of its kind."""
        return self.name


Record = Annotated[ItemRecord | DocumentRecord | LocationRecord, Field(discriminator="kind")]
"""One thing a gateway keeps a copy of."""

Kind = Literal["item", "document", "location"]
KINDS: tuple[Kind, ...] = ("item", "document", "location")

record_adapter: TypeAdapter[Record] = TypeAdapter(Record)


class Change(Frozen):
    """What became of one record: a new form, or gone."""

    kind: Kind
    key: Text
    record: Record | None = None
    """None: it is gone (an item withdrawn, a document closed)."""


class Newest(Frozen):
    """Retained: what the newest version is. A gateway that is behind asks."""

    set: Text
    """Names one copy of the data; another set means that versions count anew and all is read."""
    version: Version
    epoch: Epoch | None = None
    includes: Version = 0
    """What this gateway stored in stream `epoch` up to this seq is in `done` of the documents: the
    ERP has it, or the bridge's ledger, whose open transactions are added."""


class Ask(Frozen):
    """A gateway asks for the changes after `after`; from the start with `set` None."""

    set: Text | None = None
    after: Version = 0


class Page(Frozen):
    """Changes in order of version, as many as fit one message."""

    set: Text
    after: Version
    """The version asked for: a page that does not fit where the gateway stands is dropped."""
    upto: Version
    """The gateway stands here once it has taken the page."""
    newest: Version
    epoch: Epoch | None = None
    includes: Version = 0
    """As in `Newest`; it counts once the gateway stands at `newest`."""
    changes: Annotated[tuple[Change, ...], Field(max_length=500)] = ()
    restart: bool = False
    """The set asked for is gone: what the gateway has gives way when the last page is in."""
