"""What Tryton answers to the reading side: orders, the warehouse, what lies where."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

from pydantic import ConfigDict

from bridge.connectors.tryton.answers import Answer, Article, Dispatch, Unit


class Party(Answer):
    """Whom an order is with."""

    rec_name: str


class Moved(Answer):
    """A move of an order, and how far it is."""

    state: str
    quantity: Decimal
    unit: Unit
    shipment: str | None = None


class Agreed(Answer):
    """A line of an order, with every move that was made for it."""

    quantity: Decimal | None = None
    unit: Unit | None = None
    product: Article | None = None
    moves: tuple[Moved, ...] = ()


class Named(Answer):
    """Something that has a name in the field the configuration says."""

    model_config = ConfigDict(extra="allow", frozen=True)


class Agreement(Named):
    """A purchase or sales order."""

    party: Party
    lines: tuple[Agreed, ...] = ()
    shipments: tuple[Dispatch, ...] = ()


class House(Answer):
    """A warehouse."""

    input_location: int
    output_location: int
    storage_location: int

    def purpose_of(self, location: int) -> Literal["storage", "receiving", "shipping"]:
        """Say what a location in it is for."""
        if location == self.input_location:
            return "receiving"
        return "shipping" if location == self.output_location else "storage"


class Gone(Answer):
    """A document of the warehouse; counts have no reference."""

    number: str | None = None
    state: str
    reference: str | None = None
    create_date: datetime | None = None

    @property
    def at(self) -> datetime | None:
        """When it was made; Tryton keeps UTC."""
        return self.create_date and self.create_date.replace(tzinfo=UTC)


class Lying(Article):
    """A product, and how much of it lies at a location."""

    quantity: Decimal


class LyingLot(Answer):
    """A lot, and how much of it lies at a location."""

    number: str
    quantity: Decimal
    product: Article
