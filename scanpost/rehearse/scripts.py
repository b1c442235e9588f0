"""One script for each job: a random but truthful shift, and what must come of each act.

A script is the truth of a rehearsal. It reckons by itself, with nothing of the gateway, and never
ends; the player stops it. Work is finished document by document, so that a script knows what is in
hand.
"""

import itertools
import random
from collections.abc import Callable, Generator, Iterator
from decimal import Decimal

from contract.identifiers import CommandWord, command_card
from scanpost.rehearse.acts import Act, Effect, Load, Scan, Trouble, Undo
from scanpost.rehearse.world import BOSS, DOCK, QUARANTINE, Order, Thing, World, sscc

Script = Iterator[Act]
_CARTON_G = Decimal(300)
"""Gram of an empty carton, as the packing station is told."""


def card(word: CommandWord, expect: str = "ok", *books: Effect) -> Scan:
    """Return the scan of a command card."""
    return Scan(command_card(word), expect, books)  # type: ignore[arg-type]


def _trouble(dice: random.Random, out: list[bool]) -> Script:
    """Now and then: a power cut, or the network goes or comes."""
    if dice.random() < 0.01:
        yield Trouble("power cut")
    if dice.random() < 0.02:
        out[0] = not out[0]
        yield Trouble("network gone" if out[0] else "network back")


def _identified(
    dice: random.Random, thing: Thing, numbers: Iterator[int], effect: Callable[[str, str], Effect]
) -> Script:
    """Scan one piece, and the lot or serial number its label lacks."""
    code = thing.ean if dice.random() < 0.8 else thing.sku
    if thing.lot:
        lot = f"LOT-{dice.randint(1, 3)}"
        yield Scan(code, "attention")
        yield Scan(lot, "ok", (effect(lot, ""),))
    elif thing.serial:
        serial = f"SN{next(numbers):06}"
        yield Scan(code, "attention")
        yield Scan(serial, "ok", (effect("", serial),))
    else:
        twice = dice.random() < 0.1
        yield Scan(code, "ok", (effect("", ""),), twice=twice)


def _several(dice: random.Random, thing: Thing, left: int) -> tuple[list[Scan], int]:
    """Return what is scanned for more than one piece at once, and how many that is."""
    if left >= thing.in_case and dice.random() < 0.5:
        return [Scan(thing.case)], thing.in_case
    n = dice.randint(1, left)
    return [Scan(f"QTY:{n}"), Scan(thing.ean)], n


def receiving(world: World, dice: random.Random) -> Script:
    """Orders come in: cases and pieces, wrong items, too many, half of it left for tomorrow."""
    numbers, out = itertools.count(1), [False]
    for order in world.orders:
        left = dict(order.lines)
        last: tuple[str, int] | None = None
        yield Scan(f"PO:{order.number}")
        while any(left.values()) and dice.random() > 0.02:
            yield from _trouble(dice, out)
            thing = world.things[dice.choice([sku for sku, n in left.items() if n])]

            def effect(
                lot: str, serial: str, n: int = 1, of: str = thing.sku, to: str = DOCK
            ) -> Effect:
                number = order.number  # noqa: B023 - it is called in this turn only
                return Effect("receipt", of, Decimal(n), number, lot, serial, f">{to}")

            what = dice.random()
            if what < 0.06:
                yield Scan(dice.choice(world.strangers), "not_ok")
            elif what < 0.10:
                foreign = [each for each in world.plain if each.sku not in order.lines]
                yield Scan(dice.choice(foreign).ean, "attention")
                yield card("CANCEL")
            elif what < 0.15 and not (thing.lot or thing.serial):
                n = left[thing.sku] + dice.randint(1, 5)
                yield Scan(f"QTY:{n}")
                yield Scan(thing.ean, "attention")
                choice = dice.choice(["CANCEL", "OVERRIDE", "HOLD"])
                if choice == "OVERRIDE":
                    yield card("OVERRIDE", "attention")
                    yield Scan("OP:nobody", "not_ok")
                    yield Scan(f"OP:{BOSS}", "ok", (effect("", "", n),))
                    left[thing.sku], last = 0, None
                elif choice == "HOLD":
                    yield card("HOLD", "ok", effect("", "", n, to=QUARANTINE))
                    left[thing.sku], last = 0, None
                else:
                    yield card("CANCEL")
            elif what < 0.22 and last is not None:
                yield Undo()
                left[last[0]] += last[1]
                last = None
            elif what < 0.5 and not (thing.lot or thing.serial):
                scans, n = _several(dice, thing, left[thing.sku])
                *first, booked = scans
                yield from first
                yield Scan(booked.text, "ok", (effect("", "", n),))
                left[thing.sku] -= n
                last = (thing.sku, n)
            else:
                yield from _identified(dice, thing, numbers, effect)
                left[thing.sku] -= 1
                last = (thing.sku, 1)
        if any(left.values()):
            yield card("DONE", "attention")
        yield card("DONE")


