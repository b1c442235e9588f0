"""Bring a transaction into Finale once: one stock change, or one shipment of an order."""

import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from bridge.connector import Call, Connector
from bridge.connectors.finale.changes import Consignment, Row, StockChange, document
from bridge.connectors.finale.config import Config
from bridge.connectors.finale.rest import Resource, Rest, address_of, body_of
from bridge.http import MAX_TEXT, Stopped, opened
from bridge.outcome import Outcome, Posted, Refused, TryLater, Unknown
from contract.transactions import Transaction

ATTRIBUTE = "integration_scanpost"
"""The user-defined field of a shipment that holds the reference; Finale asks others to begin the
names of theirs with `integration_`."""
MAX_KNOWN = 10_000
"""Products kept by id, and transactions by what they became: some MB each."""
MAX_SHIPMENTS = 50
"""Shipments of one order that are looked through, one request each."""
WINDOW = timedelta(days=29)
"""How far back a collection can be searched: Finale takes 30 days at most."""
_ENDS = {
    "in": ("PURCHASE_ORDER", "PURCHASE_SHIPMENT", "actionUrlReceive", "receiveDate"),
    "out": ("SALES_ORDER", "SALES_SHIPMENT", "actionUrlShip", "shipDate"),
}
"""Type of the order, of the shipment, what finishes it, and the date that says it is finished."""


