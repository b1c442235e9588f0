"""What the bridge says a booking adds to Tryton's stock is what it adds there."""

import json
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bridge.connectors.tryton import CAPABILITIES, Config, connect, moves, read
from bridge.errors import SourceFailed
from bridge.ledger import Ledger, open_ledger
from bridge.outcome import Posted
from bridge.posting import Result
from bridge.reconciliation import Reconciled
from bridge.reconciliation.config import ReconciliationTable
from bridge.reconciliation.rounds import Target, reconcile
from contract.transactions import Putaway, Receipt, Transaction
from contract.values import Document, Item
from tests.bridge.connectors.test_tryton_document import config
from tests.bridge.connectors.test_tryton_modes import KINDS, case_of
from tests.bridge.reconciliation.moving import Moving
from tests.bridge.streams import envelope
from tests.bridge.streams import transaction as streamed
from tests.tryton.delivering import Stock, deliver, lay_in
from tests.tryton.office import Tryton
from tests.tryton.scans import BEANS, GADGET, WIDGET, adjustment, assembled, count, line, transfer

pytest_plugins = ["tests.tryton.fixtures"]
pytestmark = [pytest.mark.tryton, pytest.mark.timeout(900)]  # the first test may have to build it

HERE, THERE = "A-01-01", "A-01-02"
NATIVE = pytest.mark.parametrize("either", ["native"], indirect=True, scope="module")
MODULE = pytest.mark.parametrize("either", ["module"], indirect=True, scope="module")
Levels = dict[tuple[str, str, str], Decimal]
SKUS = {"04006381333931": "WID-1", "05901234123457": "SER-1", "09506000134352": "BAG-1"}
TABLE = ReconciliationTable(every=60.0, stock=True)


def with_skus(scanned: Transaction) -> Transaction:
    """Return it as a bridge has it that knows which SKU each GTIN is."""

    def known(value: Any) -> Any:
        if isinstance(value, dict):
            more = {"sku": SKUS[value["gtin"]]} if value.get("gtin") else {}
            return {key: known(each) for key, each in value.items()} | more
        return [known(each) for each in value] if isinstance(value, list) else value

    return Transaction.model_validate_json(json.dumps(known(scanned.model_dump(mode="json"))))


def settings(tryton: Tryton, **changes: Any) -> Config:
    return Config.model_validate(tryton.settings(**{"storage": "STO"} | changes))


async def levels(tryton: Tryton) -> Levels:
    """Return what lies where, lots together."""
    found: Levels = defaultdict(Decimal)
    async with read(settings(tryton)) as source:
        async for row in source.stock():
            found[row.sku, row.location, row.unit] += row.quantity
    return found


def changed(before: Levels, after: Levels) -> Levels:
    keys = before.keys() | after.keys()
    more = {key: after.get(key, Decimal(0)) - before.get(key, Decimal(0)) for key in keys}
    return {key: each for key, each in more.items() if each}


@pytest.fixture
def stocked(either: Tryton) -> Tryton:
    wanted: Stock = {(product, HERE, None): 10 for product in ("widget", "beans", "coffee")}
    wanted |= {("serum", HERE, "A7"): 10, ("serum", "STO", "A7"): 100, ("widget", "STO", None): 100}
    lay_in(either, wanted)
    return either


CLEAR = frozenset({"receipt", "transfer", "adjustment", "return", "assembly"})
"""Types of which all is said beforehand."""


@NATIVE
@pytest.mark.parametrize("kind", [each for each in KINDS if not each.startswith("reversal")])
async def test_what_is_said_is_what_tryton_adds(stocked: Tryton, kind: str) -> None:
    case = case_of(kind, stocked)
    for each in case.before:
        assert isinstance(await deliver(stocked, with_skus(each)), Posted)
    scanned = with_skus(case.scanned)
    before = await levels(stocked)

    said = moves(scanned, settings(stocked))
    assert isinstance(await deliver(stocked, scanned), Posted)

    after = changed(before, await levels(stocked))
    clear: Levels = defaultdict(Decimal)
    unclear = {(item, place) for item, place, _, amount in said if amount is None}
    for item, place, unit, amount in said:
        if amount is not None:
            clear[item, place, unit] += amount
    assert bool(unclear) == (kind not in CLEAR | {"shipment"})
    anywhere = {item for item, place in unclear if place == "?"}
    left = {
        key: amount
        for key, amount in after.items()
        if key[0] not in anywhere and key[:2] not in unclear
    }
    assert left == {key: amount for key, amount in clear.items() if key[0] not in anywhere}
    assert bool(left) == (kind in CLEAR)
    assert bool(after) == (kind != "shipment")