def packing(world: World, dice: random.Random) -> Script:
    """Orders go out in cartons: ticked, weighed, now and then wrong."""
    numbers, cartons, out = itertools.count(1), itertools.count(1), [False]
    for order in world.orders:
        left = dict(order.lines)
        yield Scan(f"SO:{order.number}")
        while any(left.values()):
            label = "]C100" + sscc(next(cartons))
            yield Scan(label)
            inside: list[tuple[Thing, int, str, str]] = []
            while any(left.values()) and not (inside and dice.random() < 0.12):
                yield from _trouble(dice, out)
                yield from _pack_one(world, dice, order, left, inside, numbers)
            yield Scan(label, "attention")
            true = _CARTON_G + sum((thing.weight_g * n for thing, n, _, _ in inside), Decimal(0))
            if dice.random() < 0.1:
                yield Load(true + (true / 5).to_integral_value() + 900, "attention")
            books = tuple(
                Effect("pack", thing.sku, Decimal(n), order.number, lot, serial)
                for thing, n, lot, serial in inside
            )
            yield Load(true, "ok", books)
        yield card("DONE", "ok", Effect("shipment", "", Decimal(0), order.number))


def _pack_one(
    world: World,
    dice: random.Random,
    order: Order,
    left: dict[str, int],
    inside: list[tuple[Thing, int, str, str]],
    numbers: Iterator[int],
) -> Script:
    thing = world.things[dice.choice([sku for sku, n in left.items() if n])]
    what = dice.random()
    if what < 0.06:
        foreign = [each for each in world.plain if each.sku not in order.lines]
        yield Scan(dice.choice(foreign).ean, "not_ok")
    elif what < 0.10 and not (thing.lot or thing.serial):
        yield Scan(f"QTY:{left[thing.sku] + 1}")
        yield Scan(thing.ean, "not_ok")
        yield card("CANCEL")
    elif what < 0.16 and inside:
        last, n, _, _ = inside.pop()
        yield Undo(booked=False)
        left[last.sku] += n
    elif what < 0.4 and not (thing.lot or thing.serial):
        scans, n = _several(dice, thing, left[thing.sku])
        yield from scans
        left[thing.sku] -= n
        inside.append((thing, n, "", ""))
    else:
        found: list[tuple[str, str]] = []

        def effect(lot: str, serial: str) -> Effect:
            found.append((lot, serial))
            return Effect("", "", Decimal(0))

        for scan in _identified(dice, thing, numbers, effect):
            assert isinstance(scan, Scan)  # noqa: S101 - it yields nothing else
            yield Scan(scan.text, scan.expect, (), scan.twice)
        left[thing.sku] -= 1
        inside.append((thing, 1, *found[0]))


def picking(world: World, dice: random.Random) -> Script:
    """Lists are picked place by place."""
    numbers, out = itertools.count(1), [False]
    for order in world.orders:
        yield Scan(f"DOC:{order.number}")
        for sku, wanted in order.lines.items():
            thing, place, left = world.things[sku], order.places[sku], wanted
            if dice.random() < 0.1:
                wrong = [each for each in world.places if each not in order.places.values()]
                yield Scan(f"LOC:{dice.choice(wrong)}", "not_ok")
            yield Scan(f"LOC:{place}")
            while left:
                yield from _trouble(dice, out)
                undone = yield from _pick_one(world, dice, order, thing, left, place, numbers)
                left -= undone
        yield card("DONE")


def _pick_one(
    world: World,
    dice: random.Random,
    order: Order,
    thing: Thing,
    left: int,
    place: str,
    numbers: Iterator[int],
) -> Generator[Act, None, int]:
    """Pick some of a line, and return how much of it stands."""

    def effect(lot: str, serial: str, n: int = 1) -> Effect:
        return Effect("pick", thing.sku, Decimal(n), order.number, lot, serial, f"{place}>")

    what = dice.random()
    if what < 0.06:
        foreign = [each for each in world.plain if each.sku not in order.lines]
        yield Scan(dice.choice(foreign).ean, "not_ok")
        return 0
    if what < 0.12 and not (thing.lot or thing.serial):
        yield Scan(f"QTY:{left + 1}")
        yield Scan(thing.ean, "not_ok")
        yield card("CANCEL")
        return 0
    if what < 0.45 and not (thing.lot or thing.serial):
        scans, n = _several(dice, thing, left)
        *first, booked = scans
        yield from first
        yield Scan(booked.text, "ok", (effect("", "", n),))
        if dice.random() < 0.15:
            yield Undo()
            return 0
        return n
    yield from _identified(dice, thing, numbers, effect)
    return 1


