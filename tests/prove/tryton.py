"""500 transactions into a real Tryton, with 30 SIGKILLs and 10 % of the answers lost.

    python -m tests.prove.tryton [--seed N] [--transactions N] [--kills N] [--mode native|module]

Starts from nothing, and ends with one line of JSON. What is in it was read from Tryton's own
database, with no code of the connector's:

- `effects`: transactions that one document in its last state stands for;
- `duplicates`, `lost`: documents too many, and transactions that none stands for;
- `orphans`: documents that stopped halfway, and such as no transaction accounts for;
- `totals_equal`: what lies where, by product, location and lot, is what a clerk would reckon.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from contract.transactions import (
    Adjustment,
    Assembly,
    Count,
    Event,
    Pack,
    Package,
    Putaway,
    Receipt,
    Return,
    Reversal,
    Shipment,
    Transaction,
    Transfer,
)
from contract.values import Document, Item, Line, Quantity
from runtime.clock import Clock
from tests.fakes.vendor import Faults
from tests.prove.relay import Relay
from tests.prove.shift import transaction, work
from tests.tryton.office import Office
from tests.tryton.server import Server, build, build_with_module, target

LOST = 0.1
"""Share of the requests that write whose answer is lost after Tryton has done them."""
SETTLE = 1.0
"""Seconds: a request whose bridge was killed still runs for some tenths of one."""
PLENTY = 100_000
MANY = 1_000
"""Of each product in an order."""
CARTONS = 6
"""Cartons of one order: Tryton keeps a shipment for each."""
RECEIPTS = 10
STATIONS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "dock": ("DOCK-1", ("receipt", "putaway", "receipt", "transfer", "reversal")),
    "packing": ("A-01-01", ("pack", "shipment", "return", "transfer", "pack", "shipment")),
    "stock": ("A-01-02", ("count", "adjustment", "transfer", "assembly", "reversal")),
}
"""A place of its own for each of the three, and what it does there in turn."""
UNDONE = frozenset({"receipt", "putaway", "transfer", "adjustment", "assembly"})
COUNTED = "coffee"
"""Lies at the stations' places, and nothing but counts is done with it."""
LOT = "A7"
_SKUS = {
    "widget": "WID-1",
    "serum": "SER-1",
    "beans": "BEAN-1",
    "coffee": "BAG-1",
    "gadget": "GAD-1",
}
_PLACES = tuple(place for place, _ in STATIONS.values())

Held = tuple[str, str, str | None]
"""Product, code of the location, lot."""


