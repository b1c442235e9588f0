"""Names of fields of NetSuite's records, as its REST API Browser lists them.

Left out are links, and what belongs to features that no warehouse document here uses. A field that
is not in the list would be an error at NetSuite too, with property name validation on.
"""

from collections.abc import Iterator
from typing import Any

_HEAD = "id externalId tranDate tranId memo subsidiary location department class inventory"
_ORDERED = """item itemName itemReceive orderLine orderDoc line location quantity units unitsDisplay
    quantityRemaining onHand rate description displayName binNumbers serialNumbers expirationDate
    inventoryDetail kitMemberOf class department options"""

FIELDS = {
    "itemReceipt": "id externalId tranDate tranId memo createdFrom entity subsidiary location item",
    "itemReceipt-item": f"{_ORDERED} isDropShipment landedCost unitCostOverride",
    "itemFulfillment": "id externalId tranDate tranId memo createdFrom shipStatus package item",
    "itemFulfillment-item": _ORDERED,
    "itemFulfillment-package": """packageCartonNumber packageDescr packageDetails packageWeight
        packageTrackingNumber packageTrackingNumberReturn""",
    "inventoryAdjustment": f"{_HEAD} account adjLocation customer postingPeriod",
    "inventoryAdjustment-inventory": """adjustQtyBy binNumbers class currentValue department item
        line description expirationDate inventoryDetail location memo newQuantity quantityOnHand
        serialNumbers subsidiary unitCost units""",
    "inventoryTransfer": f"{_HEAD} transferLocation postingPeriod",
    "inventoryTransfer-inventory": """adjustQtyBy description expirationDate fromBinNumbers line
        item inventoryDetail quantityOnHand serialNumbers toBinNumbers units""",
    "binTransfer": "id externalId tranDate tranId memo subsidiary location inventory",
    "binTransfer-inventory": """description fromBins inventoryDetail item itemUnits line
        preferredBin quantity toBins""",
    "inventoryDetail": "inventoryAssignment item itemDescription location quantity toLocation unit",
    "inventoryAssignment": """binNumber expirationDate inventoryStatus issueInventoryNumber quantity
        licensePlateNumber packCarton pickCarton quantityAvailable receiptInventoryNumber
        toBinNumber toInventoryStatus""",
}
"""Names by record, by sublist, and by what every subrecord has in common."""
SUBLISTS = {"item", "package", "inventory"}
COLUMNS = {
    "item": {"id", "itemid", "externalid", "upccode", "isinactive", "islotitem", "isserialitem"},
    "bin": {"id", "binnumber", "location"},
    "inventorynumber": {"id", "inventorynumber", "item"},
    "transaction": {"id", "tranid", "type"},
    "location": {"id", "name"},
}
"""Columns of SuiteQL tables, by NetSuite's Records Catalog and public queries of others."""


def strange(kind: str, said: dict[str, Any]) -> Iterator[str]:
    """Yield the path of each field that NetSuite does not have."""
    names = FIELDS[kind].split()
    for name, value in said.items():
        if name not in names:
            yield f"{kind}.{name}"
        elif name in SUBLISTS and "-" not in kind:
            for row in value["items"]:
                yield from strange(f"{kind}-{name}", row)
        elif name == "inventoryDetail":
            yield from strange(name, value)
        elif name == "inventoryAssignment":
            for row in value["items"]:
                yield from strange(name, row)
