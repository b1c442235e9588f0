"""The house in the tests of `sap_s4`: its settings, its stock in SAP, a clerk who adds it up."""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from bridge.connectors.sap_s4 import Config, connect
from bridge.outcome import Outcome, Refused
from contract.transactions import (
    Adjustment,
    Assembly,
    Count,
    Package,
    Putaway,
    Receipt,
    Return,
    Reversal,
    Shipment,
    Transaction,
    Transfer,
)
from contract.values import Document, Line
from tests.bridge.connectors.suite import transaction
from tests.bridge.goods import COUNTED, SKUS
from tests.bridge.streams import lines, name
from tests.fakes.sap_s4 import System
from tests.fakes.sap_s4_books import INBOUND, OUTBOUND
from tests.fakes.vendor import Faults

USER, PASSWORD = "SCANPOST", "Sehr-Geheim-4711"
PLACES = {"DOCK": "0001", "A-01": "0002", "A-02": "0003", "B-01": "1020/0001", "STORE": "0009"}
PARCEL = (Package(tracking="1Z"),)
ORDERS = ("4500000001", "4500000002", "4500000003")
FULL = 1_000_000
"""Pieces of everything everywhere, at first."""


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
            "causes": {"broken": {"decrease": "03/551", "cost_center": "1010-W", "reason": "0001"}},
            "time_zone": "Europe/Berlin",
            "http": {"timeout": 20, "settle": 0.1},
            **more,
        }
    )


@contextlib.asynccontextmanager
async def running(faults: Faults | None = None, **more: Any) -> AsyncIterator[System]:
    """A system with the house in it, which nobody has asked what its model does not know."""
    async with System(faults, USER, PASSWORD, **more).serving() as system:
        stocked(system)
        yield system
        assert not system.problems, system.problems[:5]


def stocked(system: System) -> None:
    for sku in (*SKUS, COUNTED, "KIT"):
        system.material(sku)
        for place in PLACES.values():
            plant, _, storage = place.rpartition("/")
            system.stock[sku, plant or "1010", storage, ""] = Decimal(FULL)
    for order in ORDERS:
        system.order(order, *SKUS)
    for number in range(100):
        system.delivery(OUTBOUND, str(80000000 + number), *SKUS)
        system.delivery(INBOUND, str(180000000 + number), *SKUS)


def on_hand(system: System) -> dict[str, Decimal]:
    """What changed, by item and place."""
    return {
        f"{material} at {plant}/{storage}{f' {batch}' if batch else ''}": value
        - (0 if batch else FULL)
        for (material, plant, storage, batch), value in system.stock.items()
        if value != (0 if batch else FULL)
    }


def effects(system: System) -> Mapping[str, int]:
    """How often each transaction had an effect; an assembly is two documents."""
    found: Counter[str] = Counter()
    for said, often in system.effects.items():
        text, _, slip = said.partition(" ")
        if slip != "cancelled" and not slip.endswith("/2"):
            found[str(UUID(int=int(text, 36)))] += often
    return found


def clerk(given: Iterable[Transaction]) -> dict[str, Decimal]:
    """What the stock must have become, added up by hand."""
    hand: Counter[str] = Counter()

    def add(rows: Sequence[Line], place: str | None, sign: int) -> None:
        plant, _, storage = PLACES.get(place or "DOCK", "0001").rpartition("/")
        for row in rows:
            hand[f"{row.item.sku} at {plant or '1010'}/{storage}"] += sign * int(row.quantity.value)

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
    return {each: Decimal(pieces) for each, pieces in hand.items() if pieces}


def of(kind: str, number: str) -> tuple[Document, ...]:
    return (Document.model_validate({"kind": kind, "number": number}),)


async def deliver(
    system: System, folder: Path, *values: Transaction, again: bool = False, **more: Any
) -> list[Outcome]:
    async with connect(config_of(system.url, folder, **more)) as connector:
        return [await connector.deliver(value, again=again) for value in values]


def receipt(*rows: Line, order: str = "4500000001", **more: Any) -> Receipt:
    return Receipt(lines=rows or lines(), documents=of("po", order), **more)


def moved(seq: int = 1) -> Transaction:
    return transaction(seq, Transfer(lines=lines(), from_location="DOCK", to_location="A-01"))


def shipment(*rows: Line, number: str = "80000001") -> Shipment:
    return Shipment(packages=PARCEL, lines=rows, documents=of("pick_list", number))


def every(quantity: str = "100", **more: str) -> tuple[Line, ...]:
    """Lines of each item of a delivery."""
    return tuple(lines(sku, more.get(sku, quantity))[0] for sku in SKUS)


def refused(outcome: Outcome, code: str, *words: str) -> None:
    assert isinstance(outcome, Refused), outcome
    assert outcome.code == code
    assert all(word in outcome.text for word in words), outcome.text


def undone(seq: int, reverses: int) -> Transaction:
    return transaction(seq, Reversal(reverses=name(reverses)))
