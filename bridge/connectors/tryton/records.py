"""What Tryton must have before anything can be booked: company, order, bin, lot."""

from collections.abc import Collection, Mapping
from datetime import date
from decimal import Decimal

from bridge.connectors.tryton.answers import (
    MOVE_FIELDS,
    PRODUCT_FIELDS,
    Answer,
    Article,
    Depot,
    Field,
    HeldLot,
    Lot,
    Money,
    Order,
    Returned,
    Sale,
    Workshop,
)
from bridge.connectors.tryton.config import Config
from bridge.connectors.tryton.goods import Goods
from bridge.connectors.tryton.known import Known
from bridge.connectors.tryton.once import MODEL
from bridge.connectors.tryton.rest import Rest
from bridge.connectors.tryton.verdict import ORDER_BUSY, SETTING_WRONG, Stopped
from bridge.outcome import Refused, TryLater

MOST_ORIGINS = 100
"""Records asked about at once: their names stand in the request line, which may have 8 kB."""


class Records:
    """What there is, by the names the office and the labels know it by.

    Every method raises `Stopped` where it is not there, or not as it must be.
    """

    def __init__(self, rest: Rest, config: Config) -> None:
        self._config = config
        self._rest = rest
        self._depot: Depot | None = None
        self._makes: bool | None = None
        self.known = Known(rest, config)

    async def company(self) -> int:
        """Return the company's id; the first time, see that the settings fit this Tryton."""
        if self._rest.company is None:
            company = self._config.company
            if isinstance(company, str):
                rows = await self._rest.find(
                    "company.company", Answer, [["party.name", "=", company]]
                )
                if len(rows) != 1:
                    why = f"Tryton has {len(rows) or 'no'} companies named {company}"
                    raise Stopped(TryLater(why, SETTING_WRONG))
                company = rows[0].id
            await self._check_fields()
            self._rest.company = company
        return self._rest.company

    async def _check_fields(self) -> None:
        config = self._config
        needed = {("product.product", config.sku_field)}
        if config.mode == "module":
            needed.add((MODEL, "key"))
        if config.lots:
            dates = (config.lot_expiry_field, config.lot_best_before_field)
            needed |= {("stock.lot", name) for name in ("number", *dates) if name}
        anyone = [[["model", "=", model], ["name", "=", name]] for model, name in sorted(needed)]
        rows = await self._rest.find("ir.model.field", Field, ["OR", *anyone], ("model", "name"))
        if lacks := needed - {(row.model, row.name) for row in rows}:
            names = ", ".join(sorted(f"{model}.{name}" for model, name in lacks))
            why = f"Tryton has no {names}: a setting is wrong, or a module is not activated"
            raise Stopped(TryLater(why, SETTING_WRONG))

    async def order(self, name: str, company: int) -> Order:
        """Return the one order of that name that is being processed for the warehouse."""
        product = [*PRODUCT_FIELDS, self._config.sku_field]
        if self._config.lots:
            product.append("lot_required")
        fields = [
            *("number", "state", "party", "lines.quantity", "lines.moves_recreated"),
            *("warehouse.input_location", "warehouse.storage_location"),
            *(f"lines.product.{name}" for name in product),
            *(f"lines.moves.{name}" for name in MOVE_FIELDS),
        ]
        domain = [
            [self._config.order_by, "=", name],
            ["warehouse.code", "=", self._config.warehouse],
            ["company", "=", company],
        ]
        rows = await self._rest.find("purchase.purchase", Order, domain, fields)
        if len(rows) != 1:
            found = f"{len(rows) or 'no'} purchase orders {name}"
            why = f"warehouse {self._config.warehouse} has {found}"
            raise Stopped(Refused("unknown_document", why))
        order = rows[0]
        if order.state == "confirmed":
            raise Stopped(TryLater(f"order {name} is about to be processed", ORDER_BUSY))
        if order.state != "processing":
            raise Stopped(Refused("unknown_document", f"order {name} is {order.state}"))
        return order

    async def sale(self, name: str, company: int) -> Sale:
        """Return the one sales order of that name, with all of its customer shipments."""
        product = [*PRODUCT_FIELDS, self._config.sku_field]
        if self._config.lots:
            product.append("lot_required")
        moves = [*MOVE_FIELDS, "origin", "planned_date", *(f"product.{name}" for name in product)]
        if self._config.lots:
            moves.append("lot.number")
        fields = [
            *(
                "number",
                "state",
                "party",
                "shipment_party",
                "shipments.number",
                "shipments.state",
                "shipments.reference",
            ),
            *(f"shipments.outgoing_moves.{name}" for name in moves),
        ]
        domain = [
            [self._config.sales_order_by, "=", name],
            ["warehouse.code", "=", self._config.warehouse],
            ["company", "=", company],
        ]
        rows = await self._rest.find("sale.sale", Sale, domain, fields)
        if len(rows) != 1:
            why = f"warehouse {self._config.warehouse} has {len(rows) or 'no'} sales orders {name}"
            raise Stopped(Refused("unknown_document", why))
        if rows[0].state == "confirmed":
            raise Stopped(TryLater(f"order {name} is about to be processed", ORDER_BUSY))
        if rows[0].state not in ("processing", "done"):
            raise Stopped(Refused("unknown_document", f"order {name} is {rows[0].state}"))
        return rows[0]

    async def check_period(self, day: date, company: int) -> None:
        """See that `day` lies in no closed period.

        Tryton 8.2 itself books into one when only the shipment has the date.
        """
        closed = [["state", "=", "closed"], ["date", ">=", day], ["company", "=", company]]
        if await self._rest.find("stock.period", Answer, closed):
            why = f"{day} lies in a closed stock period"
            raise Stopped(Refused("closed_period", why))

    async def depot(self) -> Depot:
        """Return the warehouse the configuration names. Read once: a warehouse stays."""
        if self._depot is None:
            domain = [["type", "=", "warehouse"], ["code", "=", self._config.warehouse]]
            fields = ("input_location", "storage_location", "lost_found_location")
            rows = await self._rest.find("stock.location", Depot, domain, fields)
            if len(rows) != 1:
                why = f"Tryton has {len(rows) or 'no'} warehouses {self._config.warehouse}"
                raise Stopped(TryLater(why, SETTING_WRONG))
            self._depot = rows[0]
        return self._depot

    @property
    def keeps_lots(self) -> bool:
        """Whether Tryton's module for lots is there."""
        return self._config.lots

    async def has_production(self) -> bool:
        """Whether Tryton's module `production` is activated."""
        if self._makes is None:
            domain = [["model", "=", "production"], ["name", "=", "reference"]]
            rows = await self._rest.find("ir.model.field", Field, domain, ("model", "name"))
            self._makes = bool(rows)
        return self._makes

    async def workshop(self) -> int:
        """Return the id of the warehouse's place of production."""
        depot = await self.depot()
        domain = [["id", "=", depot.id]]
        rows = await self._rest.find("stock.location", Workshop, domain, ("production_location",))
        if not rows or rows[0].production_location is None:
            why = f"warehouse {self._config.warehouse} has no place of production in Tryton"
            raise Stopped(TryLater(why, SETTING_WRONG))
        return rows[0].production_location

    async def currency(self, company: int) -> int:
        """Return the id of the company's currency."""
        rows = await self._rest.find(
            "company.company", Money, [["id", "=", company]], ("currency",)
        )
        if not rows:
            raise Stopped(TryLater(f"Tryton has no company {company}", SETTING_WRONG))
        return rows[0].currency

    async def returned(self, moves: Collection[int]) -> dict[int, Decimal]:
        """Return how much came back of each of these moves to a customer."""
        back: dict[int, Decimal] = {}
        numbers = sorted(moves)
        for start in range(0, len(numbers), MOST_ORIGINS):
            domain = [
                [
                    "origin",
                    "in",
                    [f"stock.move,{n}" for n in numbers[start : start + MOST_ORIGINS]],
                ],
                ["from_location.type", "=", "customer"],
                ["state", "!=", "cancelled"],
            ]
            async for row in self._rest.pages(
                "stock.move", Returned, domain, ("origin", "quantity")
            ):
                move = int(row.origin.partition(",")[2])
                back[move] = back.get(move, Decimal(0)) + row.quantity
        return back

    async def lost_and_found(self) -> int:
        """Return the id of the location that differences go to and come from."""
        lost = (await self.depot()).lost_found_location
        if lost is None:
            why = f"warehouse {self._config.warehouse} has no lost and found location in Tryton"
            raise Stopped(TryLater(why, SETTING_WRONG))
        return lost

    async def lots(self, articles: Mapping[Goods, Article], *, new: bool) -> dict[Goods, int]:
        """Return the lot of each of the goods that has one, made where `new` and not known."""
        if new:
            return {
                goods: await self.lot(article.id, goods)
                for goods, article in articles.items()
                if goods.lot is not None
            }
        return await self.known_lots({goods: article.id for goods, article in articles.items()})

    async def known_lots(self, products: Mapping[Goods, int]) -> dict[Goods, int]:
        """Return the id of each lot that came in before, asked for at once."""
        wanted = {goods: product for goods, product in products.items() if goods.lot is not None}
        if not wanted:
            return {}
        domain = [
            ["product", "in", sorted(set(wanted.values()))],
            ["number", "in", sorted({goods.lot for goods in wanted if goods.lot is not None})],
        ]
        pages = self._rest.pages("stock.lot", HeldLot, domain, ("number", "product"))
        known: dict[tuple[int, str], int] = {}
        async for row in pages:  # by their id: the oldest of a name counts
            known.setdefault((row.product, row.number), row.id)
        return {goods: _lot(goods, product, known) for goods, product in wanted.items()}

    async def see_no_other_lots(self, articles: Mapping[Goods, Article], location: int) -> None:
        """See that what was counted without a lot does not lie there in lots."""
        plain = {article.id: goods for goods, article in articles.items() if goods.lot is None}
        if not (plain and self._config.lots):
            return
        here = {"locations": [location], "with_childs": False, "stock_date_end": date.max}
        domain = [["product", "in", sorted(plain)], ["quantity", "!=", 0]]
        fields = ("number", "product")
        rows = await self._rest.find("stock.lot", HeldLot, domain, fields, here)
        if rows:
            goods = plain[rows[0].product]
            why = f"{goods} lies there in lots, such as {rows[0].number}: count each by its lot"
            raise Stopped(Refused("lot_required", why))

    async def lot(self, product: int, goods: Goods) -> int:
        """Return the id of the lot, made or completed as needed. A lot alone is no stock."""
        dates = {
            field: day
            for field, day in (
                (self._config.lot_expiry_field, goods.expiry),
                (self._config.lot_best_before_field, goods.best_before),
            )
            if field is not None and day is not None
        }
        named = {"number": goods.lot, "product": product}
        domain = [[field, "=", value] for field, value in named.items()]
        rows = await self._rest.find("stock.lot", Lot, domain, ("number", *dates))
        if not rows:
            return (await self._rest.make("stock.lot", Lot, named | dates, ("number",))).id
        lot = min(rows, key=lambda row: row.id)
        known = lot.model_extra or {}
        for field, day in dates.items():
            if known.get(field) not in (None, day):
                why = f"lot {goods.lot} of {goods}: {field} is {known[field]}, the label says {day}"
                raise Stopped(Refused("refused", why))
        if missing := {field: day for field, day in dates.items() if known.get(field) is None}:
            await self._rest.change("stock.lot", lot.id, missing)
        return lot.id


def _lot(goods: Goods, product: int, known: Mapping[tuple[int, str], int]) -> int:
    found = known.get((product, goods.lot or ""))
    if found is None:
        why = f"Tryton has no lot {goods.lot} of {goods}: nothing of it ever came in"
        raise Stopped(Refused("short_stock", why))
    return found
