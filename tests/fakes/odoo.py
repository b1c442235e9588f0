"""An Odoo 19 database behind JSON-2: transfers with backorders, counts, manufacturing orders.

Written from Odoo's documentation of JSON-2 and from what the public source of 19.0 does: a call is
one transaction; `button_validate` ignores what is done, asks about a backorder unless told to skip
that, and moves what is picked; `action_apply_inventory` forgets what was counted once it is
applied, so that a second press counts nothing. Only fields that 19.0 has are taken.
"""

import itertools
import json
from collections import Counter
from decimal import Decimal
from typing import Any

from aiohttp import web

from tests.fakes.vendor import Faults, Vendor

Record = dict[str, Any]

FIELDS: dict[str, dict[str, str]] = {
    # addons/stock/models/stock_picking.py
    "stock.picking": {
        **dict.fromkeys(("name", "state", "origin", "write_date", "carrier_tracking_ref"), ""),
        "picking_type_id": "stock.picking.type",
        "location_id": "stock.location",
        "location_dest_id": "stock.location",
        "move_ids": "stock.move",
        "backorder_id": "stock.picking",
    },
    "stock.picking.type": {
        "code": "",
        "warehouse_id": "stock.warehouse",
        "default_location_src_id": "stock.location",
        "default_location_dest_id": "stock.location",
    },
    # addons/stock/models/stock_move.py
    "stock.move": {
        **dict.fromkeys(("product_uom_qty", "state", "picked", "inventory_name", "write_date"), ""),
        "picking_id": "stock.picking",
        "product_id": "product.product",
        "product_uom": "uom.uom",
        "location_id": "stock.location",
        "location_dest_id": "stock.location",
        "move_line_ids": "stock.move.line",
    },
    # addons/stock/models/stock_move_line.py
    "stock.move.line": {
        **dict.fromkeys(("quantity", "picked"), ""),
        "picking_id": "stock.picking",
        "move_id": "stock.move",
        "product_id": "product.product",
        "product_uom_id": "uom.uom",
        "lot_id": "stock.lot",
        "location_id": "stock.location",
        "location_dest_id": "stock.location",
    },
    # addons/stock/models/stock_quant.py
    "stock.quant": {
        **dict.fromkeys(("quantity", "inventory_quantity", "inventory_quantity_set"), ""),
        "product_id": "product.product",
        "location_id": "stock.location",
        "lot_id": "stock.lot",
    },
    # addons/stock/models/stock_lot.py
    "stock.lot": {"name": "", "product_id": "product.product"},
    # addons/stock/models/stock_location.py
    "stock.location": {
        **dict.fromkeys(("name", "complete_name", "barcode", "usage"), ""),
        "warehouse_id": "stock.warehouse",
    },
    # addons/stock/models/stock_warehouse.py, addons/mrp/models/stock_warehouse.py
    "stock.warehouse": {
        "code": "",
        "view_location_id": "stock.location",
        **{f"{each}_type_id": "stock.picking.type" for each in ("in", "out", "int", "pick")},
        **{f"{each}_type_id": "stock.picking.type" for each in ("pack", "manu")},
    },
    # addons/product/models/product_product.py, addons/stock/models/product.py
    "product.product": {
        **dict.fromkeys(("default_code", "display_name", "barcode", "tracking", "is_storable"), ""),
        "uom_id": "uom.uom",
        "property_stock_inventory": "stock.location",
    },
    # addons/uom/models/uom_uom.py
    "uom.uom": {"name": "", "rounding": ""},
    "res.partner": {"display_name": ""},
    # addons/purchase, addons/purchase_stock
    "purchase.order": {
        **dict.fromkeys(("name", "partner_ref", "state"), ""),
        "partner_id": "res.partner",
        "picking_ids": "stock.picking",
        "order_line": "purchase.order.line",
    },
    "purchase.order.line": {
        **dict.fromkeys(("product_qty", "qty_received"), ""),
        "order_id": "purchase.order",
        "product_id": "product.product",
        "product_uom_id": "uom.uom",
    },
    # addons/sale, addons/sale_stock
    "sale.order": {
        **dict.fromkeys(("name", "client_order_ref", "state"), ""),
        "partner_id": "res.partner",
        "picking_ids": "stock.picking",
        "order_line": "sale.order.line",
    },
    "sale.order.line": {
        **dict.fromkeys(("product_uom_qty", "qty_delivered"), ""),
        "order_id": "sale.order",
        "product_id": "product.product",
        "product_uom_id": "uom.uom",
    },
    # addons/mrp/models/mrp_production.py
    "mrp.production": {
        **dict.fromkeys(("name", "state", "product_qty", "bom_id", "write_date"), ""),
        "product_id": "product.product",
        "product_uom_id": "uom.uom",
        "picking_type_id": "stock.picking.type",
        "location_src_id": "stock.location",
        "location_dest_id": "stock.location",
        "move_raw_ids": "stock.move",
    },
}
"""Fields of 19.0 that are known here, and the model a link goes to. Source: the public source."""
READS = {"search_read", "fields_get"}
WRITTEN = "2026-11-23 08:00:00"


