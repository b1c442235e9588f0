"""Pure: what a transaction moves, as rows of `movements`."""

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, Literal, NamedTuple, assert_never

from bridge.connectors.sql.config import Config
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
from contract.values import Item, Line, Weight

_Moving = Receipt | Return | Putaway | Transfer | Pick | Pack


class StockKey(NamedTuple):
    """What one row of `stock_on_hand` is about. `lot` is empty where there is none."""

    item: str
    location: str
    lot: str
    unit: str


@dataclass(frozen=True, slots=True)
class Movement:
    """One row of `movements`, without what all rows of a transaction share.

    `quantity` is signed; it counts at `location`, and nowhere if there is none. For a count,
    `counted` is what was found and `quantity` is known only when it is booked.
    """

    item: str | None = None
    gtin: str | None = None
    sku: str | None = None
    lot: str | None = None
    serial: str | None = None
    expiry: date | None = None
    best_before: date | None = None
    sscc: str | None = None
    document: str | None = None
    document_line: str | None = None
    location: str | None = None
    quantity: Decimal | None = None
    unit: str | None = None
    counted: Decimal | None = None
    from_location: str | None = None
    to_location: str | None = None
    weight: Decimal | None = None
    weight_unit: str | None = None
    reason: str | None = None
    note: str | None = None

    @property
    def key(self) -> StockKey | None:
        """The stock it touches."""
        if self.item is None or self.location is None or self.unit is None:
            return None
        return StockKey(self.item, self.location, self.lot or "", self.unit)


def document(transaction: Transaction, config: Config) -> tuple[Movement, ...]:
    """Return the movements of a transaction; for a `Reversal` none: they follow from the original.

    Pure. The quantity of a count's movement is None until it is booked.
    """
    rows = _rows(transaction.event, config)
    documents = getattr(transaction.event, "documents", ())
    named = ", ".join(document.number for document in documents) or None
    return tuple(_clean(replace(row, document=named)) for row in rows)


def moves(transaction: Transaction, config: Config) -> list[tuple[str, str, str, Decimal | None]]:
    """Return what booking it adds to stock: item, location, unit, quantity. Pure.

    Lots are added up. The quantity is None for a count: only the books know the difference.
    """
    rows = ((row.key, row.quantity) for row in document(transaction, config))
    return [(key.item, key.location, key.unit, amount) for key, amount in rows if key is not None]


def _rows(event: Event, config: Config) -> list[Movement]:
    match event:
        case Receipt() | Return() | Putaway() | Transfer() | Pick() | Pack():
            return _moved(event, config)
        case Shipment():
            return _shipped(event, config)
        case Count():
            lines = [_line(line, config) for line in event.lines]
            return _weighed(
                [
                    replace(row, location=event.location, counted=row.quantity, quantity=None)
                    for row in lines
                ],
                event.weight,
            )
        case Adjustment():
            where = event.location or config.storage
            rows = [_at(_line(line, config), where, event.direction) for line in event.lines]
            return _weighed([replace(row, reason=event.reason) for row in rows], event.weight)
        case Assembly():
            where = event.location or config.storage
            return [
                *(_at(_line(line, config), where, "decrease") for line in event.consumed),
                *(_at(_line(line, config), where, "increase") for line in event.produced),
            ]
        case Weighing():
            item = _named(event.item, config)
            return _weighed([replace(item, sscc=event.sscc)], event.weight)
        case Reading():
            row = replace(
                _named(event.item, config),
                lot=event.lot,
                serial=event.serial,
                sscc=event.sscc,
                quantity=event.quantity.value if event.quantity else None,
                unit=event.quantity.unit if event.quantity else None,
                note=event.text,
            )
            return _weighed([row], event.weight)
        case Reversal():
            return []
        case _:
            assert_never(event)


def _moved(event: _Moving, config: Config) -> list[Movement]:
    """Return a row out of where a line comes from, and one into where it goes."""
    source, goal = _way(event, config)
    rows: list[Movement] = []
    for line in event.lines:
        row = replace(
            _line(line, config), from_location=source, to_location=goal, reason=event.reason
        )
        row = replace(row, sscc=row.sscc or event.sscc)
        if isinstance(event, Return):
            row = replace(row, note=event.disposition)
        if source is not None:
            rows.append(_at(row, source, "decrease"))
        if goal is not None:
            rows.append(_at(row, goal, "increase"))
        if source is None and goal is None:
            rows.append(row)
    return _weighed(rows, event.weight)


def _way(event: _Moving, config: Config) -> tuple[str | None, str | None]:
    """Return where goods come from and where they go; None is outside the house."""
    match event:
        case Receipt():
            return None, event.to_location or config.receiving
        case Return():
            return None, event.to_location or config.returns
        case Putaway():
            return event.from_location or config.receiving, event.to_location
        case Transfer():
            return event.from_location, event.to_location
        case Pick():
            return event.from_location or config.storage, event.to_location or config.staging
        case Pack():
            taken = config.packing_takes_from
            return taken, config.staging if taken else None
        case _:
            assert_never(event)


def _shipped(event: Shipment, config: Config) -> list[Movement]:
    where = event.from_location or config.staging
    lines = [
        replace(_at(_line(line, config), where, "decrease"), from_location=where)
        for line in event.lines
    ]
    parcels = [
        row
        for package in event.packages
        for row in _weighed([Movement(sscc=package.sscc, note=package.tracking)], package.weight)
    ]
    return lines + parcels


def _named(item: Item | None, config: Config) -> Movement:
    if item is None:
        return Movement()
    first, second = (item.gtin, item.sku) if config.item_key == "gtin" else (item.sku, item.gtin)
    return Movement(item=first or second, gtin=item.gtin, sku=item.sku)


def _line(line: Line, config: Config) -> Movement:
    return replace(
        _named(line.item, config),
        lot=line.lot,
        serial=line.serial,
        expiry=line.expiry,
        best_before=line.best_before,
        sscc=line.sscc,
        document_line=line.document_line,
        quantity=line.quantity.value,
        unit=line.quantity.unit,
    )


def _at(row: Movement, where: str, direction: Literal["increase", "decrease"]) -> Movement:
    quantity = row.quantity if direction == "increase" else negative(row.quantity)
    return replace(row, location=where, quantity=quantity)


def negative(quantity: Decimal | None) -> Decimal | None:
    """Return the opposite, digit for digit; zero has none."""
    return quantity.copy_negate() if quantity else quantity


def _weighed(rows: list[Movement], weight: Weight | None) -> list[Movement]:
    """Put the weight, which is of all the rows together, on the first."""
    if weight is None:
        return rows
    unit = weight.unit_code or weight.unit
    return [replace(rows[0], weight=weight.value, weight_unit=unit), *rows[1:]]


def _clean(row: Movement) -> Movement:
    """Replace NUL, which PostgreSQL takes in no text."""
    texts: dict[str, Any] = {
        name: value.replace("\0", "\u2400")
        for name, value in columns(row).items()
        if isinstance(value, str) and "\0" in value
    }
    return replace(row, **texts) if texts else row


def columns(row: Movement) -> dict[str, Any]:
    """Return a movement as column names and values."""
    return {name: getattr(row, name) for name in Movement.__slots__}
