"""What NetSuite is sent: plans with its own numbers put in. Pure.

Source: NetSuite help, "Transforming Records", "Using Sublists and Subrecords in REST"; REST API
Browser for the names of fields.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bridge.connectors.netsuite.config import Config
from bridge.connectors.netsuite.plan import Change, Move, Part, Plan
from bridge.outcome import Refused
from bridge.tally import Goods, exact, plain
from contract.transactions import Package


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One line of an order, and what it still waits for."""

    number: int
    item: str
    unit: str
    left: Decimal


@dataclass(frozen=True, slots=True)
class Known:
    """Goods as NetSuite knows them."""

    goods: Goods
    item: str
    """Its internal id."""
    number: Mapping[str, Any]
    """Lot or serial number: as text where it comes in, as a record where it goes out."""
    bins: Mapping[str, Any]
    """Bins it comes from or goes to, as records."""

    @property
    def detail(self) -> dict[str, Any]:
        """What NetSuite calls an inventory assignment; nothing where no lot and no bin matters."""
        return {**self.number, **self.bins}


Spread = dict[int, list[tuple[Known, Decimal]]]
"""Goods and how many of them, by the order's line."""


def lines_of(order: Mapping[str, Any]) -> list[OrderLine]:
    """Return the lines of an order that bring or take goods."""
    rows = (order.get("item") or {}).get("items") or []
    return [
        OrderLine(row["line"], str(row["item"]["id"]), _id(row.get("units")), _left(row))
        for row in rows
        if row.get("quantity") and (row.get("item") or {}).get("id") and "line" in row
    ]


def _left(row: Mapping[str, Any]) -> Decimal:
    done = row.get("quantityReceived") or row.get("quantityFulfilled") or 0
    return Decimal(0) if row.get("isClosed") else Decimal(row["quantity"]) - Decimal(done)


def _id(value: Any) -> str:
    return str(value["id"] if isinstance(value, dict) else value or "")


def spread(plan: Part, lines: Sequence[OrderLine], known: Iterable[Known]) -> Spread | Refused:
    """Lay goods upon the open lines of an order, in the order's own order."""
    given: Spread = {}
    left = {line.number: line.left for line in lines if line.left > 0}
    for each in known:
        goods, mine = each.goods, [line for line in lines if line.item == each.item]
        if not mine:
            return Refused("unknown_sku", f"order {plan.order} has no {goods}")
        if {line.unit for line in mine} != {goods.unit}:
            return Refused("unsupported", f"order {plan.order} counts {goods} in another unit")
        open_ = [line.number for line in mine if line.number in left]
        rest = goods.quantity
        for number in open_:
            more = plan.too_much and number == open_[-1]
            part = rest if more else min(rest, left[number])
            if part > 0:
                given.setdefault(number, []).append((each, part))
                left[number] -= part
                rest -= part
        if rest > 0:
            taken = plain(goods.quantity - rest)
            why = f"order {plan.order} waits for {taken} of {goods}, not for"
            return Refused("over_receipt", f"{why} {plain(goods.quantity)}")
    return given


def part_body(
    plan: Part, lines: Iterable[OrderLine], given: Spread, config: Config
) -> dict[str, Any]:
    """Return what is told where an order is transformed: each open line, and whether it moves.

    Where nothing is given, nothing is told of lines: NetSuite takes all that are open.
    """
    said: dict[str, Any] = {"externalId": plan.name}
    if plan.source == "salesOrder" and config.pick_pack_ship:
        said["shipStatus"] = {"id": "C"}
    if plan.packages:
        rows = [_package(each, config) for each in plan.packages]
        said["package"] = {"items": rows}
    if given:
        open_ = [line.number for line in lines if line.left > 0]
        said["item"] = {"items": [_moved(number, given, plan.place.location) for number in open_]}
    return said


def _moved(number: int, given: Spread, location: int) -> dict[str, Any]:
    parts = given.get(number)
    if parts is None:
        return {"orderLine": number, "itemReceive": False}
    return {
        "orderLine": number,
        "itemReceive": True,
        "quantity": exact(sum((quantity for _, quantity in parts), Decimal(0))),
        "location": {"id": str(location)},
        **_detail(parts),
    }


def _package(package: Package, config: Config) -> dict[str, Any]:
    weight = package.weight
    fits = weight is not None and weight.unit_code == config.package_weight
    return {
        **({"packageTrackingNumber": package.tracking} if package.tracking else {}),
        **({"packageWeight": float(weight.value)} if weight is not None and fits else {}),
    }


def change_body(plan: Change, known: Iterable[Known], config: Config) -> dict[str, Any]:
    """Return an inventory adjustment."""
    location = {"id": str(plan.place.location)}
    rows = [
        {
            "item": {"id": each.item},
            "location": location,
            "adjustQtyBy": each.goods.amount,
            **_unit(each.goods, "units"),
            **_detail([(each, each.goods.quantity)]),
        }
        for each in known
    ]
    return {
        "externalId": plan.name,
        **_subsidiary(config),
        "account": {"id": str(plan.account)},
        "adjLocation": location,
        "memo": plan.memo,
        "inventory": {"items": rows},
    }


def move_body(plan: Move, known: Iterable[Known], config: Config) -> dict[str, Any]:
    """Return a transfer from bin to bin, or from location to location."""
    within = plan.record == "binTransfer"
    rows = [
        {
            "item": {"id": each.item},
            "quantity" if within else "adjustQtyBy": each.goods.amount,
            **_unit(each.goods, "itemUnits" if within else "units"),
            **_detail([(each, each.goods.quantity)]),
        }
        for each in known
    ]
    goal = {} if within else {"transferLocation": {"id": str(plan.goal.location)}}
    return {
        "externalId": plan.name,
        **_subsidiary(config),
        "location": {"id": str(plan.source.location)},
        **goal,
        "inventory": {"items": rows},
    }


def _subsidiary(config: Config) -> dict[str, Any]:
    return {} if config.subsidiary is None else {"subsidiary": {"id": str(config.subsidiary)}}


def _unit(goods: Goods, field: str) -> dict[str, str]:
    return {field: goods.unit} if goods.unit else {}


def _detail(parts: Iterable[tuple[Known, Decimal]]) -> dict[str, Any]:
    rows = [
        {**known.detail, "quantity": exact(quantity)} for known, quantity in parts if known.detail
    ]
    return {"inventoryDetail": {"inventoryAssignment": {"items": rows}}} if rows else {}


def path_of(plan: Plan, order: str) -> str:
    """Return where a plan is posted; `order` is the internal id of its order, if it has one."""
    return (
        f"{plan.source}/{order}/!transform/{plan.record}" if isinstance(plan, Part) else plan.record
    )
