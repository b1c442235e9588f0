"""What reads an ERP is counted among the calls it allows on a day, and leaves room for bookings."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge import daemon, registry
from bridge.allowance import EVERY, Allowance, of_readings
from bridge.budgets import Spent
from bridge.conditions import Limits
from bridge.config import load
from bridge.connector import Capabilities, Source
from bridge.errors import BridgeError, SourceFailed
from bridge.ledger import Ledger, open_ledger, visit_ledger
from bridge.reconciliation.config import ReconciliationTable
from bridge.reconciliation.rounds import Target, reconcile
from bridge.terms import Terms
from bridge.wire import sent
from contract.reference import ItemRecord
from tests.bridge.reconciliation.erp import Erp
from tests.bridge.running import LONG, running
from tests.bridge.streams import run_of
from tests.bridge.targets import ScriptedTarget
from tests.bridge.turned import NOON, Turned
from tests.mosquitto import Mosquitto

TODAY = NOON.date().isoformat()


class Paged(Erp):
    """An ERP that asks one call for each item, so many of them."""

    pages = 0
    closed = False

    async def items(self) -> AsyncIterator[ItemRecord]:
        for page in range(self.pages):
            sent(f"GET /items?page={page}")
            yield ItemRecord(sku=f"S{page}")

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator["Paged"]:
        sent("POST /login")
        try:
            yield self
        finally:
            self.closed = True


@pytest.fixture
def clock() -> Turned:
    return Turned()


@pytest.fixture
async def ledger(tmp_path: Path, clock: Turned) -> AsyncIterator[Ledger]:
    async with open_ledger(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}", clock) as opened:
        yield opened


def erp_of(pages: int) -> Paged:
    erp = Paged()
    erp.pages = pages
    return erp


async def items_of(
    erp: Paged, ledger: Ledger, clock: Turned, limits: Limits, *, asked: bool = False
) -> list[str]:
    opens = Allowance(ledger, "erp", limits, clock).counted(erp.read, asked=asked)
    opened: contextlib.AbstractAsyncContextManager[Source] | None = opens()
    assert opened is not None
    async with opened as source:
        return [str(item.sku) async for item in source.items()]


async def made(ledger: Ledger) -> tuple[int, int]:
    return await ledger.calls_on("erp", TODAY), await ledger.calls_on(of_readings("erp"), TODAY)


async def test_what_a_reading_asks_counts_among_the_calls_of_the_day(
    ledger: Ledger, clock: Turned
) -> None:
    await ledger.spend(Spent("erp", TODAY, 5))
    found = await items_of(erp_of(3), ledger, clock, Limits(per_day=100))
    assert found == ["S0", "S1", "S2"]
    assert await made(ledger) == (5 + 4, 4)


async def test_without_a_budget_nothing_is_counted(ledger: Ledger, clock: Turned) -> None:
    assert len(await items_of(erp_of(3), ledger, clock, Limits())) == 3
    assert await made(ledger) == (0, 0)


async def test_a_used_up_budget_is_left_to_the_next_day(ledger: Ledger, clock: Turned) -> None:
    await ledger.spend(Spent("erp", TODAY, 100))
    erp = erp_of(3)
    with pytest.raises(SourceFailed, match="budget of 100 calls is used up"):
        await items_of(erp, ledger, clock, Limits(per_day=100))
    assert not erp.closed, "it was not even opened"
    assert await made(ledger) == (100, 0)
    clock.now += timedelta(days=1)
    assert len(await items_of(erp, ledger, clock, Limits(per_day=100))) == 3


async def test_a_long_reading_ends_at_its_part_and_leaves_the_rest_to_bookings(
    ledger: Ledger, clock: Turned
) -> None:
    erp = erp_of(200)
    with pytest.raises(SourceFailed, match="of the 40 they may make"):
        await items_of(erp, ledger, clock, Limits(per_day=80))
    assert erp.closed
    total, read = await made(ledger)
    assert total == read
    assert 40 <= read < 40 + EVERY
    with pytest.raises(SourceFailed, match="the rest is for bookings"):
        await items_of(erp_of(1), ledger, clock, Limits(per_day=80))


async def test_a_person_s_reading_is_counted_and_not_held_back(
    ledger: Ledger, clock: Turned
) -> None:
    await ledger.spend(Spent("erp", TODAY, 100))
    found = await items_of(erp_of(25), ledger, clock, Limits(per_day=100), asked=True)
    assert len(found) == 25
    assert await made(ledger) == (126, 26)


async def test_what_a_broken_reading_asked_is_counted(ledger: Ledger, clock: Turned) -> None:
    opens = Allowance(ledger, "erp", Limits(per_day=100), clock).counted(erp_of(0).read)
    opened = opens()
    assert opened is not None
    with pytest.raises(SourceFailed, match="went away"):
        async with opened:
            raise SourceFailed("the ERP went away")
    assert await made(ledger) == (1, 1)


async def test_a_round_that_is_held_back_says_so_and_concludes_nothing(
    ledger: Ledger, clock: Turned
) -> None:
    await ledger.spend(Spent("erp", TODAY, 100))
    can = Capabilities("real", "key", frozenset(), reads=frozenset({"booked"}))
    allowance = Allowance(ledger, "erp", Limits(per_day=100), clock)
    target = Target("erp", can, allowance.counted(erp_of(0).read))
    found = await reconcile(ledger, target, ReconciliationTable(), clock)
    [error] = found.errors
    assert error == "documents: the daily budget of 100 calls is used up until 00:00 UTC"
    assert not found.findings


async def test_a_reading_brings_bookings_to_a_halt_where_it_used_up_the_day(
    ledger: Ledger, clock: Turned
) -> None:
    """The dispatcher hears of calls that it did not make itself."""
    target = ScriptedTarget()
    async with running(ledger, target, Terms(name="erp", per_day=10), clock) as run:
        await ledger.apply(run_of(1, 1))
        await run.until_posted(1)
        await items_of(erp_of(9), ledger, clock, Limits(per_day=10), asked=True)

        async def heard() -> bool:
            return run.dispatcher.gate.spent >= 10

        await run.until(heard)
        await ledger.apply(run_of(2, 2))

        async def held() -> bool:
            return "budget" in run.dispatcher.gate.why

        await run.until(held)
        clock.now += timedelta(days=1)
        clock.pass_by(3_600)
        await run.until_posted(2)
    assert target.seqs == [1, 2]


READABLE = """
import contextlib
from typing import Literal
from pydantic import BaseModel
from bridge.connector import Capabilities
from bridge.wire import sent
from contract.reference import ItemRecord

