"""The reading side: items, open orders and quotes, stock of tracked items, what was booked."""

import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from bridge.bookkeeping import left
from bridge.connector import Found, Stock
from bridge.connectors.xero.api import UNIT_PLACES, Books, Collection, amount
from bridge.connectors.xero.bodies import KINDS, NUMBER, Kind, booked, open_lines
from bridge.connectors.xero.config import Config
from bridge.connectors.xero.target import login_of
from bridge.errors import SourceFailed
from bridge.http import Stopped, opened
from bridge.records import record
from contract.reference import DocumentLine, DocumentRecord, ItemRecord, LocationRecord

PAGE = 100
"""Rows of a page, which is Xero's own size."""
MAX_PAGES = 1_000
"""Pages of one question: a hundred thousand documents; more would spend the day's calls."""
SKEW = timedelta(minutes=5)
"""By how much Xero's clock may differ from the bridge's."""
EARLIER = timedelta(days=31)
"""How long before its own date goods of an order may have been booked: dates are typed by hand."""
_DATE = re.compile(r"/Date\((-?[0-9]{1,16})([+-][0-9]{4})?\)/")
_STATES: Mapping[str, Literal["draft", "booked", "cancelled"]] = {
    "DRAFT": "draft",
    "SUBMITTED": "draft",
    "AUTHORISED": "booked",
    "PAID": "booked",
    "DELETED": "cancelled",
    "VOIDED": "cancelled",
}
_NO_PLACES: tuple[LocationRecord, ...] = ()


class XeroSource:
    """One organisation, read a page at a time. Problems are `SourceFailed`."""

    def __init__(self, books: Books, config: Config) -> None:
        self._books = books
        self._config = config

    async def items(self) -> AsyncIterator[ItemRecord]:
        """Yield every item; Xero has no barcodes, and calls a SKU a code."""
        for row in await self._rows("Items"):
            found = record(ItemRecord, sku=row.get("Code"), name=(row.get("Name") or "")[:200])
            if found is not None:
                yield found

    async def documents(self) -> AsyncIterator[DocumentRecord]:
        """Yield approved purchase orders, and quotes that were sent or accepted."""
        asked: tuple[tuple[Literal["po", "so"], str, list[tuple[str, str]]], ...] = (
            ("po", "bill", [("status", "AUTHORISED")]),
            ("so", "invoice", [("Status", "SENT")]),
            ("so", "invoice", [("Status", "ACCEPTED")]),
        )
        for kind, what, query in asked:
            orders = [row async for row in self._pages(KINDS[what].goes_by, query)]
            done = await self._done(KINDS[what], orders)
            for row in orders:
                number = row.get("PurchaseOrderNumber") or row.get("QuoteNumber")
                found = _document(kind, number, row, done.get(str(number), {}))
                if found is not None:
                    yield found

    async def _done(
        self, kind: Kind, orders: Iterable[Mapping[str, Any]]
    ) -> dict[str, dict[str, Decimal]]:
        """Return what the bridge has booked of orders, by number and SKU."""
        dates = [when for row in orders if (when := _time(row.get("Date"))) is not None]
        if not dates:
            return {}
        since = _since(min(dates) - EARLIER)
        where = f'Type=="{kind.type}" AND Date>={since}'
        return booked([row async for row in self._pages(kind.makes, [("where", where)])], kind)

    async def locations(self) -> AsyncIterator[LocationRecord]:
        """Yield nothing: Xero has none."""
        for each in _NO_PLACES:
            yield each

    async def stock(self) -> AsyncIterator[Stock]:
        """Yield what is on hand of every tracked item, at the one place there is."""
        for row in await self._rows("Items"):
            hand = amount(row.get("QuantityOnHand"))
            if row.get("IsTrackedAsInventory") and hand is not None and row.get("Code"):
                yield Stock(str(row["Code"]), "", hand, self._config.units[0])

    async def booked(self, since: datetime) -> AsyncIterator[Found]:
        """Yield the documents changed since then that carry a transaction's id."""
        collections: tuple[Collection, ...] = ("Invoices", "CreditNotes")
        day = _since(since - SKEW)
        for collection in collections:
            async for row in self._pages(collection, [("where", f"UpdatedDateUTC>={day}")]):
                found = _found(row)
                if found is not None and (found.at is None or found.at >= since - SKEW):
                    yield found

    async def _pages(
        self, collection: Collection, query: list[tuple[str, str]]
    ) -> AsyncIterator[dict[str, Any]]:
        for page in range(1, MAX_PAGES + 1):
            rows = await self._rows(collection, [*query, ("page", str(page))])
            for row in rows:
                yield row
            if len(rows) < PAGE:
                return
        raise SourceFailed(f"Xero has more than {PAGE * MAX_PAGES:,} {collection}")

    async def _rows(
        self, collection: Collection, query: Iterable[tuple[str, str]] = ()
    ) -> list[dict[str, Any]]:
        try:
            return await self._books.rows(collection, [*query, *_places(collection)])
        except Stopped as stopped:
            raise SourceFailed(str(stopped.outcome)) from stopped


