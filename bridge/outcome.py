"""What can come of one delivery to an ERP: a union, never a boolean.

The dispatcher alone decides when to try again; a connector only says what it saw.
"""

from dataclasses import dataclass
from typing import Literal

from contract.envelope import Reason


@dataclass(frozen=True, slots=True)
class Posted:
    """The ERP has it. `document` is the ERP's own number for it; empty where it makes none."""

    document: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The ERP will never take this as it is. A person acts."""

    code: Reason
    text: str


@dataclass(frozen=True, slots=True)
class TryLater:
    """Certainly nothing was booked; the same again may work. `after`: seconds the ERP asked for.

    `needs` says what it waits for, where that is of the whole target and not of this transaction:
    `time` throttled or away, `login` a token or password that no longer holds, `person` somebody
    who unlocks an account or accepts new terms. The last two leave the target alone at once. What a
    person must do for one transaction is `Refused("needs_human", ...)`.
    """

    why: str
    after: float | None = None
    needs: Literal["time", "login", "person"] = "time"


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may or may not have been booked: a time-out or a lost line after sending."""

    why: str


Outcome = Posted | Refused | TryLater | Unknown
"""All that can come of one delivery."""