class Config(BaseModel):
    connector: Literal["pagedbooks"]

CAPABILITIES = Capabilities("real", "key", frozenset(), reads=frozenset({"items"}))

class Books:
    async def items(self):
        sent("GET /items")
        yield ItemRecord(sku="BOLT-8")

@contextlib.asynccontextmanager
async def read(config):
    yield Books()

@contextlib.asynccontextmanager
async def connect(config):
    yield None

def document(transaction, config): ...
"""
SITE = """
site = "north"
ledger = "{folder}/ledger.db"
[broker]
url = "{broker}"
[target]
connector = "pagedbooks"
[limits]
per_day = 100
[reference]
source = "target"
[web]
enabled = false
"""


@pytest.fixture
def pagedbooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A connector of another package, installed as pip would."""
    site = tmp_path / "site"
    info = site / "pagedbooks-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "pagedbooks.py").write_text(READABLE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pagedbooks\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{registry.GROUP}]\npagedbooks = pagedbooks\n")
    monkeypatch.syspath_prepend(site)
    registry._brought.cache_clear()
    yield
    registry._brought.cache_clear()


async def test_the_bridge_counts_what_it_reads_for_its_stations(
    tmp_path: Path, mosquitto: Mosquitto, pagedbooks: None
) -> None:
    file = tmp_path / "bridge.toml"
    file.write_text(SITE.format(folder=tmp_path, broker=mosquitto.url))
    config = load(file)
    task = asyncio.create_task(daemon.run(config))
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    try:
        async with asyncio.timeout(LONG):
            read = 0
            while not read:
                await asyncio.wait([task], timeout=0.05)
                assert not task.done()
                with contextlib.suppress(BridgeError):  # it is being made
                    async with visit_ledger(config.ledger.full_url) as ledger:
                        read = await ledger.calls_on(of_readings("pagedbooks"), day)
                        read += await ledger.calls_on(of_readings("pagedbooks"), _next(day))
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert read == 1


def _next(day: str) -> str:
    """The day after, should midnight pass meanwhile."""
    return (datetime.fromisoformat(day) + timedelta(days=1)).date().isoformat()
