"""What booking a transaction adds to the ERP's stock, for reconciliation. Pure."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import assert_never

from bridge.outcome import Posted, Refused
from bridge.vouchers.plan import (
    Assembled,
    Counted,
    Delivered,
    Goods,
    Moved,
    Purchased,
    Returned,
    Undone,
    Work,
    document,
)
from bridge.vouchers.settings import VoucherSettings
from contract.transactions import Transaction

Move = tuple[str, str, str, Decimal | None]
"""Item, place, unit code, and how much more there is; None where only the ERP can say."""


def moves(transaction: Transaction, settings: VoucherSettings) -> list[Move]:
    """Return what it adds to levels, in the words in which the source says stock.

    A reversal is for the caller to turn round. Where an order decides about the place, the default
    warehouse is named, and nothing is said of how much.
    """
    task = document(transaction, settings)
    if isinstance(task, Posted | Refused):
        return []
    return list(_moves(task.work, settings))


def _moves(work: Work, settings: VoucherSettings) -> Iterator[Move]:
    match work:
        case Purchased(goods=goods, into=place):
            yield from _at(goods, place, 1, settings)
        case Delivered(goods=goods, out_of=place):
            yield from _at(goods, place, -1, settings)
        case Returned(goods=goods, into=place):
            yield from _at(goods, place, 1, settings)
        case Moved(goods=goods, out_of=out_of, into=into):
            if out_of is not None:
                yield from _at(goods, out_of, -1, settings)
            if into is not None:
                yield from _at(goods, into, 1, settings)
        case Assembled(consumed=consumed, produced=produced, at=at):
            yield from _at(consumed, at, -1, settings)
            yield from _at(produced, at, 1, settings)
        case Counted(goods=goods, at=at):
            yield from _at(goods, at, None, settings)
        case Undone():
            return
        case _:
            assert_never(work)


def _at(
    goods: Iterable[Goods], place: str | None, sign: int | None, settings: VoucherSettings
) -> Iterator[Move]:
    where = settings.label(place or settings.warehouse)
    for each in goods:
        unit = settings.code(each.unit) or ""
        # An item known by its GTIN alone has a code that only the ERP can say
        sure = sign is not None and place is not None and each.item.sku is not None
        amount = (sign or 0) * each.quantity if sure else None
        yield each.item.sku or each.item.gtin or "", where, unit, amount
