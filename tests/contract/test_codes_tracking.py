"""Parcel numbers: check digits that are demanded, forms that overlap, and numbers of the house.

The collected numbers are in `test_vectors.py`. Those here are from tracking_number_data (MIT), from
USPS Publication 199, and made up by the rules.
"""

import re

import pytest

from contract.codes import tracking
from contract.codes.tracking import CARRIERS, carriers_of
from contract.identifiers import Gs1, Gtin, Identifier, Rules, Sscc, Tracking, Unknown, identify

GS = "\x1d"


def read(text: str, symbology: str | None = None, **rules: object) -> Identifier:
    return identify(text.encode(), symbology, Rules.model_validate(rules))


def services(text: str) -> list[str]:
    return [match.service for match in carriers_of(text)]


@pytest.mark.parametrize(
    ("number", "service"),
    [
        ("1Z879E930346834440", "UPS"),
        ("1ZXX3150YW44070023", "UPS"),
        ("799531274483", "FedEx Express (12)"),
        ("1001921334250001000300779017972697", "FedEx Express (34)"),
        ("9632001560123456789900794808390594", "FedEx Ground GSN"),
        ("568283610012734", "FedEx Ground"),
        ("9212391234567812345670", "USPS IMpb C"),
        ("940011291234567812345678901233", "USPS IMpb N"),
        ("71969010756003077385", "USPS Legacy"),
        ("03071790000523483741", "USPS 20"),
        ("8487135506", "DHL Express"),
        ("73891051146", "DHL Express"),
        ("JJD1410302937991", "DHL Parcel"),
        ("09980000020033F", "DPD (14)"),
        ("366310000017", "GLS (12)"),
        ("80993847369", "Old Dominion Guaranteed Shipment"),
        ("C10999911320231", "OnTrac"),
        ("1LS7119013618127-1", "LaserShip 1LS7 (18)"),
    ],
)
def test_a_number_is_known_by_its_check_digit_or_form(number: str, service: str) -> None:
    assert service in services(number)
    found = read(number)
    assert isinstance(found, Tracking)
    assert found.problems == ()


@pytest.mark.parametrize(
    "number",
    [
        "1Z879E930346834441",
        "1001901781990001000300617767839438",
        "9261292700768711948020",
        "C11031500001889",
        "RB123456786US",
        "RB123456785XX",
        "287809468875",
        "0073938000549292",
    ],
)
def test_a_number_with_a_wrong_check_digit_is_no_parcel(number: str) -> None:
    assert services(number) == []
    assert read(number).kind == "unknown"


def test_every_digit_of_a_checked_number_counts() -> None:
    number = "1Z5R89390357567127"
    for at in range(2, len(number)):
        wrong = str((int(number[at], 36) + 1) % 10)
        assert services(number[:at] + wrong + number[at + 1 :]) == [], at


def test_all_carriers_that_fit_are_told_and_one_of_them_is_not_chosen() -> None:
    found = read("JJD0002257639032011")
    assert isinstance(found, Tracking)
    assert [match.carrier for match in found.matches] == ["yodel", "dhl"]
    assert found.carrier is None
    assert found.distinctive


def test_the_site_says_which_carriers_come_here() -> None:
    found = read("JJD0002257639032011", carriers=["dhl", "ups"])
    assert isinstance(found, Tracking)
    assert found.carrier == "dhl"
    assert read("JJD0002257639032011", carriers=["ups"]).kind == "unknown"
    assert read("1Z5R89390357567127", carriers=[]).kind == "unknown"


def test_digits_that_pass_by_chance_are_told_from_those_that_cannot() -> None:
    by_chance, surely = read("3318810025"), read("1Z5R89390357567127")
    assert isinstance(by_chance, Tracking)
    assert isinstance(surely, Tracking)
    assert (by_chance.distinctive, surely.distinctive) == (False, True)


def test_blanks_as_printed_do_no_harm() -> None:
    found = read(" 1 Z 8 V 9 2 A 7 0 3 6 7 2 0 3 0 2 4 ")
    assert isinstance(found, Tracking)
    assert found.number == "1Z8V92A70367203024"


def test_a_routing_code_in_front_is_told_from_the_number() -> None:
    for zip_code in ("90245", "902451234"):
        found = read(f"420{zip_code}9261290336128704042634")
        assert isinstance(found, Tracking)
        assert (found.number, found.postcode) == ("9261290336128704042634", zip_code)
    fedex = read("1001921380360001000300639585804382")
    assert isinstance(fedex, Tracking)
    assert fedex.number == "639585804382"


@pytest.mark.parametrize("gap", ["", GS])
def test_a_postal_number_in_a_gs1_symbol_is_a_parcel(gap: str) -> None:
    found = read(f"42090245{gap}9261290336128704042634", "]C1")
    assert isinstance(found, Tracking)
    assert found.elements == (("420", "90245"), ("92", "61290336128704042634"))
    assert read(f"42090245{GS}9261290336128704042634").kind == "tracking"
    wrong = read("420902459261290336128704042635", "]C1")
    assert isinstance(wrong, Gs1)


def test_the_numbers_of_gs1_come_first() -> None:
    assert isinstance(read("00340433836442636597"), Sscc)
    assert isinstance(read("614141000036"), Gtin)
    assert isinstance(read("1Z5R89390357567127", "]C1"), Unknown)


def test_fourteen_digits_no_check_digit_vouches_for_are_doubted() -> None:
    found = read("51087693037816")
    assert isinstance(found, Tracking)
    assert found.problems == ("it could also be a GTIN with a wrong check digit",)
    assert read("51087693037816", "]I1").problems == ("the check digit is wrong",)


def test_a_card_of_the_site_comes_first() -> None:
    assert read("TBA502887274000", location=["TBA"]).kind == "location"


def test_every_carrier_has_a_form() -> None:
    forms = tracking._LETTERED + tracking._DIGITS
    assert {form.carrier for form in forms} == {*CARRIERS}
    assert all(isinstance(form.pattern, re.Pattern) for form in forms)