@dataclass
class Orders:
    """Purchase and sales orders, as many as a stream needs."""

    office: Office
    bought: list[str] = field(default_factory=list)
    sold: list[str] = field(default_factory=list)

    def purchase(self, number: int) -> str:
        while len(self.bought) <= number // RECEIPTS:
            self.bought.append(self.office.order(widget=MANY, serum=MANY, beans=MANY))
        return self.bought[number // RECEIPTS]

    def sale(self, number: int) -> str:
        while len(self.sold) <= number // CARTONS:
            self.sold.append(self.office.sell(widget=MANY, serum=MANY))
        return self.sold[number // CARTONS]


class Station:
    """Thinks up what one station does."""

    def __init__(self, place: str, orders: Orders, rng: random.Random) -> None:
        self.place = place
        self._orders = orders
        self._rng = rng
        self._received = self._packed = 0
        self._carton: Pack | None = None
        self._stands: list[Transaction] = []

    def book(self, name: str, kind: str, clock: Clock) -> Transaction:
        """Return the next transaction, of that kind."""
        made = transaction(name, self._rng, self.event(kind), clock)
        if kind in UNDONE:
            self._stands.append(made)
        return made

    def event(self, kind: str) -> Event:
        match kind:
            case "receipt":
                order = self._orders.purchase(self._received)
                self._received += 1
                lot = f"P{self._received % 7}"
                documents = (Document(kind="po", number=order),)
                return Receipt(documents=documents, lines=self._some(lot))
            case "putaway":
                return Putaway(to_location=self.place, lines=self._some(LOT))
            case "transfer":
                return Transfer(from_location=self.place, to_location="STO", lines=self._some(LOT))
            case "count":
                found = _line(COUNTED, Decimal(self._rng.randint(0, 500)))
                return Count(location=self.place, lines=(found,))
            case "adjustment":
                return Adjustment(
                    location=self.place,
                    direction=self._rng.choice(("increase", "decrease")),
                    lines=self._some(LOT),
                    reason="damaged",
                )
            case "pack":
                self._carton = self._pack()
                return self._carton
            case "shipment":
                assert self._carton is not None
                package = Package(sscc=self._carton.sscc)
                return Shipment(documents=self._carton.documents, packages=(package,))
            case "return":
                assert self._carton is not None
                back = (_line("widget", Decimal(1)), _line("serum", Decimal(1), LOT))
                return Return(documents=self._carton.documents, lines=back)
            case "assembly":
                parts = self._some(LOT)
                made = (self._pieces("gadget"),)
                return Assembly(consumed=parts, produced=made, location=self.place)
            case "reversal":
                undone = self._stands.pop(self._rng.randrange(len(self._stands)))
                return Reversal(reverses=undone.id, reason="mistake")
        raise AssertionError(kind)

    def _pack(self) -> Pack:
        order = self._orders.sale(self._packed)
        self._packed += 1
        lines = (self._pieces("widget"), self._pieces("serum", LOT))
        documents = (Document(kind="so", number=order),)
        return Pack(documents=documents, lines=lines, sscc=f"{self._packed:018}")

    def _some(self, lot: str) -> tuple[Line, ...]:
        weighed = Decimal(self._rng.randint(1, 900)) / 100
        lines = (self._pieces("widget"), self._pieces("serum", lot), _line("beans", weighed))
        return tuple(self._rng.sample(lines, self._rng.randint(1, 3)))

    def _pieces(self, product: str, lot: str | None = None) -> Line:
        return _line(product, Decimal(self._rng.randint(1, 5)), lot)


def _line(product: str, quantity: Decimal, lot: str | None = None) -> Line:
    unit = "KGM" if product == "beans" else "EA"
    item = Item(sku=_SKUS[product])
    return Line(item=item, quantity=Quantity(value=quantity, unit=unit), lot=lot)


def planned(office: Office, count: int, seed: int) -> dict[str, list[Transaction]]:
    """Return what each station books."""
    clock = Clock()
    streams = {}
    for turn, (name, (place, kinds)) in enumerate(STATIONS.items()):
        rng = random.Random(f"{seed}/{name}")
        station = Station(place, Orders(office), rng)
        mine = count // len(STATIONS) + (turn < count % len(STATIONS))
        streams[name] = [
            station.book(name, kinds[number % len(kinds)], clock) for number in range(mine)
        ]
    return streams


# What a clerk would reckon


def reversed_in(given: Iterable[Transaction]) -> set[UUID]:
    """Return what was taken back."""
    return {each.event.reverses for each in given if isinstance(each.event, Reversal)}


def reckoned(before: Mapping[Held, float], given: Sequence[Transaction]) -> dict[Held, float]:
    """Return what must lie where after all of `given`, from the transactions alone."""
    lies: defaultdict[Held, Decimal] = defaultdict(Decimal)
    lies.update({held: Decimal(str(quantity)) for held, quantity in before.items()})
    cartons: dict[str | None, Pack] = {}
    undone = reversed_in(given)
    for each in given:
        if each.id in undone:
            continue
        for held, moved in _effects(each.event, cartons):
            lies[held] = moved if isinstance(each.event, Count) else lies[held] + moved
    return {held: float(quantity) for held, quantity in lies.items() if quantity}


def _effects(event: Event, cartons: dict[str | None, Pack]) -> Iterable[tuple[Held, Decimal]]:
    source: str | None = None
    target: str | None = None
    lines: tuple[Line, ...]
    match event:
        case Receipt():
            target, lines = "STO", event.lines
        case Putaway():
            source, target, lines = "STO", event.to_location, event.lines
        case Transfer():
            source, target, lines = event.from_location, event.to_location, event.lines
        case Count():
            target, lines = event.location, event.lines
        case Adjustment(direction="increase"):
            target, lines = event.location, event.lines
        case Adjustment():
            source, lines = event.location, event.lines
        case Pack():
            cartons[event.sscc] = event
            source, target, lines = "STO", "OUT", event.lines
        case Shipment():
            source, lines = "OUT", cartons[event.packages[0].sscc].lines
        case Return():
            target, lines = "STO", event.lines
        case Assembly():
            yield from _lying(event.consumed, event.location, -1)
            target, lines = event.location, event.produced
        case Reversal():
            lines = ()
        case _:
            raise AssertionError(event.type)
    yield from _lying(lines, source, -1)
    yield from _lying(lines, target, 1)


def _lying(lines: Iterable[Line], place: str | None, sign: int) -> Iterable[tuple[Held, Decimal]]:
    names = {sku: product for product, sku in _SKUS.items()}
    for line in lines:
        if place is not None:
            product = names[line.item.sku or ""]
            yield (product, place, line.lot), sign * line.quantity.value


# What Tryton's own database says

ENDED = {"done"}
PACKED = {"packed", "shipped", "done"}
CANCELLED = {"cancelled"}
"""What was taken back, and the effect of what took it back."""


def audit(
    office: Office, before: Mapping[Held, float], loose: int, given: Sequence[Transaction]
) -> dict[str, Any]:
    """Hold the database against what was booked.

    Args:
        office: of the Tryton.
        before: what lay where.
        loose: documents that no transaction accounts for, before.
        given: in the order of each station.
    """
    found: Counter[str] = Counter()
    undone = reversed_in(given)
    for each in given:
        reference, ended = each.id, ENDED
        if isinstance(each.event, Reversal):
            reference, ended = each.event.reverses, CANCELLED
        elif each.id in undone:
            ended = CANCELLED
        elif isinstance(each.event, Pack):
            ended = PACKED
        papers = office.papers(reference)
        whole = sum(state in ended for _, _, state in papers)
        found["effects"] += whole == len(papers) == 1
        found["duplicates"] += max(0, len(papers) - 1)
        found["lost"] += not papers
        found["halfway"] += len(papers) - whole
    there, must = office.stock(), reckoned(before, given)
    return {
        "transactions": len(given),
        **{name: found[name] for name in ("effects", "duplicates", "lost")},
        "orphans": found["halfway"] + office.loose({str(each.id) for each in given}) - loose,
        "totals_equal": there == must,
        "differences": sorted(
            f"{held}: {there.get(held, 0)}, not {must.get(held, 0)}"
            for held in there.keys() | must.keys()
            if there.get(held, 0) != must.get(held, 0)
        )[:20],
    }


class Workers:
    """The worker processes of a Tryton, which its server replaces."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def kill(self) -> None:
        self._server.kill_worker()

    def start(self) -> None:
        self._server.wait()


def stocked(office: Office) -> None:
    """Lay in goods: more than all stations move."""
    for place in ("STO", *_PLACES):
        office.put("widget", place, PLENTY)
        office.put("serum", place, PLENTY, lot=LOT)
        office.put("beans", place, PLENTY)
        office.put(COUNTED, place, 250)


async def prove(
    folder: Path, seed: int, count: int, kills: int, mode: str = "native"
) -> dict[str, Any]:
    """Play the shift, and return what is found afterwards."""
    make = build if mode == "native" else build_with_module
    server = Server(await asyncio.to_thread(make), folder)
    await asyncio.to_thread(server.start)
    try:
        office = Office(server)
        began = time.monotonic()
        await asyncio.to_thread(stocked, office)
        streams = await asyncio.to_thread(planned, office, count, seed)
        before, loose = office.stock(), office.loose(set())
        prepared = round(time.monotonic() - began, 1)
        async with Relay(server.url, Faults(seed=seed, lost=LOST)).serving() as relay:
            table = target(server, folder / "key", url=relay.url)
            table += f'mode = "{mode}"\nsettle = {SETTLE}\n'
            report = await work(folder, table, streams, Workers(server), kills=kills, seed=seed)
        given = [each for stream in streams.values() for each in stream]
        found = await asyncio.to_thread(audit, office, before, loose, given)
        return found | {
            "kills": dict(report.kills),
            "answers_lost": relay.faults.seen["lost"],
            "rejected": report.rejected,
            "seconds": report.seconds,
            "prepared": prepared,
            "mode": mode,
            "seed": seed,
        }
    finally:
        await asyncio.to_thread(server.stop)


def sound(found: Mapping[str, Any]) -> bool:
    """Whether each transaction had its effect once, and nothing else is there."""
    wrong = (found["duplicates"], found["lost"], found["orphans"], len(found["rejected"]))
    every = found["effects"] == found["transactions"]
    return wrong == (0, 0, 0, 0) and every and bool(found["totals_equal"])


def main() -> int:
    """Prove it, and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--transactions", type=int, default=500)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--mode", choices=("native", "module"), default="native")
    parser.add_argument("--folder", type=Path, help="keep all that is written here")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as forgotten:
        folder = (given.folder or Path(forgotten)).resolve()
        found = asyncio.run(prove(folder, given.seed, given.transactions, given.kills, given.mode))
    sys.stdout.write(json.dumps(found) + "\n")
    return int(not sound(found))


if __name__ == "__main__":
    sys.exit(main())
