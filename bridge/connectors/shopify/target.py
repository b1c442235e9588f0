"""One open shop: looks up what the labels name, and changes it once."""

import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from time import monotonic
from typing import Any, assert_never
from uuid import UUID

from bridge.connector import Call, Connector
from bridge.connectors.shopify.changes import (
    Adjust,
    Change,
    Found,
    Fulfil,
    Plan,
    SetAside,
    document,
)
from bridge.connectors.shopify.config import Config
from bridge.connectors.shopify.graphql import (
    ADJUST,
    FAILED_BEFORE,
    FULFIL,
    MOVE,
    ORDER,
    OTHER_CONTENT,
    SET,
    SHOP,
    VARIANTS,
    Admin,
    Declined,
    body_of,
)
from bridge.http import Stopped, opened
from bridge.outcome import Outcome, Posted, Refused
from contract.transactions import Transaction
from contract.values import Item

MAX_KNOWN = 10_000
"""Inventory items kept by name: a large shop's, some MB; a shop has each for ever."""
MAX_KEYS = 40
"""Keys one transaction goes through, at most; each on Shopify's word that the one before failed."""


class Shopify:
    """One shop. Fulfilments need it to be the only writer there."""

    def __init__(self, admin: Admin, config: Config) -> None:
        self.settle = config.http.settle
        self._admin = admin
        self._config = config
        self._known: OrderedDict[str, str] = OrderedDict()
        self._began: OrderedDict[UUID, float] = OrderedDict()

    async def deliver(self, transaction: Transaction, *, again: bool) -> Outcome:
        """Change the shop's stock once, however often this is called for one transaction."""
        plan = document(transaction, self._config)
        if isinstance(plan, Posted | Refused):
            return plan
        try:
            if isinstance(plan, Fulfil):
                return await self._fulfil(plan)
            if again and self._is_forgotten(transaction):
                text = "it may be booked, longer ago than Shopify knows its key: look for"
                return Refused("needs_human", f"{text} {plan.reference} in its inventory history")
            if not again:
                self._attempted(transaction)
            return await self._change(transaction, plan, again=again)
        except Stopped as stopped:
            return stopped.outcome
        except Declined as declined:
            if isinstance(declined.outcome, Refused):
                self._known.clear()  # a variant may have been made anew
            return declined.outcome

    def _is_forgotten(self, transaction: Transaction) -> bool:
        """Whether its first attempt may be longer ago than Shopify knows keys.

        Known for what this process attempted; for the rest, no attempt was before the scan.
        """
        seconds = self._config.key_hours * 3600
        began = self._began.get(transaction.id)
        if began is not None:
            return monotonic() - began > seconds
        if not transaction.clock.synchronised:
            return False  # nobody knows how old it is; the key is the better guess
        return (datetime.now(UTC) - transaction.clock.wall).total_seconds() > seconds

    def _attempted(self, transaction: Transaction) -> None:
        self._began.setdefault(transaction.id, monotonic())
        if len(self._began) > MAX_KNOWN:
            self._began.popitem(last=False)

    async def _change(
        self, transaction: Transaction, plan: Adjust | SetAside | Found, *, again: bool
    ) -> Posted:
        items = await self._items(change.item for change in plan.changes)
        mutation, values = request(plan, items)
        # A key that failed stays failed: Shopify asks for a new one, which is made of the old, so
        # that each attempt walks the same keys and books under the first that has not failed.
        name = str(transaction.id)
        for key in (name, *(f"{name}/{number}" for number in range(2, MAX_KEYS + 1))):
            try:
                return Posted(await self._admin.do(mutation, {"input": values, "key": key}))
            except Declined as declined:
                failed = FAILED_BEFORE in declined.codes
                # With other content: harmless only where nothing can have been booked before
                if not failed and (again or OTHER_CONTENT not in declined.codes):
                    raise
        raise Stopped(Refused("refused", f"Shopify declined {MAX_KEYS} keys of it"))

    async def _items(self, wanted: Iterable[Item]) -> dict[str, str]:
        """Return inventory item ids by `_name`."""
        found: dict[str, str] = {}
        for item in wanted:
            name = _name(item)
            if name not in self._known:
                self._known[name] = await self._look_up(item)
            self._known.move_to_end(name)
            found[name] = self._known[name]
        while len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return found

    async def _look_up(self, item: Item) -> str:
        field, value = ("sku", item.sku) if item.sku else ("barcode", item.gtin or "")
        data = await self._admin.ask(VARIANTS, {"query": search(item)})
        ids = {
            str(node["inventoryItem"]["id"])
            for node in data["productVariants"]["nodes"]
            if node.get(field) == value
            or (field == "barcode" and str(node.get(field) or "").strip().zfill(14) == value)
        }
        if len(ids) != 1:
            text = f"Shopify has {len(ids) or 'no'} variants with {field} {value}"
            raise Stopped(Refused("unknown_sku", text))
        return ids.pop()

    async def _fulfil(self, plan: Fulfil) -> Outcome:
        """Fulfil, unless a fulfilment of the order has these numbers: there is no key for it."""
        items = await self._items(change.item for change in plan.changes)
        data = await self._admin.ask(ORDER, {"query": f"name:{_quoted(plan.order)}"})
        orders = [
            node for node in data["orders"]["nodes"] if node["name"].removeprefix("#") == plan.order
        ]
        if len(orders) != 1:
            text = f"Shopify has {len(orders) or 'no'} orders {plan.order}"
            return Refused("unknown_document", text)
        for each in orders[0]["fulfillments"]:
            numbers = {info["number"] for info in each["trackingInfo"]}
            if each["status"] != "CANCELLED" and numbers & set(plan.numbers):
                return Posted(str(each["id"]))
        taken = take(plan, orders[0]["fulfillmentOrders"], items)
        if isinstance(taken, Refused):
            return taken
        return Posted(
            await self._admin.do(FULFIL, {"fulfillment": parcel(plan, taken, self._config)})
        )


