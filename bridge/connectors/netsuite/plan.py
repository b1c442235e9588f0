"""What a transaction is in NetSuite, by the names on the labels. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal, assert_never

from bridge.amendment import accepts
from bridge.connectors.netsuite.config import Config
from bridge.outcome import Posted, Refused
from bridge.tally import Goods, tally
from contract.transactions import (
    Adjustment,
    Assembly,
    Count,
    Event,
    Pack,
    Package,
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

Source = Literal["purchaseOrder", "returnAuthorization", "salesOrder"]


@dataclass(frozen=True, slots=True)
class Place:
    """A NetSuite location, or a bin of it."""

    location: int
    bin: str | None = None

    def __str__(self) -> str:
        return f"location {self.location}" if self.bin is None else f"bin {self.bin}"


@dataclass(frozen=True, slots=True)
class Part:
    """What an order waits for, or a part of it: NetSuite makes it out of the order."""

    name: str
    source: Source
    order: str
    place: Place
    goods: tuple[Goods, ...]
    """None: all that is open."""
    packages: tuple[Package, ...] = ()
    too_much: bool = False
    """A person has accepted more than was ordered."""

    @property
    def record(self) -> str:
        """What NetSuite makes of the order."""
        return "itemFulfillment" if self.source == "salesOrder" else "itemReceipt"


@dataclass(frozen=True, slots=True)
class Change:
    """More or less of some goods at one place, booked against one account."""

    name: str
    place: Place
    account: int
    goods: tuple[Goods, ...]
    """Less where the quantity is below zero."""
    memo: str
    record = "inventoryAdjustment"


@dataclass(frozen=True, slots=True)
class Move:
    """Goods that went from one place to another."""

    name: str
    source: Place
    goal: Place
    goods: tuple[Goods, ...]

    @property
    def record(self) -> str:
        """What NetSuite calls it: within a location it goes from bin to bin."""
        within = self.source.location == self.goal.location
        return "binTransfer" if within else "inventoryTransfer"


Plan = Part | Change | Move


class _Unfit(Exception):
    def __init__(self, refused: Refused) -> None:
        super().__init__(refused)
        self.refused = refused


def document(transaction: Transaction, config: Config) -> Plan | Posted | Refused:
    """Return what NetSuite is to book for `transaction`. Pure.

    `Posted("")` is for what moves nothing between NetSuite's places.
    """
    # NetSuite lets one record of a type have an external id: that is what keeps this once
    name = f"SP-{transaction.id}"
    try:
        plan = _Head(name, config).plan(transaction.event)
    except _Unfit as unfit:
        return unfit.refused
    if isinstance(plan, Part) and "over_receipt" in accepts(transaction):
        return replace(plan, too_much=True)
    return plan


class _Head:
    """What all documents of one transaction have in common."""

    def __init__(self, name: str, config: Config) -> None:
        self._name = name
        self._config = config

    def plan(self, event: Event) -> Plan | Posted:
        match event:
            case Receipt():
                order = _order(event.documents, "po")
                place, goods = self._place(event.to_location), self._goods(event.lines)
                return Part(self._name, "purchaseOrder", order, place, goods)
            case Return():
                order = _order(event.documents, "rma")
                place, goods = self._place(event.to_location), self._goods(event.lines)
                return Part(self._name, "returnAuthorization", order, place, goods)
            case Shipment():
                return self._shipped(event)
            case Adjustment():
                goods = self._goods(event.lines)
                if event.direction == "decrease":
                    goods = _less(goods)
                return self._changed(event.location, goods, event.reason)
            case Assembly():
                return self._assembled(event)
            case Putaway() | Transfer():
                return self._moved(event)
            case Reading() | Weighing():
                return Posted("")
            case Count():
                why = "NetSuite's REST interface cannot start, approve or complete a count"
                raise _Unfit(Refused("unsupported", why))
            case Pick() | Pack() | Reversal():
                why = f"NetSuite documents no record of its own for a {event.type}"
                raise _Unfit(Refused("unsupported", why))
            case _:
                assert_never(event)

    def _shipped(self, event: Shipment) -> Part:
        order = _order(event.documents, "so")
        place = self._place(event.from_location)
        goods = self._goods(event.lines) if event.lines else ()
        packages = event.packages if self._config.package_weight is not None else ()
        return Part(self._name, "salesOrder", order, place, goods, packages)

    def _assembled(self, event: Assembly) -> Change:
        orders = [each.number for each in event.documents if each.kind == "prodorder"]
        if orders:
            why = f"building work order {orders[0]} is left to NetSuite, which takes its components"
            raise _Unfit(Refused("unsupported", why))
        used, made = self._goods(event.consumed), self._goods(event.produced)
        return self._changed(event.location, (*_less(used), *made), "assembly")

    def _changed(self, place: str | None, goods: tuple[Goods, ...], reason: str) -> Change:
        account = self._config.reasons.get(reason, self._config.account)
        if account is None:
            raise _Unfit(Refused("unmapped", f"there is no account for the reason {reason}"))
        return Change(self._name, self._place(place), account, goods, reason)

    def _moved(self, event: Putaway | Transfer) -> Move | Posted:
        source, goal = self._place(event.from_location), self._place(event.to_location)
        if source == goal:
            return Posted("")  # one place to NetSuite
        within = source.location == goal.location
        if within and (source.bin is None or goal.bin is None):
            why = f"within a location NetSuite moves from bin to bin, not from {source} to {goal}"
            raise _Unfit(Refused("unknown_location", why))
        return Move(self._name, source, goal, self._goods(event.lines))

    def _place(self, label: str | None) -> Place:
        label = label or self._config.place
        known = self._config.locations.get(label)
        if known is not None:
            return Place(known)
        if self._config.bins:
            return Place(self._config.location, label)
        raise _Unfit(Refused("unknown_location", f"{label} is not in the table of locations"))

    def _goods(self, lines: Iterable[Line]) -> tuple[Goods, ...]:
        goods = tally(lines, self._config.units, "NetSuite")
        if isinstance(goods, Refused):
            raise _Unfit(goods)
        return goods


def _less(goods: Iterable[Goods]) -> tuple[Goods, ...]:
    return tuple(replace(each, quantity=Decimal(0) - each.quantity) for each in goods)


def _order(documents: Sequence[Document], kind: Literal["po", "so", "rma"]) -> str:
    orders = {each.number for each in documents if each.kind in (kind, "unknown")}
    others = {each.kind for each in documents} - {kind, "unknown", "pick_list", "desadv"}
    if others or len(orders) != 1:
        said = ", ".join(f"{each.kind} {each.number}" for each in documents) or "none"
        raise _Unfit(Refused("unknown_document", f"needs one {kind}, and this names {said}"))
    return orders.pop()
