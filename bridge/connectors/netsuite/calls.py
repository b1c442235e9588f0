"""The calls a delivery would make, for a person; what only NetSuite knows in brackets. Pure."""

from typing import assert_never

from bridge.connector import Call
from bridge.connectors.netsuite.bodies import (
    Known,
    OrderLine,
    Spread,
    change_body,
    move_body,
    part_body,
    path_of,
)
from bridge.connectors.netsuite.config import Config
from bridge.connectors.netsuite.plan import Change, Move, Part, Place, document
from bridge.connectors.netsuite.rest import WRITING, address_of, body_of
from bridge.outcome import Posted, Refused
from bridge.tally import Goods
from contract.transactions import Transaction


def calls(transaction: Transaction, config: Config) -> list[Call]:
    """Return the call that changes something, and the one that looks whether it was made."""
    plan = document(transaction, config)
    if isinstance(plan, Posted | Refused):
        return []
    order = ""
    match plan:
        case Part():
            order = f"<id of {plan.order}>"
            body = part_body(plan, *_laid(plan), config)
            for row, goods in zip(body.get("item", {}).get("items", []), plan.goods, strict=False):
                row["orderLine"] = f"<line of {goods}>"
        case Change():
            body = change_body(plan, [_known(each, plan.place) for each in plan.goods], config)
        case Move():
            known = [_known(each, plan.source, plan.goal) for each in plan.goods]
            body = move_body(plan, known, config)
        case _:
            assert_never(plan)
    looked = address_of(config, f"{plan.record}/eid:{plan.name}")
    address = address_of(config, path_of(plan, order))
    return [
        Call("look up whether it is there", "GET", looked),
        Call(f"make the {plan.record}", "POST", address, body_of(body), dict(WRITING)),
    ]


def _laid(plan: Part) -> tuple[list[OrderLine], Spread]:
    """Return an order that has a line for each of the goods, and nothing else."""
    known = [_known(each, plan.place) for each in plan.goods]
    numbered = list(enumerate(known, start=1))
    lines = [OrderLine(n, each.item, each.goods.unit, each.goods.quantity) for n, each in numbered]
    return lines, {n: [(each, each.goods.quantity)] for n, each in numbered}


def _known(goods: Goods, place: Place, goal: Place | None = None) -> Known:
    bins = {
        field: {"id": f"<id of {where}>"}
        for field, where in (("binNumber", place), ("toBinNumber", goal))
        if where is not None and where.bin is not None
    }
    number = goods.serial or goods.lot
    lot = {} if number is None else {"<lot or serial number>": number}
    return Known(goods, f"<id of {goods}>", lot, bins)
