"""What a scan means, rule by rule; the collected labels are in `test_vectors.py`."""

import base64
import time
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from contract.codes.checks import gs1_digit, gs1_digit_holds, mod97_10
from contract.codes.gtin import LENGTHS, canonical_gtin
from contract.identifiers import (
    COMMANDS,
    MAX_DATA,
    AddOn,
    Badge,
    Command,
    Document,
    Gs1,
    Gtin,
    Identifier,
    Location,
    Mode,
    Quantity,
    Reason,
    Rules,
    Sscc,
    Unknown,
    command_card,
    identify,
)

GS = "\x1d"
ARABIC = {ord("0") + digit: 0x660 + digit for digit in range(10)}


def read(text: str, symbology: str | None = None) -> Identifier:
    return identify(text.encode(), symbology, today=date(2026, 11, 23))


def read_gs1(text: str) -> Gs1:
    found = read(text, "]C1")
    assert isinstance(found, Gs1)
    return found


# Carriers


def test_the_symbology_of_the_scanner_and_the_one_in_the_data_mean_the_same() -> None:
    assert read("]E05901234123457") == read("5901234123457", "]E0")


def test_a_label_cannot_pretend_another_carrier_where_the_scanner_named_it() -> None:
    found = read("]C1" + "0105901234123457", "]C0")
    assert isinstance(found, Unknown)
    assert found.text == "]C1" + "0105901234123457"


@pytest.mark.parametrize("carrier", ["]C1", "]d2", "]Q3", "]e0", "]J1"])
def test_fnc1_in_first_place_makes_an_element_string(carrier: str) -> None:
    assert read(carrier + "10LOT7").kind == "gs1"


@pytest.mark.parametrize("carrier", ["]C0", "]C2", "]d1", "]Q1", "]Q5", "]J0", "]A0"])
def test_other_carriers_hold_no_element_string(carrier: str) -> None:
    assert read(carrier + "10LOT7").kind == "unknown"


@pytest.mark.parametrize("text", ["]", "]C", "]?1", "]éé", "]1A"])
def test_half_an_aim_identifier_is_plain_text(text: str) -> None:
    found = read(text)
    assert (found.text, found.symbology) == (text, None)


def test_an_eci_designator_is_no_part_of_the_text() -> None:
    assert read("]Q2" + r"\000026LOC:A\\1").text == r"LOC:A\1"
    assert read("]Q1" + r"\000026LOC:A\\1").text == r"\000026LOC:A\\1"


# Trade items


@pytest.mark.parametrize(
    ("text", "gtin"),
    [
        ("96385074", "00000096385074"),
        ("614141000036", "00614141000036"),
        ("5901234123457", "05901234123457"),
        ("15901234123454", "15901234123454"),
        ("04252614", "00042100005264"),
    ],
)
def test_every_form_of_a_gtin_is_one_gtin(text: str, gtin: str) -> None:
    found = read(text)
    assert isinstance(found, Gtin)
    assert (found.gtin, found.problems) == (gtin, ())


def test_eight_digits_that_are_ean_and_upc_say_so() -> None:
    found = read("01234565")
    assert isinstance(found, Gtin)
    assert found.gtin == "00000001234565"
    assert found.problems == ("it could also be UPC-E for 00012345000065",)


def test_the_carrier_tells_ean_8_from_upc_e() -> None:
    assert read("]E401234565") == Gtin("01234565", "]E4", gtin="00000001234565")
    upc_e = read("]E001234565")
    assert isinstance(upc_e, Gtin)
    assert upc_e.gtin == "00012345000065"


def test_a_wrong_check_digit_makes_a_bare_number_unknown() -> None:
    assert read("5901234123458").problems == ("the check digit is wrong",)
    assert read("]E05901234123458").problems == ("the check digit is wrong",)


def test_digits_of_other_scripts_are_no_digits() -> None:
    assert read("5901234123457".translate(ARABIC)).kind == "unknown"
    assert read("01" + "05901234123457".translate(ARABIC), "]C1").problems


def test_a_number_of_a_plain_symbology_is_a_gtin_only_where_the_site_says_so() -> None:
    assert read("]A05901234123457").kind == "gtin"
    strict = Rules(gtin_in_plain_codes=False)
    assert identify(b"]A05901234123457", rules=strict).kind == "unknown"
    assert identify(b"]I115901234123454", rules=strict).kind == "gtin"
    assert identify(b"5901234123457", rules=strict).kind == "gtin"


