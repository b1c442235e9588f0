# Copyright (C) 2026 the Scanpost authors. GPL-3.0-or-later, see LICENSE.
"""One row for each transaction that was booked, written with its documents or not at all."""

from trytond.exceptions import UserError
from trytond.i18n import gettext
from trytond.model import ModelSQL, ModelView, Unique, fields
from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.rpc import RPC
from trytond.transaction import without_check_access

BOOKS = frozenset(
    {
        "production",
        "stock.inventory",
        "stock.shipment.in",
        "stock.shipment.internal",
        "stock.shipment.out",
        "stock.shipment.out.return",
    }
)
"""Kinds of documents that are made or carried on; anything else is refused."""
MOST_PRESSES = 8
"""Buttons for one document: the longest way has six."""


class Posting(ModelSQL, ModelView):
    """What a transaction of Scanpost became."""

    __name__ = "scanpost.posting"

    key = fields.Char("Transaction", required=True, readonly=True)
    documents = fields.Char("Documents", readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        table = cls.__table__()
        cls._sql_constraints.append(
            ("key_unique", Unique(table, table.key), "scanpost.msg_key_unique")
        )
        cls._order.insert(0, ("create_date", "DESC"))
        cls.__rpc__["post"] = RPC(readonly=False)

    @classmethod
    def post(cls, key, jobs):
        """Book a transaction: its key and all its documents, in this database transaction.

        Args:
            key: of the transaction. One that is known already is answered, and nothing is done.
            jobs: what is to be done, in order. Each is a dictionary with

                - model: one of `BOOKS`;
                - record: id of a document that is there, or None for one to be made;
                - values: to make it from, or to change in it;
                - note: to be written on it, or None;
                - opening: button to press in each state before `values` are written;
                - steps: button to press in each state, until
                - ended: states in which it is booked;
                - reopen: order again what a cancelled shipment was to bring or send.

        Returns:
            {"documents": what they are called}

        The rights are those of the user who calls.
        """
        known = cls.search([("key", "=", key)], limit=1)
        if known:
            return {"documents": known[0].documents}
        if not jobs:
            raise UserError(gettext("scanpost.msg_not_understood", what="nothing"))
        with without_check_access():  # the key comes first: who comes second fails here
            (posting,) = cls.create([{"key": key}])
        names = [cls._do(**job) for job in jobs]
        documents = ", ".join(dict.fromkeys(names))
        with without_check_access():
            cls.write([posting], {"documents": documents})
        return {"documents": documents}

    @classmethod
    def _do(
        cls,
        model,
        steps,
        ended,
        record=None,
        values=None,
        note=None,
        opening=None,
        reopen=False,
    ):
        if model not in BOOKS:
            raise UserError(gettext("scanpost.msg_not_understood", what=model))
        pool = Pool()
        kind = pool.get(model)
        if record is None:
            (document,) = kind.create([values])
        else:
            document = cls._press(_only(kind, record), opening or {}, ())
            if values:
                kind.write([document], values)
        if note:
            pool.get("ir.note").create([{"resource": str(document), "message": note}])
        document = cls._press(kind(document.id), steps, ended)
        if document.state not in ended:
            raise UserError(
                gettext("scanpost.msg_stuck", record=document.rec_name, state=document.state)
            )
        if reopen:
            _reopen(document)
        return getattr(document, "number", None) or str(document.id)

    @classmethod
    def _press(cls, document, steps, ended):
        """Press one button after the other, and return the document as it then is."""
        kind = document.__class__
        for _ in range(MOST_PRESSES):
            state = document.state
            button = steps.get(state)
            if state in ended or button is None:
                break
            if button not in kind._buttons:  # noqa: SLF001 - Tryton's own list of them
                raise UserError(gettext("scanpost.msg_not_understood", what=button))
            getattr(kind, button)([document])
            document = kind(document.id)
            if document.state == state:
                said = "msg_not_on_hand" if button == "assign_try" else "msg_stuck"
                raise UserError(gettext(f"scanpost.{said}", record=document.rec_name, state=state))
        return document


def _only(kind, number):
    found = kind.search([("id", "=", number)], limit=1)
    if not found:
        raise AccessError(f"{kind.__name__},{number}")
    return found[0]


def _reopen(shipment):
    """Let orders open again what this cancelled shipment was to bring or send."""
    pool = Pool()
    lost = {}
    for move in shipment.moves:
        line = move.origin
        if move.state == "cancelled" and getattr(line, "__name__", "") in _ORDERS:
            lost.setdefault(line, []).append(move.id)
    orders = {}
    with without_check_access():
        for line, moves in lost.items():
            known = {move.id for move in (*line.moves_recreated, *line.moves_ignored)}
            again = [move for move in moves if move not in known]
            line.__class__.write([line], {"moves_recreated": [("add", again)]})
            order, field = _ORDERS[line.__name__]
            orders.setdefault(order, set()).add(getattr(line, field).id)
        for order, numbers in orders.items():
            kind = pool.get(order)
            kind.process(kind.browse(sorted(numbers)))


_ORDERS = {
    "purchase.line": ("purchase.purchase", "purchase"),
    "sale.line": ("sale.sale", "sale"),
}
"""Lines of orders: what they belong to, and the field that says so."""
