"""What tables make of a transaction: exactly, or not at all."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.amendment import Changes, accepts, amend
from bridge.errors import ConfigError
from bridge.mapping.folder import made
from bridge.mapping.tables import Mapping
from bridge.mapping.units import exact
from bridge.outcome import Refused
from contract.envelope import encode
from contract.transactions import (
    Adjustment,
    Assembly,
    Count,
    Event,
    Pick,
    Putaway,
    Reading,
    Receipt,
    Reversal,
    Shipment,
    Transaction,
    Transfer,
    Weighing,
)
from contract.values import Document, Item, Line, Quantity
from tests.bridge.streams import lines, name, receipt, transaction
from tests.bridge.transactions import EVERY_TYPE, transactions

EACH, CASE = "04006381333931", "04006381333948"


def tables(rules: str = "", **sheets: str) -> Mapping:
    files = {f"{sheet}.csv": text.encode() for sheet, text in sheets.items()}
    return made({"mapping.toml": rules.encode()} | files)


def mapped(mapping: Mapping, event: Event, **more: Any) -> Any:
    """The event as the ERP gets it, or the refusal."""
    given = mapping.apply(transaction(1, event, **more))
    return given if isinstance(given, Refused) else given.event


def of(item: Item, quantity: str = "2", unit: str = "EA") -> Receipt:
    return Receipt(lines=(Line(item=item, quantity=Quantity(value=quantity, unit=unit)),))


# --- Items ---

ITEMS = f"sku,gtin,code,unit,active\nBOLT-8,{EACH},100-1,,\n,{CASE},100-1,CT,\nOLD,,,,no\n"


def test_a_sku_becomes_the_code_of_the_erp_and_keeps_its_gtin() -> None:
    event = mapped(tables(items=ITEMS), of(Item(sku="BOLT-8", gtin=EACH)))
    assert event.lines[0].item == Item(sku="100-1", gtin=EACH)
    assert event.lines[0].quantity == Quantity(value="2")


def test_a_gtin_alone_is_found_too() -> None:
    event = mapped(tables(items=ITEMS), of(Item(gtin=EACH)))
    assert event.lines[0].item == Item(sku="100-1", gtin=EACH)


def test_a_carton_that_no_station_knew_counts_as_cartons() -> None:
    units = "sku,from,to,factor\n100-1,CT,EA,12\n"
    event = mapped(tables(items=ITEMS, units=units), of(Item(gtin=CASE)))
    assert event.lines[0].quantity == Quantity(value="24")
    known = mapped(tables(items=ITEMS, units=units), of(Item(gtin=CASE, sku="BOLT-8"), "24"))
    assert known.lines[0].quantity == Quantity(value="24"), "the station had counted base units"


def test_what_is_not_in_the_table_passes_or_is_refused_as_the_rules_say() -> None:
    unknown = of(Item(sku="NEW"))
    assert mapped(tables(items=ITEMS), unknown) is unknown
    refused = mapped(tables('[unmapped]\nitems = "refuse"', items=ITEMS), unknown)
    assert refused == Refused("unknown_sku", "items.csv has no SKU NEW")


def test_an_item_that_is_not_active_is_refused() -> None:
    assert mapped(tables(items=ITEMS), of(Item(sku="OLD"))).code == "unknown_sku"


def test_a_label_that_says_two_items_is_refused() -> None:
    sheet = f"sku,gtin,code\nA,,1\n,{EACH},2\n"
    refused = mapped(tables(items=sheet), of(Item(sku="A", gtin=EACH)))
    assert refused.code == "unmapped"
    assert "SKU A is 1" in refused.text
    assert f"GTIN {EACH} is 2" in refused.text


def test_a_code_of_the_erp_that_a_person_put_beside_it_stays_and_so_do_accepted_warnings() -> None:
    strict = tables('[unmapped]\nitems = "refuse"', items=ITEMS)
    came = transaction(1, of(Item(sku="NEW")))
    amended = amend(came, [Changes(skus={"NEW": "100-1"}, accepts=frozenset({"over_receipt"}))])
    assert strict.apply(amended) is amended
    translated = tables("[places]\nEA = 0", units="sku,from,to,factor\n*,EA,CT,1/2\n").apply(
        amended
    )
    assert isinstance(translated, Transaction)
    assert accepts(translated) == {"over_receipt"}


# --- Units ---


def test_a_unit_goes_all_the_way_to_the_one_that_has_no_row() -> None:
    units = "sku,from,to,factor\n*,GRM,KGM,0.001\nX,CT,BX,10\nX,BX,EA,12\nX,GRM,GRM,1\n"
    mapping = tables(units=units)
    assert mapped(mapping, of(Item(sku="X"), "3", "CT")).lines[0].quantity == Quantity(value="360")
    grams = Quantity(value="1250", unit="GRM")
    kilos = Quantity(value="1.25", unit="KGM")
    assert mapped(mapping, of(Item(sku="Y"), "1250", "GRM")).lines[0].quantity == kilos
    assert mapped(mapping, of(Item(sku="X"), "1250", "GRM")).lines[0].quantity == grams


@pytest.mark.parametrize(
    ("quantity", "booked"), [("24", "2"), ("6", "0.5"), ("3", "0.25"), ("1.5", None), ("1", None)]
)
def test_what_is_not_exact_in_the_erp_s_places_is_refused(
    quantity: str, booked: str | None
) -> None:
    mapping = tables("[places]\nCT = 2", units="sku,from,to,factor\n*,EA,CT,1/12\n")
    found = mapped(mapping, of(Item(sku="X"), quantity))
    if booked is None:
        assert found.code == "unmapped"
        assert "not exact in 2 decimal places of CT (1 EA = 1/12 CT)" in found.text
    else:
        assert found.lines[0].quantity == Quantity(value=booked, unit="CT")


def test_a_fraction_the_erp_would_cut_off_is_refused_without_any_conversion() -> None:
    mapping = tables("[places]\nEA = 0")
    whole = of(Item(sku="X"), "2.000")
    assert mapped(mapping, whole) is whole, "the digits stay as they were given"
    assert mapped(mapping, of(Item(sku="X"), "1.5")).code == "unmapped"


def test_a_quantity_too_large_to_say_is_refused() -> None:
    mapping = tables(units="sku,from,to,factor\n*,EA,GRM,999999999999\n")
    assert mapped(mapping, of(Item(sku="X"), "99999999999")).code == "unmapped"


factors = st.builds(Fraction, st.integers(1, 10**6), st.integers(1, 10**4))
amounts = st.decimals(0, Decimal("9999.999"), places=3)


@given(amounts, factors)
def test_a_factor_there_and_back_gives_the_same_or_nothing(
    value: Decimal, factor: Fraction
) -> None:
    there = exact(value, factor, 9)
    if there is None:
        assert (Fraction(value) * factor * 10**9).denominator != 1
    else:
        assert Fraction(there) == Fraction(value) * factor
        assert exact(there, 1 / factor, 9) == value


# --- Documents ---

PATTERNS = """
[[document]]
prefix = "BEST-"
kind = "po"
number = "PO{number}"
[[document]]
pattern = "(?P<year>2[0-9])(?P<number>[0-9]{4})"
of = ["unknown"]
types = ["pick"]
kind = "so"
number = "SO-20{year}-{number}"
[type.receipt]
document = "po"
"""


@pytest.mark.parametrize(
    ("came", "erp"),
    [
        (Document(number="BEST-17"), Document(kind="po", number="PO17")),
        (Document(kind="desadv", number="BEST-17"), Document(kind="po", number="PO17")),
        (Document(number="260017"), Document(kind="po", number="260017")),
        (Document(kind="so", number="17"), Document(kind="so", number="17")),
    ],
)
def test_a_document_s_form_says_what_it_is_and_is_called(came: Document, erp: Document) -> None:
    event = Receipt(documents=(came,), lines=lines())
    assert mapped(tables(PATTERNS), event).documents == (erp,)


def test_a_form_can_be_for_some_types_and_kinds_only() -> None:
    mapping = tables(PATTERNS)
    pick = Pick(documents=(Document(number="260017"),), lines=lines())
    assert mapped(mapping, pick).documents[0] == Document(kind="so", number="SO-2026-0017")
    other = Pick(documents=(Document(kind="pick_list", number="260017"),), lines=lines())
    assert mapped(mapping, other) is other


def test_a_number_too_long_for_a_pattern_fits_none() -> None:
    mapping = tables("[[document]]\npattern = \"(?P<number>A*)\"\nkind = 'so'")
    assert mapped(mapping, receipt("A" * 64)).documents[0].kind == "so"
    assert mapped(mapping, receipt("A" * 65)).documents[0].kind == "po"


def test_a_number_that_fits_nothing_can_be_refused() -> None:
    mapping = tables('[unmapped]\ndocuments = "refuse"\n' + PATTERNS)
    assert mapped(mapping, receipt("BEST-1")).documents[0].number == "PO1"
    assert mapped(mapping, receipt("17")) == Refused(
        "unmapped", "no [[document]] in mapping.toml fits 17"
    )


def test_a_number_that_would_be_empty_is_refused() -> None:
    assert mapped(tables('[[document]]\nprefix = "PO"'), receipt("PO")).code == "unmapped"


# --- Places ---

PLACES = """
[warehouse.NORTH]
stations = ["dock-1/*"]
[warehouse.NORTH.type.receipt]
to_location = "NORTH-IN"
[warehouse.SOUTH]
stations = ["dock-2/bench"]
location = "SOUTH"
[type.receipt]
to_location = "DOCK"
[type.putaway]
becomes = "transfer"
[type.pick]
becomes = "transfer"
from_location = "STOCK"
"""
ROWS = (
    "location,code,station,warehouse\nA,everybody,,\nA,north,,NORTH\nB,bench,bench,\n"
    "B,dock,dock-1/*,\nB,both,dock-1/bench,\nC,south,,SOUTH\n"
)


@pytest.mark.parametrize(
    ("gateway", "place", "erp"),
    [
        ("dock-1", "A", "north"),
        ("dock-3", "A", "everybody"),
        ("dock-1", "B", "both"),
        ("dock-3", "B", "bench"),
        ("dock-2", "C", "south"),
        ("dock-2", "Z", "SOUTH"),
        ("dock-3", "Z", "Z"),
        ("dock-1", None, "NORTH-IN"),
        ("dock-2", None, "DOCK"),
    ],
)
def test_the_row_that_says_most_names_the_place(gateway: str, place: str | None, erp: str) -> None:
    event = Receipt(lines=lines(), to_location=place)
    assert mapped(tables(PLACES, locations=ROWS), event, gateway=gateway).to_location == erp


def test_a_station_may_work_in_another_warehouse_than_its_gateway() -> None:
    rules = """
    [warehouse.A]
    stations = ["dock-1/*"]
    location = "A"
    [warehouse.B]
    stations = ["dock-1/bench"]
    location = "B"
    """
    assert mapped(tables(rules), receipt()).to_location == "B"


def test_a_place_without_a_row_can_be_refused() -> None:
    strict = tables('[unmapped]\nlocations = "refuse"', locations="location,code\nA,B\n")
    assert mapped(strict, Count(location="A", lines=lines())).location == "B"
    refused = mapped(strict, Count(location="Z", lines=lines()))
    assert refused == Refused("unknown_location", "locations.csv has no Z")


def test_a_putaway_and_a_pick_can_be_transfers() -> None:
    mapping = tables(PLACES)
    put = Putaway(lines=lines(lot="L1"), from_location="A", to_location="B", reason="why")
    assert mapped(mapping, put) == Transfer(
        lines=lines(lot="L1"), from_location="A", to_location="B", reason="why"
    )
    pick = Pick(lines=lines(), to_location="CART")
    assert mapped(mapping, pick).from_location == "STOCK"
    assert mapped(mapping, Pick(lines=lines())) == Refused(
        "unmapped",
        "as a transfer it needs a to_location: give one in [type.pick] of mapping.toml",
    )


# --- Reasons, types, and all of it together ---


def test_a_reason_is_the_erp_s_word_for_it() -> None:
    rules = '[unmapped]\nreasons = "refuse"\n[reason]\n"broken in two" = "551"'
    event = Adjustment(direction="decrease", lines=lines(), reason="broken in two")
    assert mapped(tables(rules), event).reason == "551"
    assert mapped(tables(rules), Reversal(reverses=name(1), reason="oops")).code == "unmapped"
    silent = Reversal(reverses=name(1))
    assert mapped(tables(rules), silent) is silent


def test_a_type_the_erp_does_not_get_is_refused_with_the_reason_a_person_wrote() -> None:
    rules = '[type.count]\nrefuse = "stock is counted in the ERP"'
    refused = mapped(tables(rules), Count(location="A", lines=lines()))
    assert refused == Refused("unsupported", "count: stock is counted in the ERP")


def test_everything_that_is_wrong_is_said_at_once() -> None:
    rules = '[unmapped]\nitems = "refuse"\nlocations = "refuse"'
    refused = mapped(tables(rules), Receipt(lines=(*lines("A"), *lines("B")), to_location="Z"))
    assert refused.code == "unknown_sku"
    assert refused.text == (
        "items.csv has no SKU A; items.csv has no SKU B; locations.csv has no Z"
    )
    many = mapped(tables(rules), Receipt(lines=tuple(lines(f"S{n}")[0] for n in range(200))))
    assert many.text.endswith("and 195 more")
    assert len(many.text) < 500


def test_items_are_mapped_wherever_a_transaction_names_them() -> None:
    mapping = tables(items="sku,code\nBOLT-8,X\n")
    assembly = mapped(mapping, Assembly(produced=lines(), consumed=lines()))
    shipment = mapped(mapping, Shipment(packages=({},), lines=lines()))
    reading = mapped(mapping, Reading(item=Item(sku="BOLT-8")))
    weighing = mapped(mapping, Weighing(weight={"value": "1"}, item=Item(sku="BOLT-8")))
    found = [
        *(line.item for line in (*assembly.produced, *assembly.consumed, *shipment.lines)),
        *(reading.item, weighing.item),
    ]
    assert found == [Item(sku="X")] * 5


EVERYTHING = """
[places]
EA = 3
[warehouse.W]
stations = ["bench"]
location = "W"
[[document]]
pattern = "(?P<number>.*)"
number = "D-{number}"
[reason]
A = "B"
[type.receipt]
document = "po"
to_location = "IN"
[type.pick]
becomes = "transfer"
"""
SHEETS = {
    "items": f"sku,gtin,code,unit\nA,,CODE-A,\nÄÖ,{EACH},CODE-B,\n,{CASE},CODE-B,CT\n",
    "units": "sku,from,to,factor\n*,GRM,KGM,1/1000\n*,EA,CT,1/3\nCODE-A,EA,EA,1\n",
    "locations": "location,code\nA,PLACE-A\n",
}


@given(transactions)
def test_ids_are_kept_and_no_quantity_is_altered_inexactly(came: Transaction) -> None:
    mapping = tables(EVERYTHING, **SHEETS)
    before = encode(came)
    given = mapping.apply(came)
    assert encode(came) == before, "what came is not touched"
    assert mapping.apply(came) == given, "the same again is the same"
    if isinstance(given, Refused):
        assert given.code in {"unmapped", "unknown_sku"}
        return
    assert given.model_copy(update={"event": came.event}) == came, "all but the event stays"
    for old, new in zip(_all_lines(came.event), _all_lines(given.event), strict=True):
        unit, factor = mapping.tables.units.way(new.item.sku, old.quantity.unit)
        assert new.quantity.unit == unit
        assert Fraction(new.quantity.value) == Fraction(old.quantity.value) * factor
        assert new.model_copy(update={"item": old.item, "quantity": old.quantity}) == old
    assert Transaction.model_validate_json(encode(given)) == given, "it is a valid one"


def _all_lines(event: Event) -> list[Line]:
    return [line for part in ("lines", "produced", "consumed") for line in getattr(event, part, ())]


@given(transactions)
def test_empty_tables_change_nothing(came: Transaction) -> None:
    assert tables().apply(came) is came


def test_every_type_of_transaction_can_have_rules() -> None:
    for kind in EVERY_TYPE:
        assert tables(f'[type.{kind}]\nrefuse = "no"').tables.rules.type[kind].refuse == "no"
    with pytest.raises(ConfigError, match="no type of transaction"):
        tables('[type.nonsense]\nrefuse = "no"')
