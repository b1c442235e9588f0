"""The AI dictionary against the rules of the GS1 General Specifications, and the small tables."""

import re

import pytest
from biip import gs1_application_identifiers as biip

from contract.codes.dates import date_of, full_year
from contract.codes.gs1 import Definition, definition_of, read_elements
from contract.codes.gs1_dictionary import dictionary
from contract.codes.iso_codes import COUNTRIES, COUNTRY_LETTERS, CURRENCIES
from contract.codes.measures import measure_of

# Every AI of the General Specifications release 25, as ranges, and whether it needs no separator.
KNOWN = {
    "00-03": True,
    "10": False,
    "11-13": True,
    "15-17": True,
    "20": True,
    "21-22": False,
    "235": False,
    "240-243": False,
    "250-251": False,
    "253-255": False,
    "30": False,
    "3100-3105": True,
    "3370-3375": True,
    "3695-3695": True,
    "37": False,
    "3900-3909": False,
    "3950-3955": False,
    "400-403": False,
    "410-417": True,
    "420-427": False,
    "4300-4326": False,
    "4330-4333": False,
    "7001-7011": False,
    "7020-7023": False,
    "7030-7040": False,
    "710-715": False,
    "7230-7242": False,
    "8001-8013": False,
    "8017-8020": False,
    "8026": False,
    "8110-8112": False,
    "8200": False,
    "90-99": False,
}


def ais() -> list[tuple[str, bool]]:
    found = []
    for span, predefined in KNOWN.items():
        first, _, last = span.partition("-")
        numbers = range(int(first), int(last or first) + 1)
        found += [(str(number).zfill(len(first)), predefined) for number in numbers]
    return found


@pytest.mark.parametrize(("ai", "predefined"), ais())
def test_the_dictionary_knows_every_ai_and_its_length(ai: str, predefined: bool) -> None:
    definition = definition_of(ai + "0000")
    assert isinstance(definition, Definition)
    assert definition.ai == ai
    assert biip.GS1ApplicationIdentifier.extract(ai).separator_required is not predefined
    if predefined:
        value = "0" * definition.longest
        # A value of the predefined length ends without a separator, whatever follows.
        found = read_elements(ai + value + "10NEXT").elements
        assert [(element.ai, element.value) for element in found] == [(ai, value), ("10", "NEXT")]


def test_the_dictionary_is_that_of_an_independent_library() -> None:
    theirs = biip._GS1_APPLICATION_IDENTIFIERS
    assert dictionary() == {
        ai: (entry.format.partition("+")[2], entry.data_title) for ai, entry in theirs.items()
    }


@pytest.mark.parametrize(
    "ai", ["04", "14", "23", "88", "3106", "418", "8999", "\u0660\u0661", "0", ""]
)
def test_the_dictionary_knows_no_other(ai: str) -> None:
    assert definition_of(ai) is None


def test_a_form_is_read_as_it_stands() -> None:
    grai = definition_of("8003")
    assert grai is not None
    assert (grai.form, grai.longest, grai.fixed) == ("N14[+X..16]", 30, False)
    assert grai.pattern.fullmatch("0" * 14)
    assert grai.pattern.fullmatch("0" * 14 + "A" * 16)
    assert not grai.pattern.fullmatch("0" * 14 + "A" * 17)


def test_a_reserved_predefined_ai_does_not_hide_the_rest() -> None:
    found = read_elements("14260101" + "10LOT7")
    assert found.elements[1].value == "LOT7"
    assert found.problems == ("(14) is no known application identifier",)


@pytest.mark.parametrize(
    ("ai", "value", "amount", "unit"),
    [
        ("3100", "000012", "12", "KGM"),
        ("3105", "123456", "1.23456", "KGM"),
        ("3202", "001750", "17.50", "LBR"),
        ("3301", "123456", "12345.6", "KGM"),
        ("3371", "000010", "1.0", "28"),
    ],
)
def test_a_measure_keeps_the_digits_of_the_label(
    ai: str, value: str, amount: str, unit: str
) -> None:
    measure = measure_of(ai, value)
    assert measure is not None
    assert (str(measure.value), measure.unit) == (amount, unit)


def test_ounces_of_weight_or_volume_are_not_guessed() -> None:
    assert measure_of("3570", "000001") is None


@pytest.mark.parametrize(
    ("today", "yy", "year"), [(2026, 76, 2076), (2026, 77, 1977), (2051, 0, 2100), (1999, 48, 2048)]
)
def test_a_century_slides(today: int, yy: int, year: int) -> None:
    assert full_year(yy, today) == year


@pytest.mark.parametrize("text", ["", "2601", "26010a", "261301", "260001", "260132", "²60101"])
def test_no_date_is_none(text: str) -> None:
    assert date_of(text) is None


def test_the_lists_of_countries_and_currencies_are_whole() -> None:
    assert (len(COUNTRIES), len(COUNTRY_LETTERS)) == (249, 249)
    assert {"276", "840"} <= COUNTRIES
    assert {"978", "840"} <= CURRENCIES
    assert all(re.fullmatch("[0-9]{3}", code) for code in COUNTRIES | CURRENCIES)
