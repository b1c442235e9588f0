"""Transactions as a gateway would send them."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID, uuid4

from contract.transactions import (
    Adjustment,
    Assembly,
    Count,
    Event,
    Pack,
    Package,
    Receipt,
    Return,
    Reversal,
    Shipment,
    Transaction,
    Transfer,
)
from contract.values import Clock, Document, Item, Line, Quantity

Kind = Literal["so", "rma", "po"]
WIDGET = Item(gtin="04006381333931")
SERUM = Item(gtin="05901234123457")
BEANS = Item(sku="BEAN-1")
GADGET = Item(sku="GAD-1")
COFFEE = Item(gtin="09506000134352")


def line(
    item: Item,
    quantity: str,
    unit: str = "EA",
    *,
    lot: str | None = None,
    expiry: date | None = None,
    best_before: date | None = None,
) -> Line:
    """Return one line of a transaction."""
    return Line(
        item=item,
        quantity=Quantity(value=Decimal(quantity), unit=unit),
        lot=lot,
        expiry=expiry,
        best_before=best_before,
    )


def receipt(
    order: str, *lines: Line, to: str | None = None, at: datetime | None = None
) -> Transaction:
    """Return a receipt of `lines` for purchase order `order`, scanned `at` a time or now."""
    event = Receipt(documents=(Document(kind="po", number=order),), lines=lines, to_location=to)
    return transaction(event, at=at)


def pack(order: str, *lines: Line, sscc: str | None = None) -> Transaction:
    """Return a carton of `lines` for sales order `order`."""
    return transaction(Pack(documents=(Document(kind="so", number=order),), lines=lines, sscc=sscc))


def shipment(order: str, *packages: str | None, lines: tuple[Line, ...] = ()) -> Transaction:
    """Return the departure of `packages`, each by its SSCC or None, of sales order `order`."""
    return transaction(
        Shipment(
            documents=(Document(kind="so", number=order),),
            packages=tuple(Package(sscc=sscc) for sscc in packages),
            lines=lines,
        )
    )


def transfer(source: str, target: str, *lines: Line) -> Transaction:
    """Return a transfer of `lines` from one location to another."""
    return transaction(Transfer(from_location=source, to_location=target, lines=lines))


def count(location: str, *lines: Line, at: datetime | None = None) -> Transaction:
    """Return what was found at a location."""
    return transaction(Count(location=location, lines=lines), at=at)


def adjustment(
    direction: Literal["increase", "decrease"], location: str | None, *lines: Line
) -> Transaction:
    """Return a correction of what lies at a location."""
    event = Adjustment(location=location, direction=direction, lines=lines, reason="damaged")
    return transaction(event)


def came_back(
    order: str, *lines: Line, to: str | None = None, kind: Kind = "so", **more: Any
) -> Transaction:
    """Return what a customer sent back of an order."""
    documents = (Document(kind=kind, number=order),)
    return transaction(Return(documents=documents, lines=lines, to_location=to, **more))


def assembled(consumed: tuple[Line, ...], produced: tuple[Line, ...], at: str) -> Transaction:
    """Return what was made of what at a location."""
    return transaction(Assembly(consumed=consumed, produced=produced, location=at))


def reversal(of: Transaction | UUID) -> Transaction:
    """Return what takes a transaction back."""
    return transaction(Reversal(reverses=of if isinstance(of, UUID) else of.id))


def transaction(event: Event, *, at: datetime | None = None, id: UUID | None = None) -> Transaction:
    """Return `event` with everything a gateway adds."""
    return Transaction(
        id=id or uuid4(),
        gateway="dock-1",
        epoch=UUID(int=1),
        seq=1,
        station="receiving-1",
        clock=Clock(
            wall=at or datetime.now(UTC),
            boot=UUID(int=2),
            monotonic=Decimal("1.5"),
            synchronised=True,
        ),
        event=event,
    )
