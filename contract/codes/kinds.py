"""The kinds of things a code can mean: one frozen class each, and their union.

Typed fields hold only what is sound; what is wrong with the rest of a label is in `problems`.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import ClassVar, Literal

from contract.codes.books import Publication
from contract.codes.cards import CommandWord
from contract.codes.gtin import in_store
from contract.codes.measures import Measure
from contract.codes.tracking import Carrier, TrackingMatch
from contract.values import Document as DocumentName

Elements = tuple[tuple[str, str], ...]
"""What the label says, in label order: (AI, value) for GS1, the value as the label has it."""


@dataclass(frozen=True, slots=True)
class _Label:
    text: str
    """What the label says, without the AIM identifier."""
    symbology: str | None = None
    """The AIM identifier, where the scanner or the start of the data gave one."""
    problems: tuple[str, ...] = ()
    """What is wrong with it, a sentence each; empty for a sound label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gtin(_Label):
    """A trade item number and nothing else: EAN, UPC, ITF-14."""

    kind: ClassVar[Literal["gtin"]] = "gtin"
    gtin: str
    """14 digits, check digit verified."""
    add_on: str | None = None
    """The 2 or 5 digits beside an EAN: an issue number or a price."""
    publication: Publication | None = None
    """The ISBN, ISSN or ISMN that it is."""
    item: str | None = None
    """Of an in-store number with a value in it: the same with the value zeroed, 14 digits."""
    net_weight: Measure | None = None
    """Of an in-store number, in kilograms."""
    price: Decimal | None = None
    """Of an in-store number, or of the add-on of a book."""
    currency: str | None = None
    """Of `price`, by ISO 4217."""
    count: int | None = None
    """Of an in-store number: pieces."""

    @property
    def in_store(self) -> bool:
        """Whether it is a shop's own number, which may hold a weight or price."""
        return in_store(self.gtin)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddOn(_Label):
    """The small code beside an EAN that came alone: never an item."""

    kind: ClassVar[Literal["add_on"]] = "add_on"
    digits: str
    """2 for an issue number, 5 for a price or what the publisher likes."""
    price: Decimal | None = None
    """What it says beside the number of a book."""
    currency: str | None = None
    """Of `price`, by ISO 4217."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sscc(_Label):
    """A handling unit and nothing else."""

    kind: ClassVar[Literal["sscc"]] = "sscc"
    sscc: str
    """18 digits, check digit verified."""
    elements: Elements = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gs1(_Label):
    """A GS1 element string or Digital Link."""

    kind: ClassVar[Literal["gs1"]] = "gs1"
    elements: Elements = ()
    rest: tuple[str, ...] = ()
    """Pieces that no application identifier explains."""
    gtin: str | None = None
    """Of the item itself (AI 01), or of an EAN symbol this one belongs to."""
    content: str | None = None
    """GTIN of the items inside (AI 02); `count` says how many."""
    sscc: str | None = None
    lot: str | None = None
    serial: str | None = None
    expiry: date | None = None
    """AI 17, or the day of AI 7003."""
    best_before: date | None = None
    produced: date | None = None
    count: int | None = None
    """Items inside (AI 37), or items of a variable-measure item (AI 30)."""
    measures: tuple[Measure, ...] = ()
    price: Decimal | None = None
    """Of a variable-measure item (AI 392n, 393n)."""
    currency: str | None = None
    """Of `price`, as the label names it (AI 393n): an ISO 4217 number such as 978."""
    order: str | None = None
    """The customer's purchase order number (AI 400)."""

    @property
    def net_weight(self) -> Measure | None:
        """The net weight, in the unit of the label."""
        return next((m for m in self.measures if m.what == "net weight"), None)

    @property
    def quantity(self) -> Decimal | None:
        """`count` as an exact number, as the other kinds of labels have it."""
        return None if self.count is None else Decimal(self.count)

    @property
    def gross_weight(self) -> Measure | None:
        """The gross weight, in the unit of the label."""
        return next((m for m in self.measures if m.what == "gross weight"), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hibc(_Label):
    """A label of a health care supplier (HIBC).

    One check character covers all of it: where that is wrong, only `elements` are filled.
    """

    kind: ClassVar[Literal["hibc"]] = "hibc"
    elements: Elements = ()
    """Name and value as on the label: labeler, product, unit, quantity, expiry, lot, serial,
    produced, link."""
    check_ok: bool
    labeler: str | None = None
    """Who made it, 4 characters given out by HIBCC."""
    product: str | None = None
    """The labeler's catalogue number."""
    unit: int | None = None
    """Packaging level: 0 a single unit, 1 to 8 packages of it, 9 a varying quantity."""
    lot: str | None = None
    serial: str | None = None
    expiry: date | None = None
    produced: date | None = None
    quantity: Decimal | None = None
    link: str | None = None
    """On secondary data alone: the check character of the primary label they belong to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mh10(_Label):
    """An ISO 15434 label with data identifiers of ANSI MH10.8.2, as on electronic parts."""

    kind: ClassVar[Literal["mh10"]] = "mh10"
    elements: Elements = ()
    """Data identifier and value, in label order."""
    formats: tuple[str, ...] = ()
    """Such as 06; two digits each."""
    rest: tuple[str, ...] = ()
    """Fields that nothing explains."""
    complete: bool = True
    """Whether header and trailer are whole. Some sellers leave the trailer away."""
    part: str | None = None
    """The customer's part number (P)."""
    supplier_part: str | None = None
    """The maker's part number (1P)."""
    gtin: str | None = None
    """GTIN of the item (8P, or AI 01 in format 05)."""
    lot: str | None = None
    serial: str | None = None
    expiry: date | None = None
    produced: date | None = None
    quantity: Decimal | None = None
    unit: str | None = None
    """Of `quantity` (7Q), two characters of ANSI X12.3."""
    order: str | None = None
    """The customer's purchase order number (K)."""
    origin: str | None = None
    """Country of origin (4L), two letters of ISO 3166-1, or ZZ for mixed."""
    date_code: str | None = None
    """As the maker writes it (9D), or year and week (10D)."""
    plate: str | None = None
    """The licence plate of a package or load (1J to 6J)."""
    tracking: str | None = None
    """The carrier's number (format 01)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking(_Label):
    """The number of a parcel. Forms overlap: `matches` are all carriers it can be of."""

    kind: ClassVar[Literal["tracking"]] = "tracking"
    matches: tuple[TrackingMatch, ...]
    """At least one; the most certain first."""
    number: str
    """What to look it up by, as the first match has it."""
    postcode: str | None = None
    """The ZIP code in front of it (USPS)."""
    elements: Elements = ()
    """Where a GS1 symbol carried it."""

    @property
    def carrier(self) -> Carrier | None:
        """The carrier, where all matches are of the same one."""
        carriers = {match.carrier for match in self.matches}
        return self.matches[0].carrier if len(carriers) == 1 else None

    @property
    def distinctive(self) -> bool:
        """Whether it is hardly a parcel number by chance.

        Where it is not, the text can as well be a number of the site's own.
        """
        return any(match.distinctive for match in self.matches)


@dataclass(frozen=True, slots=True, kw_only=True)
class Location(_Label):
    """A bin, dock door or staging place."""

    kind: ClassVar[Literal["location"]] = "location"
    name: str
    """As on the card; for a GLN its 13 digits, with ``/`` and the extension where there is one."""
    elements: Elements = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge(_Label):
    """Who works here."""

    kind: ClassVar[Literal["badge"]] = "badge"
    operator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Document(_Label):
    """A purchase order, despatch advice, count sheet or the like."""

    kind: ClassVar[Literal["document"]] = "document"
    document: DocumentName


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity(_Label):
    """A quantity card."""

    kind: ClassVar[Literal["quantity"]] = "quantity"
    value: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode(_Label):
    """A card that asks for another job."""

    kind: ClassVar[Literal["mode"]] = "mode"
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason(_Label):
    """A reason card."""

    kind: ClassVar[Literal["reason"]] = "reason"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(_Label):
    """A command card whose check digits are right."""

    kind: ClassVar[Literal["command"]] = "command"
    command: CommandWord


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown(_Label):
    """Nothing of the above. With a problem it nearly was something; without, it is just text."""

    kind: ClassVar[Literal["unknown"]] = "unknown"


Identifier = (
    Gtin
    | AddOn
    | Sscc
    | Gs1
    | Hibc
    | Mh10
    | Tracking
    | Location
    | Badge
    | Document
    | Quantity
    | Mode
    | Reason
    | Command
    | Unknown
)
