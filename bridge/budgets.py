"""Calls made to a target on a day: kept in the ledger, so that a restart does not forget them."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.schema import budget


@dataclass(frozen=True, slots=True)
class Spent:
    """Calls just made. `day`: `YYYY-MM-DD` in UTC."""

    target: str
    day: str
    calls: int


async def spend(connection: AsyncConnection, spent: Spent) -> None:
    """Add calls to those of the day."""
    upsert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    await connection.execute(
        upsert(budget)
        .values(target=spent.target, day=spent.day, calls=spent.calls)
        .on_conflict_do_update(
            index_elements=list(budget.primary_key),
            set_={"calls": budget.c.calls + spent.calls},
        )
    )


async def calls_on(connection: AsyncConnection, target: str, day: str) -> int:
    """Return the calls of a day."""
    return (
        await connection.scalar(
            select(budget.c.calls).where(budget.c.target == target, budget.c.day == day)
        )
        or 0
    )
