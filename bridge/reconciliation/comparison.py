"""The ledger's entries held against the ERP's documents, by the transaction's id. Pure.

Nothing is said of an entry that is under way, or was decided too short a time ago: an ERP may show
late what it has. That something is not there, or how much of it is, is said only after a reading
that came to its end, and only of entries whose documents that reading must have shown.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from bridge.connector import Found
from bridge.reconciliation.differences import Case, Difference

MOST_NAMED = 20
"""Documents named in one finding."""
LONGEST = 100
"""Characters of a number shown: longer ones are no numbers."""


@dataclass(frozen=True, slots=True)
class Known:
    """An entry, as far as it matters here."""

    number: int
    reference: str
    """The transaction's id."""
    state: Literal["received", "sending", "posted", "dead"]
    decided_at: datetime | None = None
    document: str = ""
    """As the ERP called it when it was posted; several are separated by commas."""
    quantity: Decimal | None = None
    """Sum over its lines as they were sent; None where that says nothing."""
    unit: str = ""
    due: bool = True
    """Whether the reading goes back as far as this entry can have been booked."""
    shown: bool = True
    """Whether the ERP shows a document of every posting of this kind."""
    undone: bool = False
    """Whether a reversal of it is booked, or under way."""

    def names(self, document: str) -> bool:
        """Whether the ledger knows that document as its own."""
        return document in self.document.split(", ")


class Comparison:
    """One reading of the ERP, that entries are held against one after the other."""

    def __init__(
        self,
        *,
        whole: bool,
        settled_before: datetime,
        tolerance: Decimal = Decimal(0),
    ) -> None:
        """Take a reading.

        Args:
            whole: whether the reading came to its end.
            settled_before: when an entry must have been decided to be judged.
            tolerance: by how much quantities may differ.
        """
        self._whole = whole
        self._settled_before = settled_before
        self._tolerance = tolerance
        self._of: dict[str, tuple[Found, ...]] = {}
        self._user: dict[str, str] = {}
        self._shared: dict[str, set[str]] = {}
        self._members: dict[str, dict[str, tuple[Known, Found]]] = defaultdict(dict)
        self.judged: set[str] = set()
        """Ids of which it can be said whether something differs."""

    def take(self, found: Iterable[Found]) -> None:
        """Take documents in, in any order; of one that comes twice the later is believed."""
        for row in found:
            others = self._of.get(row.reference, ())
            kept = tuple(each for each in others if each.document != row.document)
            self._of[row.reference] = (*kept, row)
            user = self._user.setdefault(row.document, row.reference)
            if user != row.reference:
                self._shared.setdefault(row.document, {user}).add(row.reference)

    @property
    def unmet(self) -> Set[str]:
        """Ids the ERP shows that no entry was given for yet."""
        return self._of.keys()

    def meet(self, known: Known) -> list[Difference]:
        """Hold one entry, that was not met before, against what was read of it."""
        rows = self._of.pop(known.reference, ())
        if (
            known.decided_at is None
            or known.state not in ("posted", "dead")
            or known.decided_at > self._settled_before
        ):
            return []
        mine = _Shown(known, sorted(rows, key=_age))
        certain = self._whole and known.due
        found = list(mine.dead() if known.state == "dead" else mine.posted(certain=certain))
        if not certain:
            return found
        self.judged.add(known.reference)
        for row in mine.booked:
            if row.document in self._shared:
                self._members[row.document][known.reference] = known, row
        if not found and known.state == "posted" and not known.undone:
            found = self._measured(mine)
        return found

    def _measured(self, mine: "_Shown") -> list[Difference]:
        """Hold the quantity of its own documents against that of the entry."""
        own = [row for row in mine.booked if row.document not in self._shared]
        amounts = _amounts(own)
        if not amounts or len(own) < len(mine.booked) or mine.known.quantity is None:
            return []
        return self._off([mine.known], mine.known.quantity, sum(amounts, Decimal(0)), own)

    def _off(
        self, entries: list[Known], ours: Decimal, theirs: Decimal, documents: list[Found]
    ) -> list[Difference]:
        if abs(ours - theirs) <= self._tolerance:
            return []
        return [
            Difference(
                case="document",
                subject=entries[0].reference,
                entry=entries[0].number,
                documents=_named(documents),
                ours=ours,
                theirs=theirs,
                unit=entries[0].unit,
            )
        ]

    def grouped(self) -> Iterator[Difference]:
        """Yield what differs in quantity of documents that several entries share.

        To be asked when every entry was met. An ERP may say of each entry its own quantity, or of
        all of them that of the whole document.
        """
        for name, references in self._shared.items():
            members = self._members.get(name, {})
            if members.keys() != references:
                self.judged -= references
                continue
            pairs = sorted(members.values(), key=lambda pair: pair[0].number)
            entries, rows = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
            ours = [each.quantity for each in entries if each.quantity is not None]
            theirs = _amounts(rows)
            if len(ours) < len(entries) or theirs is None or any(each.undone for each in entries):
                continue
            if all(
                abs(mine - its) <= self._tolerance for mine, its in zip(ours, theirs, strict=True)
            ):
                continue
            total = theirs[0] if len(set(theirs)) == 1 else sum(theirs, Decimal(0))
            yield from self._off(entries, sum(ours, Decimal(0)), total, rows[:1])

    def strangers(self, before: datetime) -> Iterator[Difference]:
        """Yield drafts of ids the ledger does not know, to be asked when every entry was met.

        What is booked under such an id may be of another ledger that writes into the same ERP, and
        so may a draft that was made since `before`.
        """
        for reference in sorted(self._of):
            rows = sorted(self._of[reference], key=_age)
            drafts = [
                row for row in rows if row.state == "draft" and (row.at is None or row.at <= before)
            ]
            if self._whole:
                self.judged.add(reference)
            if drafts:
                times = [row.at for row in drafts if row.at is not None]
                yield Difference(
                    "draft_unknown",
                    reference,
                    documents=_named(drafts),
                    made_at=min(times) if len(times) == len(drafts) else None,
                )


