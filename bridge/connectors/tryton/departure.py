"""Cartons of a sales order as Tryton is to read them: packed, then gone. Pure.

Each `Pack` becomes one customer shipment (`stock.shipment.out`) of its own, and a `Shipment` sends
those away that its packages name. What a shipment stands for is written in its reference, which is
all that is needed to find it again and to never take it twice:

    <id of the pack> [<SSCC of the carton>] [<id of the shipment it left with>]
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

from bridge.connectors.tryton.answers import Dispatch, Outgoing
from bridge.connectors.tryton.config import Config
from bridge.connectors.tryton.goods import Goods, gathered, misfit
from bridge.outcome import Posted, Refused
from bridge.tally import number, plain
from contract.transactions import Pack, Shipment, Transaction
from contract.values import Document

_LABEL = re.compile(
    r"(?P<pack>[0-9a-f]{8}-[0-9a-f-]{27})(?: (?P<sscc>[0-9]{18}))?"
    r"(?: (?P<left>[0-9a-f]{8}-[0-9a-f-]{27}))?"
)


@dataclass(frozen=True, slots=True)
class Label:
    """The reference of a customer shipment that the bridge made."""

    pack: str
    sscc: str | None = None
    left: str | None = None
    """The `Shipment` it left with; None while it stands in the house."""

    @classmethod
    def read(cls, reference: str | None) -> Self | None:
        """Return what a reference says, or None for one of somebody else's."""
        found = _LABEL.fullmatch(reference or "")
        return cls(**found.groupdict()) if found else None

    def __str__(self) -> str:
        return " ".join(filter(None, (self.pack, self.sscc, self.left)))


@dataclass(frozen=True, slots=True)
class Carton:
    """What was packed: one customer shipment of one sales order."""

    label: Label
    order: str
    goods: tuple[Goods, ...]


@dataclass(frozen=True, slots=True)
class Departure:
    """What left: cartons that were packed, or `carton`, which was never packed by itself."""

    reference: str
    order: str
    packages: tuple[str | None, ...]
    """SSCC of each package."""
    carton: Carton | None = None


def carton(transaction: Transaction, pack: Pack, config: Config) -> Carton | Posted | Refused:
    """Return what was packed, or why it cannot be booked. Pure."""
    order = _order(pack.documents, "carton")
    goods = gathered(pack.lines, config, dates=False)
    if isinstance(order, Refused):
        return order
    if isinstance(goods, Refused):
        return goods
    if not goods:
        return Posted("")  # an empty carton moves nothing
    return Carton(Label(str(transaction.id), pack.sscc), order, goods)


def departure(transaction: Transaction, shipment: Shipment, config: Config) -> Departure | Refused:
    """Return what left, or why it cannot be booked. Pure."""
    order = _order(shipment.documents, "shipment")
    goods = gathered(shipment.lines, config, dates=False)
    if isinstance(order, Refused):
        return order
    if isinstance(goods, Refused):
        return goods
    reference = str(transaction.id)
    return Departure(
        reference,
        order,
        tuple(package.sscc for package in shipment.packages),
        Carton(Label(reference), order, goods) if goods else None,
    )


def _order(documents: Iterable[Document], what: str) -> str | Refused:
    orders = {each.number for each in documents if each.kind == "so"}
    if len(orders) != 1:
        named = ", ".join(sorted(orders)) or "none"
        return Refused("unknown_document", f"needs one sales order; the {what} names {named}")
    return orders.pop()


# Which goods of an order a carton takes


@dataclass(frozen=True, slots=True)
class Take:
    """A part of what was packed, and the move of the order it is."""

    goods: Goods
    quantity: Decimal
    move: Outgoing


def choose(
    carton: Carton, open_: Sequence[Dispatch], sku_field: str
) -> tuple[Dispatch, tuple[Take, ...]] | Refused:
    """Return the open shipment that holds all of the carton, and its moves. Pure.

    Oldest first; all of a carton comes from one shipment, so that it is booked whole or not at all.
    """
    why: Refused | None = None
    for shipment in sorted(open_, key=lambda each: each.id):
        takes = _takes(carton, shipment, sku_field)
        if not isinstance(takes, Refused):
            return shipment, takes
        if why is None or why.code == "unknown_sku":
            why = takes
    return why or Refused("unknown_document", f"order {carton.order} has nothing left to ship")


