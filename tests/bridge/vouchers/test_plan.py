"""What a transaction is to an ERP of vouchers, before any is asked."""

import doctest
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bridge.outcome import Posted, Refused
from bridge.vouchers import rows
from bridge.vouchers.moves import moves
from bridge.vouchers.plan import (
    Assembled,
    Counted,
    Delivered,
    Goods,
    Moved,
    Purchased,
    Returned,
    Task,
    Undone,
    document,
)
from bridge.vouchers.settings import VoucherSettings
from contract.transactions import (
    Adjustment,
    Assembly,
    Count,
    Event,
    Pack,
    Package,
    Pick,
    Putaway,
    Reading,
    Receipt,
    Return,
    Reversal,
    Shipment,
    Transfer,
)
from contract.values import Document, Item, Line, Quantity
from tests.bridge.streams import lines, name, transaction


class WithLots(VoucherSettings):
    lots: ClassVar[bool] = True


def settings(kind: type[VoucherSettings] = VoucherSettings, **more: Any) -> VoucherSettings:
    said = {"url": "https://erp.example.com", "api_key_file": Path("/key"), "company": "Example"}
    places = {"warehouse": "STORE", "receiving": "IN", "staging": "OUT", "returns": "BACK"}
    return kind.model_validate({**said, **places, "warehouses": {"A-01": "WH-7"}, **more})


def task_of(event: Event, **more: Any) -> Task:
    planned = document(transaction(1, event), settings(**more))
    assert isinstance(planned, Task), planned
    return planned


def work_of(event: Event, **more: Any) -> Any:
    return task_of(event, **more).work


def named(kind: str, number: str = "7") -> tuple[Document, ...]:
    return (Document.model_validate({"kind": kind, "number": number}),)


BOLTS = (Goods(Item(sku="BOLT-8"), Decimal(2), "Nos"),)
PARCEL = (Package(tracking="1Z"),)


@pytest.mark.parametrize(
    ("event", "work"),
    [
        (Receipt(lines=lines(), documents=named("po")), Purchased("7", BOLTS, "IN")),
        (Receipt(lines=lines(), documents=named("po"), to_location="A-01"),
         Purchased("7", BOLTS, "WH-7")),
        (Receipt(lines=lines()), Moved(BOLTS, None, "IN")),
        (Receipt(lines=lines(), documents=named("desadv")), Moved(BOLTS, None, "IN")),
        (Putaway(lines=lines(), to_location="A-01"), Moved(BOLTS, "IN", "WH-7")),
        (Pick(lines=lines(), documents=named("so")), Moved(BOLTS, "STORE", "OUT")),
        (Transfer(lines=lines(), from_location="A-01", to_location="B"), Moved(BOLTS, "WH-7", "B")),
        (Adjustment(lines=lines(), direction="increase", reason="found"),
         Moved(BOLTS, None, "STORE")),
        (Adjustment(lines=lines(), direction="decrease", reason="lost", location="A-01"),
         Moved(BOLTS, "WH-7", None)),
        (Return(lines=lines()), Moved(BOLTS, None, "BACK")),
        (Return(lines=lines(), documents=named("rma")), Moved(BOLTS, None, "BACK")),
        (Return(lines=lines(), documents=named("desadv")), Returned("7", BOLTS, "BACK")),
        (Count(lines=lines(), location="A-01"), Counted(BOLTS, "WH-7")),
        (Assembly(consumed=lines(), produced=lines()), Assembled(BOLTS, BOLTS, "STORE")),
        (Shipment(packages=PARCEL, lines=lines(), documents=named("so")),
         Delivered("7", BOLTS, "OUT")),
        (Reversal(reverses=name(9)), Undone(str(name(9)))),
    ],
)  # fmt: skip
def test_each_event_is_one_kind_of_work(event: Event, work: object) -> None:
    assert work_of(event) == work


def test_without_the_places_of_a_house_the_order_and_the_warehouse_say_where() -> None:
    bare = {"receiving": None, "staging": None, "returns": None}
    assert work_of(Receipt(lines=lines(), documents=named("po")), **bare).into is None
    sent = Shipment(packages=PARCEL, lines=lines(), documents=named("so"))
    assert work_of(sent, **bare).out_of is None
    assert work_of(Receipt(lines=lines()), **bare).into == "STORE"
    assert work_of(Return(lines=lines()), **bare).into == "STORE"


