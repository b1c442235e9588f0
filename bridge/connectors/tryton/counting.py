"""Counts of one Tryton, each booked once.

Tryton's count (`stock.inventory`) has no field for a reference: a note (`ir.note`) says which
transaction it is, and it is confirmed only with that note.

    absent -create-> draft -note-> draft with the transaction's id -confirm-> done

Tryton finds notes only of records one has in hand, so the location's counts are looked through, the
newest first. A draft without a note that says just what was counted is what a lost answer left: it
is taken up. Nothing was booked by it.
"""

import sys
from collections.abc import Sequence
from typing import Any

from bridge.connectors.tryton.answers import Contents, Note, Paper
from bridge.connectors.tryton.config import Config
from bridge.connectors.tryton.course import COUNT
from bridge.connectors.tryton.desk import Desk, entry_fields, the_one
from bridge.connectors.tryton.goods import holds
from bridge.connectors.tryton.movement import Finding, inventory
from bridge.connectors.tryton.once import Task
from bridge.connectors.tryton.records import Records
from bridge.connectors.tryton.rest import Rest
from bridge.outcome import Posted

MOST_PAGES = 10
"""Pages of a hundred counts of one location that are looked through for one that may be there: a
location that is counted each day for two years."""
_ASKED = ("number", "state")
_OURS = f"{COUNT.model},"


class Counting:
    """Counts. Every method raises `Stopped` for what is not a success."""

    def __init__(self, rest: Rest, config: Config, records: Records, desk: Desk) -> None:
        self._rest = rest
        self._config = config
        self._records = records
        self._desk = desk

    async def count(self, plan: Finding, company: int, *, again: bool) -> Posted:
        """Let Tryton book the difference to what was found, once."""
        depot = await self._records.depot()
        location = (await self._records.known.locations({plan.location}, depot.id))[plan.location]
        there = [["location", "=", location], ["company", "=", company]]
        rows = await self.known(plan.reference, there, MOST_PAGES if again else 1)
        found = the_one(rows, COUNT.kind)
        if found is None:
            found = await self._left(plan, there) if again else None
            if found is None:
                values = await self._values(plan, location, company)
                if self._desk.once is not None:
                    task = Task(COUNT, values, note=plan.reference)
                    return await self._desk.once.post(plan.reference, [task])
                found = await self._rest.make(COUNT.model, Paper, values, _ASKED)
            note = {"resource": f"{_OURS}{found.id}", "message": plan.reference}
            await self._rest.make("ir.note", Note, note, ("resource",))
        elif found.state == "draft":
            await self._desk.check(COUNT, found, plan.goods)
        return Posted((await self._desk.finish(COUNT, found)).name)

    async def known(self, reference: str, domain: list[Any], pages: int) -> list[Paper]:
        """Return the counts in `domain` whose note says so: one, or none where nobody made it."""
        before = sys.maxsize
        for _ in range(pages):
            older = [*domain, ["id", "<", before]]
            rows = await self._rest.latest(COUNT.model, Paper, older, _ASKED)
            if not rows:
                break
            noted = await self._notes(rows, ["message", "=", reference])
            if found := [row for row in rows if f"{_OURS}{row.id}" in noted]:
                return found
            before = min(row.id for row in rows)
        return []

    async def _notes(self, rows: Sequence[Paper], *more: Any) -> set[str]:
        """Return which of these counts have a note."""
        resources = [f"{_OURS}{row.id}" for row in rows]
        domain = [["resource", "in", resources], *more]
        pages = self._rest.pages("ir.note", Note, domain, ("resource",))
        return {each.resource async for each in pages}

    async def _left(self, plan: Finding, there: list[Any]) -> Paper | None:
        """Return the oldest draft that says the same, and is nobody's yet."""
        domain = [*there, ["state", "=", "draft"]]
        fields = entry_fields(COUNT, self._config)
        rows = await self._rest.find(COUNT.model, Contents, domain, fields)
        same = [row for row in rows if holds(row.entries, plan.goods, self._config.sku_field)]
        if not same:
            return None
        taken = await self._notes(same)
        free = [row for row in same if f"{_OURS}{row.id}" not in taken]
        return min(free, key=lambda row: row.id, default=None)

    async def _values(self, plan: Finding, location: int, company: int) -> dict[str, Any]:
        await self._records.lost_and_found()  # where the difference goes
        articles = await self._records.known.articles(plan.goods, "storage", "lost_found")
        if plan.day is not None:
            await self._records.check_period(plan.day, company)
        lots = await self._records.lots(articles, new=True)
        await self._records.see_no_other_lots(articles, location)
        return inventory(plan, articles, lots, location=location, company=company)
