"""What QuickBooks is to create, from what a transaction means and what it has already. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from bridge.bookkeeping import Against, Goods, Open, Unfit, left, number, taken
from bridge.connectors.quickbooks.api import Entity, amount
from bridge.connectors.quickbooks.config import Config
from contract.envelope import Reason

Items = Mapping[str, Mapping[str, Any]]
"""QuickBooks' own records of items, by SKU."""
BOUGHT, SOLD, ADJUSTED = (
    "ItemBasedExpenseLineDetail",
    "SalesItemLineDetail",
    "ItemAdjustmentLineDetail",
)


@dataclass(frozen=True, slots=True)
class Kind:
    """What one kind of document is in QuickBooks."""

    goes_by: Entity
    """Where the document the goods belong to is found."""
    makes: Entity
    line: str
    """The name of a line's detail, in both."""
    kept: tuple[str, ...]
    """Fields that are those of the document the goods belong to."""
    over: Reason
    """Why more than the document has is refused."""
    ended: frozenset[str] = frozenset()
    """States in which nothing more is done for the document."""


MAX_TRACKING = 31
"""Characters of an invoice's tracking number."""
_MONEY = ("CurrencyRef", "GlobalTaxCalculation", "DepartmentRef")
KINDS: Mapping[str, tuple[Kind, ...]] = {
    "bill": (
        Kind(
            "PurchaseOrder",
            "Bill",
            BOUGHT,
            ("VendorRef", "APAccountRef", *_MONEY),
            "over_receipt",
            frozenset({"Closed"}),
        ),
    ),
    "invoice": (
        Kind(
            "Estimate",
            "Invoice",
            SOLD,
            ("CustomerRef", "BillEmail", "ShipAddr", *_MONEY),
            "refused",
            frozenset({"Closed", "Rejected"}),
        ),
    ),
    "credit": (
        Kind("Invoice", "CreditMemo", SOLD, ("CustomerRef", *_MONEY), "refused"),
        Kind(
            "SalesReceipt",
            "RefundReceipt",
            SOLD,
            ("CustomerRef", "DepositToAccountRef", *_MONEY),
            "refused",
        ),
    ),
}
"""By what is made; a credit is for an invoice, or a refund where it was paid on the spot."""
_DETAIL = ("TaxCodeRef", "ClassRef", "CustomerRef", "BillableStatus")


_NOTE = re.compile(
    r"scanpost (?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?: of (?P<order>.+)| .*)?",
    re.DOTALL,
)


