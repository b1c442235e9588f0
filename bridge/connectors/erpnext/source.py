"""The reading side: items, open orders, warehouses, stock, and what was booked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from bridge.connectors.erpnext.config import Config
from bridge.connectors.erpnext.forms import KINDS, STATES, ErpNextForms, listed, resource
from bridge.connectors.erpnext.office import ErpNextOffice
from bridge.http import opened
from bridge.vouchers.reading import PAGE, OrderKind, VoucherSource
from bridge.vouchers.rows import Values

_ORDERS = {"po": "Purchase Order", "so": "Sales Order"}


class ErpNextSource(VoucherSource):
    """One ERPNext site, read a page at a time. Its times have no zone: they count as UTC."""

    def __init__(self, office: ErpNextOffice, config: Config) -> None:
        super().__init__(office)
        self._config = config
        self._company = ["company", "=", config.company]

    def item_rows(self) -> AsyncIterator[Values]:
        """Yield active stock items."""
        fields = ["name", "item_name", "stock_uom", "has_batch_no", "has_serial_no"]
        return self._pages("Item", [["disabled", "=", 0], ["is_stock_item", "=", 1]], fields)

    async def order_rows(self, kind: OrderKind) -> AsyncIterator[Values]:
        """Yield submitted orders of the company, whole: a list of them has no rows."""
        open_ones = [["docstatus", "=", 1], ["status", "not in", ["Closed", "Completed"]]]
        names = self._pages(_ORDERS[kind], [*open_ones, self._company], ["name"])
        async for row in names:
            answer = await self._office.ask(resource(_ORDERS[kind], str(row["name"])))
            yield answer["data"]

    def warehouse_rows(self) -> AsyncIterator[Values]:
        """Yield warehouses of the company that hold goods."""
        known = [self._company, ["is_group", "=", 0], ["disabled", "=", 0]]
        return self._pages("Warehouse", known, ["name"])

    def stock_rows(self) -> AsyncIterator[Values]:
        """Yield what is on hand."""
        fields = ["item_code", "warehouse", "actual_qty"]
        return self._pages("Bin", [["actual_qty", "!=", 0]], fields)

    async def voucher_rows(self, since: datetime) -> AsyncIterator[tuple[str, str, Values]]:
        """Yield what was made since then with an id of ours."""
        field = self._config.id_field
        after = since.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        known = [self._company, [field, "is", "set"], ["creation", ">=", after]]
        for kind in KINDS:
            async for row in self._pages(kind, known, ["name", "docstatus", "creation", field]):
                made = datetime.fromisoformat(str(row["creation"])).replace(tzinfo=UTC)
                shown = {"name": row["name"], "creation": made.isoformat()}
                yield str(row[field]), STATES[row["docstatus"]], shown

    async def _pages(self, kind: str, known: list[Any], fields: list[str]) -> AsyncIterator[Values]:
        start = 0
        while True:
            request = listed(kind, known, fields, limit=PAGE, start=start)
            answer = await self._office.ask(request.path, request.query)
            for row in answer["data"]:
                yield row
            if len(answer["data"]) < PAGE:
                return
            start += PAGE


@asynccontextmanager
async def read(config: Config) -> AsyncIterator[ErpNextSource]:
    """Yield the reading side for `config`. Opens nothing until the first question."""
    async with opened(config.http, who=ErpNextForms.who) as http:
        yield ErpNextSource(ErpNextOffice(http, config, ErpNextForms(config)), config)


async def probe(config: Config) -> list[str]:
    """Return what the site says of the custom fields that make twice once, reading only.

    Raises:
        Stopped: it cannot be asked; the outcome says why.
    """
    async with opened(config.http, who=ErpNextForms.who) as http:
        office = ErpNextOffice(http, config, ErpNextForms(config))
        known = [
            ["dt", "in", list(KINDS)],
            ["fieldname", "in", [config.id_field, config.mark_field]],
        ]
        request = listed("Custom Field", known, ["dt", "fieldname", "unique"], limit=PAGE)
        rows = (await office.ask(request.path, request.query))["data"]
    there = {(row["dt"], row["fieldname"]): bool(row["unique"]) for row in rows}
    said = []
    for kind in KINDS:
        unique = there.get((kind, config.id_field))
        if unique is None:
            said.append(f"{kind}: there is no custom field {config.id_field}")
        elif not unique:
            said.append(f"{kind}: {config.id_field} is not unique, so nothing makes twice once")
        elif (kind, config.mark_field) not in there:
            said.append(f"{kind}: there is no custom field {config.mark_field}")
        else:
            said.append(f"{kind}: as it should be")
    return said
