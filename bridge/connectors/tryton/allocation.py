"""Which open moves of an order the goods belong to, and the shipment that says so. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bridge.connectors.tryton.answers import Move, Order, OrderLine, Product
from bridge.connectors.tryton.arrival import Arrival
from bridge.connectors.tryton.goods import Goods, misfit
from bridge.connectors.tryton.verdict import ORDER_BUSY
from bridge.outcome import Refused, TryLater
from bridge.tally import number, plain


@dataclass(frozen=True, slots=True)
class Take:
    """A part of what came, and the open move of the order it fills."""

    goods: Goods
    quantity: Decimal
    line: int
    product: int
    move: Move


def allocate(
    arrival: Arrival, order: Order, sku_field: str
) -> tuple[Take, ...] | Refused | TryLater:
    """Spread what came over the order's open moves, oldest first. Pure.

    Returns:
        Takes that add up to `arrival.goods` exactly; or why not, for the first goods that do not
        fit: all of a receipt is booked or nothing.
    """
    takes: list[Take] = []
    left = {move.id: move.quantity for line in order.lines for move in line.moves if move.open}
    for goods in arrival.goods:
        lines = _lines_for(goods, order, sku_field)
        if isinstance(lines, Refused):
            return lines
        rest = goods.quantity
        for line, product in lines:
            for move in sorted(line.moves, key=lambda move: move.id):
                part = min(rest, left.get(move.id, Decimal(0)))
                if part > 0:
                    takes.append(Take(goods, part, line.id, product.id, move))
                    left[move.id] -= part
                    rest -= part
        if rest > 0:
            return _too_much(goods, rest, [line for line, _ in lines], order)
    return tuple(takes)


def _lines_for(
    goods: Goods, order: Order, sku_field: str
) -> list[tuple[OrderLine, Product]] | Refused:
    lines = [
        (line, line.product)
        for line in order.lines
        if line.product is not None and line.product.is_(goods.item, sku_field)
    ]
    if not lines:
        return Refused("unknown_sku", f"order {order.number} has no line for {goods}")
    if len({product.id for _, product in lines}) > 1:
        return Refused("unknown_sku", f"order {order.number} has several products for {goods}")
    if goods.lot is None and lines[0][1].needs_lot("supplier", "storage"):
        return Refused("lot_required", f"Tryton takes {goods} with a lot only")
    for unit in (move.unit for line, _ in lines for move in line.moves if move.open):
        if refused := misfit(goods, unit, f"order {order.number}", "receipt"):
            return refused
    return lines


def _too_much(
    goods: Goods, rest: Decimal, lines: Sequence[OrderLine], order: Order
) -> Refused | TryLater:
    if rest <= sum(line.owed for line in lines):
        return TryLater(
            f"order {order.number}: the rest of {goods} is not open yet; "
            "an earlier shipment of this order waits to be received",
            after=ORDER_BUSY,
        )
    return Refused(
        "over_receipt",
        f"order {order.number} has {plain(goods.quantity - rest)} of {goods} open, "
        f"{plain(goods.quantity)} {goods.unit} came",
    )


def supply(
    arrival: Arrival,
    order: Order,
    takes: Sequence[Take],
    lots: Mapping[Goods, int],
    *,
    company: int,
    storage: int,
) -> dict[str, Any]:
    """Return the supplier shipment to create: one call, so it is whole or absent. Pure.

    The first take of a move uses that move; a further one (another lot) gets a move of its own
    beside it. What is then left of the order Tryton opens again by itself.
    """
    moves: list[list[Any]] = [["add", list(dict.fromkeys(take.move.id for take in takes))]]
    used: set[int] = set()
    for take in takes:
        values: dict[str, Any] = {"quantity": number(take.quantity)}
        if take.goods in lots:
            values["lot"] = lots[take.goods]
        if take.move.id in used:
            moves.append(["create", [_beside(take, company) | values]])
        else:
            moves.append(["write", [take.move.id], values])
        used.add(take.move.id)
    return {
        "reference": arrival.reference,
        "company": company,
        "supplier": order.party,
        "warehouse": order.warehouse.id,
        "warehouse_input": order.warehouse.input_location,
        "warehouse_storage": storage,
        "effective_date": arrival.day,
        "incoming_moves": moves,
    }


def _beside(take: Take, company: int) -> dict[str, Any]:
    return {
        "origin": f"purchase.line,{take.line}",
        "product": take.product,
        "unit": take.move.unit.id,
        "company": company,
        "from_location": take.move.from_location,
        "to_location": take.move.to_location,
        "unit_price": take.move.unit_price,
        "currency": take.move.currency,
    }
