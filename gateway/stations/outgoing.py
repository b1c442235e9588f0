"""What goes out must be fit to go, and what the order wants: one check for picking and packing."""

from collections.abc import Sequence
from datetime import date

from gateway.phrases import Phrase, say
from gateway.stations.goods import Goods
from gateway.stations.job import Signal
from gateway.stations.orders import Allocation, Standing, allocate, plain


def unfit(what: Goods, today: date | None) -> Signal | None:
    """Return why an item must not leave the house, whatever the order says; None if it may."""
    aside = say("Put the item aside; call support.")
    if what.quantity is None:
        return Signal("not_ok", say("{item} must carry its weight", item=what.name), aside)
    if what.expired(today):
        text = say("{item}: expired {date}", item=what.name, date=what.expiry)
        return Signal("not_ok", text, aside)
    held = what.held()
    if held is not None:
        text = say("{item}: lot {lot} is held: {why}", item=what.name, lot=what.lot, why=held)
        return Signal("not_ok", text, aside)
    return None


def wrong_item(what: Goods, todo: str) -> Signal:
    """Return that the order does not want the item."""
    return Signal("not_ok", say("WRONG ITEM: {item} is not in this order", item=what.name), todo)


def unwanted(stand: Sequence[Standing], what: Goods) -> bool:
    """Whether there is a list and no line of it names the item."""
    return bool(stand) and all(each.line.sku != what.item.sku for each in stand)


def fill(stand: Sequence[Standing], what: Goods, todo: str) -> Allocation | Signal:
    """Return the lines an item goes to, or why it must not go there.

    Args:
        stand: what may be filled.
        what: with its quantity.
        todo: what to do with an item that is refused.
    """
    allocation = allocate(stand, what)
    if allocation is None:
        return wrong_item(what, todo)
    if allocation.over > 0:
        ordered = plain(allocation.ordered)
        text = say("TOO MANY: {item}, {n} ordered", item=what.name, n=ordered)
        return Signal("not_ok", text, todo)
    return allocation


def progress(allocation: Allocation, what: Goods) -> Phrase:
    """Say how far the item is with this."""
    return say(
        "{item}: {done} of {ordered}",
        item=what.name,
        done=plain(allocation.done),
        ordered=plain(allocation.ordered),
    )
