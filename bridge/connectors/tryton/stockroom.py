"""Goods that are moved, corrected, taken back and assembled in one Tryton, each once."""

from functools import partial
from typing import Any

from bridge.connectors.tryton.config import Config
from bridge.connectors.tryton.course import HOMECOMING, INTERNAL, PRODUCTION
from bridge.connectors.tryton.desk import Desk, Job
from bridge.connectors.tryton.homecoming import Homecoming, gone, matched, shipment_return
from bridge.connectors.tryton.making import Making, production
from bridge.connectors.tryton.movement import (
    Place,
    Relocation,
    Spot,
    internal,
)
from bridge.connectors.tryton.records import Records
from bridge.connectors.tryton.verdict import Stopped
from bridge.outcome import Posted, Refused


class Stockroom:
    """Shipments and productions. Every method raises `Stopped` for what is not a success."""

    def __init__(self, config: Config, records: Records, desk: Desk) -> None:
        self._config = config
        self._records = records
        self._desk = desk

    async def move(self, plan: Relocation, company: int) -> Posted:
        """Book goods from one place to another, once."""
        job = Job(plan.reference, plan.goods, partial(self._shipment, plan, company))
        return await self._desk.book(INTERNAL, job, company)

    async def _shipment(self, plan: Relocation, company: int) -> dict[str, Any]:
        lost = Spot.LOST in (plan.source, plan.target)
        kinds = ("storage", "lost_found") if lost else ("storage",)
        articles = await self._records.known.articles(plan.goods, *kinds)
        ends = await self._places(plan.source, plan.target)
        if plan.day is not None:
            await self._records.check_period(plan.day, company)
        lots = await self._records.lots(articles, new=plan.source is Spot.LOST)
        return internal(plan, articles, lots, ends=ends, company=company)

    async def bring_back(self, plan: Homecoming, company: int) -> Posted:
        """Take goods back from a customer, once."""
        job = Job(plan.reference, plan.goods, partial(self._return, plan, company))
        return await self._desk.book(HOMECOMING, job, company)

    async def _return(self, plan: Homecoming, company: int) -> dict[str, Any]:
        sale = await self._records.sale(plan.order, company)
        moves = gone(sale)
        returned = await self._records.returned([move.id for move in moves])
        takes = matched(plan, moves, returned, self._config.sku_field)
        if isinstance(takes, Refused):
            raise Stopped(takes)
        if plan.day is not None:
            await self._records.check_period(plan.day, company)
        depot = await self._records.depot()
        _, storage = await self._places(Spot.STORAGE, plan.location or Spot.STORAGE)
        return shipment_return(plan, sale, takes, depot=depot, storage=storage, company=company)

    async def assemble(self, plan: Making, company: int) -> Posted:
        """Let parts become something else, once."""
        if not await self._records.has_production():
            why = "Tryton's module production is not activated: nothing can be assembled there"
            raise Stopped(Refused("unsupported", why))
        job = Job(
            plan.reference, (*plan.consumed, *plan.produced), partial(self._make, plan, company)
        )
        return await self._desk.book(PRODUCTION, job, company)

    async def _make(self, plan: Making, company: int) -> dict[str, Any]:
        records = self._records
        consumed = await records.known.articles(plan.consumed, "storage", "production")
        produced = await records.known.articles(plan.produced, "storage", "production")
        if plan.day is not None:
            await records.check_period(plan.day, company)
        lots = await records.lots(consumed, new=False) | await records.lots(produced, new=True)
        storage, _ = await self._places(plan.location or Spot.STORAGE, Spot.STORAGE)
        return production(
            plan,
            consumed | produced,
            lots,
            warehouse=(await records.depot()).id,
            workshop=await records.workshop(),
            storage=storage,
            company=company,
            currency=await records.currency(company),
        )

    async def _places(self, source: Place, target: Place) -> tuple[int, int]:
        depot = await self._records.depot()
        codes = {each for each in (source, target) if isinstance(each, str)}
        found = await self._records.known.locations(codes, depot.id)

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
