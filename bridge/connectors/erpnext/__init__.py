"""ERPNext, by Frappe's REST resources: receipts, deliveries, and every movement of stock.

A voucher is drafted with the transaction's id in a custom field that is unique, so the database
takes it once; then it is submitted, which it is once.

| transaction | voucher |
|---|---|
| receipt with a purchase order | Purchase Receipt |
| receipt without one, return, adjustment, putaway, pick, transfer | Stock Entry |
| return that names a Delivery Note (`desadv`) | Delivery Note against it |
| shipment | Delivery Note |
| count | Stock Reconciliation |
| assembly | Stock Entry that repacks |
| reversal | its original's voucher is cancelled |

To be set up by hand: custom fields `id_field` (Data, unique, no copy) and `mark_field` (Data, no
copy) of Stock Entry, Purchase Receipt, Delivery Note and Stock Reconciliation; a user who may
create, submit, cancel and delete these and make batches, its language English, with API key and
secret. `scanpost bridge probe` looks whether the fields are there.

Source: Frappe's page on its REST API; `frappe/api/v1.py`, `frappe/exceptions.py` and the document
types of ERPNext 15 as published. Written from these, never run against an ERPNext.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.connector import Call, Capabilities, Connector
from bridge.connectors.erpnext.config import Config
from bridge.connectors.erpnext.forms import ErpNextForms
from bridge.connectors.erpnext.office import ErpNextOffice
from bridge.connectors.erpnext.source import probe, read
from bridge.http import opened
from bridge.vouchers.moves import moves
from bridge.vouchers.plan import BOOKS, document
from bridge.vouchers.posting import Clerk
from bridge.vouchers.preview import preview
from contract.transactions import Transaction

CAPABILITIES = Capabilities(
    evidence="documentation",
    key="unique",
    books=BOOKS,
    reads=frozenset({"items", "documents", "locations", "stock", "booked"}),
    limits=(
        "Twice is once only if the custom field for the id is unique on all four vouchers.",
        "Weights and cartons stay in the ledger; a count of lots is left to a person.",
        "A shipment needs its sales order and its goods, or whole_orders.",
        "Nothing is converted: goods are booked in the item's own stock unit.",
        "A reversal of what needed no voucher there is refused: there is nothing to cancel.",
        "What it refuses to submit stays a draft there, until it is sent again or deleted.",
        "Everything is booked on the day it reaches ERPNext.",
        "Stations are not told the barcodes of items; scans of them are looked up when booked.",
    ),
)


def calls(transaction: Transaction, config: Config) -> list[Call]:
    """Return the calls `deliver` would make, what only the ERP knows in angle brackets. Pure."""
    return preview(transaction, config, ErpNextForms(config))


@asynccontextmanager
async def connect(config: Config) -> AsyncIterator[Connector]:
    """Yield the connector for `config`. Opens nothing until the first delivery."""
    async with opened(config.http, who=ErpNextForms.who) as http:
        yield Clerk(ErpNextOffice(http, config, ErpNextForms(config)))


__all__ = ["CAPABILITIES", "Config", "calls", "connect", "document", "moves", "probe", "read"]
