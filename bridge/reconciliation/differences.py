"""What the ledger and the ERP can say otherwise, in words, and what mends it. Pure."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, assert_never

from contract.canonical import canonical, digest

Kind = Literal["missing", "duplicate", "quantity_drift", "orphan_draft"]
Case = Literal[
    "absent",
    "cancelled",
    "several",
    "dead",
    "document",
    "stock",
    "draft_unknown",
    "draft_dead",
    "draft_posted",
    "draft_beside",
]
"""How it came to light. `absent`, `cancelled`: posted, and the ERP shows nothing, or only cancelled
documents. `several`: more documents in force than one. `dead`: in the ERP, though refused or
discarded here. `document`, `stock`: quantities. Drafts: of an id the ledger does not know, of a
dead entry, of a posted one that has nothing else, or beside its document."""

KINDS: dict[Case, Kind] = {
    "absent": "missing",
    "cancelled": "missing",
    "several": "duplicate",
    "dead": "duplicate",
    "document": "quantity_drift",
    "stock": "quantity_drift",
    "draft_unknown": "orphan_draft",
    "draft_dead": "orphan_draft",
    "draft_posted": "orphan_draft",
    "draft_beside": "orphan_draft",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs."""

    case: Case
    subject: str
    """The transaction's id; of stock, item and place."""
    entry: int | None = None
    """The ledger's number of it."""
    documents: tuple[str, ...] = ()
    """The ERP's numbers of what should not be there, or is not as it should be."""
    kept: tuple[str, ...] = ()
    """Those that may stay."""
    ours: Decimal | None = None
    """How much it should be."""
    theirs: Decimal | None = None
    unit: str = ""
    made_at: datetime | None = None
    """When the ERP made the oldest of `documents`, where it says so of all of them."""

    @property
    def kind(self) -> Kind:
        """The kind of finding it is."""
        return KINDS[self.case]

    @property
    def excess(self) -> Decimal:
        """How much more the ERP has than it should."""
        return (self.theirs or Decimal(0)) - (self.ours or Decimal(0))

    @property
    def fingerprint(self) -> str:
        """Tells one state of a difference from another: of stock only by how much it is off."""
        off = plain_amount(self.excess)
        parts = [self.case, self.subject, sorted(self.documents), off, self.unit]
        return digest(canonical(parts))


@dataclass(frozen=True, slots=True)
class Step:
    """One thing a person does about it; where a command does it, that."""

    words: str
    command: str | None = None


def plain_amount(amount: Decimal) -> str:
    """Return an amount without an exponent or superfluous zeros.

    >>> plain_amount(Decimal("3.00")), plain_amount(Decimal("1E+2"))
    ('3', '100')
    """
    text = format(amount, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-0", "0", text == "-0")


def signed(amount: Decimal) -> str:
    """Return an amount with its sign.

    >>> signed(Decimal(3)), signed(Decimal(-2))
    ('+3', '-2')
    """
    return f"{'+' if amount > 0 else ''}{plain_amount(amount)}"


def words(difference: Difference) -> str:
    """Say in a sentence what differs."""
    named, kept = ", ".join(difference.documents), ", ".join(difference.kept)
    mine = f"entry {difference.entry}"
    match difference.case:
        case "absent":
            return f"{mine} is posted, and the ERP shows no document of it"
        case "cancelled":
            return f"{mine} is posted, and the ERP shows only what was cancelled: {named}"
        case "several":
            return f"{mine} is in the ERP more than once: {kept}, and also {named}"
        case "dead":
            return f"{mine} is not to be booked, and the ERP has it as {named}"
        case "document":
            return (
                f"{mine} says {_ours(difference)}, and the ERP has {_theirs(difference)}: {named}"
            )
        case "stock":
            return (
                f"{difference.subject}: the ERP shows {_theirs(difference)}, and after what was"
                f" booked it should be {_ours(difference)}"
            )
        case "draft_unknown":
            return f"the ERP has a draft {named} of a transaction the ledger does not know"
        case "draft_dead":
            return f"the ERP has a draft {named} of {mine}, which is not to be booked"
        case "draft_posted":
            return f"{mine} is posted, and the ERP has it as a draft only: {named}"
        case "draft_beside":
            return f"{mine} is booked as {kept}, and the ERP has a draft of it too: {named}"
        case _:
            assert_never(difference.case)


def _ours(difference: Difference) -> str:
    return f"{plain_amount(difference.ours or Decimal(0))} {difference.unit}".strip()


def _theirs(difference: Difference) -> str:
    return f"{plain_amount(difference.theirs or Decimal(0))} {difference.unit}".strip()


def repair(difference: Difference, number: int | None = None) -> tuple[Step, ...]:
    """Return what mends it, the likeliest first; the last is always to close it with a reason.

    Args:
        difference: that was found.
        number: of the finding, to be closed by.
    """
    close = None if number is None else f'scanpost bridge reconcile --close {number} --why "..."'
    return (*_mending(difference), Step("Where it is right as it is, close it and say why.", close))


def _mending(difference: Difference) -> tuple[Step, ...]:
    named, mine = ", ".join(difference.documents), f"entry {difference.entry}"
    adjust = f"{signed(-difference.excess)} {difference.unit}".strip()
    match difference.case:
        case "absent":
            return (
                Step(
                    f"Let {mine} be looked up again; it is booked if it is not there.",
                    f'scanpost bridge replay {difference.entry} --why "missing in the ERP"',
                ),
            )
        case "cancelled":
            return (
                Step(f"Take the cancellation of {named} back in the ERP."),
                Step(
                    f"Or let {mine} be looked up and booked again.",
                    f'scanpost bridge replay {difference.entry} --why "was cancelled in the ERP"',
                ),
            )
        case "several":
            return (Step(f"Cancel {named} in the ERP, and keep {', '.join(difference.kept)}."),)
        case "dead":
            return (
                Step(f"Cancel {named} in the ERP."),
                Step(
                    f"Or take {mine} for booked: it is found there by its id.",
                    f"scanpost bridge retry {difference.entry}",
                ),
            )
        case "document":
            return (Step(f"Correct {named} in the ERP: adjust it by {adjust}."),)
        case "stock":
            return (
                Step(f"Count {difference.subject}."),
                Step(f"Where the count says so, adjust the ERP by {adjust}."),
            )
        case "draft_unknown" | "draft_beside":
            return (Step(f"Cancel the draft {named} in the ERP."),)
        case "draft_dead":
            return (
                Step(f"Cancel the draft {named} in the ERP."),
                Step(
                    f"Or put right what {mine} was refused for: the draft is found and finished.",
                    f"scanpost bridge retry {difference.entry}",
                ),
            )
        case "draft_posted":
            return (
                Step(f"Book the draft {named} in the ERP."),
                Step(
                    f"Or let {mine} be looked up again and finished.",
                    f'scanpost bridge replay {difference.entry} --why "a draft in the ERP"',
                ),
            )
        case _:
            assert_never(difference.case)
