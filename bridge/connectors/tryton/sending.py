"""Cartons of sales orders: pack each once, and let those go that leave."""

from bridge.connectors.tryton.answers import Dispatch, Sale
from bridge.connectors.tryton.config import Config
from bridge.connectors.tryton.course import CARTON, GONE, Course, Desk, the_one
from bridge.connectors.tryton.departure import (
    Carton,
    Departure,
    Label,
    choose,
    claim,
    leaving,
    stands,
)
from bridge.connectors.tryton.goods import Goods, holds
from bridge.connectors.tryton.records import Records
from bridge.connectors.tryton.rest import Rest
from bridge.connectors.tryton.verdict import Stopped
from bridge.outcome import Posted, Refused

_MODEL = CARTON.model
_FIELDS = ("number", "state", "reference")
_OPEN = frozenset({"draft", "waiting", "assigned"})
"""A shipment that nobody has picked can become a carton, whoever reserved its goods."""
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
        return _posted(await self._carry(carton, sale, company, CARTON))

    async def ship(self, departure: Departure, company: int) -> Posted:
        """Let the cartons of a departure go, each once."""
        sale = await self._records.sale(departure.order, company)
        direct = departure.carton
        if direct is not None and not stands(departure, sale.shipments):
            return _posted(await self._carry(direct, sale, company, GONE))
        cartons = leaving(departure, sale.shipments)
        if isinstance(cartons, Refused):
            raise Stopped(cartons)
        gone = [await self._leave(departure, each) for each in cartons]
        return _posted(*gone)

    async def _leave(self, departure: Departure, found: Dispatch) -> Dispatch:
        """Write down whom a carton leaves with, then let it go."""
        label = Label.read(found.reference)
        if label is not None and label.left is None:
            left = Label(label.pack, label.sscc, departure.reference)
            await self._rest.change(_MODEL, found.id, {"reference": str(left)})
        return await self._desk.finish(GONE, found, "reference")

    async def _carry(self, carton: Carton, sale: Sale, company: int, course: Course) -> Dispatch:
        found = _made(carton, sale)
        if found is None:
            found = await self._claim(carton, sale, company)
        elif found.state in _OPEN and not holds(
            found.outgoing_moves, carton.goods, self._config.sku_field
        ):
            why = f"{found} is not finished and differs from what was packed: finish it in Tryton"
            raise Stopped(Refused("refused", why))
        return await self._desk.finish(course, found, "reference")

    async def _claim(self, carton: Carton, sale: Sale, company: int) -> Dispatch:
        open_ = [
            each
            for each in sale.shipments
            if each.state in _OPEN and Label.read(each.reference) is None
        ]
        chosen = choose(carton, open_, self._config.sku_field)
        if isinstance(chosen, Refused):
            raise Stopped(chosen)
        shipment, takes = chosen
        lots: dict[Goods, int] = {}
        for take in takes:
            if take.goods.lot is not None and take.goods not in lots:
                lots[take.goods] = await self._records.known_lot(take.move.product.id, take.goods)
        for state, button in (("assigned", "wait"), ("waiting", "draft")):
            if shipment.state == state:  # its goods stay where they are
                was = shipment
                shipment = await self._rest.act(_MODEL, was.id, button, Dispatch, _FIELDS)
                shipment = shipment.model_copy(update={"outgoing_moves": was.outgoing_moves})
        values = claim(carton, shipment, takes, lots, company=company)
        await self._rest.change(_MODEL, shipment.id, values)
        return shipment


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