class House:
    """A ledger, and the Tryton it is posted to."""

    def __init__(self, ledger: Ledger, clock: Moving, tryton: Tryton) -> None:
        self._ledger = ledger
        self._clock = clock
        self._config = settings(tryton)
        self._seq = 0

    async def post(self, *scanned: Transaction) -> None:
        first = self._seq + 1
        made = [streamed(first + n, with_skus(each).event) for n, each in enumerate(scanned)]
        self._seq += len(made)
        await self._ledger.apply(envelope(first, made))
        self._clock.pass_by(seconds=1)
        async with connect(self._config) as target:
            for attempt in await self._ledger.begin(list(range(first, self._seq + 1))):
                outcome = await target.deliver(attempt.transaction, again=False)
                assert isinstance(outcome, Posted), outcome
                self._clock.pass_by(seconds=1)
                await self._ledger.settle(Result(attempt, outcome))
        self._clock.pass_by(seconds=1)

    async def round(self) -> Reconciled:
        self._clock.pass_by(hours=1)
        target = Target(
            "tryton",
            CAPABILITIES,
            lambda: read(self._config),
            lambda given: moves(given, self._config),
        )
        return await reconcile(self._ledger, target, TABLE, self._clock)


def drift(now: Reconciled) -> list[str]:
    assert now.errors == ()
    assert now.run is not None
    assert now.run.levels
    return [each.subject for each in now.findings if each.kind == "quantity_drift"]


@MODULE
async def test_stock_that_only_the_bridge_moves_does_not_drift_and_what_another_moves_does(
    stocked: Tryton, tmp_path: Path
) -> None:
    office, clock = stocked.office, Moving()
    async with open_ledger(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}", clock) as ledger:
        house = House(ledger, clock, stocked)
        await house.post(transfer(HERE, THERE, line(WIDGET, "1")))
        await house.round()
        assert drift(await house.round()) == []

        for kind in sorted(CLEAR):
            case = case_of(kind, stocked)
            await house.post(*case.before, case.scanned)
        await house.post(
            assembled((line(WIDGET, "1"),), (line(GADGET, "1"),), HERE),
            adjustment("decrease", HERE, line(BEANS, "0.25", "KGM")),
        )
        assert drift(await house.round()) == []

        case = case_of("pack", stocked)
        await house.post(case.scanned, count(THERE, line(WIDGET, "3")))
        assert drift(await house.round()) == []

        office.put("beans", HERE, 2)
        assert drift(await house.round()) == ["BEAN-1 (KGM) at A-01-01"]


@NATIVE
async def test_what_is_packed_is_not_shown_as_stock(stocked: Tryton) -> None:
    case = case_of("pack", stocked)
    assert isinstance(await deliver(stocked, case.scanned), Posted)
    assert stocked.office.on_hand("widget", "OUT")

    assert "OUT" not in {place for _, place, _ in await levels(stocked)}


@NATIVE
@pytest.mark.parametrize("wrong", ["A-01-01", "NOWHERE"])
async def test_a_storage_that_is_not_the_warehouses_is_told(stocked: Tryton, wrong: str) -> None:
    async with read(settings(stocked, storage=wrong)) as source:
        with pytest.raises(SourceFailed, match="STO"):
            _ = [each async for each in source.stock()]


# Without a Tryton


def test_what_goes_to_a_storage_that_nobody_named_lies_only_tryton_knows_where() -> None:
    document = Document(kind="po", number="PO-1")
    came = Receipt(documents=(document,), lines=(line(Item(sku="S"), "2"),))

    given = streamed(1, came)

    assert moves(given, config()) == [("S", "?", "EA", None)]
    assert moves(given, config(storage="STO")) == [("S", "STO", "EA", Decimal(2))]


def test_what_is_taken_from_storage_comes_from_any_place_in_it() -> None:
    stored = Putaway(from_location="STO", to_location="A", lines=(line(Item(sku="S"), "2"),))

    said = moves(streamed(1, stored), config(storage="STO"))

    assert said == [("S", "?", "EA", None), ("S", "A", "EA", Decimal(2))]


def test_of_an_item_without_a_sku_nothing_is_said_of_how_much() -> None:
    said = moves(transfer("A", "B", line(WIDGET, "2")), config())

    assert said == [(WIDGET.gtin, "A", "EA", None), (WIDGET.gtin, "B", "EA", None)]


def test_a_unit_of_several_codes_goes_by_the_one_that_stock_is_shown_in() -> None:
    said = moves(adjustment("increase", "A", line(Item(sku="S"), "2", "C62")), config())

    assert said == [("S", "A", "EA", Decimal(2))]