class Broken(Exception):
    """What Odoo answers instead of a result; the transaction is rolled back."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.name = name


def user_error(message: str) -> Broken:
    return Broken(422, "odoo.exceptions.UserError", message)


class Erp(Vendor):
    """One database with the warehouse WH."""

    def __init__(self, faults: Faults | None = None, key: str = "", database: str = "") -> None:
        super().__init__(faults)
        self._key = key
        self._database = database
        self._ids = itertools.count(1)
        self.tables: dict[str, dict[int, Record]] = {model: {} for model in FIELDS}
        self.effects: Counter[str] = Counter()
        """How often each mark had its effect."""
        self.asks: list[dict[str, Any]] = []
        """What the next button asks, instead of doing its work."""
        self.modules = {"mrp"}
        self._set_up()

    # --- What there is ---

    def put(self, model: str, **values: Any) -> int:
        number = next(self._ids)
        blank: Record = {field: [] if field.endswith("_ids") else False for field in FIELDS[model]}
        self.tables[model][number] = {"id": number, **blank, "write_date": WRITTEN, **values}
        return number

    def _set_up(self) -> None:
        self.unit = self.put("uom.uom", name="Units", rounding=0.01)
        self.kilogram = self.put("uom.uom", name="kg", rounding=0.01)
        self.places = {
            name: self.put("stock.location", name=name, complete_name=name, usage=usage)
            for name, usage in (
                *(("Vendors", "supplier"), ("Customers", "customer"), ("Scrap", "inventory")),
                *(("Inventory adjustment", "inventory"), ("Production", "production")),
                *(("WH", "view"), ("Stock", "internal"), ("Output", "internal")),
            )
        }
        here = self.put("stock.warehouse", code="WH", view_location_id=self.places["WH"])
        self.warehouse = here
        for step, source, goal in (
            ("in", "Vendors", "Stock"),
            ("out", "Output", "Customers"),
            ("int", "Stock", "Stock"),
            ("pick", "Stock", "Output"),
            ("pack", "Output", "Output"),
            ("manu", "Stock", "Stock"),
        ):
            kind = self.put(
                "stock.picking.type",
                code=step,
                warehouse_id=here,
                default_location_src_id=self.places[source],
                default_location_dest_id=self.places[goal],
            )
            self.tables["stock.warehouse"][here][f"{step}_type_id"] = kind
        for name in ("Stock", "Output"):
            self.tables["stock.location"][self.places[name]] |= {
                "warehouse_id": here,
                "barcode": f"WH-{name.upper()}",
            }

    def shelve(self, *names: str) -> None:
        for name in names:
            self.places[name] = self.put(
                "stock.location",
                name=name,
                complete_name=f"WH/{name}",
                barcode=name,
                usage="internal",
                warehouse_id=self.warehouse,
            )

    def sell(
        self, sku: str, tracking: str = "none", barcode: str | None = None, unit: int = 0
    ) -> int:
        return self.put(
            "product.product",
            default_code=sku,
            display_name=f"[{sku}] {sku.title()}",
            barcode=barcode or False,
            tracking=tracking,
            is_storable=True,
            uom_id=unit or self.unit,
            property_stock_inventory=self.places["Inventory adjustment"],
        )

    def product(self, sku: str) -> int:
        rows = self.tables["product.product"].values()
        return int(next(row["id"] for row in rows if row["default_code"] == sku))

    def order(self, name: str, steps: tuple[str, ...], **pieces: float) -> int:
        """Confirm an order: one open transfer for each step, its goods reserved."""
        kind = "purchase.order" if steps == ("in",) else "sale.order"
        partner = self.put("res.partner", display_name="Bolt & Co")
        state = "purchase" if kind == "purchase.order" else "sale"
        order = self.put(kind, name=name, state=state, partner_id=partner, order_line=[])
        ordered = "product_qty" if kind == "purchase.order" else "product_uom_qty"
        for sku, amount in pieces.items():
            product = self.product(sku)
            line = self.put(
                f"{kind}.line", order_id=order, product_id=product, product_uom_id=self.unit,
                qty_received=0, qty_delivered=0, **{ordered: Decimal(str(amount))},
            )  # fmt: skip
            self.tables[kind][order]["order_line"].append(line)
        for step in steps:
            operation = self.tables["stock.warehouse"][self.warehouse][f"{step}_type_id"]
            there = self.tables["stock.picking.type"][operation]
            ends = {
                "location_id": there["default_location_src_id"],
                "location_dest_id": there["default_location_dest_id"],
            }
            number = self._number(operation)
            picking = self.put("stock.picking", name=number, state="assigned", origin=name,
                               picking_type_id=operation, **ends)  # fmt: skip
            for sku, amount in pieces.items():
                product = self.product(sku)
                self._move(picking, product, Decimal(str(amount)), ends)
            self.tables[kind][order]["picking_ids"].append(picking)
        return order

    def _number(self, operation: int) -> str:
        code = self.tables["stock.picking.type"][operation]["code"]
        return f"WH/{code.upper()}/{next(self._ids):05}"

    def _move(self, picking: int, product: int, amount: Decimal, ends: Record) -> int:
        move = self.put(
            "stock.move", picking_id=picking, product_id=product, product_uom_qty=amount,
            product_uom=self.tables["product.product"][product]["uom_id"], state="assigned", **ends,
        )  # fmt: skip
        self.tables["stock.picking"][picking]["move_ids"].append(move)
        self._reserve(move)
        return move

    def _reserve(self, move: int) -> None:
        row = self.tables["stock.move"][move]
        line = self.put(
            "stock.move.line", picking_id=row["picking_id"], move_id=move,
            product_id=row["product_id"], product_uom_id=row["product_uom"],
            quantity=row["product_uom_qty"], location_id=row["location_id"],
            location_dest_id=row["location_dest_id"],
        )  # fmt: skip
        row["move_line_ids"].append(line)

    # --- The wire ---

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/json/2/{model}/{method}", self.rpc)]

    def writes(self, request: web.Request, body: bytes) -> bool:
        return request.match_info["method"] not in READS

    def may_come_twice(self, body: bytes) -> bool:
        """A record whose name may be there once, and a button that ignores what is done."""
        return b'"name": "SP/' in body or b"skip_backorder" in body

    def expired(self) -> web.Response:
        return self._error(Broken(401, "werkzeug.exceptions.Unauthorized", "Invalid apikey"))

    def _error(self, error: Broken) -> web.Response:
        said = {"name": error.name, "message": str(error), "arguments": [], "context": {}}
        return web.json_response({**said, "debug": "Traceback ..."}, status=error.status)

    async def rpc(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"bearer {self._key}":
            return self.expired()
        if self._database and request.headers.get("X-Odoo-Database") != self._database:
            return web.Response(status=404, text="<h1>Not Found</h1>")
        asked = json.loads(await request.read(), parse_float=Decimal)
        model, method = request.match_info["model"], request.match_info["method"]
        before = None if method in READS else (self._copied(), self.effects.copy())
        try:
            result = self._call(model, method, asked)
        except Broken as error:
            if before is not None:
                self.tables, self.effects = before
            return self._error(error)
        return web.Response(text=json.dumps(result, default=float), content_type="application/json")

    def _copied(self) -> dict[str, dict[int, Record]]:
        return {
            model: {
                number: {
                    name: list(value) if isinstance(value, list) else value
                    for name, value in row.items()
                }
                for number, row in rows.items()
            }
            for model, rows in self.tables.items()
        }

    def _call(self, model: str, method: str, asked: Record) -> Any:
        if model not in self.tables or (model.startswith("mrp.") and "mrp" not in self.modules):
            raise Broken(404, "werkzeug.exceptions.NotFound", f"the model '{model}' does not exist")
        work = getattr(self, f"on_{method}", None)
        if work is None:
            self.problems.append(f"{model} has no method {method}")
            raise Broken(404, "werkzeug.exceptions.NotFound", f"{model} has no {method}")
        context = asked.pop("context", {})
        return work(model, asked.pop("ids", []), context, **asked)

    def _known(self, model: str, *fields: str) -> None:
        for field in fields:
            if field not in FIELDS[model] and field not in ("id", "write_date"):
                self.problems.append(f"{model} has no field {field}")
                raise Broken(500, "builtins.ValueError", f"Invalid field {field} on {model}")

    # --- Reading ---

    def on_fields_get(
        self, model: str, ids: list[int], context: Record, allfields: list[str], attributes: Any
    ) -> Any:
        here = {field for field in allfields if field in FIELDS[model]}
        gone = {"manu_type_id"} if "mrp" not in self.modules else set()
        return {field: {"type": "many2one"} for field in here - gone}

    def on_search_read(
        self, model: str, ids: list[int], context: Record, domain: list[Any],
        fields: list[str], order: str, limit: int, load: None,
    ) -> list[Record]:  # fmt: skip
        assert (order, load) == ("id", None)
        self._known(model, *fields)
        rows = sorted(self.tables[model].values(), key=lambda row: int(row["id"]))
        found = [row for row in rows if all(self._fits(model, row, term) for term in domain)]
        return [{name: row[name] for name in ("id", *fields)} for row in found[:limit]]

    def _fits(self, model: str, row: Record, term: list[Any]) -> bool:
        path, operator, wanted = term
        first, _, rest = path.partition(".")
        self._known(model, first)
        value = row[first]
        if rest:
            other = FIELDS[model][first]
            return bool(value) and self._fits(
                other, self.tables[other][value], [rest, operator, wanted]
            )
        match operator:
            case "=":
                return bool(value == wanted)
            case "!=":
                return bool(value != wanted)
            case "in":
                return value in wanted
            case "not in":
                return value not in wanted
            case ">":
                return bool(value > wanted)
            case ">=":
                return bool(value >= wanted)
            case "=like":
                return str(value).endswith(wanted.removeprefix("%"))
            case "like":
                return wanted in str(value)
            case "not like":
                return wanted not in str(value)
        raise AssertionError(f"no such operator: {operator}")

    # --- Writing ---

    def on_create(
        self, model: str, ids: list[int], context: Record, vals_list: list[Record]
    ) -> list[int]:
        return [self._create(model, values, context) for values in vals_list]

    def _create(self, model: str, values: Record, context: Record) -> int:
        self._known(model, *values)
        rows = self.tables[model].values()
        if model == "stock.quant":
            return self._counted(values, context)
        if model in ("stock.picking", "mrp.production") and "name" in values:
            if any(row["name"] == values["name"] for row in rows):
                raise Broken(422, "odoo.exceptions.ValidationError", "Reference must be unique")
            values = {"state": "draft", **values}
        if model == "stock.lot":
            key = (values["name"], values["product_id"])
            if any((row["name"], row["product_id"]) == key for row in rows):
                raise Broken(422, "odoo.exceptions.ValidationError", "The combination ... unique")
        links = {
            field: values.pop(field) for field in ("move_ids", "move_raw_ids") if field in values
        }
        number = self.put(model, **values)
        for field, commands in links.items():
            self._commands(model, number, field, commands)
        return number

    def on_write(self, model: str, ids: list[int], context: Record, vals: Record) -> bool:
        for number in ids:
            self._write(model, number, dict(vals))
        return True

    def _write(self, model: str, number: int, values: Record) -> None:
        self._known(model, *values)
        row = self.tables[model].get(number)
        if row is None:
            raise Broken(404, "odoo.exceptions.MissingError", "Record does not exist")
        if row.get("state") == "done":
            self.problems.append(f"{model} {number} is done, and was changed")
        for field in [name for name in values if name.endswith("_ids")]:
            self._commands(model, number, field, values.pop(field))
        if model == "stock.picking" and any(
            other["name"] == values.get("name")
            for other in self.tables[model].values()
            if other["id"] != number
        ):
            raise Broken(422, "odoo.exceptions.ValidationError", "Reference must be unique")
        row.update(values)

    def _commands(self, model: str, number: int, field: str, commands: list[list[Any]]) -> None:
        other = FIELDS[model][field]
        back = {"move_line_ids": "move_id", "move_ids": "picking_id"}.get(field)
        owner = self.tables[model][number]
        for command, which, *rest in commands:
            match command:
                case 0:
                    values = {**rest[0], **({back: number} if back else {})}
                    made = self._create(other, values, {})
                    if other == "stock.move":
                        self.tables[other][made]["state"] = "draft"
                    owner[field].append(made)
                case 1:
                    if which not in owner[field]:
                        self.problems.append(f"{other} {which} is not of {model} {number}")
                    self._write(other, which, dict(rest[0]))
                case 2:
                    if self.tables[other].pop(which, None) is None:
                        raise Broken(404, "odoo.exceptions.MissingError", "Record does not exist")
                    owner[field].remove(which)
                case _:
                    raise AssertionError(f"no such command: {command}")

    # --- Transfers ---

    def on_button_validate(self, model: str, ids: list[int], context: Record) -> Any:
        if self.asks:
            return self.asks.pop(0)
        [number] = ids
        picking = self.tables[model][number]
        if picking["state"] == "done":
            return True
        moves = [self.tables["stock.move"][move] for move in picking["move_ids"]]
        lines = {move["id"]: self._lines(move) for move in moves}
        if not any(move["picked"] for move in moves):
            for row in (*moves, *itertools.chain(*lines.values())):
                row["picked"] = True
        done = {
            move["id"]: [line for line in lines[move["id"]] if line["picked"]]
            for move in moves
            if move["picked"]
        }
        if not any(done.values()):
            raise user_error("Transfer trouble alert! Validating a zero quantity transfer?")
        for line in itertools.chain(*done.values()):
            product = self.tables["product.product"][line["product_id"]]
            if product["tracking"] != "none" and not line["lot_id"]:
                raise user_error("You need to supply a Lot/Serial number for products ...")
        left = {
            move["id"]: move["product_uom_qty"]
            - sum(line["quantity"] for line in done.get(move["id"], ()))
            for move in moves
        }
        if any(rest > 0 for rest in left.values()) and not context.get("skip_backorder"):
            return {"res_model": "stock.backorder.confirmation", "type": "ir.actions.act_window"}
        for line in itertools.chain(*done.values()):
            self._moved(line)
        self._backorder(picking, moves, left)
        picking["state"] = "done"
        self._count(picking["name"])
        return True

    def _lines(self, move: Record) -> list[Record]:
        return [self.tables["stock.move.line"][line] for line in move["move_line_ids"]]

    def _moved(self, line: Record) -> None:
        for place, sign in (("location_id", -1), ("location_dest_id", 1)):
            self._add(line["product_id"], line[place], line["lot_id"], sign * line["quantity"])

    def _add(self, product: int, place: int, lot: int | bool, amount: Decimal) -> Record:
        key = (product, place, lot)
        for row in self.tables["stock.quant"].values():
            if (row["product_id"], row["location_id"], row["lot_id"]) == key:
                row["quantity"] += amount
                return row
        number = self.put(
            "stock.quant", product_id=product, location_id=place, lot_id=lot, quantity=amount
        )
        return self.tables["stock.quant"][number]

    def _backorder(self, picking: Record, moves: list[Record], left: dict[int, Decimal]) -> None:
        rest = {move["id"]: left[move["id"]] for move in moves if left[move["id"]] > 0}
        for move in moves:
            move["state"] = "done"
        if not rest:
            return
        later = self.put(
            "stock.picking",
            **{name: picking[name] for name in ("origin", "picking_type_id", "location_id")},
            location_dest_id=picking["location_dest_id"],
            name=self._number(picking["picking_type_id"]),
            state="assigned",
            backorder_id=picking["id"],
        )
        for move in moves:
            if move["id"] in rest:
                ends = {name: move[name] for name in ("location_id", "location_dest_id")}
                self._move(later, move["product_id"], rest[move["id"]], ends)
        for orders in ("purchase.order", "sale.order"):
            for order in self.tables[orders].values():
                if picking["id"] in order["picking_ids"]:
                    order["picking_ids"].append(later)

    def _count(self, name: str) -> None:
        _, mark, reference = name.rpartition("SP/")
        if mark:
            self.effects[reference] += 1

    # --- Counts ---

    def _counted(self, values: Record, context: Record) -> int:
        if not context.get("inventory_mode"):
            raise user_error("Quant's creation is restricted, you can't do this operation.")
        lot = values.get("lot_id", False)
        row = self._add(values["product_id"], values["location_id"], lot, Decimal(0))
        row["inventory_quantity"] = Decimal(values["inventory_quantity"])
        row["inventory_quantity_set"] = True
        return int(row["id"])

    def on_action_apply_inventory(self, model: str, ids: list[int], context: Record) -> Any:
        if self.asks:
            return self.asks.pop(0)
        name = context.get("inventory_name", "Physical Inventory")
        for number in ids:
            quant = self.tables[model][number]
            counted = quant["inventory_quantity"] or Decimal(0)
            self.put("stock.move", inventory_name=name, state="done",
                     product_id=quant["product_id"], product_uom_qty=counted)  # fmt: skip
            quant["quantity"] = counted
            quant["inventory_quantity"], quant["inventory_quantity_set"] = False, False
        self._count(name)
        return None

    # --- Manufacturing ---

    def on_action_confirm(self, model: str, ids: list[int], context: Record) -> bool:
        for number in ids:
            self.tables[model][number]["state"] = "confirmed"
        return True

    def on_button_mark_done(self, model: str, ids: list[int], context: Record) -> Any:
        if self.asks:
            return self.asks.pop(0)
        [number] = ids
        order = self.tables[model][number]
        if order["state"] != "confirmed":
            raise user_error("the order is not confirmed, or was done before")
        for move in (self.tables["stock.move"][each] for each in order["move_raw_ids"]):
            amount = Decimal(move["product_uom_qty"])
            self._add(move["product_id"], order["location_src_id"], False, -amount)
        amount = Decimal(order["product_qty"])
        self._add(order["product_id"], order["location_dest_id"], False, amount)
        order["state"] = "done"
        self._count(order["name"])
        return True

    # --- What it comes to ---

    def on_hand(self) -> dict[str, Decimal]:
        """What is in the house, as `item at place`; lots behind a slash."""
        hand: Counter[str] = Counter()
        for row in self.tables["stock.quant"].values():
            place = self.tables["stock.location"][row["location_id"]]
            if place["usage"] == "internal":
                sku = self.tables["product.product"][row["product_id"]]["default_code"]
                lot = f"/{self.tables['stock.lot'][row['lot_id']]['name']}" if row["lot_id"] else ""
                hand[f"{sku}{lot} at {place['name']}"] += row["quantity"]
        return {name: Decimal(amount) for name, amount in hand.items() if amount}
