"""The calls a transaction would make, for a person to read. Pure."""

from bridge.connector import Call
from bridge.outcome import Posted, Refused
from bridge.tally import exact
from bridge.vouchers.forms import Forms, Part, Request, Voucher
from bridge.vouchers.office import written
from bridge.vouchers.plan import (
    Delivered,
    Goods,
    Moved,
    Purchased,
    Returned,
    Task,
    Undone,
    Work,
    document,
)
from bridge.vouchers.rows import Values
from bridge.vouchers.settings import VoucherSettings
from contract.transactions import Transaction


def preview(transaction: Transaction, settings: VoucherSettings, forms: Forms) -> list[Call]:
    """Return what `deliver` would call, with what only the ERP knows in angle brackets."""
    task = document(transaction, settings)
    if isinstance(task, Posted | Refused):
        return []
    if isinstance(task.work, Undone):
        return _undone(task.work, settings, forms)
    parts = forms.parts(task.work)
    asked = [
        _call(f"look up the {part.kind}", forms.find(part, task.reference), settings)
        for part in parts
    ]
    drafts = [
        _call(f"draft the {part.kind}", forms.draft(part, task, _values(task, settings)), settings)
        for part in parts
    ]
    submits = [
        _call("submit it", forms.submit(_drafted(part, task)), settings, known=False)
        for part in parts
    ]
    return [*asked, *_read(task, settings, forms), *drafts, *submits]


def _read(task: Task, settings: VoucherSettings, forms: Forms) -> list[Call]:
    match task.work:
        case Purchased(order=order):
            asked = [forms.order("Purchase Order", order)]
        case Delivered(order=order):
            asked = [forms.order("Sales Order", order)]
        case Returned(note=note):
            asked = [forms.order("Delivery Note", note)]
        case _:
            asked = []
    items = {goods.item: forms.article(goods.item) for goods in _goods(task.work)}
    wanted = [*asked, *(each for each in items.values() if each is not None)]
    return [_call(f"look up {each.path.rsplit('/', 1)[-1]}", each, settings) for each in wanted]


def _goods(work: Work) -> tuple[Goods, ...]:
    goods: tuple[Goods, ...] = getattr(work, "goods", ())
    return goods or (*getattr(work, "consumed", ()), *getattr(work, "produced", ()))


def _values(task: Task, settings: VoucherSettings) -> Values:
    """Return a voucher as far as it is known. What cannot be known stands in angle brackets."""
    rows = []
    for goods in _goods(task.work):
        row: Values = {
            "item_code": goods.item.sku or f"<item of {goods}>",
            "qty": exact(goods.quantity),
            "uom": goods.unit,
        }
        if isinstance(task.work, Moved):
            ends = {"s_warehouse": task.work.out_of, "t_warehouse": task.work.into}
            row |= {name: place for name, place in ends.items() if place is not None}
            if task.work.out_of is None:
                row["<field>"] = "<what a piece is worth>"
        else:
            row["<field>"] = "<what the order or the books say>"
        rows.append(row)
    values: Values = {"company": settings.company}
    if isinstance(task.work, Moved):
        out_of, into = task.work.out_of, task.work.into
        purpose = "Receipt" if out_of is None else "Transfer" if into else "Issue"
        values["stock_entry_type"] = f"Material {purpose}"
    return {**values, "items": rows or ["<all it owes>"]}


def _undone(work: Undone, settings: VoucherSettings, forms: Forms) -> list[Call]:
    parts = forms.undoable()
    asked = [_call("look up what was booked", forms.find(each, work.earlier), settings)
             for each in parts]  # fmt: skip
    found = Voucher(parts[0].kind, "<what was found>", "submitted", "")
    return [*asked, _call("cancel it", forms.cancel(found), settings, known=False)]


def _drafted(part: Part, task: Task) -> Voucher:
    return Voucher(part.kind, f"<the draft {task.reference}{part.suffix}>", "draft", task.mark)


def _call(what: str, request: Request, settings: VoucherSettings, *, known: bool = True) -> Call:
    query = "&".join(f"{name}={value}" for name, value in request.query)
    target = f"{settings.url.rstrip('/')}{request.path}{f'?{query}' if query else ''}"
    body = written(request.body) if request.body is not None and known else ""
    headers = {"Content-Type": "application/json"} if request.body is not None else {}
    return Call(what, request.method, target, body, headers)
