"""EPCIS 2.0 events in JSON-LD, for a GS1 repository or into a folder: visibility, not bookkeeping.

One event for each transaction, with `eventID` from its id, which a repository keeps apart; before a
second attempt the event is looked for. `epcis_document` makes one document of many transactions.

Source: EPCIS 2.0 and CBV 2.0 (GS1, 2022), its JSON schema and its REST bindings.
"""

from bridge.connector import Capabilities
from bridge.connectors.epcis.config import Config
from bridge.connectors.epcis.events import document, epcis_document
from bridge.connectors.epcis.target import calls, connect

CAPABILITIES = Capabilities(
    evidence="vendor-contract",
    key="lookup",
    books=frozenset(
        {
            *("receipt", "putaway", "pick", "pack", "shipment", "transfer", "count"),
            *("adjustment", "return", "assembly", "weighing", "reading"),
        }
    ),
    limits=(
        "Expiry and best-before dates have no place in an observed event.",
        "Amounts of more than about 16 digits are refused: EPCIS has them as JSON numbers.",
        "A reversal is refused: an error declaration must repeat the event it undoes.",
        "A folder is once only as long as nobody takes the files away; see `files` for more.",
    ),
)

__all__ = ["CAPABILITIES", "Config", "calls", "connect", "document", "epcis_document"]