def search(item: Item) -> str:
    """Return the query that finds an item, and more: Shopify's search is none for exact text.

    >>> search(Item(gtin="04012345678901"))
    'barcode:"04012345678901" OR barcode:"4012345678901"'
    """
    if item.sku:
        return f"sku:{_quoted(item.sku)}"
    # A shop may have a GTIN with or without the zeros in front
    gtin = item.gtin or ""
    spellings = [gtin[cut:] for cut in (0, 1, 2, 6) if gtin.startswith("0" * cut)]
    return " OR ".join(f"barcode:{_quoted(each)}" for each in spellings)


def take(
    plan: Fulfil, there: Mapping[str, Any], items: Mapping[str, str]
) -> list[dict[str, Any]] | Refused:
    """Return which lines of which fulfilment orders the parcels fill. Pure."""
    nodes = there["nodes"]
    if there["pageInfo"]["hasNextPage"] or any(
        node["lineItems"]["pageInfo"]["hasNextPage"] for node in nodes
    ):
        return Refused("refused", f"order {plan.order} has more lines than can be looked through")
    open_ones = [
        node
        for node in nodes
        if node["status"] in ("OPEN", "IN_PROGRESS")
        and node["assignedLocation"]["location"] is not None
        and node["assignedLocation"]["location"]["id"] == plan.location
    ]
    if not plan.changes:
        whole = [
            {"fulfillmentOrderId": node["id"]}
            for node in open_ones
            if any(line["remainingQuantity"] for line in node["lineItems"]["nodes"])
        ]
        return whole or Refused("refused", f"nothing is left to ship of order {plan.order}")
    owed = {item: pieces for (item, _), pieces in _resolved(plan.changes, items).items()}
    taken = []
    for node in open_ones:
        lines = []
        for line in node["lineItems"]["nodes"]:
            pieces = min(owed.get(line["inventoryItemId"], 0), line["remainingQuantity"])
            if pieces > 0:
                owed[line["inventoryItemId"]] -= pieces
                lines.append({"id": line["id"], "quantity": pieces})
        if lines:
            taken.append({"fulfillmentOrderId": node["id"], "fulfillmentOrderLineItems": lines})
    if any(owed.values()):
        text = f"{sum(owed.values())} pieces more than order {plan.order} still waits for"
        return Refused("refused", text)
    return taken


def parcel(plan: Fulfil, taken: list[dict[str, Any]], config: Config) -> dict[str, Any]:
    """Return the `FulfillmentInput`. Pure."""
    tracking: dict[str, Any] = {"numbers": list(plan.numbers)}
    if config.carrier is not None:
        tracking["company"] = config.carrier
    return {
        "lineItemsByFulfillmentOrder": taken,
        "notifyCustomer": config.notify_customer,
        "trackingInfo": tracking,
    }


