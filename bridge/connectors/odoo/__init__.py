"""Odoo 19 and later, by its JSON-2 interface: transfers, counts and manufacturing orders.

What an order waits for, Odoo has opened itself as a transfer (`stock.picking`). Such a one is
filled: the transaction's id is put behind its number, and the goods into its moves, in one change;
then `button_validate` is pressed, and Odoo keeps the rest as a backorder.

    open -write-> filled -button_validate-> done, and a backorder where something is left

Receipts without an order, returns, moves within the house and adjustments become transfers of the
bridge's own, with the id as their name, which Odoo lets exist once. An adjustment is a transfer to
or from an inventory loss location, such as the one for scrap. A count is `stock.quant` with
`inventory_quantity`, applied under the id as its name; an assembly one manufacturing order.

Odoo has no key that would refuse a second document for an order, so "once" rests on one writer, on
a look-up by the id before anything is done, and on calls that are one SQL transaction each: what
was found is carried on from where it stands.

The API key belongs to a user with the groups Inventory / User, and Purchase, Sales and
Manufacturing / User where those are used. Odoo's online service gives API access on Custom plans.

Source: Odoo 19 documentation, External JSON-2 API; Odoo 19.0, modules stock, purchase_stock,
sale_stock, mrp and uom. Never run against Odoo.
"""

from bridge.connector import Capabilities
from bridge.connectors.odoo.calls import calls
from bridge.connectors.odoo.config import Config
from bridge.connectors.odoo.plan import document
from bridge.connectors.odoo.posting import connect
from bridge.connectors.odoo.source import read

CAPABILITIES = Capabilities(
    evidence="documentation",
    key="lookup",
    books=frozenset(
        {
            *("receipt", "return", "putaway", "transfer", "adjustment", "count", "assembly"),
            *("pick", "pack", "shipment"),
        }
    ),
    reads=frozenset({"items", "documents", "locations", "stock", "booked"}),
    limits=(
        "A pick or pack is booked where the warehouse delivers in two or three steps.",
        "All of a transaction goes into one of the transfers Odoo keeps open for its order.",
        "A return is booked without its delivery: the sales order does not show it.",
        "An assembly makes one product, without lots, and never finishes an order of Odoo's own.",
        "Lots of products that Odoo does not track, dates of lots and SSCCs stay in the ledger.",
        "A GTIN is looked for as a product's own barcode, not as one of its packagings.",
        "Nothing is converted: an order in other units than its product's is refused.",
        "Stock may go below zero in Odoo, as what was scanned did happen.",
        "Everything is booked on the day it reaches Odoo.",
        "One bridge, and nobody else, writes names that contain its mark SP/.",
    ),
)

__all__ = ["CAPABILITIES", "Config", "calls", "connect", "document", "read"]
