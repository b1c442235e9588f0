"""Xero, by its accounting API: bills for receipts, invoices, credit notes, tracked stock adjusted.

A receipt becomes a bill at the prices of its purchase order, a shipment an invoice at those of its
quote, a return a credit note at those of the invoice it came with. Adjustments and counts become
documents of no total, as Xero's guide to tracked inventory has them.

Each is created under an `Idempotency-Key` made of the transaction's id. How long Xero knows a key
it does not say; so order and id also stand in the document (the number of a bill, the reference of
an invoice or credit note). What may have been booked is looked for there before it is sent again,
and so is what was booked of the same order before.

Scopes: accounting.invoices (accounting.transactions for an app made before March 2026),
accounting.settings.read, and offline_access for a login.

Source: Xero's OpenAPI 16.1, and its pages on OAuth 2.0, limits and tracked inventory.
"""

from bridge.bookkeeping import BOOKS, LIMITS
from bridge.connector import Capabilities
from bridge.connectors.xero.config import Config
from bridge.connectors.xero.source import read
from bridge.connectors.xero.target import calls, connect, consent, document, moves, probe

CAPABILITIES = Capabilities(
    evidence="vendor-contract",
    key="key",
    books=BOOKS,
    reads=frozenset({"items", "documents", "stock", "booked"}),
    limits=(
        *LIMITS,
        "Bills, invoices and credit notes count in Xero's stock only once they are authorised.",
        "What of an order was billed, invoiced or credited by hand is not looked at.",
        "Orders stay open: a person marks them as billed.",
        "Tracking numbers of parcels stay in the ledger.",
        "Adjustments are at the item's purchase price, and their document is authorised at once.",
        "A bill's number is the order's and the transaction's id: with another it is not found.",
        "Quantities and prices have four decimal places.",
        "60 calls a minute and 5,000 a day for each organisation: see [limits].",
    ),
)

__all__ = [
    "CAPABILITIES",
    "Config",
    "calls",
    "connect",
    "consent",
    "document",
    "moves",
    "probe",
    "read",
]
