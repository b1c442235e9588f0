"""Goods that come back from a customer, as Tryton is to read them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from bridge.connectors.tryton.answers import Depot, Outgoing, Sale
from bridge.connectors.tryton.config import Config
from bridge.connectors.tryton.departure import COMING_BACK, Take, unfit
from bridge.connectors.tryton.goods import Goods, day_of, gathered
from bridge.outcome import Posted, Refused
from bridge.tally import number, plain
from contract.transactions import Return, Transaction

_SOLD = frozenset({"so", "rma"})
_UNFIT = frozenset({"damaged", "expired"})


@dataclass(frozen=True, slots=True)
class Homecoming:
    """Goods of one sales order that came back: one customer return shipment."""

    reference: str
    order: str
    goods: tuple[Goods, ...]
    location: str | None = None
    """Code of the location they are put to; None is the warehouse's storage."""
    day: date | None = None


def homecoming(
    transaction: Transaction, event: Return, config: Config
) -> Homecoming | Posted | Refused:
    """Return what came back, or why it cannot be booked. Pure."""
    if any(each.kind == "po" for each in event.documents):
        why = "a return to a supplier leaves the house: a station reports what came back"
        return Refused("unsupported", why)
    orders = {each.number for each in event.documents if each.kind in _SOLD}
    if len(orders) != 1:
        named = ", ".join(sorted(orders)) or "none"
        return Refused("unknown_document", f"needs one sales order; the return names {named}")
    if event.disposition in _UNFIT and event.to_location is None:
        why = f"what comes back {event.disposition} needs a location, or it would be sold again"
        return Refused("unknown_location", why)
    goods = gathered(event.lines, config, dates=False)
    if isinstance(goods, Refused):
        return goods
    if not goods:
        return Posted("")  # nothing came back
    day = day_of(transaction, config)
    return Homecoming(str(transaction.id), orders.pop(), goods, event.to_location, day)


def gone(sale: Sale) -> list[Outgoing]:
    """Return the moves of an order that have reached the customer, oldest first. Pure."""
    moves = [move for each in sale.shipments for move in each.outgoing_moves]
    return sorted((move for move in moves if move.state == "done"), key=lambda move: move.id)


def matched(
    plan: Homecoming, moves: Sequence[Outgoing], returned: Mapping[int, Decimal], sku_field: str
) -> tuple[Take, ...] | Refused:
    """Return the moves to the customer that the goods undo, all of them or none. Pure.

    Args:
        plan: what came back.
        moves: as `gone` gave them.
        returned: how much of each came back before, by the move's id.
        sku_field: of `product.product`.
    """
    takes: list[Take] = []
    left = {move.id: move.quantity - returned.get(move.id, Decimal(0)) for move in moves}
    for goods in plan.goods:
        rest = goods.quantity
        mine = [move for move in moves if move.product.is_(goods.item, sku_field)]
        if refused := unfit(goods, mine, plan.order, COMING_BACK):
            return refused
        for move in mine:
            same = goods.lot is None or (move.lot is not None and move.lot.number == goods.lot)
            part = min(rest, left[move.id]) if same else Decimal(0)
            if part > 0:
                takes.append(Take(goods, part, move))
                left[move.id] -= part
                rest -= part
        if rest > 0:
            lot = f" of lot {goods.lot}" if goods.lot is not None else ""
            why = (
                f"of order {plan.order} {plain(goods.quantity - rest)} of {goods}{lot} is with the "
                f"customer, {plain(goods.quantity)} {goods.unit} came back"
            )
            return Refused("refused", why)
    return tuple(takes)


def shipment_return(
    plan: Homecoming,
    sale: Sale,
    takes: Sequence[Take],
    *,
    depot: Depot,
    storage: int,
    company: int,
) -> dict[str, Any]:
    """Return the customer return to create: one call, so it is whole or absent. Pure.

    Each move says which move to the customer it undoes: Tryton asks for an origin.
    """
    moves = [
        {
            "origin": f"stock.move,{take.move.id}",
            "product": take.move.product.id,
            "unit": take.move.unit.id,
            "quantity": number(take.quantity),
            "company": company,
            "from_location": take.move.to_location,
            "to_location": depot.input_location,
            "unit_price": take.move.unit_price,
            "currency": take.move.currency,
            **({"lot": take.move.lot.id} if take.goods.lot and take.move.lot else {}),
        }
        for take in takes
    ]
    return {
        "reference": plan.reference,
        "company": company,
        "customer": sale.shipment_party or sale.party,
        "warehouse": depot.id,
        "warehouse_input": depot.input_location,
        "warehouse_storage": storage,
        "effective_date": plan.day,
        "incoming_moves": [["create", moves]],
    }