def _trips(kind: str) -> Callable[[World, random.Random], Script]:
    def script(world: World, dice: random.Random) -> Script:
        numbers, out, at = itertools.count(1), [False], DOCK
        while True:
            yield from _trouble(dice, out)
            if kind == "transfer" or dice.random() < 0.1:
                at = dice.choice(world.places)
                yield Scan(f"LOC:{at}")
            trip: list[tuple[str, int, str, str]] = []
            for _ in range(dice.randint(1, 4)):
                things = [thing for thing in world.things.values() if not thing.components]
                thing = dice.choice(things)
                if dice.random() < 0.06:
                    yield Scan(dice.choice(world.strangers), "not_ok")
                if not (thing.lot or thing.serial) and dice.random() < 0.4:
                    n = dice.randint(2, 9)
                    yield Scan(f"QTY:{n}")
                    yield Scan(thing.ean)
                    trip.append((thing.sku, n, "", ""))
                else:
                    found: list[tuple[str, str]] = []

                    def effect(
                        lot: str, serial: str, found: list[tuple[str, str]] = found
                    ) -> Effect:
                        found.append((lot, serial))
                        return Effect("", "", Decimal(0))

                    for scan in _identified(dice, thing, numbers, effect):
                        assert isinstance(scan, Scan)  # noqa: S101 - it yields nothing else
                        yield Scan(scan.text, scan.expect, (), scan.twice)
                    trip.append((thing.sku, 1, *found[0]))
                if len(trip) > 1 and dice.random() < 0.1:
                    yield Undo(booked=False)
                    trip.pop()
            if dice.random() < 0.05:
                yield Scan(f"LOC:{at}", "not_ok")
            to = dice.choice([place for place in world.places if place != at])
            books = tuple(
                Effect(kind, sku, Decimal(n), "", lot, serial, f"{at}>{to}")
                for sku, n, lot, serial in trip
            )
            yield Scan(f"LOC:{to}", "ok", books)

    return script


def counting(world: World, dice: random.Random) -> Script:
    """Sheets are counted; what differs is looked at twice."""
    numbers, out = itertools.count(1), [False]
    for order in world.orders:
        yield from _trouble(dice, out)
        [place] = set(order.places.values())
        yield Scan(f"CS:{order.number}")
        yield Scan(f"LOC:{place}")
        counted: dict[tuple[str, str], int] = {}
        serials: list[tuple[str, str]] = []
        for sku, expected in order.lines.items():
            thing = world.things[sku]
            there = expected if dice.random() < 0.7 else max(0, expected + dice.randint(-2, 2))
            if thing.serial:
                for _ in range(there):
                    serial = f"SN{next(numbers):06}"
                    yield Scan(thing.ean, "attention")
                    yield Scan(serial)
                    serials.append((sku, serial))
                continue
            if not there:
                continue
            yield Scan(f"QTY:{there}")
            if thing.lot:
                yield Scan(thing.ean, "attention")
                yield Scan("LOT-1")
                counted[sku, "LOT-1"] = there
            else:
                yield Scan(thing.ean)
                if dice.random() < 0.1:
                    yield Undo(booked=False)
                    yield Scan(f"QTY:{there}")
                    yield Scan(thing.ean)
                counted[sku, ""] = there
        yield from _count_closed(order, place, counted, serials)


def _count_closed(
    order: Order, place: str, counted: dict[tuple[str, str], int], serials: list[tuple[str, str]]
) -> Script:
    """Close a place: what the sheet did not expect so is asked about, one thing after the other."""
    sums = {(sku, ""): 0 for sku in order.lines}
    sums |= counted
    for sku, _ in serials:
        sums[sku, ""] += 1
    found = set(counted) | {(sku, "") for sku, _ in serials}
    doubtful = any(sums[sku, ""] != n or (sku, "") not in found for sku, n in order.lines.items())
    books = [
        Effect("count", sku, Decimal(n), order.number, lot, "", place)
        for (sku, lot), n in counted.items()
    ]
    books += [
        Effect("count", sku, Decimal(1), order.number, "", serial, place) for sku, serial in serials
    ]
    books += [
        Effect("count", sku, Decimal(0), order.number, "", "", place)
        for sku in order.lines
        if (sku, "") not in found
    ]
    if doubtful:
        yield card("DONE", "attention")
    yield card("DONE", "ok", *books)


