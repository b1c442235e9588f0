"""Shopify, by its GraphQL Admin API: stock at its locations, and fulfilments of its orders.

Receipts, returns, adjustments, assemblies and moves between Shopify locations become one
`inventoryAdjustQuantities` each, a count `inventorySetQuantities`, goods set aside
`inventoryMoveQuantities`. Each carries `@idempotent(key:)` made of the transaction's id: Shopify
itself does once what comes twice. A key whose attempt failed is followed by the next of a fixed
chain, on Shopify's word only.

`fulfillmentCreate` takes no key. There a tracking number (or SSCC) tells one fulfilment from
another: the order's fulfilments are searched for it before any is made, which needs one writer.

Custom app scopes: read_products, write_inventory, read_locations, read_orders,
write_merchant_managed_fulfillment_orders.

Source: introspection of the Admin API 2026-04 to 2026-10, and Shopify's pages on it.
"""

from bridge.connector import Capabilities
from bridge.connectors.shopify.changes import document
from bridge.connectors.shopify.config import Config
from bridge.connectors.shopify.target import calls, connect, probe

CAPABILITIES = Capabilities(
    evidence="vendor-contract",
    key="key",
    books=frozenset(
        {
            *("receipt", "return", "putaway", "transfer", "adjustment", "count", "assembly"),
            "shipment",
        }
    ),
    limits=(
        "Whole pieces only; no lots, serial numbers, expiry dates or weights.",
        "No bins: what stays within one Shopify location is not sent.",
        "A count only of a place that is all of its Shopify location.",
        "Fulfilments are once by tracking number, which needs one bridge for each shop.",
        "How long Shopify knows a key is a setting: what is ambiguous longer is left to a person.",
    ),
)

__all__ = ["CAPABILITIES", "Config", "calls", "connect", "document", "probe"]
