"""What a trade item number says by itself: weights and prices of shops, and publications."""

from datetime import date
from decimal import Decimal

import pytest
from pydantic import ValidationError

from contract.codes.books import price_of, publication_of, typed_publication
from contract.codes.checks import gs1_digit, mod11_digit, price_digit
from contract.codes.in_store import COUNTRIES, NATIONAL, InStoreLayout, read_in_store
from contract.identifiers import Gtin, Identifier, Rules, identify


def read(text: str, symbology: str | None = None, **rules: object) -> Identifier:
    return identify(text.encode(), symbology, Rules.model_validate(rules), date(2026, 11, 23))


def item(text: str, symbology: str | None = None, **rules: object) -> Gtin:
    found = read(text, symbology, **rules)
    assert isinstance(found, Gtin)
    return found


def ean(payload: str) -> str:
    return payload + gs1_digit(payload)


def test_a_price_check_digit_of_the_general_specifications() -> None:
    assert (price_digit("2875"), price_digit("14685")) == ("9", "6")


def test_without_a_country_an_in_store_number_says_nothing() -> None:
    found = item("2135040039753")
    assert found.in_store
    assert (found.item, found.price, found.net_weight) == (None, None, None)


def test_a_country_says_where_price_and_weight_stand() -> None:
    price = item("2135040039753", in_store_country="dk")
    assert (price.price, price.currency, price.item) == (Decimal("39.75"), "DKK", "02135040000005")
    weight = item("2302148210869", in_store_country="no").net_weight
    assert weight is not None
    assert (str(weight.value), weight.unit) == ("1.086", "KGM")
    assert item("2511119000129", in_store_country="de").count == 12


def test_all_weights_of_an_item_are_one_item() -> None:
    items = {
        item(ean(f"23880601{weight:04}"), in_store_country="fi").item
        for weight in range(0, 9999, 7)
    }
    assert items == {"0" + ean("238806010000")}


def test_a_wrong_price_check_digit_gives_no_price() -> None:
    right = item(
        ean(f"2212340{'00239'}"[:6] + price_digit("00239") + "00239"), in_store_country="de"
    )
    assert right.price == Decimal("2.39")
    bad = str((int(price_digit("00239")) + 1) % 10)
    wrong = item(ean("221234" + bad + "00239"), in_store_country="de")
    assert (wrong.price, wrong.item) == (None, right.item)
    assert wrong.problems == ("the check digit of the price is wrong",)


def test_a_shop_s_own_layout_comes_before_the_country_s() -> None:
    own = {"pattern": "21IIIIIVVVVV", "holds": "weight", "decimals": 3}
    weight = item("2135040039753", in_store_country="dk", in_store=[own]).net_weight
    assert weight is not None
    assert str(weight.value) == "3.975"


def test_a_upc_has_a_zero_in_front() -> None:
    own = {"pattern": "02IIIIICVVVV", "holds": "price", "decimals": 2, "currency": "USD"}
    text = ean("21234" + "5" + price_digit("0799") + "0799")
    found = item(text, in_store=[own])
    assert (found.price, found.currency, len(text)) == (Decimal("7.99"), "USD", 12)


def test_codes_of_gs1_and_short_codes_are_never_taken_apart() -> None:
    for country in COUNTRIES:
        assert item("5901234123457", in_store_country=country).item is None
        assert read_in_store("00000020000004", NATIONAL[country]) is None


@pytest.mark.parametrize(
    "pattern",
    [
        "59IIIIIVVVVV",
        "20IIIIIIIIII",
        "20VVIIIIVVVV",
        "20IIIIICVVVVV",
        "20IIIICVVVVVV",
        "20IIIIIIICVV",
    ],
)
def test_a_layout_that_cannot_be_is_a_clear_error(pattern: str) -> None:
    with pytest.raises(ValidationError, match="pattern"):
        InStoreLayout(pattern=pattern, holds="price")


@pytest.mark.parametrize("country", COUNTRIES)
def test_no_prefix_of_a_country_stands_there_twice(country: str) -> None:
    prefixes = [layout.prefix for code in COUNTRIES if code == country for layout in NATIONAL[code]]
    assert len(prefixes) == len({*prefixes})


# Publications


def test_a_book_a_periodical_and_a_score_are_told() -> None:
    assert item("9780306406157").publication == ("isbn", "9780306406157")
    assert item("9770317847001").publication == ("issn", "0317-8471")
    assert item("9790230671187").publication == ("ismn", "9790230671187")
    assert item("9791090636071").publication == ("isbn", "9791090636071")
    assert publication_of("05901234123457") is None


@pytest.mark.parametrize(
    "text",
    [
        "ISBN 0-306-40615-2",
        "ISBN-10: 0-306-40615-2",
        "ISBN 978-0-306-40615-7",
        "ISBN0306406152",
        "0-306-40615-2",
        "978-0-306-40615-7",
    ],
)
def test_a_printed_isbn_is_the_same_book(text: str) -> None:
    assert item(text).gtin == "09780306406157"


def test_other_printed_numbers_are_read() -> None:
    assert item("ISBN 0-8044-2957-X").gtin == "09780804429573"
    assert item("ISSN 0317-8471").publication == ("issn", "0317-8471")
    assert item("ISMN M-2306-7118-7").gtin == "09790230671187"
    assert item("M-2306-7118-7").gtin == "09790230671187"


@pytest.mark.parametrize(
    "text",
    [
        "0306406152",
        "01-02-03-0405",
        "ISBN 0-306-40615-3",
        "ISSN 0317-8472",
        "ISBN",
        "ISBN X",
        "0-0-0-X",
    ],
)
def test_ten_digits_alone_are_no_book(text: str) -> None:
    assert read(text).kind != "gtin"


def test_a_check_character_ten_is_an_x() -> None:
    assert mod11_digit("080442957") == "X"
    assert typed_publication("ISBN 080442957X") == "09780804429573"


@pytest.mark.parametrize(
    ("text", "symbology"),
    [
        ("978030640615752495", "]E3"),
        ("978030640615752495", None),
        ("9780306406157]E252495", "]E0"),
        ("]E09780306406157]E252495", None),
    ],
)
def test_the_add_on_of_a_book_is_its_price(text: str, symbology: str | None) -> None:
    found = item(text, symbology)
    assert (found.add_on, found.price, found.currency) == ("52495", Decimal("24.95"), "USD")


def test_the_add_on_of_a_periodical_is_its_issue() -> None:
    for text in ("]E3977114487500705", "977114487500705", "]E09771144875007]E105"):
        found = item(text)
        assert (found.add_on, found.price) == ("05", None)


@pytest.mark.parametrize("add_on", ["90000", "59999", "05", ""])
def test_an_add_on_without_a_price_has_none(add_on: str) -> None:
    assert price_of(add_on) is None
