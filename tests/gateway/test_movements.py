"""What was moved of a document since the reference copy was taken."""

import uuid
from decimal import Decimal

from contract.transactions import Receipt, Reversal
from contract.values import Document, Item, Line, Quantity
from gateway.movements import MAX_KEPT, Movements


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
    movements.take_back(id_, receipt("2"))
    assert movements.of("PO-1", "receipt").items == {}


def test_a_reversal_that_could_not_be_stored_reversed_nothing() -> None:
    movements, id_ = Movements(), uuid.uuid4()
    movements.add(1, id_, receipt("2"))
    undo = Reversal(reverses=id_)
    movements.add(0, uuid.uuid4(), undo)
    movements.take_back(uuid.uuid4(), undo, receipt("2"))
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