class Finale:
    """One account. It needs to be the only writer of what bears its references."""

    def __init__(self, rest: Rest, config: Config) -> None:
        self.settle = config.http.settle
        self._rest = rest
        self._config = config
        self._products: OrderedDict[str, str] = OrderedDict()
        self._places: dict[str, list[str]] = {}
        self._booked: OrderedDict[str, str] = OrderedDict()

    async def deliver(self, transaction: Transaction, *, again: bool) -> Outcome:
        """Book `transaction`; what may be there of it is looked for first and carried on."""
        plan = document(transaction, self._config)
        if isinstance(plan, Posted | Refused):
            return plan
        known = self._booked.get(plan.reference)
        if known is not None:
            return Posted(known)
        try:
            if isinstance(plan, Consignment):
                outcome = await self._consign(plan)
            else:
                outcome = await self._change(plan, transaction, again=again)
        except Stopped as stopped:
            outcome = stopped.outcome
        if isinstance(outcome, Posted):
            _remember(self._booked, plan.reference, outcome.document)
        elif isinstance(outcome, Refused):
            self._products.clear()  # a product may have been made anew
        return outcome

    # --- Stock changes ---

    async def _change(self, plan: StockChange, transaction: Transaction, *, again: bool) -> Outcome:
        if again:
            found = await self._found(plan, transaction)
            if found is not None:
                return found
        place = await self._place(plan.place)
        products = [await self._product(row.sku) for row in plan.rows]
        body = variance(plan, place, products)
        made = await self._rest.post(f"{self._config.api}/inventoryvariance/", body)
        match made:
            case {"physicalInventoryId": str(number)}:
                return Posted(number)
        return Unknown(f"Finale's answer is not as expected: {made!r}"[:MAX_TEXT])

    async def _found(self, plan: StockChange, transaction: Transaction) -> Outcome | None:
        """Return what became of an earlier attempt, or None where it was never booked."""
        now = datetime.now(UTC)
        clock = transaction.clock
        if clock.synchronised and now - clock.wall > WINDOW:
            text = f"it may be booked longer ago than Finale can be searched: {plan.reference}"
            return Refused("needs_human", text)
        range_ = [_stamp(now - WINDOW), _stamp(now + timedelta(hours=12))]
        wanted = {"lastUpdatedDate": range_, "generalComments": [plan.reference] * 2}
        rows = await self._rest.collection("inventoryvariance", wanted)
        mine = [row for row in rows if row.get("generalComments") == plan.reference]
        if len(mine) > 1:
            return Refused("needs_human", f"Finale has {len(mine)} changes {plan.reference}")
        if not mine:
            return None
        if mine[0].get("statusId") == "PHSCL_INV_COMMITTED":
            return Posted(str(mine[0].get("physicalInventoryId")))
        text = f"{plan.reference} stands in Finale as {mine[0].get('statusId')}"
        return Refused("needs_human", text)

    # --- Shipments of orders ---

    async def _consign(self, plan: Consignment) -> Outcome:
        kind, _, action, date = _ENDS[plan.way]
        order = await self._rest.get(address_of(self._config, "order", plan.order))
        if order is None or order.get("orderTypeId") != kind:
            return Refused("unknown_document", f"Finale has no {kind} {plan.order}")
        shipments = await self._shipments(order)
        mine = [each for each in shipments if _reference(each) == plan.reference]
        if len(mine) > 1:
            return Refused("needs_human", f"Finale has {len(mine)} shipments {plan.reference}")
        if mine:
            shipment = mine[0]
        else:
            unfit = await self._unfit(plan, order, shipments)
            if unfit is not None:
                return unfit
            shipment = await self._make(plan, order)
        if shipment.get("cancelDate"):
            return Refused("needs_human", f"shipment {_number(shipment)} was cancelled in Finale")
        if not shipment.get(date):
            shipment = await self._finish(plan, shipment, action, date)
        if shipment.get(date):
            return Posted(_number(shipment))
        return Unknown(f"Finale did not say that shipment {_number(shipment)} is finished")

    async def _shipments(self, order: Resource) -> list[Resource]:
        addresses = order.get("shipmentUrlList") or []
        if len(addresses) > MAX_SHIPMENTS:
            text = f"order {order.get('orderId')} has {len(addresses)} shipments"
            raise Stopped(Refused("needs_human", f"{text}, more than are looked through"))
        found = [await self._rest.get(self._own(address)) for address in addresses]
        return [each for each in found if each is not None]

    async def _unfit(
        self, plan: Consignment, order: Resource, shipments: Iterable[Resource]
    ) -> Refused | None:
        """Return why the order does not take the goods, or None where it does."""
        if order.get("statusId") in ("ORDER_COMPLETED", "ORDER_CANCELLED"):
            return Refused("unknown_document", f"order {plan.order} is {order['statusId']}")
        date = _ENDS[plan.way][3]
        done = [each for each in shipments if each.get(date) and not each.get("cancelDate")]
        left = owed(order, done)
        packed = {
            item.get("productUrl")
            for item in order.get("orderItemList") or []
            if item.get("normalizedPackingString")
        }
        for row in _by_product(plan.rows):
            product = await self._product(row.sku)
            if product in packed:
                return Refused("unsupported", f"order {plan.order} counts {row.sku} in packings")
            if product not in left:
                return Refused("unknown_sku", f"order {plan.order} has no {row.sku}")
            if row.pieces > left[product] and not plan.too_much:
                text = f"order {plan.order} waits for {left[product]} of {row.sku}"
                return Refused("over_receipt", f"{text}, not for {row.pieces}")
        return None

    async def _make(self, plan: Consignment, order: Resource) -> Resource:
        place = await self._place(plan.place)
        products = [await self._product(row.sku) for row in plan.rows]
        body = shipment_of(plan, str(order["orderUrl"]), place, products)
        return await self._rest.post(f"{self._config.api}/shipment/", body)

    async def _finish(
        self, plan: Consignment, shipment: Resource, action: str, date: str
    ) -> Resource:
        address = shipment.get(action)
        if not isinstance(address, str):
            text = f"Finale does not let shipment {_number(shipment)} be finished: no {action}"
            raise Stopped(Refused("needs_human", text))
        when = plan.when or _stamp(datetime.now(UTC))
        return await self._rest.post(self._own(address), {date: when})

    # --- What Finale must have ---

    def _own(self, address: Any) -> str:
        """Return an address Finale gave, if it is one within the account."""
        inside = isinstance(address, str) and address.startswith(f"{self._config.api}/")
        if inside and ".." not in address and re.fullmatch(r"[!-~]+", address):
            return str(address)
        raise Stopped(TryLater(f"Finale gave an address outside the account: {address!r}"))

    async def _product(self, sku: str) -> str:
        if sku in self._products:
            self._products.move_to_end(sku)
            return self._products[sku]
        product = await self._rest.get(address_of(self._config, "product", sku))
        if product is None or product.get("productId") != sku:
            # Its address may be made of another id than the one it shows
            rows = await self._rest.collection("product", {"productId": [sku, sku]})
            mine = [row for row in rows if row.get("productId") == sku]
            if len(mine) != 1:
                text = f"Finale has {len(mine) or 'no'} products {sku}"
                raise Stopped(Refused("unknown_sku", text))
            product = mine[0]
        return _remember(self._products, sku, self._own(product.get("productUrl")))

    async def _place(self, name: str) -> str:
        if name not in self._places:
            self._places = {}
            for row in await self._rest.collection("facility"):
                addresses = self._places.setdefault(str(row.get("facilityName")), [])
                addresses.append(self._own(row.get("facilityUrl")))
        addresses = self._places.get(name, [])
        if len(addresses) != 1:
            text = f"Finale has {len(addresses) or 'no'} sublocations {name}"
            self._places = {}  # somebody may add it
            raise Stopped(Refused("unknown_location", text))
        return addresses[0]


