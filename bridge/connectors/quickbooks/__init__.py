"""QuickBooks Online: bills for receipts, invoices, credit memos and refunds, stock adjusted.

A receipt becomes a bill at the prices of its purchase order, whose lines it is linked to; a
shipment an invoice at those of its estimate; a return a credit memo at those of its invoice, or a
refund receipt at those of its sales receipt. Adjustments and counts are inventory adjustments.

Each is created with a `requestid`, the transaction's id: QuickBooks gives the first answer again to
what comes twice. For how long it does not say; so the id also stands in the document's private
note, and what may have been booked is looked for before it is sent again. So is what was booked of
the same order before. Nothing is ever changed that is there, so no SyncToken can be stale.

Scope: com.intuit.quickbooks.accounting. Purchase orders and stock are in its larger plans only.

Source: Intuit's XML schema of the entities (v3), its pages on queries, errors and throttling.
"""

from bridge.bookkeeping import BOOKS, LIMITS
from bridge.connector import Capabilities
from bridge.connectors.quickbooks.config import Config
from bridge.connectors.quickbooks.source import read
from bridge.connectors.quickbooks.target import calls, connect, consent, document, moves, probe

CAPABILITIES = Capabilities(
    evidence="vendor-contract",
    key="key",
    books=BOOKS,
    reads=frozenset({"items", "documents", "stock", "booked"}),
    limits=(
        *LIMITS,
        "What of an estimate or invoice was taken by hand is not looked at; bills are linked.",
        "An invoice names its estimate in a note and is not linked to it: estimates stay open.",
        "A line with a discount is refused.",
        "A document is found again by its private note: with another it is not found.",
        "Inventory adjustments only in plans that have them.",
        "500 calls a minute and 10 at once for each company: see [limits].",
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
