"""Goods that stay in the house: moved and corrected in one Tryton, each once."""

from functools import partial
from typing import Any

from bridge.connectors.tryton.course import INTERNAL, Desk, Job
from bridge.connectors.tryton.movement import (
    Place,
    Relocation,
    Spot,
    internal,
)
from bridge.connectors.tryton.records import Records
from bridge.outcome import Posted


class Stockroom:
    """Internal shipments. Every method raises `Stopped` for what is not a success."""

    def __init__(self, records: Records, desk: Desk) -> None:
        self._records = records
        self._desk = desk

    async def move(self, plan: Relocation, company: int) -> Posted:
        """Book goods from one place to another, once."""
        job = Job(plan.reference, plan.goods, partial(self._shipment, plan, company))
        return await self._desk.book(INTERNAL, job, company)

    async def _shipment(self, plan: Relocation, company: int) -> dict[str, Any]:
        lost = Spot.LOST in (plan.source, plan.target)
        kinds = ("storage", "lost_found") if lost else ("storage",)
        articles = await self._records.articles(plan.goods, *kinds)
        ends = await self._places(plan.source, plan.target)
        if plan.day is not None:
            await self._records.check_period(plan.day, company)
        lots = await self._records.lots(articles, new=plan.source is Spot.LOST)
        return internal(plan, articles, lots, ends=ends, company=company)

    async def _places(self, source: Place, target: Place) -> tuple[int, int]:
        depot = await self._records.depot()
        codes = {each for each in (source, target) if isinstance(each, str)}
        found = await self._records.locations(codes, depot.id)

        lost = await self._records.lost_and_found() if Spot.LOST in (source, target) else 0

        def number(place: Place) -> int:
            match place:
                case Spot.STORAGE:
                    return depot.storage_location
                case Spot.LOST:
                    return lost
                case str():
                    return found[place]

        return number(source), number(target)
