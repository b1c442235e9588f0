import asyncio
import contextlib
import sqlite3
import tempfile
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from bridge.connector import BatchConnector
from bridge.connectors.sql import Config, Movement, SqlTarget, connect, document
from bridge.outcome import Outcome, Posted, Refused, TryLater
from contract.transactions import (
    Adjustment,
    Assembly,
    Count,
    Event,
    Pack,
    Package,
    Pick,
    Putaway,
    Reading,
    Receipt,
    Return,
    Reversal,
    Shipment,
    Transaction,
    Transfer,
    Weighing,
)
from contract.values import Document, Item, Line, Quantity, Weight
from tests.bridge.streams import lines, name, transaction

KILO = Weight(value=Decimal("1.250"), unit="kg", unit_code="KGM")
SSCC = "340123450000000017"


def config(folder: Path, **more: Any) -> Config:
    return Config(
        connector="sql", url=SecretStr(f"sqlite+aiosqlite:///{folder / 'stock.db'}"), **more
    )


@pytest.fixture
async def target(tmp_path: Path) -> AsyncIterator[SqlTarget]:
    async with connect(config(tmp_path)) as opened:
        yield opened


async def deliver(target: SqlTarget, *events: Event) -> list[Outcome]:
    """Deliver these one after the other as transactions 1, 2, 3 ..."""
    return [
        await target.deliver(transaction(seq, event), again=False)
        for seq, event in enumerate(events, start=1)
    ]


async def stock(target: SqlTarget) -> dict[str, str]:
    return {row["location"]: row["quantity"] for row in await target.on_hand()}


def rows(folder: Path, query: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(folder / "stock.db")) as connection:
        return connection.execute(query).fetchall()


def found(location: str, *quantities: str) -> Count:
    return Count(
        location=location, lines=tuple(line for q in quantities for line in lines(quantity=q))
    )


EVERY_EVENT: list[tuple[Event, dict[str, str]]] = [
    (Receipt(lines=lines(), to_location="DOCK"), {"DOCK": "2"}),
    (Receipt(lines=lines()), {"RECEIVING": "2"}),
    (Putaway(lines=lines(), to_location="A-1"), {"A-1": "2", "RECEIVING": "-2"}),
    (Pick(lines=lines(), from_location="A-1"), {"A-1": "-2", "STAGING": "2"}),
    (Pack(lines=lines(), sscc=SSCC), {}),
    (Shipment(packages=(Package(sscc=SSCC, weight=KILO),), lines=lines()), {"STAGING": "-2"}),
    (Shipment(packages=(Package(tracking="1Z"), Package(weight=KILO))), {}),
    (Transfer(lines=lines(), from_location="A", to_location="B"), {"A": "-2", "B": "2"}),
    (Transfer(lines=lines(), from_location="A", to_location="A"), {"A": "0"}),
    (found("A", "7.5"), {"A": "7.5"}),
    (found("A", "0"), {"A": "0"}),
    (
        Adjustment(lines=lines(), location="A", direction="decrease", reason="broken"),
        {"A": "-2"},
    ),
    (Adjustment(lines=lines(), direction="increase", reason="found"), {"STORAGE": "2"}),
    (Return(lines=lines()), {"RETURNS": "2"}),
    (Assembly(produced=lines(sku="KIT"), consumed=lines(), location="A"), {"A": "2"}),
    (Weighing(weight=KILO, sscc=SSCC), {}),
    (
        Reading(
            text="hello \0 world", item=Item(sku="BOLT-8"), quantity=Quantity(value=Decimal(3))
        ),
        {},
    ),
]


def test_every_event_of_the_contract_is_tried_here() -> None:
    union = get_args(Event)[0]
    assert {type(event) for event, _ in EVERY_EVENT} | {Reversal} == set(get_args(union))


@pytest.mark.parametrize(("event", "expected"), EVERY_EVENT)
async def test_an_event_moves_what_it_says_and_its_reversal_moves_it_back(
    target: SqlTarget, tmp_path: Path, event: Event, expected: dict[str, str]
) -> None:
    assert await deliver(target, event) == [Posted("")]
    kit = isinstance(event, Assembly)
    on_hand = [r for r in await target.on_hand() if not kit or r["item"] == "KIT"]
    assert {row["location"]: row["quantity"] for row in on_hand} == expected
    assert len(rows(tmp_path, "SELECT * FROM movements")) >= 1
    assert await deliver(target, event, Reversal(reverses=name(1))) == [Posted(""), Posted("")]
    assert {Decimal(row["quantity"]) for row in await target.on_hand()} <= {Decimal(0)}