def test_eight_digits_of_a_plain_symbology_are_an_internal_number() -> None:
    assert read("]C096385074").kind == "unknown"


@pytest.mark.parametrize("front", ["]C1", "]d2", ""])
def test_where_separators_get_lost_two_elements_are_not_glued_to_one(front: str) -> None:
    dropped = Rules(separators="dropped")
    item = front + "0105901234123457"

    def read_dropped(text: str) -> Identifier:
        return identify(text.encode(), rules=dropped, today=date(2026, 11, 23))

    refused = read_dropped(item + "10ABC21XYZ")
    assert isinstance(refused, Unknown)
    assert refused.problems == ("(10) may hold (21) too: no separator came",)
    for sound in ("10ABC", "10ABC" + GS + "21XYZ", "1726020010LOT7", "3103001250"):
        assert read_dropped(item + sound).kind == "gs1", sound
    # Where all scanners send them, that is a lot number.
    sent = identify((item + "10ABC21XYZ").encode())
    assert isinstance(sent, Gs1)
    assert sent.lot == "ABC21XYZ"


def test_an_add_on_that_comes_alone_says_what_it_is() -> None:
    issue, price = read("]E105"), read("]E252495")
    assert isinstance(issue, AddOn)
    assert isinstance(price, AddOn)
    assert (issue.digits, issue.price, issue.problems) == ("05", None, ())
    assert (price.digits, price.price, price.currency) == ("52495", Decimal("24.95"), "USD")
    for wrong in ("]E1052", "]E15", "]E25249", "]E2ABCDE", "]E1\u0660\u0665"):
        assert isinstance(read(wrong), Unknown)
        assert "add-on" in read(wrong).problems[0]


def test_an_add_on_stays_beside_its_item() -> None:
    found = read("]E3977114487500705")
    assert isinstance(found, Gtin)
    assert (found.gtin, found.add_on) == ("09771144875007", "05")


@pytest.mark.parametrize(
    ("text", "own"), [("2112345678900", True), ("0212345678901", True), ("5901234123457", False)]
)
def test_a_shops_own_number_is_known_as_one(text: str, own: bool) -> None:
    found = read(text[:12] + gs1_digit(text[:12]))
    assert isinstance(found, Gtin)
    assert found.in_store is own


# GS1 element strings


def test_one_symbol_can_make_a_whole_line() -> None:
    found = read_gs1(
        "0105901234123457" + "17260200" + "3103001250" + "10LOT7" + GS + "3712" + GS + "21S/N-1"
    )
    assert found.gtin == "05901234123457"
    assert found.expiry == date(2026, 2, 28)
    assert (found.lot, found.serial, found.count) == ("LOT7", "S/N-1", 12)
    assert found.net_weight is not None
    assert (found.net_weight.value, found.net_weight.unit) == (Decimal("1.250"), "KGM")
    assert str(found.net_weight.value) == "1.250"


def test_a_case_says_what_is_in_it() -> None:
    found = read("]C1" + "02059012341234573724" + GS + "00376130321109103420")
    assert isinstance(found, Gs1)
    assert (found.content, found.count, found.sscc) == ("05901234123457", 24, "376130321109103420")
    assert found.gtin is None


@pytest.mark.parametrize("noise", [GS, GS + GS])
def test_separators_too_many_do_no_harm(noise: str) -> None:
    plain = read_gs1("0105901234123457" + "10LOT7" + GS + "17260200")
    noisy = read_gs1(
        noise + "0105901234123457" + noise + "10LOT7" + GS + noise + "17260200" + noise
    )
    assert noisy.elements == plain.elements
    assert not noisy.problems


@pytest.mark.parametrize("fault", ["17260230", "17000000", "17991301"])
def test_a_wrong_date_loses_nothing_else(fault: str) -> None:
    found = read_gs1("0105901234123457" + fault + "10LOT7")
    assert (found.gtin, found.lot, found.expiry) == ("05901234123457", "LOT7", None)
    assert len(found.problems) == 1
    assert ("17", fault[2:]) in found.elements


def test_a_wrong_check_digit_keeps_the_element_and_gives_no_gtin() -> None:
    found = read_gs1("0105901234123458" + "10LOT7")
    assert (found.gtin, found.lot) == (None, "LOT7")
    assert found.elements[0] == ("01", "05901234123458")
    assert found.problems == ("(01) has a wrong check digit",)


