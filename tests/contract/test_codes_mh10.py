"""ISO 15434 labels: envelopes whole and not, data identifiers, and separators that got lost."""

from datetime import date
from decimal import Decimal

import pytest

from contract.codes.mh10 import IDENTIFIERS
from contract.identifiers import Gs1, Identifier, Mh10, Sscc, Unknown, identify

GS, RS, EOT = "\x1d", "\x1e", "\x04"


def read(text: str, symbology: str | None = None) -> Identifier:
    return identify(text.encode(), symbology, today=date(2026, 11, 23))


def envelope(*formats: str) -> str:
    return f"[)>{RS}" + "".join(each + RS for each in formats) + EOT


def read_label(*fields: str) -> Mh10:
    found = read(envelope(GS.join(("06", *fields))))
    assert isinstance(found, Mh10)
    return found


def test_a_part_label_makes_a_whole_line() -> None:
    found = read_label("P4711", "1PMC34063ADR", "Q2500", "1TL77", "SN1", "KPO-1", "4LMX", "9D2626")
    assert (found.part, found.supplier_part, found.lot) == ("4711", "MC34063ADR", "L77")
    assert (found.serial, found.order, found.origin) == ("N1", "PO-1", "MX")
    assert (found.quantity, found.unit, found.date_code) == (Decimal(2500), None, "2626")
    assert (found.complete, found.problems) == (True, ())


def test_dates_quantities_plates_and_gtins_are_read() -> None:
    found = read_label("14D20280914", "16D20260101", "7Q12.5KG", "1JUN123", "8P05901234123457")
    assert (found.expiry, found.produced) == (date(2028, 9, 14), date(2026, 1, 1))
    assert (found.quantity, found.unit) == (Decimal("12.5"), "KG")
    assert (found.plate, found.gtin) == ("UN123", "05901234123457")


def test_pharmacies_write_the_expiry_as_a_plain_date() -> None:
    found = read_label("9N111234567842", "1TABC", "D280900", "S77")
    assert (found.expiry, found.lot) == (date(2028, 9, 30), "ABC")
    assert read_label("D280914").expiry is None


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("Qten", "Q"),
        ("7Q10", "7Q"),
        ("4LXX", "4L"),
        ("8P05901234123458", "8P"),
        ("10D2654", "10D"),
        ("14D20281301", "14D"),
        ("16D20260100", "16D"),
    ],
)
def test_a_value_that_cannot_be_is_told_and_costs_nothing_else(field: str, name: str) -> None:
    found = read_label("1PX", field, "1TL")
    assert (found.supplier_part, found.lot) == ("X", "L")
    assert (found.quantity, found.origin, found.gtin) == (None, None, None)
    assert (found.expiry, found.produced, found.date_code) == (None, None, None)
    assert len(found.problems) == 1
    assert found.problems[0].endswith(f"is no {IDENTIFIERS[name]}")


def test_what_stands_there_twice_is_believed_once_or_not_at_all() -> None:
    assert read_label("1TA", "1TA").lot == "A"
    found = read_label("1TA", "1TB", "Q1")
    assert (found.lot, found.quantity) == (None, Decimal(1))
    assert found.problems == ("(1T) stands there twice, with different values",)


def test_unknown_data_identifiers_are_kept_and_other_texts_told() -> None:
    found = read_label("99ZX", "lower", "1PX")
    assert found.elements == (("99Z", "X"), ("1P", "X"))
    assert found.rest == ("lower",)
    assert found.problems == ("no data identifier begins 'lower'",)


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        (f"[)>{RS}06{GS}1PX{RS}{EOT}", True),
        (f"[)>{RS}06{GS}1PX{GS}{RS}{EOT}\r\n", True),
        (f"[)>{RS}06{GS}1PX{RS}", False),
        (f"[)>{RS}06{GS}1PX", False),
        (f"[)>06{GS}1PX", False),
        (f">[)>06{GS}1PX", False),
    ],
)
def test_a_label_without_its_trailer_or_with_the_old_header_is_read(
    text: str, complete: bool
) -> None:
    found = read(text)
    assert isinstance(found, Mh10)
    assert (found.supplier_part, found.complete, found.problems) == ("X", complete, ())


@pytest.mark.parametrize("text", ["[)>061PXQ10", "[)>", f"[)>{RS}061PX{RS}{EOT}"])
def test_lost_separators_are_refused_with_what_to_do(text: str) -> None:
    found = read(text)
    assert isinstance(found, Unknown)
    assert "let the scanner send control characters" in found.problems[0]


@pytest.mark.parametrize("text", [f"[)>X06{GS}1PX", f"[)>{GS}", f"[)>{RS}{GS}06"])
def test_a_damaged_header_is_told(text: str) -> None:
    assert read(text).problems == ("the header of the label is damaged",)


def test_a_format_nobody_reads_is_kept_and_told() -> None:
    found = read(envelope(f"06{GS}1PX", "07free text"))
    assert isinstance(found, Mh10)
    assert (found.rest, found.problems) == (("07free text",), ("format '07' is not read",))
    assert read(envelope(f"02{GS}UNA")).kind == "unknown"


def test_what_follows_the_end_is_told() -> None:
    found = read(f"[)>{RS}06{GS}1PX{RS}{EOT}1PY")
    assert found.problems == ("'1PY' stands behind the end of the label",)


def test_gs1_elements_in_an_envelope_are_gs1() -> None:
    found = read(envelope(f"05{GS}0105901234123457{GS}10LOT7{GS}17260200"))
    assert isinstance(found, Gs1)
    assert (found.gtin, found.lot, found.expiry) == ("05901234123457", "LOT7", date(2026, 2, 28))
    unit = read(envelope(f"05{GS}00376130321109103420"))
    assert isinstance(unit, Sscc)


def test_formats_may_stand_side_by_side() -> None:
    found = read(envelope(f"05{GS}0105901234123457", f"06{GS}1TL7", f"12{GS}SER 42{GS}PNR A1"))
    assert isinstance(found, Mh10)
    assert found.formats == ("05", "06", "12")
    assert (found.gtin, found.lot) == ("05901234123457", "L7")
    assert (found.serial, found.supplier_part) == ("42", "A1")


def test_the_label_of_a_carrier_has_its_number() -> None:
    fields = ["0196841706672", "840", "001", "1Z12345677", "UPSN", "06X610", "159"]
    found = read(envelope(fields[0][:2] + GS + GS.join([fields[0][2:], *fields[1:]])))
    assert isinstance(found, Mh10)
    assert (found.tracking, found.elements[-1]) == ("1Z12345677", ("carrier", "UPSN"))
    assert read(envelope(f"01{GS}96841706672")).problems == ("the transport data are not whole",)


@pytest.mark.parametrize("carrier", [None, "]d1", "]d2", "]Q1", "]C0", "]C1", "]L0"])
def test_the_carrier_of_a_label_does_not_matter(carrier: str | None) -> None:
    assert read(envelope(f"06{GS}1PX"), carrier).kind == "mh10"
