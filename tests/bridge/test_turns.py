from hypothesis import given
from hypothesis import strategies as st

from bridge.turns import Turns, keys_of
from contract.transactions import Reading, Reversal
from contract.values import Document
from tests.bridge.streams import name, receipt, transaction


def test_a_document_is_a_key_whatever_kind_a_station_calls_it() -> None:
    event = receipt().model_copy(
        update={"documents": (Document(kind="so", number="B"), Document(number="A"))}
    )
    assert keys_of(transaction(1, event)) == ("document A", "document B")


def test_without_a_document_the_gateway_is_the_key() -> None:
    assert keys_of(transaction(1, Reading(text="x"))) == ("gateway dock-1",)
    assert keys_of(transaction(1, Reversal(reverses=name(1)))) == ("gateway dock-1",)


def test_a_stuck_document_does_not_hold_up_the_others() -> None:
    turns = Turns()
    for number, key in enumerate(["A", "A", "B", "A"], start=1):
        turns.add(number, (key,))
    assert turns.take(now=0) == [1]
    turns.delay(1, due=60)
    assert turns.take(now=0) == [3]
    turns.done(3)
    assert turns.take(now=59) == []
    assert turns.wake_at() == 60
    assert turns.take(now=60) == [1]


def test_an_entry_of_two_documents_waits_for_both() -> None:
    turns = Turns()
    turns.add(1, ("A",))
    turns.add(2, ("B",))
    turns.add(3, ("A", "B"))
    assert [turns.take(0), turns.take(0), turns.take(0)] == [[1], [2], []]
    turns.done(2)
    assert turns.take(0) == []
    turns.done(1)
    assert turns.take(0) == [3]


def test_an_older_entry_that_comes_late_goes_first() -> None:
    turns = Turns()
    turns.add(5, ("A",))
    turns.add(2, ("A",))
    assert turns.take(0) == [2]
    turns.done(2)
    assert turns.take(0) == [5]
    assert len(turns) == 1


def test_a_batch_may_hold_a_whole_line_in_order() -> None:
    turns = Turns()
    for number, keys in enumerate(["A", "A", "AB", "B", "C", "A"], start=1):
        turns.add(number, tuple(keys))
    turns.add(7, ("D",), due=60)
    turns.add(8, ("D",))
    assert turns.take(0, limit=10) == [1, 2, 3, 4, 5, 6]
    for number in (1, 2, 3):
        turns.done(number)
    for number in (4, 5, 6):
        turns.delay(number, due=5)
    assert turns.take(0, limit=10) == []
    assert turns.take(60, limit=10) == [4, 5, 6, 7, 8]


@given(
    st.lists(st.sets(st.sampled_from("ABC"), min_size=1), max_size=12),
    st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=60),
    st.integers(1, 5),
)
def test_order_is_kept_for_every_key_and_nobody_starves(
    entries: list[set[str]], fates: list[tuple[bool, int]], limit: int
) -> None:
    turns = Turns()
    for number, keys in enumerate(entries):
        turns.add(number, tuple(sorted(keys)))
    left = dict(enumerate(entries))
    now = 0.0
    while left:
        batch = turns.take(now, limit)
        if not batch:
            wake = turns.wake_at()
            assert wake is not None
            assert wake > now
            now = wake
            continue
        assert batch == sorted(batch)
        for turn in batch:
            assert not any(
                left[other] & left[turn] for other in left if other < turn and other not in batch
            )
        done, pause = fates.pop() if fates else (True, 0)
        for turn in batch:
            if done:
                turns.done(turn)
                del left[turn]
            else:
                turns.delay(turn, now + pause)
    assert len(turns) == 0
