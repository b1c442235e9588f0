import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bridge.bookkeeping import (
    BOOKS,
    Adjust,
    Against,
    Found,
    Open,
    Settings,
    Unfit,
    differences,
    left,
    moved,
    number,
    plan,
    taken,
)
from bridge.outcome import Posted, Refused
from contract.transactions import (
    Adjustment,
    Count,
    Event,
    Package,
    Receipt,
    Return,
    Shipment,
    Transaction,
)
from contract.values import Document, Item, Line, Quantity
from tests.bridge.streams import transaction
from tests.bridge.transactions import transactions

HOUSE = Settings(counted_whole=("ALL",), timezone="Pacific/Auckland")


def goods(sku: str | None = "BOLT-8", value: str = "2", unit: str = "EA", **more: Any) -> Line:
    item = Item(sku=sku, gtin=None if sku else "04012345678901")
    return Line(item=item, quantity=Quantity(value=Decimal(value), unit=unit), **more)


def named(*numbers: str, kind: str = "po") -> tuple[Document, ...]:
    return tuple(Document.model_validate({"kind": kind, "number": each}) for each in numbers)


def planned(event: Event, wall: datetime | None = None, *, synchronised: bool = True) -> Any:
    made = transaction(1, event)
    update: dict[str, Any] = {"synchronised": synchronised}
    if wall is not None:
        update["wall"] = wall
    clock = made.clock.model_copy(update=update)
    return plan(made.model_copy(update={"clock": clock}), HOUSE, "The Books")


@settings(max_examples=60)
@given(value=transactions)
def test_every_transaction_is_booked_or_refused_with_a_word(value: Transaction) -> None:
    match plan(value, HOUSE, "The Books"):
        case Against() | Adjust() | Found():
            assert value.event.type in BOOKS
        case Posted(""):
            assert value.event.type in {"reading", "weighing"}
        case Refused(text=text):
            assert text
        case other:
            raise AssertionError(other)


def test_goods_of_one_item_add_up() -> None:
    receipt = Receipt(lines=(goods(), goods("NUT"), goods(value="0.5")), documents=named("P1"))
    made = planned(receipt)
    assert isinstance(made, Against)
    assert (made.what, made.order) == ("bill", "P1")
    assert made.goods == (("BOLT-8", Decimal("2.5")), ("NUT", Decimal(2)))


def test_a_day_is_that_of_the_books() -> None:
    late = datetime(2026, 11, 23, 13, tzinfo=UTC)
    receipt = Receipt(lines=(goods(),), documents=named("P1"))
    assert planned(receipt, late).day == date(2026, 11, 24)
    assert planned(receipt, late, synchronised=False).day is None


def test_a_shipment_knows_its_parcels_once() -> None:
    packages = (Package(tracking="1Z1"), Package(tracking="1Z1"), Package(tracking="1Z2"))
    made = planned(Shipment(packages=packages, lines=(goods(),), documents=named("S1", kind="so")))
    assert (made.what, made.parcels) == ("invoice", ("1Z1", "1Z2"))


def test_an_adjustment_has_a_sign_and_a_count_may_find_nothing() -> None:
    less = Adjustment(lines=(goods(),), direction="decrease", reason="broken")
    assert planned(less).goods == (("BOLT-8", Decimal(-2)),)
    assert planned(Count(lines=(goods(value="0"),), location="ALL")).goods == (
        ("BOLT-8", Decimal(0)),
    )


@pytest.mark.parametrize(
    ("event", "code", "words"),
    [
        (Receipt(lines=(goods(),)), "unknown_document", "purchase order"),
        (Receipt(lines=(goods(),), documents=named("1", "2")), "unknown_document", "1, 2"),
        (Receipt(lines=(goods(),), documents=named("1", kind="so")), "unknown_document", "prices"),
        (Return(lines=(goods(),)), "unknown_document", "invoice"),
        (Receipt(lines=(goods(None),), documents=named("1")), "unknown_sku", "map it"),
        (Receipt(lines=(goods(unit="KGM"),), documents=named("1")), "contract", "KGM"),
        (Receipt(lines=(goods(value="0"),), documents=named("1")), "contract", "nothing"),
        (
            Receipt(lines=(goods(value="12345678901.123456"),), documents=named("1")),
            "contract",
            "digits",
        ),
        (Count(lines=(goods(),), location="A-01"), "unsupported", "counted_whole"),
        (Shipment(packages=(Package(tracking="1"),), documents=named("1", kind="so")), "contract",
         "goods"),
    ],
)  # fmt: skip
def test_what_cannot_become_a_document_is_refused(event: Event, code: str, words: str) -> None:
    refused = planned(event)
    assert isinstance(refused, Refused)
    assert refused.code == code
    assert words in refused.text