def _takes(carton: Carton, shipment: Dispatch, sku_field: str) -> tuple[Take, ...] | Refused:
    takes: list[Take] = []
    left = {move.id: move.quantity for move in shipment.outgoing_moves}
    for goods in carton.goods:
        moves = [
            move for move in shipment.outgoing_moves if move.product.is_(goods.item, sku_field)
        ]
        refused = unfit(goods, moves, carton.order, LEAVING)
        if refused is not None:
            return refused
        rest = goods.quantity
        for move in moves:
            part = min(rest, left[move.id])
            if part > 0:
                takes.append(Take(goods, part, move))
                left[move.id] -= part
                rest -= part
        if rest > 0:
            return Refused(
                "refused",
                f"{shipment} of order {carton.order} has {plain(goods.quantity - rest)} of {goods} "
                f"to send, {plain(goods.quantity)} {goods.unit} were packed",
            )
    return tuple(takes)


@dataclass(frozen=True, slots=True)
class Way:
    """Which way goods go, and how to say that they cannot."""

    ends: tuple[str, str]
    """Types of the locations."""
    nothing: str
    """What the order has, where there is nothing of the goods."""
    what: str
    """What was scanned."""


LEAVING = Way(("storage", "customer"), "nothing open", "carton")
COMING_BACK = Way(("customer", "storage"), "sent nothing", "return")


def unfit(goods: Goods, moves: Sequence[Outgoing], order: str, way: Way) -> Refused | None:
    """Return why none of an order's moves of an item can be these goods. Pure."""
    if not moves:
        return Refused("unknown_sku", f"order {order} has {way.nothing} of {goods}")
    if len({move.product.id for move in moves}) > 1:
        return Refused("unknown_sku", f"order {order} has several products for {goods}")
    if goods.lot is None and moves[0].product.needs_lot(*way.ends):
        return Refused("lot_required", f"Tryton moves {goods} with a lot only")
    for unit in (move.unit for move in moves):
        if refused := misfit(goods, unit, f"order {order}", way.what):
            return refused
    return None


def claim(
    carton: Carton,
    shipment: Dispatch,
    takes: Sequence[Take],
    lots: dict[Goods, int],
    *,
    company: int,
) -> dict[str, Any]:
    """Return the one change that makes an open shipment into this carton. Pure.

    A move that is not taken whole is replaced by what was taken of it, never only lowered: that a
    move of an order is gone is what makes Tryton open the rest again, in a shipment of its own.
    """
    moves: list[list[Any]] = []
    parts: dict[int, list[Take]] = defaultdict(list)
    for take in takes:
        parts[take.move.id].append(take)
    gone: list[int] = []
    for move in shipment.outgoing_moves:
        mine = parts[move.id]
        if len(mine) == 1 and mine[0].quantity == move.quantity:
            if mine[0].goods in lots:
                moves.append(["write", [move.id], {"lot": lots[mine[0].goods]}])
            continue
        gone.append(move.id)
        if mine:
            moves.append(["create", [_part(take, lots, company) for take in mine]])
    if gone:
        moves.append(["delete", gone])
    change: dict[str, Any] = {"reference": str(carton.label)}
    return change | {"outgoing_moves": moves} if moves else change


def _part(take: Take, lots: dict[Goods, int], company: int) -> dict[str, Any]:
    move = take.move
    values: dict[str, Any] = {
        "origin": move.origin,
        "product": move.product.id,
        "unit": move.unit.id,
        "quantity": number(take.quantity),
        "company": company,
        "from_location": move.from_location,
        "to_location": move.to_location,
        "unit_price": move.unit_price,
        "currency": move.currency,
        "planned_date": move.planned_date,
    }
    return values | {"lot": lots[take.goods]} if take.goods in lots else values


# Which cartons leave


def leaving(departure: Departure, known: Iterable[Dispatch]) -> tuple[Dispatch, ...] | Refused:
    """Return the cartons that leave with this departure, in order. Pure.

    A package without a number is the oldest carton without one that is packed and has not left.
    """
    free: dict[str | None, list[Dispatch]] = defaultdict(list)
    mine: dict[str | None, list[Dispatch]] = defaultdict(list)
    for each in sorted(known, key=lambda each: each.id):
        label = Label.read(each.reference)
        if label is None or each.state == "cancelled":
            continue
        if label.left == departure.reference:
            mine[label.sscc].append(each)
        elif label.left is None and label.pack != departure.reference and each.state == "packed":
            free[label.sscc].append(each)
    chosen: list[Dispatch] = []
    for sscc in departure.packages:
        places = mine[sscc] or free[sscc]
        if not places:
            what = f"carton {sscc}" if sscc else "one more parcel"
            why = f"order {departure.order} has no {what} that is packed and has not left"
            return Refused("unknown_document", why)
        chosen.append(places.pop(0))
    return tuple(chosen)


def stands(departure: Departure, known: Iterable[Dispatch]) -> bool:
    """Whether any of its numbered packages was packed by itself. Pure."""
    labels = [Label.read(each.reference) for each in known if each.state != "cancelled"]
    packed = {label.sscc for label in labels if label is not None and label.sscc is not None}
    return not packed.isdisjoint(departure.packages)