def noted(row: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the transaction's id and the order's number in a document's note; None without."""
    note = _NOTE.fullmatch(str(row.get("PrivateNote") or ""))
    return None if note is None else (note["id"], note["order"] or "")


def note_of(key: str) -> str:
    """Return what stands in a document's private note, by which it is found again."""
    return f"scanpost {key}"


def against(
    plan: Against,
    kind: Kind,
    there: Mapping[str, Any],
    before: Mapping[str, Decimal],
    items: Items,
    today: date,
    config: Config,
) -> dict[str, Any]:
    """Return the bill, invoice, credit memo or refund for goods of a document that is there.

    Args:
        plan: what to make.
        kind: of document.
        there: the document the goods belong to, as QuickBooks has it.
        before: what was booked of it already, by the item's Id.
        items: those of the goods.
        today: the day for a transaction whose own is not known.
        config: of the target.

    Raises:
        Unfit: so much is not left in it, or it has ended, or has no price for it.
    """
    state = str(there.get("POStatus") or there.get("TxnStatus") or "")
    if state in kind.ended:
        raise Unfit("refused", f"{plan.order} is {state} in QuickBooks")
    skus = {str(item["Id"]): sku for sku, item in items.items()}
    lines = {each.line: (line, each) for line, each in open_lines(there, kind, skus)}
    rest = left([each for _, each in lines.values()], by_sku(before, skus))
    taking = taken(plan.goods, rest, plan.order, over=kind.over)
    made = {
        **{name: there[name] for name in kind.kept if there.get(name)},
        **_head(f"{note_of(plan.key)} of {plan.order}", plan.day or today),
        "Line": [_line(lines[name][0], quantity, kind, plan, config) for name, quantity in taking],
    }
    if kind.makes == "Bill":
        for (name, _), line in zip(taking, made["Line"], strict=True):
            link = {"TxnId": str(there["Id"]), "TxnType": "PurchaseOrder", "TxnLineId": name}
            line["LinkedTxn"] = [link]
    if kind.makes == "Invoice" and plan.parcels:
        made["ShipDate"] = made["TxnDate"]
        made["TrackingNum"] = _tracking(plan.parcels)
    return made


def _tracking(parcels: Sequence[str]) -> str:
    """Return as many tracking numbers as fit, each whole unless it alone is too long."""
    said = parcels[0][:MAX_TRACKING]
    for each in parcels[1:]:
        if len(said) + 2 + len(each) > MAX_TRACKING:
            break
        said += f", {each}"
    return said


def open_lines(
    there: Mapping[str, Any], kind: Kind, skus: Mapping[str, str]
) -> list[tuple[Mapping[str, Any], Open]]:
    """Return the lines of a document that are of an item, whose SKU is known by its Id."""
    lines = [line for line in there.get("Line") or [] if isinstance(line, dict)]
    return [
        (line, Open(str(line.get("Id")), skus[item], _quantity(line, kind)))
        for line in lines
        if (item := _item(line, kind)) in skus
    ]


def booked(
    documents: Iterable[Mapping[str, Any]], kind: Kind, *, but: str = ""
) -> dict[str, dict[str, Decimal]]:
    """Return how much of each item was booked, by order and the item's Id.

    A bill's lines are linked to their order, by whomever it was made: that goes by the order's Id.
    The others name it in a note, which only this bridge writes: they go by its number.

    Args:
        documents: QuickBooks', of any number.
        kind: of document.
        but: id of a transaction whose own document does not count.
    """
    found: dict[str, dict[str, Decimal]] = {}
    for row in documents:
        key, named = noted(row) or ("", "")
        if key and key == but:
            continue
        for line in row.get("Line") or ():
            links = line.get("LinkedTxn") or ()
            linked = [each.get("TxnId") for each in links if each.get("TxnType") == kind.goes_by]
            order = str(linked[0]) if linked else named if kind.makes != "Bill" else ""
            goods = found.setdefault(order, {})
            item = _item(line, kind)
            goods[item] = goods.get(item, Decimal(0)) + _quantity(line, kind)
    return found


def by_sku(goods: Mapping[str, Decimal], skus: Mapping[str, str]) -> dict[str, Decimal]:
    """Return quantities by SKU, of those by Id whose SKU is known."""
    found: dict[str, Decimal] = {}
    for item, quantity in goods.items():
        if item in skus:
            found[skus[item]] = found.get(skus[item], Decimal(0)) + quantity
    return found


def _quantity(line: Mapping[str, Any], kind: Kind) -> Decimal:
    return amount((line.get(kind.line) or {}).get("Qty")) or Decimal(0)


def _item(line: Mapping[str, Any], kind: Kind) -> str:
    detail = line.get(kind.line)
    return str((detail.get("ItemRef") or {}).get("value")) if isinstance(detail, dict) else ""


def _line(
    line: Mapping[str, Any], quantity: Decimal, kind: Kind, plan: Against, config: Config
) -> dict[str, Any]:
    there = line[kind.line]
    price = amount(there.get("UnitPrice"))
    name = (there.get("ItemRef") or {}).get("name") or "an item"
    if price is None:
        raise Unfit("contract", f"{plan.order} has no price for {name}")
    if there.get("DiscountRate") or there.get("DiscountAmt"):
        raise Unfit("contract", f"{plan.order} takes a discount off {name}: book it by hand")
    cents = Decimal(1).scaleb(-config.places)
    worth = (quantity * price).quantize(cents, ROUND_HALF_UP)
    detail = {
        **{name: there[name] for name in _DETAIL if there.get(name)},
        "ItemRef": {"value": there["ItemRef"]["value"]},
        "Qty": number(quantity),
        "UnitPrice": number(price),
    }
    if detail.get("BillableStatus") == "HasBeenBilled":
        detail["BillableStatus"] = "Billable"
    said = {"Description": line["Description"]} if line.get("Description") else {}
    return {**said, "DetailType": kind.line, "Amount": number(worth), kind.line: detail}


def adjusting(
    key: str, day: date, reason: str, goods: Goods, items: Items, config: Config
) -> dict[str, Any]:
    """Return an inventory adjustment; QuickBooks itself knows what the goods are worth.

    Raises:
        Unfit: an item's stock is not kept, or no account takes the value.
    """
    account = config.account(reason)
    if account is None:
        raise Unfit("unmapped", "see adjustment_account of the target")
    lines = []
    for sku, change in goods:
        detail = {"ItemRef": {"value": str(items[sku]["Id"])}, "QtyDiff": number(change)}
        lines.append({"DetailType": ADJUSTED, ADJUSTED: detail})
    head = _head(f"{note_of(key)} {reason}", day)
    return {**head, "AdjustAccountRef": {"value": account}, "Line": lines}


def _head(note: str, day: date) -> dict[str, Any]:
    return {"TxnDate": day.isoformat(), "PrivateNote": note}


def on_hand(items: Items) -> dict[str, Decimal]:
    """Return what QuickBooks has, by SKU."""
    return {sku: amount(item.get("QtyOnHand")) or Decimal(0) for sku, item in items.items()}
