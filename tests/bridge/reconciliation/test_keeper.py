"""Rounds when they are due, what health and metrics say of them, and how long the bridge was up."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from bridge.amendment import Changes
from bridge.connector import Found
from bridge.ledger import Ledger, open_ledger
from bridge.metrics import Metrics
from bridge.outcome import Posted, Refused
from bridge.posting import Result
from bridge.reconciliation import close, kpis, latest
from bridge.reconciliation.config import ReconciliationTable
from bridge.reconciliation.keeper import AGAIN_AFTER, Keeper
from bridge.reconciliation.uptime import MOST_BETWEEN, Uptime
from tests.bridge.reconciliation.erp import Erp
from tests.bridge.reconciliation.moving import Moving
from tests.bridge.streams import envelope, name, receipt, run_of, transaction

HOURLY = ReconciliationTable(every=3_600.0)


@pytest.fixture
def clock() -> Moving:
    return Moving()


@pytest.fixture
async def ledger(tmp_path: Path, clock: Moving) -> AsyncIterator[Ledger]:
    async with open_ledger(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}", clock) as opened:
        await opened.apply(run_of(1, 2))
        for attempt in await opened.begin([1, 2]):
            clock.pass_by(seconds=3)
            await opened.settle(Result(attempt, Posted(f"GRN-{attempt.number}")))
        clock.pass_by(hours=1)
        yield opened


def keeper(
    ledger: Ledger,
    erp: Erp,
    clock: Moving,
    table: ReconciliationTable = HOURLY,
    *,
    active: bool = True,
) -> Keeper:
    return Keeper(ledger, erp.target, table, UTC, clock, Metrics(), lambda: active)


async def test_a_round_is_made_at_once_and_then_when_it_is_due(
    ledger: Ledger, clock: Moving
) -> None:
    erp = Erp()
    mine = keeper(ledger, erp, clock)
    assert mine.trouble() is None
    await mine.look()
    assert erp.readings == 2, "what seemed wrong was read again"
    assert mine.trouble() == (
        "2 findings are open (2 missing): entry 1 is posted, and the ERP shows no document of it"
    )
    clock.pass_by(minutes=59)
    await mine.look()
    assert erp.readings == 2
    clock.pass_by(minutes=2)
    await mine.look()
    assert erp.readings == 3


async def test_what_a_person_closes_is_heard_of_without_a_round(
    ledger: Ledger, clock: Moving
) -> None:
    erp = Erp()
    mine = keeper(ledger, erp, clock)
    await mine.look()
    for finding in (await latest(ledger)).findings:
        await close(ledger, finding.number, "anna", "by hand")
    await mine.look()
    assert mine.trouble() is None
    assert erp.readings == 2


async def test_a_round_that_could_not_read_everything_is_trouble_and_made_again_soon(
    ledger: Ledger, clock: Moving
) -> None:
    erp = Erp(breaks_after=0)
    mine = keeper(ledger, erp, clock)
    await mine.look()
    assert mine.trouble() == "the ERP could not be read whole: documents: the line is down"
    erp.breaks_after = None
    clock.pass_by(seconds=AGAIN_AFTER.total_seconds() - 1)
    await mine.look()
    assert mine.trouble() is not None
    clock.pass_by(seconds=1)
    await mine.look()
    assert mine.trouble() is not None
    assert "2 missing" in (mine.trouble() or "")


async def test_a_bridge_that_stands_by_or_has_it_off_makes_no_round(
    ledger: Ledger, clock: Moving
) -> None:
    erp = Erp()
    await keeper(ledger, erp, clock, active=False).look()
    await keeper(ledger, erp, clock, ReconciliationTable()).look()
    assert erp.readings == 0


async def test_another_program_goes_on_where_the_last_round_was(
    ledger: Ledger, clock: Moving
) -> None:
    erp = Erp()
    await keeper(ledger, erp, clock).look()
    clock.pass_by(minutes=30)
    again = keeper(ledger, erp, clock)
    await again.look()
    assert erp.readings == 2
    assert "2 missing" in (again.trouble() or "")


async def test_metrics_say_what_is_open_and_the_key_figures(ledger: Ledger, clock: Moving) -> None:
    mine = keeper(ledger, Erp(), clock)
    await mine.look()
    text = mine._metrics.text().decode()
    for line in (
        'reconciliation_findings{kind="missing"} 2.0',
        'reconciliation_findings{kind="duplicate"} 0.0',
        "reconciliation_failing 0.0",
        'kpi_seconds{figure="processing_p50"} 3.0',
        'kpi_seconds{figure="processing_p95"} 6.0',
        'kpi_entries{figure="backlog"} 0.0',
        'kpi_ratio{figure="inventory_accuracy"} NaN',
        'kpi_per_thousand{figure="dead_per_thousand"} 0.0',
    ):
        assert f"scanpost_bridge_{line}" in text


async def test_an_order_is_accurate_when_nothing_of_it_went_wrong(
    ledger: Ledger, clock: Moving
) -> None:
    rows = [transaction(seq, receipt(f"PO-{seq // 2}")) for seq in range(3, 13)]
    await ledger.apply(envelope(3, rows))
    for attempt in await ledger.begin(list(range(3, 13))):
        fate = Refused("unknown_sku", "?") if attempt.number in (4, 6) else Posted("GRN")
        await ledger.settle(Result(attempt, fate))

    async def accuracy() -> tuple[int, float | None]:
        figure = (await kpis(ledger, clock.now - timedelta(hours=24), clock.now))["order_accuracy"]
        return figure.of, figure.value

    assert await accuracy() == (6, 4 / 6), "PO-2 and PO-3 have a dead letter each"
    assert await ledger.amend(4, Changes(skus={"BOLT-8": "BOLT-9"}), "anna", "renamed")
    assert await ledger.retry(6, "anna") == [6]
    for attempt in await ledger.begin([4, 6]):
        await ledger.settle(Result(attempt, Posted("GRN")))
    assert await accuracy() == (6, 5 / 6), "PO-2 was put right by a person"
    clock.pass_by(hours=1)
    erp = Erp([Found(str(name(seq)), "GRN", "booked") for seq in range(1, 12)])
    await keeper(ledger, erp, clock).look()
    assert await accuracy() == (6, 4 / 6), "and half of PO-6 is not in the ERP"


def test_times_of_day_are_those_of_the_office() -> None:
    table = ReconciliationTable(at=("05:30", "22:00"))
    zone = ZoneInfo("America/New_York")
    noon = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    first = table.next_after(noon, zone)
    assert first == datetime(2026, 11, 24, 3, 0, tzinfo=UTC), "22:00 there"
    assert first is not None
    assert table.next_after(first, zone) == datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
    both = ReconciliationTable(at=("05:30",), every=3_600.0)
    assert both.next_after(noon, zone) == noon + timedelta(hours=1)
    assert ReconciliationTable().next_after(noon, zone) is None


@pytest.mark.parametrize("at", ["25:00", "half past five", "05:30:15", "05:30+01:00", ""])
def test_what_is_no_time_of_day_is_refused(at: str) -> None:
    with pytest.raises(ValidationError):
        ReconciliationTable(at=(at,))


def test_what_a_connector_does_not_read_cannot_be_asked_of_it() -> None:
    table = ReconciliationTable(every=3_600.0, stock=True, tolerance=Decimal("0.5"))
    assert table.unread({"booked", "stock"}, moves=True) == []
    assert table.unread({"items"}, moves=False) == [
        "the connector does not read 'booked'",
        "the connector does not read 'stock'",
        "stock: the connector does not say what a booking adds to it",
    ]
    assert ReconciliationTable(stock=True).unread((), moves=False) == [], "off"


class Ticking(Moving):
    """Its monotonic seconds are moved on too."""

    def monotonic(self) -> float:
        return self.now.timestamp()


async def test_uptime_is_the_share_of_the_hours_it_was_at_work(tmp_path: Path) -> None:
    clock = Ticking()
    opens = True
    async with open_ledger(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}", clock) as ledger:
        up = Uptime(ledger, "1", lambda: opens, clock)

        async def work(seconds: int) -> None:
            for _ in range(seconds // 15):
                clock.pass_by(seconds=15)
                up.look()
            await up.write()

        await work(1_800)
        clock.pass_by(seconds=1_800)
        await work(1_800)
        opens = False
        await work(900)
        figures = await kpis(ledger, clock.now - timedelta(hours=24), clock.now)
        bridge, target = figures["bridge_availability"], figures["target_availability"]
        # It was first started at the full hour, and is asked for no more of it than it was there.
        assert bridge.of == 1_800 + 2_700
        assert bridge.value == pytest.approx(1.0)
        assert target.value == pytest.approx((1_800 + 1_800) / 4_500, abs=0.01)
        clock.pass_by(hours=2)
        figures = await kpis(ledger, clock.now - timedelta(hours=24), clock.now)
        assert figures["bridge_availability"].of == 1_800 + 2 * 3_600 + 2_700
        assert figures["bridge_availability"].value == pytest.approx(4_500 / 11_700, abs=0.01)


def test_a_bridge_that_hung_was_not_at_work(tmp_path: Path) -> None:
    clock = Ticking()
    up = Uptime(None, "1", lambda: True, clock)  # type: ignore[arg-type]
    clock.pass_by(hours=5)
    up.look()
    assert up._alive_s == up._target_s == MOST_BETWEEN
