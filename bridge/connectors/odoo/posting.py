"""Bring a transaction into Odoo once: look for it, make or fill it, press the button."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, assert_never

from bridge.connector import Connector
from bridge.connectors.odoo.config import Config
from bridge.connectors.odoo.filling import MOVE_FIELDS, allocate, filled, moved
from bridge.connectors.odoo.json2 import Json2
from bridge.connectors.odoo.plan import MARK, Fill, Found, Make, Move, Plan, document
from bridge.connectors.odoo.records import Records, Thing
from bridge.http import SETTING_WRONG, Stopped, opened
from bridge.outcome import Outcome, Posted, Refused, TryLater
from contract.transactions import Transaction

OPEN = ["assigned", "confirmed", "waiting"]
"""States of a transfer that Odoo waits for."""
_ORDERS = {"in": ("purchase.order", "purchase"), "out": ("sale.order", "sale")}


class Odoo:
    """One database. It needs to be the only writer of what bears its mark."""

    def __init__(self, odoo: Json2, config: Config) -> None:
        self.settle = config.http.settle
        self._odoo = odoo
        self._config = config
        self._records = Records(odoo, config)

    async def deliver(self, transaction: Transaction, *, again: bool) -> Outcome:
        """Book `transaction`; whatever is there of it is looked for first and carried on."""
        plan = document(transaction, self._config)
        if isinstance(plan, Posted | Refused):
            return plan
        try:
            return await self._book(plan)
        except Stopped as stopped:
            if isinstance(stopped.outcome, Refused):
                self._records.forget()
            return stopped.outcome

    async def _book(self, plan: Plan) -> Outcome:
        match plan:
            case Fill():
                return await self._fill(plan)
            case Move():
                return await self._move(plan)
            case Found():
                return await self._count(plan)
            case Make():
                return await self._produce(plan)
            case _:
                assert_never(plan)

    # --- Transfers: stock.picking ---

    async def _named(self, name: str) -> dict[str, Any] | None:
        """Return the transfer that bears a name of ours, alone or behind Odoo's own number."""
        there = await self._odoo.find(
            "stock.picking", [["name", "=like", f"%{name}"]], ["name", "state"]
        )
        if len(there) > 1:
            text = f"Odoo has {len(there)} transfers named {name}: {there[0]['name']} ..."
            raise Stopped(Refused("needs_human", text))
        return there[0] if there else None

    async def _fill(self, plan: Fill) -> Outcome:
        picking = await self._named(plan.name)
        if picking is not None and picking["state"] in ("done", "cancel"):
            return _ended(picking)
        things = await self._records.things(plan.goods, makes_lots=plan.step == "in")
        choice = [picking] if picking is not None else await self._waiting(plan)
        fitting = await self._choose(plan, things, choice)
        if isinstance(fitting, Refused):
            return fitting
        chosen, moves = fitting
        if picking is None or moves:
            claim = claimed(plan, chosen["name"], moves, self._config)
            await self._odoo.change("stock.picking", chosen["id"], claim)
        return await self._validate(chosen["id"])

    async def _choose(
        self, plan: Fill, things: list[Thing], choice: list[dict[str, Any]]
    ) -> tuple[dict[str, Any], list[list[Any]]] | Refused:
        """Return the oldest transfer that holds all of the goods, and how they lie in it."""
        place = None if plan.place is None else await self._records.place(plan.place)
        ends = {"goal": place} if plan.step == "in" else {"source": place}
        if not things:
            ready = [each for each in choice if each["state"] == "assigned"]
            short = Refused("short_stock", f"Odoo has reserved nothing for order {plan.order}")
            return (ready[0], []) if ready else short
        why: Refused | None = None
        for picking in choice:
            parts = allocate(things, await self._moves(picking["id"]), too_much=plan.too_much)
            if not isinstance(parts, Refused):
                return picking, filled(picking["id"], parts, **ends)
            if why is None or why.code == "unknown_sku":
                why = parts
        return why or Refused("unknown_document", f"order {plan.order} waits for nothing")

    async def _waiting(self, plan: Fill) -> list[dict[str, Any]]:
        """Return the order's open transfers of one step that nobody has filled yet."""
        operation = (await self._records.warehouse()).types.get(plan.step)
        if operation is None:
            text = f"warehouse {self._config.warehouse} has no operation type for {plan.step}"
            raise Stopped(TryLater(text, SETTING_WRONG))
        purchase = plan.step == "in"
        model, confirmed = _ORDERS["in" if purchase else "out"]
        by = self._config.purchase_by if purchase else self._config.sale_by
        rows = await self._odoo.find(model, [[by, "=", plan.order]], ["state", "picking_ids"])
        if len(rows) != 1 or rows[0]["state"] not in (confirmed, "done"):
            said = f"has {len(rows)} orders" if len(rows) != 1 else "has not confirmed order"
            raise Stopped(Refused("unknown_document", f"Odoo {said} {plan.order}"))
        domain = [
            ["id", "in", rows[0]["picking_ids"]],
            ["picking_type_id", "=", operation],
            ["state", "in", OPEN],
            ["name", "not like", MARK],
        ]
        return await self._odoo.find("stock.picking", domain, ["name", "state"])

    async def _moves(self, picking: int) -> list[dict[str, Any]]:
        domain = [["picking_id", "=", picking], ["state", "not in", ["done", "cancel"]]]
        return await self._odoo.find("stock.move", domain, MOVE_FIELDS)

    async def _move(self, plan: Move) -> Outcome:
        picking = await self._named(plan.name)
        if picking is not None and picking["state"] in ("done", "cancel"):
            return _ended(picking)
        comes = plan.kind in ("receipt", "return", "found")
        things = await self._records.things(plan.goods, makes_lots=comes)
        if picking is None:
            operation, source, goal = await self._way(plan, things)
            if source == goal:
                return Posted("")  # it stayed where it was
            values = {
                "name": plan.name,
                "picking_type_id": operation,
                "location_id": source,
                "location_dest_id": goal,
                "origin": plan.origin or False,
                "move_ids": moved(things, source, goal),
            }
            number = await self._made_once("stock.picking", values)
        else:
            number = picking["id"]
        parts = allocate(things, await self._moves(number))
        if isinstance(parts, Refused):
            text = f"{plan.name} was changed in Odoo: {parts.text}"
            return Refused("needs_human", text)
        await self._odoo.change("stock.picking", number, {"move_ids": filled(number, parts)})
        return await self._validate(number)

    async def _way(self, plan: Move, things: list[Thing]) -> tuple[int, int, int]:
        """Return operation type, source and destination of a transfer of the bridge's own."""
        types = (await self._records.warehouse()).types
        kind = "in" if plan.kind in ("receipt", "return") else "int"
        if kind not in types:
            text = "internal transfers are off in Odoo: switch on its storage locations"
            raise Stopped(TryLater(text, SETTING_WRONG))
        supplier, dock = await self._records.ends(types["in"])
        source = None if plan.source is None else await self._records.place(plan.source)
        goal = None if plan.goal is None else await self._records.place(plan.goal)
        match plan.kind:
            case "receipt":
                source = supplier
            case "return":
                _, source = await self._records.ends(types["out"])
            case "found":
                source = await self._loss(plan, things)
            case "lost":
                goal = await self._loss(plan, things)
            case "internal":
                pass
            case _:
                assert_never(plan.kind)
        return types[kind], source or dock, goal or dock

    async def _loss(self, plan: Move, things: list[Thing]) -> int:
        if plan.loss is not None:
            return await self._records.loss(plan.loss)
        own = {thing.product.loss for thing in things}
        loss = own.pop()
        if own or loss is None:
            text = f"these products share no loss location: say one in losses for {plan.origin}"
            raise Stopped(Refused("unmapped", text))
        return loss

    async def _validate(self, picking: int) -> Outcome:
        asked = await self._odoo.act(
            "stock.picking", "button_validate", [picking], skip_backorder=True
        )
        there = await self._odoo.find(
            "stock.picking", [["id", "=", picking]], ["name", "state"], most=1
        )
        if there and there[0]["state"] == "done":
            return Posted(there[0]["name"])
        return _asks(asked, there[0]["name"] if there else str(picking))

    # --- Counts: stock.quant ---

    async def _count(self, plan: Found) -> Outcome:
        domain = [["inventory_name", "=", plan.name], ["state", "=", "done"]]
        if await self._odoo.find("stock.move", domain, ["id"], most=1):
            return Posted(plan.name)
        place = await self._records.place(plan.place)
        things = await self._records.things(plan.goods, makes_lots=True)
        rows = [
            {
                "product_id": thing.product.id,
                "location_id": place,
                "inventory_quantity": thing.goods.amount,
                **({} if thing.lot is None else {"lot_id": thing.lot}),
            }
            for thing in things
        ]
        quants = await self._odoo.make("stock.quant", rows, inventory_mode=True)
        # Pressed only right after it was said what is there: Odoo takes a count that was applied
        # before for a count of nothing
        asked = await self._odoo.act(
            "stock.quant",
            "action_apply_inventory",
            quants,
            inventory_mode=True,
            inventory_name=plan.name,
        )
        if isinstance(asked, dict):
            # Nothing is booked: somebody moved goods between the two calls. The next try counts
            # against what is there then.
            return TryLater(f"stock at {plan.place} changed while the count was applied")
        return Posted(plan.name)

    # --- Assemblies: mrp.production ---

    async def _produce(self, plan: Make) -> Outcome:
        order = await self._order(plan.name)
        if order is not None and order["state"] in ("done", "cancel"):
            return _ended(order)
        if order is None:
            number = await self._plan(plan)
            state = "draft"
        else:
            number, state = order["id"], order["state"]
        if state == "draft":
            await self._odoo.act("mrp.production", "action_confirm", [number])
        asked = await self._odoo.act(
            "mrp.production", "button_mark_done", [number], skip_redirection=True
        )
        order = await self._order(plan.name)
        if order is not None and order["state"] == "done":
            return Posted(plan.name)
        return _asks(asked, plan.name)

    async def _order(self, name: str) -> dict[str, Any] | None:
        rows = await self._odoo.find("mrp.production", [["name", "=", name]], ["name", "state"])
        return rows[0] if rows else None

    async def _plan(self, plan: Make) -> int:
        operation = await self._records.manufacturing()
        source, goal = await self._records.ends(operation)
        if plan.place is not None:
            source = goal = await self._records.place(plan.place)
        [made] = await self._records.things((plan.product,), makes_lots=False)
        used = await self._records.things(plan.used, makes_lots=False)
        values = {
            "name": plan.name,
            "product_id": made.product.id,
            "product_uom_id": made.product.unit,
            "product_qty": made.goods.amount,
            "bom_id": False,
            "picking_type_id": operation,
            "location_src_id": source,
            "location_dest_id": goal,
            "move_raw_ids": [
                [
                    0,
                    0,
                    {
                        "product_id": each.product.id,
                        "product_uom": each.product.unit,
                        "product_uom_qty": each.goods.amount,
                    },
                ]
                for each in used
            ],
        }
        return await self._made_once("mrp.production", values)

    async def _made_once(self, model: str, values: dict[str, Any]) -> int:
        """Make a record whose name Odoo lets exist once, or return the one that is there."""
        try:
            [number] = await self._odoo.make(model, [values])
        except Stopped as stopped:
            if not isinstance(stopped.outcome, Refused):
                raise
            # Perhaps because something on the way had sent the request twice
            there = await self._odoo.find(model, [["name", "=", values["name"]]], ["id"])
            if not there:
                raise
            number = there[0]["id"]
        return number


def claimed(plan: Fill, number: str, moves: list[list[Any]], config: Config) -> dict[str, Any]:
    """Return the one change that makes an order's transfer this transaction's. Pure.

    Odoo gives a backorder a number of its own, so the mark stays with what was filled.
    """
    marked = number.endswith(plan.name)
    values: dict[str, Any] = {} if marked else {"name": f"{number} {plan.name}"}
    if moves:
        values["move_ids"] = moves
    if plan.tracking is not None and config.tracking_field is not None:
        values[config.tracking_field] = plan.tracking
    return values


def _ended(record: dict[str, Any]) -> Posted | Refused:
    if record["state"] == "done":
        return Posted(record["name"])
    return Refused("needs_human", f"{record['name']} was cancelled in Odoo")


def _asks(asked: Any, name: str) -> Refused:
    what = asked.get("res_model") or asked.get("name") if isinstance(asked, dict) else asked
    return Refused("needs_human", f"Odoo did not finish {name}: it asks {what!r} first")


@asynccontextmanager
async def connect(config: Config) -> AsyncIterator[Connector]:
    """Yield the connector for `config`. Opens nothing until the first delivery."""
    async with opened(config.http, who="Odoo") as http:
        yield Odoo(Json2(http, config), config)