def _places(collection: Collection) -> Iterable[tuple[str, str]]:
    return UNIT_PLACES if collection in ("Invoices", "CreditNotes", "Items") else ()


def _document(
    kind: Literal["po", "so"], number: object, row: Mapping[str, Any], done: Mapping[str, Decimal]
) -> DocumentRecord | None:
    opened = open_lines(row)
    rest = left([each for _, each in opened], done)
    lines = [
        record(
            DocumentLine,
            line=str(line.get("LineItemID") or each.line),
            sku=each.sku,
            quantity=each.quantity,
            done=each.quantity - still.quantity,
        )
        for (line, each), still in zip(opened, rest, strict=True)
    ]
    if None in lines or not lines:
        return None
    partner = str((row.get("Contact") or {}).get("Name") or "")[:200]
    return record(DocumentRecord, document=kind, number=number, partner=partner, lines=tuple(lines))


def _since(when: datetime) -> str:
    day = when.astimezone(UTC)
    return f"DateTime({day.year}, {day.month:02}, {day.day:02})"


def _found(row: Mapping[str, Any]) -> Found | None:
    mine = row.get("Type") in ("ACCPAY", "ACCPAYCREDIT")
    names = ("InvoiceNumber", "CreditNoteNumber") if mine else ("Reference",)
    said = next((str(row[name]) for name in names if row.get(name)), "")
    mark = NUMBER.fullmatch(said)
    if mark is None:
        return None
    number = row.get("InvoiceNumber") or row.get("CreditNoteNumber")
    return Found(
        reference=mark["id"],
        document=str((None if mine else number) or row.get("InvoiceID") or row.get("CreditNoteID")),
        state=_STATES.get(str(row.get("Status")), "draft"),
        quantity=_quantity(row.get("LineItems") or ()),
        at=_time(row.get("UpdatedDateUTC")),
    )


def _quantity(lines: Iterable[Mapping[str, Any]]) -> Decimal:
    amounts = (amount(line.get("Quantity")) for line in lines if line.get("ItemCode"))
    return sum((each for each in amounts if each is not None), Decimal(0))


def _time(said: object) -> datetime | None:
    """Read Xero's `/Date(1552327126164+0000)/`, milliseconds whatever the offset, or ISO 8601."""
    text = said if isinstance(said, str) else ""
    found = _DATE.fullmatch(text)
    try:
        if found is None:
            return datetime.fromisoformat(text).replace(tzinfo=UTC)
        return datetime.fromtimestamp(int(found[1]) / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


@asynccontextmanager
async def read(config: Config) -> AsyncIterator[XeroSource]:
    """Yield the reading side for `config`. Opens nothing until the first question."""
    async with opened(config.http, who="Xero") as http:
        yield XeroSource(Books(login_of(http, config), config), config)