@pytest.mark.parametrize(
    "text",
    [
        "00376130321109103421",
        "0205901234123458",
        "4105901234123458",
        "4175901234123458",
        "2535901234123458",
        "2555901234123458",
        "40212345678901234568",
        "800305901234123458",
        "8006059012341234580102",
        "8017123456789012345670",
        "8018123456789012345670",
    ],
)
def test_every_key_with_a_check_digit_is_checked(text: str) -> None:
    assert any("check digit" in problem for problem in read_gs1(text).problems)


def test_what_no_identifier_explains_is_kept_up_to_the_next_separator() -> None:
    found = read_gs1("0105901234123457" + "8899XY" + GS + "10LOT7")
    assert found.rest == ("8899XY",)
    assert found.lot == "LOT7"
    assert found.problems == ("no application identifier begins '8899XY'",)


def test_a_missing_separator_is_told_where_it_shows() -> None:
    found = read_gs1("422276" + "10LOT7")
    assert found.elements == (("422", "276"), ("10", "LOT7"))
    assert found.problems == ("the separator after (422) is missing",)
    long = read_gs1("10LOT7LOT7LOT7LOT7" + "17260200")
    assert long.lot is None
    assert "is a separator missing?" in long.problems[0]


def test_an_element_that_comes_twice_is_kept_twice_and_believed_once() -> None:
    same = read_gs1("10A" + GS + "10A")
    assert (same.elements, same.lot, same.problems) == ((("10", "A"), ("10", "A")), "A", ())
    other = read_gs1("10A" + GS + "10B")
    assert (other.elements, other.lot) == ((("10", "A"), ("10", "B")), None)
    assert other.problems == ("(10) stands there twice, with different values",)


@pytest.mark.parametrize(
    ("value", "year"), [("260101", 2026), ("750101", 2075), ("760101", 2076), ("770101", 1977)]
)
def test_a_year_of_two_digits_slides_with_today(value: str, year: int) -> None:
    expiry = read_gs1("17" + value).expiry
    assert expiry is not None
    assert expiry.year == year


def test_without_a_today_the_reference_year_decides() -> None:
    found = identify(b"17760101", "]C1")
    assert isinstance(found, Gs1)
    assert found.expiry == date(1976, 1, 1)


def test_a_lone_sscc_is_a_handling_unit() -> None:
    found = read("]C100376130321109103420")
    assert isinstance(found, Sscc)
    assert found.sscc == "376130321109103420"
    assert found.elements == (("00", "376130321109103420"),)


def test_eighteen_digits_alone_are_no_sscc() -> None:
    assert read("376130321109103420").kind == "unknown"
    assert read("00376130321109103420").kind == "sscc"
    assert read("00376130321109103421").kind == "unknown"


def test_a_gln_is_a_location() -> None:
    assert read("]C1" + "4145901234123457") == Location(
        "4145901234123457",
        "]C1",
        name="5901234123457",
        elements=(("414", "5901234123457"),),
    )
    shelf = read("]C1" + "4145901234123457" + "254A-12")
    assert isinstance(shelf, Location)
    assert shelf.name == "5901234123457/A-12"


def test_without_a_carrier_only_strong_evidence_makes_gs1() -> None:
    assert read("0105901234123457" + "10LOT7").kind == "gs1"
    assert read(GS + "10LOT7").kind == "gs1"
    assert read("10LOT7" + GS + "17260200").kind == "gs1"
    assert read("10LOT7").kind == "unknown"
    assert read("[)>\x1e06\x1dP123\x1e\x04").kind == "mh10"


def test_a_typed_label_in_brackets_is_read() -> None:
    found = read(r"(01)05901234123457(10)A\(21)B")
    assert isinstance(found, Gs1)
    assert (found.gtin, found.lot) == ("05901234123457", "A(21)B")
    assert read("(hello)").kind == "unknown"


def test_brackets_printed_into_a_symbol_are_read_and_told() -> None:
    found = read_gs1("(01)05901234123457(10)LOT7")
    assert (found.gtin, found.lot) == ("05901234123457", "LOT7")
    assert found.problems == ("the brackets are part of the symbol",)


def test_a_composite_symbol_has_the_item_and_its_elements() -> None:
    found = read("]E05901234123457|]e010LOT7")
    assert isinstance(found, Gs1)
    assert (found.gtin, found.lot, found.elements) == ("05901234123457", "LOT7", (("10", "LOT7"),))


