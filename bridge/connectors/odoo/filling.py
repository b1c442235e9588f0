"""Which moves of a transfer take which goods, and the one change that says so. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bridge.connectors.odoo.records import Thing
from bridge.outcome import Refused
from bridge.tally import exact, plain

MOVE_FIELDS = (
    *("picking_id", "product_id", "product_uom", "product_uom_qty", "state"),
    *("location_id", "location_dest_id", "move_line_ids"),
)


@dataclass(frozen=True, slots=True)
class Part:
    """So much of some goods, and the move it goes into."""

    thing: Thing
    quantity: Decimal
    move: Mapping[str, Any]


def allocate(
    things: Iterable[Thing], moves: Sequence[Mapping[str, Any]], *, too_much: bool = False
) -> list[Part] | Refused:
    """Return what each move takes, oldest move first.

    Args:
        things: what was scanned.
        moves: open ones of one transfer, by id.
        too_much: whether the last move of a product takes what is more than was expected.
    """
    left = {move["id"]: Decimal(str(move["product_uom_qty"])) for move in moves}
    parts: list[Part] = []
    for thing in things:
        mine = [move for move in moves if move["product_id"] == thing.product.id]
        if not mine:
            return Refused("unknown_sku", f"the transfer has nothing open of {thing.goods}")
        if any(move["product_uom"] != thing.product.unit for move in mine):
            text = f"the transfer does not count {thing.goods} in {thing.product.unit_name}"
            return Refused("unsupported", text)
        rest = thing.goods.quantity
        for move in mine:
            part = min(rest, left[move["id"]])
            if part > 0:
                parts.append(Part(thing, part, move))
                left[move["id"]] -= part
                rest -= part
        if rest and too_much:
            parts.append(Part(thing, rest, mine[-1]))
        elif rest:
            text = f"{plain(rest)} of {thing.goods} more than the transfer waits for"
            return Refused("over_receipt", text)
    return parts


def filled(
    picking: int, parts: Iterable[Part], *, source: int | None = None, goal: int | None = None
) -> list[list[Any]]:
    """Return the commands on `move_ids` that put exactly these parts there; twice is once.

    Args:
        picking: id of the transfer.
        parts: of `allocate`. A move without one is left for the backorder.
        source: where all was taken from; None leaves it to the move.
        goal: where all went to; likewise.
    """
    moves: dict[int, list[Part]] = {}
    for part in parts:
        moves.setdefault(part.move["id"], []).append(part)
    commands: list[list[Any]] = []
    for move, mine in moves.items():
        there = mine[0].move
        ends = {
            "location_id": source or there["location_id"],
            "location_dest_id": goal or there["location_dest_id"],
        }
        new = [
            {
                **part.thing.line,
                "quantity": exact(part.quantity),
                **ends,
                "picking_id": picking,
                "picked": True,
            }
            for part in mine
        ]
        gone = [[2, line, 0] for line in there["move_line_ids"]]
        lines = [*gone, *([0, 0, line] for line in new)]
        commands.append([1, move, {"move_line_ids": lines, "picked": True}])
    return commands


def moved(things: Iterable[Thing], source: int, goal: int) -> list[list[Any]]:
    """Return the commands that make the moves of a transfer of the bridge's own.

    Args:
        things: what was scanned; one move for each product.
        source: where it was.
        goal: where it is.
    """
    sums: dict[int, Decimal] = {}
    units: dict[int, int] = {}
    for thing in things:
        product = thing.product
        sums[product.id] = sums.get(product.id, Decimal(0)) + thing.goods.quantity
        units[product.id] = product.unit
    ends = {"location_id": source, "location_dest_id": goal}
    return [
        [
            0,
            0,
            {
                "product_id": product,
                "product_uom": units[product],
                "product_uom_qty": exact(quantity),
                **ends,
            },
        ]
        for product, quantity in sums.items()
    ]
