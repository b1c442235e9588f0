"""lambda-erp, by its REST interface: receipts, deliveries, and every movement of stock.

Its vouchers are ERPNext's: a draft counts once it is submitted. Each is drafted under a name of our
own, `SP-` and the transaction's id, which lambda-erp takes once; it submits a draft once, too.

| transaction | voucher |
|---|---|
| receipt with a purchase order | Purchase Receipt |
| receipt without one, return, adjustment, putaway, pick, transfer | Stock Entry |
| return that names a Delivery Note (`desadv`) | Delivery Note against it |
| shipment | Delivery Note |
| count | Stock Entries of the difference to the books, out and in |
| assembly | two Stock Entries: components out, products in at what those cost |
| reversal | its original's vouchers are cancelled |

The key is an API key of a user with the role `manager`; `rest_api_enabled` must be on in the
settings. The notes of a voucher end with a mark of the content it was drafted from: a draft whose
transaction a person has changed since is rewritten before it is submitted.

Source: lambda-erp 1.2.3, its OpenAPI and its answers; every call is tested against a running
server.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.connector import Call, Capabilities, Connector
from bridge.connectors.lambda_erp.config import Config
from bridge.connectors.lambda_erp.forms import LambdaForms
from bridge.connectors.lambda_erp.office import LambdaOffice
from bridge.connectors.lambda_erp.source import read
from bridge.http import opened
from bridge.vouchers.moves import moves
from bridge.vouchers.plan import BOOKS, document
from bridge.vouchers.posting import Clerk
from bridge.vouchers.preview import preview
from contract.transactions import Transaction

CAPABILITIES = Capabilities(
    evidence="real",
    key="natural",
    books=BOOKS,
    reads=frozenset({"items", "documents", "locations", "stock", "booked"}),
    limits=(
        "Items go by their code: it has no barcodes, and none is looked up.",
        "Lots, serial numbers, dates, weights and cartons stay in the ledger.",
        "A shipment needs its sales order and its goods, or whole_orders.",
        "What comes in without an order is booked at what a piece on hand is worth, or refused.",
        "A count is booked as the difference to the books at the moment it is drafted.",
        "An assembly is two vouchers, drafted together and submitted one after the other.",
        "A reversal of what needed no voucher there is refused: there is nothing to cancel.",
        "What it refuses to submit stays a draft there, until it is sent again or put away.",
        "Everything is booked on the day it reaches lambda-erp.",
        "It adds up binary fractions: quantities are read back to the decimals of the setting.",
    ),
)


def calls(transaction: Transaction, config: Config) -> list[Call]:
    """Return the calls `deliver` would make, what only the ERP knows in angle brackets. Pure."""
    return preview(transaction, config, LambdaForms(config.prefix))


@asynccontextmanager
async def connect(config: Config) -> AsyncIterator[Connector]:
    """Yield the connector for `config`. Opens nothing until the first delivery."""
    async with opened(config.http, who=LambdaForms.who) as http:
        yield Clerk(LambdaOffice(http, config, LambdaForms(config.prefix)))


__all__ = ["CAPABILITIES", "Config", "calls", "connect", "document", "moves", "read"]
