"""A receipt as Tryton is to read it: what is to be booked, before Tryton is asked. Pure."""

from dataclasses import dataclass
from datetime import date

from bridge.connectors.tryton.config import Config
from bridge.connectors.tryton.goods import Goods, day_of, gathered
from bridge.outcome import Posted, Refused
from contract.transactions import Receipt, Transaction


@dataclass(frozen=True, slots=True)
class Arrival:
    """A receipt as Tryton is to read it: one supplier shipment for one purchase order."""

    reference: str
    order: str
    goods: tuple[Goods, ...]
    location: str | None = None
    """Code of the location the goods are put to; None is the warehouse's storage."""
    day: date | None = None


def arrival(
    transaction: Transaction, receipt: Receipt, config: Config
) -> Arrival | Posted | Refused:
    """Return what came, or why it cannot be booked. Pure."""
    orders = {each.number for each in receipt.documents if each.kind == "po"}
    if len(orders) != 1:
        named = ", ".join(sorted(orders)) or "none"
        return Refused("unknown_document", f"needs one purchase order; the receipt names {named}")
    came = gathered(receipt.lines, config)
    if isinstance(came, Refused):
        return came
    if not came:
        return Posted("")  # nothing came: there is no shipment of nothing
    return Arrival(
        reference=str(transaction.id),
        order=orders.pop(),
        goods=came,
        location=receipt.to_location,
        day=day_of(transaction, config),
    )
