"""Cartons of sales orders: pack each once, and let those go that leave."""

from typing import Any

from bridge.connectors.tryton.answers import Dispatch, Sale
from bridge.connectors.tryton.config import Config
from bridge.connectors.tryton.course import CARTON, GONE, Course
from bridge.connectors.tryton.departure import (
    Carton,
    Departure,
    Label,
    choose,
    claim,
    leaving,
    stands,
)
from bridge.connectors.tryton.desk import Desk, the_one
from bridge.connectors.tryton.goods import holds
from bridge.connectors.tryton.once import Task
from bridge.connectors.tryton.records import Records
from bridge.connectors.tryton.rest import Rest
from bridge.connectors.tryton.verdict import Stopped
from bridge.outcome import Posted, Refused

_MODEL = CARTON.model
_FIELDS = ("number", "state", "reference")
_OPEN = frozenset({"draft", "waiting", "assigned"})
"""A shipment that nobody has picked can become a carton, whoever reserved its goods."""
_OPENING = {"assigned": "wait", "waiting": "draft"}
"""Back to where it can be changed."""
MOST_NAMED = 5
"""Shipments named in the word about a departure; the rest are counted."""


class Sending:
    """Customer shipments of one Tryton. Every method raises `Stopped` for what is not a success."""

    def __init__(self, rest: Rest, config: Config, records: Records, desk: Desk) -> None:
        self._rest = rest
        self._config = config
        self._records = records
        self._desk = desk

    async def pack(self, carton: Carton, company: int) -> Posted:
        """Move a carton's goods to where they leave from, once."""
        sale = await self._records.sale(carton.order, company)
        return await self._carry(carton, sale, company, CARTON)

    async def ship(self, departure: Departure, company: int) -> Posted:
        """Let the cartons of a departure go, each once."""
        sale = await self._records.sale(departure.order, company)
        direct = departure.carton
        if direct is not None and not stands(departure, sale.shipments):
            return await self._carry(direct, sale, company, GONE)
        cartons = leaving(departure, sale.shipments)
        if isinstance(cartons, Refused):
            raise Stopped(cartons)
        if self._desk.once is not None:
            tasks = [Task(GONE, _leaves(departure, each), each.id) for each in cartons]
            return await self._desk.once.post(departure.reference, tasks)
        return _posted(*[await self._leave(departure, each) for each in cartons])

    async def _leave(self, departure: Departure, found: Dispatch) -> Dispatch:
        """Write down whom a carton leaves with, then let it go."""
        change = _leaves(departure, found)
        if change is not None:
            await self._rest.change(_MODEL, found.id, change)
        return await self._desk.finish(GONE, found, "reference")

    async def _carry(self, carton: Carton, sale: Sale, company: int, course: Course) -> Posted:
        found = _made(carton, sale)
        if found is None:
            found, change = await self._claim(carton, sale, company)
            if self._desk.once is not None:
                task = Task(course, change, found.id, opening=_OPENING)
                return await self._desk.once.post(carton.label.pack, [task])
            while button := _OPENING.get(found.state):  # its goods stay where they are
                found = await self._rest.act(_MODEL, found.id, button, Dispatch, _FIELDS)
            await self._rest.change(_MODEL, found.id, change)
        elif found.state in _OPEN and not holds(
            found.outgoing_moves, carton.goods, self._config.sku_field
        ):
            why = f"{found} is not finished and differs from what was packed: finish it in Tryton"
            raise Stopped(Refused("refused", why))
        return _posted(await self._desk.finish(course, found, "reference"))

    async def _claim(
        self, carton: Carton, sale: Sale, company: int
    ) -> tuple[Dispatch, dict[str, Any]]:
        """Return the open shipment that is to become the carton, and what makes it that."""
        open_ = [
            each
            for each in sale.shipments
            if each.state in _OPEN and Label.read(each.reference) is None
        ]
        chosen = choose(carton, open_, self._config.sku_field)
        if isinstance(chosen, Refused):
            raise Stopped(chosen)
        shipment, takes = chosen
        products = {take.goods: take.move.product.id for take in takes}
        lots = await self._records.known_lots(products)
        return shipment, claim(carton, shipment, takes, lots, company=company)


def _leaves(departure: Departure, found: Dispatch) -> dict[str, Any] | None:
    """Return the change that says whom a carton leaves with, None where it is said already."""
    label = Label.read(found.reference)
    if label is None or label.left is not None:
        return None
    return {"reference": str(Label(label.pack, label.sscc, departure.reference))}


def _made(carton: Carton, sale: Sale) -> Dispatch | None:
    """Return what the carton has become in Tryton so far."""
    here = [
        each
        for each in sale.shipments
        if (label := Label.read(each.reference)) is not None and label.pack == carton.label.pack
    ]
    return the_one(here, CARTON.kind)


def _posted(*shipments: Dispatch) -> Posted:
    names = list(dict.fromkeys(each.name for each in shipments))
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return Posted(", ".join(names[:MOST_NAMED]) + more)
