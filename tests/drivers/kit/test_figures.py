from decimal import Decimal

import pytest

from drivers.kit.figures import figure


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"1.250", "1.250"), (b"  001.250 ", "1.250"), (b"-  0.500", "-0.500"), (b" + 12", "12"),
        (b".5", "0.5"), (b"12.", "12"),
        (b"-0.000", "-0.000"), (b"123456789012.5", "123456789012.5"),
    ],
)  # fmt: skip
def test_a_number_keeps_its_digits(text: bytes, value: str) -> None:
    assert str(figure(text)) == value


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"-",
        b".",
        b"+-1",
        b"1 2",
        b"1.2.3",
        b"1e3",
        b"1,5",
        b"NaN",
        b"\xd9\xa1",
        b"1\n",
        b"0x1",
    ],
)
def test_what_is_no_number_is_none(text: bytes) -> None:
    assert figure(text) is None


def test_a_comma_is_a_point_where_it_may_be() -> None:
    assert figure(b"1,250", comma=True) == Decimal("1.250")
    assert figure(b"1,234.5", comma=True) is None
