"""Test this scan: a transaction as it came, as the tables make it, and the exact calls it becomes.

Nothing is sent, no ledger is needed. For the terminal (`scanpost bridge test-scan`) and a page:

    tables = config.mapping.read() or UNTRANSLATED   # those of the folder; or `Watched.current()`
    tried = trial(config, tables, transaction)       # -> Trial
    asked = Asked(type="receipt", scans=("PO:4711", "4006381333931"), quantity="3")
    tried = trial(config, tables, made(asked))       # bridge.mapping.scans

These names and their arguments stay as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bridge import first_day
from bridge.config import Config
from bridge.connector import Call
from bridge.outcome import Outcome, Posted, Refused, TryLater, Unknown
from bridge.terms import Translation
from contract.transactions import Transaction


@dataclass(frozen=True, slots=True)
class Trial:
    """What would come of one transaction."""

    came: Transaction
    mapped: Transaction | None
    """As the connector would get it; None where the tables refuse it."""
    refused: Refused | None
    """Why it would not be booked, as far as is known before the ERP is asked."""
    by: str | None
    """Who refuses: `mapping` or the connector's name; None where nobody does."""
    calls: Sequence[Call]
    """What would be sent, byte for byte but for what only the ERP knows."""
    version: str
    """Of the tables; empty without any."""
    note: str = ""
    """What else there is to say, such as that nothing needs to be sent."""

    @property
    def changed(self) -> bool:
        """Whether the tables make another transaction of it."""
        return self.mapped is not None and self.mapped is not self.came


def trial(config: Config, mapping: Translation, transaction: Transaction) -> Trial:
    """Return what `transaction` would become with these tables at the configured target. Pure.

    Args:
        config: of the bridge; its `target` is not opened.
        mapping: the tables to try; `bridge.terms.UNTRANSLATED` for none.
        transaction: as a station would send it.
    """
    name: str = config.target.connector
    given = mapping.apply(transaction)
    if isinstance(given, Refused):
        return Trial(transaction, None, given, "mapping", (), mapping.version)
    planned = first_day.dry_run(name, config.target, given)
    if isinstance(planned, list):
        return Trial(transaction, given, None, None, tuple(planned), mapping.version)
    if isinstance(planned, Refused):
        return Trial(transaction, given, planned, name, (), mapping.version)
    return Trial(transaction, given, None, None, (), mapping.version, _says(planned))


def _says(outcome: Outcome) -> str:
    match outcome:
        case Posted(document=document):
            return f"nothing needs to be sent {document}".strip()
        case TryLater(why=why) | Unknown(why=why):
            return why
        case Refused(text=text):
            return text
