"""A Tryton that has just what a plan needs, and calls it by names in angle brackets. Pure.

For people who ask beforehand what would be called: the connector asks this one as it asks a real
one, so that what is shown is what is sent. Nothing of the transaction is there yet, what it names
is there once, and every order has more open than was scanned.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel

from bridge.connectors.tryton.answers import (
    Answer,
    Article,
    Bin,
    Booked,
    Depot,
    Dispatch,
    Field,
    HeldLot,
    Identifier,
    Lot,
    Money,
    Move,
    Order,
    OrderLine,
    Outgoing,
    Paper,
    Sale,
    Unit,
    Warehouse,
    Workshop,
)
from bridge.connectors.tryton.arrival import Arrival
from bridge.connectors.tryton.config import Config
from bridge.connectors.tryton.course import COUNT
from bridge.connectors.tryton.departure import Carton, Departure, Label
from bridge.connectors.tryton.goods import Goods
from bridge.connectors.tryton.homecoming import Homecoming
from bridge.connectors.tryton.making import Making
from bridge.connectors.tryton.movement import Finding
from bridge.connectors.tryton.plan import Plan
from bridge.connectors.tryton.request import Request
from bridge.connectors.tryton.undoing import Undoing

SOME_PACK = str(UUID(int=0))
"""Stands for the id of the transaction that packed a carton: an id must look like one."""
_B = TypeVar("_B", bound=BaseModel)
_AFTER = {
    "assign_try": "assigned",
    "confirm": "done",
    "do": "done",
    "pack": "packed",
    "pick": "picked",
    "receive": "received",
    "run": "running",
    "wait": "waiting",
}
"""State a document is in after a button; in that of a new one after any other."""


class Imagined:
    """Answers what the connector asks while it books one plan, and keeps what was asked."""

    def __init__(self, plan: Plan, config: Config) -> None:
        self.asked: list[Request] = []
        self._plan = plan
        self._config = config
        self._goods = _goods(plan)
        self._found: dict[type[BaseModel], Callable[[Request], list[Any]]] = {
            Answer: self._company,
            Article: self._articles,
            Bin: _bins,
            Depot: self._depot,
            Field: _fields,
            HeldLot: self._lots,
            Money: self._money,
            Order: self._order,
            Paper: self._papers,
            Sale: self._sale,
            Workshop: self._workshop,
        }

    def renew_key(self) -> None:
        """Do nothing: nobody asks for a key here."""

    async def rows(self, request: Request, answer: type[_B]) -> list[_B]:
        """Return what it would find."""
        self.asked.append(request)
        return self._found.get(answer, _nothing)(request)

    async def row(self, request: Request, answer: type[_B]) -> _B:
        """Return what it would make."""
        self.asked.append(request)
        if answer is Booked:
            return _some(answer, documents="<what Tryton calls them>")
        values = request.values or {}
        if answer is Lot:
            return _some(answer, id=f"<lot {values['number']}>", number=values["number"])
        number = _between(request.path) or "<its id>"
        state = _AFTER.get(request.path.rpartition("/")[2], "draft")
        return _some(answer, id=number, number="<its number>", state=state)

    def _company(self, request: Request) -> list[Any]:
        if request.path != "company.company":
            return []  # closed periods
        return [_some(Answer, id=f"<company {self._config.company}>")]

    def _money(self, _: Request) -> list[Any]:
        return [_some(Money, id=0, currency="<currency of the company>")]

    def _depot(self, _: Request) -> list[Any]:
        code = self._config.warehouse
        return [
            _some(
                Depot,
                id=f"<warehouse {code}>",
                lost_found_location=f"<lost and found of {code}>",
                **self._ends(),
            )
        ]

    def _ends(self) -> dict[str, Any]:
        code = self._config.warehouse
        return {
            "input_location": f"<input of {code}>",
            "storage_location": f"<storage of {code}>",
        }

    def _workshop(self, _: Request) -> list[Any]:
        where = f"<place of production of {self._config.warehouse}>"
        return [_some(Workshop, id=0, production_location=where)]

    def _articles(self, _: Request) -> list[Any]:
        return [self._article(each) for each in self._once_each()]

    def _once_each(self) -> list[Goods]:
        """Return the first goods of each product."""
        return list({str(each): each for each in reversed(self._goods)}.values())[::-1]

    def _article(self, goods: Goods) -> Article:
        identifiers = (_some(Identifier, id=0, code=goods.item.gtin),)
        said = {self._config.sku_field: goods.item.sku} if goods.item.sku is not None else {}
        return _some(
            Article,
            **said
            | {
                "id": f"<product {goods}>",
                "identifiers": identifiers,
                "lot_required": None,
                "default_uom": self._unit(goods),
            },
        )

    def _unit(self, goods: Goods) -> Unit:
        """Return the unit a product is counted in, in steps as small as any of the quantities."""
        mine = [each.quantity for each in self._goods if str(each) == str(goods)]
        places = min(int(each.as_tuple().exponent) for each in mine)
        step = Decimal(1).scaleb(min(places, 0))
        name = f"<unit {goods.unit}>"
        return _some(Unit, id=name, name=goods.unit, symbol=goods.unit, rounding=step)

    def _total(self, goods: Goods) -> Decimal:
        mine = [each.quantity for each in self._goods if str(each) == str(goods)]
        return sum(mine, Decimal(0))

    def _lots(self, request: Request) -> list[Any]:
        if request.context is not None and "stock_date_end" in request.context:
            return []  # what lies there in lots though it was counted without
        return [
            _some(HeldLot, id=f"<lot {each.lot}>", number=each.lot, product=f"<product {each}>")
            for each in self._goods
            if each.lot is not None
        ]

    def _papers(self, request: Request) -> list[Any]:
        """Return no document of the transaction, but counts of the same place that came before."""
        if request.path != COUNT.model or not isinstance(self._plan, Finding):
            return []
        return [_some(Paper, id="<each of the counts found>", number=None, state="done")]

    # Orders

    def _move(self, goods: Goods, what: str) -> dict[str, Any]:
        """Return what every move of an order has; there is more of it than was scanned."""
        return {
            "id": f"<{what} of {goods}>",
            "quantity": self._total(goods) * 2,
            "unit": self._unit(goods),
            "shipment": None,
            "from_location": "<where it is from>",
            "to_location": "<where it goes>",
            "unit_price": "<its price>",
            "currency": "<its currency>",
        }

    def _order(self, _: Request) -> list[Any]:
        assert isinstance(self._plan, Arrival)  # noqa: S101 - nothing else asks for one
        number = self._plan.order
        warehouse = _some(Warehouse, id=f"<warehouse {self._config.warehouse}>", **self._ends())
        lines = tuple(self._line(each) for each in self._once_each())
        return [
            _some(
                Order,
                id=f"<order {number}>",
                number=number,
                state="processing",
                party=f"<supplier of {number}>",
                warehouse=warehouse,
                lines=lines,
            )
        ]

    def _line(self, goods: Goods) -> OrderLine:
        move = _some(Move, **self._move(goods, "open move"), state="draft")
        return _some(
            OrderLine,
            id=f"<line of {goods}>",
            quantity=move.quantity,
            product=self._article(goods),
            moves=(move,),
        )

    def _sale(self, _: Request) -> list[Any]:
        number, shipments = self._sold()
        return [
            _some(
                Sale,
                id=f"<order {number}>",
                number=number,
                state="processing",
                party=f"<customer of {number}>",
                shipment_party=None,
                shipments=shipments,
            )
        ]

    def _sold(self) -> tuple[str, tuple[Dispatch, ...]]:
        """Return the order's name and its shipments.

        A departure of numbered packages is imagined as one of cartons that were packed.
        """
        match self._plan:
            case Departure(order=order, packages=packages, carton=carton):
                if carton is None or any(packages):
                    return order, tuple(_packed(each, n) for n, each in enumerate(packages, 1))
                return order, (self._shipment(order, "open move", "draft"),)
            case Homecoming(order=order):
                return order, (self._shipment(order, "move to the customer", "done"),)
            case Carton(order=order):
                return order, (self._shipment(order, "open move", "draft"),)
        raise AssertionError(f"{self._plan} is of no sales order")

    def _shipment(self, order: str, what: str, state: str) -> Dispatch:
        moves = tuple(
            _some(
                Outgoing,
                **self._move(each, what),
                state=state,
                origin="<its line of the order>",
                planned_date="<its planned date>",
                product=self._article(each),
                lot=self._lot_of(each) if state == "done" else None,
            )
            for each in (self._goods if state == "done" else self._once_each())
        )
        return _dispatch(
            f"<shipment of {order}>",
            state="waiting" if state == "draft" else "done",
            outgoing_moves=moves,
        )

    def _lot_of(self, goods: Goods) -> Lot | None:
        if goods.lot is None:
            return None
        return _some(Lot, id=f"<lot {goods.lot}>", number=goods.lot)


def _some(kind: type[_B], /, **values: Any) -> _B:
    """Return a record that nobody looks at: words stand where Tryton has numbers."""
    return kind.model_construct(None, **values)


def _goods(plan: Plan) -> tuple[Goods, ...]:
    match plan:
        case Making():
            return (*plan.consumed, *plan.produced)
        case Departure():
            return plan.carton.goods if plan.carton else ()
        case Undoing():
            return ()
        case _:
            return plan.goods


def _between(path: str) -> str | None:
    """Return the id in the path of a request about one record."""
    parts = path.split("/", 1)
    return parts[1].rpartition("/")[0] or None if len(parts) == 2 else None


def _nothing(_: Request) -> list[Any]:
    return []


def _bins(request: Request) -> list[Any]:
    [[_, _, codes], *_] = dict(request.query)["d"]
    return [_some(Bin, id=f"<location {code}>", code=code) for code in codes]


def _fields(request: Request) -> list[Any]:
    """Return every field that is asked for: all modules are active."""
    domain = dict(request.query)["d"]
    asked = domain[1:] if domain[0] == "OR" else [domain]
    return [_some(Field, id=0, model=model, name=name) for [[_, _, model], [_, _, name]] in asked]


def _packed(sscc: str | None, place: int) -> Dispatch:
    label = Label(SOME_PACK, sscc)
    which = sscc or f"without a number, {place}"
    return _dispatch(
        f"<shipment of carton {which}>", state="packed", reference=str(label), outgoing_moves=()
    )


def _dispatch(number: str, **values: Any) -> Dispatch:
    return _some(Dispatch, **{"id": number, "number": number, "reference": None} | values)
