"""What a scanned item is, by its label and the reference."""

from datetime import date
from decimal import Decimal

import pytest

from contract.identifiers import identify
from contract.reference import HeldLot, ItemRecord, Pack
from contract.values import Item, Quantity
from gateway.book import Book
from gateway.phrases import Phrase
from gateway.stations.goods import Goods, NoGoods, goods
from gateway.stations.masses import convert, grams
from tests.gateway.stations.table import Copy

EAN, CASE = "5901234123457", "15901234123454"
BOLT = ItemRecord(
    sku="BOLT-8",
    packs=(
        Pack(gtin="0" + EAN, quantity=Decimal(1)),
        Pack(gtin=CASE, quantity=Decimal(12)),
    ),
    codes=("B8",),
)
CHEESE = ItemRecord(
    sku="CHEESE",
    unit="KGM",
    packs=(Pack(gtin="04006381333931", quantity=Decimal(1)),),
    lot=True,
    expiry=True,
    held=(HeldLot(lot="L7", why="listeria"),),
)
KNOWN = Book(Copy.of(BOLT, CHEESE))


def of(label: str, symbology: str | None = None, **more: object) -> Goods | NoGoods:
    return goods(identify(label.encode(), symbology), KNOWN, **more)  # type: ignore[arg-type]


def good(label: str, symbology: str | None = None, **more: object) -> Goods:
    found = of(label, symbology, **more)
    assert isinstance(found, Goods), found
    return found


def test_a_case_counts_what_is_in_it() -> None:
    found = good(CASE)
    assert found.item == Item(sku="BOLT-8", gtin=CASE)
    assert found.quantity == Quantity(value=Decimal(12))
    assert good(CASE, times=Decimal(3)).quantity == Quantity(value=Decimal(36))


@pytest.mark.parametrize("code", ["B8", "BOLT-8", EAN])
def test_an_item_is_known_by_any_of_its_codes(code: str) -> None:
    assert good(code).item.sku == "BOLT-8"


def test_a_code_nobody_knows_is_said_to_be_unknown() -> None:
    found = of("4012345678901")
    assert isinstance(found, NoGoods)
    assert found.unknown
    assert isinstance(found.text, Phrase)


def test_without_a_reference_labels_are_taken_at_their_word() -> None:
    found = goods(identify(EAN.encode()), Book())
    assert isinstance(found, Goods)
    assert found.item == Item(gtin="0" + EAN)
    assert found.quantity == Quantity(value=Decimal(1))


def test_what_counts_by_mass_and_says_no_weight_must_be_weighed() -> None:
    assert good("CHEESE").quantity is None
    assert good("4006381333931").quantity is None
    weighed = good("01040063813339313103001250" + "10L1", "]C1")
    assert weighed.quantity == Quantity(value=Decimal("1.250"), unit="KGM")
    assert weighed.lacks == ("expiry",)


def test_a_held_lot_and_a_past_date_are_seen() -> None:
    found = good("010400638133393117251231" + "10L7", "]C1")
    assert found.held() == "listeria"
    assert found.expired(date(2026, 1, 1))
    assert not found.expired(None)
    assert good("CHEESE").held() is None


def test_a_serial_number_is_one_piece() -> None:
    found = of("0105901234123457" + "21S1", "]C1", times=Decimal(2))
    assert isinstance(found, NoGoods)


def test_a_card_is_no_item() -> None:
    assert isinstance(of("LOC:A-1"), NoGoods)


@pytest.mark.parametrize(
    ("value", "unit", "to", "found"),
    [
        ("1", "LBR", "KGM", "0.45359237"),
        ("1", "KGM", "LBR", None),
        ("16", "ONZ", "LBR", "1"),
        ("1.250", "KGM", "GRM", "1250"),
        ("1", "EA", "KGM", None),
    ],
)
def test_masses_convert_exactly_or_not_at_all(
    value: str, unit: str, to: str, found: str | None
) -> None:
    assert convert(Decimal(value), unit, to) == (None if found is None else Decimal(found))


def test_gram_are_for_comparing() -> None:
    assert grams(Decimal(1), "LBR") == Decimal("453.592370000")
    assert grams(Decimal(1), None) is None
