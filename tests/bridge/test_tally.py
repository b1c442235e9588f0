"""Amounts as JSON carries them, and as people read them."""

from decimal import Decimal

import pytest

from bridge.tally import exact, number, plain


@pytest.mark.parametrize(
    ("amount", "carried"), [("1.250", 1.25), ("3.000", 3), ("9007199254740992", 2**53)]
)
def test_an_amount_is_the_number_that_json_carries(amount: str, carried: float) -> None:
    assert number(Decimal(amount)) == carried
    assert exact(Decimal(amount)) == carried


@pytest.mark.parametrize("amount", ["123456789012345678.5", "9007199254740993"])
def test_what_a_reader_would_round_is_no_number(amount: str) -> None:
    assert number(Decimal(amount)) is None
    with pytest.raises(ValueError, match="no JSON number"):
        exact(Decimal(amount))


def test_people_read_no_exponent_and_no_trailing_zeros() -> None:
    assert [plain(Decimal(amount)) for amount in ("2.50", "1E+3")] == ["2.5", "1000"]
