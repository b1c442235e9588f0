"""The reading side of an ERP of vouchers: its rows as the records stations work from."""

import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from bridge.connector import Found, Stock
from bridge.errors import SourceFailed
from bridge.http import Stopped
from bridge.vouchers.forms import items_of
from bridge.vouchers.office import Office, as_expected
from bridge.vouchers.rows import Values, meant
from contract.reference import DocumentRecord, ItemRecord, LocationRecord

log = logging.getLogger(__name__)

PAGE = 100
"""Rows of a page: an order of a hundred lines is some 60 kB, and an answer holds 8 MB."""
OrderKind = Literal["po", "so"]
DONE = {"po": "received_qty", "so": "delivered_qty"}
PARTNER = {"po": "supplier_name", "so": "customer_name"}
_STATES: dict[str, Literal["draft", "booked", "cancelled"]] = {
    "draft": "draft",
    "submitted": "booked",
    "cancelled": "cancelled",
}
_R = TypeVar("_R", bound=BaseModel)


class VoucherSource(ABC):
    """One such ERP. Problems are `SourceFailed`."""

    def __init__(self, office: Office) -> None:
        self._office = office
        settings = self._settings = office.settings
        purposes = {
            settings.receiving: "receiving",
            settings.staging: "staging",
            settings.returns: "quarantine",
        }
        self._purposes = {place: purpose for place, purpose in purposes.items() if place}

    # --- What each ERP is asked its own way; these raise `Stopped` ---

    @abstractmethod
    def item_rows(self) -> AsyncIterator[Values]:
        """Yield active stock items: `name`, `item_name`, `stock_uom`, maybe `has_batch_no` ..."""

    @abstractmethod
    def order_rows(self, kind: OrderKind) -> AsyncIterator[Values]:
        """Yield submitted orders of the company, whole."""

    @abstractmethod
    def warehouse_rows(self) -> AsyncIterator[Values]:
        """Yield warehouses of the company that hold goods: `name`."""

    @abstractmethod
    def stock_rows(self) -> AsyncIterator[Values]:
        """Yield what is on hand: `item_code`, `warehouse`, `actual_qty`."""

    @abstractmethod
    def voucher_rows(self, since: datetime) -> AsyncIterator[tuple[str, str, Values]]:
        """Yield reference, state and voucher of what was made since then for a transaction."""

    # --- What is made of it ---

    async def items(self) -> AsyncIterator[ItemRecord]:
        """Yield every active stock item that is counted in a unit that is mapped."""
        with self._sorted():
            async for row in self.item_rows():
                unit = self._settings.code(str(row["stock_uom"]))
                if unit is None:
                    log.warning("item %s is not read: no code for its unit", row["name"])
                    continue
                record = _record(
                    ItemRecord,
                    sku=row["name"],
                    name=str(row.get("item_name") or "")[:200],
                    unit=unit,
                    lot=bool(row.get("has_batch_no")),
                    serial=bool(row.get("has_serial_no")),
                )
                if record is not None:
                    yield record

    async def documents(self) -> AsyncIterator[DocumentRecord]:
        """Yield the submitted purchase and sales orders that still owe something."""
        kinds: tuple[OrderKind, ...] = ("po", "so")
        with self._sorted():
            for kind in kinds:
                async for row in self.order_rows(kind):
                    record = self._document(kind, row)
                    if record is not None:
                        yield record

    def _document(self, kind: OrderKind, row: Values) -> DocumentRecord | None:
        lines = [self._line(kind, line) for line in items_of(row) if line.get("item_code")]
        if all(line["done"] >= line["quantity"] for line in lines):
            return None
        partner = str(row.get(PARTNER[kind]) or "")[:200]
        return _record(
            DocumentRecord, document=kind, number=row["name"], partner=partner, lines=tuple(lines)
        )

    def _line(self, kind: OrderKind, row: Values) -> Values:
        places = self._settings.decimals
        return {
            "line": row["name"],
            "sku": row["item_code"],
            "quantity": meant(row["qty"], places),
            "done": meant(row.get(DONE[kind]), places),
            "location": self._settings.label(row["warehouse"]) if row.get("warehouse") else None,
        }

    async def locations(self) -> AsyncIterator[LocationRecord]:
        """Yield every warehouse of the company that holds goods, by what its label says."""
        with self._sorted():
            async for row in self.warehouse_rows():
                name = str(row["name"])
                purpose = self._purposes.get(name, "storage")
                record = _record(LocationRecord, name=self._settings.label(name), purpose=purpose)
                if record is not None:
                    yield record

    async def stock(self) -> AsyncIterator[Stock]:
        """Yield what is on hand of each item in each of the company's warehouses."""
        with self._sorted():
            ours = {str(row["name"]) async for row in self.warehouse_rows()}
            units = {
                str(row["name"]): self._settings.code(str(row["stock_uom"]))
                async for row in self.item_rows()
            }
            async for row in self.stock_rows():
                quantity = meant(row["actual_qty"], self._settings.decimals)
                unit, warehouse = units.get(str(row["item_code"])), str(row["warehouse"])
                if quantity and unit and warehouse in ours:
                    place = self._settings.label(warehouse)
                    yield Stock(str(row["item_code"]), place, quantity, unit)

    async def booked(self, since: datetime) -> AsyncIterator[Found]:
        """Yield the vouchers made since then under a transaction's id."""
        with self._sorted():
            async for reference, state, row in self.voucher_rows(since):
                counted = (abs(meant(line["qty"], 9)) for line in row.get("items") or ())
                yield Found(
                    reference=reference,
                    document=str(row["name"]),
                    state=_STATES[state],
                    quantity=sum(counted, Decimal(0)).normalize() if "items" in row else None,
                    at=datetime.fromisoformat(str(row["creation"])),
                )

    @contextmanager
    def _sorted(self) -> Iterator[None]:
        try:
            with as_expected(self._office.forms.who):
                yield
        except Stopped as stopped:
            raise SourceFailed(str(stopped.outcome)) from stopped


def _record(model: type[_R], **said: Any) -> _R | None:
    try:
        return model.model_validate(said)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        log.warning("%s %s is not read: %s", model.__name__, said, problem["msg"])
        return None
