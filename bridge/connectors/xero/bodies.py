"""What Xero is to create, from what a transaction means and what Xero has already. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from bridge.bookkeeping import Against, Goods, Open, Unfit, left, number, taken
from bridge.connectors.xero.api import Collection, amount
from bridge.connectors.xero.config import Config
from contract.envelope import Reason

PLACES = 4
"""Decimal places of a quantity and a unit price: more Xero rounds."""

_KEPT = ("AccountCode", "TaxType")
_ORDER_STATES: Mapping[str, tuple[str, ...]] = {
    "PurchaseOrders": ("AUTHORISED", "BILLED"),
    "Quotes": ("SENT", "ACCEPTED", "INVOICED"),
    "Invoices": ("AUTHORISED", "PAID"),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """What one kind of document is in Xero."""

    goes_by: Collection
    """Where the document the goods belong to is found."""
    makes: Collection
    type: str
    number: str
    """The field the bridge writes `numbered` into. Sales documents keep their own numbers."""
    over: Reason
    """Why more than the document has is refused."""


Items = Mapping[str, Mapping[str, Any]]
"""Xero's own records of items that it tracks, by SKU."""
ENDS: Mapping[str, int] = {"": 1, "/out": -1}
"""A count may need two documents: the ends of their keys, and the sign of what they book."""

KINDS: Mapping[str, Kind] = {
    "bill": Kind("PurchaseOrders", "Invoices", "ACCPAY", "InvoiceNumber", "over_receipt"),
    "invoice": Kind("Quotes", "Invoices", "ACCREC", "Reference", "refused"),
    "credit": Kind("Invoices", "CreditNotes", "ACCRECCREDIT", "Reference", "refused"),
}


NUMBER = re.compile(
    r"(?:(?P<order>.+)/)?(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:/out)?", re.DOTALL
)
"""What the bridge's own numbers look like: see `numbered`, and `ENDS`."""


def numbered(plan: Against) -> str:
    """Return what is in the document's number or reference: where the goods belong, and the id."""
    return f"{plan.order}/{plan.key}"


def against(
    plan: Against,
    there: Mapping[str, Any],
    before: Mapping[str, Decimal],
    today: date,
    config: Config,
) -> dict[str, Any]:
    """Return the bill, invoice or credit note for goods of an order, quote or invoice.

    Args:
        plan: what to make.
        there: the document the goods belong to, as Xero has it.
        before: what this bridge has booked of it already, by SKU.
        today: the day for a transaction whose own is not known.
        config: of the target.

    Raises:
        Unfit: so much is not left in it, or it is in no state, or has no price for it.
    """
    kind = KINDS[plan.what]
    state = str(there.get("Status"))
    if state not in _ORDER_STATES[kind.goes_by]:
        raise Unfit("refused", f"{plan.order} is {state} in Xero")
    lines = open_lines(there)
    taking = taken(
        plan.goods, left([each for _, each in lines], before), plan.order, over=kind.over
    )
    status = {"bill": config.bills, "invoice": config.invoices, "credit": config.credits}
    day = plan.day or today
    made: dict[str, Any] = {
        "Type": kind.type,
        "Status": status[plan.what],
        "Contact": {"ContactID": there.get("Contact", {}).get("ContactID")},
        "Date": day.isoformat(),
        kind.number: numbered(plan),
        "LineAmountTypes": _taxed(there.get("LineAmountTypes")),
        "LineItems": [_line(lines[int(at)][0], each, plan) for at, each in taking],
    }
    if there.get("CurrencyCode"):
        made["CurrencyCode"] = there["CurrencyCode"]
    if plan.what != "credit" and config.due_days is not None:
        made["DueDate"] = (day + timedelta(days=config.due_days)).isoformat()
    return made


def _taxed(said: object) -> str:
    """Return whether amounts have the tax in them: quotes say it in capitals, all else does not."""
    for word in ("Inclusive", "NoTax"):
        if str(said).lower() == word.lower():
            return word
    return "Exclusive"


def _line(line: Mapping[str, Any], quantity: Decimal, plan: Against) -> dict[str, Any]:
    sku = line["ItemCode"]
    price = amount(line.get("UnitAmount"))
    if price is None:
        raise Unfit("contract", f"{plan.order} has no price for {sku}")
    made: dict[str, Any] = {
        "ItemCode": sku,
        "Description": line.get("Description") or sku,
        "Quantity": exact(quantity),
        "UnitAmount": number(price),
        **{name: line[name] for name in _KEPT if line.get(name)},
    }
    tracking = [_option(each) for each in line.get("Tracking") or () if isinstance(each, dict)]
    if tracking:
        made["Tracking"] = tracking
    discount = amount(line.get("DiscountRate"))
    if amount(line.get("DiscountAmount")):
        raise Unfit("contract", f"{plan.order} takes a fixed discount off {sku}: book it by hand")
    if discount and plan.what != "invoice":
        raise Unfit("contract", f"only an invoice has a discount; {plan.order} takes one off {sku}")
    if discount:
        made["DiscountRate"] = number(discount)
    return made


