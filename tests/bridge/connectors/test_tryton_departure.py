"""Which cartons are packed and which of them leave, without a Tryton."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from bridge.connectors.tryton import Config, document
from bridge.connectors.tryton.answers import Dispatch
from bridge.connectors.tryton.departure import Carton, Departure, Label, leaving
from bridge.connectors.tryton.goods import Goods
from bridge.outcome import Posted, Refused
from contract.transactions import Pack, Package, Shipment
from contract.values import Document
from tests.tryton.scans import SERUM, WIDGET, line, pack, shipment, transaction

FIRST, SECOND = ("0" * 17 + digit for digit in "12")
ONE, TWO, THREE, LEFT, OTHER = (str(UUID(int=n)) for n in range(1, 6))


def config(**changes: Any) -> Config:
    return Config.model_validate(
        {
            "connector": "tryton",
            "url": "http://127.0.0.1:1",
            "database": "depot",
            "api_key": "key",
            "company": 1,
            "warehouse": "WH",
        }
        | changes
    )


def test_a_pack_becomes_a_carton_with_its_goods_added_up() -> None:
    packed = pack(
        "SO-7", line(WIDGET, "1"), line(SERUM, "2", lot="A"), line(WIDGET, "2"), sscc=FIRST
    )

    assert document(packed, config()) == Carton(
        Label(str(packed.id), FIRST),
        "SO-7",
        (Goods(WIDGET, Decimal(3), "Unit"), Goods(SERUM, Decimal(2), "Unit", "A")),
    )


def test_an_empty_carton_needs_no_booking() -> None:
    assert document(pack("SO-7", line(WIDGET, "0")), config()) == Posted("")


def test_a_shipment_names_its_packages() -> None:
    left = shipment("SO-7", FIRST, None)

    assert document(left, config()) == Departure(str(left.id), "SO-7", (FIRST, None))


@pytest.mark.parametrize("kinds", [(), ("po",), ("so", "so")])
def test_what_names_not_one_sales_order_is_refused(kinds: tuple[Any, ...]) -> None:
    named = tuple(Document(kind=kind, number=f"D-{n}") for n, kind in enumerate(kinds))
    for event in (
        Pack(documents=named, lines=(line(WIDGET, "1"),)),
        Shipment(documents=named, packages=(Package(),)),
    ):
        refused = document(transaction(event), config())
        assert isinstance(refused, Refused)
        assert refused.code == "unknown_document"


@pytest.mark.parametrize(
    "label",
    [Label(ONE), Label(ONE, FIRST), Label(ONE, None, LEFT), Label(ONE, FIRST, LEFT)],
    ids=str,
)
def test_a_label_is_read_as_it_was_written(label: Label) -> None:
    assert Label.read(str(label)) == label


@pytest.mark.parametrize("reference", [None, "", "PO 4711", FIRST, f"{ONE} by hand", f" {ONE}"])
def test_a_reference_of_somebody_else_is_no_label(reference: str | None) -> None:
    assert Label.read(reference) is None


def carton(id_: int, label: Label, state: str = "packed") -> Dispatch:
    return Dispatch(id=id_, state=state, reference=str(label))


def left(*packages: str | None) -> Departure:
    return Departure(LEFT, "SO-7", packages)


def ids(found: tuple[Dispatch, ...] | Refused) -> list[int]:
    assert not isinstance(found, Refused)
    return [each.id for each in found]


def test_cartons_leave_by_their_number_in_the_order_they_are_named() -> None:
    known = [carton(1, Label(ONE, FIRST)), carton(2, Label(TWO, SECOND)), carton(3, Label(THREE))]

    assert ids(leaving(left(SECOND, FIRST), known)) == [2, 1]


def test_parcels_without_a_number_leave_oldest_first() -> None:
    known = [carton(3, Label(THREE)), carton(1, Label(ONE)), carton(2, Label(TWO, FIRST))]

    assert ids(leaving(left(None), known)) == [1]
    assert ids(leaving(left(None, None), known)) == [1, 3]


def test_what_has_begun_to_leave_goes_on_and_takes_nothing_else() -> None:
    known = [carton(1, Label(ONE)), carton(2, Label(TWO, None, LEFT), "done")]

    assert ids(leaving(left(None), known)) == [2]


@pytest.mark.parametrize(
    "other",
    [
        carton(1, Label(ONE, FIRST, OTHER)),
        carton(1, Label(ONE, FIRST), "waiting"),
        carton(1, Label(ONE, FIRST), "cancelled"),
        carton(1, Label(ONE, FIRST, LEFT), "cancelled"),
        carton(1, Label(ONE, SECOND)),
        carton(1, Label(LEFT, FIRST)),
    ],
    ids=str,
)
def test_a_carton_that_is_not_packed_or_left_with_another_does_not_leave(other: Dispatch) -> None:
    refused = leaving(left(FIRST), [other])

    assert isinstance(refused, Refused)
    assert FIRST in refused.text