def returns(world: World, dice: random.Random) -> Script:
    """Goods come back, with and without papers."""
    numbers, out = itertools.count(1), [False]
    for order in world.orders:
        left = dict(order.lines)
        yield Scan(f"RMA:{order.number}")
        yield Scan("REASON:GOOD")
        while any(left.values()) and dice.random() > 0.05:
            yield from _trouble(dice, out)
            thing = world.things[dice.choice([sku for sku, n in left.items() if n])]

            def effect(lot: str, serial: str, thing: Thing = thing, order: Order = order) -> Effect:
                return Effect("return", thing.sku, Decimal(1), order.number, lot, serial, ">")

            if dice.random() < 0.1:
                yield Scan(f"REASON:{dice.choice(['GOOD', 'DAMAGED', 'EXPIRED'])}")
                yield Scan("REASON:nonsense", "not_ok")
            if dice.random() < 0.05:
                yield Scan(dice.choice(world.strangers), "not_ok")
            yield from _identified(dice, thing, numbers, effect)
            left[thing.sku] -= 1
            if dice.random() < 0.1:
                yield Undo()
                left[thing.sku] += 1
        yield card("DONE")


def adjustment(world: World, dice: random.Random) -> Script:
    """Differences are booked with a reason."""
    numbers, out = itertools.count(1), [False]
    while True:
        yield from _trouble(dice, out)
        place = dice.choice(world.places)
        yield Scan(f"LOC:{place}")
        yield Scan(f"REASON:{dice.choice(['DAMAGED', 'LOST', 'EXPIRED', 'FOUND'])}")
        for _ in range(dice.randint(1, 4)):
            things = [thing for thing in world.things.values() if not thing.components]
            thing = dice.choice(things)

            def effect(lot: str, serial: str, thing: Thing = thing, place: str = place) -> Effect:
                return Effect("adjustment", thing.sku, Decimal(1), "", lot, serial, place)

            yield from _identified(dice, thing, numbers, effect)
            if dice.random() < 0.15:
                yield Undo()


def assembly(world: World, dice: random.Random) -> Script:
    """Kits are made."""
    out = [False]
    kits = [thing for thing in world.things.values() if thing.components]
    while True:
        yield from _trouble(dice, out)
        kit, n = dice.choice(kits), dice.randint(1, 4)
        yield Scan(f"QTY:{n}")
        yield Scan(kit.ean)
        books = [Effect("assembly", kit.sku, Decimal(n))]
        for sku, each in kit.components:
            if dice.random() < 0.1:
                parts = {name for name, _ in kit.components}
                foreign = [thing for thing in world.plain if thing.sku not in parts]
                yield Scan(dice.choice(foreign).ean, "not_ok")
            if dice.random() < 0.1:
                yield card("DONE", "not_ok")
            yield Scan(f"QTY:{each * n}")
            yield Scan(world.things[sku].ean)
            books.append(Effect("assembly-part", sku, Decimal(each * n)))
        yield card("DONE", "ok", *books)
        if dice.random() < 0.1:
            yield Undo()
            yield card("DONE", "ok", *books)


def weighing(world: World, dice: random.Random) -> Script:
    """Pallets are weighed."""
    del world
    numbers, out = itertools.count(1), [False]
    while True:
        yield from _trouble(dice, out)
        number = sscc(next(numbers))
        yield Scan(f"]C100{number}", "attention")
        grams = Decimal(dice.randrange(10_000, 900_000))
        yield Load(grams, "ok", (Effect("weighing", number, grams),))


def count_by_weight(world: World, dice: random.Random) -> Script:
    """Small parts are counted on the scale."""
    out = [False]
    while True:
        yield from _trouble(dice, out)
        place, thing, n = dice.choice(world.places), dice.choice(world.plain), dice.randint(1, 40)
        yield Scan(f"LOC:{place}")
        yield Scan(thing.ean, "attention")
        if dice.random() < 0.1:
            half = (thing.weight_g * n + thing.weight_g / 2).to_integral_value()
            yield Load(half, "not_ok")
        books = (Effect("count", thing.sku, Decimal(n), place=place),)
        yield Load(thing.weight_g * n, "ok", books)


def pass_through(world: World, dice: random.Random) -> Script:
    """Everything is passed on."""
    numbers, out = itertools.count(1), [False]
    while True:
        yield from _trouble(dice, out)
        thing = dice.choice(list(world.things.values()))
        text = thing.ean if dice.random() < 0.2 else f"X{next(numbers):06}"
        yield Scan(text, "ok", (Effect("reading", text, Decimal(0)),), twice=dice.random() < 0.1)


SCRIPTS: dict[str, tuple[str, Callable[[World, random.Random], Script]]] = {
    "receiving": ("po", receiving),
    "packing": ("so", packing),
    "picking": ("pick_list", picking),
    "putaway": ("none", _trips("putaway")),
    "transfer": ("none", _trips("transfer")),
    "counting": ("count_sheet", counting),
    "returns": ("rma", returns),
    "adjustment": ("none", adjustment),
    "assembly": ("none", assembly),
    "weighing": ("none", weighing),
    "count_by_weight": ("none", count_by_weight),
    "pass_through": ("none", pass_through),
}
"""Job: the kind of its documents, and its script."""
