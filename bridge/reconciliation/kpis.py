"""Key figures of a window of time: how well, how fast, how much waits. Each with its definition."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.ledger import Ledger
from bridge.noted import NOTED
from bridge.schema import amendment, entry, finding, reconciliation, uptime

SAMPLE = 2_000
"""Posted entries that times are taken of: every n-th, so that they are of all the window."""
NEWEST = 20_000
"""Entries that orders are taken of, the newest of the window: 0.1 s to read."""
_HOUR_S = 3_600

Name = Literal[
    "order_accuracy",
    "inventory_accuracy",
    "bridge_availability",
    "target_availability",
    "processing_p50",
    "processing_p95",
    "delivery_p50",
    "delivery_p95",
    "backlog",
    "backlog_age",
    "dead_per_thousand",
]


_DEFINED: dict[Name, tuple[str, str, str]] = {
    "order_accuracy": (
        "ratio",
        "Orders booked as they came: no entry refused, discarded, amended, or found to differ.",
        "after SCOR RL.1.1, perfect order fulfilment: perfect orders / all orders",
    ),
    "inventory_accuracy": (
        "ratio",
        "Stock levels of the ERP that moved by just what was booked, as of the last reading.",
        "after inventory record accuracy in cycle counting: records that agree / records checked",
    ),
    "bridge_availability": (
        "ratio",
        "Time the bridge was at work, by whole hours.",
        "service availability as in ITIL: time in service / agreed time",
    ),
    "target_availability": (
        "ratio",
        "Of that time, how long the target was open.",
        "service availability as in ITIL: time in service / agreed time",
    ),
    "processing_p50": (
        "seconds",
        "From the bridge receiving an entry to the ERP having it: half are faster.",
        "own; nearest-rank percentile of the entries posted in the window",
    ),
    "processing_p95": (
        "seconds",
        "From the bridge receiving an entry to the ERP having it: 19 of 20 are faster.",
        "own; nearest-rank percentile of the entries posted in the window",
    ),
    "delivery_p50": (
        "seconds",
        "From the scan to the ERP having it, where the station's clock was set: half are faster.",
        "own; nearest-rank percentile of the entries posted in the window",
    ),
    "delivery_p95": (
        "seconds",
        "From the scan to the ERP having it, where the station's clock was set: 19 of 20 are.",
        "own; nearest-rank percentile of the entries posted in the window",
    ),
    "backlog": ("entries", "Entries the ERP has not decided on, now.", "own"),
    "backlog_age": ("seconds", "How long the oldest of them has waited.", "own"),
    "dead_per_thousand": (
        "per thousand",
        "Of 1,000 entries decided in the window, those refused or discarded.",
        "own",
    ),
}
"""Unit, words and source."""


@dataclass(frozen=True, slots=True)
class Kpi:
    """One key figure."""

    name: Name
    value: float | None
    """None where nothing is known in that window."""
    unit: str
    """`ratio` (0 to 1), `seconds`, `entries`, `per thousand`."""
    of: int
    """How many things it was made from: orders, stock levels, seconds, entries."""
    words: str
    """What it is, for people."""
    source: str
    """Where the definition is from."""


@dataclass(frozen=True, slots=True)
class Kpis:
    """All of them, of one window."""

    since: datetime
    until: datetime
    values: tuple[Kpi, ...]

    def __getitem__(self, name: Name) -> Kpi:
        return next(each for each in self.values if each.name == name)

    def __iter__(self) -> Iterator[Kpi]:
        return iter(self.values)


async def kpis(ledger: Ledger, since: datetime, until: datetime | None = None) -> Kpis:
    """Return the key figures of a window. Costs are bounded, see `SAMPLE` and `NEWEST`.

    Args:
        ledger: to ask.
        since: its beginning, aware.
        until: its end; now, if not given.

    Raises:
        LedgerFailed: the database did not do its part.
        ValueError: `since` has no time zone.
    """
    if since.tzinfo is None:
        raise ValueError(f"{since!r} has no time zone")
    until = until or datetime.now(UTC)
    parts = (_orders, _levels, _uptime, _times, _backlog, _dead)
    found: list[Kpi] = []
    for part in parts:
        found += await ledger.ask(partial(part, since=since, until=until))
    return Kpis(since, until, tuple(found))


def _kpi(name: Name, value: float | None, of: int) -> Kpi:
    unit, words, source = _DEFINED[name]
    return Kpi(name, value, unit, of, words, source)


def _ratio(name: Name, good: float, of: float) -> Kpi:
    return _kpi(name, good / of if of else None, round(of))


async def _orders(connection: AsyncConnection, since: datetime, until: datetime) -> list[Kpi]:
    newest = (
        select(entry.c.number, entry.c.turns, entry.c.code)
        .where(entry.c.received_at.between(since, until))
        .order_by(entry.c.received_at.desc())
        .limit(NEWEST)
        .subquery()
    )
    changed = newest.c.number.in_(select(amendment.c.entry))
    differs = newest.c.number.in_(
        select(finding.c.entry).where(finding.c.closed_at.is_(None), finding.c.entry.is_not(None))
    )
    wrong = case((newest.c.code.is_not(None) | changed | differs, 1), else_=0)
    rows = await connection.execute(
        select(newest.c.turns, func.max(wrong).label("wrong")).group_by(newest.c.turns)
    )
    orders: dict[str, bool] = {}
    for row in rows:
        for key in json.loads(row.turns):
            if key.startswith("document "):
                orders[key] = orders.get(key, False) or bool(row.wrong)
    return [_ratio("order_accuracy", len(orders) - sum(orders.values()), len(orders))]


async def _levels(connection: AsyncConnection, since: datetime, until: datetime) -> list[Kpi]:
    row = (
        await connection.execute(
            select(reconciliation.c.levels, reconciliation.c.drifting)
            .where(
                reconciliation.c.levels.is_not(None),
                reconciliation.c.ended_at.between(since, until),
            )
            .order_by(reconciliation.c.number.desc())
            .limit(1)
        )
    ).one_or_none()
    if row is None:
        return [_kpi("inventory_accuracy", None, 0)]
    return [_ratio("inventory_accuracy", row.levels - row.drifting, row.levels)]


async def _uptime(connection: AsyncConnection, since: datetime, until: datetime) -> list[Kpi]:
    first = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    begun = await connection.scalar(select(uptime.c.hour).order_by(uptime.c.hour).limit(1))
    rows = await connection.execute(
        select(uptime.c.hour, func.max(uptime.c.alive_s), func.max(uptime.c.target_s))
        .where(uptime.c.hour.between(first, until))
        .group_by(uptime.c.hour)
    )
    seen: dict[datetime, tuple[int, int]] = {hour: (alive, open_) for hour, alive, open_ in rows}
    observed = alive_s = target_s = 0
    hour = first if begun is None else max(first, begun)
    while begun is not None and hour <= until:
        alive, target = seen.get(hour, (0, 0))
        # Of the hour it was first started in, only what it was there for can be asked of it.
        whole = alive if hour == begun else min(_HOUR_S, int((until - hour).total_seconds()))
        observed += whole
        alive_s += min(alive, whole)
        target_s += min(target, whole)
        hour += timedelta(hours=1)
    return [
        _ratio("bridge_availability", alive_s, observed),
        _ratio("target_availability", target_s, alive_s),
    ]


async def _times(connection: AsyncConnection, since: datetime, until: datetime) -> list[Kpi]:
    posted = entry.c.decided_at.between(since, until) & entry.c.code.is_(None)
    count = await connection.scalar(select(func.count()).select_from(entry).where(posted)) or 0
    nth = max(1, math.ceil(count / SAMPLE))
    rows = await connection.execute(
        select(entry.c.received_at, entry.c.decided_at, entry.c.body)
        .where(posted, ~NOTED, entry.c.number % nth == 0)
        .limit(2 * SAMPLE)
    )
    processing: list[float] = []
    delivery: list[float] = []
    for row in rows:
        processing.append(_seconds(row.received_at, row.decided_at))
        clock = json.loads(row.body)["clock"]
        if clock["synchronised"]:
            delivery.append(_seconds(datetime.fromisoformat(clock["wall"]), row.decided_at))
    return [
        _kpi("processing_p50", percentile(processing, 50), count),
        _kpi("processing_p95", percentile(processing, 95), count),
        _kpi("delivery_p50", percentile(delivery, 50), len(delivery)),
        _kpi("delivery_p95", percentile(delivery, 95), len(delivery)),
    ]


def _seconds(begin: datetime, end: datetime) -> float:
    return max(0.0, (end - begin).total_seconds())


def percentile(values: Sequence[float], percent: int) -> float | None:
    """Return the nearest-rank percentile; None of nothing.

    >>> percentile([3.0, 1.0, 2.0], 50), percentile([], 95)
    (2.0, None)
    """
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


async def _backlog(connection: AsyncConnection, since: datetime, until: datetime) -> list[Kpi]:
    del since  # what waits now, however long
    waits = entry.c.decided_at.is_(None)
    count, oldest = (
        await connection.execute(select(func.count(), func.min(entry.c.number)).where(waits))
    ).one()
    received = await connection.scalar(select(entry.c.received_at).where(entry.c.number == oldest))
    age = 0.0 if received is None else _seconds(received, until)
    return [_kpi("backlog", count, count), _kpi("backlog_age", age, count)]


async def _dead(connection: AsyncConnection, since: datetime, until: datetime) -> list[Kpi]:
    decided, dead = (
        await connection.execute(
            select(func.count(), func.count(entry.c.code)).where(
                entry.c.decided_at.between(since, until)
            )
        )
    ).one()
    return [_kpi("dead_per_thousand", 1000 * dead / decided if decided else None, decided)]
