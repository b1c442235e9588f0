"""What QuickBooks is to create, from what a transaction means and what it has already. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from bridge.bookkeeping import Against, Goods, Open, Unfit, number, taken
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


def note_of(key: str) -> str:
    """Return what stands in a document's private note, by which it is found again."""
    return f"scanpost {key}"


def against(
    plan: Against,
    kind: Kind,
    there: Mapping[str, Any],
    items: Items,
    today: date,
    config: Config,
) -> dict[str, Any]:
    """Return the bill, invoice, credit memo or refund for goods of a document that is there.

    Args:
        plan: what to make.
        kind: of document.
        there: the document the goods belong to, as QuickBooks has it.
        items: those of the goods.
        today: the day for a transaction whose own is not known.
        config: of the target.

    Raises:
        Unfit: the goods are not in it, or it has ended, or has no price for them.
    """
    state = str(there.get("POStatus") or there.get("TxnStatus") or "")
    if state in kind.ended:
        raise Unfit("refused", f"{plan.order} is {state} in QuickBooks")
    skus = {str(item["Id"]): sku for sku, item in items.items()}
    lines = {
        str(line.get("Id")): line
        for line in there.get("Line") or []
        if isinstance(line, dict) and _item(line, kind) in skus
    }
    opened = [
        Open(name, skus[_item(line, kind)], amount(line[kind.line].get("Qty")) or Decimal(0))
        for name, line in lines.items()
    ]
    taking = taken(plan.goods, opened, plan.order, over=kind.over)
    made = {
        **{name: there[name] for name in kind.kept if there.get(name)},
        **_head(f"{note_of(plan.key)} of {plan.order}", plan.day or today),
        "Line": [_line(lines[name], quantity, kind, plan, config) for name, quantity in taking],
    }
    if kind.makes == "Bill":
        for (name, _), line in zip(taking, made["Line"], strict=True):
            link = {"TxnId": str(there["Id"]), "TxnType": "PurchaseOrder", "TxnLineId": name}
            line["LinkedTxn"] = [link]
    if kind.makes == "Invoice" and plan.parcels:
        made["ShipDate"] = made["TxnDate"]
        made["TrackingNum"] = ", ".join(plan.parcels)[:31]
    return made


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
