"""The reading side: items, open orders and estimates, stock, what was booked."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from bridge.bookkeeping import left
from bridge.connector import Found, Stock
from bridge.connectors.quickbooks.api import MOST, Company, Entity, amount, quoted
from bridge.connectors.quickbooks.bodies import (
    ADJUSTED,
    BOUGHT,
    KINDS,
    SOLD,
    Kind,
    booked,
    by_sku,
    noted,
    open_lines,
)
from bridge.connectors.quickbooks.config import Config
from bridge.connectors.quickbooks.target import login_of, since
from bridge.errors import SourceFailed
from bridge.http import Stopped, opened
from bridge.records import record
from contract.reference import DocumentLine, DocumentRecord, ItemRecord, LocationRecord

MAX_PAGES = 200
"""Pages of one question: two hundred thousand rows, more than a company of QuickBooks may have."""
SKEW = timedelta(minutes=5)
"""By how much QuickBooks' clock may differ from the bridge's."""
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_NO_PLACES: tuple[LocationRecord, ...] = ()


class QuickBooksSource:
    """One company, read a page at a time. Problems are `SourceFailed`."""

    def __init__(self, company: Company, config: Config) -> None:
        self._company = company
        self._config = config

    async def items(self) -> AsyncIterator[ItemRecord]:
        """Yield every active item that has a SKU and is goods."""
        async for row in self._goods():
            name = str(row.get("FullyQualifiedName") or row.get("Name") or "")
            found = record(ItemRecord, sku=row[self._config.item_by], name=name[:200])
            if found is not None:
                yield found

    async def documents(self) -> AsyncIterator[DocumentRecord]:
        """Yield open purchase orders, and estimates that were not closed or rejected."""
        skus = {str(row["Id"]): str(row[self._config.item_by]) async for row in self._goods()}
        asked: tuple[tuple[Literal["po", "so"], str], ...] = (("po", "bill"), ("so", "invoice"))
        for kind, what in asked:
            of = KINDS[what][0]
            orders = [
                row
                async for row in self._pages(of.goes_by)
                if (row.get("POStatus") or row.get("TxnStatus")) not in of.ended
            ]
            done = await self._done(of, orders)
            for row in orders:
                key = row.get("Id") if of.makes == "Bill" else row.get("DocNumber")
                found = _document(kind, row, of, skus, done.get(str(key), {}))
                if found is not None:
                    yield found

    async def _done(
        self, kind: Kind, orders: Sequence[Mapping[str, Any]]
    ) -> dict[str, dict[str, Decimal]]:
        """Return what was booked of orders since the first of them was made."""
        if not orders:
            return {}
        first = min(orders, key=lambda row: _made(row) or LONG_AGO)
        return booked([row async for row in self._pages(kind.makes, since(first))], kind)

    async def locations(self) -> AsyncIterator[LocationRecord]:
        """Yield nothing: QuickBooks Online has none."""
        for each in _NO_PLACES:
            yield each

    async def stock(self) -> AsyncIterator[Stock]:
        """Yield what is on hand of every item whose stock is kept, at the one place there is."""
        async for row in self._goods():
            hand = amount(row.get("QtyOnHand"))
            if row.get("TrackQtyOnHand") and hand is not None:
                yield Stock(str(row[self._config.item_by]), "", hand, self._config.units[0])

    async def booked(self, since: datetime) -> AsyncIterator[Found]:
        """Yield the documents changed since then that carry a transaction's id."""
        when = quoted((since - SKEW).astimezone(UTC).isoformat(timespec="seconds"))
        made = [kind.makes for kinds in KINDS.values() for kind in kinds]
        for entity in (*made, "InventoryAdjustment"):
            async for row in self._pages(entity, f"MetaData.LastUpdatedTime >= {when}"):
                found = _found(row)
                if found is not None:
                    yield found

    async def _goods(self) -> AsyncIterator[dict[str, Any]]:
        async for row in self._pages("Item"):
            if row.get(self._config.item_by) and row.get("Type") in ("Inventory", "NonInventory"):
                yield row

    async def _pages(self, entity: Entity, where: str = "") -> AsyncIterator[dict[str, Any]]:
        try:
            for page in range(MAX_PAGES):
                rows = await self._company.find(entity, where, start=1 + page * MOST)
                for row in rows:
                    yield row
                if len(rows) < MOST:
                    return
        except Stopped as stopped:
            raise SourceFailed(str(stopped.outcome)) from stopped
        raise SourceFailed(f"QuickBooks has more than {MOST * MAX_PAGES:,} {entity}s")


def _document(
    kind: Literal["po", "so"],
    row: Mapping[str, Any],
    of: Kind,
    skus: Mapping[str, str],
    done: Mapping[str, Decimal],
) -> DocumentRecord | None:
    opened = [each for _, each in open_lines(row, of, skus)]
    rest = left(opened, by_sku(done, skus))
    lines = [
        record(
            DocumentLine,
            line=each.line,
            sku=each.sku,
            quantity=each.quantity,
            done=each.quantity - still.quantity,
        )
        for each, still in zip(opened, rest, strict=True)
    ]
    if None in lines or not lines:
        return None
    partner = str((row.get("VendorRef") or row.get("CustomerRef") or {}).get("name") or "")
    return record(
        DocumentRecord,
        document=kind,
        number=row.get("DocNumber"),
        partner=partner[:200],
        lines=tuple(lines),
    )


def _found(row: Mapping[str, Any]) -> Found | None:
    note = noted(row)
    if note is None:
        return None
    return Found(
        reference=note[0],
        document=str(row.get("DocNumber") or row.get("Id")),
        state="booked",
        quantity=_quantity(row.get("Line") or ()),
        at=_made(row),
    )


def _quantity(lines: Iterable[Mapping[str, Any]]) -> Decimal:
    total = Decimal(0)
    for line in lines:
        for name, field in ((BOUGHT, "Qty"), (SOLD, "Qty"), (ADJUSTED, "QtyDiff")):
            total += abs(amount((line.get(name) or {}).get(field)) or Decimal(0))
    return total


def _made(row: Mapping[str, Any]) -> datetime | None:
    try:
        when = datetime.fromisoformat(str((row.get("MetaData") or {}).get("CreateTime")))
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


@asynccontextmanager
async def read(config: Config) -> AsyncIterator[QuickBooksSource]:
    """Yield the reading side for `config`. Opens nothing until the first question."""
    async with opened(config.http, who="QuickBooks") as http:
        yield QuickBooksSource(Company(login_of(http, config), config), config)
