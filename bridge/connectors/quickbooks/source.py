"""The reading side: items, open orders and estimates, stock, what was booked."""

import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from bridge.connector import Found, Stock
from bridge.connectors.quickbooks.api import MOST, Company, Entity, amount, quoted
from bridge.connectors.quickbooks.bodies import ADJUSTED, BOUGHT, KINDS, SOLD
from bridge.connectors.quickbooks.config import Config
from bridge.connectors.quickbooks.target import login_of
from bridge.errors import SourceFailed
from bridge.http import Stopped, opened
from bridge.records import record
from contract.reference import DocumentLine, DocumentRecord, ItemRecord, LocationRecord

MAX_PAGES = 200
"""Pages of one question: two hundred thousand rows, more than a company of QuickBooks may have."""
_NOTE = re.compile(r"scanpost ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?: .*)?", re.DOTALL)
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
        orders: tuple[tuple[Literal["po", "so"], str], ...] = (("po", "bill"), ("so", "invoice"))
        for kind, what in orders:
            of = KINDS[what][0]
            async for row in self._pages(of.goes_by):
                if (row.get("POStatus") or row.get("TxnStatus")) in of.ended:
                    continue
                found = self._document(kind, row, of.line, skus)
                if found is not None:
                    yield found

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
        when = quoted(since.astimezone(UTC).isoformat(timespec="seconds"))
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

    def _document(
        self,
        kind: Literal["po", "so"],
        row: Mapping[str, Any],
        detail: str,
        skus: Mapping[str, str],
    ) -> DocumentRecord | None:
        lines = []
        for line in row.get("Line") or ():
            said = line.get(detail) or {}
            sku = skus.get(str((said.get("ItemRef") or {}).get("value")))
            if sku is not None:
                quantity = amount(said.get("Qty")) or Decimal(0)
                name = str(line.get("Id"))
                lines.append(record(DocumentLine, line=name, sku=sku, quantity=quantity))
        if None in lines or not lines:
            return None
        partner = row.get("VendorRef") or row.get("CustomerRef") or {}
        return record(
            DocumentRecord,
            document=kind,
            number=row.get("DocNumber"),
            partner=str(partner.get("name") or "")[:200],
            lines=tuple(lines),
        )

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


def _found(row: Mapping[str, Any]) -> Found | None:
    note = _NOTE.fullmatch(str(row.get("PrivateNote") or ""))
    if note is None:
        return None
    said = (row.get("MetaData") or {}).get("CreateTime")
    return Found(
        reference=note[1],
        document=str(row.get("DocNumber") or row.get("Id")),
        state="booked",
        quantity=_quantity(row.get("Line") or ()),
        at=_time(said),
    )


def _quantity(lines: Iterable[Mapping[str, Any]]) -> Decimal:
    total = Decimal(0)
    for line in lines:
        for name, field in ((BOUGHT, "Qty"), (SOLD, "Qty"), (ADJUSTED, "QtyDiff")):
            total += abs(amount((line.get(name) or {}).get(field)) or Decimal(0))
    return total


def _time(said: object) -> datetime | None:
    try:
        when = datetime.fromisoformat(str(said))
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


@asynccontextmanager
async def read(config: Config) -> AsyncIterator[QuickBooksSource]:
    """Yield the reading side for `config`. Opens nothing until the first question."""
    async with opened(config.http, who="QuickBooks") as http:
        yield QuickBooksSource(Company(login_of(http, config), config), config)
