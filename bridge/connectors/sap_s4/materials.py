"""Material documents: looked for, made, cancelled.

A document is whole or absent. Its header text is the transaction's reference; where a transaction
makes two documents, the end of the reference document tells them apart. What else stands there is
for people, and SAP writes it in capitals: a single document is known by its header text. Nothing is
made before it was looked for, which is once as long as nobody else uses these references.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bridge.connectors.sap_s4.attempts import Attempt
from bridge.connectors.sap_s4.goods import Goods, is_material
from bridge.connectors.sap_s4.odata import (
    MATERIALS,
    OData,
    key,
    listed,
    moment,
    text,
    written,
)
from bridge.connectors.sap_s4.plan import Cancellation, Posting, Postings, body, step_of
from bridge.outcome import Outcome, Posted, Refused, Unknown

HEADERS = "A_MaterialDocumentHeader"
ITEMS = "A_MaterialDocumentItem"
ORDERS = "A_PurchaseOrder"
CANCEL = "Cancel"
TEXT = "MaterialDocumentHeaderText"
WITH_ITEMS = (("$expand", "to_MaterialDocumentItem"),)


@dataclass(frozen=True, slots=True)
class Made:
    """A material document that is in SAP."""

    number: str
    year: str
    slip: str
    reverses: bool
    """Whether it cancels another: SAP may copy the texts of what is cancelled."""

    def __str__(self) -> str:
        return f"{self.number}/{self.year}"


async def post(sap: OData, plan: Postings, day: str, attempt: Attempt | None) -> Outcome:
    """Make the documents that are not there yet, in order.

    Args:
        sap: the system.
        plan: what to post.
        day: the posting date.
        attempt: what names it to SAP; None where SAP was not set up for that.
    """
    several = len(plan.documents) > 1
    there: dict[str, Made] = {}
    for each in await found(sap, plan.documents[0].text):
        there.setdefault(step_of(each.slip) if several else "", each)
    names: list[str] = []
    for posting in plan.documents:
        step = step_of(posting.slip) if several else ""
        made = there.get(step)
        if made is None:
            items = await order_items(sap, posting)
            if isinstance(items, Refused):
                return items
            headers = attempt.headers(step) if attempt else {}
            said = await sap.create(MATERIALS, HEADERS, written(body(posting, day, items)), headers)
            made = _made(said)
            if not made.number:
                return Unknown("SAP made a material document and did not say its number")
        names.append(str(made))
    return Posted(", ".join(names))


async def found(sap: OData, reference: str) -> list[Made]:
    """Return the documents with that reference that are nobody's cancellation."""
    rows = await sap.named(MATERIALS, HEADERS, TEXT, reference, WITH_ITEMS)
    return [made for row in rows if not (made := _made(row)).reverses]


def _made(row: Mapping[str, Any]) -> Made:
    return Made(
        str(row.get("MaterialDocument") or ""),
        str(row.get("MaterialDocumentYear") or ""),
        str(row.get("ReferenceDocument") or ""),
        any(each.get("ReversedMaterialDocument") for each in items_of(row)),
    )


def items_of(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the items that came with a header; empty where they did not."""
    return listed(row.get("to_MaterialDocumentItem"))


async def order_items(sap: OData, posting: Posting) -> dict[int, str] | Refused:
    """Return the order's item for each row, by its place; asked for only where it is not known."""
    if not posting.order:
        return {}
    known = {place: row.item for place, row in enumerate(posting.rows) if row.item}
    if len(known) == len(posting.rows):
        return known
    path = key(ORDERS, PurchaseOrder=posting.order)
    order = await sap.read(
        "API_PURCHASEORDER_PROCESS_SRV", path, (("$expand", "to_PurchaseOrderItem"),)
    )
    if order is None:
        return Refused("unknown_document", f"SAP has no purchase order {posting.order}")
    plant = dict(posting.common)["Plant"]
    items = [
        row
        for row in listed(order.get("to_PurchaseOrderItem"))
        if not row.get("PurchasingDocumentDeletionCode") and row.get("Plant") in (plant, None, "")
    ]
    for place, row in enumerate(posting.rows):
        if place not in known:
            item = _item_for(row, items, posting.order)
            if isinstance(item, Refused):
                return item
            known[place] = item
    return known


def _item_for(row: Goods, items: Sequence[Mapping[str, Any]], order: str) -> str | Refused:
    fitting = [
        str(each.get("PurchaseOrderItem"))
        for each in items
        if is_material(each.get("Material"), row.material)
    ]
    match fitting:
        case [item]:
            return item
        case []:
            said = f"order {order} has no item for {row.material} in this plant"
            return Refused("unknown_sku", said)
    said = f"order {order} has {row.material} as items {', '.join(fitting)}: say which"
    return Refused("needs_human", said)


async def cancel(sap: OData, plan: Cancellation, day: str, attempt: Attempt | None) -> Outcome:
    """Cancel every document of a transaction that is not cancelled yet."""
    documents = await found(sap, plan.reverses)
    if not documents:
        said = f"SAP has no material document {plan.reverses}"
        return Refused(
            "needs_human",
            f"{said}: a delivery or count is taken back in SAP itself, if it is there",
        )
    names: list[str] = []
    for document in documents:
        name = await _cancelled_by(sap, document)
        if name is None:
            headers = attempt.headers(str(document)) if attempt else {}
            await sap.act(MATERIALS, CANCEL, cancelling(document, day), headers)
            name = await _cancelled_by(sap, document)
        if name is None:
            return Unknown(f"SAP cancelled {document}, and shows no document that says so")
        names.append(name)
    return Posted(", ".join(names))


def cancelling(document: Made, day: str) -> tuple[tuple[str, str], ...]:
    """Return what the function `Cancel` is to know."""
    return (
        ("MaterialDocumentYear", text(document.year)),
        ("MaterialDocument", text(document.number)),
        ("PostingDate", moment(day)),
    )


async def _cancelled_by(sap: OData, document: Made) -> str | None:
    query = (
        f"ReversedMaterialDocument eq {text(document.number)}"
        f" and ReversedMaterialDocumentYear eq {text(document.year)}"
    )
    rows = await sap.rows(MATERIALS, ITEMS, (("$filter", query), ("$top", "1")))
    if not rows:
        return None
    return f"{rows[0].get('MaterialDocument')}/{rows[0].get('MaterialDocumentYear')}"
