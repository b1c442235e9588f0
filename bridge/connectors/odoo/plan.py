"""What a transaction is in Odoo, as far as that is known before Odoo is asked. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

from bridge.amendment import accepts
from bridge.connectors.odoo.config import Config
from bridge.outcome import Posted, Refused
from bridge.tally import Goods, tally
from contract.transactions import (
    Adjustment,
    Assembly,
    Count,
    Event,
    Pack,
    Pick,
    Putaway,
    Reading,
    Receipt,
    Return,
    Reversal,
    Shipment,
    Transaction,
    Transfer,
    Weighing,
)
from contract.values import Document, Line

MARK = "SP/"
"""Stands before a transaction's id in the name of what the bridge made or filled."""

Step = Literal["in", "pick", "pack", "out"]
"""Which of the warehouse's operation types an order's transfer is of."""


@dataclass(frozen=True, slots=True)
class Fill:
    """Goods that go into a transfer which Odoo itself has opened for an order."""

    name: str
    order: str
    step: Step
    goods: tuple[Goods, ...]
    """None means all that Odoo has reserved."""
    place: str | None = None
    """Where goods came to, or were taken from; None leaves it to Odoo."""
    tracking: str | None = None
    too_much: bool = False
    """A person has accepted more than was ordered."""


@dataclass(frozen=True, slots=True)
class Move:
    """A transfer of the bridge's own."""

    name: str
    kind: Literal["receipt", "return", "internal", "found", "lost"]
    goods: tuple[Goods, ...]
    source: str | None = None
    goal: str | None = None
    origin: str | None = None
    loss: str | None = None
    """Full name of the loss location, where it is not the product's own."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was counted at a place."""

    name: str
    place: str
    goods: tuple[Goods, ...]


@dataclass(frozen=True, slots=True)
class Make:
    """Components that became one product: a manufacturing order."""

    name: str
    product: Goods
    used: tuple[Goods, ...]
    place: str | None = None


Plan = Fill | Move | Found | Make


class _Unfit(Exception):
    def __init__(self, refused: Refused) -> None:
        super().__init__(refused)
        self.refused = refused


def document(transaction: Transaction, config: Config) -> Plan | Posted | Refused:
    """Return what Odoo is to book for `transaction`. Pure.

    `Posted("")` is for a reading or weighing with no job behind it.
    """
    try:
        too_much = "over_receipt" in accepts(transaction)
        return _plan(transaction.event, f"{MARK}{transaction.id}", config, too_much=too_much)
    except _Unfit as unfit:
        return unfit.refused


def _plan(event: Event, name: str, config: Config, *, too_much: bool) -> Plan | Posted | Refused:
    match event:
        case Receipt():
            goods = _goods(event.lines, config)
            order = _order(event.documents, "po")
            if order is None:
                return Move(name, "receipt", goods, goal=event.to_location)
            return Fill(name, order, "in", goods, event.to_location, too_much=too_much)
        case Return():
            origin = ", ".join(each.number for each in event.documents) or None
            goods = _goods(event.lines, config)
            return Move(name, "return", goods, goal=event.to_location, origin=origin)
        case Putaway() | Transfer():
            goods = _goods(event.lines, config)
            return Move(name, "internal", goods, event.from_location, event.to_location)
        case Pick() | Pack() | Shipment():
            return _outgoing(event, name, config)
        case Adjustment():
            return _adjusted(event, name, config)
        case Count():
            return Found(name, event.location, _goods(event.lines, config, zero=True))
        case Assembly():
            return _made(event, name, config)
        case Reading() | Weighing():
            return Posted("")
        case Reversal():
            return Refused("unsupported", "Odoo undoes a transfer by a return of its own")
        case _:
            assert_never(event)


def _outgoing(event: Pick | Pack | Shipment, name: str, config: Config) -> Fill | Refused:
    steps = {"ship_only": (), "pick_ship": ("pick",), "pick_pack_ship": ("pick", "pack")}
    if not isinstance(event, Shipment) and event.type not in steps[config.delivery]:
        return Refused(
            "unsupported", f"delivery = {config.delivery}: a {event.type} is no document"
        )
    order = _order(event.documents, "so")
    if order is None:
        return Refused("unknown_document", f"a {event.type} in Odoo is of one sales order")
    match event:
        case Shipment():
            goods = _goods(event.lines, config) if event.lines else ()
            numbers = dict.fromkeys(each.tracking for each in event.packages if each.tracking)
            said = ", ".join(numbers) or None
            return Fill(name, order, "out", goods, event.from_location, said)
        case Pick():
            return Fill(name, order, "pick", _goods(event.lines, config), event.from_location)
        case Pack():
            return Fill(name, order, "pack", _goods(event.lines, config))


def _adjusted(event: Adjustment, name: str, config: Config) -> Move | Refused:
    if event.location is None:
        return Refused("unknown_location", "an adjustment in Odoo is of one place")
    goods, loss = _goods(event.lines, config), config.losses.get(event.reason)
    if event.direction == "increase":
        return Move(name, "found", goods, goal=event.location, origin=event.reason, loss=loss)
    return Move(name, "lost", goods, event.location, origin=event.reason, loss=loss)


def _made(event: Assembly, name: str, config: Config) -> Make | Refused:
    orders = [each.number for each in event.documents if each.kind == "prodorder"]
    if orders:
        why = f"order {orders[0]} is Odoo's own: finish it there, or it would be planned twice"
        return Refused("unsupported", why)
    made, used = _goods(event.produced, config), _goods(event.consumed, config)
    if len(made) != 1:
        return Refused("unsupported", "a manufacturing order makes one product")
    if any(each.lot or each.serial for each in (*made, *used)):
        return Refused("unsupported", "lots and serial numbers of an assembly are not sent")
    return Make(name, made[0], used, event.location)


def _order(documents: Sequence[Document], kind: Literal["po", "so"]) -> str | None:
    orders = {each.number for each in documents if each.kind in (kind, "unknown")}
    others = sorted({each.kind for each in documents} - {kind, "unknown", "pick_list", "desadv"})
    if others or len(orders) > 1 or (documents and not orders):
        said = ", ".join(f"{each.kind} {each.number}" for each in documents)
        raise _Unfit(Refused("unknown_document", f"needs one {kind}, and this names {said}"))
    return orders.pop() if orders else None


def _goods(lines: Iterable[Line], config: Config, *, zero: bool = False) -> tuple[Goods, ...]:
    goods = tally(lines, config.units, "Odoo", zero=zero)
    if isinstance(goods, Refused):
        raise _Unfit(goods)
    return goods
