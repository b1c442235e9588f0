"""The terms a target is delivered to on: how fast, when, in what mode, translated by what."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bridge.connector import Call
from bridge.modes import Modes
from bridge.opening import Opening
from bridge.outcome import Refused
from bridge.posting import Attempt
from contract.transactions import Transaction


class Translation(Protocol):
    """The mapping tables of one version. A reload is another object."""

    version: str
    """Says which tables these are; kept with every attempt. Empty where nothing is translated."""

    def apply(self, transaction: Transaction) -> Transaction | Refused:
        """Return `transaction` in the words of the ERP, or why it has none. Pure."""
        ...


class Untranslated:
    """No tables: what the stations say is what the ERP says."""

    version = ""

    def apply(self, transaction: Transaction) -> Transaction | Refused:
        """Return it as it is."""
        return transaction


UNTRANSLATED = Untranslated()
Planner = Callable[[Transaction], Sequence[Call] | Refused]
Check = Callable[[Attempt], Awaitable[Refused | None]]


@dataclass(frozen=True, slots=True)
class Terms:
    """All of them. Times in seconds."""

    name: str = "target"
    """Of the target: its daily budget and the right to deliver to it go by this name."""
    per_second: float | None = None
    burst: int = 10
    per_day: int | None = None
    """Calls on one day (UTC)."""
    break_after: int = 10
    """Failures in a row, of more than one entry, after which the target is left alone."""
    break_s: float = 30.0
    """For so long at first; each time in a row for twice as long."""
    group_most: int = 50
    """Transactions in one document of the ERP, where a connector groups them."""
    linger_s: float = 0.0
    """How long an incomplete group waits for more."""
    opening: Opening = field(default_factory=Opening)
    modes: Modes = field(default_factory=Modes)
    translation: Callable[[], Translation] = lambda: UNTRANSLATED
    """Gives the tables that hold now."""
    plan: Planner | None = None
    """Says what would be sent, for shadow mode; None where the connector cannot."""
    check: Check | None = None
    """Says what speaks against a delivery that only the bridge can know."""