def request(
    plan: Adjust | SetAside | Found, items: Mapping[str, str]
) -> tuple[str, dict[str, Any]]:
    """Return the mutation and its input. Pure.

    Args:
        plan: what to change.
        items: inventory item ids by `_name`.
    """
    rows = _resolved(plan.changes, items).items()
    match plan:
        case Adjust():
            ledger = {} if plan.state == "available" else {"ledgerDocumentUri": plan.reference}
            changes = [
                {
                    "inventoryItemId": item,
                    "locationId": location,
                    "delta": pieces,
                    "changeFromQuantity": None,
                    **ledger,
                }
                for (item, location), pieces in rows
                if pieces
            ]
            return ADJUST, {**_head(plan), "name": plan.state, "changes": changes}
        case SetAside():
            moves: list[dict[str, Any]] = [
                {
                    "inventoryItemId": item,
                    "quantity": pieces,
                    "from": _end(location, "available"),
                    "to": _end(location, plan.state, plan.reference),
                }
                for (item, location), pieces in rows
            ]
            return MOVE, {**_head(plan), "changes": moves}
        case Found():
            found = [
                {
                    "inventoryItemId": item,
                    "locationId": location,
                    "quantity": pieces,
                    "changeFromQuantity": None,
                }
                for (item, location), pieces in rows
            ]
            head = {"reason": "cycle_count_available", "referenceDocumentUri": plan.reference}
            return SET, {**head, "name": "on_hand", "quantities": found}
        case _:
            assert_never(plan)


def _resolved(changes: Iterable[Change], items: Mapping[str, str]) -> dict[tuple[str, str], int]:
    """Return pieces by item and location: a SKU and a GTIN may turn out to be one variant."""
    pieces: dict[tuple[str, str], int] = {}
    for change in changes:
        key = (items[_name(change.item)], change.location)
        pieces[key] = pieces.get(key, 0) + change.pieces
    return pieces


def _head(plan: Adjust | SetAside) -> dict[str, Any]:
    return {"reason": plan.why, "referenceDocumentUri": plan.reference}


def _end(location: str, state: str, ledger: str | None = None) -> dict[str, Any]:
    end: dict[str, Any] = {"locationId": location, "name": state, "changeFromQuantity": None}
    return end if ledger is None else {**end, "ledgerDocumentUri": ledger}


def calls(transaction: Transaction, config: Config) -> list[Call]:
    """Return the calls `deliver` would make, what only Shopify knows in angle brackets. Pure."""
    plan = document(transaction, config)
    if isinstance(plan, Posted | Refused):
        return []
    names = {_name(change.item): f"<item {_name(change.item)}>" for change in plan.changes}
    items = {_name(change.item): change.item for change in plan.changes}
    asked = [
        _call("look up the item", VARIANTS, {"query": search(item)}, config)
        for item in items.values()
    ]
    return [*asked, *_writing(plan, names, str(transaction.id), config)]


def _writing(plan: Plan, names: Mapping[str, str], key: str, config: Config) -> list[Call]:
    if not isinstance(plan, Fulfil):
        mutation, values = request(plan, names)
        return [_call("change the stock", mutation, {"input": values, "key": key}, config)]
    lines = [{"id": f"<line of {n}>", "quantity": f"<{n}>"} for n in names]
    taken = [{"fulfillmentOrderId": "<fulfilment order>", "fulfillmentOrderLineItems": lines}]
    return [
        _call("look up the order", ORDER, {"query": f"name:{_quoted(plan.order)}"}, config),
        _call("fulfil it", FULFIL, {"fulfillment": parcel(plan, taken, config)}, config),
    ]


def _call(what: str, query: str, variables: Mapping[str, Any], config: Config) -> Call:
    headers = {"Content-Type": "application/json"}
    return Call(what, "POST", config.endpoint, body_of(query, variables), headers)


def _name(item: Item) -> str:
    return f"sku {item.sku}" if item.sku else f"barcode {item.gtin}"


def _quoted(value: str) -> str:
    """Return a value for Shopify's search syntax, where it can be nothing but a value."""
    return json.dumps(value, ensure_ascii=False)


@asynccontextmanager
async def connect(config: Config) -> AsyncIterator[Connector]:
    """Yield the connector for `config`. Opens nothing until the first delivery."""
    async with opened(config.http, who="Shopify") as http:
        yield Shopify(Admin(http, config), config)


async def probe(config: Config) -> list[str]:
    """Return what the shop says of itself and of its locations, reading only.

    Raises:
        Stopped: it cannot be asked; the outcome says why.
    """
    said: list[str] = []
    async with opened(config.http, who="Shopify") as http:
        for location in dict.fromkeys((config.location, *config.locations.values())):
            data = await Admin(http, config).ask(SHOP, {"location": location})
            if not said:
                said.append(f"shop {data['shop']['name']} ({data['shop']['myshopifyDomain']})")
            match data["location"]:
                case {"name": name, "isActive": active}:
                    said.append(f"{location}: {name}{'' if active else ', which is not active'}")
                case _:
                    said.append(f"{location}: there is no such location")
    return said
