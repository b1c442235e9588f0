"""What was moved of a document since the reference copy was taken."""

import uuid
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.envelope import encode
from contract.transactions import Receipt, Reversal, Transaction
from contract.values import Document, Item, Line, Quantity
from gateway.movements import MAX_KEPT, Movements
from tests.contract.test_transactions import EVENTS, events, whole


def receipt(amount: str, *, line: str | None = "1", serial: str | None = None) -> Receipt:
    return Receipt(
        documents=(Document(kind="po", number="PO-1"),),
        lines=(
            Line(
                item=Item(sku="BOLT"),
                quantity=Quantity(value=Decimal(amount)),
                document_line=line,
                serial=serial,
            ),
        ),
    )


def test_receipts_add_up_by_line_and_by_item() -> None:
    movements = Movements()
    movements.add(1, uuid.uuid4(), receipt("2"))
    movements.add(2, uuid.uuid4(), receipt("3", line=None, serial="S1"))
    moved = movements.of("PO-1", "receipt")
    assert moved.lines == {"1": 2}
    assert moved.items == {("BOLT", "EA"): 5}
    assert moved.serials == {("BOLT", "S1")}
    assert movements.of("PO-1", "pack").items == {}


def test_a_reversal_takes_out_what_it_names() -> None:
    movements, id_ = Movements(), uuid.uuid4()
    movements.add(1, id_, receipt("2", serial="S1"))
    movements.add(2, uuid.uuid4(), Reversal(reverses=id_))
    assert movements.of("PO-1", "receipt") == Movements().of("PO-1", "receipt")


def test_what_could_not_be_stored_was_never_moved() -> None:
    movements, id_ = Movements(), uuid.uuid4()
    movements.add(0, id_, receipt("2"))
    movements.take_back(id_)
    assert movements.of("PO-1", "receipt").items == {}


def test_a_reversal_that_could_not_be_stored_reversed_nothing() -> None:
    movements, id_ = Movements(), uuid.uuid4()
    movements.add(1, id_, receipt("2"))
    undo, undo_id = Reversal(reverses=id_), uuid.uuid4()
    movements.add(0, undo_id, undo)
    movements.take_back(undo_id)
    assert movements.of("PO-1", "receipt").items == {("BOLT", "EA"): 2}


def test_what_the_copy_holds_is_not_counted_twice() -> None:
    movements = Movements()
    for seq in range(1, 4):
        movements.add(seq, uuid.uuid4(), receipt("1"))
    movements.included(2)
    assert movements.of("PO-1", "receipt").items == {("BOLT", "EA"): 1}


def test_the_oldest_give_way_when_there_are_too_many() -> None:
    movements = Movements()
    event = receipt("1")
    for seq in range(1, MAX_KEPT + 11):
        movements.add(seq, uuid.UUID(int=seq), event)
    assert movements.of("PO-1", "receipt").items == {("BOLT", "EA"): MAX_KEPT}


def test_what_the_copy_holds_is_taken_off_when_it_is_reversed_here() -> None:
    movements, id_, undo = Movements(), uuid.uuid4(), uuid.uuid4()
    movements.add(1, id_, receipt("2", serial="S1"))
    movements.included(1)
    assert movements.of("PO-1", "receipt").items == {}
    movements.add(0, undo, Reversal(reverses=id_))
    movements.add(2, undo, Reversal(reverses=id_))
    moved = movements.of("PO-1", "receipt")
    assert moved.lines == {"1": -2}
    assert moved.serials == frozenset()
    movements.included(2)
    assert movements.of("PO-1", "receipt").lines == {}


def test_a_reversal_waits_for_the_copy_even_where_it_came_before_the_copy_had_anything() -> None:
    movements, id_ = Movements(), uuid.uuid4()
    movements.add(1, id_, receipt("2"))
    movements.add(2, uuid.uuid4(), Reversal(reverses=id_))
    assert movements.of("PO-1", "receipt").lines == {}
    movements.included(1)  # the copy says 2 from now on
    assert movements.of("PO-1", "receipt").lines == {"1": -2}
    movements.included(2)  # and 0 again
    assert movements.of("PO-1", "receipt").lines == {}


