"""Files, as JSON Lines or CSV, in a folder or on an SFTP server: for whatever reads files.

One file for each transaction, or one that is finished on a schedule. A file appears under its name
only when it is whole and on the disk; what is unfinished stays in the folder `.scanpost`, with the
index that makes twice once, by the transaction's id, also after the file was fetched and deleted.
Names sort in the order of writing. A file is never changed once it is there.
"""

from bridge.connector import Capabilities
from bridge.connectors.files.config import Config, Sftp
from bridge.connectors.files.records import COLUMNS, Record, document
from bridge.connectors.files.source import FilesSource, read
from bridge.connectors.files.target import calls, connect

_BOOKS = frozenset(
    {
        *("receipt", "putaway", "pick", "pack", "shipment", "transfer", "count"),
        *("adjustment", "return", "assembly", "weighing", "reading", "reversal"),
    }
)
CAPABILITIES = Capabilities(
    evidence="real",
    key="unique",
    books=_BOOKS,
    reads=frozenset({"booked"}),
    shows=_BOOKS,
    limits=(
        "Once rests on the index in the folder's .scanpost: it must not be deleted.",
        "A file that is finished on a schedule counts as posted when a transaction is in it.",
        "CSV has no evidence: the raw bytes of scans stay in the ledger.",
    ),
)

__all__ = [
    "CAPABILITIES",
    "COLUMNS",
    "Config",
    "FilesSource",
    "Record",
    "Sftp",
    "calls",
    "connect",
    "document",
    "read",
]
