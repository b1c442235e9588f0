"""HIBC labels against ANSI/HIBC 2.6: every part of the structure, and the check character."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.codes.checks import CODE_39, mod43_holds
from contract.codes.hibc import read_hibc
from contract.identifiers import Hibc, Identifier, Unknown, identify


def sealed(text: str) -> str:
    """Append the check character."""
    return text + CODE_39[sum(map(CODE_39.index, text)) % 43]


def read(text: str, symbology: str | None = None) -> Identifier:
    return identify(text.encode(), symbology, today=date(2026, 11, 23))


def read_label(text: str) -> Hibc:
    found = read(text)
    assert isinstance(found, Hibc)
    return found


def test_a_joined_label_says_who_what_and_when() -> None:
    found = read_label("+A99912345/$$52001510X3/16D20111212/S77DEFG457")
    assert (found.labeler, found.product, found.unit) == ("A999", "1234", 5)
    assert (found.lot, found.serial) == ("10X3", "77DEFG45")
    assert (found.expiry, found.produced) == (date(2020, 1, 15), date(2011, 12, 12))
    assert (found.check_ok, found.problems) == (True, ())


def test_primary_and_secondary_labels_belong_together_by_the_link() -> None:
    primary, secondary = read_label("+A123BJC5D6E71G"), read_label("+$$52001510X3GD")
    assert primary.product == "BJC5D6E7"
    assert secondary.link == primary.text[-1]
    assert (secondary.labeler, secondary.lot) == (None, "10X3")


@pytest.mark.parametrize(
    ("data", "expiry"),
    [
        ("$$0928LOT", date(2028, 9, 30)),
        ("$$1228LOT", date(2028, 12, 31)),
        ("$$2091428LOT", date(2028, 9, 14)),
        ("$$3280914LOT", date(2028, 9, 14)),
        ("$$428091420LOT", date(2028, 9, 14)),
        ("$$528258LOT", date(2028, 9, 14)),
        ("$$62825820LOT", date(2028, 9, 14)),
        ("$$7LOT", None),
        ("28258LOT", date(2028, 9, 14)),
        ("$LOT", None),
        ("$$5284291LOT", None),
    ],
)
def test_every_date_format_is_read(data: str, expiry: date | None) -> None:
    alone, joined = read_label(sealed(f"+{data}L")), read_label(sealed(f"+A9991230/{data}"))
    assert alone.expiry == joined.expiry == expiry
    if data != "$$5284291LOT":
        assert alone.lot == joined.lot == "LOT"
        assert not alone.problems
        assert not joined.problems
        assert alone.link == "L"


@pytest.mark.parametrize(
    "data", ["$$0028", "$$1328", "$$2023028", "$$3281301", "$$428091424", "$$528000", "$$528367"]
)
def test_a_date_that_is_none_is_told_and_costs_nothing_else(data: str) -> None:
    found = read_label(sealed(f"+A9991230/{data}LOT"))
    assert (found.product, found.lot, found.expiry) == ("123", "LOT", None)
    assert len(found.problems) == 1
    assert "is no date" in found.problems[0]


@pytest.mark.parametrize(
    ("data", "quantity", "lot"),
    [
        ("$$824", "24", None),
        ("$$9000123280914LOT", "12", "LOT"),
        ("$$9001003280914LOT", "100", "LOT"),
        ("$$8067LOT", "6", "LOT"),
        ("$$8060928LOT", "6", "LOT"),
    ],
)
def test_a_quantity_has_two_or_five_digits(data: str, quantity: str, lot: str | None) -> None:
    found = read_label(sealed(f"+A9991230/{data}"))
    assert (found.quantity, found.lot) == (Decimal(quantity), lot)
    assert not found.problems


@pytest.mark.parametrize("data", ["$$82", "$$8X4", "$$900A123280914LOT"])
def test_a_quantity_that_is_none_is_told(data: str) -> None:
    found = read_label(sealed(f"+A9991230/{data}"))
    assert found.quantity is None
    assert any("is no quantity" in problem for problem in found.problems)


def test_a_plus_sign_makes_a_serial_number_of_a_lot() -> None:
    assert read_label(sealed("+A9991230/$+SN1")).serial == "SN1"
    found = read_label(sealed("+A9991230/$$+3280914SN1"))
    assert (found.serial, found.lot, found.expiry) == ("SN1", None, date(2028, 9, 14))


def test_supplements_add_what_the_secondary_data_lack() -> None:
    found = read_label(sealed("+A9991230/$LOT/14D20280914/16D20260101/Q500/S1"))
    assert (found.expiry, found.produced) == (date(2028, 9, 14), date(2026, 1, 1))
    assert (found.quantity, found.serial, found.lot) == (Decimal(500), "1", "LOT")


def test_what_stands_there_twice_is_believed_no_more() -> None:
    found = read_label(sealed("+A9991230/$LOT/S1/S2"))
    assert (found.serial, found.lot) == (None, "LOT")
    assert found.elements[-2:] == (("serial", "1"), ("serial", "2"))
    assert found.problems == ("the serial stands there twice",)


def test_the_asterisks_of_code_39_are_no_part_of_it() -> None:
    assert read_label("*+A123BJC5D6E71G*").product == "BJC5D6E7"


def test_a_wrong_check_character_leaves_nothing_to_believe() -> None:
    found = read_label("+A123BJC5D6E71H")
    assert (found.check_ok, found.labeler, found.product) == (False, None, None)
    assert found.elements[1] == ("product", "BJC5D6E7")
    assert found.problems == ("the check character is wrong",)


def test_a_blank_can_be_the_check_character() -> None:
    text = next(
        each for n in range(1000) if (each := sealed(f"+A999{n}0/$LOT"))[-1] == " " and n > 9
    )
    assert not read_label(text).problems
    assert not read_label(text + "\r\n").problems
    assert not read_label("+A123BJC5D6E71G ").problems


def test_a_slash_can_be_the_check_or_link_character() -> None:
    text = next(each for n in range(1000) if (each := sealed(f"+A999{n}0"))[-1] == "/")
    assert read_label(text).problems == ()
    assert read_label(sealed("+$LOT/")).link == "/"


def test_labels_of_care_providers_are_refused_aloud() -> None:
    found = read("+/EO5232013")
    assert isinstance(found, Unknown)
    assert "care provider" in found.problems[0]


@pytest.mark.parametrize(
    "text", ["+", "++++", "+49151123456789", "+A9", "+a123bjc5d6e71g", "A123BJC5D6E71G", "+1234"]
)
def test_other_texts_with_a_plus_sign_are_no_hibc(text: str) -> None:
    assert read(text).kind != "hibc"


@given(st.text(CODE_39, min_size=1, max_size=120), st.sampled_from(["+", "+A9991230/", "+$$"]))
def test_a_right_check_character_is_never_called_wrong(text: str, front: str) -> None:
    whole = sealed(front + text)
    assert mod43_holds(whole)
    label = read_hibc(whole)
    assert label is None or label.check_ok or whole.endswith((" ", "*"))


@given(st.data())
def test_one_wrong_character_never_passes(data: st.DataObject) -> None:
    text = "+A99912345/$$52001510X3/16D20111212/S77DEFG457"
    at = data.draw(st.integers(1, len(text) - 1))
    other = data.draw(st.sampled_from([c for c in CODE_39[:36] if c != text[at]]))
    label = read_hibc(text[:at] + other + text[at + 1 :])
    assert label is None or not label.check_ok