def test_a_known_document_beats_an_unknown_one() -> None:
    both = (*named("X", kind="unknown"), *named("P1"))
    assert planned(Receipt(lines=(goods(),), documents=both)).order == "P1"


# --- Against the lines of an order ---

ORDER = (
    Open("1", "BOLT-8", Decimal(3)),
    Open("2", "NUT", Decimal(1)),
    Open("3", "BOLT-8", Decimal(4)),
    Open("4", "GONE", Decimal(-1)),
)


def test_lines_are_filled_from_the_first() -> None:
    wanted = (("BOLT-8", Decimal("3.5")), ("NUT", Decimal(1)))
    found = taken(wanted, ORDER, "P1", over="over_receipt")
    assert found == (("1", Decimal(3)), ("3", Decimal("0.5")), ("2", Decimal(1)))


def test_what_was_taken_before_is_left_out() -> None:
    rest = left(ORDER, {"BOLT-8": Decimal("3.5"), "NUT": Decimal(9), "CAP": Decimal(1)})
    assert [each.quantity for each in rest] == [0, 0, Decimal("3.5"), -1]
    assert taken((("BOLT-8", Decimal(3)),), rest, "P1", over="refused") == (("3", Decimal(3)),)
    with pytest.raises(Unfit, match=r"1\.0 of BOLT-8 more than P1 has left, which is 3\.5"):
        taken((("BOLT-8", Decimal("4.5")),), rest, "P1", over="refused")


@pytest.mark.parametrize(
    ("sku", "value", "code"), [("BOLT-8", "7.5", "over_receipt"), ("GONE", "1", "over_receipt"),
                               ("CAP", "1", "unknown_sku")],
)  # fmt: skip
def test_more_than_there_is_is_refused(sku: str, value: str, code: str) -> None:
    with pytest.raises(Unfit) as unfit:
        taken(((sku, Decimal(value)),), ORDER, "P1", over="over_receipt")
    assert unfit.value.refused.code == code


def test_what_is_booked_moves_the_one_stock_there_is() -> None:
    bill = planned(Receipt(lines=(goods(),), documents=named("P1"), to_location="A-01"))
    parcel = (Package(tracking="1Z1"),)
    invoice = planned(Shipment(packages=parcel, lines=(goods(),), documents=named("1", kind="so")))
    less = planned(Adjustment(lines=(goods(),), direction="decrease", reason="broken"))
    count = planned(Count(lines=(goods(),), location="ALL"))
    moves = [moved(made, HOUSE, ["credit"]) for made in (bill, invoice, less, count)]
    assert [each for [(_, _, _, each)] in moves] == [2, -2, -2, None]
    assert moves[0] == [("BOLT-8", "", "EA", Decimal(2))]
    assert moved(bill, HOUSE, ["bill"]) == [("BOLT-8", "", "EA", None)]
    assert not moved(Posted(""), HOUSE)


def test_a_difference_of_nothing_is_none() -> None:
    found = (("A", Decimal(3)), ("B", Decimal(2)), ("C", Decimal("0.5")))
    hand = {"A": Decimal("3.0"), "B": Decimal(5), "C": Decimal(0)}
    assert differences(found, hand) == (("B", Decimal(-3)), ("C", Decimal("0.5")))


@given(st.decimals(-(10**8), 10**8, places=6))
def test_a_number_has_the_very_digits(value: Decimal) -> None:
    assert Decimal(json.dumps(number(value))) == value


def test_a_time_zone_must_be_one() -> None:
    with pytest.raises(ValidationError, match="no time zone"):
        Settings(timezone="Mars/Olympus")