def _option(tracked: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tracking category, as departments and projects are called there."""
    names = ("TrackingCategoryID", "TrackingOptionID", "Name", "Option")
    return {name: tracked[name] for name in names if tracked.get(name)}


def adjusting(
    key: str,
    day: date,
    reason: str,
    goods: Goods,
    items: Items,
    config: Config,
) -> dict[str, Any]:
    """Return a document of no total that brings in goods, or takes them out.

    Source: Xero's guide to tracked inventory: a bill brings in, a credit note of a supplier takes
    out, and a line against the adjustment account makes up for the value.

    Args:
        key: in the document's number.
        day: it is booked on.
        reason: of the adjustment.
        goods: all of one sign.
        items: all of them.
        config: of the target.

    Raises:
        Unfit: an item has no purchase price, or no account takes the value.
    """
    account = config.account(reason)
    if account is None or config.adjustment_contact is None:
        raise Unfit("unmapped", "see adjustment_account and adjustment_contact of the target")
    lines: list[dict[str, Any]] = []
    for sku, change in goods:
        quantity, price = abs(change), _cost(sku, items[sku])
        asset = items[sku].get("InventoryAssetAccountCode")
        line = {"ItemCode": sku, "Description": f"{reason}: {sku}"[:4000]}
        lines.append({**line, **_worth(quantity, price), "AccountCode": asset})
        back = {"Description": f"{reason}: {sku}"[:4000], "AccountCode": account}
        lines.append({**back, **_worth(quantity, -price)})
    came_in = goods[0][1] > 0
    return {
        "Type": adjusts(goods)[1],
        "Status": "AUTHORISED",
        "Contact": {"ContactID": str(config.adjustment_contact)},
        "Date": day.isoformat(),
        **({"DueDate": day.isoformat()} if came_in else {}),
        "InvoiceNumber" if came_in else "CreditNoteNumber": key,
        "LineAmountTypes": "NoTax",
        "LineItems": lines,
    }


def adjusts(goods: Goods) -> tuple[Collection, str]:
    """Return where a document that books goods of one sign stands, and its type."""
    return ("Invoices", "ACCPAY") if goods[0][1] > 0 else ("CreditNotes", "ACCPAYCREDIT")


def _cost(sku: str, item: Mapping[str, Any]) -> Decimal:
    price = amount((item.get("PurchaseDetails") or {}).get("UnitPrice"))
    if price is None:
        raise Unfit("contract", f"Xero has no purchase price of {sku}, at which to adjust it")
    return price


def _worth(quantity: Decimal, price: Decimal) -> dict[str, Any]:
    return {"Quantity": exact(quantity), "UnitAmount": number(price)}


def exact(quantity: Decimal) -> int | float:
    """Return a quantity as Xero keeps it. Raises Unfit for one that it would round."""
    if quantity != round(quantity, PLACES):
        raise Unfit("contract", f"Xero keeps {PLACES} decimal places, not {quantity:f}")
    return number(quantity)


def booked(
    documents: Iterable[Mapping[str, Any]], kind: Kind, *, but: str = ""
) -> dict[str, dict[str, Decimal]]:
    """Return how much the bridge's documents have of each SKU, by order, but for undone ones.

    Args:
        documents: Xero's, of any number.
        kind: of document.
        but: id of a transaction whose own document does not count.
    """
    found: dict[str, dict[str, Decimal]] = {}
    for row in documents:
        mark = NUMBER.fullmatch(str(row.get(kind.number)))
        if mark is None or mark["id"] == but or row.get("Status") in ("DELETED", "VOIDED"):
            continue
        goods = found.setdefault(mark["order"] or "", {})
        for line in row.get("LineItems") or ():
            sku, quantity = line.get("ItemCode"), amount(line.get("Quantity"))
            if sku and quantity:
                goods[sku] = goods.get(sku, Decimal(0)) + quantity
    return found


def open_lines(there: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], Open]]:
    """Return the lines of an order, quote or invoice that are of an item."""
    found = [each for each in there.get("LineItems") or [] if isinstance(each, dict)]
    lines = [line for line in found if line.get("ItemCode")]
    return [
        (line, Open(str(place), str(line["ItemCode"]), amount(line.get("Quantity")) or Decimal(0)))
        for place, line in enumerate(lines)
    ]


def on_hand(items: Items) -> dict[str, Decimal]:
    """Return what Xero has, by SKU."""
    return {sku: amount(item.get("QuantityOnHand")) or Decimal(0) for sku, item in items.items()}


def split(goods: Goods) -> Iterator[tuple[str, Goods]]:
    """Yield what comes in and what goes out, each with what its document's key ends in."""
    for end, sign in ENDS.items():
        part = tuple(each for each in goods if each[1] * sign > 0)
        if part:
            yield end, part
