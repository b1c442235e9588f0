"""The calls that would be made for a transaction, for a person to read. Pure."""

from collections.abc import Sequence
from typing import assert_never
from urllib.parse import quote, urlencode

from bridge.connector import Call
from bridge.connectors.sap_s4 import counts, deliveries, materials
from bridge.connectors.sap_s4.config import Config
from bridge.connectors.sap_s4.goods import plain
from bridge.connectors.sap_s4.odata import MATERIALS, Service, equal, key, text, written
from bridge.connectors.sap_s4.plan import (
    Cancellation,
    Counted,
    Delivery,
    Posting,
    Postings,
    body,
    document,
    posting_day,
)
from bridge.outcome import Posted, Refused
from contract.transactions import Transaction

TODAY = "<today>"
_SHOWN = "<>'$"
"""Characters of a query that are left for a person to read."""


def calls(transaction: Transaction, config: Config) -> list[Call]:
    """Return the calls `deliver` would make, what only SAP knows in angle brackets. Pure."""
    plan = document(transaction, config)
    if isinstance(plan, Posted | Refused):
        return []
    day = posting_day(transaction, config) or TODAY
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
        of_ours = (equal(materials.TEXT, posting.text), *materials.WITH_ITEMS)
        asked = [self._get("look up the document", MATERIALS, materials.HEADERS, of_ours)]
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
        return [
            self._get("look up the delivery", way.service, path, deliveries.WITH_ITEMS),
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
            self._get(
                "look up the count",
                inventory,
                counts.HEADERS,
                (equal(counts.TEXT, plan.text), *counts.WITH_ITEMS),
            ),
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
                (equal(materials.TEXT, plan.reverses), *materials.WITH_ITEMS),
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