def test_a_digital_link_is_read_and_its_faults_are_told() -> None:
    found = read("]Q1https://id.example.com/01/5901234123457/10/LOT%2F7?17=260200&utm=x")
    assert isinstance(found, Gs1)
    assert (found.gtin, found.lot) == ("05901234123457", "LOT/7")
    assert read("https://example.com/shop").problems == ("this web address is no GS1 Digital Link",)
    wrong = read("https://a.example/01/05901234123457/21/S/10/LOT7")
    assert wrong.problems == ("(01) may not be followed by (21)(10)",)


@pytest.mark.parametrize(
    "link",
    [
        "https://id.gs1.org/01/614141123452/10/A%2F1/21/7",
        "HTTPS://ID.GS1.ORG/01/00614141123452/10/A%2F1/21/7",
        "http://example.com/some/stem/gtin/0614141123452/lot/A%2F1/ser/7",
        "https://example.com/gtin/00614141123452/10/A%2F1/ser/7",
    ],
)
def test_every_spelling_of_a_digital_link_is_the_same_label(link: str) -> None:
    found = read(link, "]Q1")
    assert isinstance(found, Gs1)
    assert found.elements == (("01", "00614141123452"), ("10", "A/1"), ("21", "7"))
    assert not found.problems


@pytest.mark.parametrize(
    "link", ["https://example.com/party/pizza", "https://example.com/gtin/", "https://a.de/lot/7"]
)
def test_a_word_in_an_address_makes_no_digital_link(link: str) -> None:
    assert read(link).problems == ("this web address is no GS1 Digital Link",)


def compressed(digits: str, key: str) -> str:
    width = (10 ** len(digits) - 1).bit_length()
    bits = "".join(f"{int(nibble, 16):04b}" for nibble in key) + f"{int(digits):0{width}b}"
    data = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@pytest.mark.parametrize(("digits", "key"), [("09780345418913", "0C"), ("09780345418913", "1A")])
def test_a_compressed_digital_link_that_cannot_be_read_is_refused_aloud(
    digits: str, key: str
) -> None:
    for link in ("https://a.example/", "HTTPS://a.example/stem/"):
        found = read(link + compressed(digits, key))
        assert isinstance(found, Unknown)
        assert "compressed" in found.problems[0]
    wrong = compressed(str(int(digits) ^ 1).zfill(len(digits)), key)
    assert "compressed" not in read("https://a.example/" + wrong).problems[0]


@pytest.mark.parametrize(
    ("digits", "key"),
    [("09780345418913", "01"), ("376130321109103420", "00"), ("5901234123457", "414")],
)
def test_a_compressed_digital_link_is_read_if_all_of_it_is_right(digits: str, key: str) -> None:
    for link in ("https://a.example/", "HTTPS://a.example/stem/"):
        assert read(link + compressed(digits, key)).kind in {"gs1", "sscc", "location"}
    wrong = compressed(str(int(digits) ^ 1).zfill(len(digits)), key)
    assert read("https://a.example/" + wrong).kind == "unknown"
    spilled = compressed(digits, key)[:-1] + "_"
    assert read("https://a.example/" + spilled).kind == "unknown"


def test_a_compressed_link_has_its_attributes_in_itself_or_behind_it() -> None:
    found = read("https://a.example/HxHKVAdpQgZzjr-hCDKigI")
    assert isinstance(found, Gs1)
    assert (found.gtin, found.lot, found.serial) == ("09780345418913", "231", "345345")
    assert found.best_before == date(2012, 8, 20)
    behind = read("https://a.example/AQnYUc1gmiCNV4JG?17=260200&linkType=all")
    assert isinstance(behind, Gs1)
    assert (behind.lot, behind.expiry) == ("ABC123", date(2026, 2, 28))
    assert read("https://a.example/AQnYUc1gmiCNV4JG?10=ABC123").kind == "unknown"


def test_a_price_of_a_variable_measure_item_is_read() -> None:
    found = read_gs1("0105901234123457" + "3932978" + "1230")
    assert (found.price, found.currency) == (Decimal("12.30"), "978")
    found = read_gs1("0105901234123457" + "3921" + "55" + GS + "3012")
    assert (found.price, found.currency, found.quantity) == (Decimal("5.5"), None, Decimal(12))


