"""Stock levels in the ledger's database: what should be on hand, as of which reading."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.connector import Stock
from bridge.reconciliation.drift import Key, Level, Span
from bridge.schema import reconciliation, stock_level

MOST_LEVELS = 50_000
"""Items at places that are read: some 40 MB while it goes on."""
AT_ONCE = 1_000
"""Levels looked at before others have their turn: some milliseconds."""
_LONGEST = 128  # characters of a name, as in the contract; a longer one is none of ours
_KEY = Key._fields


class TooMuch(Exception):
    """There is more than can be looked at in one round."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What should be on hand, and when all of it was read last; `last` None before the first."""

    levels: Mapping[Key, Level]
    last: Span | None

    @property
    def oldest(self) -> Span | None:
        """The oldest reading a level is as of."""
        spans = [level.read for level in self.levels.values()]
        return min((*spans, *([self.last] if self.last else ())), key=_begin, default=None)


def _begin(span: Span) -> Any:
    return span.begin


async def baseline(connection: AsyncConnection, target: str) -> Baseline:
    """Return the levels of a target."""
    newest = (
        await connection.execute(
            select(reconciliation.c.stock_from, reconciliation.c.stock_to)
            .where(reconciliation.c.target == target, reconciliation.c.stock_to.is_not(None))
            .order_by(reconciliation.c.number.desc())
            .limit(1)
        )
    ).one_or_none()
    if newest is None:
        return Baseline({}, None)
    last = Span(*newest)
    query = select(stock_level).where(stock_level.c.target == target)
    levels: dict[Key, Level] = {}
    for rows in (await connection.execute(query)).partitions(AT_ONCE):
        for row in rows:
            read = last if row.read_to is None else Span(row.read_from, row.read_to)
            levels[Key(row.item, row.location, row.unit)] = Level(row.expected, read)
        await asyncio.sleep(0)
    return Baseline(levels, last)


Changed = Mapping[Key, dict[str, Any] | None]
"""Levels that are others than before, as they are stored; None where they are no more."""


def changed(before: Baseline, after: Baseline) -> Changed:
    """Return what is to be written down. Pure."""
    old, new = _rows(before), _rows(after)
    return {key: new.get(key) for key in {*old, *new} if old.get(key) != new.get(key)}


async def keep_levels(connection: AsyncConnection, target: str, levels: Changed) -> None:
    """Write down which levels are others than before."""
    columns = stock_level.c
    mine = [columns.target == target, *(columns[name] == bindparam(f"its_{name}") for name in _KEY)]
    keys = list(levels)
    for start in range(0, len(keys), AT_ONCE):
        some = keys[start : start + AT_ONCE]
        gone = [{f"its_{name}": part for name, part in key._asdict().items()} for key in some]
        await connection.execute(delete(stock_level).where(*mine), gone)
        there = [(key, values) for key in some if (values := levels[key]) is not None]
        if there:
            rows = [{"target": target, **key._asdict(), **values} for key, values in there]
            await connection.execute(insert(stock_level), rows)


def _rows(base: Baseline) -> dict[Key, dict[str, Any]]:
    """Return what is stored; a reading that was the last is not said, so that few rows change."""
    return {
        key: {
            "expected": level.expected,
            "read_from": None if level.read == base.last else level.read.begin,
            "read_to": None if level.read == base.last else level.read.end,
        }
        for key, level in base.levels.items()
    }


async def added_up(rows: AsyncIterator[Stock]) -> dict[Key, Decimal]:
    """Return what is on hand of each item at each place, lots together.

    Raises:
        TooMuch: there are more than `MOST_LEVELS`.
    """
    found: dict[Key, Decimal] = {}
    count = 0
    async for row in rows:
        count += 1
        if count % AT_ONCE == 0:
            await asyncio.sleep(0)  # a source that has a page at hand waits for nothing
        key = Key(row.sku, row.location, row.unit)
        if max(map(len, key)) > _LONGEST:
            continue
        with localcontext(prec=60):
            found[key] = found.get(key, Decimal(0)) + row.quantity
        if len(found) > MOST_LEVELS:
            raise TooMuch(f"more than {MOST_LEVELS} stock levels")
    return found