@pytest.mark.parametrize(
    "event",
    [
        Reading(text="?"),
        Transfer(lines=lines(), from_location="A-01", to_location="WH-7"),
        Receipt(lines=lines(quantity="0")),
        Return(lines=lines(quantity="0")),
    ],
)
def test_what_moves_nothing_needs_no_voucher(event: Event) -> None:
    assert document(transaction(1, event), settings()) == Posted("")


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (Pack(lines=lines()), "unsupported"),
        (Shipment(packages=PARCEL, lines=lines()), "unknown_document"),
        (Shipment(packages=PARCEL, documents=named("so")), "contract"),
        (Receipt(lines=lines(), documents=named("po") + named("po", "8")), "unknown_document"),
        (Assembly(consumed=lines(quantity="0"), produced=lines()), "contract"),
        (Receipt(lines=lines(quantity="0.0001")), "contract"),
        (Receipt(lines=(Line(item=Item(sku="A"), quantity=Quantity(value=1, unit="XBX")),)),
         "contract"),
    ],
)  # fmt: skip
def test_what_has_no_voucher_is_refused_and_says_why(event: Event, code: str) -> None:
    refused = document(transaction(1, event), settings())
    assert isinstance(refused, Refused)
    assert refused.code == code
    assert refused.text


def test_what_binary_fractions_would_round_is_refused() -> None:
    event = Receipt(lines=lines(quantity="12345678901.12345"))
    assert isinstance(document(transaction(1, event), settings(decimals=9)), Refused)


def test_labels_of_one_item_are_added_up_whatever_pack_they_name() -> None:
    by_pack = Line(item=Item(sku="BOLT-8", gtin="04012345678901"), quantity=Quantity(value="3"))
    [goods] = work_of(Receipt(lines=(*lines(), by_pack))).goods
    assert (goods.item, goods.quantity) == (Item(sku="BOLT-8"), 5)


def test_what_was_found_to_be_none_is_a_finding() -> None:
    [goods] = work_of(Count(lines=lines(quantity="0"), location="A-01")).goods
    assert goods.quantity == 0


def test_lots_are_kept_apart_only_where_the_erp_has_a_place_for_them() -> None:
    two = Receipt(lines=lines(lot="L1", serial="S1") + lines(lot="L2"))
    assert len(work_of(two).goods) == 1
    first, second = work_of(two, kind=WithLots).goods
    assert (first.lot, first.serials, second.lot) == ("L1", ("S1",), "L2")


def test_a_count_of_lots_is_left_to_a_person() -> None:
    event = Count(lines=lines(lot="L1"), location="A-01")
    assert isinstance(document(transaction(1, event), settings(WithLots)), Refused)
    assert isinstance(work_of(event), Counted)


def test_a_change_of_a_person_s_is_another_mark_and_the_same_reference() -> None:
    first, second = task_of(Receipt(lines=lines())), task_of(Receipt(lines=lines(quantity="3")))
    assert first.reference == second.reference
    assert first.mark != second.mark
    assert first.mark == task_of(Receipt(lines=lines())).mark


def test_the_note_says_who_and_what_for() -> None:
    event = Shipment(packages=PARCEL, lines=lines(), documents=named("so"))
    assert task_of(event).note == "Scanpost shipment: station bench, so 7, 1Z"


def test_the_examples_are_true() -> None:
    assert doctest.testmod(rows).failed == 0


def test_where_only_the_erp_can_say_how_much_moves_nothing_is_said() -> None:
    by_gtin = (Line(item=Item(gtin="04012345678901"), quantity=Quantity(value=1)),)
    said = [
        moves(transaction(1, event), settings(receiving=None))
        for event in (
            Count(lines=lines(), location="A-01"),
            Receipt(lines=lines(), documents=named("po")),
            Adjustment(lines=by_gtin, direction="increase", reason="found", location="B-7"),
        )
    ]
    assert said == [
        [("BOLT-8", "A-01", "EA", None)],
        [("BOLT-8", "STORE", "EA", None)],
        [("04012345678901", "B-7", "EA", None)],
    ]
    assert moves(transaction(1, Reversal(reverses=name(9))), settings()) == []
    assert moves(transaction(1, Pack(lines=lines())), settings()) == []
