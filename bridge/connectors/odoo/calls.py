"""The calls a delivery would make, for a person to read; what only Odoo knows in brackets. Pure."""

from typing import Any, assert_never

from bridge.connector import Call
from bridge.connectors.odoo.config import Config
from bridge.connectors.odoo.json2 import body, url
from bridge.connectors.odoo.plan import Fill, Found, Make, Move, document
from bridge.outcome import Posted, Refused
from bridge.tally import Goods
from contract.transactions import Transaction


def calls(transaction: Transaction, config: Config) -> list[Call]:
    """Return the calls that change something, and the first that looks whether they were made."""
    plan = document(transaction, config)
    if isinstance(plan, Posted | Refused):
        return []
    makes: list[tuple[str, str, str, dict[str, Any]]]
    values: dict[str, Any]
    match plan:
        case Fill():
            model, button = "stock.picking", "button_validate"
            change = {
                "name": f"<{plan.order}: number of its open transfer> {plan.name}",
                "move_ids": [[1, f"<move of {each}>", _line(each)] for each in plan.goods],
            }
            makes = [("fill the order's transfer", model, "write", {"vals": change})]
        case Move():
            model, button = "stock.picking", "button_validate"
            values = {
                "name": plan.name,
                "picking_type_id": f"<operation type of a {plan.kind}>",
                "location_id": f"<{plan.source or 'its default'}>",
                "location_dest_id": f"<{plan.goal or 'its default'}>",
                "origin": plan.origin or False,
                "move_ids": [[0, 0, _line(each)] for each in plan.goods],
            }
            makes = [
                ("make the transfer", model, "create", {"vals_list": [values]}),
                ("fill it", model, "write", {"vals": {"move_ids": "<what was scanned>"}}),
            ]
        case Found():
            model, button = "stock.quant", "action_apply_inventory"
            rows = [
                {
                    "product_id": f"<{each}>",
                    "location_id": f"<{plan.place}>",
                    "inventory_quantity": each.amount,
                }
                for each in plan.goods
            ]
            makes = [("say what was counted", model, "create", {"vals_list": rows})]
        case Make():
            model, button = "mrp.production", "button_mark_done"
            values = {
                "name": plan.name,
                "product_id": f"<{plan.product}>",
                "product_qty": plan.product.amount,
                "move_raw_ids": [[0, 0, _line(each)] for each in plan.used],
            }
            makes = [
                ("make the manufacturing order", model, "create", {"vals_list": [values]}),
                ("confirm it", model, "action_confirm", {"ids": ["<its id>"]}),
            ]
        case _:
            assert_never(plan)
    asked = {"domain": _mark(plan)}
    looked = "stock.move" if isinstance(plan, Found) else model
    return [
        _call("look up whether it is there", looked, "search_read", asked, config),
        *(_call(*each, config) for each in makes),
        _call("finish it", model, button, {"ids": ["<its id>"]}, config),
    ]


def _mark(plan: Fill | Move | Found | Make) -> list[Any]:
    match plan:
        case Found(name=name):
            return [["inventory_name", "=", name], ["state", "=", "done"]]
        case Make(name=name):
            return [["name", "=", name]]
        case _:
            return [["name", "=like", f"%{plan.name}"]]


def _line(goods: Goods) -> dict[str, Any]:
    lot = goods.serial or goods.lot
    lots = {} if lot is None else {"lot_id": f"<lot {lot}>"}
    return {"product_id": f"<{goods}>", "quantity": goods.amount, **lots}


def _call(what: str, model: str, method: str, values: dict[str, Any], config: Config) -> Call:
    headers = {"Content-Type": "application/json"}
    return Call(what, "POST", url(config, model, method), body(values), headers)
