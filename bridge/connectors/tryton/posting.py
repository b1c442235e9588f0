"""What becomes of one transaction: look for what it left, make it, and carry it on to its end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, assert_never

from bridge.connector import Connector
from bridge.connectors.tryton.allocation import allocate, supply
from bridge.connectors.tryton.arrival import Arrival
from bridge.connectors.tryton.config import Config
from bridge.connectors.tryton.counting import Counting
from bridge.connectors.tryton.course import RECEIPT
from bridge.connectors.tryton.departure import Carton, Departure
from bridge.connectors.tryton.desk import Desk, Job
from bridge.connectors.tryton.goods import Goods
from bridge.connectors.tryton.homecoming import Homecoming
from bridge.connectors.tryton.making import Making
from bridge.connectors.tryton.movement import Finding, Relocation
from bridge.connectors.tryton.plan import Plan, document
from bridge.connectors.tryton.records import Records
from bridge.connectors.tryton.rest import Rest, opened
from bridge.connectors.tryton.sending import Sending
from bridge.connectors.tryton.stockroom import Stockroom
from bridge.connectors.tryton.undoing import TakingBack, Undoing
from bridge.connectors.tryton.verdict import Stopped
from bridge.outcome import Outcome, Posted, Refused
from contract.transactions import Transaction


class Tryton:
    """One Tryton database, and its only writer of what is scanned."""

    def __init__(self, rest: Rest, config: Config) -> None:
        self.settle = config.settle if config.mode == "native" else 0.0
        self._config = config
        self._rest = rest
        self._records = Records(rest, config)
        self._desk = Desk(rest, config)
        self._sending = Sending(rest, config, self._records, self._desk)
        self._stockroom = Stockroom(config, self._records, self._desk)
        self._counting = Counting(rest, config, self._records, self._desk)
        self._taking_back = TakingBack(rest, self._records, self._desk, self._counting)

    async def deliver(self, transaction: Transaction, *, again: bool) -> Outcome:
        """Bring `transaction` into Tryton once, however often this is called for its id.

        Looks for it first even when `again` is False: that took 4 of the 314 ms of a receipt. In
        native mode it must not run twice at the same time for one database, from wherever.
        """
        plan = document(transaction, self._config)
        if isinstance(plan, Posted | Refused):
            return plan
        try:
            self._rest.renew_key()
            company = await self._records.company()
            if self._desk.once is not None:
                known = await self._desk.once.known(str(transaction.id))
                if known is not None:
                    return known
            return await self._book(plan, company, again=again)
        except Stopped as stopped:
            return stopped.outcome

    async def _book(self, plan: Plan, company: int, *, again: bool) -> Posted:
        match plan:
            case Arrival():
                return await self._receive(plan, company)
            case Carton():
                return await self._sending.pack(plan, company)
            case Departure():
                return await self._sending.ship(plan, company)
            case Relocation():
                return await self._stockroom.move(plan, company)
            case Finding():
                return await self._counting.count(plan, company, again=again)
            case Homecoming():
                return await self._stockroom.bring_back(plan, company)
            case Making():
                return await self._stockroom.assemble(plan, company)
            case Undoing():
                return await self._taking_back.undo(plan, company)
            case _:
                assert_never(plan)

    async def _receive(self, arrival: Arrival, company: int) -> Posted:
        job = Job(arrival.reference, arrival.goods, partial(self._supply, arrival, company))
        return await self._desk.book(RECEIPT, job, company)

    async def _supply(self, arrival: Arrival, company: int) -> dict[str, Any]:
        order = await self._records.order(arrival.order, company)
        takes = allocate(arrival, order, self._config.sku_field)
        if not isinstance(takes, tuple):
            raise Stopped(takes)
        if arrival.day is not None:
            await self._records.check_period(arrival.day, company)
        storage = order.warehouse.storage_location
        if arrival.location is not None:
            places = await self._records.known.locations({arrival.location}, order.warehouse.id)
            storage = places[arrival.location]
        lots: dict[Goods, int] = {}
        for take in takes:
            if take.goods.lot is not None and take.goods not in lots:
                lots[take.goods] = await self._records.lot(take.product, take.goods)
        return supply(arrival, order, takes, lots, company=company, storage=storage)


@asynccontextmanager
async def connect(config: Config) -> AsyncIterator[Connector]:
    """Yield the connector for `config`. Opens nothing until the first delivery."""
    async with opened(config) as rest:
        yield Tryton(rest, config)
