"""A connector to a real Tryton, and what its deliveries change there."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bridge.connector import Connector
from bridge.connectors.tryton import Config, connect
from bridge.outcome import Outcome
from contract.transactions import Transaction
from tests.tryton.office import Tryton

GENEROUS = 60.0
"""Seconds for one delivery, on a machine with other things to do."""
Stock = dict[tuple[str, str, str | None], float]
"""What lies where: by product, code of the location and lot."""


@asynccontextmanager
async def bridge(tryton: Tryton, **changes: Any) -> AsyncIterator[Connector]:
    """Yield a connector with some settings changed."""
    async with connect(Config.model_validate(tryton.settings(**changes))) as connector:
        yield connector


async def deliver(
    tryton: Tryton, scanned: Transaction, *, again: bool = False, **changes: Any
) -> Outcome:
    """Deliver one transaction by a connector of its own."""
    async with bridge(tryton, **changes) as connector, asyncio.timeout(GENEROUS):
        return await connector.deliver(scanned, again=again)


def lay_in(tryton: Tryton, wanted: Stock) -> None:
    """See that so much lies there."""
    there = tryton.office.stock()
    for (product, place, lot), quantity in wanted.items():
        if there.get((product, place, lot), 0) != quantity:
            tryton.office.put(product, place, quantity, lot)


def changed(before: Stock, after: Stock) -> Stock:
    """Return what there is more of, or less."""
    difference: Counter[Any] = Counter()
    difference.update(after)
    difference.subtract(before)
    return {key: round(value, 6) for key, value in difference.items() if round(value, 6)}
