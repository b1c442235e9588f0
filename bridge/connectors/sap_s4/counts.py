"""Counts: a physical inventory document that is created, counted, and its differences posted.

SAP itself computes the difference, against its books at the moment the count is entered. Each step
is one change, and the document's state says which is next; it is found by its description.

    absent -create-> open -count the items-> counted -post the differences-> posted
"""

from collections.abc import Mapping
from typing import Any

from bridge.connectors.sap_s4.changeset import Change
from bridge.connectors.sap_s4.deliveries import Alter
from bridge.connectors.sap_s4.goods import Goods, is_material, plain
from bridge.connectors.sap_s4.odata import OData, Service, etag, key, listed, moment, text, written
from bridge.connectors.sap_s4.plan import Counted
from bridge.outcome import Outcome, Posted, Refused, TryLater, Unknown

INVENTORY: Service = "API_PHYSICAL_INVENTORY_DOC_SRV"
HEADERS = "A_PhysInventoryDocHeader"
ITEMS = "A_PhysInventoryDocItem"
POST = "PostDifferences"
ROUNDS = 6
"""Steps of one count, at most: create, count, post, and a look in between."""
TEXT = "PhysicalInventoryDocumentDesc"
_ROWS = "to_PhysicalInventoryDocumentItem"
WITH_ITEMS = (("$expand", _ROWS),)


async def count(sap: OData, plan: Counted, day: str) -> Outcome:
    """Carry a count on from wherever it stands until its differences are posted."""
    made = posted = False
    for _ in range(ROUNDS):
        found = await sap.named(INVENTORY, HEADERS, TEXT, plan.text, WITH_ITEMS)
        step = next_step(plan, found[0]) if found else None
        match step:
            case Posted() | Refused():
                return step
            case Alter(changes=changes):
                await sap.change(INVENTORY, changes)
            case None if not found and not made:
                await sap.create(INVENTORY, HEADERS, written(sheet(plan, day)))
                made = True
            case None if found and not posted:
                unchanged = {"If-Match": etag(found[0])}
                await sap.act(INVENTORY, POST, posting(found[0], day), unchanged)
                posted = True
            case None:
                return Unknown(f"SAP does not show yet what became of the count {plan.text}")
    return TryLater(f"the count {plan.text} is not posted after {ROUNDS} steps")


def sheet(plan: Counted, day: str) -> dict[str, Any]:
    """Return the document to create, its items with it. Pure."""
    place = {"Plant": plan.plant, "StorageLocation": plan.storage}
    rows = [
        {**place, "Material": goods.material, **({"Batch": goods.batch} if goods.batch else {})}
        for goods in plan.goods
    ]
    midnight = f"{day}T00:00:00"
    return {
        **place,
        "DocumentDate": midnight,
        "PhysInventoryPlannedCountDate": midnight,
        TEXT: plan.text,
        _ROWS: rows,
    }


def posting(document: Mapping[str, Any], day: str) -> tuple[tuple[str, str], ...]:
    """Return what the function `PostDifferences` is to know."""
    return (
        ("FiscalYear", text(str(document.get("FiscalYear")))),
        ("PhysicalInventoryDocument", text(str(document.get("PhysicalInventoryDocument")))),
        ("PostingDate", moment(day)),
    )


def next_step(plan: Counted, there: Mapping[str, Any]) -> Alter | Posted | Refused | None:
    """Return what a document needs next, as it stands; None is that its differences are posted.

    Pure.
    """
    name = f"{there.get('PhysicalInventoryDocument')}/{there.get('FiscalYear')}"
    rows = listed(there.get(_ROWS))
    if there.get("PhysInvtryDeletionStatus") or len(rows) != len(plan.goods):
        said = f"inventory document {name} is not as it was made: somebody changed it"
        return Refused("needs_human", said)
    if all(row.get("PhysInvtryDifferenceIsPosted") is True for row in rows):
        return Posted(name)
    changes: list[Change] = []
    for goods in plan.goods:
        fitting = [row for row in rows if _is(goods, row)]
        if len(fitting) != 1:
            return Refused("needs_human", f"inventory document {name} has no one item for {goods}")
        [row] = fitting
        if row.get("PhysicalInventoryItemIsCounted") is not True:
            number = str(row.get("PhysicalInventoryDocumentItem"))
            path = key(
                ITEMS,
                FiscalYear=str(there.get("FiscalYear")),
                PhysicalInventoryDocument=str(there.get("PhysicalInventoryDocument")),
                PhysicalInventoryDocumentItem=number,
            )
            changes.append(Change(path, written(found(goods)), etag(row)))
    return Alter(tuple(changes)) if changes else None


def found(goods: Goods) -> dict[str, Any]:
    """Return what an item is to say of what was found; nothing is a finding. Pure."""
    said: dict[str, Any] = {
        "QuantityInUnitOfEntry": plain(goods.quantity),
        "UnitOfEntry": goods.unit,
    }
    return said if goods.quantity else {"PhysicalInventoryItemIsZero": True}


def _is(goods: Goods, row: Mapping[str, Any]) -> bool:
    batch = str(row.get("Batch") or "").upper()
    return is_material(row.get("Material"), goods.material) and batch == goods.batch
