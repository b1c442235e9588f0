"""What becomes of one transaction: look for what it left, make it, and carry it on to its end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import assert_never

from bridge.connector import Connector
from bridge.connectors.tryton.allocation import allocate, is_whole, supply
from bridge.connectors.tryton.answers import PRODUCT_FIELDS, UNIT_FIELDS, Supply
from bridge.connectors.tryton.arrival import Arrival
from bridge.connectors.tryton.config import Config
from bridge.connectors.tryton.departure import Carton, Departure
from bridge.connectors.tryton.goods import Goods
from bridge.connectors.tryton.plan import document
from bridge.connectors.tryton.records import Records
from bridge.connectors.tryton.rest import Rest, opened
from bridge.connectors.tryton.sending import Sending
from bridge.connectors.tryton.verdict import Stopped, halfway
from bridge.outcome import Outcome, Posted, Refused, Unknown
from contract.transactions import Transaction

_STEPS = {"draft": "receive", "received": "do"}


class Tryton:
    """One Tryton database, and its only writer of what is scanned."""

    def __init__(self, rest: Rest, config: Config) -> None:
        self.settle = config.settle
        self._config = config
        self._rest = rest
        self._records = Records(rest, config)
        self._sending = Sending(rest, config, self._records)

    async def deliver(self, transaction: Transaction, *, again: bool) -> Outcome:
        """Bring `transaction` into Tryton once, however often this is called for its id.

        Looks for it first even when `again` is False: that took 4 of the 314 ms of a receipt. Must
        not run twice at the same time for one database, from wherever.
        """
        plan = document(transaction, self._config)
        if isinstance(plan, Posted | Refused):
            return plan
        try:
            self._rest.renew_key()
            company = await self._records.company()
            match plan:
                case Arrival():
                    return await self._receive(plan, company)
                case Carton():
                    return await self._sending.pack(plan, company)
                case Departure():
                    return await self._sending.ship(plan, company)
                case _:
                    assert_never(plan)
        except Stopped as stopped:
            return stopped.outcome

    async def _receive(self, arrival: Arrival, company: int) -> Posted:
        found = await self._find(arrival, company)
        if found is None:
            found = await self._create(arrival, company)
        elif found.state == "draft":
            await self._check(found, arrival)
        return await self._finish(found)

    async def _find(self, arrival: Arrival, company: int) -> Supply | None:
        rows = await self._rest.find(
            "stock.shipment.in",
            Supply,
            [["reference", "=", arrival.reference], ["company", "=", company]],
            ("number", "state"),
        )
        alive = [each for each in rows if each.state != "cancelled"]
        if len(alive) > 1:
            names = ", ".join(map(str, alive))
            raise Stopped(Refused("refused", f"Tryton has it more than once: {names}"))
        if rows and not alive:
            raise Stopped(Refused("refused", f"{rows[0]} was cancelled in Tryton"))
        return alive[0] if alive else None

    async def _check(self, found: Supply, arrival: Arrival) -> None:
        fields = [
            "number",
            "state",
            "incoming_moves.quantity",
            *(f"incoming_moves.unit.{name}" for name in UNIT_FIELDS),
            *(
                f"incoming_moves.product.{name}"
                for name in (*PRODUCT_FIELDS, self._config.sku_field)
            ),
        ]
        if self._config.lots:
            fields.append("incoming_moves.lot.number")
        rows = await self._rest.find("stock.shipment.in", Supply, [["id", "=", found.id]], fields)
        if not (rows and is_whole(rows[0], arrival, self._config.sku_field)):
            why = f"{found} is a draft that differs from what came: finish or cancel it in Tryton"
            raise Stopped(Refused("refused", why))

    async def _create(self, arrival: Arrival, company: int) -> Supply:
        order = await self._records.order(arrival.order, company)
        takes = allocate(arrival, order, self._config.sku_field)
        if not isinstance(takes, tuple):
            raise Stopped(takes)
        if arrival.day is not None:
            await self._records.check_period(arrival.day, company)
        storage = order.warehouse.storage_location
        if arrival.location is not None:
            storage = await self._records.location(arrival.location, order.warehouse.id)
        lots: dict[Goods, int] = {}
        for take in takes:
            if take.goods.lot is not None and take.goods not in lots:
                lots[take.goods] = await self._records.lot(take.product, take.goods)
        values = supply(arrival, order, takes, lots, company=company, storage=storage)
        return await self._rest.make("stock.shipment.in", Supply, values, ("number", "state"))

    async def _finish(self, found: Supply) -> Posted:
        """Carry a shipment on from the state it is in."""
        try:
            for _ in _STEPS:  # one after the other; a state that does not change ends it too
                if button := _STEPS.get(found.state):
                    found = await self._rest.act(
                        "stock.shipment.in", found.id, button, Supply, ("number", "state")
                    )
        except Stopped as stopped:
            raise halfway(stopped, str(found), found.state) from stopped
        if found.state != "done":
            raise Stopped(Unknown(f"{found} is {found.state}"))
        return Posted(found.number or str(found.id))


@asynccontextmanager
async def connect(config: Config) -> AsyncIterator[Connector]:
    """Yield the connector for `config`. Opens nothing until the first delivery."""
    async with opened(config) as rest:
        yield Tryton(rest, config)
