"""NetSuite, by its REST web services: one record for each transaction.

Goods that come for a purchase order or a return authorization, and goods that leave for a sales
order, become an item receipt or item fulfilment that NetSuite makes out of the order
(`!transform`), all of the order's open lines named, with those that did not move marked so.
Adjustments and assemblies become an inventory adjustment, moves a bin transfer within a location
and an inventory transfer from one to another.

Each record carries the transaction's id as its external id, of which NetSuite takes no second one.
That is what keeps it once; its idempotency key holds for asynchronous requests only, which answer
with a job instead of a record. An external id is never used to `PUT`: that would change a record.

The bridge logs in with the client credentials flow of OAuth 2.0, signing with a key of its own:
tokens live an hour, and nothing that NetSuite keeps can be used to log in. Token-based
authentication would be two secrets that live for ever. The integration's role needs REST web
services, SuiteAnalytics Workbook (for SuiteQL) and the records above.

Three things want a look in a sandbox: that an order's line is the one `orderLine` names, what an
account pre-fills into the inventory detail of a receipt, and what its mandatory fields and scripts
make of records that come in this way.

Source: NetSuite help, "SuiteTalk REST Web Services API Guide" and "OAuth 2.0"; its REST API Browser
for names of fields. Never run against NetSuite.
"""

from bridge.connector import Capabilities
from bridge.connectors.netsuite.calls import calls
from bridge.connectors.netsuite.config import Config
from bridge.connectors.netsuite.plan import document
from bridge.connectors.netsuite.target import connect, probe

CAPABILITIES = Capabilities(
    evidence="documentation",
    key="natural",
    books=frozenset(
        {"receipt", "return", "shipment", "putaway", "transfer", "adjustment", "assembly"}
    ),
    limits=(
        "A receipt, return or shipment needs its one order.",
        "Counts, picks, packs and reversals are refused: REST cannot finish a count.",
        "Assemblies are stock changes; work orders are refused.",
        "A return goes back to stock whatever its disposition: give damaged goods a place.",
        "Nothing is converted: with Multiple Units on, name the id of each unit.",
        "A shipment without lines is all that NetSuite thinks can leave for its order.",
        "Dates of lots, and lots of items that have none in NetSuite, stay in the ledger.",
        "Everything is booked on the day it reaches NetSuite.",
        "Needs the package cryptography: the extra netsuite.",
    ),
)

__all__ = ["CAPABILITIES", "Config", "calls", "connect", "document", "probe"]
