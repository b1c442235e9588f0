"""What there is in a rehearsal: items, documents and places, made from a seed, as CSV files."""

import csv
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from contract.codes.checks import gs1_digit

BOSS = "boss"
"""The badge of the supervisor."""
DOCK, QUARANTINE = "DOCK", "QUARANTINE"
_PLACES = 12


@dataclass(frozen=True, slots=True)
class Thing:
    """One item of the house."""

    sku: str
    ean: str
    case: str
    """GTIN-14 of a case."""
    in_case: int
    weight_g: Decimal
    lot: bool = False
    serial: bool = False
    components: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """One document: its lines by SKU."""

    kind: str
    number: str
    lines: dict[str, int]
    places: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class World:
    """Everything a shift can touch."""

    things: dict[str, Thing]
    orders: tuple[Order, ...]
    places: tuple[str, ...]
    strangers: tuple[str, ...]
    """EANs that nobody knows."""

    @property
    def plain(self) -> list[Thing]:
        """Things that need neither lot nor serial number and are no kits."""
        return [
            thing
            for thing in self.things.values()
            if not (thing.lot or thing.serial or thing.components)
        ]


def made(seed: int, kind: str, orders: int) -> World:
    """Return the world of a seed.

    Args:
        seed: the same seed is the same world.
        kind: of its documents, as the contract names it; `none` for no documents.
        orders: how many.
    """
    dice = random.Random(f"world {seed}")  # noqa: S311 - to be played again
    things = {thing.sku: thing for thing in _things(dice)}
    places = tuple(f"{chr(65 + n // 4)}-{n % 4 + 1}" for n in range(_PLACES))
    lists = tuple(_orders(dice, kind, orders, list(things.values()), places))
    return World(things, lists, places, tuple(_ean("4099999", n) for n in range(5)))


def _things(dice: random.Random) -> Iterator[Thing]:
    for n in range(10):
        weight = Decimal(dice.randrange(200, 3000))
        ean = _ean("4012345", n)
        case = _with_check("1" + ean[:-1])
        parts = (("ITEM-1", 2), ("ITEM-2", 1)) if n == 9 else ()
        yield Thing(
            f"ITEM-{n}",
            ean,
            case,
            dice.choice([4, 6, 12]),
            weight,
            lot=n == 7,
            serial=n == 8,
            components=parts,
        )


def _orders(
    dice: random.Random, kind: str, orders: int, things: list[Thing], places: tuple[str, ...]
) -> Iterator[Order]:
    if kind == "none":
        return
    for n in range(orders):
        chosen = dice.sample(
            [thing for thing in things if not thing.components], dice.randint(2, 4)
        )
        lines = {
            thing.sku: dice.randint(1, 3) if thing.serial else dice.randint(2, 20)
            for thing in chosen
        }
        at = {sku: dice.choice(places) for sku in lines}
        if kind == "count_sheet":
            place = dice.choice(places)
            at = dict.fromkeys(lines, place)
        yield Order(kind, f"D{n:05}", lines, at)


def _ean(prefix: str, number: int) -> str:
    return _with_check(f"{prefix}{number:0{12 - len(prefix)}}")


def _with_check(digits: str) -> str:
    return f"{digits}{gs1_digit(digits)}"


def sscc(number: int) -> str:
    """Return a carton's number with its check digit."""
    return _with_check(f"340123450{number:08}")


def written(world: World, folder: Path) -> None:
    """Write the CSV files that the bridge serves."""
    folder.mkdir(parents=True, exist_ok=True)
    things = world.things.values()
    _write(
        folder / "items.csv",
        ["sku", "weight_g", "lot", "serial", "components"],
        [
            [
                thing.sku,
                str(thing.weight_g),
                "yes" if thing.lot else "no",
                "yes" if thing.serial else "no",
                "|".join(f"{sku}={n}" for sku, n in thing.components),
            ]
            for thing in things
        ],
    )
    _write(
        folder / "packs.csv",
        ["sku", "gtin", "quantity"],
        [
            row
            for thing in things
            for row in ([thing.sku, thing.ean, "1"], [thing.sku, thing.case, str(thing.in_case)])
        ],
    )
    _write(
        folder / "documents.csv",
        ["document", "number", "line", "sku", "quantity", "location"],
        [
            [order.kind, order.number, str(n), sku, str(quantity), order.places.get(sku, "")]
            for order in world.orders
            for n, (sku, quantity) in enumerate(order.lines.items(), 1)
        ],
    )
    names = [*world.places, DOCK, QUARANTINE]
    _write(folder / "locations.csv", ["name"], [[name] for name in names])


def _write(path: Path, header: list[str], rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