# Site cards


def test_a_card_says_what_its_prefix_says() -> None:
    assert read("LOC:A-12-3") == Location("LOC:A-12-3", name="A-12-3")
    assert read("OP:4711") == Badge("OP:4711", operator="4711")
    assert read("QTY:12") == Quantity("QTY:12", value=Decimal(12))
    assert read("MODE:PACKING") == Mode("MODE:PACKING", mode="PACKING")
    assert read("REASON:DAMAGED") == Reason("REASON:DAMAGED", reason="DAMAGED")


@pytest.mark.parametrize(
    ("prefix", "kind"),
    [
        ("PO:", "po"),
        ("SO:", "so"),
        ("ASN:", "desadv"),
        ("TR:", "transfer"),
        ("CS:", "count_sheet"),
        ("RMA:", "rma"),
        ("DOC:", "unknown"),
    ],
)
def test_a_document_card_names_kind_and_number(prefix: str, kind: str) -> None:
    found = read(f"{prefix}4500001")
    assert isinstance(found, Document)
    assert (found.document.kind, found.document.number) == (kind, "4500001")


@pytest.mark.parametrize("text", ["LOC:", "OP:" + "x" * 129, "QTY:one", "QTY:-1", "QTY:1e3"])
def test_a_card_without_sense_is_refused_aloud(text: str) -> None:
    found = read(text)
    assert isinstance(found, Unknown)
    assert found.problems


@pytest.mark.parametrize("word", COMMANDS)
def test_a_printed_command_card_works(word: str) -> None:
    for card in map(command_card, [w for w in COMMANDS if w == word]):
        found = read(card)
        assert isinstance(found, Command)
        assert found.command == word


@given(st.sampled_from(COMMANDS), st.data())
def test_a_torn_or_misread_command_card_does_nothing(word: str, data: st.DataObject) -> None:
    card = next(command_card(w) for w in COMMANDS if w == word)
    at = data.draw(st.integers(0, len(card) - 1))
    letter = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-"))
    for damaged in (card[:at], card[at + 1 :], card[:at] + letter + card[at + 1 :]):
        if damaged != card:
            assert read(damaged).kind == "unknown"


def test_a_command_nobody_knows_is_refused() -> None:
    text = "CMD:EXPLODE"
    assert read(f"{text}-{mod97_10(text)}").problems == ("there is no command 'EXPLODE'",)


def test_the_site_may_choose_its_own_prefixes_and_patterns() -> None:
    rules = Rules.model_validate(
        {
            "location": ["BIN-", "BIN-COLD-"],
            "documents": {"B/": "po"},
            "patterns": [{"kind": "so", "pattern": "(?P<number>45[0-9]{8})/[0-9]{2}"}],
            "command": "DO-",
        }
    )
    cold = identify(b"BIN-COLD-7", rules=rules)
    assert isinstance(cold, Location)
    assert cold.name == "7"
    order = identify(b"4500012345/10", rules=rules)
    assert isinstance(order, Document)
    assert (order.document.kind, order.document.number) == ("so", "4500012345")
    assert identify(b"x4500012345/10", rules=rules).kind == "unknown"
    assert identify(command_card("DONE", "DO-").encode(), rules=rules).kind == "command"
    assert identify(b"LOC:A", rules=rules).kind == "unknown"


def test_a_site_pattern_never_reads_an_ean() -> None:
    rules = Rules.model_validate({"patterns": [{"kind": "po", "pattern": "[0-9]{13}"}]})
    assert identify(b"]E05901234123457", rules=rules).kind == "gtin"
    assert identify(b"5901234123457", rules=rules).kind == "document"


