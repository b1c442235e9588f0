"""One SAP system as a target: what is done for a transaction, and what would be."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import assert_never
from urllib.parse import quote, urlencode

from bridge.connector import Call, Connector
from bridge.connectors.sap_s4 import counts, deliveries, materials
from bridge.connectors.sap_s4.config import Config
from bridge.connectors.sap_s4.goods import plain
from bridge.connectors.sap_s4.odata import (
    MATERIALS,
    OData,
    Service,
    connected,
    key,
    text,
    written,
)
from bridge.connectors.sap_s4.plan import (
    Cancellation,
    Counted,
    Delivery,
    Posting,
    Postings,
    body,
    document,
)
from bridge.http import Stopped
from bridge.outcome import Outcome, Posted, Refused
from contract.transactions import Transaction

TODAY = "<today>"
_SHOWN = "<>'$"
"""Characters of a query that are left for a person to read."""
_SERVICES: tuple[tuple[Service, str], ...] = (
    (MATERIALS, materials.HEADERS),
    ("API_PURCHASEORDER_PROCESS_SRV", materials.ORDERS),
    ("API_INBOUND_DELIVERY_SRV", "A_InbDeliveryHeader"),
    ("API_OUTBOUND_DELIVERY_SRV", "A_OutbDeliveryHeader"),
    (counts.INVENTORY, counts.HEADERS),
    ("API_PRODUCT_SRV", "A_Product"),
    ("API_MATERIAL_STOCK_SRV", "A_MatlStkInAcctMod"),
)


class SapS4:
    """One system, whose documents with the bridge's references nobody else makes."""

    def __init__(self, sap: OData, config: Config) -> None:
        self.settle = config.http.settle
        self._sap = sap
        self._config = config

    async def deliver(self, transaction: Transaction, *, again: bool) -> Outcome:
        """Book once. SAP is always asked first, so that it does not matter what came before."""
        plan = document(transaction, self._config)
        if isinstance(plan, Posted | Refused):
            return plan
        day = day_of(transaction, self._config) or datetime.now(UTC).date().isoformat()
        created = transaction.clock.wall
        try:
            match plan:
                case Postings():
                    return await materials.post(self._sap, plan, day, created)
                case Delivery():
                    return await deliveries.deliver(self._sap, plan, self._config)
                case Counted():
                    return await counts.count(self._sap, plan, day)
                case Cancellation():
                    return await materials.cancel(self._sap, plan, day, created)
                case _:
                    assert_never(plan)
        except Stopped as stopped:
            return stopped.outcome


def day_of(transaction: Transaction, config: Config) -> str | None:
    """Return the day it is booked on, such as `2026-11-23`; None is the day it gets there. Pure."""
    clock = transaction.clock
    if config.time_zone is None or not clock.synchronised:
        return None
    return clock.wall.astimezone(config.time_zone).date().isoformat()


def calls(transaction: Transaction, config: Config) -> list[Call]:
    """Return the calls `deliver` would make, what only SAP knows in angle brackets. Pure."""
    plan = document(transaction, config)
    if isinstance(plan, Posted | Refused):
        return []
    day = day_of(transaction, config) or TODAY
    said = _Said(config)
    match plan:
        case Postings():
            return [call for each in plan.documents for call in said.posting(each, day)]
        case Delivery():
            return said.delivery(plan)
        case Counted():
            return said.count(plan, day)
        case Cancellation():
            return said.cancellation(plan, day)
        case _:
            assert_never(plan)


