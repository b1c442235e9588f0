"""SAP S/4HANA, by its OData V2 services: material documents, deliveries, physical inventory.

Receipts for purchase orders, moves between storage locations, adjustments, returns and production
become material documents (`API_MATERIAL_DOCUMENT_SRV`), with the house's own movement types. A
shipment posts its outbound delivery, a receipt may post an inbound one; a count becomes a physical
inventory document whose differences are posted. A reversal cancels the material documents.

SAP has no key that would refuse a second document unless it was set up to (`repeatable`), so "once"
rests on three things: one writer; a look for the transaction's reference before anything is made;
and steps that are whole or absent, so that the state in SAP says what is left. The reference is the
transaction's id in 25 characters, which is all a header text holds: see `reference`.

A delivery goes through the files in this order: `plan` (what is to be booked, with its `goods`),
`materials`, `deliveries` and `counts` (look for it, make it, carry it on), `odata` (the wire:
session, CSRF token, `changeset`, `attempts`), `verdict` (what an answer means).

Authorizations of the communication user: the scenarios of the services named in `odata`.

Source: SAP's own models of these services (CSN, in its Cloud SDK packages), against which the tests
hold every body; SAP Gateway's pages on CSRF tokens, idempotent services and messages.
"""

from bridge.connector import Capabilities
from bridge.connectors.sap_s4.config import Config
from bridge.connectors.sap_s4.plan import document
from bridge.connectors.sap_s4.preview import calls
from bridge.connectors.sap_s4.source import read
from bridge.connectors.sap_s4.target import connect, probe

CAPABILITIES = Capabilities(
    evidence="vendor-contract",
    key="lookup",
    books=frozenset(
        {
            *("receipt", "putaway", "transfer", "adjustment", "return", "assembly", "count"),
            *("shipment", "reversal"),
        }
    ),
    reads=frozenset({"items", "documents", "stock", "booked"}),
    limits=(
        "No bins: what stays within one storage location is not sent.",
        "A pick or a pack is not booked: the shipment says what was picked of its delivery.",
        "A delivery is posted as a whole, once, and takes the reference into a text of its header.",
        "A part of a delivery is lowered quantities; an item of which nothing moved is refused.",
        "A count only of a place that is all of its storage location.",
        "A return needs a movement type in the configuration; returns deliveries are SAP's own.",
        "An assembly is two material documents: SAP may take the first and refuse the second.",
        "A reversal cancels material documents only, not deliveries or counts.",
        "Serial numbers of deliveries, packages, tracking numbers and weights stay in the ledger.",
        "A GTIN must be mapped to a material; units are not converted.",
        "How RepeatabilityCreation is written SAP's page does not say: try it before repeatable.",
        "One bridge, and nobody else, uses its references.",
    ),
)

__all__ = ["CAPABILITIES", "Config", "calls", "connect", "document", "probe", "read"]
