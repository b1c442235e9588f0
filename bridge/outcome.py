"""What can come of one delivery to an ERP: a union, never a boolean.

The dispatcher alone decides when to try again; a connector only says what it saw.
"""

from dataclasses import dataclass

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
    """Certainly nothing was booked; the same again may work. `after`: seconds the ERP asked for."""

    why: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may or may not have been booked: a time-out or a lost line after sending."""

    why: str


Outcome = Posted | Refused | TryLater | Unknown
"""All that can come of one delivery."""