@dataclass(frozen=True, slots=True)
class _Shown:
    """An entry, and what the ERP shows of it, oldest first."""

    known: Known
    rows: list[Found]

    @property
    def booked(self) -> list[Found]:
        return [row for row in self.rows if row.state == "booked"]

    @property
    def drafts(self) -> list[Found]:
        return [row for row in self.rows if row.state == "draft"]

    def dead(self) -> Iterator[Difference]:
        """Yield what is there although it should not be."""
        if self.booked:
            yield self._said("dead", self.booked)
        if self.drafts:
            yield self._said("draft_dead", self.drafts)

    def posted(self, *, certain: bool) -> Iterator[Difference]:
        """Yield what is not there, or too often; `certain` that all of it was read."""
        if self.known.undone:
            return
        if not self.booked:
            if certain:
                yield from self._absent()
            return
        if len(self.booked) > 1:
            own = [row for row in self.booked if self.known.names(row.document)]
            kept = own or self.booked[:1]
            extra = [row for row in self.booked if row not in kept]
            if extra:
                yield self._said("several", extra, kept)
        if self.drafts:
            mine = [row for row in self.drafts if self.known.names(row.document)]
            yield self._said(
                "draft_posted" if mine else "draft_beside", mine or self.drafts, self.booked
            )

    def _absent(self) -> Iterator[Difference]:
        if self.drafts:
            yield self._said("draft_posted", self.drafts)
        elif self.rows:
            yield self._said("cancelled", self.rows)
        elif self.known.shown:
            yield self._said("absent", [])

    def _said(self, case: Case, rows: list[Found], kept: Iterable[Found] = ()) -> Difference:
        return Difference(
            case=case,
            subject=self.known.reference,
            entry=self.known.number,
            documents=_named(rows),
            kept=_named(kept),
        )


def _named(rows: Iterable[Found]) -> tuple[str, ...]:
    """Return the numbers of documents, within bounds: whoever made a thousand sees it by some."""
    names = [row.document[:LONGEST] for row in rows]
    more = len(names) - MOST_NAMED
    return (*names[:MOST_NAMED], *([f"and {more} more"] if more > 0 else []))


def _amounts(rows: Iterable[Found]) -> list[Decimal] | None:
    """Return how much each says, without a sign; None where one of them does not say it."""
    amounts: list[Decimal] = []
    for row in rows:
        if row.quantity is None:
            return None
        amounts.append(abs(row.quantity))
    return amounts


def _age(row: Found) -> tuple[float, str]:
    """Sort by time where the ERP says it, then by number."""
    return math.inf if row.at is None else row.at.timestamp(), row.document
