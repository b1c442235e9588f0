"""The reading side: items, open orders, warehouses, stock, and what was booked."""

import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from bridge.connector import Found, Stock
from bridge.connectors.lambda_erp.config import Config
from bridge.connectors.lambda_erp.forms import LambdaForms, state
from bridge.connectors.lambda_erp.office import LambdaOffice, as_expected, exact
from bridge.errors import SourceFailed
from bridge.http import Stopped, opened
from bridge.vouchers.rows import Values
from contract.reference import DocumentRecord, ItemRecord, LocationRecord

log = logging.getLogger(__name__)

PAGE = 100
"""Rows of a page: an order of a hundred lines is some 60 kB, and an answer holds 8 MB."""
ID = 36
"""Characters of a transaction's id."""
_STATES: dict[str, Literal["draft", "booked", "cancelled"]] = {
    "draft": "draft",
    "submitted": "booked",
    "cancelled": "cancelled",
}
_ORDERS: tuple[tuple[Literal["po", "so"], str, str, str], ...] = (
    ("po", "purchase-order", "supplier_name", "received_qty"),
    ("so", "sales-order", "customer_name", "delivered_qty"),
)
_VOUCHERS = ("stock-entry", "purchase-receipt", "delivery-note")
_R = TypeVar("_R", bound=BaseModel)


class LambdaSource:
    """One lambda-erp, read a page at a time. Problems are `SourceFailed`."""

    def __init__(self, office: LambdaOffice, config: Config) -> None:
        self._office = office
        self._config = config
        self._units = {unit: code for code, unit in reversed(config.units.items())}
        purposes = {
            config.receiving: "receiving",
            config.staging: "staging",
            config.returns: "quarantine",
        }
        self._purposes = {place: purpose for place, purpose in purposes.items() if place}
        self._places = {warehouse: place for place, warehouse in config.warehouses.items()}

    async def items(self) -> AsyncIterator[ItemRecord]:
        """Yield every active stock item that is counted in a unit that is mapped."""
        async for row in self._pages("masters/item", [("is_stock_item", "1")]):
            unit = self._units.get(str(row["stock_uom"]))
            if unit is None:
                log.warning("item %s is not read: no code for %s", row["name"], row["stock_uom"])
                continue
            record = _record(ItemRecord, sku=row["name"], name=_cut(row["item_name"]), unit=unit)
            if record is not None:
                yield record

    async def documents(self) -> AsyncIterator[DocumentRecord]:
        """Yield the submitted purchase and sales orders that still owe something."""
        for kind, slug, partner, done in _ORDERS:
            asked = [("docstatus", "1"), ("company", self._config.company)]
            async for row in self._pages(f"documents/{slug}", asked):
                lines = [self._line(line, done) for line in row["items"] if line.get("item_code")]
                if all(line["done"] >= line["quantity"] for line in lines):
                    continue
                record = _record(
                    DocumentRecord,
                    document=kind,
                    number=row["name"],
                    partner=_cut(row.get(partner)),
                    lines=tuple(lines),
                )
                if record is not None:
                    yield record

    def _line(self, row: Values, done: str) -> Values:
        places = self._config.decimals
        return {
            "line": row["name"],
            "sku": row["item_code"],
            "quantity": exact(row["qty"], places),
            "done": exact(row.get(done), places),
            "location": self._place(row["warehouse"]) if row.get("warehouse") else None,
        }

    async def locations(self) -> AsyncIterator[LocationRecord]:
        """Yield every warehouse of the company that holds goods, by what its label says."""
        asked = [("company", self._config.company), ("is_group", "0")]
        async for row in self._pages("masters/warehouse", asked):
            name = str(row["name"])
            purpose = self._purposes.get(name, "storage")
            record = _record(LocationRecord, name=self._place(name), purpose=purpose)
            if record is not None:
                yield record

    def _place(self, warehouse: str) -> str:
        return self._places.get(warehouse, warehouse)

    async def stock(self) -> AsyncIterator[Stock]:
        """Yield what is on hand of each item in each of the company's warehouses."""
        ours = {
            str(row["name"])
            async for row in self._pages("masters/warehouse", [("company", self._config.company)])
        }
        units = {
            str(row["name"]): self._units.get(str(row["stock_uom"]))
            async for row in self._pages("masters/item", [])
        }
        for row in await self._ask("reports/stock-balance", []):
            with as_expected(LambdaForms.who):
                quantity = exact(row["actual_qty"], self._config.decimals)
                unit, warehouse = units.get(row["item_code"]), str(row["warehouse"])
            if quantity and unit and warehouse in ours:
                yield Stock(str(row["item_code"]), self._place(warehouse), quantity, unit)

    async def booked(self, since: datetime) -> AsyncIterator[Found]:
        """Yield the vouchers made since then under a transaction's id."""
        prefix = self._config.prefix
        for slug in _VOUCHERS:
            asked = [
                ("name__contains", prefix),
                ("include_discarded", "true"),
                ("date_field", "creation"),
                ("from_date", since.isoformat()),
            ]
            async for row in self._pages(f"documents/{slug}", asked):
                name = str(row["name"])
                if not name.startswith(prefix):
                    continue
                counted = (abs(exact(line["qty"], 9)) for line in row["items"])
                yield Found(
                    reference=name.removeprefix(prefix)[:ID],
                    document=name,
                    state=_STATES[state(row)],
                    quantity=sum(counted, Decimal(0)).normalize(),
                    at=datetime.fromisoformat(str(row["creation"])),
                )

    async def _pages(self, path: str, asked: Iterable[tuple[str, str]]) -> AsyncIterator[Values]:
        order = "creation" if path.startswith("documents/") else "name"
        offset = 0
        while True:
            paged = [("order_by", order), ("order", "asc"), ("limit", str(PAGE))]
            rows = await self._ask(path, [*asked, *paged, ("offset", str(offset))])
            for row in rows:
                yield row
            if len(rows) < PAGE:
                return
            offset += PAGE

    async def _ask(self, path: str, asked: Iterable[tuple[str, str]]) -> list[Values]:
        try:
            answer: Any = await self._office.ask(f"/api/{path}", asked)
            with as_expected(LambdaForms.who):
                return [dict(row) for row in answer["rows"]]
        except Stopped as stopped:
            raise SourceFailed(str(stopped.outcome)) from stopped


def _cut(name: object) -> str:
    return str(name or "")[:200]


def _record(model: type[_R], **said: Any) -> _R | None:
    try:
        return model.model_validate(said)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        log.warning("%s %s is not read: %s", model.__name__, said, problem["msg"])
        return None


@asynccontextmanager
async def read(config: Config) -> AsyncIterator[LambdaSource]:
    """Yield the reading side for `config`. Opens nothing until the first question."""
    async with opened(config.http, who=LambdaForms.who) as http:
        yield LambdaSource(LambdaOffice(http, config, LambdaForms(config.prefix)), config)
