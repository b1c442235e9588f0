"""Finale Inventory, by its REST interface: stock changes, and shipments of its orders.

Receipts without an order, returns, adjustments and assemblies become one inventory variance each,
committed by the request that makes it; its comment is the transaction's reference. A receipt of a
purchase order, or a shipment of a sales order, becomes one shipment of the order with the reference
in a user-defined field, and is then received or shipped by the address Finale gives for that, which
it gives only while that can be done:

    absent -POST-> open -actionUrlReceive or actionUrlShip-> received or shipped

Finale has no key, so "once" rests on one writer and on a look-up: among the order's shipments
always, among the variances of the last 29 days where an earlier attempt is unclear. A search costs
one of some 300 collection requests an hour, which is why it is not made before each.

What Finale's public pages do not document is refused: stock transfers (no place for a reference),
picks, packs, and, unless a setting says otherwise, counts. Two things the pages say only in words
are taken as follows, and want a look in a sandbox: the action addresses are sent the date alone,
and lots bear the prefix that public examples show.

An API key (Application settings, Users, API keys) has every right in the account; Finale knows no
smaller ones.

Source: Finale's developer pages on authentication, resource patterns, filtering, orders, shipments
and inventory variances, and its own PHP example. Never run against Finale.
"""

from bridge.connector import Capabilities
from bridge.connectors.finale.changes import document
from bridge.connectors.finale.config import Config
from bridge.connectors.finale.target import calls, connect, probe

CAPABILITIES = Capabilities(
    evidence="documentation",
    key="lookup",
    books=frozenset({"receipt", "return", "adjustment", "assembly", "count", "shipment"}),
    limits=(
        "Whole pieces only, by product id; no GTINs, units or packings.",
        "Putaways, transfers, picks, packs and reversals are refused.",
        "Counts are refused unless stock_takes is set.",
        "A return is a stock change: its order does not show it.",
        "A shipment needs lines and one sales order.",
        "What is unclear for more than 29 days is left to a person.",
        "Some 120 requests a minute, and 300 to collections an hour: set [limits] accordingly.",
        "One bridge, and nobody else, writes its references.",
    ),
)

__all__ = ["CAPABILITIES", "Config", "calls", "connect", "document", "probe"]