def test_a_document_is_pure_and_says_everything_a_line_says(tmp_path: Path) -> None:
    line = Line(
        item=Item(gtin="04012345678901", sku="BOLT-8"),
        quantity=Quantity(value=Decimal("2.50"), unit="KGM"),
        lot="L1",
        serial="S1",
        document_line="10",
    )
    event = Pick(
        lines=(line,),
        from_location="A-1",
        documents=(Document(number="SO-1"), Document(number="SO-2")),
        weight=KILO,
        reason="rush",
        sscc=SSCC,
    )
    out, into = document(transaction(1, event), config(tmp_path))
    assert out == Movement(
        item="BOLT-8",
        gtin="04012345678901",
        sku="BOLT-8",
        lot="L1",
        serial="S1",
        sscc=SSCC,
        document="SO-1, SO-2",
        document_line="10",
        location="A-1",
        quantity=Decimal("-2.50"),
        unit="KGM",
        from_location="A-1",
        to_location="STAGING",
        weight=Decimal("1.250"),
        weight_unit="KGM",
        reason="rush",
    )
    assert (into.location, into.quantity, into.weight) == ("STAGING", Decimal("2.50"), None)
    [first, _] = document(transaction(1, event), config(tmp_path, item_key="gtin"))
    assert first.item == "04012345678901"


async def test_a_repeat_books_nothing_more(target: SqlTarget, tmp_path: Path) -> None:
    receipt = transaction(1, Receipt(lines=lines(), to_location="A"))
    for again in (False, True, True):
        assert await target.deliver(receipt, again=again) == Posted("")
    assert await stock(target) == {"A": "2"}
    assert len(rows(tmp_path, "SELECT * FROM movements")) == 1


async def test_eight_at_once_book_once(tmp_path: Path) -> None:
    receipts = [transaction(seq, Receipt(lines=lines(), to_location="A")) for seq in range(1, 6)]
    async with contextlib.AsyncExitStack() as stack:
        targets = [
            await stack.enter_async_context(connect(config(tmp_path, create_tables=n == 0)))
            for n in range(8)
        ]
        await asyncio.gather(*(target.deliver_many(receipts, again=False) for target in targets))
        await asyncio.gather(
            *(target.deliver(receipt, again=True) for target in targets for receipt in receipts)
        )
        assert await stock(targets[0]) == {"A": "10"}


async def test_a_count_books_the_difference(target: SqlTarget, tmp_path: Path) -> None:
    await deliver(
        target, Receipt(lines=lines(quantity="10"), to_location="A"), found("A", "4", "3.5")
    )
    assert await stock(target) == {"A": "7.5"}
    assert rows(tmp_path, "SELECT line, quantity, counted FROM movements WHERE type = 'count'") == [
        (1, "-2.5", "4"),
        (2, "0", "3.5"),
    ]


async def test_undoing_a_count_takes_back_its_difference_only(target: SqlTarget) -> None:
    await deliver(
        target,
        Receipt(lines=lines(quantity="10"), to_location="A"),
        found("A", "7"),
        Receipt(lines=lines(quantity="5"), to_location="A"),
        Reversal(reverses=name(2)),
    )
    assert await stock(target) == {"A": "15"}


async def test_a_reversal_of_what_is_not_here_is_refused(target: SqlTarget) -> None:
    [outcome] = await deliver(target, Reversal(reverses=name(99)))
    assert isinstance(outcome, Refused)
    assert outcome.code == "unknown_document"


async def test_nothing_is_undone_twice(target: SqlTarget) -> None:
    outcomes = await deliver(
        target,
        Receipt(lines=lines(), to_location="A"),
        Reversal(reverses=name(1)),
        Reversal(reverses=name(1)),
        Reversal(reverses=name(2)),
    )
    assert [getattr(outcome, "code", "") for outcome in outcomes] == [
        "",
        "",
        "refused",
        "unsupported",
    ]
    assert await stock(target) == {"A": "0"}


async def test_another_gateway_undoes_nothing(target: SqlTarget) -> None:
    await deliver(target, Receipt(lines=lines(), to_location="A"))
    other = transaction(2, Reversal(reverses=name(1)), gateway="dock-2")
    outcome = await target.deliver(other, again=False)
    assert isinstance(outcome, Refused)
    assert outcome.code == "forbidden"
    assert await stock(target) == {"A": "2"}


async def test_a_batch_sees_its_own_earlier_bookings(target: SqlTarget) -> None:
    assert isinstance(target, BatchConnector)
    batch = [
        transaction(1, Receipt(lines=lines(quantity="10"), to_location="A")),
        transaction(2, found("A", "7")),
        transaction(3, Reversal(reverses=name(1))),
        transaction(4, Reversal(reverses=name(77))),
        transaction(5, Receipt(lines=lines(quantity="1"), to_location="A")),
    ]
    outcomes = await target.deliver_many(batch, again=False)
    assert [type(outcome) for outcome in outcomes] == [Posted, Posted, Posted, Refused, Posted]
    assert await stock(target) == {"A": "-2"}
    assert await target.deliver_many(batch, again=True) == outcomes


