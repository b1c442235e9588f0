"""The calls a transaction would make, for a person to read. Pure.

The connector books the transaction into a Tryton that is only imagined: the same files make the
same requests in the same order. What only Tryton knows stands in angle brackets, and what a query
says in base64 stands as the JSON it is.

Left out on the way: products and locations are asked for once a minute, the company, the warehouse
and the fields once. A lot that Tryton knows is not made. Of an order the whole of which goes into a
carton no move is replaced.
"""

import json
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from bridge.connector import Call
from bridge.connectors.tryton.config import Config
from bridge.connectors.tryton.course import Course, cancelling
from bridge.connectors.tryton.imagined import SOME_PACK, Imagined
from bridge.connectors.tryton.once import MODEL, Task
from bridge.connectors.tryton.plan import document
from bridge.connectors.tryton.posting import Tryton
from bridge.connectors.tryton.request import Request
from bridge.connectors.tryton.rest import Rest
from bridge.connectors.tryton.undoing import Undoing
from bridge.outcome import Posted, Refused
from contract.transactions import Transaction

_T = TypeVar("_T")
_FOUND = Course("document", "<kind of what was found>", {"<the state it is in>": ""}, frozenset())
_LOOKED_FOR = {
    "company.company": "the company",
    "ir.model.field": "whether Tryton has what the settings need",
    "ir.note": "which counts have a note",
    "product.product": "the products",
    "purchase.purchase": "the purchase order",
    "sale.sale": "the sales order",
    "stock.location": "the warehouse's locations",
    "stock.lot": "the lots",
    "stock.move": "what came back before",
    "stock.period": "whether the period is closed",
}
"""What is read, by model; anything else is a document that may be there already."""
_KINDS = {
    "ir.note": "note that says which transaction it is",
    "production": "production",
    "stock.inventory": "count",
    "stock.lot": "lot",
    "stock.shipment.in": "supplier shipment",
    "stock.shipment.internal": "internal shipment",
    "stock.shipment.out": "customer shipment",
    "stock.shipment.out.return": "customer return",
}


def calls(transaction: Transaction, config: Config) -> list[Call]:
    """Return what `deliver` would call, for a transaction that Tryton does not have yet. Pure."""
    plan = document(transaction, config)
    if isinstance(plan, Posted | Refused):
        return []
    imagined = Imagined(plan, config)
    _at_once(Tryton(Rest(imagined), config).deliver(transaction, again=False))
    asked = imagined.asked
    if isinstance(plan, Undoing):
        asked.append(replace(_cancels(plan, config), context=asked[-1].context))
    return [_call(each, config) for each in asked]


def _at_once(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Run what waits for nobody."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        result: _T = ended.value
        return result
    coroutine.close()
    raise AssertionError("an imagined Tryton lets nobody wait")


def _cancels(plan: Undoing, config: Config) -> Request:
    """Return what is done with whatever the look-ups find."""
    if config.mode == "native":
        fields = (("f", "number"), ("f", "state"))
        return Request("POST", f"{_FOUND.model}/<its id>/cancel", fields, {})
    job = Task(cancelling(_FOUND)).told
    jobs = [job | {"record": "<its id>", "reopen": "<whether it is of an order>"}]
    return Request("POST", f"{MODEL}/post", (), {"key": plan.reference, "jobs": jobs})


def _call(request: Request, config: Config) -> Call:
    headers: dict[str, str] = {}
    if request.values is not None:
        headers["Content-Type"] = "application/json"
    if request.context is not None:
        headers["X-Tryton-Context"] = json.dumps(request.context, default=str)
    target = f"{config.endpoint}/{request.readable}"
    body = request.body.replace(SOME_PACK, "<id of its pack>")
    return Call(_what(request), request.method, target, body, headers)


def _what(request: Request) -> str:
    model, _, done = request.path.partition("/")
    kind = _KINDS.get(model, "document")
    match done.rpartition("/")[2]:
        case "" if request.method == "GET":
            return f"look up {_LOOKED_FOR.get(model, 'whether it is there')}"
        case "" if model == "stock.lot":
            return "make the lot, where Tryton does not know it"
        case "":
            return f"make the {kind}"
        case "post":
            return "book it, whole or not at all"
        case "write":
            return f"change the {kind}"
        case "cancel":
            return "cancel what was found; of a count, move its difference back instead"
        case button:
            return f"press {button} on the {kind}"
