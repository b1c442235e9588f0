"""Whatever was done to an ERP's documents is found, and nothing else is."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from bridge.connector import Found
from bridge.reconciliation.comparison import Comparison, Known
from bridge.reconciliation.differences import Case, Difference, repair, words

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SETTLED = NOW - timedelta(minutes=15)
LONG_AGO = NOW - timedelta(days=3)
Told = set[tuple[Case, str]]


class History:
    """A ledger and an ERP that fit each other, but for what was done to the ERP."""

    def __init__(self) -> None:
        self.entries: list[Known] = []
        self.found: list[Found] = []
        self.told: Told = set()
        """What is to be found."""
        self._documents = 0

    def number(self) -> str:
        self._documents += 1
        return f"D{self._documents}"

    def entry(self, state: str = "posted", **more: Any) -> Known:
        count = len(self.entries) + 1
        said: dict[str, Any] = {
            "number": count,
            "reference": str(UUID(int=count)),
            "state": state,
            "quantity": Decimal(count),
            "unit": "EA",
        }
        if state in ("posted", "dead"):
            said["decided_at"] = LONG_AGO
        made = Known(**{**said, **more})
        self.entries.append(made)
        return made

    def show(self, entry: Known | str, document: str, state: str = "booked", **more: Any) -> None:
        reference = entry if isinstance(entry, str) else entry.reference
        quantity = None if isinstance(entry, str) else entry.quantity
        said: dict[str, Any] = {"quantity": quantity, "at": LONG_AGO, "state": state}
        self.found.append(Found(reference, document, **{**said, **more}))

    def posted(self, **more: Any) -> Known:
        document = self.number()
        made = self.entry(document=document, **more)
        self.show(made, document)
        return made

    def find(self, case: Case, entry: Known | str) -> None:
        self.told.add((case, entry if isinstance(entry, str) else entry.reference))


def fine(history: History, turn: int) -> None:  # noqa: C901 - a case for each
    """One of the things that are as they should be."""
    number = history.number()
    match turn % 14:
        case 0:
            history.posted()
        case 1:
            history.entry("received", decided_at=None)
        case 2:
            under_way = history.entry("sending", decided_at=None)
            for state in ("draft", "booked")[: turn // 14 % 3]:
                history.show(under_way, history.number(), state)
        case 3:
            fresh = history.entry(document=number, decided_at=SETTLED + timedelta(seconds=1))
            if turn // 14 % 2:
                history.show(fresh, number, "draft")
        case 4:
            refused = history.entry("dead")
            if turn // 14 % 2:
                history.show(refused, number, "cancelled")
        case 5:
            history.entry(shown=False)
        case 6:
            undone = history.entry(document=number, undone=True)
            if turn // 14 % 3:
                history.show(undone, number, ("booked", "cancelled")[turn // 14 % 2])
        case 7:
            old = history.entry(document=number, due=False)
            if turn // 14 % 2:
                history.show(old, number, quantity=Decimal(99))
        case 8:
            other = history.number()
            two = history.entry(document=f"{number}, {other}", quantity=Decimal(5))
            history.show(two, number, quantity=Decimal(2))
            history.show(two, other, quantity=Decimal(3))
        case 9:
            group = [history.entry(document=number) for _ in range(2 + turn % 3)]
            total = sum((each.quantity or Decimal(0) for each in group), Decimal(0))
            for each in group:
                whole = total if turn // 14 % 2 else each.quantity
                history.show(each, number, quantity=whole)
        case 10:
            history.show(str(UUID(int=10**6 + turn)), number)
        case 11:
            history.show(str(UUID(int=10**6 + turn)), number, "draft", at=NOW)
        case 12:
            again = history.posted()
            history.found.append(next(r for r in history.found if r.reference == again.reference))
        case 13:
            silent = history.entry(document=number)
            history.show(silent, number, quantity=None)


def absent(history: History) -> None:
    history.find("absent", history.entry(document=history.number()))


def cancelled(history: History) -> None:
    entry = history.entry(document=history.number())
    history.show(entry, entry.document, "cancelled")
    history.find("cancelled", entry)


def several(history: History) -> None:
    entry = history.posted()
    history.show(entry, history.number())
    history.find("several", entry)


def dead(history: History) -> None:
    entry = history.entry("dead")
    history.show(entry, history.number())
    history.find("dead", entry)


def changed(history: History) -> None:
    entry = history.entry(document=history.number())
    history.show(entry, entry.document, quantity=(entry.quantity or 0) + Decimal("0.001"))
    history.find("document", entry)


def changed_group(history: History) -> None:
    number = history.number()
    group = [history.entry(document=number) for _ in range(3)]
    for each in group:
        history.show(each, number, quantity=Decimal(1))
    history.find("document", group[0])


def draft_unknown(history: History) -> None:
    reference = str(UUID(int=10**9 + len(history.found)))
    history.show(reference, history.number(), "draft", at=NOW - timedelta(days=2))
    history.find("draft_unknown", reference)


def draft_dead(history: History) -> None:
    entry = history.entry("dead")
    history.show(entry, history.number(), "draft")
    history.find("draft_dead", entry)


def draft_posted(history: History) -> None:
    entry = history.entry(document=history.number())
    history.show(entry, entry.document, "draft")
    history.find("draft_posted", entry)


def draft_beside(history: History) -> None:
    entry = history.posted()
    history.show(entry, history.number(), "draft")
    history.find("draft_beside", entry)


SEEDS: list[Callable[[History], None]] = [
    *(absent, cancelled, several, dead, changed, changed_group),
    *(draft_unknown, draft_dead, draft_posted, draft_beside),
]
steps = st.lists(st.integers(0, 200) | st.sampled_from(SEEDS), max_size=25)


def history_of(steps: list[int | Callable[[History], None]]) -> History:
    history = History()
    for step in steps:
        if isinstance(step, int):
            fine(history, step)
        else:
            step(history)
    return history


def compared(
    history: History, found: list[Found], *, whole: bool = True
) -> tuple[Comparison, list[Difference]]:
    comparison = Comparison(whole=whole, settled_before=SETTLED)
    comparison.take(found)
    differences = [each for known in history.entries for each in comparison.meet(known)]
    differences += comparison.grouped()
    differences += comparison.strangers(NOW - timedelta(days=1))
    return comparison, differences


def told(differences: list[Difference]) -> Told:
    return {(each.case, each.subject) for each in differences}


@given(steps, st.randoms(use_true_random=False))
def test_everything_that_was_done_is_found_and_nothing_else(
    steps: list[int | Callable[[History], None]], random: Random
) -> None:
    history = history_of(steps)
    found = list(history.found)
    random.shuffle(found)
    comparison, differences = compared(history, found)
    assert told(differences) == history.told
    assert len(differences) == len(history.told), "each once"
    sure = {each.reference for each in history.entries if each.due and each.decided_at == LONG_AGO}
    assert comparison.judged >= sure
    for each in differences:
        assert words(each)
        assert repair(each, 7)[-1].command == 'scanpost bridge reconcile --close 7 --why "..."'


@given(steps, st.integers(0, 60))
def test_half_a_reading_makes_nothing_up(
    steps: list[int | Callable[[History], None]], rows: int
) -> None:
    history = history_of(steps)
    comparison, differences = compared(history, history.found[:rows], whole=False)
    assert told(differences) <= history.told
    assert comparison.judged == set()
    assert not {each.kind for each in differences} & {"missing", "quantity_drift"}


@given(steps)
def test_what_the_ledger_calls_its_own_is_what_may_stay(
    steps: list[int | Callable[[History], None]],
) -> None:
    history = history_of([*steps, several])
    _, differences = compared(history, history.found)
    own = {each.reference: each.document for each in history.entries}
    for each in differences:
        if each.case == "several":
            assert each.kept == (own[each.subject],)
            assert each.documents != each.kept


def test_of_two_that_the_ledger_does_not_name_the_older_may_stay() -> None:
    history = History()
    entry = history.entry()
    history.show(entry, "B", at=LONG_AGO)
    history.show(entry, "A", at=LONG_AGO + timedelta(seconds=1))
    [difference] = compared(history, history.found)[1]
    assert (difference.kept, difference.documents) == (("B",), ("A",))


def test_a_document_that_shares_its_entries_with_one_under_way_is_not_measured() -> None:
    history = History()
    done = history.entry(document="D")
    history.show(done, "D", quantity=Decimal(9))
    history.show(history.entry("sending", decided_at=None), "D", quantity=Decimal(9))
    comparison, differences = compared(history, history.found)
    assert differences == []
    assert done.reference not in comparison.judged
