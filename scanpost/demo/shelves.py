"""What the demo's bridge knows of items and documents: files of the form a house would give."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from contract.codes.checks import gs1_digit
from scanpost.demo.goods import DOCUMENTS, GOODS, Good
from scanpost.rehearse.scripts import SCRIPTS
from scanpost.rehearse.world import Order, Thing, World, made, written

ORDERS = 200
"""Documents of each kind: a shift of 40 scans works off three or four."""
_MOST = 4  # pieces of a line: a person wants to see a document's end
_ENDLESS = 1_000_000  # pieces of a line at the dock: two operators never get there
_SEED = 1
_NAMES = {"po": "PO", "so": "SO", "pick_list": "PL", "count_sheet": "CS", "rma": "RMA"}
"""What numbers of a kind begin with: in one house a number names one document."""


def worlds() -> dict[str, World]:
    """Return, by job, what a shift of it can touch: one house, each kind with its documents."""
    kinds = {kind: _world(kind) for kind in {kind for kind, _ in SCRIPTS.values()}}
    return {job: kinds[kind] for job, (kind, _) in SCRIPTS.items()}


def stock(folder: Path, of: dict[str, World]) -> int:
    """Write the files that the bridge serves, and return how many items there are."""
    goods = {_sku(good): _thing(good) for good in GOODS}
    dock = tuple(
        Order("po", text.removeprefix("PO:"), dict.fromkeys(goods, _ENDLESS)) for text in DOCUMENTS
    )
    by_kind = {SCRIPTS[job][0]: world for job, world in of.items()}
    house = next(iter(of.values()))
    orders = tuple(order for world in by_kind.values() for order in world.orders)
    things = house.things | goods
    written(replace(house, things=things, orders=dock + orders), folder)
    return len(things)


def _world(kind: str) -> World:
    world = made(_SEED, kind, ORDERS)
    return replace(world, orders=tuple(_short(order) for order in world.orders))


def _short(order: Order) -> Order:
    lines = {sku: min(quantity, _MOST) for sku, quantity in order.lines.items()}
    number = f"{_NAMES[order.kind]}-{order.number.removeprefix('D')}"
    return replace(order, number=number, lines=lines)


def _sku(good: Good) -> str:
    return good.name.upper().replace(",", "").replace(" ", "-")


def _thing(good: Good) -> Thing:
    case = f"1{good.gtin[1:-1]}"
    return Thing(
        _sku(good),
        good.gtin,
        f"{case}{gs1_digit(case)}",
        in_case=10,
        weight_g=Decimal(good.grams),
        lot=True,
        serial=True,
    )
