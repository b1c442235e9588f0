"""What Tryton answers: the part of its records that bookings need."""

import re
from datetime import date
from decimal import Decimal

from pydantic import BaseModel, ConfigDict

from contract.values import Item

# What is asked for, of each kind of record
PRODUCT_FIELDS = ("identifiers.code",)
UNIT_FIELDS = ("name", "symbol", "rounding")
MOVE_FIELDS = (
    *("state", "quantity", "shipment", "from_location", "to_location", "unit_price", "currency"),
    *(f"unit.{name}" for name in UNIT_FIELDS),
)


class Answer(BaseModel):
    """A record, by its id."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: int


class Booked(BaseModel):
    """What the module answers."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    documents: str


class Unit(Answer):
    """A unit of measure. Quantities are whole multiples of `rounding`."""

    name: str
    symbol: str
    rounding: Decimal

    def is_(self, name: str) -> bool:
        """Whether it is called that, or abbreviated so."""
        return name in (self.name, self.symbol)


class Identifier(Answer):
    """A code that a product is known by elsewhere, such as a GTIN."""

    code: str | None = None


class Product(Answer):
    """What can be ordered. Holds the house's own name in the field the configuration names."""

    model_config = ConfigDict(extra="allow", frozen=True)

    identifiers: tuple[Identifier, ...] = ()
    lot_required: tuple[str, ...] | None = None

    def is_(self, item: Item, sku_field: str) -> bool:
        """Whether it is `item`, by the house's own name where that is known, else by the GTIN."""
        if item.sku is not None:
            return (self.model_extra or {}).get(sku_field) == item.sku
        return any(gtin(each.code or "") == item.gtin for each in self.identifiers)

    def needs_lot(self, *places: str) -> bool:
        """Whether Tryton refuses a move between places of these types without a lot."""
        return not set(places).isdisjoint(self.lot_required or ())


class Move(Answer):
    """A move of an order's goods, done or still to come."""

    state: str
    quantity: Decimal
    unit: Unit
    shipment: str | None = None
    from_location: int
    to_location: int
    unit_price: Decimal | None = None
    currency: int | None = None

    @property
    def open(self) -> bool:
        """Whether it still waits for goods, and in nobody's shipment."""
        return self.state == "draft" and self.shipment is None


class OrderLine(Answer):
    """One product of an order, and every move that was ever made for it."""

    quantity: Decimal | None = None
    product: Product | None = None
    moves: tuple[Move, ...] = ()
    moves_recreated: tuple[int, ...] = ()

    @property
    def owed(self) -> Decimal:
        """What was ordered and no move stands for yet: Tryton opens it with the next receipt."""
        moved = sum(
            (move.quantity for move in self.moves if move.id not in self.moves_recreated),
            Decimal(0),
        )
        return max(Decimal(0), (self.quantity or Decimal(0)) - moved)


class Warehouse(Answer):
    """Where an order is to come in, and where it is kept."""

    input_location: int
    storage_location: int


class Depot(Warehouse):
    """The warehouse, and where what cannot be found goes to and comes from."""

    lost_found_location: int | None = None


class Order(Answer):
    """A purchase order, with all that is needed to receive it."""

    number: str | None = None
    state: str
    party: int
    warehouse: Warehouse
    lines: tuple[OrderLine, ...] = ()


class Field(Answer):
    """A field of a model."""

    model: str
    name: str


class Lot(Answer):
    """A lot, with those of its dates that were asked for."""

    model_config = ConfigDict(extra="allow", frozen=True)

    number: str


class Note(Answer):
    """What somebody wrote about a record."""

    resource: str
    message: str | None = None


class Key(Answer):
    """A transaction that the module booked."""

    documents: str | None = None


class HeldLot(Lot):
    """A lot of which something lies at a location."""

    product: int


class Entry(Answer):
    """A part of a document: goods that move, or were counted."""

    product: Product
    unit: Unit
    quantity: Decimal | None = None
    lot: Lot | None = None


class Paper(Answer):
    """A document of the warehouse: a shipment, a count, a production."""

    number: str | None = None
    state: str

    @property
    def name(self) -> str:
        """What the office calls it."""
        return self.number or str(self.id)


class Contents(Paper):
    """A document with all that stands in it, whatever its kind calls that."""

    incoming_moves: tuple[Entry, ...] = ()
    moves: tuple[Entry, ...] = ()
    lines: tuple[Entry, ...] = ()
    inputs: tuple[Entry, ...] = ()
    outputs: tuple[Entry, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All of its parts."""
        return (
            *self.incoming_moves,
            *self.moves,
            *self.lines,
            *self.inputs,
            *self.outputs,
        )


class Outgoing(Move):
    """A move of goods of a sales order to the customer."""

    origin: str | None = None
    planned_date: date | None = None
    product: Product
    lot: Lot | None = None


class Dispatch(Paper):
    """A customer shipment."""

    reference: str | None = None
    outgoing_moves: tuple[Outgoing, ...] = ()

    def __str__(self) -> str:
        return f"shipment {self.name}"


class Sale(Answer):
    """A sales order, with all that was ever to be shipped of it."""

    number: str | None = None
    state: str
    party: int | None = None
    shipment_party: int | None = None
    """Who gets the goods, where that is somebody else."""
    shipments: tuple[Dispatch, ...] = ()


class Shifted(Answer):
    """A move of goods from one place to another."""

    product: int
    unit: int
    quantity: Decimal
    lot: int | None = None
    from_location: int
    to_location: int


class Returned(Answer):
    """Goods that came back, and the move to the customer they undo."""

    origin: str
    quantity: Decimal


class Workshop(Answer):
    """A warehouse's place where goods become others."""

    production_location: int | None = None


class Money(Answer):
    """What a company reckons in."""

    currency: int


class Article(Product):
    """A product, with the unit it is counted in."""

    rec_name: str = ""
    default_uom: Unit


class Bin(Answer):
    """A location with its code."""

    code: str


def spellings(trade: str) -> tuple[str, ...]:
    """Return every way an office may have written a GTIN of 14 digits.

    >>> spellings("04006381333931")
    ('04006381333931', '4006381333931')
    """
    shorter = (trade[14 - digits :] for digits in (13, 12, 8))
    return (trade, *(each for each in shorter if each.zfill(14) == trade))


def gtin(code: str) -> str | None:
    """Return the GTIN a code is, by its length, as 14 digits."""
    digits = code.strip()
    return digits.zfill(14) if re.fullmatch(r"[0-9]{8}|[0-9]{12,14}", digits) else None