async def test_quantities_are_exact_where_a_float_is_not(target: SqlTarget) -> None:
    tenths = [Receipt(lines=lines(quantity="0.1"), to_location="A")] * 3
    await deliver(target, *tenths, Receipt(lines=lines(quantity="99999999999.999999999")))
    assert await stock(target) == {"A": "0.3", "RECEIVING": "99999999999.999999999"}


amounts = st.decimals(0, 99_999_999_999, places=9, allow_nan=False, allow_infinity=False)
moves = st.tuples(
    st.sampled_from(["receipt", "pick", "count", "adjust", "undo"]),
    st.sampled_from("AB"),
    amounts,
    st.integers(1, 10),
)


def event_of(kind: str, where: str, amount: Decimal, other: int) -> Event:
    line = lines(quantity=format(amount, "f"), lot=None if other % 2 else "L")
    match kind:
        case "receipt":
            return Receipt(lines=line, to_location=where)
        case "pick":
            return Pick(lines=line, from_location=where)
        case "count":
            return Count(lines=line + line, location=where)
        case "adjust":
            return Adjustment(lines=line, location=where, direction="decrease", reason="x")
        case _:
            return Reversal(reverses=name(other))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(moves, min_size=1, max_size=12), st.integers(1, 4))
def test_stock_is_the_exact_sum_of_the_movements(
    given_moves: list[tuple[str, str, Decimal, int]], size: int
) -> None:
    made = [transaction(seq, event_of(*move)) for seq, move in enumerate(given_moves, start=1)]

    async def book(folder: Path) -> list[dict[str, str]]:
        async with connect(config(folder)) as target:
            for start in range(0, len(made), size):
                await target.deliver_many(made[start : start + size], again=False)
                await target.deliver_many(made[start : start + size], again=True)
            return await target.on_hand()

    with tempfile.TemporaryDirectory() as folder:
        on_hand = asyncio.run(book(Path(folder)))
        total: dict[tuple[str, ...], Decimal] = {}
        for item, location, lot, unit, quantity in rows(
            Path(folder),
            "SELECT item, location, coalesce(lot, ''), unit, quantity FROM movements"
            " WHERE location IS NOT NULL",
        ):
            key = (item, location, lot, unit)
            total[key] = total.get(key, Decimal(0)) + Decimal(quantity)
    assert {
        (row["item"], row["location"], row["lot"], row["unit"]): Decimal(row["quantity"])
        for row in on_hand
    } == total


async def test_a_locked_database_is_tried_later(
    target: SqlTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with target._database.write() as connection:
        await connection.exec_driver_sql("PRAGMA busy_timeout = 50")
    receipt = transaction(1, Receipt(lines=lines(), to_location="A"))
    with contextlib.closing(sqlite3.connect(tmp_path / "stock.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        outcome = await target.deliver(receipt, again=False)
    assert isinstance(outcome, TryLater)
    assert "locked" in outcome.why
    assert await target.deliver(receipt, again=False) == Posted("")


async def test_a_table_that_does_not_fit_is_said_so_and_nothing_is_half_booked(
    target: SqlTarget, tmp_path: Path
) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "stock.db")) as other:
        other.execute("ALTER TABLE stock_on_hand RENAME COLUMN quantity TO amount")
    receipt = transaction(1, Receipt(lines=lines(), to_location="A"))
    outcomes = await target.deliver_many([receipt, receipt], again=False)
    assert [type(outcome) for outcome in outcomes] == [TryLater, TryLater]
    assert rows(tmp_path, "SELECT * FROM postings") == []
    assert rows(tmp_path, "SELECT * FROM movements") == []


async def test_tables_are_only_made_where_asked(tmp_path: Path) -> None:
    async with connect(config(tmp_path, create_tables=False)) as target:
        [outcome] = await deliver(target, Receipt(lines=lines()))
    assert isinstance(outcome, TryLater)


@pytest.mark.parametrize("url", ["sqlite:///x", "mysql://x", "nonsense", ""])
def test_an_unknown_driver_is_named_with_what_there_is(url: str) -> None:
    with pytest.raises(ValidationError, match=r"sqlite\+aiosqlite"):
        Config(connector="sql", url=SecretStr(url))


def test_the_password_is_read_from_its_file_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret\n")
    made = Config(
        connector="sql",
        url=SecretStr("postgresql+psycopg://wms@db/stock"),
        password_file=tmp_path / "password",
    )
    assert made.full_url.password == "s3cret"
    assert "s3cret" not in repr(made)


async def test_packing_can_take_from_stock(tmp_path: Path) -> None:
    async with connect(config(tmp_path, packing_takes_from="STORAGE")) as target:
        await deliver(target, Pack(lines=lines(), sscc=SSCC))
        assert await stock(target) == {"STAGING": "2", "STORAGE": "-2"}


def test_all_transactions_have_a_document(tmp_path: Path) -> None:
    for event, _ in EVERY_EVENT:
        made: Transaction = transaction(1, event)
        assert document(made, config(tmp_path))
