"""What a person knows of an entry finds it, in bounded time, however large the ledger is."""

import itertools
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from bridge import search as searching
from bridge.ledger import Ledger, open_ledger
from bridge.search import Wanted
from contract.values import Item, Line, Quantity
from runtime.clock import Clock
from tests.bridge import postgresql
from tests.bridge.streams import envelope, name, receipt, run_of, transaction

HOSTILE = 'say "50%_\\" <b>'


class Calendar(Clock):
    """A minute goes by with each look at the wall."""

    def __init__(self) -> None:
        super().__init__()
        self.day = datetime(2026, 11, 1, tzinfo=UTC)

    def utc(self) -> datetime:
        self.day += timedelta(minutes=1)
        return self.day


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    """The server's URL; empty for SQLite, which has none."""
    if request.param == "sqlite":
        yield ""
        return
    pytest.importorskip("psycopg")
    programs = postgresql.programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed")
    with postgresql.running(programs) as url:
        yield url


@pytest.fixture
async def ledger(server: str, tmp_path: Path) -> AsyncIterator[Ledger]:
    url = f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}"
    if server:
        name = f"test{uuid4().hex}"
        engine = create_async_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            await connection.exec_driver_sql(f"CREATE DATABASE {name}")
        await engine.dispose()
        url = f"{server}/{name}"
    async with open_ledger(url, Calendar()) as opened:
        yield opened


async def numbers(ledger: Ledger, wanted: Wanted) -> list[int]:
    return [row["number"] for row in (await ledger.search(wanted)).rows]


async def test_what_a_label_said_finds_the_entry(ledger: Ledger) -> None:
    line = Line(item=Item(gtin="04006381333931"), quantity=Quantity(value="1"), lot="L-7")
    said = receipt("PO-77").model_copy(update={"lines": (line,)})
    rows = [
        transaction(1),
        transaction(2, said),
        transaction(3, receipt(HOSTILE)),
        transaction(4, receipt("Größe")),
    ]
    await ledger.apply(envelope(1, rows))
    for text in ("PO-77", "O-7", "4006381333931", "L-7"):
        assert await numbers(ledger, Wanted(text=text)) == [2], text
    assert await numbers(ledger, Wanted(text=HOSTILE)) == [3]
    assert await numbers(ledger, Wanted(text="Größe")) == [4]
    assert await numbers(ledger, Wanted(text="%")) == [3]
    assert await numbers(ledger, Wanted(id=name(2))) == [2]
    assert await numbers(ledger, Wanted(id=name(9))) == []
    assert await numbers(ledger, Wanted(number=4)) == [4]
    assert await numbers(ledger, Wanted()) == [4, 3, 2, 1]


async def test_states_and_places_narrow_it(ledger: Ledger) -> None:
    there = [transaction(seq, id=name(seq, 1), gateway="dock-2") for seq in (1, 2)]
    await ledger.apply(run_of(1, 4), envelope(1, there, gateway="dock-2"))
    await ledger.apply(envelope(5, [{"event": "of a newer program"}]))
    await ledger.discard(3, "anna", "a test")
    await ledger.begin([1])
    assert await numbers(ledger, Wanted(state="in line")) == [6, 5, 4, 2]
    assert await numbers(ledger, Wanted(state="unclear")) == [1]
    assert await numbers(ledger, Wanted(state="discarded")) == [3]
    assert await numbers(ledger, Wanted(state="dead")) == [7]
    assert await numbers(ledger, Wanted(state="posted")) == []
    assert await numbers(ledger, Wanted(gateway="dock-2")) == [6, 5]
    assert await numbers(ledger, Wanted(station="bench", type="receipt", state="in line")) == [
        6, 5, 4, 2,
    ]  # fmt: skip
    assert await numbers(ledger, Wanted(station="nowhere")) == []
    assert await numbers(ledger, Wanted(code="discarded")) == [3]


async def test_pages_follow_each_other_without_a_gap(ledger: Ledger) -> None:
    await ledger.apply(run_of(1, 25))
    met: list[int] = []
    below: int | None = None
    for size in itertools.repeat(10):
        page = await ledger.search(Wanted(), size, below)
        met += [row["number"] for row in page.rows]
        below = page.further
        if below is None:
            break
    assert met == list(range(25, 0, -1))


async def test_a_day_in_the_past_is_found_without_reading_the_days_after(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "DISORDER", 2)
    for first in range(1, 201, 10):
        await ledger.apply(run_of(first, first + 9))
    every = (await ledger.search(Wanted(), 200)).rows
    at = {row["number"]: row["received_at"] for row in every}
    some = Wanted(since=at[51], until=at[71])
    assert await numbers(ledger, some) == list(range(70, 50, -1))
    assert await numbers(ledger, Wanted(until=at[1])) == []
    assert await numbers(ledger, Wanted(since=at[200] + timedelta(days=1))) == []
    assert await numbers(ledger, Wanted(since=at[200])) == list(range(200, 190, -1))


async def test_a_search_in_vain_ends_in_time_and_says_where_to_go_on(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "WINDOW", 10)
    await ledger.apply(envelope(1, [transaction(1, receipt("FIRST"))]))
    await ledger.apply(run_of(2, 100))
    seconds = itertools.count(0.0, searching.LOOK_S / 3)
    async with ledger._reading() as connection:
        wanted = Wanted(text="FIRST")
        page = await searching.search(connection, wanted, 5, now=lambda: next(seconds))
        assert (page.rows, page.further) == ([], 81)
        page = await searching.search(connection, wanted, 5, page.further)
        assert [row["number"] for row in page.rows] == [1]
        assert page.further is None