@pytest.mark.parametrize("pattern", ["(", "[a", "(a+)+b", "(a|a)*b", "(?:x){2,}", "a" * 201, ""])
def test_a_pattern_that_cannot_be_used_is_a_clear_error(pattern: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Rules.model_validate({"patterns": [{"kind": "po", "pattern": pattern}]})
    assert caught.value.errors()[0]["loc"] == ("patterns", 0, "pattern")


def test_a_rule_nobody_knows_is_a_clear_error() -> None:
    with pytest.raises(ValidationError, match="locations"):
        Rules.model_validate({"locations": ["LOC:"]})


# Whatever comes


@given(st.binary(max_size=300), st.sampled_from([None, "]C1", "]E0", "]E3", "]Q1", "]Q2", "]A0"]))
@example(b"", None)
@example(b"]C1", None)
@example(b"\x00\x1d\x1d(", "]C1")
@example(b"]Q1https://[/01/1", None)
def test_no_bytes_can_raise_and_no_text_is_lost(data: bytes, symbology: str | None) -> None:
    found = identify(data, symbology)
    text = found.text if symbology else (found.symbology or "") + found.text
    assert symbology == "]Q2" or text in (data.decode("latin-1"), data.decode("utf-8", "replace"))
    assert isinstance(hash(found), int)


@given(st.text(max_size=60, alphabet=st.characters(codec="utf-8")))
def test_no_text_can_raise_behind_any_card_prefix(text: str) -> None:
    for prefix in ("LOC:", "PO:", "QTY:", "CMD:", "(01)", "]C1", "https://a/01/", "]e0(10)"):
        found = read(prefix + text)
        assert found.text.endswith(text)


@given(
    st.lists(st.sampled_from(["01", "10", "17", "3103", "37", "414", "8006", "422"]), max_size=6)
)
def test_elements_come_out_in_label_order(ais: list[str]) -> None:
    values = {
        "01": "05901234123457",
        "10": "A",
        "17": "260131",
        "3103": "000001",
        "37": "5",
        "414": "5901234123457",
        "8006": "059012341234570102",
        "422": "276",
    }
    text = GS.join(ai + values[ai] for ai in ais)
    found = read(text, "]C1")
    assert getattr(found, "elements", ()) == tuple((ai, values[ai]) for ai in ais)


@given(st.text("0123456789", min_size=7, max_size=13))
def test_a_canonical_gtin_is_its_own_canonical_form(payload: str) -> None:
    digits = payload + gs1_digit(payload)
    gtin = canonical_gtin(digits)
    assert (gtin is not None) == (len(digits) in LENGTHS)
    if gtin:
        assert canonical_gtin(gtin) == gtin
        assert gtin.endswith(digits)


@given(st.text("0123456789", min_size=8, max_size=20), st.data())
def test_one_wrong_digit_never_passes_the_check_digit(digits: str, data: st.DataObject) -> None:
    whole = digits + gs1_digit(digits)
    assert gs1_digit_holds(whole)
    at = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.sampled_from([d for d in "0123456789" if d != whole[at]]))
    assert not gs1_digit_holds(whole[:at] + other + whole[at + 1 :])


def test_a_code_that_is_too_long_is_refused_and_cut() -> None:
    found = identify(b"9" * (MAX_DATA + 1))
    assert isinstance(found, Unknown)
    assert found.problems == ("it is longer than 8192 bytes",)
    assert len(found.text) == MAX_DATA
    assert not identify(b"9" * MAX_DATA).problems


@pytest.mark.parametrize(
    "data",
    [
        b"]C14300" + b"%41%41" * 1364,
        b"]C1" + b"2012" * 2047,
        b"(01)" * 2048,
        b"(" * MAX_DATA,
        b"\\(" * (MAX_DATA // 2),
        b"\x1d" * MAX_DATA,
        b"https://a/" + b"01/1/" * 1600,
        b"https://a/01/05901234123457?" + b"01=1&" * 1600,
        b"https://" + b"a" * 8000,
        b"]Q2" + b"\\000026" * 1100,
        b"]E0" + b"1" * 8000,
        b"+" + b"$" * 8000,
        b"+A9991230/" + b"S1/" * 2600,
        b"*+" + b"/" * 8000 + b"*",
        b"[)>\x1e06" + b"\x1d1P" * 2600,
        b"[)>" + b"\x1e06\x1dQ1" * 1300,
        b">[)>" + b"\x1e12\x1d" * 2000,
        b"1Z" + b"0" * 8000,
        b"9" * 8000,
        b" " * 8000 + b"1",
        b"1 " * 4000,
        b"ISBN" + b"-" * 8000,
        b"ISBN " * 1600,
        b"https://a/" + b"A" * 8000,
        b"https://" + b"a/" * 4000 + b"ARHKVAdpQg",
    ],
    ids=lambda data: data[:12].decode(),
)
def test_no_label_buys_much_time(data: bytes) -> None:
    began = time.thread_time()
    identify(data)
    # Measured at 0.02 to 30 ms; exponential time would be hours.
    assert time.thread_time() - began < 2