class _Said:
    """Calls, for a person to read."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def posting(self, posting: Posting, day: str) -> list[Call]:
        asked = [self._get("look up the document", MATERIALS, materials.HEADERS,
                           materials.asked(posting.text))]  # fmt: skip
        unknown = {
            place: f"<item of {row.material}>"
            for place, row in enumerate(posting.rows)
            if posting.order and not row.item
        }
        if unknown:
            path = key(materials.ORDERS, PurchaseOrder=posting.order)
            expand = (("$expand", "to_PurchaseOrderItem"),)
            asked.append(
                self._get("look up the order", "API_PURCHASEORDER_PROCESS_SRV", path, expand)
            )
        known = {place: row.item for place, row in enumerate(posting.rows) if posting.order}
        made = written(body(posting, day, known | unknown))
        what = f"make the material document, movement {posting.movement.partition('/')[2]}"
        return [*asked, self._call(what, "POST", MATERIALS, materials.HEADERS, made)]

    def delivery(self, plan: Delivery) -> list[Call]:
        way = deliveries.WAYS[plan.way]
        path = key(way.header, DeliveryDocument=plan.number)
        claim = written({self._config.delivery_mark: plan.text})
        number = (("DeliveryDocument", text(plan.number)),)
        expand = (("$expand", "to_DeliveryDocumentItem"),)
        return [
            self._get("look up the delivery", way.service, path, expand),
            self._call("claim the delivery", "PATCH", way.service, path, claim),
            *(
                self._call(
                    "where it differs, say what moved",
                    "PATCH",
                    way.service,
                    f"{way.item}(DeliveryDocument='{plan.number}',"
                    f"DeliveryDocumentItem='<item of {goods}>')",
                    f'{{"ActualDeliveryQuantity": "{plain(goods.quantity)}", <unit, batch>}}',
                )
                for goods in plan.goods
            ),
            self._call("pick all of it", "POST", way.service, way.pick, query=number),
            self._call("post it", "POST", way.service, way.post, query=number),
        ]

    def count(self, plan: Counted, day: str) -> list[Call]:
        numbers = {"FiscalYear": "<year>", "PhysicalInventoryDocument": "<number>"}
        inventory = counts.INVENTORY
        return [
            self._get("look up the count", inventory, counts.HEADERS, counts.asked(plan)),
            self._call(
                "make the inventory document",
                "POST",
                inventory,
                counts.HEADERS,
                written(counts.sheet(plan, day)),
            ),
            *(
                self._call(
                    "say what was found",
                    "PATCH",
                    inventory,
                    f"{counts.ITEMS}(<item of {goods}>)",
                    written(counts.found(goods)),
                )
                for goods in plan.goods
            ),
            self._call(
                "post the differences",
                "POST",
                inventory,
                counts.POST,
                query=counts.posting(numbers, day),
            ),
        ]

    def cancellation(self, plan: Cancellation, day: str) -> list[Call]:
        document = materials.Made("<number>", "<year>", "", reverses=False)
        return [
            self._get(
                "look up what is to be cancelled",
                MATERIALS,
                materials.HEADERS,
                materials.asked(plan.reverses),
            ),
            self._call(
                "cancel it",
                "POST",
                MATERIALS,
                materials.CANCEL,
                query=materials.cancelling(document, day),
            ),
        ]

    def _get(
        self, what: str, service: Service, path: str, query: Sequence[tuple[str, str]]
    ) -> Call:
        return self._call(what, "GET", service, path, query=query)

    def _call(
        self,
        what: str,
        method: str,
        service: Service,
        path: str,
        body: str = "",
        query: Sequence[tuple[str, str]] = (),
    ) -> Call:
        url = f"{self._config.url.rstrip('/')}/sap/opu/odata/sap/{service}/{path}"
        full = f"{url}?{urlencode(query, quote_via=quote, safe=_SHOWN)}" if query else url
        headers = {"Content-Type": "application/json"} if body else {}
        return Call(what, method, full, body, headers)


@asynccontextmanager
async def connect(config: Config) -> AsyncIterator[Connector]:
    """Yield the connector for `config`. Opens nothing until the first delivery."""
    async with connected(config) as sap:
        yield SapS4(sap, config)


async def probe(config: Config) -> list[str]:
    """Return which services can be read, and whether a change could be made; changes nothing.

    Raises:
        Stopped: the service for material documents, or its CSRF token, cannot be had.
    """
    async with connected(config) as sap:
        await sap.token(MATERIALS)
        said = ["a CSRF token is given: changes can be made"]
        for service, entity in _SERVICES:
            try:
                await sap.rows(service, entity, (("$top", "1"),))
                said.append(f"{service} can be read")
            except Stopped as stopped:
                if service == MATERIALS:
                    raise
                said.append(f"{service} cannot be read: {stopped.outcome}")
        return said