def variance(plan: StockChange, place: str, products: Iterable[str]) -> dict[str, Any]:
    """Return the inventory variance of a stock change. Pure."""
    count = plan.kind == "FACILITY_COUNT"
    reason = {} if plan.reason is None else {"varianceReasonId": plan.reason}
    rows = [
        {
            "productUrl": product,
            "facilityUrl": place,
            "quantityOnHandCount" if count else "quantityOnHandVar": row.pieces,
            **_lot(row),
            **reason,
        }
        for row, product in zip(plan.rows, products, strict=True)
    ]
    return {
        "physicalInventoryTypeId": plan.kind,
        "statusId": "PHSCL_INV_COMMITTED",
        "facilityUrl": place,
        "generalComments": plan.reference,
        **({} if plan.when is None else {"physicalInventoryDate": plan.when}),
        "inventoryItemVarianceList": rows,
    }


def shipment_of(
    plan: Consignment, order: str, place: str, products: Iterable[str]
) -> dict[str, Any]:
    """Return the shipment of a consignment. Pure."""
    rows = [
        {"productUrl": product, "facilityUrl": place, "quantity": row.pieces, **_lot(row)}
        for row, product in zip(plan.rows, products, strict=True)
    ]
    return {
        "shipmentTypeId": _ENDS[plan.way][1],
        "primaryOrderUrl": order,
        "shipmentItemList": rows,
        "userFieldDataList": [{"attrName": ATTRIBUTE, "attrValue": plan.reference}],
        **({} if plan.tracking is None else {"trackingCode": plan.tracking}),
    }


def owed(order: Mapping[str, Any], done: Iterable[Mapping[str, Any]]) -> dict[str, int | Decimal]:
    """Return what an order still waits for, by product. Pure."""
    left: dict[str, int | Decimal] = {}
    for item in order.get("orderItemList") or []:
        product = str(item.get("productUrl"))
        left[product] = left.get(product, 0) + (item.get("quantity") or 0)
    for shipment in done:
        for item in shipment.get("shipmentItemList") or []:
            product = str(item.get("productUrl"))
            if product in left:
                left[product] -= item.get("quantity") or 0
    return left


def _by_product(rows: Iterable[Row]) -> list[Row]:
    pieces: dict[str, int] = {}
    for row in rows:
        pieces[row.sku] = pieces.get(row.sku, 0) + row.pieces
    return [Row(sku, each) for sku, each in pieces.items()]


def _reference(shipment: Mapping[str, Any]) -> str | None:
    for field in shipment.get("userFieldDataList") or []:
        if field.get("attrName") == ATTRIBUTE:
            return str(field.get("attrValue"))
    return None


def _number(shipment: Mapping[str, Any]) -> str:
    return str(shipment.get("shipmentIdUser") or shipment.get("shipmentId"))


def _lot(row: Row) -> dict[str, str]:
    return {} if row.lot is None else {"lotId": row.lot}


def _stamp(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%S")


def _remember(known: OrderedDict[str, str], name: str, value: str) -> str:
    known[name] = value
    if len(known) > MAX_KNOWN:
        known.popitem(last=False)
    return value


def calls(transaction: Transaction, config: Config) -> list[Call]:
    """Return the calls that change something, what only Finale knows in angle brackets. Pure."""
    plan = document(transaction, config)
    if isinstance(plan, Posted | Refused):
        return []
    products = [f"<address of {row.sku}>" for row in plan.rows]
    place = f"<address of {plan.place}>"
    if isinstance(plan, StockChange):
        body = variance(plan, place, products)
        return [_call("change the stock", f"{config.api}/inventoryvariance/", body, config)]
    order = address_of(config, "order", plan.order)
    body = shipment_of(plan, order, place, products)
    _, _, action, date = _ENDS[plan.way]
    when = {date: plan.when or "<now>"}
    return [
        Call("look up the order and its shipments", "GET", f"{config.url.rstrip('/')}{order}"),
        _call("make the shipment", f"{config.api}/shipment/", body, config),
        _call("finish it", f"<{action} of the shipment>", when, config),
    ]


def _call(what: str, address: str, body: Mapping[str, Any], config: Config) -> Call:
    headers = {"Content-Type": "application/json"}
    return Call(what, "POST", f"{config.url.rstrip('/')}{address}", body_of(body), headers)


@asynccontextmanager
async def connect(config: Config) -> AsyncIterator[Connector]:
    """Yield the connector for `config`. Opens nothing until the first delivery."""
    async with opened(config.http, who="Finale") as http:
        yield Finale(Rest(http, config), config)


async def probe(config: Config) -> list[str]:
    """Return which of the configured places the account has, reading only.

    Raises:
        Stopped: it cannot be asked; the outcome says why.
    """
    async with opened(config.http, who="Finale") as http:
        rows = await Rest(http, config).collection("facility")
    here = sum(row.get("facilityName") == config.place for row in rows)
    return [
        f"account {config.account}: {len(rows)} places",
        f"{config.place}: {'it is there' if here == 1 else f'there are {here} of that name'}",
    ]
