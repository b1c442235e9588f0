"""Rounds against real books, on SQLite and on PostgreSQL: what was tampered with is found."""

import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Executable, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import create_async_engine

from bridge.connectors import sql
from bridge.connectors.sql import tables
from bridge.database import Database
from bridge.decisions import Which
from bridge.ledger import Ledger, open_ledger
from bridge.posting import Result
from bridge.reconciliation import Reconciled, close, kpis
from bridge.reconciliation.config import ReconciliationTable
from bridge.reconciliation.rounds import Target, reconcile
from contract.transactions import Event, Reversal
from tests.bridge import postgresql
from tests.bridge.connectors.test_sql import EVERY_EVENT
from tests.bridge.goods import event_of
from tests.bridge.reconciliation.moving import Moving
from tests.bridge.streams import envelope, name, transaction

PROGRAMS = postgresql.programs()
TABLE = ReconciliationTable(every=60.0, stock=True)
KINDS = ("receipt", "putaway", "pick", "shipment", "transfer", "adjustment", "return", "assembly")


@pytest.fixture(scope="module")
def server() -> Iterator[str | None]:
    if PROGRAMS is None:
        yield None
        return
    pytest.importorskip("psycopg")
    with postgresql.running(PROGRAMS) as url:
        yield url


@dataclass
class House:
    """A ledger, the books it is posted into, and a clock."""

    ledger: Ledger
    config: sql.Config
    clock: Moving
    books: Database
    seq: int = 0

    async def post(self, *events: Event) -> None:
        """Let these events happen, and book them."""
        first = self.seq + 1
        made = [transaction(first + place, each) for place, each in enumerate(events)]
        self.seq += len(made)
        await self.ledger.apply(envelope(first, made))
        self.clock.pass_by(seconds=1)
        begun = await self.ledger.begin(list(range(first, self.seq + 1)))
        async with sql.connect(self.config) as target:
            given = [attempt.transaction for attempt in begun]
            outcomes = await target.deliver_many(given, again=False)
        self.clock.pass_by(seconds=1)
        pairs = zip(begun, outcomes, strict=True)
        await self.ledger.settle(*[Result(attempt, outcome) for attempt, outcome in pairs])
        self.clock.pass_by(seconds=1)

    async def round(self) -> Reconciled:
        self.clock.pass_by(hours=1)
        config = self.config
        source = partial(sql.read, config)
        target = Target("sql", sql.CAPABILITIES, source, lambda given: sql.moves(given, config))
        return await reconcile(self.ledger, target, TABLE, self.clock)

    async def tamper(self, *statements: Executable) -> None:
        async with self.books.write() as connection:
            for statement in statements:
                await connection.execute(statement)


@pytest.fixture(params=["sqlite", "postgresql"])
async def house(
    request: pytest.FixtureRequest, server: str | None, tmp_path: Path
) -> AsyncIterator[House]:
    if request.param == "sqlite":
        ledger_url, url = (f"sqlite+aiosqlite:///{tmp_path / file}" for file in ("l.db", "s.db"))
    elif server is None:
        pytest.skip("no PostgreSQL server is installed")
    else:
        names = [f"{part}{abs(hash(request.node.name))}" for part in ("ledger", "books")]
        engine = create_async_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            for each in names:
                await connection.exec_driver_sql(f"CREATE DATABASE {each}")
        await engine.dispose()
        ledger_url, url = (f"{server}/{each}" for each in names)
    clock = Moving()
    config = sql.Config(connector="sql", url=SecretStr(url))
    books = Database(config.full_url, shared=True)
    async with open_ledger(ledger_url, clock) as ledger, sql.connect(config):
        yield House(ledger, config, clock, books)
    await books.close()


async def test_books_that_only_the_bridge_wrote_are_as_they_should_be(house: House) -> None:
    await house.post(*(event for event, _ in EVERY_EVENT))
    assert (await house.round()).findings == ()
    rng = random.Random(7)
    for _ in range(3):
        await house.post(*(event_of(rng.choice(KINDS), rng) for _ in range(15)))
        await house.post(event_of("count", rng), Reversal(reverses=name(house.seq - 3)))
        now = await house.round()
        assert [finding.text for finding in now.findings] == []
        assert now.errors == ()
        assert now.run is not None
        assert now.run.documents == now.run.entries == house.seq
        assert now.run.levels
    figures = await kpis(house.ledger, house.clock.now.replace(hour=0), house.clock.now)
    assert {each.name: each.value for each in figures} == {
        "order_accuracy": 1.0,
        "inventory_accuracy": 1.0,
        "bridge_availability": None,
        "target_availability": None,
        "processing_p50": 2.0,
        "processing_p95": 2.0,
        "delivery_p50": pytest.approx(7_200, abs=3_600),
        "delivery_p95": pytest.approx(14_400, abs=60),
        "backlog": 0.0,
        "backlog_age": 0.0,
        "dead_per_thousand": 0.0,
    }


async def test_what_was_tampered_with_is_found_and_mended(house: House) -> None:
    rng = random.Random(8)
    await house.post(*(event_of(rng.choice(KINDS), rng) for _ in range(30)))
    assert (await house.round()).findings == ()
    posting, moved, stock = tables.postings.c, tables.movements.c, tables.stock_on_hand.c
    async with house.books.read() as connection:
        [(item, place, lot, unit, hand)] = await connection.execute(
            select(tables.stock_on_hand).order_by(stock.item, stock.location).limit(1)
        )
        receipt = await connection.scalar(
            select(func.min(posting.transaction_id)).where(posting.type == "receipt")
        )
        line = (
            await connection.execute(
                select(moved.line, moved.quantity).where(moved.transaction_id == receipt)
            )
        ).first()
    assert line is not None
    assert receipt is not None
    lost = str(name(9)) if receipt != str(name(9)) else str(name(10))
    dead = transaction(house.seq + 1)
    house.seq += 1
    await house.ledger.apply(envelope(house.seq, [dead]))
    await house.ledger.discard(Which(numbers=[house.seq]), "anna", "by hand")
    here = (stock.item == item) & (stock.location == place) & (stock.lot == lot)
    first = (moved.transaction_id == receipt) & (moved.line == line.line)
    await house.tamper(
        delete(tables.postings).where(posting.transaction_id == lost),
        update(tables.movements).where(first).values(quantity=line.quantity + 3),
        update(tables.stock_on_hand).where(here, stock.unit == unit).values(quantity=hand + 7),
        insert(tables.postings).values(
            transaction_id=str(dead.id),
            gateway="dock-1",
            epoch=str(dead.epoch),
            seq=1,
            type="receipt",
        ),
    )
    now = await house.round()
    assert {(each.kind, each.subject) for each in now.findings} == {
        ("missing", lost),
        ("quantity_drift", receipt),
        ("quantity_drift", f"{item} ({unit}) at {place}"),
        ("duplicate", str(dead.id)),
    }
    words = " ".join(step.words for each in now.findings for step in each.plan)
    assert f"adjust it by -3 {unit}" in words
    assert f"adjust the ERP by -7 {unit}" in words
    await house.tamper(
        update(tables.movements).where(first).values(quantity=line.quantity),
        update(tables.stock_on_hand).where(here, stock.unit == unit).values(quantity=hand),
        delete(tables.postings).where(posting.transaction_id == str(dead.id)),
    )
    [last] = (await house.round()).findings
    assert await close(house.ledger, last.number, "anna", "written off")
    after = await house.round()
    assert after.findings == ()
    assert [each.closed_by for each in after.closed].count("anna") == 1
