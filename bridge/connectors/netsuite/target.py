"""Bring a transaction into NetSuite once: one record, whose external id is the transaction's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bridge.connector import Connector
from bridge.connectors.netsuite.bodies import (
    Known,
    change_body,
    lines_of,
    move_body,
    part_body,
    path_of,
    spread,
)
from bridge.connectors.netsuite.config import Config
from bridge.connectors.netsuite.names import Names
from bridge.connectors.netsuite.plan import Change, Move, Part, Place, Plan, document
from bridge.connectors.netsuite.rest import Rest, login_of
from bridge.http import Stopped, opened
from bridge.outcome import Outcome, Posted, Refused
from bridge.tally import Goods
from contract.transactions import Transaction


class NetSuite:
    """One account."""

    def __init__(self, rest: Rest, config: Config) -> None:
        self.settle = config.http.settle
        self._rest = rest
        self._config = config
        self._names = Names(rest, config)

    async def deliver(self, transaction: Transaction, *, again: bool) -> Outcome:
        """Book `transaction`, after a look whether it is there if it may be."""
        plan = document(transaction, self._config)
        if isinstance(plan, Posted | Refused):
            return plan
        try:
            number = await self._rest.made(plan.record, plan.name) if again else None
            if number is None:
                number = await self._make(plan)
        except Stopped as stopped:
            if isinstance(stopped.outcome, Refused):
                self._names.forget()  # a person mends it there
            return stopped.outcome
        return Posted(f"{plan.record} {number}")

    async def _make(self, plan: Plan) -> str:
        try:
            path, body = await self._body(plan)
            return await self._rest.make(path, body)
        except Stopped as stopped:
            if not isinstance(stopped.outcome, Refused):
                raise
            # What came twice on the way is refused the second time, by whatever rule comes first
            number = await self._rest.made(plan.record, plan.name)
            if number is None:
                raise
            return number

    async def _body(self, plan: Plan) -> tuple[str, dict[str, Any]]:
        match plan:
            case Part():
                return await self._part(plan)
            case Change():
                known = [
                    await self._known(each, plan.place, incoming=each.quantity > 0)
                    for each in plan.goods
                ]
                return path_of(plan, ""), change_body(plan, known, self._config)
            case Move():
                known = [await self._known(each, plan.source, plan.goal) for each in plan.goods]
                return path_of(plan, ""), move_body(plan, known, self._config)

    async def _part(self, plan: Part) -> tuple[str, dict[str, Any]]:
        number = await self._names.order(plan)
        if not plan.goods:
            return path_of(plan, number), part_body(plan, (), {}, self._config)
        lines = lines_of(await self._rest.record(plan.source, number))
        incoming = plan.record == "itemReceipt"
        known = [await self._known(each, plan.place, incoming=incoming) for each in plan.goods]
        given = spread(plan, lines, known)
        if isinstance(given, Refused):
            raise Stopped(given)
        return path_of(plan, number), part_body(plan, lines, given, self._config)

    async def _known(
        self, goods: Goods, place: Place, goal: Place | None = None, *, incoming: bool = False
    ) -> Known:
        """Look up goods at a place; what comes in may bring a lot that NetSuite does not know."""
        item = await self._names.item(goods)
        number: dict[str, Any] = {}
        if incoming:
            text = await self._names.number(item, goods)
            if text is not None:
                number = {"receiptInventoryNumber": text}
        else:
            lot = await self._names.lot(item, goods)
            if lot is not None:
                number = {"issueInventoryNumber": {"id": lot}}
        bins: dict[str, Any] = {}
        for field, where in (("binNumber", place), ("toBinNumber", goal)):
            bin_ = None if where is None else await self._names.bin(where)
            if bin_ is not None:
                bins[field] = {"id": bin_}
        return Known(goods, item.id, number, bins)


@asynccontextmanager
async def connect(config: Config) -> AsyncIterator[Connector]:
    """Yield the connector for `config`. Opens nothing until the first delivery."""
    async with opened(config.http, who="NetSuite") as http:
        yield NetSuite(Rest(login_of(http, config), config), config)


async def probe(config: Config) -> list[str]:
    """Return what NetSuite calls the configured locations, reading only.

    Raises:
        Stopped: it cannot be asked; the outcome says why.
    """
    numbers = sorted({config.location, *config.locations.values()})
    sought = ", ".join(map(str, numbers))
    async with opened(config.http, who="NetSuite") as http:
        rest = Rest(login_of(http, config), config)
        rows = await rest.query(f"SELECT id, name FROM location WHERE id IN ({sought})")  # noqa: S608
    names = {int(row["id"]): str(row.get("name")) for row in rows}
    return [f"location {number}: {names.get(number, 'it is not there')}" for number in numbers]