def test_a_word_about_what_is_included_comes_late_or_twice() -> None:
    movements, id_ = Movements(), uuid.uuid4()
    movements.add(0, id_, receipt("2"))
    movements.included(5)
    movements.add(3, id_, receipt("2"))
    movements.included(4)
    assert movements.of("PO-1", "receipt").items == {}


def rows_of(*steps: tuple[uuid.UUID, Receipt | Reversal]) -> list[tuple[int, str]]:
    return [
        (
            seq,
            encode(
                Transaction.model_validate(
                    {**CLOCKED, "id": id_, "seq": seq, "event": event.model_dump()}
                )
            ),
        )
        for seq, (id_, event) in enumerate(steps, 1)
    ]


CLOCKED = {
    "gateway": "dock-1",
    "epoch": uuid.uuid4(),
    "station": "door-1",
    "clock": {
        "wall": "2026-11-23T12:00:00Z",
        "boot": uuid.uuid4(),
        "monotonic": "1",
        "synchronised": True,
    },
}


def test_a_restart_counts_what_lies_in_the_outbox_and_the_copy_has_not() -> None:
    first, second, third = (uuid.uuid4() for _ in range(3))
    rows = rows_of(
        (first, receipt("2")),
        (second, receipt("3")),
        (uuid.uuid4(), Reversal(reverses=first)),
        (third, receipt("4")),
        (uuid.uuid4(), Reversal(reverses=third)),
    )
    for upto, left in (
        (0, {"1": 3}),
        (1, {"1": 1}),
        (2, {"1": -2}),
        (3, {}),
        (4, {"1": -4}),
        (5, {}),
    ):
        movements = Movements()
        assert movements.recount(rows, upto) == []
        assert movements.of("PO-1", "receipt").lines == left


@pytest.mark.parametrize(
    "body", ['{"documents":[{', '{"id":1,"documents":[{}]}', '"type":"reversal"']
)
def test_a_row_of_another_version_is_not_counted_and_named(body: str) -> None:
    assert Movements().recount([(7, body)], 0) == [7]


@given(st.one_of([whole(events(kind)) for kind in EVENTS]))
@settings(max_examples=200)
def test_what_a_row_moves_is_what_its_transaction_moved(transaction: Transaction) -> None:
    live, stored = Movements(), Movements()
    live.add(transaction.seq, transaction.id, transaction.event)
    assert stored.recount([(transaction.seq, encode(transaction))], 0) == []
    assert dict(live._kept) == dict(stored._kept)
    assert live._sums == stored._sums


def test_a_serial_number_is_known_although_the_copy_has_counted_it() -> None:
    movements, id_ = Movements(), uuid.uuid4()
    movements.add(1, id_, receipt("1", serial="S1"))
    movements.included(1)
    moved = movements.of("PO-1", "receipt")
    assert moved.items == {}
    assert moved.serials == {("BOLT", "S1")}
    movements.add(2, uuid.uuid4(), Reversal(reverses=id_))
    assert movements.of("PO-1", "receipt").serials == frozenset()


def test_what_the_copy_does_not_count_stays_counted_here() -> None:
    movements = Movements()
    movements.holds = lambda _number, kind: kind == "pack"
    movements.add(1, uuid.uuid4(), receipt("2"))
    movements.included(1)
    assert movements.of("PO-1", "receipt").lines == {"1": 2}


def test_after_a_restart_the_same_is_counted() -> None:
    lived, again = Movements(), Movements()
    body = '{"id":"%s","event":%s}'
    ids = [uuid.uuid4() for _ in range(3)]
    events = [receipt("1", serial=f"S{n}") for n in range(3)]
    for number, (id_, event) in enumerate(zip(ids, events, strict=True), 1):
        lived.add(number, id_, event)
    lived.included(2)
    rows = [
        (number, body % (id_, event.model_dump_json(exclude_none=True)))
        for number, (id_, event) in enumerate(zip(ids, events, strict=True), 1)
    ]
    assert again.recount(rows, 2) == []
    assert again.of("PO-1", "receipt") == lived.of("PO-1", "receipt")
