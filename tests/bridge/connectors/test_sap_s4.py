import contextlib
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from bridge.connectors.sap_s4 import (
    Config,
)
from contract.transactions import (
    Adjustment,
    Assembly,
    Count,
    Event,
    Package,
    Putaway,
    Receipt,
    Return,
    Shipment,
    Transaction,
    Transfer,
)
from contract.values import Document, Line
from tests.bridge.connectors.suite import ConnectorSuite, Stage
from tests.bridge.goods import COUNTED, SKUS, event_of, line, some
from tests.fakes.sap_s4 import System
from tests.fakes.vendor import Faults

USER, PASSWORD, TOKEN = "SCANPOST", "Sehr-Geheim-4711", "eyJ0b2tlbiI6IjEyMyJ9"
INBOUND, OUTBOUND = "API_INBOUND_DELIVERY_SRV", "API_OUTBOUND_DELIVERY_SRV"
MATERIAL, COUNTS = "API_MATERIAL_DOCUMENT_SRV", "API_PHYSICAL_INVENTORY_DOC_SRV"
PLACES = {"DOCK": "0001", "A-01": "0002", "A-02": "0003", "B-01": "1020/0001", "STORE": "0009"}
PARCEL = (Package(tracking="1Z"),)
FULL = 1_000_000


def config_of(url: str, folder: Path, **more: Any) -> Config:
    password = folder / "password"
    if folder.exists():
        password.write_text(PASSWORD)
    return Config.model_validate(
        {
            "connector": "sap_s4",
            "url": url,
            "login": {"user": USER, "password_file": password},
            "plant": "1010",
            "storage_location": "0001",
            "locations": PLACES,
            "counted_whole": ["STORE"],
            "movements": {"customer_return": "05/451"},
            "causes": {"broken": {"movement": "03/551", "cost_center": "1010-W", "reason": "0001"}},
            "time_zone": "Europe/Berlin",
            "http": {"timeout": 20, "settle": 0.1},
            **more,
        }
    )


def stocked(system: System) -> None:
    for sku in (*SKUS, COUNTED, "KIT"):
        system.material(sku)
        for place in PLACES.values():
            plant, _, storage = place.rpartition("/")
            system.stock[sku, plant or "1010", storage, ""] = Decimal(FULL)
    for number in range(4500000001, 4500000004):
        system.order(str(number), *SKUS)
    for number in range(200):
        system.delivery(OUTBOUND, str(80000000 + number), *SKUS)
        system.delivery(INBOUND, str(180000000 + number), *SKUS)


def on_hand(system: System) -> dict[str, Decimal]:
    """What changed, by item and place."""
    return {
        f"{material} at {plant}/{storage}": value - FULL
        for (material, plant, storage, _), value in system.stock.items()
        if value != FULL
    }


def sap_clerk(given: Iterable[Transaction]) -> dict[str, Decimal]:
    """What the stock must have become, added up by hand."""
    hand: Counter[str] = Counter()

    def add(rows: Sequence[Line], place: str | None, sign: int) -> None:
        plant, _, storage = PLACES.get(place or "DOCK", "0001").rpartition("/")
        for row in rows:
            name = f"{row.item.sku} at {plant or '1010'}/{storage}"
            hand[name] += sign * int(row.quantity.value)

    for each in given:
        match each.event:
            case Receipt() | Return() as event:
                add(event.lines, event.to_location, 1)
            case Putaway() | Transfer() as event:
                add(event.lines, event.from_location, -1)
                add(event.lines, event.to_location, 1)
            case Adjustment() as event:
                add(event.lines, event.location, 1 if event.direction == "increase" else -1)
            case Count() as event:
                for row in event.lines:
                    hand[f"{row.item.sku} at 1010/0009"] = int(row.quantity.value) - FULL
            case Assembly() as event:
                add(event.consumed, event.location, -1)
                add(event.produced, event.location, 1)
            case Shipment() as event:
                add(event.lines, "DOCK", -1)
    return {name: Decimal(pieces) for name, pieces in hand.items() if pieces}


def effects(system: System) -> Mapping[str, int]:
    """How often each transaction had an effect; an assembly is two documents."""
    found: Counter[str] = Counter()
    for name, often in system.effects.items():
        text, _, slip = name.partition(" ")
        if slip != "cancelled" and not slip.endswith("/2"):
            found[str(UUID(int=int(text, 36)))] += often
    return found


class TestOfSapS4(ConnectorSuite):
    """One request for each change."""

    name = "sap_s4"
    secrets = (PASSWORD,)
    many = 45
    left_out = frozenset({"reversal"})
    more: Mapping[str, Any] = {}

    def setup_method(self) -> None:
        self._numbers = itertools.count()

    def config(self, url: str, folder: Path) -> Config:
        return config_of(url, folder, **self.more)

    @contextlib.asynccontextmanager
    async def serving(self, folder: Path, faults: Faults) -> AsyncIterator[Stage]:
        repeatable = bool(self.more.get("repeatable"))
        async with System(faults, USER, PASSWORD, repeatable=repeatable).serving() as vendor:
            stocked(vendor)
            config = self.config(vendor.url, folder)
            yield Stage(config, lambda: effects(vendor), lambda: on_hand(vendor), vendor)

    def event(self, kind: str, rng: random.Random) -> Event:
        a, b = rng.sample(["DOCK", "A-01", "A-02", "B-01"], 2)
        match kind:
            case "receipt" if rng.random() < 0.3:
                number = str(180000000 + next(self._numbers))
                documents = (Document(kind="desadv", number=number),)
                every = tuple(line(rng, sku) for sku in SKUS)
                return Receipt(lines=every, documents=documents)
            case "receipt":
                number = rng.choice(["4500000001", "4500000002", "4500000003"])
                documents = (Document(kind="po", number=number),)
                place = rng.choice(["DOCK", "A-01", "A-02"])  # of the plant it was ordered for
                return Receipt(lines=some(rng), documents=documents, to_location=place)
            case "shipment":
                number = str(80000000 + next(self._numbers))
                every = tuple(line(rng, sku) for sku in SKUS)
                documents = (Document(kind="pick_list", number=number),)
                return Shipment(packages=PARCEL, lines=every, documents=documents)
            case "adjustment":
                way = rng.choice(["increase", "decrease"])
                reason = "broken" if way == "decrease" else "found"
                return Adjustment.model_validate(
                    {"lines": some(rng), "location": a, "direction": way, "reason": reason}
                )
            case "count":
                return Count(lines=(line(rng, COUNTED),), location="STORE")
            case "assembly":
                order = (Document(kind="prodorder", number="1000001"),)
                made = (line(rng, "KIT"),)
                return Assembly(produced=made, consumed=some(rng), location=a, documents=order)
            case "transfer":
                return Transfer(lines=some(rng), from_location=a, to_location=b)
        return event_of(kind, rng)

    def expected(self, given: Sequence[Transaction]) -> Mapping[str, Any]:
        return sap_clerk(given)


class TestOfSapS4InBatches(TestOfSapS4):
    """Changes of several items in one changeset, and requests that SAP itself knows again."""

    many = 25
    more = {"changesets": True, "repeatable": True}
