"""The reading side: items, open orders, warehouses, stock, and what was booked."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime

from bridge.connectors.lambda_erp.config import Config
from bridge.connectors.lambda_erp.forms import LambdaForms, state
from bridge.connectors.lambda_erp.office import LambdaOffice
from bridge.http import opened
from bridge.vouchers.reading import PAGE, OrderKind, VoucherSource
from bridge.vouchers.rows import Values

ID = 36
"""Characters of a transaction's id."""
_ORDERS = {"po": "purchase-order", "so": "sales-order"}
_VOUCHERS = ("stock-entry", "purchase-receipt", "delivery-note")


class LambdaSource(VoucherSource):
    """One lambda-erp, read a page at a time."""

    def __init__(self, office: LambdaOffice, config: Config) -> None:
        super().__init__(office)
        self._prefix = config.prefix
        self._company = ("company", config.company)

    def item_rows(self) -> AsyncIterator[Values]:
        """Yield active stock items."""
        return self._pages("masters/item", [("is_stock_item", "1")])

    def order_rows(self, kind: OrderKind) -> AsyncIterator[Values]:
        """Yield submitted orders of the company, whole."""
        return self._pages(f"documents/{_ORDERS[kind]}", [("docstatus", "1"), self._company])

    def warehouse_rows(self) -> AsyncIterator[Values]:
        """Yield warehouses of the company that hold goods."""
        return self._pages("masters/warehouse", [self._company, ("is_group", "0")])

    async def stock_rows(self) -> AsyncIterator[Values]:
        """Yield what is on hand."""
        answer = await self._office.ask("/api/reports/stock-balance")
        for row in answer["rows"]:
            yield row

    async def voucher_rows(self, since: datetime) -> AsyncIterator[tuple[str, str, Values]]:
        """Yield what was made since then under names of ours."""
        asked = [
            ("name__contains", self._prefix),
            ("include_discarded", "true"),
            ("date_field", "creation"),
            ("from_date", since.isoformat()),
        ]
        for slug in _VOUCHERS:
            async for row in self._pages(f"documents/{slug}", [*asked, self._company]):
                name = str(row["name"])
                if name.startswith(self._prefix):
                    reference = name.removeprefix(self._prefix)
                    if len(reference) > ID:  # one of several: how much it moves says little alone
                        row.pop("items")
                    yield reference[:ID], state(row), row

    async def _pages(self, path: str, asked: Iterable[tuple[str, str]]) -> AsyncIterator[Values]:
        order = "creation" if path.startswith("documents/") else "name"
        paged = [*asked, ("order_by", order), ("order", "asc"), ("limit", str(PAGE))]
        offset = 0
        while True:
            answer = await self._office.ask(f"/api/{path}", [*paged, ("offset", str(offset))])
            for row in answer["rows"]:
                yield row
            if len(answer["rows"]) < PAGE:
                return
            offset += PAGE


@asynccontextmanager
async def read(config: Config) -> AsyncIterator[LambdaSource]:
    """Yield the reading side for `config`. Opens nothing until the first question."""
    async with opened(config.http, who=LambdaForms.who) as http:
        yield LambdaSource(LambdaOffice(http, config, LambdaForms(config.prefix)), config)
