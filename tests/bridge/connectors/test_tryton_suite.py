"""The suite of all connectors against a real Tryton, through a relay with faults."""

import contextlib
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bridge.connectors.tryton import Config
from bridge.outcome import Posted, TryLater, Unknown
from contract.transactions import (
    Adjustment,
    Assembly,
    Count,
    Event,
    Pack,
    Putaway,
    Receipt,
    Transaction,
    Transfer,
)
from contract.values import Document, Line
from tests.bridge.connectors import suite
from tests.bridge.connectors.suite import ConnectorSuite, Stage
from tests.bridge.streams import name
from tests.fakes.vendor import Faults
from tests.prove.relay import Relay
from tests.tryton.office import Tryton
from tests.tryton.scans import GADGET, WIDGET, line

pytest_plugins = ["tests.tryton.fixtures"]
pytestmark = [pytest.mark.tryton, pytest.mark.timeout(900)]  # the first test may have to build it

PLACES = ("A-01-01", "A-01-02")
ROUNDS = itertools.count(1)


class TestOfTryton(ConnectorSuite):
    name = "tryton"
    many = 21
    # A wire that carries one POST twice is not survived without the module, only noticed.
    faults: ClassVar[dict[str, float]] = {**ConnectorSuite.faults, "doubled": 0.0}
    # A shipment, a return and a reversal need what was booked before: `test_tryton_modes`.
    left_out = frozenset({"shipment", "return", "reversal"})

    @pytest.fixture(autouse=True)
    def _has_a_server(self, tryton: Tryton, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tryton = tryton
        type(self).secrets = (tryton.settings()["api_key"],)
        # One database for all of them: each test's transactions have ids of their own.
        salt, plain = next(ROUNDS), suite.transaction

        def salted(seq: int, event: Event) -> Transaction:
            return plain(seq, event).model_copy(update={"id": name(seq, salt)})

        monkeypatch.setattr(suite, "transaction", salted)
        self.ids = {str(name(seq, salt)) for seq in range(1, 200)}
        tryton.office.put("widget", "STO", 100_000)
        for place in PLACES:
            tryton.office.put("widget", place, 10_000)
        self.before = tryton.office.stock()

    def config(self, url: str, folder: Path) -> Config:
        return Config.model_validate(self.tryton.settings(url=url, timeout=60, settle=0.1))

    @contextlib.asynccontextmanager
    async def serving(self, folder: Path, faults: Faults) -> AsyncIterator[Stage]:
        async with Relay(self.tryton.server.url, faults).serving() as relay:
            config = self.config(relay.url, folder)
            yield Stage(config, self._effects, self._moved, relay, relay.settled)

    def _effects(self) -> Mapping[str, int]:
        found = {
            each: [state for _, _, state in self.tryton.office.papers(each)] for each in self.ids
        }
        return {
            each: sum(state in {"done", "packed"} for state in states)
            for each, states in found.items()
            if states
        }

    def _moved(self) -> Mapping[str, float]:
        moved: dict[str, float] = {}
        after = self.tryton.office.stock()
        for key in self.before.keys() | after.keys():
            product, place, _ = key
            where = f"{product} {place}"
            more = after.get(key, 0) - self.before.get(key, 0)
            moved[where] = round(moved.get(where, 0) + more, 6)
        return {key: amount for key, amount in moved.items() if amount}

    def event(self, kind: str, rng: random.Random) -> Event:
        some = (line(WIDGET, str(rng.randint(1, 9))),)
        here, there = rng.sample(PLACES, 2)
        match kind:
            case "receipt":
                order = self.tryton.office.order(widget=10)
                return Receipt(lines=some, documents=(Document(kind="po", number=order),))
            case "pack":
                order = self.tryton.office.sell(widget=10)
                return Pack(lines=some, documents=(Document(kind="so", number=order),))
            case "transfer":
                return Transfer(lines=some, from_location=here, to_location=there)
            case "putaway":
                return Putaway(lines=some, to_location=there)
            case "adjustment":
                return Adjustment(lines=some, location=here, direction="increase", reason="found")
            case "count":
                found = str(rng.randint(9_000, 11_000))
                return Count(lines=(line(WIDGET, found),), location=here)
            case "assembly":
                return Assembly(consumed=some, produced=(line(GADGET, "1"),), location=here)
        raise AssertionError(kind)

    def expected(self, given: Sequence[Transaction]) -> Mapping[str, Any]:
        begun = dict.fromkeys(PLACES, 10_000.0) | {"STO": 100_000.0}
        stock = dict(begun)
        gadgets: Counter[str] = Counter()
        out = 0.0
        for value in given:
            event = value.event
            match event:
                case Receipt():
                    stock["STO"] += _sum(event.lines)
                case Pack():
                    stock["STO"] -= _sum(event.lines)
                    out += _sum(event.lines)
                case Transfer():
                    stock[str(event.from_location)] -= _sum(event.lines)
                    stock[str(event.to_location)] += _sum(event.lines)
                case Putaway():
                    stock["STO"] -= _sum(event.lines)
                    stock[str(event.to_location)] += _sum(event.lines)
                case Adjustment():
                    stock[str(event.location)] += _sum(event.lines)
                case Count():
                    stock[str(event.location)] = _sum(event.lines)
                case Assembly():
                    stock[str(event.location)] -= _sum(event.consumed)
                    gadgets[str(event.location)] += int(_sum(event.produced))
        moved = {f"widget {place}": stock[place] - begun[place] for place in stock}
        moved |= {f"gadget {place}": float(amount) for place, amount in gadgets.items()}
        moved["widget OUT"] = out
        return {key: amount for key, amount in moved.items() if amount}

    async def test_what_is_answered_too_late_is_booked_once(self, tmp_path: Path) -> None:
        async with self.staged(tmp_path) as (stage, connector):
            vendor = self._vendor(stage)
            value = suite.transaction(1, self.event("transfer", random.Random(7)))
            vendor.faults.next = ["slow"]
            vendor.faults.slow_by = 3.0
            hurried = stage.config.model_copy(update={"timeout": 1.0})
            async with self.module.connect(hurried) as impatient:
                outcome = await impatient.deliver(value, again=False)
                assert isinstance(outcome, Unknown | TryLater), outcome
            vendor.faults.next = []
            await stage.settled()
            assert isinstance(await connector.deliver(value, again=True), Posted)
            assert stage.effects() == {self.effect_of(value): 1}


def _sum(lines: Sequence[Line]) -> float:
    return float(sum(each.quantity.value for each in lines))
