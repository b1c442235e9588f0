"""What booking a transaction adds to Tryton's stock, as `stock()` shows it. Pure.

Goods that a transaction takes from no place in particular, or for an order, Tryton takes from
wherever in its storage they lie: of those only Tryton knows the place. What is packed stands at the
warehouse's output until it leaves, and that is not shown as stock.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import assert_never

from bridge.connectors.tryton.arrival import Arrival
from bridge.connectors.tryton.config import Config
from bridge.connectors.tryton.departure import Carton, Departure
from bridge.connectors.tryton.goods import Goods
from bridge.connectors.tryton.homecoming import Homecoming
from bridge.connectors.tryton.making import Making
from bridge.connectors.tryton.movement import Finding, Place, Relocation, Spot
from bridge.connectors.tryton.plan import Plan, document
from bridge.connectors.tryton.undoing import Undoing
from bridge.outcome import Posted, Refused
from contract.transactions import Transaction

SOMEWHERE = "?"
"""A place that only Tryton knows."""

Move = tuple[str, str, str, Decimal | None]
"""SKU, code of the location, unit code, and how much more; None where only Tryton knows."""


def moves(transaction: Transaction, config: Config) -> list[Move]:
    """Return what booking it adds to stock. Lots are for the caller to add up. Pure.

    A reversal is for the caller to turn round. An item without a SKU goes by its GTIN, and nothing
    is said of how much: Tryton alone knows whose it is.
    """
    plan = document(transaction, config)
    if isinstance(plan, Posted | Refused):
        return []
    return list(_moves(plan, config))


def _moves(plan: Plan, config: Config) -> Iterator[Move]:
    match plan:
        case Arrival() | Homecoming():
            yield from _into(plan.location, plan.goods, config)
        case Relocation():
            yield from _out_of(plan.source, plan.goods, config)
            yield from _into(plan.target, plan.goods, config)
        case Making():
            yield from _out_of(plan.location, plan.consumed, config)
            yield from _into(plan.location, plan.produced, config)
        case Finding():
            yield from _at(plan.location, plan.goods, None, config)
        case Carton():
            yield from _at(SOMEWHERE, plan.goods, None, config)
        case Departure():
            if plan.carton is not None:
                yield from _at(SOMEWHERE, plan.carton.goods, None, config)
        case Undoing():
            return
        case _:
            assert_never(plan)


def _into(place: Place | None, goods: Iterable[Goods], config: Config) -> Iterator[Move]:
    match place:
        case Spot.LOST:
            return
        case Spot.STORAGE | None:
            if config.storage is None:
                yield from _at(SOMEWHERE, goods, None, config)
            else:
                yield from _at(config.storage, goods, 1, config)
        case str():
            yield from _at(place, goods, 1, config)


def _out_of(place: Place | None, goods: Iterable[Goods], config: Config) -> Iterator[Move]:
    match place:
        case Spot.LOST:
            return
        case str() if place != config.storage:
            yield from _at(place, goods, -1, config)
        case _:
            yield from _at(SOMEWHERE, goods, None, config)


def _at(place: str, goods: Iterable[Goods], sign: int | None, config: Config) -> Iterator[Move]:
    codes = config.codes
    for each in goods:
        sure = sign is not None and each.item.sku is not None
        amount = (sign or 0) * each.quantity if sure else None
        yield each.item.sku or each.item.gtin or "", place, codes[each.unit], amount
